//! Hosts: other machines as the runtime sees them, and the kernel that it must select there.

use std::fmt::Write as _;

use btfgen_runtime::{BuildIdPrefix, Catalog, KernelId, OsRelease, select};

use crate::shell::Outcome;

struct Host {
    what: &'static str,
    os_release: &'static str,
    release: &'static str,
    machine: &'static str,
    /// `/proc/version`, which is the host's even inside a container.
    proc_version: &'static str,
    /// The kernel id that must be selected; `None` if nothing must be.
    expect: Option<&'static str>,
}

const HOSTS: &[Host] = &[
    Host {
        what: "Ubuntu 18.04 with the newer of its kernels",
        os_release: "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"18.04\"\nUBUNTU_CODENAME=bionic\n",
        release: "5.4.0-84-generic",
        machine: "x86_64",
        proc_version: "Linux version 5.4.0-84-generic (buildd@lcy01-amd64-007) (gcc version 7.5.0 \
                       (Ubuntu 7.5.0-3ubuntu1~18.04)) #94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021",
        expect: Some("ubuntu/18.04/x86_64/5.4.0-84-generic"),
    },
    Host {
        what: "Ubuntu 20.04, another kernel of the same release",
        os_release: "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID=\"20.04\"\nUBUNTU_CODENAME=focal\n",
        release: "5.4.0-84-generic",
        machine: "x86_64",
        proc_version: "Linux version 5.4.0-84-generic (buildd@lcy01-amd64-007) (gcc version 9.3.0 \
                       (Ubuntu 9.3.0-17ubuntu1~20.04)) #94-Ubuntu SMP Thu Aug 26 20:27:37 UTC 2021",
        expect: Some("ubuntu/20.04/x86_64/5.4.0-84-generic"),
    },
    Host {
        what: "CentOS 7",
        os_release: "NAME=\"CentOS Linux\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\n",
        release: "3.10.0-1160.71.1.el7.x86_64",
        machine: "x86_64",
        proc_version: "Linux version 3.10.0-1160.71.1.el7.x86_64 (mockbuild@kbuilder.bsys.centos.org) (gcc version \
                       4.8.5 20150623 (Red Hat 4.8.5-44) (GCC)) #1 SMP Tue Jun 28 15:37:28 UTC 2022",
        expect: Some("centos/7/x86_64/3.10.0-1160.71.1.el7.x86_64"),
    },
    Host {
        what: "Amazon Linux 2 on Graviton, where `uname -m` says aarch64",
        os_release: "NAME=\"Amazon Linux\"\nID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\nVERSION_ID=\"2\"\n",
        release: "4.14.225-168.357.amzn2.aarch64",
        machine: "aarch64",
        proc_version: "Linux version 4.14.225-168.357.amzn2.aarch64 (mockbuild@ip-10-0-1-32) (gcc version 7.3.1 \
                       20180712 (Red Hat 7.3.1-9) (GCC)) #1 SMP Mon Mar 15 18:00:02 UTC 2021",
        expect: Some("amzn/2/arm64/4.14.225-168.357.amzn2.aarch64"),
    },
    Host {
        what: "Debian 10",
        os_release: "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"10\"\nVERSION_CODENAME=buster\n",
        release: "4.19.0-17-amd64",
        machine: "x86_64",
        proc_version: "Linux version 4.19.0-17-amd64 (debian-kernel@lists.debian.org) (gcc version 8.3.0 \
                       (Debian 8.3.0-6)) #1 SMP Debian 4.19.194-3 (2021-07-18)",
        expect: Some("debian/10/x86_64/4.19.0-17-amd64"),
    },
    Host {
        what: "an Alpine container on a Debian 12 host",
        os_release: "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n",
        release: "6.1.0-50-amd64",
        machine: "x86_64",
        proc_version: "Linux version 6.1.0-50-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14+deb12u1) \
                       12.2.0, GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-01)",
        expect: Some("debian/12/x86_64/6.1.0-50-amd64"),
    },
    Host {
        what: "Debian 12 with a kernel that was not vendored",
        os_release: "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n",
        release: "6.1.0-9-amd64",
        machine: "x86_64",
        proc_version: "Linux version 6.1.0-9-amd64 (debian-kernel@lists.debian.org) (gcc-12 (Debian 12.2.0-14) 12.2.0, \
                       GNU ld (GNU Binutils for Debian) 2.40) #1 SMP PREEMPT_DYNAMIC Debian 6.1.27-1 (2023-05-08)",
        expect: None,
    },
    Host {
        what: "Proxmox, with Debian's os-release and its own kernels",
        os_release: "NAME=\"Debian GNU/Linux\"\nID=debian\nVERSION_ID=\"10\"\nVERSION_CODENAME=buster\n",
        release: "4.4.35-1-pve",
        machine: "x86_64",
        proc_version: "Linux version 4.4.35-1-pve (root@elsa) (gcc version 4.9.2 (Debian 4.9.2-10) ) #1 SMP Fri Dec 9 \
                       11:09:55 CET 2016",
        expect: None,
    },
];

/// Kernel ids to choose from: the expected ones and similar ones.
struct Ids(Vec<&'static str>);

impl Catalog for Ids {
    fn visit(&self, visitor: &mut dyn FnMut(&str, Option<BuildIdPrefix>)) {
        self.0.iter().for_each(|id| visitor(id, None));
    }

    fn same(&self, a: &KernelId, b: &KernelId) -> bool {
        a == b
    }
}

/// Selects for each host, prints the selections, and fails if one is wrong.
pub(super) fn show() -> Outcome {
    let ids = catalog();
    println!("among {} kernels:", ids.0.len());
    let mut wrong = String::new();
    for host in HOSTS {
        println!("  {}\n    uname: {} {}", host.what, host.release, host.machine);
        let selected = match select(&host.seen(), &ids, false) {
            Ok(selection) => {
                println!("    selected: {}", selection.kernel);
                Some(selection.kernel.to_string())
            }
            Err(refusal) => {
                println!("    refused: {refusal}");
                None
            }
        };
        if selected.as_deref() != host.expect {
            let _ = write!(wrong, "\n{}: {selected:?}, expected {:?}", host.what, host.expect);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("wrong selections:{wrong}").into()) }
}

impl Host {
    /// What the runtime reads there; its os-release may be a container's.
    fn seen(&self) -> btfgen_runtime::Host {
        btfgen_runtime::Host {
            release: self.release.to_owned(),
            version: self
                .proc_version
                .find('#')
                .map(|at| self.proc_version[at..].to_owned())
                .unwrap_or_default(),
            machine: self.machine.to_owned(),
            proc_version: Some(self.proc_version.to_owned()),
            local_os_release: Some(OsRelease::parse(self.os_release)),
            ..btfgen_runtime::Host::default()
        }
    }
}

fn catalog() -> Ids {
    let mut ids: Vec<&str> = HOSTS.iter().filter_map(|host| host.expect).collect();
    ids.extend([
        "centos/7/x86_64/3.10.0-1127.8.2.el7.x86_64",
        "debian/10/x86_64/4.19.0-18-amd64",
        "debian/12/x86_64/6.1.0-10-amd64",
        "debian/12/x86_64/6.1.0-50-cloud-amd64",
        "amzn/2/x86_64/4.14.225-168.357.amzn2.x86_64",
    ]);
    Ids(ids)
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_selection_is_right() {
        super::show().unwrap();
    }
}
