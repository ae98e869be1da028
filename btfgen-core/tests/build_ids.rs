//! Build ids from a hub file into an archive: for which kernels they are stored, and what they cost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};

use btfgen_core::archive::{self, Entry};
use btfgen_core::files;
use btfgen_core::hub::file::{HubBuilder, KernelSource};
use btfgen_core::pipeline::{self, BuildIds, Options, Packed, Request};
use btfgen_runtime::{Archive, BuildId, BuildIdPrefix, Finder, Host, KernelId, Source};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn pack(hub: PathBuf, objects: &[&str], build_ids: BuildIds) -> Packed {
    let object = |name: &&str| repository().join(format!("testdata/objects/el/{name}.o"));
    let objects = objects.iter().map(object).collect();
    let options = Options { build_ids, ..Options::default() };
    pipeline::run(&Request { objects, hub, options }, &|_, _| {}).unwrap()
}

#[test]
fn the_needed_ones_are_stored_or_all() {
    let btf = files::read(&repository().join("testdata/targets/el/traps.btf")).unwrap();
    let kernels = [
        ("custom/mine/x86_64/6.1.0", Some(1)),
        ("custom/other/x86_64/6.1.0", None),
        ("debian/12/x86_64/6.1.0-50-amd64", Some(2)),
        ("kylin/V10/x86_64/6.1.0", Some(3)),
    ];
    let build = |byte: u8| BuildId::from_bytes([byte; 20]);
    let mut hub = HubBuilder::new();
    for (id, build_id) in kernels {
        let id: KernelId = id.parse().unwrap();
        let build_id = build_id.map(build);
        hub.add_btf(&KernelSource { build_id, ..KernelSource::new(&id, "", &btf) }).unwrap();
    }
    let path = std::env::temp_dir().join(format!("btfgen-build-ids-{}.hub", std::process::id()));
    files::write(&path, &hub.finish(3).unwrap()).unwrap();
    for (build_ids, stored) in [
        (BuildIds::Needed, [Some(1), None, None, Some(3)]),
        (BuildIds::All, [Some(1), None, Some(2), Some(3)]),
    ] {
        let packed = pack(path.clone(), &["opensnoop"], build_ids);
        let bytes = packed.archive(3).unwrap();
        let archive = Archive::open(&bytes).unwrap();
        let got = kernels.map(|(id, _)| archive.build_id_of(&id.parse().unwrap()));
        assert_eq!(got, stored.map(|byte| byte.map(|byte| build(byte).prefix())), "{build_ids:?}");
        let warning = &packed.report.warnings()[0];
        assert!(warning.starts_with("no host selects custom/other/x86_64/6.1.0: "), "{warning}");
    }
    std::fs::remove_file(path).unwrap();
}

/// The running kernel and another build of its release: the build id selects the right one, and without it none.
#[test]
fn this_machine_finds_its_own_build() {
    let host = Host::current();
    let (Some(build_id), Ok(btf)) = (host.build_id, std::fs::read("/sys/kernel/btf/vmlinux")) else { return };
    let other_btf = files::read(&repository().join("testdata/targets/el/traps.btf")).unwrap();
    let other_build = BuildId::from_bytes(build_id.as_bytes().map(|byte| !byte));
    let id = |version| KernelId::new("custom", version, host.arch(), &host.release).unwrap();
    let mut hub = HubBuilder::new();
    for (id, build_id, btf) in [(id("mine"), build_id, &btf), (id("other"), other_build, &other_btf)] {
        let build_id = Some(build_id);
        hub.add_btf(&KernelSource { build_id, ..KernelSource::new(&id, "", btf) }).unwrap();
    }
    let path = std::env::temp_dir().join(format!("btfgen-own-build-{}.hub", std::process::id()));
    files::write(&path, &hub.finish(3).unwrap()).unwrap();
    let archive = pack(path.clone(), &["opensnoop"], BuildIds::Needed).archive(3).unwrap();
    std::fs::remove_file(path).unwrap();
    let find = |build_id| {
        let finder = Finder::new().archive(&archive).host(Host { build_id, ..host.clone() });
        finder.skip(Source::Override).skip(Source::Sysfs).skip(Source::KernelFile).find()
    };
    for (build_id, expect) in [(build_id, "mine"), (other_build, "other")] {
        let found = find(Some(build_id)).unwrap();
        assert_eq!(found.kernel_id(), Some(&id(expect)));
        assert_eq!(found.bytes(), Archive::open(&archive).unwrap().get(&id(expect)).unwrap().as_deref());
        assert!(found.explain().contains(&build_id.to_string()), "{}", found.explain());
    }
    let refused = find(None).unwrap_err().to_string();
    assert!(refused.contains("/sys/kernel/notes"), "{refused}");
}

/// Prints what build ids cost; `cargo test -p btfgen-core --test build_ids -- --nocapture`.
#[test]
fn a_build_id_costs_little_more_than_its_sixteen_bytes() {
    let hub = repository().join("example-app/kernels.hub");
    let packed = pack(hub, &["opensnoop", "biolatency", "tcpconnect"], BuildIds::All);
    let mut random = fastrand::Rng::with_seed(7);
    let mut bytes_with = |count: usize| {
        let entry = |(index, entry): (usize, &Entry)| {
            let mut bytes = [0; BuildIdPrefix::LEN];
            random.fill(&mut bytes);
            Entry { build_id: (index < count).then(|| BuildIdPrefix::from_bytes(bytes)), ..entry.clone() }
        };
        let entries: Vec<Entry> = packed.entries.iter().enumerate().map(entry).collect();
        archive::write(&entries, &packed.blobs, &packed.objects, 17).unwrap().len()
    };
    let all = packed.entries.len();
    let none = bytes_with(0);
    println!("{all} kernels: {none} bytes without build ids");
    for count in [1, 10, 100, all] {
        let cost = bytes_with(count) - none;
        println!("build ids of {count} kernels: {cost} bytes more");
        assert!(cost < count * 18 + 32, "{count} kernels: {cost}");
    }
}
