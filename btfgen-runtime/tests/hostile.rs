//! Hostile: any bytes and any kernel strings give a correct result or an error.

mod common;

use btfgen_runtime::{
    Archive, ArchiveError, BuildIdPrefix, Catalog, Host, KernelId, OsRelease, select, wire,
};
use common::{Ids, hub, id, kernel_host};
use proptest::prelude::*;

const ARCHIVE: &[u8] = include_bytes!("data/sample.archive");

fn sample() -> Vec<(KernelId, Vec<u8>)> {
    let archive = Archive::open(ARCHIVE).expect("the sample archive");
    let blob = |kernel: &KernelId| archive.get(kernel).expect("a sound archive").expect("an entry");
    archive.kernels().map(|kernel| (kernel.clone(), blob(&kernel))).collect()
}

#[test]
fn every_cut_and_every_flip_of_an_archive_is_an_error_or_harmless() {
    let sample = sample();
    assert_eq!(sample.len(), 3);
    for len in 0..ARCHIVE.len() {
        assert!(Archive::open(&ARCHIVE[..len]).is_err(), "cut to {len}");
    }
    for at in 0..ARCHIVE.len() {
        for mask in 1..=255u8 {
            let mut damaged = ARCHIVE.to_vec();
            damaged[at] ^= mask;
            let Ok(archive) = Archive::open(&damaged) else { continue };
            for (kernel, blob) in &sample {
                match archive.get(kernel) {
                    Ok(got) => assert_eq!(got.as_ref(), Some(blob), "byte {at} ^ {mask:#x}"),
                    Err(error) => assert!(error.to_string().starts_with("archive of minimized BTFs: ")),
                }
            }
        }
    }
}

/// A zstd frame as an archive stores it.
fn frame(raw: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::bulk::Compressor::new(3).expect("an encoder");
    encoder.include_checksum(true).expect("a parameter");
    encoder.compress(raw).expect("a frame")
}

/// An archive of any index and definitions, in well-formed frames.
fn with_frames(index: &[u8], definitions: &[u8]) -> Vec<u8> {
    let (index, definitions) = (frame(index), frame(definitions));
    let mut out = [wire::MAGIC.as_slice(), &[wire::VERSION]].concat();
    wire::push_varint(&mut out, index.len() as u64);
    wire::push_varint(&mut out, definitions.len() as u64);
    [out, index, definitions].concat()
}

/// The index of as many kernels as blobs, each with a blob of its own.
fn index_of(little: u8, big: u8) -> Vec<u8> {
    let blobs = little + big;
    let mut index = vec![0, little, big, blobs];
    for at in 0..blobs {
        index.extend(format!("d/v/a/{at}\0").bytes());
    }
    // The numbers are 0, 1, 2 and so on: as differences a 0, then +1.
    index.extend((0..blobs).map(|at| if at == 0 { 0 } else { 2 }));
    // No build ids.
    index.extend((0..blobs).map(|_| 0));
    index
}

/// The definitions of three blobs: one slot, a struct "s" of 7 bytes with a member "m" of type 0 at bit 8. The second
/// blob does not have the struct. In the third, it has a second member without a name at bit 9, of its own type.
const NAMES: [u8; 5] = *b"\x04s\0m\0";
const SLOT: [u8; 2] = [4, 1];
const RUNS: [u8; 6] = [1, 1, 1, 0, 1, 2];
const FIRST: [u8; 5] = [2, 7, 4, 0, 16];
const SECOND: [u8; 8] = [4, 7, 4, 0, 16, 3, 2, 2];

fn definitions(names: &[u8], slot: &[u8], runs: &[u8], first: &[u8], second: &[u8]) -> Vec<u8> {
    [names, slot, runs, first, second].concat()
}

/// The length of each blob, if it can be assembled; `None` if the definitions are malformed.
fn lens(bytes: &[u8]) -> Option<Vec<Option<usize>>> {
    let archive = Archive::open(bytes).expect("a sound index");
    let one_by_one: Vec<_> =
        (0..archive.blob_count()).map(|at| archive.blob(at).ok().map(|blob| blob.len())).collect();
    let all = archive.blobs().and_then(|blobs| blobs.collect::<Result<Vec<_>, _>>());
    match &all {
        Ok(all) => assert_eq!(all.iter().map(|blob| Some(blob.len())).collect::<Vec<_>>(), one_by_one),
        Err(ArchiveError::Definitions) => assert!(one_by_one.iter().all(Option::is_none)),
        Err(error) => {
            let first = one_by_one.iter().position(Option::is_none).expect("a malformed blob");
            assert_eq!(*error, ArchiveError::Blob(first));
        }
    }
    assert_eq!(archive.verify().err(), all.as_ref().err().cloned());
    (all != Err(ArchiveError::Definitions)).then_some(one_by_one)
}

