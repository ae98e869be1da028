//! Hub: every kernel of the BTFHub archive's index as a host selects its own id or is refused, never another id.

mod common;

use btfgen_runtime::{Host, KernelId, OsRelease, select};
use common::{Ids, by_release, containers, hub, kernel_host, os_release};

/// The results of many hosts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    hit: usize,
    refused: usize,
}

/// Selects for each kernel's hosts; panics if an id is wrong.
fn tally(one_btf: bool, hosts: impl Fn(&KernelId) -> Vec<Host>) -> Tally {
    let mut tally = Tally::default();
    let releases = by_release();
    for kernel in hub() {
        let catalog = Ids { ids: releases[kernel.release()].clone(), one_btf };
        for host in hosts(&kernel) {
            match select(&host, &catalog, false) {
                Ok(selection) if selection.kernel == kernel => tally.hit += 1,
                Ok(selection) => {
                    panic!("{kernel}: {} for {host:#?}: {:?}", selection.kernel, selection.reasons)
                }
                Err(_) => tally.refused += 1,
            }
        }
    }
    tally
}

fn in_root(host: &Host, root: OsRelease) -> Host {
    Host { local_os_release: Some(root), ..host.clone() }
}

fn own_root(kernel: &KernelId) -> OsRelease {
    os_release(kernel.distro(), kernel.version())
}

#[test]
fn on_the_host_itself() {
    let whole = Ids { ids: hub(), one_btf: false };
    for kernel in hub().iter().step_by(20) {
        assert_eq!(&select(&kernel_host(kernel), &whole, false).unwrap().kernel, kernel);
    }
    let direct = tally(false, |kernel| vec![in_root(&kernel_host(kernel), own_root(kernel))]);
    println!("on the host: {direct:?}");
    assert_eq!(direct, Tally { hit: 1806, refused: 0 });
    assert_eq!(tally(true, |kernel| vec![in_root(&kernel_host(kernel), own_root(kernel))]).hit, 1806);
}

#[test]
fn in_containers_of_other_distributions() {
    let inside = |kernel: &KernelId| {
        let host = kernel_host(kernel);
        let mut hosts: Vec<Host> = containers(kernel).into_iter().map(|root| in_root(&host, root)).collect();
        // A root without os-release, and one with an empty os-release.
        hosts.push(host.clone());
        hosts.push(in_root(&host, OsRelease::default()));
        hosts
    };
    let contained = tally(false, inside);
    println!("in containers: {contained:?}");
    assert_eq!(contained.refused, 0);
    assert!(contained.hit > 1806 * 6);
}

/// Without /proc only uname is known: what it leaves open is refused, whatever a container's os-release says.
#[test]
fn without_proc() {
    let bare = |kernel: &KernelId| Host { proc_version: None, ..kernel_host(kernel) };
    let contained = tally(false, |kernel| {
        containers(kernel).into_iter().map(|root| in_root(&bare(kernel), root)).collect()
    });
    println!("in containers without /proc: {contained:?}");
    assert!(contained.hit > contained.refused, "{contained:?}");

    let named = tally(false, |kernel| vec![Host { os_release: Some(own_root(kernel)), ..bare(kernel) }]);
    println!("without /proc, the host's os-release named: {named:?}");
    assert_eq!(named.refused, 0);
}

/// Only release, machine and the host's os-release are known, as with the command `select`.
#[test]
fn by_release_and_os_release() {
    let named = tally(false, |kernel| {
        let host = kernel_host(kernel);
        vec![Host {
            release: host.release,
            machine: host.machine,
            os_release: Some(own_root(kernel)),
            ..Host::default()
        }]
    });
    println!("by release and os-release: {named:?}");
    assert_eq!(named.refused, 0);
}

