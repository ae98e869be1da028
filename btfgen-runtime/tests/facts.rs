//! Samples: every sampled `/proc/version` and os-release selects its folder, or is refused if it has none.

mod common;

use std::collections::BTreeSet;

use btfgen_runtime::{Host, KernelId, OsRelease, select};
use common::{Ids, by_release, hub, id, os_release, rows};

/// Folders that contain, in the tests below, a kernel of any release: BTFHub's and those of the samples.
fn folders() -> BTreeSet<String> {
    let of_hub = hub().into_iter().map(|kernel| format!("{}/{}", kernel.distro(), kernel.version()));
    let samples = rows(include_str!("data/proc-version-samples.tsv"), 6);
    let of_samples = samples.into_iter().filter_map(|row| row[0].split(' ').next().map(str::to_owned));
    of_hub.chain(of_samples.filter(|folder| folder.contains('/'))).collect()
}

#[test]
fn every_sampled_kernel_is_identified() {
    let folders = folders();
    let (mut hit, mut refused) = (0, 0);
    for row in rows(include_str!("data/proc-version-samples.tsv"), 6) {
        let [folder, release, version, banner, _, note] = row[..] else { panic!("{row:?}") };
        let folder = folder.split(' ').next().unwrap();
        let release = release.split(' ').next().unwrap();
        let text = [release, row[1], row[0], note].join(" ");
        let machine = ["aarch64", "arm64", "ppc64le", "686"].into_iter().find(|m| text.contains(m));
        let machine = match machine {
            Some("arm64" | "aarch64") => "aarch64",
            Some("686") => "i686",
            Some(other) => other,
            None => "x86_64",
        };
        let signature = banner.strip_prefix("/proc/version_signature: ");
        let mut host = Host {
            release: release.to_owned(),
            version: version.to_owned(),
            machine: machine.to_owned(),
            version_signature: signature.map(str::to_owned),
            ..Host::default()
        };
        if banner.starts_with("Linux version") && !banner.ends_with("...") {
            host.proc_version = Some(banner.to_owned());
        }
        let arch = host.arch().to_owned();
        let ids: Vec<KernelId> =
            folders.iter().map(|folder| id(&format!("{folder}/{arch}/{release}"))).collect();
        let expect = match folder {
            // The row with only a signature, of 16.04's HWE kernel.
            "ubuntu" => Some("ubuntu/16.04"),
            "none" => None,
            other => Some(other),
        };
        let expect = expect.map(|folder| id(&format!("{folder}/{arch}/{release}")));
        for root in [None, Some(("ubuntu", "20.04")), Some(("centos", "7")), Some(("debian", "10"))] {
            let host = Host { local_os_release: root.map(|(d, v)| os_release(d, v)), ..host.clone() };
            for one_btf in [false, true] {
                let got = select(&host, &Ids { ids: ids.clone(), one_btf }, false);
                match (&expect, &got) {
                    (Some(expect), Ok(selection)) => {
                        assert_eq!(*expect, selection.kernel, "{host:#?}");
                        hit += 1;
                    }
                    (None, Err(_)) => refused += 1,
                    _ => panic!("expected {expect:?}: {got:?} for {host:#?}"),
                }
            }
        }
        let own = host.kernel_id();
        match expect {
            Some(expect) => assert_eq!(own, Some(expect)),
            None => assert!(own.is_none_or(|own| own.distro() == "custom"), "{host:?}"),
        }
    }
    println!("sampled kernels: {hit} hits, {refused} refused");
    assert!(hit >= 200 && refused >= 32, "{hit} {refused}");
}

