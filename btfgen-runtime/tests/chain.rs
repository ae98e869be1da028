//! Sources: the order of the search below a test root, skipped sources, explanations and errors.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use btfgen_runtime::{Error, Finder, Host, How, ObjectDigest, ObjectError, OsRelease, RefusalKind, Source};

/// Three kernels of one series, see `tests/data/README.md`.
const ARCHIVE: &[u8] = include_bytes!("data/sample.archive");

/// A BTF of one 4-byte float whose name contains `mark`.
fn btf(mark: u8) -> Vec<u8> {
    let mut bytes = vec![0x9f, 0xeb, 1, 0];
    for word in [24u32, 0, 12, 12, 4, 1, 16 << 24, 4] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&[0, b'k', mark, 0]);
    bytes
}

/// A root file system that is removed on drop.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("btfgen-chain-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let root = std::env::temp_dir().join(name);
        fs::create_dir_all(&root).expect("a folder for the test");
        Self(root)
    }

    fn file(&self, path: &str, content: &[u8]) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder for the file");
        fs::write(&path, content).expect("a file for the test");
        path
    }

    fn finder(&self) -> Finder<'static> {
        Finder::new().root(&self.0).host(debian("6.1.0-12-amd64"))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn debian(release: &str) -> Host {
    Host {
        release: release.to_owned(),
        version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.99-1 (2024-07-15)".to_owned(),
        machine: "x86_64".to_owned(),
        local_os_release: Some(OsRelease::parse("ID=alpine\nVERSION_ID=3.20.1\n")),
        ..Host::default()
    }
}

#[test]
fn the_first_source_that_has_a_btf_wins() {
    let root = Root::new();
    let named = root.file("named.btf", &btf(1));
    root.file("sys/kernel/btf/vmlinux", &btf(2));
    let image = root.file("usr/lib/debug/boot/vmlinux-6.1.0-12-amd64", &btf(3));
    let filed = root.file("btfs/debian/12/x86_64/6.1.0-12-amd64.btf", &btf(4));
    let finder = || root.finder().override_file(&named).folder(root.0.join("btfs")).archive(ARCHIVE);
    let check = |skipped: &[Source], source: Source, path: Option<&Path>, mark: Option<u8>| {
        let finder = skipped.iter().fold(finder(), |finder, source| finder.skip(*source));
        let found = finder.find().expect("a btf");
        assert_eq!(found.source(), source);
        if path.is_some() || mark.is_none() {
            assert_eq!(found.path(), path);
        }
        if let Some(mark) = mark {
            assert_eq!(found.bytes(), Some(btf(mark).as_slice()));
        }
        let lines: Vec<String> = found.explain().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), found.steps().len());
        assert!(lines[..skipped.len()].iter().all(|line| line.ends_with(": skipped")), "{lines:?}");
        assert_eq!(lines.len(), skipped.len() + 1, "{lines:?}");
    };
    let order = [Source::Override, Source::Sysfs, Source::KernelFile, Source::Folder];
    check(&order[..0], order[0], Some(&named), Some(1));
    check(&order[..1], order[1], None, None);
    check(&order[..2], order[2], Some(&image), Some(3));
    check(&order[..3], order[3], Some(&filed), Some(4));
    check(&order[..4], Source::Archive, None, Some(b'A'));
}

#[test]
fn the_archive_gives_a_path_that_opens_and_an_elf_that_installs() {
    let root = Root::new();
    let found = root.finder().archive(ARCHIVE).find().expect("an entry");
    let path = found.path().expect("a path").to_owned();
    assert_eq!(fs::read(&path).expect("an open path"), found.bytes().expect("bytes"));
    assert_eq!(
        found.kernel_id().map(ToString::to_string).as_deref(),
        Some("debian/12/x86_64/6.1.0-12-amd64")
    );
    assert_eq!(found.how(), &How::Exact);

    let image = root.0.join("vmlinux-6.1.0-12-amd64");
    found.install_elf(&image).expect("an installed image");
    let named = Finder::new().override_file(&image).find().expect("the installed image");
    assert_eq!(named.bytes(), found.bytes());
    assert_eq!(fs::read_dir(&root.0).expect("the root").count(), 1, "a temporary file is left");

    let bytes = root.finder().archive(ARCHIVE).bytes_only(true).find().expect("an entry");
    assert!(bytes.path().is_none() && bytes.bytes() == found.bytes());
}

