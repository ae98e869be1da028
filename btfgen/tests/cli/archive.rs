//! `btfgen archive list|stat|extract`.

use btfgen_core::archive::Entry;
use btfgen_core::report::BlobId;
use btfgen_runtime::{BuildIdPrefix, ObjectDigest};

use crate::harness::{Folder, btf};

const KERNELS: [(&str, usize); 3] = [
    ("debian/12/arm64/6.1.0-50-arm64", 1),
    ("debian/12/x86_64/6.1.0-49-amd64", 0),
    ("debian/12/x86_64/6.1.0-50-amd64", 0),
];

/// A folder with `a.archive`: three kernels, of which two share a BTF.
fn folder() -> Folder {
    let folder = Folder::new();
    let mut entries = KERNELS.map(|(id, blob)| Entry::new(id.parse().unwrap(), BlobId(blob)));
    entries[0].build_id = Some(BuildIdPrefix::from_bytes([0xcd; 16]));
    let blobs = [btf("first"), btf("second one")];
    let bytes =
        btfgen_core::archive::write(&entries, &blobs, &[ObjectDigest::from_bytes([0xab; 8])], 3).unwrap();
    folder.file("a.archive", bytes);
    folder
}

#[test]
fn lists() {
    let folder = folder();
    let list = folder.done("archive list a.archive");
    assert!(list.lines().eq(KERNELS.map(|(id, _)| id)), "{list}");

    let json: serde_json::Value =
        serde_json::from_str(&folder.done("archive list a.archive --json")).unwrap();
    let blob = |id: &str| {
        let line = json.as_array().unwrap().iter().find(|line| line["kernel"] == id).unwrap();
        line["blob"].as_u64().unwrap()
    };
    assert_eq!(blob(KERNELS[1].0), blob(KERNELS[2].0));
    assert_ne!(blob(KERNELS[0].0), blob(KERNELS[1].0));
    assert_eq!(json[0]["build_id"], "cd".repeat(16));
    assert!(json[1]["build_id"].is_null());
}

#[test]
fn counts() {
    let folder = folder();
    let json: serde_json::Value =
        serde_json::from_str(&folder.done("archive stat a.archive --json")).unwrap();
    assert_eq!(json["kernels"], 3);
    assert_eq!(json["blobs"], 2);
    assert_eq!(json["unpacked"], btf("first").len() + btf("second one").len());
    assert_eq!(json["bytes"], folder.read("a.archive").len());
    assert_eq!(json["objects"][0], "ab".repeat(8));
    assert_eq!(json["folders"]["debian/12/x86_64"], 2);
    let text = folder.done("archive stat a.archive");
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("distinct BTFs").ends_with(" 2"), "{text}");
    assert!(line("  debian/12/arm64").ends_with(" 1"), "{text}");
}

#[test]
fn extracts() {
    let folder = folder();
    assert_eq!(folder.done("archive extract a.archive debian/12/x86_64/6.1.0-50-amd64 -o out.btf"), "");
    assert_eq!(folder.read("out.btf"), btf("first"));
    folder.done("archive extract a.archive debian/12/arm64/6.1.0-50-arm64 -o out.btf");
    assert_eq!(folder.read("out.btf"), btf("second one"));
    assert_eq!(folder.names(), ["a.archive", "out.btf"]);
}

#[test]
fn refuses() {
    let folder = folder();
    let mut bytes = folder.read("a.archive");
    folder.file("cut.archive", &bytes[..bytes.len() - 1]);
    *bytes.last_mut().unwrap() ^= 1;
    folder.file("damaged.archive", &bytes);
    folder.file("other", "no archive");
    let names = folder.names();
    folder.fails("archive list none", 1, "error: cannot read file none: No such file");
    folder.fails("archive list other", 1, "error: other: ");
    folder.fails("archive list cut.archive", 1, "error: cut.archive: ");
    folder.fails("archive stat damaged.archive", 1, "error: damaged.archive: ");
    folder.fails(
        "archive extract a.archive debian/12/x86_64/6.1.0-51-amd64 -o out.btf",
        1,
        "a.archive: no kernel debian/12/x86_64/6.1.0-51-amd64; nearest: debian/12/x86_64/6.1.0-50-amd64",
    );
    folder.fails(
        "archive extract a.archive debian/12/x86_64/6.1.0-50-amd64 -o other/out.btf",
        1,
        "cannot create folder other: ",
    );
    folder.fails("archive extract a.archive 6.1.0-50-amd64 -o out.btf", 2, "is not a kernel id");
    folder.fails("archive extract a.archive debian/12/x86_64/6.1.0-50-amd64", 2, "--output");
    folder.fails("archive", 2, "Usage");
    folder.fails("", 2, "Usage");
    assert_eq!(folder.names(), names);
}
