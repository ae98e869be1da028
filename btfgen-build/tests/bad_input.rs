//! Bad input through the public API: a typed error that names the file, and nothing written.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../../btfgen-core/tests/common/elf.rs"]
mod elf;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use btfgen_build::{Config, Emit, Error, ErrorKind, Report, Unknown};
use btfgen_core::btf::{Endian, Kind, Member, TypeId, Writer};
use btfgen_core::hub::file::{HubBuilder, KernelSource};
use btfgen_runtime::BuildId;
use elf::{EM_BPF, Parts};

/// A package with one object and one kernel, both valid until a test replaces one.
struct Package {
    folder: tempfile::TempDir,
    object: String,
}

impl Package {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let package = Self { folder, object: "prog.bpf.o".to_owned() };
        package.file("prog.bpf.o", &object(&local(Shape::Good)));
        package.file("hub/debian/12/x86_64/6.1.0.btf", &target(Shape::Good));
        package
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn with_object(bytes: &[u8]) -> Self {
        let package = Self::new();
        package.file("prog.bpf.o", bytes);
        package
    }

    /// A package whose kernel's file has this name, which selects its form, and this content.
    fn with_kernel(name: &str, bytes: &[u8]) -> Self {
        let package = Self::new();
        fs::remove_dir_all(package.path("hub")).unwrap();
        package.file(&format!("hub/debian/12/x86_64/{name}"), bytes);
        package
    }

    fn generate(&self) -> Result<Report, Error> {
        self.config().generate()
    }

    fn config(&self) -> Config {
        Config::new()
            .object(self.path(&self.object).to_str().unwrap())
            .hub(self.path("hub"))
            .arch("all")
            .out_dir(self.path("out"))
            .cargo_metadata(false)
    }
}

/// What is wrong with a BTF that holds `struct task { struct place at; }`.
#[derive(Clone, Copy)]
enum Shape {
    Good,
    Itself,
    TypeOutOfRange,
    NameOutOfRange,
    MemberIsFunction,
    TypedefCircle,
}

fn build(shape: Shape, extra: &[&[u8]]) -> (Vec<u8>, Vec<u32>) {
    let mut btf = Writer::new(Endian::Little);
    let int = btf.int(b"int", 4, 1, 0, 32).unwrap();
    let long = btf.int(b"long", 8, 1, 0, 64).unwrap();
    assert_eq!((int, long), (TypeId(1), TypeId(2)));
    // The types that follow: 3 place, 4 task, 5 function prototype, 6 function, 7 and 8 typedefs.
    let inner = match shape {
        Shape::Itself => TypeId(4),
        Shape::TypeOutOfRange => TypeId(99),
        Shape::MemberIsFunction => TypeId(6),
        Shape::TypedefCircle => TypeId(7),
        Shape::Good | Shape::NameOutOfRange => int,
    };
    let members = [Member::new(b"x".as_slice(), inner, 0), Member::new(b"y", int, 32)];
    btf.composite(Kind::Struct, b"place", 8, members.into_iter()).unwrap();
    let members = [Member::new(b"id".as_slice(), long, 0), Member::new(b"at", TypeId(3), 64)];
    btf.composite(Kind::Struct, b"task", 16, members.into_iter()).unwrap();
    btf.func_proto(TypeId::VOID, [].into_iter()).unwrap();
    btf.reference(Kind::Func, b"work", TypeId(5)).unwrap();
    btf.reference(Kind::Typedef, b"a", TypeId(8)).unwrap();
    btf.reference(Kind::Typedef, b"b", TypeId(7)).unwrap();
    let strings = extra.iter().map(|text| btf.string(text).0).collect();
    let mut bytes = btf.finish().unwrap();
    if matches!(shape, Shape::NameOutOfRange) {
        // Name of the first member of `place`: header 24, two ints of 16, the struct's 12.
        bytes[24 + 32 + 12..][..4].copy_from_slice(&0x00ff_0000_u32.to_le_bytes());
    }
    (bytes, strings)
}

fn target(shape: Shape) -> Vec<u8> {
    build(shape, &[]).0
}

/// A local BTF and its `.BTF.ext` with one relocation of `task.at.x`.
fn local(shape: Shape) -> (Vec<u8>, Vec<u8>) {
    let (btf, strings) = build(shape, &[elf::SECTION.as_bytes(), b"0:1:0"]);
    let ext = elf::ext(Endian::Little, &[], &[(strings[0], vec![[8, 4, strings[1], 0]])]);
    (btf, ext)
}

fn object((btf, ext): &(Vec<u8>, Vec<u8>)) -> Vec<u8> {
    elf::object(Endian::Little, btf, ext)
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes).unwrap();
    builder.into_inner().unwrap()
}

/// The error is of that kind, its chain names the file and says what is wrong, and nothing was written.
fn check(package: &Package, kind: ErrorKind, file: &str, words: &str) {
    let error = package.generate().expect_err(words);
    refused(package, &error, kind, file, words);
}

