//! Build ids: which entries they select, and which files they exclude.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use btfgen_runtime::{
    BuildId, BuildIdPrefix, Catalog, Error, Finder, Host, How, KernelId, OsRelease, RefusalKind, Source,
    select,
};
use common::{by_release, hub, id, kernel_host, os_release};

/// A kernel of a catalog: its id, its build id, and a number that stands for its BTF.
type Row = (&'static str, Option<u8>, u8);

/// A catalog of such kernels.
struct Rows<'r>(&'r [Row]);

impl Rows<'_> {
    fn btf(&self, kernel: &KernelId) -> Option<u8> {
        self.0.iter().find(|(id, ..)| *id == kernel.as_str()).map(|(.., btf)| *btf)
    }
}

impl Catalog for Rows<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        self.0.iter().for_each(|(id, build_id, _)| visitor(id, build_id.map(|byte| build(byte).prefix())));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        self.btf(a) == self.btf(b)
    }
}

fn build(byte: u8) -> BuildId {
    BuildId::from_bytes([byte; BuildId::LEN])
}

/// A host of a reproducible build, whose strings are the same for every build.
fn custom(build_id: Option<u8>) -> Host {
    let version = "#1 SMP PREEMPT_DYNAMIC @0";
    Host {
        release: "6.18.44".to_owned(),
        version: version.to_owned(),
        machine: "x86_64".to_owned(),
        proc_version: Some(format!("Linux version 6.18.44 (nixbld@localhost) (gcc (GCC) 15.2.0) {version}")),
        build_id: build_id.map(build),
        ..Host::default()
    }
}

fn debian(build_id: Option<u8>) -> Host {
    Host { build_id: build_id.map(build), ..kernel_host(&id("debian/10/x86_64/4.19.0-17-amd64")) }
}

/// A host of a distribution that is not known by name; its root is known to be the host's.
fn kylin(build_id: Option<u8>) -> Host {
    Host {
        release: "4.19.90-24.4.v2101.ky10.x86_64".to_owned(),
        os_release: Some(OsRelease::parse("ID=\"kylin\"\nVERSION_ID=\"V10\"\n")),
        proc_version: None,
        ..custom(build_id)
    }
}

