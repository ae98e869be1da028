//! Digest: equal for objects with the same types and relocations, and different for any others.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen_core::btf::Endian;
use btfgen_core::object::Object;
use btfgen_core::pipeline::{self, Request};
use btfgen_runtime::{Archive, ObjectDigest, ObjectError};

#[path = "common/elf.rs"]
mod elf;

/// FNV-1a, written down once more.
fn fnv(bytes: &[u8]) -> [u8; 8] {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

#[test]
fn is_a_hash_of_the_two_sections_bytes() {
    let check = |endian, btf: Option<&[u8]>, ext: Option<&[u8]>, symbols: (&[u8], &[u32])| {
        let object = elf::Parts { endian, machine: elf::EM_BPF, btf, ext, symbols }.to_bytes();
        let expect = match (btf, ext) {
            (Some(btf), ext) => {
                let bytes = [btf, ext.unwrap_or_default()].concat();
                Ok(ObjectDigest::from_bytes(fnv(&bytes)))
            }
            (None, _) => Err(ObjectError::NoBtf),
        };
        assert_eq!(ObjectDigest::of(&object), expect, "{btf:?} {ext:?}");
        // Damage elsewhere has no effect on it, and a file that is cut off is an error.
        assert_eq!(ObjectDigest::of(&[object.as_slice(), &[0; 64]].concat()), expect);
        for len in 0..object.len() {
            let cut = ObjectDigest::of(&object[..len]);
            assert!(cut.is_err(), "cut to {len} bytes: {cut:?}");
        }
    };
    for endian in [Endian::Little, Endian::Big] {
        for btf in [None, Some(&b""[..]), Some(b"types")] {
            for ext in [None, Some(&b""[..]), Some(b"relocations")] {
                check(endian, btf, ext, (&[], &[]));
                check(endian, btf, ext, (b"other\0", &[0]));
            }
        }
    }
}

/// The sections' bytes of an object of the test suites, as the `object` crate finds them.
#[test]
fn build_and_runtime_take_the_same() {
    use object::{Object as _, ObjectSection as _};
    for path in ["el", "eb"].into_iter().flat_map(objects) {
        let bytes = std::fs::read(&path).unwrap();
        let digest = ObjectDigest::of(&bytes).unwrap();
        assert_eq!(Object::parse("", &bytes).unwrap().digest(), digest, "{}", path.display());
        let file = object::File::parse(bytes.as_slice()).unwrap();
        let section = |name| file.section_by_name(name).map_or(&[][..], |section| section.data().unwrap());
        assert_eq!(digest.to_bytes(), fnv(&[section(".BTF"), section(".BTF.ext")].concat()));
        let text = digest.to_string();
        assert_eq!(u64::from_str_radix(&text, 16).unwrap().to_be_bytes(), digest.to_bytes());
        assert_eq!(text.len(), 16);
    }
}

#[test]
fn every_byte_of_the_sections_counts() {
    let btf = b"some types";
    let ext = elf::ext(Endian::Little, &[], &[(0, vec![[0, 1, 2, 3]])]);
    let of = |btf: &[u8], ext: &[u8]| ObjectDigest::of(&elf::object(Endian::Little, btf, ext)).unwrap();
    let base = of(btf, &ext);
    for bit in 0..8 * btf.len() {
        let mut changed = *btf;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(of(&changed, &ext), base, "bit {bit} of the types");
    }
    for bit in 0..8 * ext.len() {
        let mut changed = ext.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(of(btf, &changed), base, "bit {bit} of the relocations");
    }
    assert_ne!(of(btf, &ext[1..]), base);
    assert_ne!(of(btf, b""), base);
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn objects(order: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(testdata().join("objects").join(order)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn an_archive_has_the_digest_of_each_of_its_objects_and_of_no_other() {
    let of = |path: &PathBuf| ObjectDigest::of(&std::fs::read(path).unwrap()).unwrap();
    let paths = objects("el");
    let pack = |paths: &[PathBuf]| {
        let hub = testdata().join("kernels");
        let request = Request { objects: paths.to_vec(), hub, ..Request::default() };
        pipeline::run(&request, &|_, _| {}).unwrap().archive(1).unwrap()
    };
    let (one, rest) = paths.split_first().unwrap();
    let (first, others) = (pack(std::slice::from_ref(one)), pack(rest));
    let (first, others) = (Archive::open(&first).unwrap(), Archive::open(&others).unwrap());
    assert!(first.objects().eq([of(one)]));
    let others: Vec<ObjectDigest> = others.objects().collect();
    assert!(!others.contains(&of(one)));
    assert!(others.is_sorted());
    for path in rest {
        assert!(others.contains(&of(path)), "{}", path.display());
    }
    // The same sources compiled for the other byte order.
    for path in objects("eb") {
        assert!(!others.contains(&of(&path)), "{}", path.display());
    }
}

/// Compiles a source of the test suites after it was changed, to a file in a folder.
fn compile(clang: &str, folder: &Path, change: &dyn Fn(&str) -> String, flags: &[&str]) -> PathBuf {
    let suite = testdata().join("bpf");
    let source = std::fs::read_to_string(suite.join("opensnoop.bpf.c")).unwrap();
    let (from, to) = (folder.join("a.bpf.c"), folder.join("a.bpf.o"));
    std::fs::write(&from, change(&source)).unwrap();
    let mut command = Command::new(clang);
    command.args(["-target", "bpfel", "-O2", "-g", "-c"]).args(flags).arg("-I").arg(&suite);
    let output = command.arg(&from).arg("-o").arg(&to).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

#[test]
fn of_what_clang_makes() {
    let clang = "clang-19";
    if Command::new(clang).arg("--version").output().is_err() {
        eprintln!("skipped: there is no {clang} here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let digest = |path: &Path| ObjectDigest::of(&std::fs::read(path).unwrap()).unwrap();
    let of = |change: &dyn Fn(&str) -> String| digest(&compile(clang, folder.path(), change, &[]));
    let base = of(&str::to_owned);
    // Compiled again, and stripped of debug information.
    let again = compile(clang, folder.path(), &str::to_owned, &[]);
    assert_eq!(digest(&again), base);
    let len = std::fs::metadata(&again).unwrap().len();
    match Command::new("llvm-strip-19").arg("-g").arg(&again).status() {
        Ok(status) => {
            assert!(status.success());
            assert!(std::fs::metadata(&again).unwrap().len() < len);
            assert_eq!(digest(&again), base);
        }
        Err(error) => eprintln!("not stripped: {error}"),
    }
    let differs = |change: &dyn Fn(&str) -> String| assert_ne!(of(change), base);
    differs(&|source| source.replace("&task->flags", "&parent->tgid"));
    differs(&|source| source.replace("unsigned int flags;\n}", "unsigned long flags;\n}"));
    // Line information is in `.BTF.ext`: an archive is made anew for a source whose lines have moved.
    differs(&|source| format!("/* Other lines. */\n\n{source}"));
}
