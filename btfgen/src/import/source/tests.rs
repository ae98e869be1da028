//! Tests of sources of every kind, each on real files in a temporary folder.

use std::fs;

use super::*;
use crate::import::codec::Codec;
use crate::import::testing::{btf, build_id_note, bzimage, compress, deb, elf, filler, rpm, tar};
use btfgen_core::btf::Endian;
use btfgen_core::hub::Attachability;
use tempfile::TempDir;

const CONTROL: &str = "Package: linux-image-6.1.0-50-amd64\nVersion: 6.1.176-1\nArchitecture: amd64\n";

const BUILD_ID: BuildId = BuildId::from_bytes([7; BuildId::LEN]);

fn write(folder: &TempDir, path: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn id(text: &str) -> KernelId {
    text.parse().unwrap()
}

fn read_one(path: &Path, given: Option<&KernelId>) -> Result<Kernel, ImportError> {
    let kernels = Source::at(path)?.kernels(given)?;
    assert_eq!(kernels.len(), 1);
    Ok(kernels[0]
        .read(&ReadOptions { modules: &WantedModules::All, ..ReadOptions::default() })?
        .expect("wanted"))
}

#[test]
fn reads_one_kernel_from_each_kind_of_file() {
    let folder = tempfile::tempdir().unwrap();
    let btf = btf(Endian::Little, 400);
    let vmlinux = elf(Endian::Little, &[(".text", &filler(70_000)), (".BTF", &btf)]);
    let given = id("fedora/40/x86_64/6.1.0");
    let btfhub = compress(Codec::Xz, &tar(&[("6.1.0.btf", &btf)]));
    let files: [(&str, Vec<u8>, ShipsBtf); 7] = [
        ("plain.btf", btf.clone(), ShipsBtf::Unknown),
        ("packed.btf.xz", compress(Codec::Xz, &btf), ShipsBtf::Unknown),
        ("6.1.0.btf.tar.xz", btfhub, ShipsBtf::No),
        ("vmlinux", vmlinux.clone(), ShipsBtf::Yes),
        ("vmlinuz", bzimage(&compress(Codec::Lzma, &vmlinux), vmlinux.len()), ShipsBtf::Yes),
        ("Image.gz", compress(Codec::Gzip, &vmlinux), ShipsBtf::Yes),
        ("zImage", elf(Endian::Little, &[(".kernel", &compress(Codec::Gzip, &vmlinux))]), ShipsBtf::Yes),
    ];
    for (name, bytes, ships_btf) in files {
        let path = write(&folder, name, &bytes);
        let kernel = read_one(&path, Some(&given)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(kernel.btf == btf, "{name}");
        assert_eq!(kernel.ships_btf, ships_btf, "{name}");
        assert_eq!((kernel.id.as_str(), kernel.provenance.as_str()), (given.as_str(), name));
        let error = read_one(&path, None).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("--as"), "{error}");
    }
}

#[test]
fn reads_packages_with_their_modules() {
    let folder = tempfile::tempdir().unwrap();
    let (kernel, module) = (btf(Endian::Little, 400), btf(Endian::Little, 2));
    let note = build_id_note(Endian::Little, 7);
    let vmlinux = elf(Endian::Little, &[(".text", &filler(70_000)), (".BTF", &kernel), (".notes", &note)]);
    let image = bzimage(&compress(Codec::Xz, &vmlinux), vmlinux.len());
    let ko = elf(Endian::Little, &[(".BTF", &module)]);
    let files: [(&str, &[u8]); 2] =
        [("./boot/vmlinuz-6.1.0-50-amd64", &image), ("./lib/modules/6.1.0-50-amd64/kernel/a-b.ko", &ko)];
    let path = write(&folder, "any-name", &deb(Codec::Xz, CONTROL, &files));
    let expect = Kernel {
        id: id("debian/12/x86_64/6.1.0-50-amd64"),
        provenance: "linux-image-6.1.0-50-amd64_6.1.176-1_amd64.deb".into(),
        build_id: Some(BUILD_ID),
        btf: kernel.clone(),
        modules: vec![Module { name: "a_b".into(), btf: module }],
        ships_btf: ShipsBtf::Yes,
        attachability: None,
    };
    assert_eq!(read_one(&path, None).unwrap(), expect);
    let given = id("fedora/40/x86_64/6.1.0");
    assert_eq!(read_one(&path, Some(&given)).unwrap().id, given);

    // A debug package: an uncompressed vmlinux.
    let tags =
        [(1000, "kernel-debuginfo"), (1001, "5.14.0"), (1002, "1.el9"), (1011, "CentOS"), (1022, "aarch64")];
    let files: [(&str, &[u8]); 1] = [("./usr/lib/debug/lib/modules/5.14.0-1.el9.aarch64/vmlinux", &vmlinux)];
    let kernel_rpm = read_one(&write(&folder, "rpm", &rpm(Codec::Zstd, &tags, &files)), None).unwrap();
    assert!(kernel_rpm.btf == kernel);
    assert_eq!(kernel_rpm.build_id, Some(BUILD_ID));
    assert_eq!(kernel_rpm.id, id("centos/9/arm64/5.14.0-1.el9.aarch64"));
    assert_eq!(kernel_rpm.provenance, "kernel-debuginfo-5.14.0-1.el9.aarch64.rpm");
}

#[test]
fn skips_kernels_unread_that_are_unwanted_or_known() {
    let folder = tempfile::tempdir().unwrap();
    // Invalid files: reading any of them fails.
    let tree = write(&folder, "tree/debian/12/s390x/6.1.0.btf", b"no BTF");
    let tree = tree.ancestors().nth(4).unwrap();
    let package = deb(Codec::Gzip, CONTROL, &[("./boot/vmlinuz-6.1.0-50-amd64", b"no image")]);
    let package = write(&folder, "package", &package);
    let image = write(&folder, "image", b"no image");
    let btf = write(&folder, "kernel.btf", b"no BTF");
    let given = id("fedora/40/x86_64/6.1.0");
    let deb_name = "linux-image-6.1.0-50-amd64_6.1.176-1_amd64.deb";
    let check = |path: &Path, given: Option<&KernelId>, provenance: &str, is_read: bool| {
        let kernels = Source::at(path).unwrap().kernels(given).unwrap();
        assert!(kernels[0].read(&ReadOptions::default()).is_err());
        let unwanted = ReadOptions { wants: &|_| false, ..ReadOptions::default() };
        assert_eq!(kernels[0].read(&unwanted).unwrap(), None);
        let known = ReadOptions { has: &|_, known| known == provenance, ..ReadOptions::default() };
        assert_eq!(kernels[0].read(&known).is_err(), is_read, "{}", path.display());
    };
    check(tree, None, "debian/12/s390x/6.1.0.btf", false);
    check(tree, None, "debian/12/s390x/6.1.0.btf.xz", true);
    check(&package, None, deb_name, false);
    check(&package, Some(&given), deb_name, false);
    check(&package, None, &deb_name.replace("6.1.176-1", "6.1.176-2"), true);
    // The name of a file does not identify its content.
    check(&image, Some(&given), "image", true);
    check(&btf, Some(&given), "kernel.btf", true);
}

#[test]
fn a_given_build_id_is_for_sources_without() {
    let folder = tempfile::tempdir().unwrap();
    let (btf, note) = (btf(Endian::Little, 3), build_id_note(Endian::Little, 7));
    let raw = write(&folder, "kernel.btf", &btf);
    let vmlinux = write(&folder, "vmlinux", &elf(Endian::Little, &[(".BTF", &btf), (".notes", &note)]));
    let other = BuildId::from_bytes([8; BuildId::LEN]);
    let (fedora, custom) = (id("fedora/40/x86_64/6.1.0"), id("custom/mine/x86_64/6.1.0"));
    let check = |path: &Path, id: &KernelId, build_id, expect: Result<Option<BuildId>, &str>| {
        let kernels = Source::at(path).unwrap().kernels(Some(id)).unwrap();
        let kernel = kernels[0].read(&ReadOptions { build_id, ..ReadOptions::default() });
        let got = kernel.map(|kernel| kernel.unwrap().build_id).map_err(|error| error.to_string());
        assert_eq!(got, expect.map_err(str::to_owned));
    };
    check(&raw, &fedora, None, Ok(None));
    check(&raw, &fedora, Some(other), Ok(Some(other)));
    check(&raw, &custom, Some(other), Ok(Some(other)));
    check(&vmlinux, &custom, None, Ok(Some(BUILD_ID)));
    check(&vmlinux, &custom, Some(BUILD_ID), Ok(Some(BUILD_ID)));
    let expect =
        format!("--build-id is {other}, but the source has build id {BUILD_ID}; leave out --build-id");
    check(&vmlinux, &custom, Some(other), Err(&expect));
    let expect = "no build id for custom/mine/x86_64/6.1.0, and only a build id identifies a custom kernel; \
        set it with --as custom/mine/x86_64/6.1.0 --build-id HEX, as \"readelf -n vmlinux\" prints it";
    check(&raw, &custom, None, Err(expect));
}

#[test]
fn reports_what_is_wrong_with_a_source() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, "tree/debian/12/x86_64/6.1.btf", &btf(Endian::Little, 1));
    let check = |path: &str, given: Option<&KernelId>, expect: &str| {
        let error = read_one(&folder.path().join(path), given).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    };
    let given = id("fedora/40/x86_64/6.1.0");
    check("none", None, "cannot read");
    check("tree", Some(&given), "--as names one kernel");
    write(&folder, "hub", &HubBuilder::new().finish(1).unwrap());
    check("hub", Some(&given), "--as names one kernel");
    check("tree/debian/12/x86_64", None, "no kernel in hub tree");
    write(&folder, "text", b"only text");
    check("text", Some(&given), "no BTF in the file of unknown format");
    write(&folder, "cut.deb", &deb(Codec::Gzip, CONTROL, &[("./boot/vmlinuz-1", b"x")])[..150]);
    check("cut.deb", None, "cannot read");
}