#[test]
fn build_ids_decide_first() {
    let check = |rows: &[Row], host: Host, expect: Result<(&str, How), RefusalKind>| {
        let got = select(&host, &Rows(rows), false);
        let got = got.as_ref().map(|it| (it.kernel.as_str(), it.how.clone())).map_err(|it| it.kind);
        assert_eq!(got, expect, "{rows:?} {host:#?}");
    };
    let exact = |kernel| Ok((kernel, How::Exact));

    // One release and one `uname -v`, different BTF: each host gets its own, and one without a build id gets none.
    const TWO: &[Row] = &[("custom/a/x86_64/6.18.44", Some(1), 1), ("custom/b/x86_64/6.18.44", Some(2), 2)];
    check(TWO, custom(Some(1)), exact(TWO[0].0));
    check(TWO, custom(Some(2)), exact(TWO[1].0));
    check(TWO, custom(Some(3)), Err(RefusalKind::OtherBuild));
    check(TWO, custom(None), Err(RefusalKind::BuildIdUnknown));
    // A single custom entry proves nothing without a build id, and neither do identical BTFs.
    check(&TWO[..1], custom(None), Err(RefusalKind::BuildIdUnknown));
    let same = [(TWO[0].0, Some(1), 1), (TWO[1].0, Some(2), 1)];
    check(&same, custom(None), Err(RefusalKind::BuildIdUnknown));
    // The name is only a name, even if it is that of the host's build id; an entry without a build id matches nothing.
    let named = "custom/0101010101010101/x86_64/6.18.44";
    assert_eq!(custom(Some(1)).kernel_id(), Some(id(named)));
    check(&[(named, None, 1)], custom(Some(1)), Err(RefusalKind::OtherVendor));
    check(&[(named, Some(2), 1), (TWO[1].0, Some(1), 2)], custom(Some(1)), exact(TWO[1].0));
    // The release and the architecture must match as well.
    check(&[("custom/a/x86_64/6.18.45", Some(1), 1)], custom(Some(1)), Err(RefusalKind::NoSuchRelease));
    check(&[("custom/a/arm64/6.18.44", Some(1), 1)], custom(Some(1)), Err(RefusalKind::NoSuchRelease));
    // One build under two names.
    check(&[(TWO[0].0, Some(1), 1), (TWO[1].0, Some(1), 1)], custom(Some(1)), exact(TWO[0].0));
    check(&[(TWO[0].0, Some(1), 1), (TWO[1].0, Some(1), 2)], custom(Some(1)), Err(RefusalKind::Ambiguous));

    // An equal build id wins over strings; a different one removes the entry that the strings name.
    const DEBIAN: &str = "debian/10/x86_64/4.19.0-17-amd64";
    const REBUILT: &str = "custom/home/x86_64/4.19.0-17-amd64";
    let both: &[Row] = &[(DEBIAN, Some(1), 1), (REBUILT, Some(2), 2)];
    check(both, debian(Some(1)), exact(DEBIAN));
    check(both, debian(Some(2)), exact(REBUILT));
    check(both, debian(Some(3)), Err(RefusalKind::OtherBuild));
    check(both, Host { release: DEBIAN[17..].to_owned(), ..custom(Some(1)) }, exact(DEBIAN));
    // If either build id is unknown, the strings decide.
    check(both, debian(None), exact(DEBIAN));
    check(&[(DEBIAN, None, 1), (REBUILT, Some(2), 2)], debian(Some(3)), exact(DEBIAN));
    check(&[(DEBIAN, None, 1), (REBUILT, Some(2), 2)], debian(Some(2)), exact(REBUILT));
    check(&[(REBUILT, Some(2), 2)], debian(None), Err(RefusalKind::BuildIdUnknown));
    check(&[(REBUILT, Some(2), 2)], debian(Some(3)), Err(RefusalKind::OtherBuild));
    // What is left after the removal is a single possible entry, which proves nothing.
    let bare = |build_id| Host { version: String::new(), proc_version: None, ..debian(build_id) };
    let three: &[Row] =
        &[("debian/9/x86_64/4.19.0-17-amd64", None, 1), (DEBIAN, None, 1), (REBUILT, Some(2), 1)];
    check(three, bare(Some(2)), exact(REBUILT));
    check(three, bare(Some(3)), Err(RefusalKind::Ambiguous));
    // A custom entry does not count for identical BTFs, and without a build id it may be the host's.
    check(three, bare(None), Err(RefusalKind::BuildIdUnknown));

    // Nor does one without a build id, and it may be the host's as well.
    const BIONIC: Row = ("ubuntu/18.04/x86_64/5.4.0-84-generic", None, 1);
    const FOCAL: Row = ("ubuntu/20.04/x86_64/5.4.0-84-generic", None, 1);
    let ubuntu =
        Host { release: "5.4.0-84-generic".to_owned(), machine: "x86_64".to_owned(), ..Host::default() };
    check(&[BIONIC, FOCAL], ubuntu.clone(), Ok((BIONIC.0, How::SameBtf)));
    let custom_too = |build_id| [BIONIC, FOCAL, ("custom/home/x86_64/5.4.0-84-generic", build_id, 2)];
    check(&custom_too(None), ubuntu.clone(), Err(RefusalKind::Ambiguous));
    let known = |byte| Host { build_id: Some(build(byte)), ..ubuntu.clone() };
    check(&custom_too(None), known(1), Err(RefusalKind::Ambiguous));
    check(&custom_too(Some(2)), known(1), Ok((BIONIC.0, How::SameBtf)));

    // A distribution that is not known by name: os-release proves it only if a build id is unknown.
    const KYLIN: &str = "kylin/V10/x86_64/4.19.90-24.4.v2101.ky10.x86_64";
    const OTHER: &str = "anolis/8/x86_64/4.19.90-24.4.v2101.ky10.x86_64";
    check(&[(KYLIN, None, 1)], kylin(None), exact(KYLIN));
    check(&[(KYLIN, None, 1)], kylin(Some(1)), exact(KYLIN));
    check(&[(KYLIN, Some(1), 1)], kylin(None), exact(KYLIN));
    check(&[(KYLIN, Some(1), 1)], kylin(Some(1)), exact(KYLIN));
    check(&[(KYLIN, Some(1), 1)], kylin(Some(2)), Err(RefusalKind::OtherBuild));
    check(&[(OTHER, Some(1), 1)], kylin(Some(1)), exact(OTHER));
    check(&[(OTHER, Some(1), 1)], kylin(None), Err(RefusalKind::BuildIdUnknown));
    check(&[(OTHER, None, 1)], kylin(None), Err(RefusalKind::OtherVendor));
    // In a container the local os-release proves it only with the kernel's own strings.
    let os = kylin(None).os_release;
    let contained = Host { os_release: None, local_os_release: os, ..kylin(None) };
    check(&[(KYLIN, Some(1), 1)], contained.clone(), Err(RefusalKind::BuildIdUnknown));
    check(&[(KYLIN, Some(1), 1)], Host { build_id: Some(build(1)), ..contained }, exact(KYLIN));
    // If the kernel's strings prove another distribution, os-release proves nothing.
    const KALI: Row = ("kali/2021.1/x86_64/4.19.0-17-amd64", None, 2);
    let os_release = Some(OsRelease::parse("ID=kali\nVERSION_ID=2021.1\n"));
    let contradictory = Host { os_release, ..debian(None) };
    check(&[(DEBIAN, None, 1), KALI], contradictory.clone(), exact(DEBIAN));
    check(&[KALI], contradictory, Err(RefusalKind::OtherVendor));
    // Two folders that the os-release names never count as one, even if their BTFs are identical.
    let (major, minor) = ("kylin/10/x86_64/4.19.90", "kylin/10.1/x86_64/4.19.90");
    let host = Host {
        release: "4.19.90".to_owned(),
        os_release: Some(OsRelease::parse("ID=kylin\nVERSION_ID=10.1\n")),
        ..kylin(None)
    };
    check(&[(major, None, 1), (minor, None, 1)], host, Err(RefusalKind::Ambiguous));
}

