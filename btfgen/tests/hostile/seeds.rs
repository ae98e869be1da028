//! Seeds: good inputs of each fuzz target, and how they are damaged.

use std::fs;
use std::io::Write;
use std::path::Path;

use btfgen_core::archive;
use btfgen_core::btf::{Btf, Endian, u32_at};
use btfgen_core::hub::file::{HubBuilder, KernelSource};
use btfgen_core::report::BlobId;
use btfgen_runtime::{BuildIdPrefix, ObjectDigest};

use crate::testdata;

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Good inputs of a fuzz target.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let both = |folder: &str| -> Vec<Vec<u8>> {
        let orders = ["el", "eb"].map(|order| files(&testdata().join(folder).join(order)));
        orders.into_iter().flatten().collect()
    };
    match target {
        "object" | "digest" => both("objects"),
        "btf" => {
            let old = both("targets");
            let wide: Vec<_> = old.iter().map(|btf| with_layout(btf)).collect();
            [old, wide].concat()
        }
        "resolve" => (0..40).map(|seed| noise(seed, 600)).collect(),
        "codec" => codec(),
        "archive" => archives(),
        "hub_file" => hub_files(),
        "os_release" => hosts(),
        "image" => images(),
        _ => Vec::new(),
    }
}

/// A BTF in the form of Linux 7.1, with a type of the unknown kind 40 (a word, and two for each of three elements) and a
/// typedef of it.
fn with_layout(btf: &[u8]) -> Vec<u8> {
    let endian = if btf[0] == 0x9f { Endian::Little } else { Endian::Big };
    let word = |at| u32_at(btf, at, endian).unwrap() as usize;
    let section = |at: usize| &btf[24 + word(at)..][..word(at + 4)];
    let layout = [&[[0; 4]; 40][..], &[[4, 8, 0, 0]]].concat();
    let new = [0, 40 << 24 | 3, 0, 1, 2, 3, 4, 5, 6, 7].map(|word| endian.bytes32(word));
    let typedef = [1, 8 << 24, Btf::parse(btf).unwrap().type_count()].map(|word| endian.bytes32(word));
    let types = [section(8), new.as_flattened(), typedef.as_flattened()].concat();
    let (types_len, layout_len) = (types.len() as u32, layout.len() as u32 * 4);
    let header = [32, 0, types_len, types_len + layout_len, word(20) as u32, types_len, layout_len];
    let header = header.map(|word| endian.bytes32(word));
    [&btf[..4], header.as_flattened(), &types, layout.as_flattened(), section(16)].concat()
}

fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(|| random.u8(..)).take(len).collect()
}

fn target() -> Vec<u8> {
    fs::read(testdata().join("targets/el/traps.btf")).unwrap()
}

/// The minimized BTF of a test object for the target with traps.
fn minimized(object: &str) -> Vec<u8> {
    let bytes = fs::read(testdata().join(format!("objects/el/{object}.o"))).unwrap();
    let object = btfgen_core::object::Object::parse(object, &bytes).unwrap();
    btfgen_core::pipeline::minimize(&[object], &target()).unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One seed a form: the form's number, then the file. The last has a long name and a second member.
fn codec() -> Vec<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let long = "long/".repeat(30) + "a.btf";
    for name in [long.as_str(), "README"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(800);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &target()[..800]).unwrap();
    }
    let tar = builder.into_inner().unwrap();
    let (plain, zst) = (target(), |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap());
    let packed =
        [plain.clone(), tar.clone(), zst(&plain), zst(&tar), gz(&plain), gz(&tar), xz(&plain), xz(&tar)];
    packed.into_iter().enumerate().map(|(form, bytes)| [vec![form as u8], bytes].concat()).collect()
}

fn archives() -> Vec<Vec<u8>> {
    let ids =
        ["debian/12/x86_64/6.1.0-50-amd64", "debian/12/x86_64/6.1.0-49-amd64", "ubuntu/20.04/arm64/5.4.0-7"];
    let entry = |id: &str, blob| archive::Entry::new(id.parse().unwrap(), BlobId(blob));
    let mut entries: Vec<_> = ids.iter().enumerate().map(|(at, id)| entry(id, at.min(1))).collect();
    entries[1].build_id = Some(BuildIdPrefix::from_bytes([9; 16]));
    let blobs = [minimized("fields"), minimized("enums")];
    let one = archive::write(&entries, &blobs, &[ObjectDigest::from_bytes([7; 8])], 3).unwrap();
    let many: Vec<_> = (0..300).map(|at| entry(&format!("d/{at}/a/{}.{}", at % 7, at * at), 0)).collect();
    vec![one, archive::write(&many, &blobs[1..], &[], 3).unwrap()]
}

