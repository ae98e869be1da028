//! Tests: what is written reads back, whatever the order, and damage never passes for a BTF.

use proptest::prelude::*;

use super::*;
use crate::btf::testing::{record, wide};
use crate::btf::{Endian, Enumerator, Kind, Member, TypeId, Writer};

/// The digest of an object that nobody has.
const OBJECT: [ObjectDigest; 1] = [ObjectDigest::from_bytes([7; 8])];

fn id(text: &str) -> KernelId {
    text.parse().unwrap()
}

/// Writes an archive of kernels without build ids.
fn write(
    kernels: &[(KernelId, usize)],
    blobs: &[impl AsRef<[u8]>],
    objects: &[ObjectDigest],
    level: i32,
) -> Result<Vec<u8>, ArchiveError> {
    let entries = kernels.iter().map(|(kernel, blob)| Entry::new(kernel.clone(), BlobId(*blob)));
    super::write(&entries.collect::<Vec<_>>(), blobs, objects, level)
}

/// A BTF of one struct whose members lie at the given bit offsets, a pointer, an array, and a type that is `own`.
fn btf(own: &str, offsets: &[u32]) -> Vec<u8> {
    let mut writer = Writer::new(Endian::Little);
    let int = writer.int(b"int", 4, 1, 0, 32).unwrap();
    let pointer = writer.reference(Kind::Ptr, b"", TypeId(5)).unwrap();
    let array = writer.array(int, int, 16).unwrap();
    let members: Vec<(String, u32)> =
        offsets.iter().enumerate().map(|(at, &offset)| (format!("member_{at}"), offset)).collect();
    let types = [int, pointer, array];
    let members = members.iter().enumerate();
    let members = members.map(|(at, (name, offset))| Member::new(name.as_bytes(), types[at % 3], *offset));
    writer.composite(Kind::Struct, b"task_struct", 64, members.collect::<Vec<_>>().into_iter()).unwrap();
    writer.int(own.as_bytes(), 8, 0, 0, 64).unwrap();
    writer.finish().unwrap()
}

/// Twelve kernels of three series with five distinct blobs.
fn sample() -> (Vec<(KernelId, usize)>, Vec<Vec<u8>>) {
    let blobs: Vec<Vec<u8>> =
        (0..5u32).map(|n| btf(&format!("own_{}", n / 2), &[0, 64, 64 + 32 * n, 4096 + n * n])).collect();
    let mut entries = Vec::new();
    for n in 0..6 {
        entries.push((id(&format!("debian/12/x86_64/6.1.0-{}-amd64", n + 8)), n / 2));
    }
    for n in 0..4 {
        entries.push((id(&format!("debian/12/x86_64/6.1.0-{}-cloud-amd64", n * 3)), n / 2 + 1));
    }
    entries.push((id("ubuntu/20.04/arm64/5.4.0-084-generic"), 3));
    entries.push((id("centos/7/x86_64/3.10.0-1160.el7.x86_64"), 4));
    (entries, blobs)
}

#[test]
fn reads_back_and_does_not_depend_on_the_order() {
    let (mut entries, mut blobs) = sample();
    let bytes = write(&entries, &blobs, &OBJECT, 19).unwrap();
    let archive = Archive::open(&bytes).unwrap();
    archive.verify().unwrap();
    assert_eq!((archive.len(), archive.blob_count()), (12, 5));
    assert!(archive.objects().eq(OBJECT));
    for (kernel, number) in &entries {
        assert_eq!(archive.get(kernel).unwrap().as_ref(), Some(&blobs[*number]), "{kernel}");
    }
    assert_eq!(archive.get(&id("debian/12/x86_64/6.1.0-14-amd64")).unwrap(), None);
    let (a, b) = (id("debian/12/x86_64/6.1.0-10-amd64"), id("debian/12/x86_64/6.1.0-3-cloud-amd64"));
    assert_eq!(archive.blob_of(&a), archive.blob_of(&b));

    entries.reverse();
    blobs.push(blobs[4].clone());
    entries[0] = (entries[0].0.clone(), 5);
    assert_eq!(write(&entries, &blobs, &OBJECT, 19).unwrap(), bytes);
}

#[test]
fn build_ids_are_read_back() {
    let (kernels, blobs) = sample();
    for stored in [&[][..], &[0], &[3, 11], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]] {
        let build_id = |index: usize| BuildIdPrefix::from_bytes([index as u8 ^ 0x5a; BuildIdPrefix::LEN]);
        let entry = |(index, (kernel, blob)): (usize, &(KernelId, usize))| Entry {
            build_id: stored.contains(&index).then(|| build_id(index)),
            ..Entry::new(kernel.clone(), BlobId(*blob))
        };
        let entries: Vec<Entry> = kernels.iter().enumerate().map(entry).collect();
        let bytes = super::write(&entries, &blobs, &OBJECT, 19).unwrap();
        let archive = Archive::open(&bytes).unwrap();
        for entry in &entries {
            assert_eq!(archive.build_id_of(&entry.kernel), entry.build_id);
        }
        assert_eq!(archive.build_id_of(&id("debian/12/x86_64/6.1.0-14-amd64")), None);
    }
}