#[test]
fn custom_and_unknown_entries_are_never_neighbors() {
    let host = kylin(None);
    let rows: Vec<Row> = vec![
        ("kylin/V10/x86_64/4.19.90-24.3.v2101.ky10.x86_64", None, 1),
        ("kylin/V10/x86_64/4.19.90-24.5.v2101.ky10.x86_64", None, 1),
        ("custom/a/x86_64/4.19.90-24.3.v2101.ky10.x86_64", Some(1), 1),
        ("custom/a/x86_64/4.19.90-24.5.v2101.ky10.x86_64", Some(2), 1),
    ];
    let refusal = select(&host, &Rows(&rows), true).expect_err("no neighbor");
    assert_eq!(refusal.kind, RefusalKind::NoSuchRelease);
}

#[test]
fn reasons_name_the_build_id() {
    let rows: &[Row] = &[("custom/a/x86_64/6.18.44", Some(1), 1), ("custom/b/x86_64/6.18.44", Some(2), 2)];
    let selection = select(&custom(Some(1)), &Rows(rows), false).expect("an entry");
    let reasons = selection.reasons.join("; ");
    for part in [
        &format!("build id {}", "01".repeat(20)),
        "by build id",
        "entries for this release with another build id: 1",
    ] {
        assert!(reasons.contains(part), "{part} is not in: {reasons}");
    }
    let refusal = select(&custom(None), &Rows(rows), false).expect_err("a refusal").to_string();
    assert!(refusal.contains("/sys/kernel/notes"), "{refusal}");
    assert_eq!(custom(None).kernel_id(), None);
}

/// A build id for each kernel of the hub.
fn build_of(kernel: &KernelId) -> BuildId {
    let mut bytes = [0u8; BuildId::LEN];
    kernel.as_str().bytes().enumerate().for_each(|(at, byte)| {
        bytes[at % BuildId::LEN] = bytes[at % BuildId::LEN].rotate_left(3) ^ byte;
    });
    BuildId::from_bytes(bytes)
}

/// The kernels of one release with their build ids.
struct Builds<'k>(&'k [KernelId]);

