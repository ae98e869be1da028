//! `btfgen vendor`: hub trees, hub files and single BTFs into a hub file.

use std::os::unix::fs::MetadataExt;

use btfgen_core::files::read_btf;

use crate::harness::{Folder, btf, hub, kernel};

const KERNEL: &str = "debian/12/x86_64/6.1.0-50-amd64";
const CUSTOM: &str = "custom/1/x86_64/6.1.0-50-mine";

/// Runs the command, which must succeed; returns its messages.
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
    let messages = vendor(&folder, &format!("-o a.hub {tree}"));
    assert!(messages.starts_with("a.hub: 3 kernels (3 new), "), "{messages}");
    let messages = vendor(&folder, &format!("-o a.hub mine.btf --as {CUSTOM}"));
    assert!(messages.starts_with("a.hub: 4 kernels (1 new), "), "{messages}");
    assert!(folder.done("hub list a.hub").contains(CUSTOM));

    vendor(&folder, &format!("-o b.hub mine.btf --as {CUSTOM}"));
    vendor(&folder, &format!("-o b.hub {tree} a.hub"));
    assert!(folder.read("a.hub") == folder.read("b.hub"));
    let before = folder.read("a.hub");
    let messages = vendor(&folder, &format!("-o a.hub {tree} b.hub"));
    assert!(messages.starts_with("a.hub: 4 kernels (0 new), "), "{messages}");
    assert!(folder.read("a.hub") == before);
    assert_eq!(folder.names(), ["a.hub", "b.hub", "mine.btf"]);
}

/// The first of two BTFs with one id is kept, the other reported.
#[test]
fn reports_two_btfs_with_one_id() {
    let folder = Folder::new();
    folder.file("one.btf", btf("one"));
    folder.file("other.btf", btf("other"));
    let messages = vendor(&folder, &format!("-o k.hub one.btf other.btf --as {CUSTOM}"));
    assert!(messages.contains(&format!("skipped other.btf: kernel {CUSTOM} ")), "{messages}");
    assert!(messages.contains("k.hub: 1 kernel (1 new), ") && messages.ends_with("; 1 source skipped\n"));
}

/// A run that adds nothing leaves the file as it was, so cargo has no reason to build again.
#[test]
fn writes_only_what_changed() {
    let folder = Folder::new();
    let path = folder.file("one.btf", btf("one")).with_file_name("k.hub");
    vendor(&folder, &format!("-o k.hub one.btf --as {CUSTOM}"));
    let inode = std::fs::metadata(&path).unwrap().ino();
    vendor(&folder, &format!("-o k.hub one.btf --as {CUSTOM}"));
    assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode);
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
    let messages = vendor(&folder, &format!("-o k.hub none text {tree} --include debian/12/*/*"));
    assert!(messages.contains("skipped none: cannot read none: No such file"), "{messages}");
    assert!(
        messages.contains("skipped text: unknown kernel id: ") && messages.contains("--as"),
        "{messages}"
    );
    assert!(
        messages.contains("k.hub: 1 kernel (1 new), ") && messages.ends_with("; 2 sources skipped\n"),
        "{messages}"
    );
    assert_eq!(folder.done("hub list k.hub"), format!("{KERNEL}\n"));

    folder.fails(
        &format!("vendor -o no.hub {tree} --include fedora/**"),
        1,
        "no kernel selected; check --include",
    );
    folder.fails("vendor -o no.hub text", 1, "no kernel found; 1 source skipped");
    folder.file("bad.hub", "\u{89}BTFHUB");
    folder.fails(&format!("vendor -o bad.hub {tree}"), 1, "hub file bad.hub: ");
    folder.fails("vendor -o no.hub", 2, "required");
    folder.fails("vendor -o no.hub text --shard 2/2", 2, "not I/N");
    folder.fails("vendor -o no.hub text --as debian", 2, "is not a kernel id");
    assert_eq!(folder.names(), ["bad.hub", "k.hub", "text"]);
}