#[test]
fn a_miss_names_host_reasons_and_nearest_kernels() {
    let root = Root::new();
    let finder = || root.finder().host(debian("6.1.0-11-amd64")).archive(ARCHIVE);
    let Err(Error::NotFound(missing)) = finder().find() else { panic!("found a missing kernel") };
    let refusal = missing.refusal.as_ref().expect("a refusal");
    assert_eq!(refusal.kind, RefusalKind::NoSuchRelease);
    let nearest: Vec<&str> = refusal.nearest.iter().map(|id| id.release()).collect();
    assert_eq!(nearest, ["6.1.0-10-amd64", "6.1.0-12-amd64", "6.1.0-13-amd64"]);
    let text = missing.to_string();
    for part in [
        "6.1.0-11-amd64",
        "x86_64",
        "no entry for this release",
        "debian 12",
        "6.1.0-10-amd64",
        "btfgen vendor",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    assert_eq!(missing.explain().lines().count(), 4, "{}", missing.explain());

    // 10 and 12 have identical BTFs, so 11 is inferred; 14 is above all, and a cloud flavor is another series.
    let found = finder().infer_nearest(true).find().expect("an inferred kernel");
    let How::Nearest { below, above } = found.how() else { panic!("{:?}", found.how()) };
    assert_eq!((below.release(), above.release()), ("6.1.0-10-amd64", "6.1.0-12-amd64"));
    assert!(found.explain().contains("inferred"), "{}", found.explain());
    for release in ["6.1.0-14-amd64", "6.1.0-9-amd64", "6.1.0-11-cloud-amd64", "6.2.0-11-amd64"] {
        let finder = root.finder().host(debian(release)).archive(ARCHIVE).infer_nearest(true);
        assert!(matches!(finder.find(), Err(Error::NotFound(_))), "{release}");
    }
    // 12 and 13 differ.
    let between = Host { release: "6.1.0-12.5-amd64".to_owned(), ..debian("") };
    assert!(root.finder().host(between).archive(ARCHIVE).infer_nearest(true).find().is_err());
}

#[test]
fn unusable_files_are_explained_or_an_error() {
    let root = Root::new();
    root.file("sys/kernel/btf/vmlinux", b"no btf at all");
    root.file("boot/vmlinux-6.1.0-12-amd64", b"\x7fELF and then nothing");
    root.file("btfs/debian/12/x86_64/6.1.0-12-amd64.btf", b"\x9f\xeb\x01");
    let found =
        root.finder().folder(root.0.join("btfs")).archive(ARCHIVE).find().expect("the archive's entry");
    assert_eq!(found.source(), Source::Archive);
    let explained = found.explain();
    for part in ["sys/kernel/btf/vmlinux: ", "boot/vmlinux-6.1.0-12-amd64: ", "6.1.0-12-amd64.btf: "] {
        assert!(explained.contains(part), "{part} is not in: {explained}");
    }

    let missing = root.0.join("not-there.btf");
    let error =
        root.finder().override_file(&missing).archive(ARCHIVE).find().expect_err("a missing override");
    assert!(matches!(error, Error::Override { from_environment: false, .. }), "{error}");
    let path = missing.display();
    assert_eq!(error.to_string(), format!("override file {path} cannot be read"));
    assert_eq!(format!("{error:?}"), format!("{error}: No such file or directory (os error 2)"));
    let error = root.finder().archive(&ARCHIVE[..40]).find().expect_err("a truncated archive");
    assert!(matches!(error, Error::Archive(_)), "{error}");
    let error =
        root.finder().skip(Source::Sysfs).skip(Source::KernelFile).find().expect_err("no source at all");
    assert!(error.to_string().contains("no archive, folder or tree to select from"), "{error}");
}

/// The object `testdata/objects/el/<name>.o`.
fn object(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../testdata/objects/el/{name}.o"));
    fs::read(path).expect("an object of the test suites")
}

#[test]
fn an_archive_built_for_another_object_is_refused_wherever_the_btf_is_found() {
    let root = Root::new();
    root.file("sys/kernel/btf/vmlinux", &btf(2));
    let (own, other) = (object("opensnoop"), object("biolatency"));
    let finder = || root.finder().archive(ARCHIVE);
    for finder in [finder(), finder().skip(Source::Sysfs)] {
        finder.for_object(&own).find().expect("a btf");
    }
    for finder in [finder(), finder().skip(Source::Sysfs)] {
        let error = finder.for_object(&own).for_object(&other).find().expect_err("another object's archive");
        let Error::Stale(stale) = &error else { panic!("{error}") };
        assert_eq!(Ok(stale.object), ObjectDigest::of(&other));
        assert_eq!(Ok(stale.archive[0]), ObjectDigest::of(&own));
        let text = error.to_string();
        for part in [stale.object.to_string(), stale.archive[0].to_string(), "rebuild".to_owned()] {
            assert!(text.contains(&part), "{part} is not in: {text}");
        }
    }
    let check = |object: &[u8], expect: ObjectError| match finder().for_object(object).find() {
        Err(Error::Object(error)) => assert_eq!(error, expect),
        other => panic!("{other:?}"),
    };
    check(b"", ObjectError::Elf);
    check(&own[..own.len() - 1], ObjectError::Elf);
    check(&fs::read("/proc/self/exe").expect("this program"), ObjectError::NoBtf);
    // An archive that is skipped is not checked.
    finder().skip(Source::Archive).for_object(&other).find().expect("the kernel's own btf");
}

#[test]
fn the_host_is_read_below_a_root() {
    let root = Root::new();
    root.file("proc/version", b"Linux version 9.9.9-nobody (a@b) (gcc) #1 SMP\n");
    // The release is the running kernel's, so this /proc/version is another kernel's: unknown distribution.
    let error = Finder::new().root(&root.0).archive(ARCHIVE).find().expect_err("another kernel's strings");
    let Error::NotFound(missing) = error else { panic!("{error}") };
    assert!(missing.host.local_os_release.is_none(), "{:?}", missing.host);
    assert!(missing.explain().contains("unknown distribution"), "{}", missing.explain());
}

#[cfg(feature = "include-dir")]
#[test]
fn an_embedded_tree_is_selected_from_like_an_archive() {
    use include_dir::{Dir, DirEntry, File};
    static FILES: [DirEntry<'_>; 1] =
        [DirEntry::File(File::new("debian/12/x86_64/6.1.0-12-amd64.btf", b"\x9f\xeb\x01 embedded"))];
    static ARCHES: [DirEntry<'_>; 1] = [DirEntry::Dir(Dir::new("debian/12/x86_64", &FILES))];
    static VERSIONS: [DirEntry<'_>; 1] = [DirEntry::Dir(Dir::new("debian/12", &ARCHES))];
    static DISTROS: [DirEntry<'_>; 1] = [DirEntry::Dir(Dir::new("debian", &VERSIONS))];
    static TREE: Dir<'_> = Dir::new("", &DISTROS);
    let root = Root::new();
    let found = root.finder().tree(&TREE).archive(ARCHIVE).find().expect("the tree's entry");
    assert_eq!((found.source(), found.bytes()), (Source::Tree, Some(&b"\x9f\xeb\x01 embedded"[..])));
    let next = root
        .finder()
        .host(debian("6.1.0-13-amd64"))
        .tree(&TREE)
        .archive(ARCHIVE)
        .find()
        .expect("the archive's");
    assert_eq!(next.source(), Source::Archive);
}

#[cfg(feature = "provider")]
#[test]
fn a_provider_is_asked_last_and_its_answer_is_checked() {
    use btfgen_runtime::{BuildId, ProvidedBtf, Wanted};
    type Answer = Result<Option<ProvidedBtf>, String>;
    let root = Root::new();
    let build_id = BuildId::from_bytes([7; 20]);
    let host = || Host { build_id: Some(build_id), ..debian("6.1.0-11-amd64") };
    let finder =
        |provider: fn(&Wanted<'_>) -> Answer| root.finder().host(host()).archive(ARCHIVE).provider(provider);
    let unused: fn(&Wanted<'_>) -> Answer = |_| panic!("asked although another source has the BTF");
    let found = finder(unused).host(debian("6.1.0-12-amd64")).find().expect("the archive's entry");
    assert_eq!(found.source(), Source::Archive);

    let found = finder(|wanted| {
        assert_eq!(wanted.host.build_id, Some(BuildId::from_bytes([7; 20])));
        assert_eq!(wanted.kernel.as_ref().expect("an id").as_str(), "debian/12/x86_64/6.1.0-11-amd64");
        assert_eq!(wanted.objects.len(), 1, "the archive's");
        Ok(Some(ProvidedBtf::new(btf(1))))
    });
    let found = found.find().expect("the provider's");
    assert_eq!((found.source(), found.how(), found.bytes()), (Source::Provider, &How::Exact, Some(&*btf(1))));
    assert_eq!(found.kernel_id().expect("an id").as_str(), "debian/12/x86_64/6.1.0-11-amd64");
    assert_eq!(fs::read(found.path().expect("a path")).expect("the file"), btf(1));
    assert!(found.explain().ends_with("provider: 40 bytes\n"), "{}", found.explain());

    // The refusal of the archive stays in the message.
    let check = |provider: fn(&Wanted<'_>) -> Answer, outcome: &str| {
        let Err(Error::NotFound(missing)) = finder(provider).find() else { panic!("found a BTF: {outcome}") };
        let text = missing.to_string();
        assert!(text.contains("no entry for this release") && text.contains(outcome), "{text}");
        let last = missing.steps.last().expect("a step");
        assert!(last.source == Source::Provider && last.outcome.contains(outcome), "{last}");
    };
    check(|_| Ok(None), "has no BTF for this kernel");
    check(|_| Err("connection refused".to_owned()), "connection refused");
    check(|_| Ok(Some(ProvidedBtf::new(b"404 not found".to_vec()))), "refused 13 bytes that are not BTF");
    let other_hash: fn(&Wanted<'_>) -> Answer = |_| Ok(Some(ProvidedBtf::new(btf(1)).sha256([0; 32])));
    check(other_hash, &format!("expected {}", "0".repeat(64)));
    let error = root.finder().provider(|_| Answer::Ok(None)).find().expect_err("no source");
    assert!(error.to_string().ends_with("x86_64): provider: has no BTF for this kernel"), "{error}");
    let skipped = finder(unused).skip(Source::Provider).find();
    assert!(matches!(skipped, Err(Error::NotFound(_))));
}
