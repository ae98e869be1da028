//! `btfgen vendor`: hub trees, hub files and single BTFs into a hub file.

use btfgen_core::files::read_btf;

use crate::harness::{Folder, hub, kernel};

const KERNEL: &str = "debian/12/x86_64/6.1.0-50-amd64";
const CUSTOM: &str = "custom/1/x86_64/6.1.0-50-mine";

/// Runs the command, which must succeed, and gives what it says.
fn vendor(folder: &Folder, line: &str) -> String {
    let run = folder.run(&format!("vendor --level 3 {line}"));
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    run.stderr
}

#[test]
fn adds_kernels_whatever_the_order_of_the_sources() {
    let folder = Folder::new();
    let tree = hub().display().to_string();
    folder.file("mine.btf", &*read_btf(&kernel(KERNEL)).unwrap());
    let said = vendor(&folder, &format!("-o a.hub {tree}"));
    assert!(said.starts_with("a.hub: 3 kernels, 3 of them new, "), "{said}");
    let said = vendor(&folder, &format!("-o a.hub mine.btf --as {CUSTOM}"));
    assert!(said.starts_with("a.hub: 4 kernels, 1 of them new, "), "{said}");
    assert!(folder.done("hub list a.hub").contains(CUSTOM));

    vendor(&folder, &format!("-o b.hub mine.btf --as {CUSTOM}"));
    vendor(&folder, &format!("-o b.hub {tree} a.hub"));
    assert!(folder.read("a.hub") == folder.read("b.hub"));
    let before = folder.read("a.hub");
    let said = vendor(&folder, &format!("-o a.hub {tree} b.hub"));
    assert!(said.starts_with("a.hub: 4 kernels, 0 of them new, "), "{said}");
    assert!(folder.read("a.hub") == before);
    assert_eq!(folder.names(), ["a.hub", "b.hub", "mine.btf"]);
}

#[test]
fn shards_merge_to_the_whole() {
    let folder = Folder::new();
    let tree = hub().display().to_string();
    vendor(&folder, &format!("-o whole.hub {tree}"));
    vendor(&folder, &format!("-o 0.hub {tree} --shard 0/2"));
    vendor(&folder, &format!("-o 1.hub {tree} --shard 1/2"));
    assert_eq!(folder.done("hub list 0.hub").lines().count(), 2);
    assert_eq!(folder.done("hub list 1.hub").lines().count(), 1);
    folder.done("hub merge --level 3 1.hub 0.hub -o merged.hub");
    assert!(folder.read("merged.hub") == folder.read("whole.hub"));
}

#[test]
fn skips_what_cannot_be_read() {
    let folder = Folder::new();
    let tree = hub().display().to_string();
    folder.file("text", "no kernel");
    let said = vendor(&folder, &format!("-o k.hub none text {tree} --include debian/12/*/*"));
    assert!(said.contains("skipped: none\n"), "{said}");
    assert!(said.contains("skipped: text\n") && said.contains("--as"), "{said}");
    assert!(said.contains("k.hub: 1 kernels, 1 of them new") && said.contains("2 sources skipped"), "{said}");
    assert_eq!(folder.done("hub list k.hub"), format!("{KERNEL}\n"));

    folder.fails("vendor -o no.hub text", 1, "no kernel was got, 1 sources were skipped");
    folder.file("bad.hub", "\u{89}BTFHUB");
    folder.fails(&format!("vendor -o bad.hub {tree}"), 1, "hub file bad.hub: ");
    folder.fails("vendor -o no.hub", 2, "required");
    folder.fails("vendor -o no.hub text --shard 2/2", 2, "not I/N");
    folder.fails("vendor -o no.hub text --as debian", 2, "is not a kernel id");
    assert_eq!(folder.names(), ["bad.hub", "k.hub", "text"]);
}
