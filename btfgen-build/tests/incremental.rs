//! Incremental builds: whatever is known from the last build, outputs and report are those of a build that knows nothing.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use btfgen_build::hub::file::HubBuilder;
use btfgen_build::object::Object;
use btfgen_build::{Config, Emit, Report};
use object::read::elf::{FileHeader, SectionHeader};

/// Objects of the test suites whose relocations fail in every way, some behind checks.
const OBJECTS: [&str; 5] = ["ambiguous", "flavors", "fields", "opensnoop", "pruning"];

/// Objects whose own types stand for kernels.
const KERNELS: [&str; 7] = ["fields", "kernel", "types", "opensnoop", "enums", "flavors", "pruning"];

/// Names the folder to build in to a child of this test.
const FOLDER: &str = "BTFGEN_TEST_FOLDER";

fn object(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/objects/el");
    fs::read(folder.join(name).with_extension("o")).unwrap()
}

fn btf(name: &str) -> Vec<u8> {
    Object::parse(name, &object(name)).unwrap().btf().to_vec()
}

/// A BTF made for these objects: its types differ from theirs in every way.
fn traps() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/targets/el/traps.btf")).unwrap()
}

/// A package with a hub tree and a hub file of the same kernels.
struct Package(PathBuf);

/// All that a build gives: the report, less what is known, and every file but the cache.
#[derive(PartialEq)]
struct Given {
    report: Report,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Package {
    fn new(folder: &Path) -> Self {
        let package = Self(folder.to_owned());
        for name in OBJECTS {
            package.file(&format!("{name}.o"), &object(name));
        }
        for name in KERNELS {
            package.kernel(name, &btf(name));
        }
        package.hub_file();
        package
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn kernel(&self, release: &str, btf: &[u8]) {
        self.file(&format!("hub/d/1/x86_64/{release}.btf"), btf);
    }

    /// Writes the hub file anew, of the tree's kernels.
    fn hub_file(&self) {
        let mut builder = HubBuilder::new();
        for kernel in btfgen_build::hub::list(&self.0.join("hub")).unwrap().kernels {
            builder.add_btf(&kernel.id, "", &fs::read(kernel.path).unwrap(), &[]).unwrap();
        }
        self.file("kernels.hub", &builder.finish(1).unwrap());
    }

    fn config(&self, hub: &str, out: &str) -> Config {
        let config = Config::new().hub(self.0.join(hub)).out_dir(self.0.join(out)).exclude("none/**");
        let config =
            OBJECTS.iter().fold(config, |config, name| config.object_file(self.0.join(format!("{name}.o"))));
        config.emit(Emit::Both).compression_level(1).cargo_metadata(false)
    }

    /// Builds, and tells how many kernels were known.
    fn build(&self, hub: &str, out: &str) -> (Given, usize) {
        let mut report = self.config(hub, out).generate().unwrap();
        let known = std::mem::take(&mut report.from_cache);
        let mut files = BTreeMap::new();
        collect(&self.0.join(out), &mut files);
        let files = files
            .into_iter()
            .map(|(path, bytes)| (path.strip_prefix(self.0.join(out)).unwrap().to_owned(), bytes));
        (Given { report, files: files.collect() }, known)
    }

    /// What a build gives that knows nothing.
    fn cold(&self, hub: &str) -> Given {
        let _ = fs::remove_dir_all(self.0.join("cold"));
        let (given, known) = self.build(hub, "cold");
        assert_eq!(known, 0);
        given
    }

    /// Builds in `out`, where so many kernels must be known, and compares.
    fn check(&self, hub: &str, expect: usize, what: &str) {
        let known = self.check_given(hub, what);
        assert_eq!(known, expect, "{hub}: {what}");
    }

    /// Builds in `out` and compares; how many kernels were known.
    fn check_given(&self, hub: &str, what: &str) -> usize {
        let (given, known) = self.build(hub, "out");
        let cold = self.cold(hub);
        assert_eq!(given.report, cold.report, "{hub}: {what}");
        assert!(given == cold, "{hub}: {what}: other files than {:?}", cold.files.keys());
        known
    }
}

/// All files but the cache; what a killed process did not come to rename must be gone.
fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            collect(&path, files);
        } else if name != "btfgen.cache" {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

/// The object with every so many-th instruction replaced by one that does nothing: other code, the same relocations.
fn other_code(name: &str, step: usize, from: usize) -> Vec<u8> {
    let mut bytes = object(name);
    let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let code = sections.iter().filter(|it| it.sh_flags(endian).contains(object::elf::SHF_EXECINSTR));
    let ranges: Vec<(u64, u64)> = code.filter_map(|it| it.file_range(endian)).collect();
    for (start, len) in ranges {
        for at in (0..len as usize / 8).skip(from).step_by(step) {
            // r0 += 0
            bytes[start as usize + at * 8..][..8].copy_from_slice(&[0x07, 0, 0, 0, 0, 0, 0, 0]);
        }
    }
    bytes
}

/// The object with all relocations said to be of the first section that has any: fewer sections, the same relocations.
fn in_one_section(name: &str) -> Vec<u8> {
    let mut bytes = object(name);
    let header = object::elf::FileHeader64::<object::Endianness>::parse(&*bytes).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*bytes).unwrap();
    let (_, ext) = sections.section_by_name(endian, b".BTF.ext").unwrap();
    let start = ext.file_range(endian).unwrap().0 as usize;
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let begin = start + (word(&bytes, start + 4) + word(&bytes, start + 24)) as usize;
    let (end, record) = (begin + word(&bytes, start + 28) as usize, word(&bytes, begin) as usize);
    let first = word(&bytes, begin + 4);
    let (mut at, mut groups) = (begin + 4, 0);
    while at < end {
        let count = word(&bytes, at + 4) as usize;
        bytes[at..at + 4].copy_from_slice(&first.to_le_bytes());
        at += 8 + count * record;
        groups += 1;
    }
    assert!(groups > 1, "{name} has relocations in one section");
    bytes
}

#[test]
fn only_what_changed_is_worked_on() {
    let folder = tempfile::tempdir().unwrap();
    let package = Package::new(folder.path());
    let all = KERNELS.len();
    for hub in ["hub", "kernels.hub"] {
        let _ = fs::remove_dir_all(folder.path().join("out"));
        package.check(hub, 0, "the first build");
        package.check(hub, all, "nothing changed");
        let first = package.cold(hub).report;
        let mut others = 0;
        for (step, from) in [(1, 0), (2, 0), (2, 1), (3, 1), (5, 2), (7, 0)] {
            for name in OBJECTS {
                package.file(&format!("{name}.o"), &other_code(name, step, from));
                package.check(hub, all, "other code in an object");
            }
            others += usize::from(package.cold(hub).report != first);
        }
        package.file("opensnoop.o", &in_one_section("opensnoop"));
        package.check(hub, all, "fewer sections");
        package.file("opensnoop.o", &object("opensnoop"));
        package.check(hub, all, "more sections");
        assert!(others > 0, "no other code makes a difference, so that nothing was compared");
        for name in OBJECTS {
            package.file(&format!("{name}.o"), &object(name));
        }
        package.check(hub, all, "the first code again");

        package.kernel("fields", &traps());
        package.hub_file();
        package.check(hub, all - 1, "another kernel in the place of one");
        package.kernel("new", &btf("ambiguous"));
        package.hub_file();
        package.check(hub, all, "a kernel more");
        if hub == "hub" {
            package.kernel("new", b"no btf");
            package.check(hub, all, "a kernel that cannot be read");
            package.check(hub, all, "a kernel that cannot be read, again");
        }
        fs::remove_file(folder.path().join("hub/d/1/x86_64/new.btf")).unwrap();
        package.kernel("fields", &btf("fields"));
        package.hub_file();
        package.check(hub, all - 1, "the first kernels again");

        package.file("opensnoop.o", &object("biolatency"));
        package.check(hub, 0, "other relocations");
        package.file("opensnoop.o", &object("opensnoop"));
        package.check(hub, 0, "the first relocations again");
    }
}

#[test]
fn outputs_that_are_not_as_they_were_are_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let package = Package::new(folder.path());
    package.check("kernels.hub", 0, "the first build");
    let all = KERNELS.len();
    let out = folder.path().join("out");
    let change = |name: &str, content: Option<&[u8]>| {
        match content {
            Some(content) => fs::write(out.join(name), content).unwrap(),
            None => fs::remove_file(out.join(name)).unwrap(),
        }
        package.check("kernels.hub", all, name);
    };
    let archive = fs::read(out.join("btfgen.archive")).unwrap();
    change("btfgen.archive", None);
    change("btfgen.archive", Some(b""));
    change("btfgen.archive", Some(&archive[1..]));
    change("btfgen-tree/d/1/x86_64/types.btf", None);
    change("btfgen-tree/d/1/x86_64/types.btf", Some(b"\x9f\xeb"));
    change("btfgen-tree/d/1/x86_64/other.btf", Some(b"\x9f\xeb"));
}

