//! Tests of packages of both formats, and of malformed ones.

use std::cell::Cell;
use std::rc::Rc;

use super::*;
use crate::import::codec::Codec;
use crate::import::package_format::PackageFormat::{self, Deb, Rpm};
use crate::import::testing::{ar, compress, cpio, deb, filler, rpm, tar};

const CONTROL: &str = "Package: linux-image-6.1.0-50-amd64\nVersion: 6.1.176-1\nArchitecture: amd64\n\
    Maintainer: Debian Kernel Team <debian-kernel@lists.debian.org>\nDescription: Linux 6.1\n with: text\n";
const RPM_TAGS: &[(u32, &str)] =
    &[(1000, "kernel-core"), (1001, "4.18.0"), (1002, "305.el8"), (1011, "Red Hat, Inc."), (1022, "x86_64")];

#[test]
fn reads_the_image_of_a_deb() {
    for codec in [Codec::Xz, Codec::Zstd, Codec::Gzip] {
        let image = filler(50_000);
        let files: [(&str, &[u8]); 3] = [
            ("./boot/config-6.1.0-50-amd64", b"CONFIG"),
            ("./boot/vmlinuz-6.1.0-50-amd64", &image),
            ("./lib/modules/6.1.0-50-amd64/kernel/x.ko", b"module"),
        ];
        let kernel = read_kernel(deb(codec, CONTROL, &files).as_slice()).unwrap();
        assert_eq!(kernel.id().unwrap().as_str(), "debian/12/x86_64/6.1.0-50-amd64");
        assert_eq!(kernel.path, "boot/vmlinuz-6.1.0-50-amd64");
        assert!(kernel.image == image);
    }
}

#[test]
fn reads_the_image_of_an_rpm() {
    for codec in [Codec::Xz, Codec::Zstd, Codec::Gzip, Codec::Bzip2, Codec::Lzma] {
        let image = filler(50_001);
        let files: [(&str, &[u8]); 3] = [
            ("./boot/.vmlinuz-4.18.0-305.el8.x86_64.hmac", b"hmac"),
            ("./lib/modules/4.18.0-305.el8.x86_64/config", b"odd"),
            ("./lib/modules/4.18.0-305.el8.x86_64/vmlinuz", &image),
        ];
        let kernel = read_kernel(rpm(codec, RPM_TAGS, &files).as_slice()).unwrap();
        assert_eq!(kernel.id().unwrap().as_str(), "rhel/8/x86_64/4.18.0-305.el8.x86_64");
        assert!(kernel.image == image);
    }
}

#[test]
fn stops_reading_at_the_end_of_the_image() {
    struct Counted<'a>(&'a [u8], Rc<Cell<usize>>);
    impl Read for Counted<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            let len = self.0.read(buf)?;
            self.1.set(self.1.get() + len);
            Ok(len)
        }
    }
    let (image, rest) = (filler(300_000), filler(9_000_000));
    let files: [(&str, &[u8]); 2] = [("./boot/vmlinuz-6.1.0-50-amd64", &image), ("./lib/rest", &rest)];
    for package in [deb(Codec::Gzip, CONTROL, &files), rpm(Codec::Gzip, RPM_TAGS, &files)] {
        let read = Rc::new(Cell::new(0));
        read_kernel(Counted(&package, Rc::clone(&read))).unwrap();
        assert!(read.get() < package.len() / 4, "{} of {}", read.get(), package.len());
    }
}

#[test]
fn long_names_are_read_and_endless_ones_refused() {
    let release = format!("6.1.0-{}", "long".repeat(50));
    let path = format!("./boot/vmlinuz-{release}");
    let kernel = read_kernel(deb(Codec::Xz, CONTROL, &[(&path, b"image")]).as_slice()).unwrap();
    assert_eq!(kernel.release, release);

    let mut header = tar::Header::new_gnu();
    header.set_path("././@LongLink").unwrap();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let data = [header.as_bytes().as_slice(), &[b'a'; 1 << 20]].concat();
    let control = tar(&[("control", CONTROL.as_bytes())]);
    let package = ar(&[("control.tar", &control), ("data.tar", &data)]);
    let error = read_kernel(package.as_slice()).unwrap_err();
    assert_eq!(error.to_string(), "malformed deb package: a file name in the tar is too long");
}

