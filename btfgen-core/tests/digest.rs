//! Digest: equal for objects that ask for the same, whatever else differs, and another for any that do not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen_core::btf::{Endian, Kind, Writer};
use btfgen_core::hub::KernelFilter;
use btfgen_core::pipeline::OnFailure;
use btfgen_core::{archive, pipeline};
use btfgen_runtime::{Archive, ObjectDigest};

#[path = "common/elf.rs"]
mod elf;

/// One object, in all that the table below changes.
struct Shape {
    endian: Endian,
    root: (Kind, &'static str, u32),
    /// The root's first member: name, offset and size in bits.
    first: (&'static str, u32, u8),
    /// Whether the first member's type is behind a typedef and a modifier.
    wrapped: bool,
    int_size: u32,
    array_len: u32,
    enumerator: (&'static str, u64),
    /// Name and member of a struct behind a pointer.
    pointee: (&'static str, &'static str),
    /// Kind and access string.
    relocations: Vec<(u32, &'static str)>,
    /// Types that nothing refers to, before all others.
    unused: u32,
    /// Instructions before the first that is relocated.
    insns: u32,
    lines: bool,
}

impl Shape {
    fn new() -> Self {
        Self {
            endian: Endian::Little,
            root: (Kind::Struct, "task_struct", 40),
            first: ("pid", 0, 0),
            wrapped: false,
            int_size: 4,
            array_len: 3,
            enumerator: ("ON", 1),
            pointee: ("mm_struct", "pgd"),
            relocations: vec![(0, "0:0"), (2, "0:1"), (0, "0:2:1"), (8, "0")],
            unused: 0,
            insns: 0,
            lines: false,
        }
    }

    fn digest(&self) -> ObjectDigest {
        let mut btf = Writer::new(self.endian);
        for _ in 0..self.unused {
            btf.float(b"unused", 8).unwrap();
        }
        let int = btf.int(b"int", self.int_size, 1, 0, 32).unwrap();
        let mut first = int;
        if self.wrapped {
            first = btf.reference(Kind::Const, b"", first).unwrap();
            first = btf.reference(Kind::Typedef, b"pid_t", first).unwrap();
        }
        let member = (self.pointee.1.as_bytes(), int, 0, 0);
        let pointee =
            btf.composite(Kind::Struct, self.pointee.0.as_bytes(), 4, [member].into_iter()).unwrap();
        let pointer = btf.reference(Kind::Ptr, b"", pointee).unwrap();
        let array = btf.array(int, self.array_len).unwrap();
        let value = (self.enumerator.0.as_bytes(), self.enumerator.1);
        let state = btf.enumeration(b"state", 4, false, false, [value].into_iter()).unwrap();
        let (kind, name, size) = self.root;
        let members: [(&[u8], u32, u32, u8); 4] = [
            (self.first.0.as_bytes(), first, self.first.1, self.first.2),
            (b"mm", pointer, 64, 0),
            (b"args", array, 128, 0),
            (b"state", state, 224, 0),
        ];
        let root = btf.composite(kind, name.as_bytes(), size, members.into_iter()).unwrap();
        let section = btf.string(elf::SECTION.as_bytes());
        let mut records = Vec::new();
        for (at, (kind, access)) in self.relocations.iter().enumerate() {
            records.push([(self.insns + at as u32) * 8, root, btf.string(access.as_bytes()), *kind]);
        }
        let line = [0, btf.string(b"a.c"), btf.string(b"return 0;"), 7 << 10];
        let lines = if self.lines { vec![(section, vec![line])] } else { Vec::new() };
        let ext = elf::ext(self.endian, &lines, &[(section, records)]);
        let object = elf::object(self.endian, &btf.finish().unwrap(), &ext);
        // What the build takes and what the runtime takes is one.
        let parsed = btfgen_core::object::Object::parse("made", &object).unwrap();
        assert_eq!(Ok(parsed.digest()), ObjectDigest::of(&object));
        parsed.digest()
    }
}

#[test]
fn is_of_what_the_relocations_ask_for() {
    let of = |change: fn(&mut Shape)| {
        let mut shape = Shape::new();
        change(&mut shape);
        shape.digest()
    };
    let base = of(|_| {});
    let equal = |what: &str, change: fn(&mut Shape)| assert_eq!(of(change), base, "{what}");
    equal("other instructions", |shape| shape.insns = 5);
    equal("line info", |shape| shape.lines = true);
    equal("other type ids", |shape| shape.unused = 3);
    equal("another order", |shape| shape.relocations.reverse());
    equal("a relocation repeated", |shape| shape.relocations.push((0, "0:0")));
    equal("a typedef and a modifier on the way", |shape| shape.wrapped = true);
    equal("a member behind a pointer", |shape| shape.pointee.1 = "vma");

    let mut seen = vec![base];
    let mut differs = |what: &str, change: fn(&mut Shape)| {
        let digest = of(change);
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    };
    differs("byte order", |shape| shape.endian = Endian::Big);
    differs("the root's kind", |shape| shape.root.0 = Kind::Union);
    differs("the root's name", |shape| shape.root.1 = "task_struct___old");
    differs("the root's size", |shape| shape.root.2 = 48);
    differs("a member's name", |shape| shape.first.0 = "tgid");
    differs("a member's offset", |shape| shape.first.1 = 32);
    differs("a bitfield", |shape| shape.first.2 = 8);
    differs("a contained type's size", |shape| shape.int_size = 8);
    differs("an array's length", |shape| shape.array_len = 4);
    differs("an enumerator's name", |shape| shape.enumerator.0 = "OFF");
    differs("an enumerator's value", |shape| shape.enumerator.1 = 2);
    differs("the name behind a pointer", |shape| shape.pointee.0 = "mm");
    differs("a relocation less", |shape| shape.relocations.truncate(3));
    differs("a relocation more", |shape| shape.relocations.push((0, "0:3")));
    differs("a relocation's kind", |shape| shape.relocations[0].0 = 1);
    differs("an access", |shape| shape.relocations[0].1 = "1:0");
    differs("no relocation", |shape| shape.relocations.clear());
}

/// More relocations than are remembered, met once, in another order, and again and again.
#[test]
fn holds_for_many_relocations() {
    let of = |kinds: &mut dyn Iterator<Item = u32>| {
        let relocations = kinds.map(|kind| (kind, "0:0")).collect();
        Shape { relocations, ..Shape::new() }.digest()
    };
    let base = of(&mut (0..10_000));
    assert_eq!(of(&mut (0..10_000).rev()), base);
    assert_eq!(of(&mut (0..10_000).flat_map(|kind| [kind, 9_999 - kind, kind])), base);
    assert_ne!(of(&mut (0..9_999)), base);
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
    let (paths, filter) = (objects("el"), KernelFilter::default());
    let pack = |paths: &[PathBuf]| {
        let objects = pipeline::read_objects(paths).unwrap();
        let kernels = testdata().join("kernels");
        let packed = pipeline::pack(&objects, &kernels, &filter, OnFailure::Warn).unwrap();
        archive::write(&packed.entries, &packed.blobs, &packed.objects, 1).unwrap()
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
    // Those of the other byte order ask for the same of another kernel, unless they ask for nothing.
    for path in objects("eb") {
        let asks = !btfgen_core::object::Object::parse("", &std::fs::read(&path).unwrap())
            .unwrap()
            .asks()
            .is_empty();
        assert!(!asks || !others.contains(&of(&path)), "{}", path.display());
    }
}

/// Compiles a source of the test suites after it was changed.
fn compile(clang: &str, folder: &Path, change: &dyn Fn(&str) -> String, flags: &[&str]) -> ObjectDigest {
    let suite = testdata().join("bpf");
    let source = std::fs::read_to_string(suite.join("opensnoop.bpf.c")).unwrap();
    let (from, to) = (folder.join("a.bpf.c"), folder.join("a.bpf.o"));
    std::fs::write(&from, change(&source)).unwrap();
    let mut command = Command::new(clang);
    command.args(["-target", "bpfel", "-O2", "-g", "-c"]).args(flags).arg("-I").arg(&suite);
    let output = command.arg(&from).arg("-o").arg(&to).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ObjectDigest::of(&std::fs::read(to).unwrap()).unwrap()
}

#[test]
fn holds_for_what_clang_makes() {
    let clang = "clang-19";
    if Command::new(clang).arg("--version").output().is_err() {
        eprintln!("skipped: there is no {clang} here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let of = |change: &dyn Fn(&str) -> String, flags: &[&str]| compile(clang, folder.path(), change, flags);
    let base = of(&str::to_owned, &[]);
    // The committed object is stripped of all but what a loader reads.
    let committed = std::fs::read(testdata().join("objects/el/opensnoop.o")).unwrap();
    assert_eq!(ObjectDigest::of(&committed), Ok(base));
    let equal = |change: &dyn Fn(&str) -> String| assert_eq!(of(change, &[]), base);
    equal(&|source| format!("/* Other lines. */\n\n{source}"));
    equal(&|source| source.replace("name[64]", "name[32]"));
    equal(&|source| {
        format!(
            "struct later {{ int a; }};\n{source}\nSEC(\"xdp\") int more(struct later *it) {{ return it->a; }}"
        )
    });
    assert_eq!(of(&str::to_owned, &["-mcpu=v1"]), base);
    let differs = |change: &dyn Fn(&str) -> String| assert_ne!(of(change, &[]), base);
    differs(&|source| source.replace("&task->flags", "&parent->tgid"));
    differs(&|source| source.replace("unsigned int flags;\n}", "unsigned long flags;\n}"));
}