#[test]
fn what_is_damaged_of_a_cache_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let package = Package::new(folder.path());
    let (all, cache) = (KERNELS.len(), folder.path().join("out/btfgen.cache"));
    for hub in ["hub", "kernels.hub"] {
        let _ = fs::remove_dir_all(folder.path().join("out"));
        package.check(hub, 0, "the first build");
        let bytes = fs::read(&cache).unwrap();
        // Every byte of a small one is a unit test of the cache's own.
        let mut known = Vec::new();
        for at in (0..bytes.len()).step_by(bytes.len() / 12) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            fs::write(&cache, &damaged).unwrap();
            known.push(package.check_given(hub, "a byte flipped"));
            fs::write(&cache, &damaged).unwrap();
            fs::remove_file(folder.path().join("out/btfgen.archive")).unwrap();
            known.push(package.check_given(hub, "a byte flipped, and no archive"));
            fs::write(&cache, &bytes[..at]).unwrap();
            package.check(hub, 0, "truncated");
        }
        assert!(known.contains(&0) && known.contains(&all), "{known:?}");
        fs::remove_file(&cache).unwrap();
        fs::create_dir(&cache).unwrap();
        package.check(hub, 0, "a folder in its place");
        fs::remove_dir(&cache).unwrap();
        package.check(hub, 0, "none");
        package.check(hub, all, "a sound one");
    }
}

