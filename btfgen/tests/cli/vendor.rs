//! `btfgen vendor`: hub trees, hub files and single BTFs into a hub file.

use std::os::unix::fs::MetadataExt;

use btfgen_core::files::read_btf;
use btfgen_runtime::{BuildId, Host};

use crate::harness::{Folder, btf, hub, kernel};

const KERNEL: &str = "debian/12/x86_64/6.1.0-50-amd64";
const CUSTOM: &str = "custom/mine/x86_64/6.1.0-50-mine";
const BUILD_ID: &str = "4a5a9b0affb66c437abcd455d2738af879985fa9";

/// The options for a raw BTF of a custom kernel.
fn custom() -> String {
    format!("--as {CUSTOM} --build-id {BUILD_ID}")
}

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
    assert!(messages.contains("a.hub: 3 kernels (3 new), "), "{messages}");
    let messages = vendor(&folder, &format!("-o a.hub mine.btf {}", custom()));
    assert!(messages.contains("a.hub: 4 kernels (1 new), "), "{messages}");
    assert!(folder.done("hub list a.hub").contains(CUSTOM));

    vendor(&folder, &format!("-o b.hub mine.btf {}", custom()));
    vendor(&folder, &format!("-o b.hub {tree} a.hub"));
    assert!(folder.read("a.hub") == folder.read("b.hub"));
    let before = folder.read("a.hub");
    let messages = vendor(&folder, &format!("-o a.hub {tree} b.hub"));
    assert!(messages.contains("a.hub: 4 kernels (0 new), "), "{messages}");
    assert!(folder.read("a.hub") == before);
    assert_eq!(folder.names(), ["a.hub", "b.hub", "mine.btf"]);
}

/// The first of two BTFs with one id is kept, the other reported.
#[test]
fn reports_two_btfs_with_one_id() {
    let folder = Folder::new();
    folder.file("one.btf", btf("one"));
    folder.file("other.btf", btf("other"));
    let messages = vendor(&folder, &format!("-o k.hub one.btf other.btf {}", custom()));
    assert!(messages.contains(&format!("skipped other.btf: kernel {CUSTOM} ")), "{messages}");
    assert!(messages.contains("k.hub: 1 kernel (1 new), ") && messages.ends_with("; 1 source skipped\n"));
}

/// A file that is given again is read again: it may be another kernel by now.
#[test]
fn reports_a_file_that_changed() {
    let folder = Folder::new();
    folder.file("one.btf", btf("one"));
    vendor(&folder, &format!("-o k.hub one.btf {}", custom()));
    let before = folder.read("k.hub");
    folder.file("one.btf", btf("other"));
    let messages = vendor(&folder, &format!("-o k.hub one.btf {}", custom()));
    let expect = format!("skipped one.btf: kernel {CUSTOM} is different in \"one.btf\" and \"one.btf\"; ");
    assert!(messages.contains(&expect), "{messages}");
    let other = BUILD_ID.replace('4', "5");
    let messages = vendor(&folder, &format!("-o k.hub one.btf --as {CUSTOM} --build-id {other}"));
    assert!(messages.contains(BUILD_ID) && messages.contains(&other), "{messages}");
    assert!(folder.read("k.hub") == before);
}

#[test]
fn a_custom_kernel_needs_a_build_id() {
    let folder = Folder::new();
    folder.file("one.btf", btf("one"));
    folder.fails(
        &format!("vendor -o k.hub one.btf --as {CUSTOM}"),
        1,
        &format!("skipped one.btf: no build id for {CUSTOM}, "),
    );
    folder.fails("vendor -o k.hub one.btf --build-id 4a5a", 2, "a build id is 40 hexadecimal digits");
    folder.fails(&format!("vendor -o k.hub one.btf --build-id {BUILD_ID}"), 2, "--as");
    vendor(&folder, &format!("-o k.hub one.btf {}", custom()));
    let list: serde_json::Value = serde_json::from_str(&folder.done("hub list k.hub --json")).unwrap();
    assert_eq!(list[0]["build_id"], BUILD_ID);
}

/// The running kernel, if it has BTF.
#[test]
fn this_host_has_its_build_id() {
    let Ok(notes) = std::fs::read("/sys/kernel/notes") else { return };
    if !std::path::Path::new("/sys/kernel/btf/vmlinux").exists() {
        return;
    }
    let folder = Folder::new();
    vendor(&folder, "-o k.hub --this-host");
    let list: serde_json::Value = serde_json::from_str(&folder.done("hub list k.hub --json")).unwrap();
    let build_id = BuildId::from_notes(&notes, cfg!(target_endian = "big")).unwrap();
    assert_eq!(list[0]["build_id"], build_id.to_string());
    assert_eq!(list[0]["kernel"], Host::current().kernel_id().unwrap().to_string());
}

/// What is bad about a BTF is said once: for each of a few sources, or of many together.
#[test]
fn notes_bad_btf() {
    let folder = Folder::new();
    let messages = vendor(&folder, &format!("-o k.hub {}", hub().display()));
    let notes: Vec<&str> = messages.lines().filter(|line| line.starts_with("note: ")).collect();
    let cut = "values of 64-bit enums are cut to 32 bits (encoded without enum64)";
    let old = kernel("debian/11/x86_64/5.10.0-32-amd64");
    assert_eq!(notes, [format!("note: {}: {cut}", old.display())]);
    let text = folder.done("hub stat k.hub --verbose");
    assert!(text.ends_with(&format!("\nnote: debian/11/x86_64/5.10.0-32-amd64: {cut}\n")), "{text}");

    for release in 1..=6 {
        folder.file(&format!("tree/debian/12/x86_64/{release}.btf"), btf("one"));
    }
    let messages = vendor(&folder, "-o bad.hub tree");
    assert!(
        messages.starts_with("note: 6 sources: struct task_struct is missing; list the kernels with "),
        "{messages}"
    );
}

/// A run that adds nothing leaves the file as it was, so cargo has no reason to build again.
#[test]
fn writes_only_what_changed() {
    let folder = Folder::new();
    let path = folder.file("one.btf", btf("one")).with_file_name("k.hub");
    vendor(&folder, &format!("-o k.hub one.btf {}", custom()));
    let inode = std::fs::metadata(&path).unwrap().ino();
    vendor(&folder, &format!("-o k.hub one.btf {}", custom()));
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