fn refused(package: &Package, error: &Error, kind: ErrorKind, file: &str, words: &str) {
    let text = format!("{error:#}");
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(&package.path(file).display().to_string()), "{text} does not name {file}");
    assert!(text.contains(words), "{text} does not say {words}");
    let written = fs::read_dir(package.path("out")).map_or(0, Iterator::count);
    assert_eq!(written, 0, "{text}: something was written");
}

#[test]
fn good_input_is_served() {
    let package = Package::new();
    let report = package.generate().unwrap();
    assert_eq!((report.kernels.len(), report.blobs), (1, 1));
    let archive = fs::read(package.path("out").join("btfgen.archive")).unwrap();
    assert_eq!(btfgen_runtime::Archive::open(&archive).unwrap().len(), 1);
}

#[test]
fn objects() {
    let good = local(Shape::Good);
    let symbols: (&[u8], &[u32]) = (&[], &[]);
    let package = Package::new();
    fs::remove_file(package.path("prog.bpf.o")).unwrap();
    let error = package.config().object_file(package.path("gone.o")).generate().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "the glob comes first: {error:#}");
    let named = Config::new().object_file(package.path("gone.o")).hub(package.path("hub")).arch("all");
    let error = named.out_dir(package.path("out")).cargo_metadata(false).generate().unwrap_err();
    refused(&package, &error, ErrorKind::Io, "gone.o", "cannot");

    let check_object = |bytes: &[u8], words: &str| {
        check(&Package::with_object(bytes), ErrorKind::Object, "prog.bpf.o", words);
    };
    check_object(b"", "not a readable ELF file");
    check_object(b"int main(void) { return 0; }", "not a readable ELF file");
    check_object(&object(&good)[..100], "not a readable ELF file");
    let machine =
        Parts { endian: Endian::Little, machine: 62, btf: Some(&good.0), ext: Some(&good.1), symbols };
    check_object(&machine.to_bytes(), "ELF file for machine 62");
    let program = fs::read(std::env::current_exe().unwrap()).unwrap();
    check_object(&program, "ELF file for machine");
    let without = Parts { endian: Endian::Little, machine: EM_BPF, btf: None, ext: Some(&good.1), symbols };
    check_object(&without.to_bytes(), "no .BTF section");
    let cut = good.0.len() / 2;
    check_object(&object(&(good.0[..cut].to_vec(), good.1.clone())), "truncated BTF");
    check_object(&object(&(Vec::new(), good.1.clone())), "not a BTF");
    check_object(&object(&(good.0.clone(), good.1[..20].to_vec())), "the header is truncated");
    let cut = good.1.len() - 24;
    check_object(&object(&(good.0.clone(), good.1[..cut].to_vec())), "the relocation info is truncated");
    let beyond = elf::ext(Endian::Little, &[], &[(1, vec![[8, 4, 0x00ff_0000, 0]])]);
    check_object(&object(&(good.0.clone(), beyond)), "string offset 16711680 is out of range");
}

/// Without `.BTF.ext` there are no relocations, which is not an error.
#[test]
fn an_object_without_relocations_is_served() {
    let (btf, _) = local(Shape::Good);
    let object =
        Parts { endian: Endian::Little, machine: EM_BPF, btf: Some(&btf), ext: None, symbols: (&[], &[]) };
    let package = Package::with_object(&object.to_bytes());
    let report = package.generate().unwrap();
    assert_eq!((report.objects[0].relocations, report.kernels.len()), (0, 1));
    assert!(package.path("out").join("btfgen.archive").is_file());
}

/// A malformed local type fails only the relocations that use it, as in libbpf.
#[test]
fn local_types() {
    let check = |shape, words: &str| {
        let package = Package::with_object(&object(&local(shape)));
        let report = package.generate().unwrap();
        let failures = &report.objects[0].failures;
        assert_eq!(failures.len(), 1, "{words}: {failures:?}");
        assert!(failures[0].contains(words), "{failures:?} does not say {words}");
    };
    check(Shape::Itself, "type [4] contains itself");
    check(Shape::TypeOutOfRange, "type id 99 is out of range");
    check(Shape::NameOutOfRange, "string offset 16711680 is out of range");
    check(Shape::MemberIsFunction, "type [6] of kind func cannot be the type of a member");
    check(Shape::TypedefCircle, "is nested too deeply");
}