/// What the test below runs in processes that it kills.
#[test]
#[expect(clippy::disallowed_methods, reason = "no build script, and cargo need not be told")]
fn a_build_of_a_child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        Package(folder.into()).build("kernels.hub", "out");
    }
}

#[test]
fn a_build_killed_at_any_moment_leaves_a_good_state() {
    let folder = tempfile::tempdir().unwrap();
    let package = Package::new(folder.path());
    // Two states of the inputs in turn, so that every build has something to do.
    let states: [(&str, &[u8]); 2] = [("fields", &btf("fields")), ("fields", &traps())];
    let expected = states.map(|(name, btf)| {
        package.kernel(name, btf);
        package.hub_file();
        (fs::read(folder.path().join("kernels.hub")).unwrap(), package.cold("kernels.hub"))
    });
    let child = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_build_of_a_child"]).env(FOLDER, folder.path());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let start = Instant::now();
    assert!(child().wait().unwrap().success());
    let whole = start.elapsed();
    let mut random = fastrand::Rng::with_seed(6);
    let (mut killed, mut known) = (0, 0);
    for round in 0..60 {
        let (hub, cold) = &expected[round % 2];
        package.file("kernels.hub", hub);
        let mut child = child();
        std::thread::sleep(whole.mul_f64(1.3 * random.f64()) + Duration::from_micros(1));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        let (given, from_cache) = package.build("kernels.hub", "out");
        assert!(given == *cold, "round {round}");
        known += from_cache;
    }
    assert!(killed > 0 && known > 0, "{killed} killed, {known} kernels known");
}