/// Without the kernel's own entry, no other is selected, even if all BTFs are identical.
#[test]
fn a_missing_kernel_is_refused() {
    let releases = by_release();
    for kernel in &hub() {
        let host = in_root(&kernel_host(kernel), own_root(kernel));
        let ids: Vec<KernelId> =
            releases[kernel.release()].iter().filter(|id| *id != kernel).cloned().collect();
        for one_btf in [false, true] {
            let catalog = Ids { ids: ids.clone(), one_btf };
            let refusal = select(&host, &catalog, false).expect_err(kernel.as_str());
            assert_eq!(refusal.candidates.len(), ids.iter().filter(|id| id.arch() == kernel.arch()).count());
            assert!(refusal.reasons.iter().all(|reason| !reason.is_empty()));
        }
    }
}

/// Kernels that reuse another distribution's release are refused, even if os-release names that distribution.
#[test]
fn clones_are_not_mistaken_for_the_original() {
    let clones: [(&str, &str, &str); 12] = [
        ("root@localhost", "gcc version 8.3.0 (Debian 8.3.0-6)", "#1 SMP Uos 4.19.67-11eagle (2020-03-21)"),
        ("root@elsa", "gcc version 4.9.2 (Debian 4.9.2-10) ", "#1 SMP Fri Dec 9 11:09:55 CET 2016"),
        ("build@proxmox", "gcc (Debian 10.2.1-6) 10.2.1", "#1 SMP PVE 5.4.128-1 (Wed, 18 Aug 2021)"),
        ("devel@kali.org", "gcc version 9.2.1 (Debian 9.2.1-8)", "#1 SMP Debian 5.2.17-1kali2 (2019-10-17)"),
        ("dom@buildbot", "gcc version 8.3.0 (Debian 8.3.0-6)", "#1 SMP Debian 1:6.1.63-1+rpt1 (2023-11-24)"),
        (
            "jenkins@warp.pop-os.org",
            "gcc (Ubuntu 9.3.0-17ubuntu1~20.04)",
            "#38~1592497129~20.04-9a1ea2e-Ubuntu SMP",
        ),
        ("root@myhost", "gcc version 7.5.0 (Ubuntu 7.5.0-3ubuntu1~18.04)", "#94-Ubuntu SMP Thu Aug 26"),
        (
            "root@aarch64-kojid",
            "gcc version 8.4.1 20200928 (Red Hat 8.4.1-1) (GCC)",
            "#1 SMP Fri Mar 25 17:55:23 CST 2022",
        ),
        (
            "mockbuild@build-004.cloudlinux.com",
            "gcc version 8.5.0 (Red Hat 8.5.0-20) (GCC)",
            "#1 SMP Thu Jan 18",
        ),
        (
            "mockbuild@x64-builder01.almalinux.org",
            "gcc version 8.5.0 (Red Hat 8.5.0-20) (GCC)",
            "#1 SMP Thu Jan 18",
        ),
        (
            "mockbuild@sl7.fnal.gov",
            "gcc version 4.8.5 20150623 (Red Hat 4.8.5-44) (GCC)",
            "#1 SMP Thu Jan 18",
        ),
        ("builder@kernel.example.com", "gcc version 12.2.0 (GCC)", "#1 SMP Thu Jan 18"),
    ];
    let releases = by_release();
    let mut checked = 0;
    for kernel in hub() {
        let catalog = Ids { ids: releases[kernel.release()].clone(), one_btf: true };
        for (builder, compiler, version) in clones {
            let release = kernel.release();
            // Amazon and SUSE have no clones that reuse their releases.
            if matches!(kernel.distro(), "amzn" | "sles") {
                continue;
            }
            let host = Host {
                release: release.to_owned(),
                machine: common::machine(kernel.arch()).to_owned(),
                version: version.to_owned(),
                proc_version: Some(format!("Linux version {release} ({builder}) ({compiler}) {version}")),
                local_os_release: Some(own_root(&kernel)),
                ..Host::default()
            };
            if let Ok(selection) = select(&host, &catalog, false) {
                panic!("{} for {host:#?}: {:?}", selection.kernel, selection.reasons);
            }
            checked += 1;
        }
    }
    assert!(checked > 15_000);
}