#[test]
fn kernels() {
    let check = |name: &str, bytes: &[u8], words: &str| {
        let file = format!("hub/debian/12/x86_64/{name}");
        let package = Package::with_kernel(name, bytes);
        check_kernel(&package, &file, words);
    };
    let good = target(Shape::Good);
    check("6.1.0.btf", b"", "not a BTF");
    check("6.1.0.btf", b"\x9f\xeb", "truncated BTF");
    check("6.1.0.btf", &good[..good.len() - 20], "truncated BTF");
    check("6.1.0.btf", b"hello, world: no BTF at all", "not a BTF");
    check("6.1.0.btf", &target(Shape::Itself), "contains itself");
    check("6.1.0.btf", &target(Shape::TypeOutOfRange), "type id 99 is out of range");
    check("6.1.0.btf", &target(Shape::NameOutOfRange), "string offset 16711680 is out of range");
    check("6.1.0.btf", &target(Shape::MemberIsFunction), "type [6] of kind func");
    check("6.1.0.btf", &target(Shape::TypedefCircle), "is nested too deeply");
    check("6.1.0.btf.xz", &good, "not a readable xz stream");
    check("6.1.0.btf.tar.xz", &xz(&good), "not a readable tar stream");
    check("6.1.0.btf.tar.xz", &xz(&tar("README", &good)), "no member *.btf in the tar archive");
    check("6.1.0.btf.tar.xz", &xz(&tar("a.btf", &good))[..200], "not a readable xz stream");
    // 60 MiB of zeros, in 9 kB.
    let endless = xz(&vec![0; 20 << 20]).repeat(3);
    assert!(endless.len() < 20_000);
    check("6.1.0.btf.xz", &endless, "expands to more than 168");
}

fn check_kernel(package: &Package, file: &str, words: &str) {
    // The only kernel cannot be read, so none can be served.
    check(package, ErrorKind::Relocation, file, words);
}

/// A kernel that cannot be read is reported, and the others are served.
#[test]
fn one_bad_kernel_is_left_out() {
    let package = Package::new();
    package.file("hub/debian/12/x86_64/6.2.0.btf", b"\x9f\xeb\x01");
    let report = package.generate().unwrap();
    assert_eq!((report.kernels.len(), report.blobs), (2, 1));
    let warnings = report.warnings().join("\n");
    assert!(warnings.contains("6.2.0") && warnings.contains("truncated BTF"), "{warnings}");
    let archive = fs::read(package.path("out").join("btfgen.archive")).unwrap();
    assert_eq!(btfgen_runtime::Archive::open(&archive).unwrap().len(), 1);

    // Whether a program runs there is unknown.
    let require = |unknown| package.config().require(&["**/6.2.0"], &[]).unknown(unknown).generate();
    require(Unknown::Allow).unwrap();
    let error = require(Unknown::Deny).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Require);
    let text = error.to_string();
    assert!(text.contains("on debian/12/x86_64/6.2.0\n  BTF of the kernel: cannot read"), "{text}");
}

#[test]
fn hubs_and_globs() {
    let package = Package::new();
    fs::remove_dir_all(package.path("hub")).unwrap();
    check(&package, ErrorKind::Config, "hub", "no hub file or folder at");
    fs::create_dir(package.path("hub")).unwrap();
    check(&package, ErrorKind::Hub, "hub", "found an empty folder");
    package.file("hub/6.1.0.btf", &target(Shape::Good));
    check(&package, ErrorKind::Hub, "hub", "expected <distro>/<version>/<arch>/<release>.btf");

    let mut package = Package::new();
    package.object = "none-*.o".to_owned();
    check(&package, ErrorKind::Config, "none-*.o", "matches no file");
    package.object = "prog.bpf.o".to_owned();
    let error = package.config().include("ubuntu/**").generate().unwrap_err();
    refused(&package, &error, ErrorKind::Config, "", "include \"ubuntu/**\" matches no kernel");
    let error = package.config().exclude("**").generate().unwrap_err();
    refused(&package, &error, ErrorKind::Config, "", "no kernel left of 1");
}

/// A custom kernel is selected by build id only, and a tree has none.
#[test]
fn custom_kernels_of_a_tree() {
    let package = Package::new();
    fs::remove_dir_all(package.path("hub")).unwrap();
    let id = "custom/mine/x86_64/6.1.0".parse().unwrap();
    let mut btf = Writer::new(Endian::Little);
    btf.int(b"long", 8, 1, 0, 64).unwrap();
    let btf = btf.finish().unwrap();
    let mut hub = HubBuilder::new();
    let build_id = Some(BuildId::from_bytes([7; 20]));
    hub.add_btf(&KernelSource { build_id, ..KernelSource::new(&id, "", &btf) }).unwrap();
    package.file("hub", &hub.finish(3).unwrap());
    let warns = |emit| {
        let warnings = package.config().emit(emit).generate().unwrap().warnings();
        warnings.iter().any(|warning| warning.starts_with("no host selects custom/mine/x86_64/6.1.0: "))
    };
    assert!(!warns(Emit::Archive));
    assert!(!warns(Emit::Both));
    assert!(warns(Emit::Tree));
}

/// An object and a kernel of different byte orders are refused.
#[test]
fn byte_orders() {
    let object = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/objects/eb/fields.o");
    let package = Package::with_object(&fs::read(object).unwrap());
    let error = package.generate().unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("prog.bpf.o is big-endian, the kernel is little-endian"), "{text}");
    assert!(!package.path("out").exists());
}
