//! Tests of the marks of distributions.

use super::*;

#[test]
fn numbers_follow_marks() {
    let check = |text: &str, mark: &str, expect: Option<&str>| {
        assert_eq!(number_after(text, mark), expect, "{text} {mark}");
    };
    check("4.14.0-115.el7a.0.1.aarch64", ".el", Some("7"));
    check("0.80.aa7a.aarch64", ".aa", Some("7"));
    check("1.aarch64", ".aa", None);
    check("1.elrepo.el8", ".el", Some("8"));
    check("", ".el", None);
}

#[test]
fn a_release_alone_shows_debian_or_ubuntu() {
    let check = |release: &str, expect: &[&str]| {
        let distros = by_release(release).map(|origin| origin.distros).unwrap_or_default();
        assert_eq!(distros, expect, "{release}");
    };
    check("6.1.0-50-amd64", &["debian"]);
    check("6.1.0-50-rt-amd64", &["debian"]);
    check("6.1.0-50-686-pae", &["debian"]);
    check("6.1.0-50-armmp-lpae", &["debian"]);
    check("6.12.107+deb12-powerpc64le-64k", &["debian"]);
    check("5.4.0-84-generic", &["ubuntu"]);
    check("5.4.0-84-generic-lpae", &[]);
    check("6.1.0", &[]);
}

#[test]
fn ubuntu_versions_are_complete() {
    let check = |text: &str, expect: Option<&str>| assert_eq!(ubuntu_version(text), expect, "{text}");
    check("18.04.1-Ubuntu", Some("18.04"));
    check("20.04)", Some("20.04"));
    check("22.04", Some("22.04"));
    check("22.04, x", Some("22.04"));
    check("18.04.1.2-x", None);
    check("18.041-x", None);
    check("8.04-x", None);
    check("18.04~x", None);
    check("18", None);
    check("", None);
}

#[test]
fn derivatives_marks_are_not_plain() {
    let check = |segment: &str, expect: bool| assert_eq!(is_plain_segment(segment), expect, "{segment}");
    for plain in [
        "1160",
        "1850a",
        "el8_1",
        "el7uek",
        "x86_64",
        "x86_64+debug",
        "aarch64",
        "ppc64le",
        "s390x",
        "centos",
    ] {
        check(plain, true);
    }
    for other in ["lve1", "vz7", "elrepo", "fsync", "es8", "1850ab", "el8_1a"] {
        check(other, false);
    }
}