#[test]
fn definitions_are_read_as_specified_or_not_at_all() {
    let blobs = [Some(24 + 24 + 5), Some(24 + 1), Some(24 + 36 + 5)];
    let sound = definitions(&NAMES, &SLOT, &RUNS, &FIRST, &SECOND);
    for little in 0..=3 {
        let bytes = with_frames(&index_of(little, 3 - little), &sound);
        assert_eq!(lens(&bytes).as_deref(), Some(&blobs[..]));
        let archive = Archive::open(&bytes).expect("a sound index");
        for at in 0..3 {
            let blob = archive.blob(at).expect("a sound blob");
            let word = |value: u32| {
                if at < usize::from(little) { value.to_le_bytes() } else { value.to_be_bytes() }
            };
            let magic = if at < usize::from(little) { [0x9f, 0xeb, 1, 0] } else { [0xeb, 0x9f, 1, 0] };
            // Name, info (the kind is struct), size; each member's name, type and offset in bits.
            let (types, strings): (&[u32], &[u8]) = match at {
                0 => (&[1, 4 << 24 | 1, 7, 3, 0, 8], b"\0s\0m\0"),
                1 => (&[], b"\0"),
                _ => (&[1, 4 << 24 | 2, 7, 3, 0, 8, 0, 1, 9], b"\0s\0m\0"),
            };
            let len = types.len() as u32 * 4;
            let header = [24, 0, len, len, strings.len() as u32].map(word).concat();
            let types: Vec<u8> = types.iter().flat_map(|value| word(*value)).collect();
            assert_eq!(blob, [&magic, header.as_slice(), &types, strings].concat());
        }
    }
    let check = |definitions: &[u8], expect: Option<[Option<usize>; 3]>| {
        let bytes = with_frames(&index_of(3, 0), definitions);
        assert_eq!(lens(&bytes), expect.map(|expect| expect.to_vec()), "{definitions:?}");
    };
    let names = |names: &[u8], expect| check(&definitions(names, &SLOT, &RUNS, &FIRST, &SECOND), expect);
    // No final NUL; missing names; an unused name.
    names(b"\x03s\0m", None);
    names(b"\x02s\0", Some([None, blobs[1], None]));
    names(b"\x00", Some([None, blobs[1], None]));
    names(b"\x06s\0m\0x\0", Some(blobs));
    let slot = |slot: &[u8], expect| check(&definitions(&NAMES, slot, &RUNS, &FIRST, &SECOND), expect);
    // Unknown kinds; the empty name; a missing name.
    slot(&[0, 1], None);
    slot(&[20, 1], None);
    slot(&[4, 0], Some([Some(51), blobs[1], Some(63)]));
    slot(&[4, 3], Some([None, blobs[1], None]));
    let runs = |runs: &[u8], expect| check(&definitions(&NAMES, &SLOT, runs, &FIRST, &SECOND), expect);
    // A run of no blob, a run of too many blobs, a missing definition, an extra definition, no definition.
    runs(&[0, 1, 1, 1, 1, 0, 1, 2], None);
    runs(&[1, 1, 1, 0, 2, 2], None);
    runs(&[1, 1, 1, 0, 1, 3], None);
    runs(&[1, 1, 1, 0, 1, 1], None);
    runs(&[3, 0], None);
    runs(&[1, 2, 1, 0, 1, 1], Some([blobs[2], blobs[1], blobs[0]]));
    let second = |second: &[u8], expect| check(&definitions(&NAMES, &SLOT, &RUNS, &FIRST, second), expect);
    // Missing types, truncated, too many entries for BTF, a number above 32 bits, a varint not in its shortest form.
    second(&[4, 7, 4, 0, 16, 3, 4, 2], Some([blobs[0], blobs[1], None]));
    second(&SECOND[..7], None);
    second(&[0x80, 0x80, 8, 7], None);
    second(&[4, 7, 4, 0, 16, 3, 2, 0x80, 0x80, 0x80, 0x80, 0x10], None);
    second(&[4, 7, 4, 0, 16, 3, 2, 0x82, 0], None);
    // A second slot, which refers to the first in all blobs; the second blob does not have the first.
    let pointer = [2, 0, 3, 1, 0, 1];
    check(&[&sound[..], &pointer].concat(), Some([Some(53 + 12), None, Some(65 + 12)]));
    check(&[&sound[..], &pointer[..5]].concat(), None);
    // `vlen` has no effect on an int, which has one entry, and on a pointer, which has none.
    check(&[&sound[..], &[1, 0, 3, 1, 6, 4, 64]].concat(), Some(blobs.map(|len| len.map(|len| len + 16))));
    check(&[&sound[..], &[2, 0, 3, 1, 6, 0]].concat(), Some(blobs.map(|len| len.map(|len| len + 12))));
}