#[test]
fn reports_what_is_wrong_with_a_package() {
    let check = |package: &[u8], expect: &str| {
        assert_eq!(read_kernel(package).unwrap_err().to_string(), expect);
    };
    let control = compress(Codec::Gzip, &tar(&[("control", CONTROL.as_bytes())]));
    let none =
        compress(Codec::Gzip, &tar(&[("./lib/modules/x/kernel/a.ko", b"a"), ("./boot/vmlinuz-", b"a")]));
    check(b"", "cannot read the package");
    check(b"!<arch>\n", "malformed deb package: no data.tar");
    check(&[0; 100], "malformed deb package: not an ar archive");
    check(&ar(&[("data.tar.gz", &none)]), "malformed deb package: data.tar comes before control.tar");
    check(
        &ar(&[("control.tar.gz", &compress(Codec::Gzip, &tar(&[("x", b"")])))]),
        "malformed deb package: no control file",
    );
    check(
        &ar(&[("control.tar.gz", &control), ("data.tar.gz", &none)]),
        "package linux-image-6.1.0-50-amd64 has no kernel image; if it is a meta package, vendor the package that it depends on, such as linux-binary-* (Debian) or kernel-core (Fedora)",
    );
    check(
        &rpm(Codec::Xz, RPM_TAGS, &[("./etc/x", b"x")]),
        "package kernel-core has no kernel image; if it is a meta package, vendor the package that it depends on, such as linux-binary-* (Debian) or kernel-core (Fedora)",
    );
    check(&rpm(Codec::Xz, &[(1000, "x")], &[]), "malformed rpm package: the header has no version");
    check(&rpm(Codec::Xz, RPM_TAGS, &[])[..110], "cannot read the package");
    let mut huge = vec![0; 96];
    huge[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    huge.extend([0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    check(&huge, "malformed rpm package: the header block is too large");
    let mut cut = cpio(&[("./boot/vmlinuz-1", b"image")]);
    cut.truncate(cut.len() - 130);
    let whole = rpm(Codec::Gzip, RPM_TAGS, &[]);
    let payload = whole.windows(3).rposition(|three| three == [0x1f, 0x8b, 8]).unwrap();
    let package = [&whole[..payload], &compress(Codec::Gzip, &cut)].concat();
    check(&package, "cannot read boot/vmlinuz-1");
}

#[test]
fn finds_the_release_in_the_path() {
    let check = |path: &str, expect: Option<&str>| assert_eq!(image_release(path), expect, "{path}");
    check("boot/vmlinuz-6.1.0-50-amd64", Some("6.1.0-50-amd64"));
    check("boot/vmlinux-6.12.95+deb12-powerpc64le", Some("6.12.95+deb12-powerpc64le"));
    check("boot/Image-5.3.18-57-default", Some("5.3.18-57-default"));
    check("boot/vmlinux-4.4.103-6.38-default.gz", Some("4.4.103-6.38-default"));
    check("lib/modules/4.18.0-305.el8.x86_64/vmlinuz", Some("4.18.0-305.el8.x86_64"));
    check("usr/lib/modules/7.2.12+deb13-amd64/vmlinuz", Some("7.2.12+deb13-amd64"));
    check("usr/lib/modules/7.3.4+deb13-arm64/vmlinuz.unsigned", Some("7.3.4+deb13-arm64"));
    check("usr/lib/debug/lib/modules/3.10.0-1160.el7.x86_64/vmlinux", Some("3.10.0-1160.el7.x86_64"));
    check("usr/lib/debug/boot/vmlinux-5.4.0-84-generic", Some("5.4.0-84-generic"));
    check("usr/lib/debug/boot/vmlinux-5.3.18-57-default.debug", Some("5.3.18-57-default"));
    check("boot/System.map-6.1.0-50-amd64", None);
    check("boot/vmlinuz-", None);
    check("boot/.vmlinuz-4.18.0-305.el8.x86_64.hmac", None);
    check("boot/vmlinuz-a/b", None);
    check("lib/modules/6.1.0-50-amd64/kernel/vmlinuz", None);
    check("lib/modules//vmlinuz", None);
    check("vmlinuz-6.1", None);
}

#[test]
fn finds_the_kernel_id_in_the_metadata() {
    let check = |format: PackageFormat,
                 version: &str,
                 arch: &str,
                 vendor: &str,
                 release: &str,
                 expect: Option<&str>| {
        let metadata = Metadata {
            format,
            name: "linux".into(),
            version: version.into(),
            arch: arch.into(),
            vendor: vendor.into(),
        };
        let got = kernel_id(&metadata, release).ok().map(|id| id.to_string());
        assert_eq!(got.as_deref(), expect, "{version} {release}");
    };
    let debian = "Debian Kernel Team";
    check(Deb, "6.1.176-1", "amd64", debian, "6.1.0-50-amd64", Some("debian/12/x86_64/6.1.0-50-amd64"));
    check(
        Deb,
        "6.12.43-1~bpo12+1",
        "arm64",
        debian,
        "6.12.43+deb12-arm64",
        Some("debian/12/arm64/6.12.43+deb12-arm64"),
    );
    check(
        Deb,
        "6.12.94-1",
        "s390x",
        debian,
        "6.12.94+deb13-s390x",
        Some("debian/13/s390x/6.12.94+deb13-s390x"),
    );
    check(Deb, "5.10.223-1", "ppc64el", debian, "5.10.0-32-x", Some("debian/11/ppc64le/5.10.0-32-x"));
    check(Deb, "6.12.1-1", "amd64", debian, "6.12-amd64", Some("debian/13/x86_64/6.12-amd64"));
    check(Deb, "6.5.1-1", "amd64", debian, "6.5.0-1-amd64", None);
    check(Deb, "6.1.176-1", "m68k", debian, "6.1.0-50-m68k", None);
    let ubuntu = "Ubuntu Kernel Team <kernel-team@lists.ubuntu.com>";
    check(
        Deb,
        "5.4.0-84.94~18.04.1",
        "amd64",
        ubuntu,
        "5.4.0-84-generic",
        Some("ubuntu/18.04/x86_64/5.4.0-84-generic"),
    );
    check(
        Deb,
        "5.4.0-84.94",
        "amd64",
        ubuntu,
        "5.4.0-84-generic",
        Some("ubuntu/20.04/x86_64/5.4.0-84-generic"),
    );
    let rpms = [
        ("3.10.0-1160.el7", "CentOS", "3.10.0-1160.el7.x86_64", "centos/7/x86_64/"),
        (
            "4.18.0-305.el8",
            "Red Hat, Inc.; Red Hat Enterprise Linux",
            "4.18.0-305.el8.x86_64",
            "rhel/8/x86_64/",
        ),
        ("4.14.35-1818.el7uek", "Oracle America", "4.14.35-1818.el7uek.x86_64", "ol/7/x86_64/"),
        ("4.11.12-100.fc24", "Fedora Project", "4.11.12-100.fc24.x86_64", "fedora/24/x86_64/"),
        ("4.14.101-91.76.amzn2", "Amazon Linux", "4.14.101-91.76.amzn2.x86_64", "amzn/2/x86_64/"),
        (
            "4.4.103-6.38.1",
            "SUSE LLC; SUSE Linux Enterprise 12 SP3",
            "4.4.103-6.38-default",
            "sles/12.3/x86_64/",
        ),
        ("5.3.18-57.1", "openSUSE; openSUSE Leap 15.3", "5.3.18-57-default", "opensuse-leap/15.3/x86_64/"),
    ];
    for (version, vendor, release, prefix) in rpms {
        check(Rpm, version, "x86_64", vendor, release, Some(&format!("{prefix}{release}")));
    }
    check(Rpm, "1.0-1", "x86_64", "Nobody", "1.0-1", None);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(128))]

    #[test]
    fn damaged_packages_give_an_answer(
        is_rpm: bool,
        at: proptest::sample::Index,
        byte: u8,
        cut: proptest::sample::Index,
    ) {
        let files: [(&str, &[u8]); 1] = [("./boot/vmlinuz-6.1.0-50-amd64", b"image")];
        let mut package =
            if is_rpm { rpm(Codec::Gzip, RPM_TAGS, &files) } else { deb(Codec::Gzip, CONTROL, &files) };
        let len = package.len();
        package[at.index(len)] = byte;
        package.truncate(cut.index(len + 1));
        let _: Result<_, _> = read_kernel(package.as_slice());
    }
}
