//! Sampled kernels, hosts made of them, and catalogs of ids.
#![expect(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use btfgen_runtime::{BuildIdPrefix, Catalog, Host, KernelId, OsRelease};

/// A catalog of ids whose BTFs are all different or all identical.
pub(crate) struct Ids {
    pub(crate) ids: Vec<KernelId>,
    pub(crate) one_btf: bool,
}

impl Catalog for Ids {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        for id in &self.ids {
            visitor(id.as_str(), None);
        }
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        self.one_btf || a == b
    }
}

pub(crate) fn id(text: &str) -> KernelId {
    text.parse().expect("a kernel id")
}

/// Every kernel of the BTFHub archive's sampled index.
pub(crate) fn hub() -> Vec<KernelId> {
    include_str!("../data/btfhub-paths.txt")
        .lines()
        .map(|line| id(line.strip_suffix(".btf.tar.xz").expect("a path of the hub")))
        .collect()
}

/// The hub's kernels by release; only entries with the host's release can be selected.
pub(crate) fn by_release() -> BTreeMap<String, Vec<KernelId>> {
    let mut releases: BTreeMap<String, Vec<KernelId>> = BTreeMap::new();
    for kernel in hub() {
        releases.entry(kernel.release().to_owned()).or_default().push(kernel);
    }
    releases
}

/// The cells of a table's rows without its header; short rows are padded.
pub(crate) fn rows(table: &str, width: usize) -> Vec<Vec<&str>> {
    table
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells: Vec<&str> = line.split('\t').map(str::trim).collect();
            cells.resize(cells.len().max(width), "");
            cells
        })
        .collect()
}

/// `uname -m` for the hub's name of an architecture.
pub(crate) fn machine(arch: &str) -> &str {
    if arch == "arm64" { "aarch64" } else { arch }
}

/// The os-release of a distribution's own root file system.
pub(crate) fn os_release(distro: &str, version: &str) -> OsRelease {
    let text = match (distro, version) {
        ("ubuntu", v) => format!("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"{v}\"\n"),
        ("debian", v) => format!("ID=debian\nVERSION_ID=\"{v}\"\n"),
        ("centos", v) => format!("ID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"{v}\"\n"),
        ("rhel", v) => format!("ID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"{v}.7\"\n"),
        ("ol", v) => format!("ID=\"ol\"\nVERSION_ID=\"{v}.6\"\n"),
        ("amzn", "2018" | "1") => "ID=\"amzn\"\nVERSION_ID=\"2018.03\"\nID_LIKE=\"rhel fedora\"\n".to_owned(),
        ("amzn", v) => format!("ID=\"amzn\"\nVERSION_ID=\"{v}\"\nID_LIKE=\"centos rhel fedora\"\n"),
        ("sles", v) => format!("ID=\"sles\"\nVERSION_ID=\"{v}\"\n"),
        ("fedora", v) => format!("ID=fedora\nVERSION_ID={v}\nPLATFORM_ID=\"platform:f{v}\"\n"),
        other => panic!("no os-release for {other:?}"),
    };
    OsRelease::parse(&text)
}

/// The strings of a kernel of the hub, in the form that the samples show for its distribution.
pub(crate) fn kernel_host(kernel: &KernelId) -> Host {
    let release = kernel.release();
    let arm = kernel.arch() == "arm64";
    let date = "Thu Aug 26 23:17:46 UTC 2021";
    let (builder, compiler, version) = match (kernel.distro(), kernel.version()) {
        ("ubuntu", series) => {
            let (base, compiler) = match series {
                "16.04" => ("4.4.", "gcc version 5.4.0 20160609 (Ubuntu 5.4.0-6ubuntu1~16.04.10)"),
                "18.04" => ("4.15.", "gcc version 7.5.0 (Ubuntu 7.5.0-3ubuntu1~18.04)"),
                _ => ("5.4.", "gcc version 9.3.0 (Ubuntu 9.3.0-17ubuntu1~20.04)"),
            };
            let tilde = if release.starts_with(base) { String::new() } else { format!("~{series}.1") };
            ("buildd@lcy01-amd64-007", compiler.to_owned(), format!("#94{tilde}-Ubuntu SMP {date}"))
        }
        ("debian", series) => {
            let base = release.split('-').next().unwrap_or_default().trim_end_matches(".0");
            let backport = release.contains("bpo") || release.contains(".deb");
            let suffix = if backport { format!("~deb{series}u1") } else { String::new() };
            let builder = "debian-kernel@lists.debian.org";
            let compiler = "gcc version 8.3.0 (Debian 8.3.0-6)".to_owned();
            (builder, compiler, format!("#1 SMP Debian {base}.210-1{suffix} (2020-01-20)"))
        }
        ("centos", _) => {
            let builder = if arm {
                "mockbuild@aarch64-01.bsys.centos.org"
            } else {
                "mockbuild@kbuilder.bsys.centos.org"
            };
            (builder, red_hat("4.8.5-44"), format!("#1 SMP {date}"))
        }
        ("rhel", _) => {
            ("mockbuild@x86-040.build.eng.bos.redhat.com", red_hat("4.8.5-44"), format!("#1 SMP {date}"))
        }
        ("ol", _) => {
            let builder = if release.contains("uek") {
                "mockbuild@jenkins-10-147-72-125-9cc530f8-159f-444e-98e9-d1e5d2b5e4e2"
            } else {
                "mockbuild@x86-ol7-builder-02"
            };
            (builder, red_hat("4.8.5-16.0.3"), "#2 SMP Tue Aug 4 14:17:05 PDT 2020".to_owned())
        }
        ("amzn", _) => ("mockbuild@ip-10-0-1-32", red_hat("7.3.1-9"), format!("#1 SMP {date}")),
        ("sles", _) => (
            "geeko@buildhost",
            "gcc version 7.5.0 (SUSE Linux)".to_owned(),
            format!("#1 SMP {date} (79e1683)"),
        ),
        ("fedora", _) => {
            ("mockbuild@bkernel04.phx2.fedoraproject.org", red_hat("8.3.1-2"), format!("#1 SMP {date}"))
        }
        other => panic!("no kernel strings for {other:?}"),
    };
    Host {
        release: release.to_owned(),
        machine: machine(kernel.arch()).to_owned(),
        proc_version: Some(format!("Linux version {release} ({builder}) ({compiler}) {version}\n")),
        version,
        ..Host::default()
    }
}

fn red_hat(revision: &str) -> String {
    format!("gcc version 4.8.5 20150623 (Red Hat {revision}) (GCC) ")
}

/// The os-releases of distributions that are not a kernel's.
pub(crate) fn containers(kernel: &KernelId) -> Vec<OsRelease> {
    let all = [
        ("ubuntu", "20.04"),
        ("centos", "7"),
        ("debian", "10"),
        ("rhel", "8"),
        ("ol", "7"),
        ("ubuntu", "18.04"),
    ];
    all.iter()
        .filter(|(distro, version)| (*distro, *version) != (kernel.distro(), kernel.version()))
        .map(|(distro, version)| os_release(distro, version))
        .collect()
}