/// 80 MiB of zeros, in each packed form that has a single stream.
pub(crate) fn bombs() -> Vec<Vec<u8>> {
    let zeros = vec![0; 80 << 20];
    let packed = [(2, zstd::encode_all(&zeros[..], 1).unwrap()), (4, gz(&zeros)), (6, xz(&zeros))];
    packed.into_iter().map(|(form, bytes)| [vec![form], bytes].concat()).collect()
}

fn hub_files() -> Vec<Vec<u8>> {
    let mut builder = HubBuilder::new();
    let big = fs::read(testdata().join("targets/eb/traps.btf")).unwrap();
    let object = fs::read(testdata().join("objects/el/fields.o")).unwrap();
    let local = btfgen_core::object::Object::parse("fields", &object).unwrap();
    let kernels = [
        ("a/1/x86_64/1.0", &target()[..]),
        ("a/1/s390x/1.0", &big),
        ("a/2/x86_64/1.1", local.btf()),
        ("a/2/x86_64/1.2", &with_layout(&target())),
    ];
    for (id, btf) in kernels {
        builder.add_btf(&KernelSource::new(&id.parse().unwrap(), "made for a test", btf)).unwrap();
    }
    vec![builder.finish(3).unwrap(), HubBuilder::new().finish(3).unwrap()]
}

fn hosts() -> Vec<Vec<u8>> {
    let debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID='12'\n\0\
        6.1.0-50-amd64\0#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-3 (2026-01-01)\0x86_64\0\
        Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0) #1 SMP\0\0";
    let ubuntu = "ID=ubuntu\nVERSION_ID=\"20.04\"\nVERSION_CODENAME=focal\n# \\\"\n\0\
        5.4.0-84-generic\0#94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021\0x86_64\0\
        Linux version 5.4.0-84-generic (buildd@lcy01) #94~18.04.1-Ubuntu\0Ubuntu 5.4.0-84.94~18.04.1-generic 5.4.133\0ID=alpine\n";
    let amazon = "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n\0\
        4.14.101-91.76.amzn2.aarch64\0#1 SMP\0aarch64\0Linux version 4.14.101-91.76.amzn2.aarch64\0\0";
    [debian, ubuntu, amazon].map(|text| text.as_bytes().to_vec()).into()
}

/// A BTF among other bytes, in each way that a kernel is packed.
fn images() -> Vec<Vec<u8>> {
    let around = |inner: Vec<u8>| [noise(1, 5000), inner, noise(2, 300)].concat();
    let plain = around(target());
    vec![
        plain.clone(),
        around(with_layout(&target())),
        around(gz(&plain)),
        around(xz(&plain)),
        around(zstd::encode_all(&plain[..], 3).unwrap()),
    ]
}

/// A seed with one to eight injuries.
pub(crate) fn damaged(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..=random.usize(..8) {
        if input.is_empty() {
            break;
        }
        let at = random.usize(..input.len());
        let len = random.usize(1..=16.max(input.len() / 8)).min(input.len() - at);
        match random.u8(..9) {
            0 => input[at] ^= 1 << random.u8(..8),
            1 => input[at] = random.u8(..),
            2 => input[at] = [0, 1, 0x7f, 0x80, 0xff, b'0', b'"', b'\\', b'/'][random.usize(..9)],
            // A word as lengths, offsets, ids and counts are.
            3..=5 => {
                let at = at & !3;
                let value = [0, 1, 2, 0xff, 0xffff, 0x7fff_ffff, u32::MAX, random.u32(..64), random.u32(..)];
                let value = value[random.usize(..9)];
                let word = if random.bool() { value.to_le_bytes() } else { value.to_be_bytes() };
                input.iter_mut().skip(at).zip(word).for_each(|(byte, new)| *byte = new);
            }
            6 => drop(input.drain(at..at + len)),
            7 => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..=other.len().saturating_sub(len));
                let piece: Vec<u8> = other[from..].iter().take(len).copied().collect();
                input.splice(at..at, piece);
            }
            _ => input.truncate(at),
        }
    }
    input
}