#[test]
fn refuses_what_no_reader_would_take() {
    let (entries, blobs) = sample();
    let twice = [entries.clone(), entries[..1].to_vec()].concat();
    assert!(matches!(write(&twice, &blobs, &[], 3), Err(ArchiveError::Duplicate { .. })));
    assert!(matches!(write(&entries, &blobs[..2], &[], 3), Err(ArchiveError::NoSuchBlob { blob: 2, .. })));
    let mut bad = blobs.clone();
    bad[3] = Vec::new();
    let error = write(&entries, &bad, &[], 3).unwrap_err();
    let ArchiveError::NoBtf { kernel, .. } = error else { panic!("{error}") };
    assert_eq!(kernel.as_str(), "ubuntu/20.04/arm64/5.4.0-084-generic");
    // A string that no type uses is not written by us, and would be lost.
    let mut writer = Writer::new(Endian::Little);
    writer.string(b"unused");
    bad[3] = writer.finish().unwrap();
    assert!(matches!(write(&entries, &bad, &[], 3), Err(ArchiveError::Differs { .. })));
    let none = write(&[], &[] as &[Vec<u8>], &[], 19).unwrap();
    assert_eq!(Archive::open(&none).unwrap().len(), 0);
}

/// A BTF of some ints, whose names are its own and do not compress.
fn ints(blob: u32, endian: Endian) -> Vec<u8> {
    let mut writer = Writer::new(endian);
    for at in 0..40 {
        let name = format!("{:08x}", (blob * 40 + at).wrapping_mul(2_654_435_761));
        writer.int(name.as_bytes(), 4, 0, 0, 32).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn blobs_of_both_byte_orders_share_an_archive() {
    let blobs: Vec<Vec<u8>> =
        (0..7).map(|at| ints(at / 2, if at % 2 == 0 { Endian::Big } else { Endian::Little })).collect();
    let entries: Vec<_> = (0..7).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
    let bytes = write(&entries, &blobs, &[], 3).unwrap();
    let archive = Archive::open(&bytes).unwrap();
    archive.verify().unwrap();
    for (kernel, number) in &entries {
        assert_eq!(archive.get(kernel).unwrap().as_ref(), Some(&blobs[*number]));
    }
    let big_after_little = (0..7).map(|at| archive.blob(at).unwrap()[0] == 0xeb);
    assert!(big_after_little.eq([false, false, false, true, true, true, true]));
    // Both orders of a BTF have the same definitions.
    let little: Vec<_> = entries.iter().filter(|(_, at)| at % 2 == 1).cloned().collect();
    let little = write(&little, &blobs, &[], 3).unwrap();
    assert!(bytes.len() < little.len() * 3 / 2, "{} bytes, {} in one order", bytes.len(), little.len());
}

/// The layout has BTF's 24 bits for the number of members, although minimized BTFs stay within 16.
#[test]
fn holds_types_of_many_members() {
    const MEMBERS: u32 = 0x1_0001;
    for endian in [Endian::Little, Endian::Big] {
        let members: Vec<u32> = (0..MEMBERS).flat_map(|at| [1, 0, at * 32]).collect();
        let records = [record(1, Kind::Struct.number(), MEMBERS, 8, &members)];
        let mut blob = wide(endian, &records, &[], b"\0s\0");
        // The header of 24 bytes, as archives give it back.
        blob.drain(24..32);
        blob[4..8].copy_from_slice(&endian.bytes32(24));
        let kernel = id("a/1/b/1");
        let bytes = write(&[(kernel.clone(), 0)], std::slice::from_ref(&blob), &[], 1).unwrap();
        assert!(Archive::open(&bytes).unwrap().get(&kernel).unwrap() == Some(blob));
    }
}

#[test]
fn refuses_what_exceeds_a_look_up() {
    let struct_of = |blob: u32| {
        let mut writer = Writer::new(Endian::Little);
        let offset = |at: u32| (at ^ blob).wrapping_mul(2_654_435_761);
        let members = (0..0xffff).map(|at| Member::new(b"m".as_slice(), TypeId::VOID, offset(at)));
        writer.composite(Kind::Struct, b"s", 64, members).unwrap();
        writer.finish().unwrap()
    };
    let written = |count: u32| {
        let blobs: Vec<Vec<u8>> = (0..count).map(struct_of).collect();
        let entries: Vec<_> = (0..blobs.len()).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
        write(&entries, &blobs, &[], 1)
    };
    written(4).unwrap();
    let error = written(40).unwrap_err();
    assert!(matches!(error, ArchiveError::DefinitionsSize { blobs: 40, .. }), "{error}");
}

/// Forty kernels that differ in one offset or one type each: what the archive must store only once is most of it.
#[test]
fn alike_blobs_share_their_definitions() {
    let offsets: Vec<u32> = (0..400).map(|at| at * 64).collect();
    let blobs: Vec<Vec<u8>> = (0..40)
        .map(|n| {
            let mut offsets = offsets.clone();
            offsets.iter_mut().skip(n * 9).for_each(|offset| *offset += 32);
            btf(&format!("own_{}", n % 4), &offsets)
        })
        .collect();
    let entries: Vec<_> = (0..40).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
    let bytes = write(&entries, &blobs, &[], 19).unwrap();
    let one = write(&entries[..1], &blobs[..1], &[], 19).unwrap();
    assert!(bytes.len() < one.len() + 40 * 20, "{} bytes, one blob {}", bytes.len(), one.len());
    let mut shuffled = entries.clone();
    shuffled.rotate_left(3);
    assert_eq!(write(&shuffled, &blobs, &[], 19).unwrap(), bytes);
}

/// A BTF of types drawn at random: any kinds in any order, references forth, back and in circles, names that recur.
fn drawn(draws: &[(u8, u16, u16)], endian: Endian) -> Vec<u8> {
    let mut writer = Writer::new(endian);
    for &(kind, a, b) in draws {
        let id = |n: u16| TypeId(u32::from(n) % (draws.len() as u32 + 1));
        let name = format!("n{}", a % 7);
        let name = if b % 3 == 0 { b"".as_slice() } else { name.as_bytes() };
        let members: Vec<Member<&[u8]>> = (0..b % 4)
            .map(|at| {
                let bitfield_size = if a % 5 == 0 { 3 } else { 0 };
                Member { bitfield_size, ..Member::new(name, id(a.wrapping_add(at)), u32::from(b) * 8) }
            })
            .collect();
        match kind % 9 {
            0 => writer.int(name, 4, 1, 0, a as u8),
            1 => writer.reference(Kind::Ptr, b"", id(a)),
            2 => writer.array(id(a), id(a), u32::from(b)),
            3 => writer.composite(Kind::Struct, name, u32::from(a), members.into_iter()),
            4 => writer.composite(Kind::Union, name, u32::from(a), members.into_iter()),
            5 => {
                let values: Vec<_> =
                    (0..b % 5).map(|at| Enumerator { name, value: u64::from(a) << (at * 8) }).collect();
                writer.enumeration(name, 4, a % 2 == 0, b % 2 == 0, values.into_iter())
            }
            6 => writer.forward(name, a % 2 == 0),
            7 => writer.reference(Kind::Typedef, name, id(b)),
            _ => writer.func_proto(id(a), vec![id(b); usize::from(b % 3)].into_iter()),
        }
        .unwrap();
    }
    writer.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// However little the BTFs have in common, and whatever their order of types, they come back byte for byte.
    #[test]
    fn any_btfs_come_back(
        blobs in proptest::collection::vec(
            (proptest::collection::vec((any::<u8>(), 0u16..40, 0u16..40), 0..30), any::<bool>()), 1..8),
        common in proptest::collection::vec((any::<u8>(), 0u16..40, 0u16..40), 0..30),
    ) {
        let blobs: Vec<Vec<u8>> = blobs
            .iter()
            .map(|(own, big)| drawn(&[common.as_slice(), own].concat(), if *big { Endian::Big } else { Endian::Little }))
            .collect();
        let entries: Vec<_> = (0..blobs.len()).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
        // Writing compares every blob; what is asserted is that none is refused.
        write(&entries, &blobs, &[], 3).unwrap();
    }
}

/// Every kernel of the damaged archive either has the right BTF or an error; ids are never invented.
fn check_damaged(bytes: &[u8], entries: &[(KernelId, usize)], blobs: &[Vec<u8>]) {
    let Ok(archive) = Archive::open(bytes) else { return };
    assert_eq!(archive.kernels().count(), entries.len());
    for (kernel, number) in entries {
        match archive.get(kernel) {
            Ok(Some(blob)) => assert_eq!(&blob, &blobs[*number]),
            Ok(None) => panic!("{kernel} is gone without an error"),
            Err(_) => {}
        }
    }
}

#[test]
fn damage_is_an_error_or_harmless() {
    let (entries, blobs) = sample();
    let bytes = write(&entries, &blobs, &OBJECT, 19).unwrap();
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        let opened = Archive::open(cut);
        assert!(opened.is_err(), "an archive cut to {len} bytes of {} opens", bytes.len());
    }
    for at in 0..bytes.len() {
        for mask in [1, 16, 128, 255] {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            check_damaged(&damaged, &entries, &blobs);
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Archive::open(&longer).is_err());
}

/// The archive that btfgen-runtime's tests read, so that a change of the layout is noticed there.
#[test]
fn writes_the_sample_of_the_runtime_s_tests() {
    let entries = [(10, 0), (12, 0), (13, 1)]
        .map(|(number, blob)| (id(&format!("debian/12/x86_64/6.1.0-{number}-amd64")), blob));
    let btf = |name: &str| {
        let mut writer = Writer::new(Endian::Little);
        writer.float(name.as_bytes(), 4).unwrap();
        writer.finish().unwrap()
    };
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/objects/el/opensnoop.o");
    let object = ObjectDigest::of(&std::fs::read(object).unwrap()).unwrap();
    let bytes = write(&entries, &[btf("kA"), btf("kB")], &[object], 19).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../btfgen-runtime/tests/data/sample.archive");
    let bless = std::env::var_os("BTFGEN_BLESS").is_some();
    if bless {
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}