#[test]
fn reads_the_running_kernel() {
    let sys = tempfile::tempdir().unwrap();
    let btf = btf(Endian::Little, 3);
    write(&sys, "btf/vmlinux", &btf);
    write(&sys, "btf/xfs", b"split");
    let given = id("fedora/40/x86_64/6.1.0");
    let kernel = this_host(given.clone(), sys.path(), &WantedModules::All).unwrap();
    let modules = vec![Module { name: "xfs".into(), btf: b"split".to_vec() }];
    let expect = Kernel {
        id: given.clone(),
        provenance: "host".into(),
        build_id: None,
        btf,
        modules,
        ships_btf: ShipsBtf::Yes,
        attachability: None,
    };
    assert_eq!(kernel, expect);
    let native = if cfg!(target_endian = "big") { Endian::Big } else { Endian::Little };
    write(&sys, "notes", &build_id_note(native, 7));
    let kernel = this_host(given.clone(), sys.path(), &WantedModules::All).unwrap();
    assert_eq!(kernel, Kernel { build_id: Some(BUILD_ID), ..expect });
    let error = this_host(given, &sys.path().join("none"), &WantedModules::None).unwrap_err();
    assert!(error.to_string().starts_with("no BTF in the sysfs of kernel 6.1.0; vendor its"), "{error}");
}

#[test]
fn reads_the_tables_of_the_running_kernel() {
    let sys = tempfile::tempdir().unwrap();
    let kallsyms = write(&sys, "kallsyms", b"81000000 T traced\n81000100 t notrace\n81000200 T last\n");
    let attachable = || {
        let table = host_attachability(&kallsyms, sys.path()).unwrap();
        [b"traced".as_slice(), b"notrace", b"inlined"].map(|name| table.get(name))
    };
    let [unknown, no, yes] = [Attachability::Unknown, Attachability::No, Attachability::Yes];
    assert_eq!(attachable(), [unknown, unknown, no]);
    write(&sys, "debug/tracing/available_filter_functions", b"traced\n");
    assert_eq!(attachable(), [unknown, no, no]);
    write(&sys, "debug/kprobes/blacklist", b"0x81000200-0x81000300\tlast\n");
    assert_eq!(attachable(), [yes, no, no]);
    write(&sys, "tracing/available_filter_functions_addrs", b"81000104 notrace\n");
    assert_eq!(attachable(), [no, yes, no]);
    assert!(host_attachability(&sys.path().join("none"), sys.path()).is_none());
}
