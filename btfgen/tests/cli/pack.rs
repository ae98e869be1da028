//! `btfgen pack`.

use btfgen_runtime::Archive;
use serde_json::Value;

use crate::harness::{Folder, hub, kernel, object};

const KERNELS: [&str; 3] = [
    "debian/11/x86_64/5.10.0-32-amd64",
    "debian/12/x86_64/6.1.0-50-amd64",
    "debian/13/x86_64/6.12.94+deb13-amd64",
];

fn ids(folder: &Folder, archive: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        folder.done(&format!("archive list {archive}")).lines().map(str::to_owned).collect();
    ids.sort();
    ids
}

#[test]
fn packs_what_minimize_makes() {
    let folder = Folder::new();
    let (hub, object) = (hub().display().to_string(), object("opensnoop").display().to_string());
    let summary = folder.done(&format!("pack --hub {hub} -o a.archive {object}"));
    assert!(summary.contains("embedded for 3 of 3 kernels: "), "{summary}");
    assert_eq!(ids(&folder, "a.archive"), KERNELS);
    let bytes = folder.read("a.archive");
    let archive = Archive::open(&bytes).unwrap();
    for id in KERNELS {
        folder.done(&format!("minimize {} -o one.btf {object}", kernel(id).display()));
        assert_eq!(archive.get(&id.parse().unwrap()).unwrap().unwrap(), folder.read("one.btf"), "{id}");
    }
    // The same again, byte for byte.
    folder.done(&format!("pack --hub {hub} -o b.archive {object}"));
    assert_eq!(folder.read("b.archive"), bytes);
}

#[test]
fn packs_the_selected_kernels() {
    let folder = Folder::new();
    let (hub, object) = (hub().display().to_string(), object("opensnoop").display().to_string());
    let check = |options: &str, expect: &[&str]| {
        folder.done(&format!("pack --hub {hub} {options} --level 3 -o a.archive {object}"));
        assert_eq!(ids(&folder, "a.archive"), expect, "{options}");
    };
    check("--include debian/12/**", &KERNELS[1..2]);
    check("--include debian/12/** --include */13/*/*", &KERNELS[1..]);
    check("--exclude */*/*/6.12.*", &KERNELS[..2]);
    check("--arch x86_64", &KERNELS);
    folder.fails(
        &format!("pack --hub {hub} --include ubuntu/** -o b.archive {object}"),
        1,
        "include \"ubuntu/**\" matches no kernel; the hub has debian/11/x86_64",
    );
    folder.fails(
        &format!("pack --hub {hub} --arch s390x -o b.archive {object}"),
        1,
        "the hub has no kernel for s390x",
    );
    folder.fails(&format!("pack --hub {hub} --include [ -o b.archive {object}"), 2, "is not a glob");
    folder.fails(&format!("pack --hub {hub} --level 23 -o b.archive {object}"), 2, "23 is not in 1..=22");
    folder.fails(&format!("pack --hub none -o b.archive {object}"), 1, "no hub file or folder at none");
    assert_eq!(folder.names(), ["a.archive"]);
}

#[test]
fn warns_on_standard_error() {
    let folder = Folder::new();
    let (hub, object) = (hub().display().to_string(), object("opensnoop").display().to_string());
    let run = folder.run(&format!("pack --json --hub {hub} --exclude none/** -o a.archive {object}"));
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(run.stderr, "warning: exclude \"none/**\" matches no kernel\n");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["embedding"]["archive_bytes"], folder.read("a.archive").len());
}

#[test]
fn reports_what_it_ignores() {
    let folder = Folder::new();
    let object = object("opensnoop").display().to_string();
    for name in ["d/1/x86_64/k.btf.tar.xz", "d/1/x86_64/k.sha256", "d/1/x86_64/k.btf.xz"] {
        folder.file(&format!("hub/{name}"), std::fs::read(kernel(KERNELS[1])).unwrap());
    }
    // The form read first is the wrong one: the kernel fails, and it is the only one.
    folder.fails(&format!("pack --hub hub -o a.archive {object}"), 1, "no kernel can be used:\n");
    std::fs::remove_file(folder.file("hub/d/1/x86_64/k.btf.xz", "")).unwrap();
    let text = folder.done(&format!("report --hub hub --exclude e/** {object}"));
    assert!(text.contains("\nexclude \"e/**\" matches no kernel\n"), "{text}");
    assert!(text.contains("\nin the hub: not a kernel: d/1/x86_64/k.sha256: "), "{text}");
}

#[test]
fn an_empty_hub_is_refused() {
    let folder = Folder::new();
    folder.file("hub/README.md", "");
    let object = object("opensnoop").display().to_string();
    folder.fails(&format!("pack --hub hub -o a.archive {object}"), 1, "no kernel in hub tree hub: expected");
    folder.fails(&format!("report --hub hub {object}"), 1, "no kernel in hub tree hub: expected");
    assert_eq!(folder.names(), ["hub"]);
}