#[test]
fn an_index_is_read_as_specified_or_not_at_all() {
    let check = |ids: &[&str], counts: [u8; 2], numbers: &[u8], expect: Option<&[usize]>| {
        let mut index = vec![0, counts[0], counts[1], ids.len() as u8];
        for id in ids {
            index.extend_from_slice(id.as_bytes());
            index.push(0);
        }
        index.extend_from_slice(numbers);
        index.extend(ids.iter().map(|_| 0));
        let bytes = with_frames(&index, b"\0");
        let numbers = Archive::open(&bytes).ok().map(|archive| {
            assert!(archive.kernels().map(|kernel| kernel.to_string()).eq(ids.iter().copied()));
            let mut visited = Vec::new();
            archive.visit(&mut |id, _| visited.push(id.to_owned()));
            assert_eq!(visited, ids);
            archive.kernels().map(|kernel| archive.blob_of(&kernel).expect("a kernel")).collect::<Vec<_>>()
        });
        assert_eq!(numbers.as_deref(), expect, "{ids:?}");
    };
    check(&[], [0, 0], &[], Some(&[]));
    check(&["d/v/a/r"], [1, 0], &[0], Some(&[0]));
    check(&["d/v/a/1", "d/v/a/11", "d/w/a/1"], [1, 1], &[0, 2, 1], Some(&[0, 1, 0]));
    // Duplicate, descending.
    check(&["d/v/a/r", "d/v/a/r"], [1, 0], &[0, 0], None);
    check(&["d/v/a/s", "d/v/a/r"], [1, 0], &[0, 0], None);
    // Not an id, a control character, too long.
    check(&["d/v/a"], [1, 0], &[0], None);
    check(&["d/v/a/\u{1}"], [1, 0], &[0], None);
    let long = format!("d/v/a/{}", "r".repeat(KernelId::MAX_LEN - 6));
    check(&[&long], [1, 0], &[0], Some(&[0]));
    check(&[&format!("{long}r")], [1, 0], &[0], None);
    // A missing blob, more blobs than kernels, a missing number, an extra number.
    check(&["d/v/a/r"], [1, 0], &[2], None);
    check(&["d/v/a/r"], [0, 0], &[0], None);
    check(&["d/v/a/r"], [1, 1], &[0], None);
    check(&["d/v/a/r"], [1, 0], &[], None);
    check(&["d/v/a/r"], [1, 0], &[0, 0], None);
    // Build ids: none, one, missing flags, an unknown flag, truncated, an extra byte.
    let build_id = |tail: &[u8]| {
        let index = [&[0, 1, 0, 1][..], b"d/v/a/r\0", &[0], tail].concat();
        let bytes = with_frames(&index, b"\0");
        Archive::open(&bytes).ok().map(|archive| archive.build_id_of(&id("d/v/a/r")))
    };
    let with_id = [[1].as_slice(), &[7; 17]].concat();
    assert_eq!(build_id(&[0]), Some(None));
    assert_eq!(build_id(&with_id[..17]), Some(Some(BuildIdPrefix::from_bytes([7; 16]))));
    for bad in [&[][..], &[2], &with_id[..16], &with_id, &[0, 0]] {
        assert_eq!(build_id(bad), None, "{bad:?}");
    }
    // Digests: ascending, duplicate, descending, truncated.
    let digests = |digests: &[u8]| {
        let index = [&[2], digests, &[0, 0, 0]].concat();
        Archive::open(&with_frames(&index, b"\0")).is_ok()
    };
    assert!(digests(&[[1; 8], [2; 8]].concat()));
    assert!(!digests(&[[2; 8], [2; 8]].concat()));
    assert!(!digests(&[[2; 8], [1; 8]].concat()));
    assert!(!digests(&[1; 8]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_an_archive_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Archive::open(&bytes);
        let mut headed = [wire::MAGIC.as_slice(), &[wire::VERSION]].concat();
        headed.extend_from_slice(&bytes);
        let _ = Archive::open(&headed);
    }

    /// The index has a valid checksum and any content.
    #[test]
    fn any_index_is_an_archive_or_an_error(
        index in proptest::collection::vec(prop_oneof![0u8..6, any::<u8>()], 16..300),
        definitions in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = with_frames(&index, &definitions);
        if let Ok(archive) = Archive::open(&bytes) {
            let _ = archive.verify();
            for kernel in archive.kernels() {
                let _ = archive.get(&kernel);
            }
        }
    }

    /// The definitions have a valid checksum and any content, mostly small numbers as in real ones.
    #[test]
    fn any_definitions_give_a_btf_or_an_error(
        names in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..12),
        slots in proptest::collection::vec(prop_oneof![8 => 0u8..6, 1 => any::<u8>()], 0..60),
        little in 0u8..3,
        big in 0u8..3,
    ) {
        let names = [names.as_slice(), &[0]].concat();
        let definitions = [&[names.len() as u8], names.as_slice(), &slots].concat();
        let bytes = with_frames(&index_of(little, big), &definitions);
        let archive = Archive::open(&bytes).expect("a sound index");
        for number in 0..archive.blob_count() {
            if let Ok(blob) = archive.blob(number) {
                prop_assert!(blob.len() >= 25 && blob.len() < 26 + names.len() + 12 * slots.len());
            }
        }
    }

    #[test]
    fn any_os_release_parses(text in "\\PC{0,200}|([A-Z_]{1,8}=[\"'\\\\$`a-z0-9 #\n]{0,20}\n){0,8}") {
        let os = OsRelease::parse(&text);
        let _ = (os.get("ID"), os.get("VERSION_ID"));
    }

    /// Random strings, and truncated or spliced strings of a real kernel: a selected entry has that release.
    #[test]
    fn any_strings_give_an_entry_of_the_release_or_none(
        release in "\\PC{0,40}|[0-9.]{3,8}-[0-9.]{1,6}[a-z0-9._+-]{0,20}",
        version in "\\PC{0,60}|#[0-9]{1,3}(~[0-9.]{3,8})?-Ubuntu.{0,5}|#1 SMP Debian [0-9a-z.~+:-]{0,20}",
        banner in "\\PC{0,100}|Linux version .{0,30}[(].{0,40}[)] [(].{0,40}[)] #.{0,20}",
        signature in "\\PC{0,40}|Ubuntu [0-9.~a-z-]{0,40}",
        os in "(ID=[a-z]{0,8}\n)?(VERSION_ID=[0-9.]{0,6}\n)?",
        at in 0usize..1806,
        cut in 0usize..200,
    ) {
        let ids = Ids { ids: hub().into_iter().skip(at).take(40).chain([id("debian/10/x86_64/4.19.0-17-amd64")]).collect(), one_btf: false };
        let os = Some(OsRelease::parse(&os));
        let made_up = Host {
            release, version, machine: "x86_64".into(),
            proc_version: Some(banner), version_signature: Some(signature), build_id: None,
            os_release: os.clone(), local_os_release: os,
        };
        let mut spliced = kernel_host(&ids.ids[0]);
        let banner = spliced.proc_version.clone().unwrap_or_default();
        spliced.proc_version = Some(banner.chars().take(cut).chain(made_up.version.chars()).collect());
        for host in [made_up, spliced] {
            let _ = host.kernel_id();
            for infer in [false, true] {
                if let Ok(selection) = select(&host, &ids, infer) {
                    prop_assert!(infer || selection.kernel.release() == host.release);
                }
            }
        }
    }
}
