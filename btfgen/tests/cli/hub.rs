//! `btfgen hub list|stat|extract|merge`, and packing from a hub file.

use btfgen_core::files::read_btf;
use btfgen_core::hub::file::{HubBuilder, KernelSource};
use serde_json::Value;

use crate::harness::{Folder, hub, kernel, object};

const KERNELS: [&str; 3] = [
    "debian/11/x86_64/5.10.0-32-amd64",
    "debian/12/x86_64/6.1.0-50-amd64",
    "debian/13/x86_64/6.12.94+deb13-amd64",
];

/// A folder with a hub file of some of the kernels.
fn write(folder: &Folder, name: &str, kernels: &[&str]) {
    let mut builder = HubBuilder::new();
    for id in kernels {
        builder
            .add_btf(&KernelSource::new(&id.parse().unwrap(), "a test", &read_btf(&kernel(id)).unwrap()))
            .unwrap();
    }
    folder.file(name, builder.finish(3).unwrap());
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn packs_from_a_hub_file_as_from_the_tree() {
    let folder = Folder::new();
    write(&folder, "k.hub", &KERNELS);
    let objects = format!("{} {}", object("opensnoop").display(), object("fields").display());
    folder.run(&format!("pack --hub k.hub --level 3 -o file.archive {objects}"));
    folder.run(&format!("pack --hub {} --level 3 -o tree.archive {objects}", hub().display()));
    assert!(folder.read("file.archive") == folder.read("tree.archive"));
}

#[test]
fn lists_counts_and_extracts() {
    let folder = Folder::new();
    write(&folder, "k.hub", &KERNELS[..2]);
    assert_eq!(folder.done("hub list k.hub"), format!("{}\n{}\n", KERNELS[0], KERNELS[1]));
    let list = json(&folder.done("hub list k.hub --json"));
    assert_eq!(list[0]["provenance"], "a test");
    assert_eq!(list[0]["build_id"], Value::Null);
    assert_eq!((&list[0]["defects"], &list[1]["defects"]), (&json("[\"cut-enum\"]"), &json("[]")));
    let size = read_btf(&kernel(KERNELS[0])).unwrap().len();
    assert_eq!(list[0]["bytes"].as_u64().unwrap(), size as u64);
    // Other files in the tree are reported as notes.
    let tree = folder.run(&format!("hub list {}", hub().display())).stdout;
    assert!(KERNELS.iter().all(|id| tree.contains(id)), "{tree}");

    let stat = json(&folder.done("hub stat k.hub --json"));
    assert_eq!(stat["kernels"], 2);
    assert!(stat["distinct_types"].as_u64().unwrap() < stat["types"].as_u64().unwrap());
    assert_eq!(stat["defects"], json("{\"cut-enum\": 1}"));
    assert_eq!(stat["growth"][1], serde_json::json!([stat["types"], stat["distinct_types"]]));
    let text = folder.done("hub stat k.hub");
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("kernels").ends_with(" 2"), "{text}");
    assert!(line("distinct types").ends_with(&format!(" {}", stat["distinct_types"])), "{text}");
    assert!(line("  debian/11/x86_64").ends_with(" 1"), "{text}");
    assert!(line("kernels with defect cut-enum").ends_with(" 1"), "{text}");
    let width = text.lines().next().unwrap().len();
    assert!(text.lines().all(|line| line.len() == width && !line.ends_with(' ')), "{text}");
    folder.fails(&format!("hub stat {}", hub().display()), 1, "is a folder; make a hub file with");

    folder.done(&format!("hub extract k.hub {} -o one.btf", KERNELS[0]));
    let object = object("opensnoop").display().to_string();
    folder.done(&format!("minimize one.btf -o extracted.btf {object}"));
    folder.done(&format!("minimize {} -o raw.btf {object}", kernel(KERNELS[0]).display()));
    assert!(folder.read("extracted.btf") == folder.read("raw.btf"));
    folder.fails(
        "hub extract k.hub debian/11/x86_64/5.10.0-31-amd64 -o two.btf",
        1,
        "no kernel debian/11/x86_64/5.10.0-31-amd64; nearest: ",
    );
}

#[test]
fn merges_in_any_order() {
    let folder = Folder::new();
    write(&folder, "a.hub", &KERNELS[..2]);
    write(&folder, "b.hub", &KERNELS[1..]);
    write(&folder, "all.hub", &KERNELS);
    folder.done("hub merge a.hub b.hub -o ab.hub --level 3");
    folder.done("hub merge b.hub a.hub b.hub -o ba.hub --level 3");
    assert!(folder.read("ab.hub") == folder.read("all.hub"));
    assert!(folder.read("ba.hub") == folder.read("all.hub"));
    folder.file("c.hub", b"something else");
    folder.fails("hub merge a.hub c.hub -o ac.hub", 1, "hub file c.hub: not a hub file");
    folder.fails("hub list none.hub", 1, "cannot read file none.hub: No such file");
    assert_eq!(folder.names(), ["a.hub", "ab.hub", "all.hub", "b.hub", "ba.hub", "c.hub"]);
}