#[test]
fn every_sampled_os_release_selects_its_folder_or_none() {
    let releases = by_release();
    let (mut hit, mut refused, mut rows_hit) = (0, 0, 0);
    for row in rows(include_str!("data/os-release-map.tsv"), 5) {
        let [name, version, like, codenames, folder] = row[..5] else { panic!("{row:?}") };
        let strip = |cell: &'static str| cell.split(" (").next().unwrap_or_default();
        let mut text = format!("ID={name}\n");
        if !version.contains("absent") && version != "?" {
            text.push_str(&format!("VERSION_ID={}\n", strip(version)));
        }
        if like != "-" {
            text.push_str(&format!("ID_LIKE={}\n", strip(like)));
        }
        for assignment in codenames.split([';', ' ']).filter(|part| part.contains('=')) {
            text.push_str(&format!("{}\n", assignment.trim()));
        }
        let os = OsRelease::parse(&text);
        let expect = folder.split(' ').next().unwrap().trim_end_matches(';');
        let guess = folder.contains("guess") && !folder.starts_with("none");
        let mut row_hit = false;
        for kernel in hub() {
            let host = Host {
                release: kernel.release().to_owned(),
                machine: common::machine(kernel.arch()).to_owned(),
                os_release: Some(os.clone()),
                ..Host::default()
            };
            // These releases name their distribution, whatever os-release says.
            let own_mark = [".amzn", "uek."].iter().any(|mark| kernel.release().contains(mark));
            let catalog = Ids { ids: releases[kernel.release()].clone(), one_btf: false };
            match select(&host, &catalog, false) {
                Ok(selection) if own_mark => assert_eq!(selection.kernel, kernel),
                Ok(selection) => {
                    let found = format!("{}/{}", selection.kernel.distro(), selection.kernel.version());
                    assert_eq!(found, expect, "{text} {kernel}: {:?}", selection.reasons);
                    (hit, row_hit) = (hit + 1, true);
                }
                Err(_) => {
                    let in_folder = format!("{}/{}", kernel.distro(), kernel.version()) == expect;
                    assert!(guess || !in_folder, "{text} refused {kernel}");
                    refused += 1;
                }
            }
        }
        rows_hit += usize::from(row_hit);
    }
    println!("os-release rows: {rows_hit} lead to a folder, {hit} hits, {refused} refused");
    assert!(rows_hit >= 20 && hit > 1500, "{rows_hit} {hit}");
}

/// Releases in several folders: the kernel's strings select the right one.
#[test]
fn shared_releases_are_distinguished() {
    let table = include_str!("data/btfhub-same-release-many-folders.txt");
    let mut checked = 0;
    for line in table.lines() {
        let (path, folders) = line.split_once(' ').unwrap();
        let path = path.strip_suffix(".btf.tar.xz").unwrap();
        let ids: Vec<KernelId> = folders.split(' ').map(|folder| id(&format!("{folder}/{path}"))).collect();
        for kernel in &ids {
            let host = common::kernel_host(kernel);
            let catalog = Ids { ids: ids.clone(), one_btf: false };
            assert_eq!(&select(&host, &catalog, false).unwrap().kernel, kernel);
            checked += 1;
        }
        // Only the release is known: identical BTFs are selected, different ones are refused and listed.
        let bare = Host {
            release: ids[0].release().to_owned(),
            machine: common::machine(ids[0].arch()).to_owned(),
            ..Host::default()
        };
        let refusal = select(&bare, &Ids { ids: ids.clone(), one_btf: false }, false).unwrap_err();
        assert_eq!(refusal.candidates.len(), ids.len());
        let same = select(&bare, &Ids { ids: ids.clone(), one_btf: true }, false).unwrap();
        assert_eq!(same.how, btfgen_runtime::How::SameBtf);
    }
    assert!(checked > 300, "{checked}");
}

/// SLES 15 without a service pack: os-release says 15, hubs say 15.0.
#[test]
fn sles_15_is_found() {
    // The kernels of sles/15.0/arm64 in DataDog's BTFHub archive.
    let numbers = "23 25.3 25.6 25.13 25.16 25.19 25.22 25.25 25.28 150.14 150.17 150.22 150.27 150.32 150.35 150.38 150.41 150.47";
    for number in numbers.split(' ') {
        let release = format!("4.12.14-{number}-default");
        let kernel = id(&format!("sles/15.0/arm64/{release}"));
        let ids = vec![id(&format!("sles/15.1/arm64/{release}")), kernel.clone()];
        let version = "#1 SMP Tue Apr 2 08:00:00 UTC 2019 (79e1683)";
        let own = Host {
            release: release.clone(),
            machine: "aarch64".to_owned(),
            version: version.to_owned(),
            proc_version: Some(format!(
                "Linux version {release} (geeko@buildhost) (gcc version 7.3.1 20180323 (SUSE Linux)) {version}"
            )),
            ..Host::default()
        };
        let named = Host { proc_version: None, os_release: Some(os_release("sles", "15")), ..own.clone() };
        for host in [own, named] {
            let catalog = Ids { ids: ids.clone(), one_btf: false };
            assert_eq!(select(&host, &catalog, false).expect("an entry").kernel, kernel, "{host:#?}");
            assert_eq!(host.kernel_id(), Some(kernel.clone()));
        }
    }
}