impl Catalog for Builds<'_> {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        self.0.iter().for_each(|kernel| visitor(kernel.as_str(), Some(build_of(kernel).prefix())));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        a == b
    }
}

/// Every kernel of the hub, with `build-ids = "all"`: an equal build id is enough, and a different one is refused whatever
/// the kernel's strings are.
#[test]
fn every_kernel_is_found_by_its_build_id_alone() {
    let releases = by_release();
    let (mut hits, mut refused) = (0, 0);
    for kernel in hub() {
        let catalog = Builds(&releases[kernel.release()]);
        let own = Host {
            build_id: Some(build_of(&kernel)),
            local_os_release: Some(os_release(kernel.distro(), kernel.version())),
            ..kernel_host(&kernel)
        };
        let no_strings =
            Host { version: String::new(), proc_version: None, local_os_release: None, ..own.clone() };
        for host in [&own, &no_strings] {
            assert_eq!(select(host, &catalog, false).expect("an entry").kernel, kernel);
            hits += 1;
        }
        let rebuilt = Host { build_id: Some(build(0xee)), ..own.clone() };
        let refusal = select(&rebuilt, &catalog, true).expect_err("another build");
        assert_eq!(refusal.kind, RefusalKind::OtherBuild);
        refused += 1;
        // Without a readable build id, the strings decide as if none was stored.
        assert_eq!(
            select(&Host { build_id: None, ..own }, &catalog, false).expect("an entry").kernel,
            kernel
        );
        hits += 1;
    }
    println!("with build ids: {hits} hits, {refused} refused");
    assert_eq!((hits, refused), (3 * 1806, 1806));
}

/// A root file system that is removed on drop.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("btfgen-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).expect("a folder for the test");
        Self(root)
    }

    fn file(&self, path: impl AsRef<Path>, content: &[u8]) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder for the file");
        fs::write(&path, content).expect("a file for the test");
        path
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn word(value: usize) -> [u8; 4] {
    (value as u32).to_ne_bytes()
}

/// The notes of a kernel: its build id, and one of another kind.
fn notes(build_id: BuildId) -> Vec<u8> {
    let head = |name: usize, content: usize, kind| [word(name), word(content), word(kind)].concat();
    let gnu = [&head(4, 20, 3), b"GNU\0".as_slice(), build_id.as_bytes()].concat();
    [gnu, head(6, 1, 0x101), b"Linux\0\0\0\0\0\0\0".to_vec()].concat()
}

/// A BTF without types in the host's byte order.
fn btf() -> Vec<u8> {
    [&0xeb9f_u16.to_ne_bytes()[..], &[1, 0], &[word(24), word(0), word(0), word(0), word(1)].concat(), &[0]]
        .concat()
}

/// A `vmlinux` in the host's byte order with these sections.
fn elf(sections: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let names = sections.iter().map(|(name, _)| format!("\0{name}")).collect::<String>() + "\0.shstrtab\0";
    let mut body = Vec::new();
    let mut headers = vec![0; 64];
    let mut name_at = 1;
    for (name, content) in
        sections.iter().map(|(n, c)| (*n, c.as_slice())).chain([(".shstrtab", names.as_bytes())])
    {
        let (offset, size) = (64 + body.len() as u64, content.len() as u64);
        headers.extend([word(name_at), word(if name == ".shstrtab" { 3 } else { 1 })].concat());
        for field in [0, 0, offset, size, 0, 1, 0] {
            headers.extend(field.to_ne_bytes());
        }
        body.extend_from_slice(content);
        name_at += name.len() + 1;
    }
    let order = if cfg!(target_endian = "big") { 2 } else { 1 };
    let mut out = [&b"\x7fELF\x02"[..], &[order, 1, 0], &[0; 8]].concat();
    for half in [2u16, 0] {
        out.extend(half.to_ne_bytes());
    }
    out.extend(word(1));
    for long in [0, 0, 64 + body.len() as u64] {
        out.extend(long.to_ne_bytes());
    }
    out.extend(word(0));
    for half in [64u16, 0, 0, 64, sections.len() as u16 + 2, sections.len() as u16 + 1] {
        out.extend(half.to_ne_bytes());
    }
    [out, body, headers].concat()
}

#[test]
fn files_of_another_build_are_skipped() {
    let root = Root::new("other-build");
    let own = elf(&[(".BTF", btf()), (".notes", notes(build(1)))]);
    let other = elf(&[(".BTF", btf()), (".notes", notes(build(2)))]);
    let silent = elf(&[(".BTF", btf())]);
    let finder = |build_id| {
        let host = custom(build_id);
        Finder::new().root(&root.0).host(host).folder(root.0.join("btfs"))
    };
    let boot = root.file("boot/vmlinux-6.18.44", &other);
    let debug = root.file("usr/lib/debug/boot/vmlinux-6.18.44", &own);
    let path =
        |build_id: Option<u8>| finder(build_id).find().ok().and_then(|it| it.path().map(Path::to_owned));
    // The first file is another build; a host without a build id cannot know.
    assert_eq!(path(Some(1)), Some(debug.clone()));
    assert_eq!(path(Some(2)), Some(boot.clone()));
    assert_eq!(path(None), Some(boot.clone()));
    let explained = finder(Some(1)).find().expect("a BTF").explain();
    let line = format!(
        "kernel image: {}: build id {}, but the kernel's is {}\n",
        boot.display(),
        "02".repeat(20),
        "01".repeat(20)
    );
    assert!(explained.contains(&line), "{explained}");
    assert_eq!(path(Some(3)), None);
    // A file without a build id counts as before, and so does a raw BTF.
    for content in [silent, btf()] {
        root.file("boot/vmlinux-6.18.44", &content);
        assert_eq!(path(Some(3)), Some(boot.clone()));
    }
    // A named file is used whatever its build id.
    let named = root.file("named", &other);
    let found = finder(Some(1)).override_file(&named).find().expect("the named file");
    assert_eq!((found.source(), found.path()), (Source::Override, Some(named.as_path())));
    // A folder's file.
    fs::remove_file(&boot).expect("a file");
    fs::remove_file(&debug).expect("a file");
    let debian = |build_id| finder(None).host(debian(build_id));
    let filed = root.file("btfs/debian/10/x86_64/4.19.0-17-amd64.btf", &own);
    assert_eq!(debian(Some(1)).find().expect("the file").path(), Some(filed.as_path()));
    let Err(Error::NotFound(missing)) = debian(Some(2)).find() else { panic!("another build's file") };
    assert!(missing.explain().contains(".btf: build id 0101"), "{}", missing.explain());
    // A custom kernel of a folder has no build id.
    root.file("btfs/custom/a/x86_64/6.18.44.btf", &btf());
    let Err(Error::NotFound(missing)) = finder(Some(1)).find() else { panic!("a custom kernel of a folder") };
    assert!(missing.to_string().contains("custom entries without a build id match no host"), "{missing}");
}

#[test]
fn the_build_id_is_read_from_sysfs_also_below_the_hosts_root() {
    let read = |root: &Root, host_root: Option<PathBuf>| {
        let finder = Finder::new().root(&root.0);
        let finder = host_root.into_iter().fold(finder, |finder, folder| finder.host_root(folder));
        let Err(Error::NotFound(missing)) = finder.find() else { panic!("a BTF in an empty root") };
        missing.host.build_id
    };
    let root = Root::new("notes");
    assert_eq!(read(&root, None), None);
    root.file("other/sys/kernel/notes", &notes(build(3)));
    assert_eq!(read(&root, None), None);
    assert_eq!(read(&root, Some(root.0.join("other"))), Some(build(3)));
    // A usual mount of the host's root, in a container.
    root.file("host/sys/kernel/notes", &notes(build(2)));
    assert_eq!(read(&root, None), None);
    root.file(".dockerenv", b"");
    assert_eq!(read(&root, None), Some(build(2)));
    // The own sysfs is always the running kernel's.
    root.file("sys/kernel/notes", &notes(build(1)));
    assert_eq!(read(&root, None), Some(build(1)));
    root.file("sys/kernel/notes", b"no notes");
    assert_eq!(read(&root, Some(root.0.join("other"))), Some(build(3)));
}
