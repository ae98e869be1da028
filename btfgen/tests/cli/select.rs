//! `btfgen select`.

use btfgen_core::archive::Entry;
use btfgen_core::report::BlobId;
use btfgen_runtime::BuildId;
use serde_json::Value;

use crate::harness::{Folder, btf};

const PROC_VERSION: &str = "Linux version 5.4.0-84-generic (buildd@lcy01-amd64-007) (gcc version 7.5.0 (Ubuntu \
    7.5.0-3ubuntu1~18.04)) #94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021\n";

const BUILD_IDS: [&str; 2] =
    ["4a5a9b0affb66c437abcd455d2738af879985fa9", "5a5a9b0affb66c437abcd455d2738af879985fa9"];

/// A folder with `a.archive`, which has one release twice and two builds of a custom one, and the files of three hosts.
fn folder() -> Folder {
    let folder = Folder::new();
    let ids = [
        "debian/12/x86_64/6.1.0-50-amd64",
        "ubuntu/18.04/x86_64/5.4.0-84-generic",
        "ubuntu/20.04/arm64/5.4.0-84-generic",
        "ubuntu/20.04/x86_64/5.4.0-84-generic",
        "custom/one/x86_64/6.18.44",
        "custom/two/x86_64/6.18.44",
    ];
    let mut entries: Vec<_> =
        (0..ids.len()).map(|blob| Entry::new(ids[blob].parse().unwrap(), BlobId(blob))).collect();
    for (entry, build_id) in entries[4..].iter_mut().zip(BUILD_IDS) {
        entry.build_id = Some(build_id.parse::<BuildId>().unwrap().prefix());
    }
    let blobs: Vec<Vec<u8>> = ids.iter().map(|id| btf(id)).collect();
    folder.file("a.archive", btfgen_core::archive::write(&entries, &blobs, &[], 3).unwrap());
    folder.file("version", PROC_VERSION);
    folder.file("bionic", "NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"18.04\"\n");
    folder.file("focal", "NAME=Ubuntu\nID='ubuntu'\nVERSION_ID=20.04\n");
    folder.file("alpine", "ID=alpine\nVERSION_ID=3.20\n");
    folder
}

#[test]
fn selects() {
    let folder = folder();
    let check = |options: &str, expect: &str| {
        assert_eq!(folder.done(&format!("select a.archive {options}")), format!("{expect}\n"), "{options}");
    };
    let bionic = "ubuntu/18.04/x86_64/5.4.0-84-generic";
    let focal = "ubuntu/20.04/x86_64/5.4.0-84-generic";
    check("--proc-version version --machine x86_64", bionic);
    check("--proc-version version --machine x86_64 --os-release bionic", bionic);
    // From inside containers: the kernel's own words count.
    check("--proc-version version --machine x86_64 --os-release focal", bionic);
    check("--proc-version version --machine x86_64 --os-release alpine", bionic);
    check("--release 5.4.0-84-generic --machine x86_64 --os-release bionic", bionic);
    check("--release 5.4.0-84-generic --machine x86_64 --os-release focal", focal);
    check(
        "--release 5.4.0-84-generic --machine aarch64 --os-release focal",
        "ubuntu/20.04/arm64/5.4.0-84-generic",
    );
    let custom = "--release 6.18.44 --machine x86_64 --build-id";
    check(&format!("{custom} {}", BUILD_IDS[0]), "custom/one/x86_64/6.18.44");
    check(&format!("{custom} {}", BUILD_IDS[1]), "custom/two/x86_64/6.18.44");
}

#[test]
fn reports_why() {
    let folder = folder();
    let line = "select a.archive --json --proc-version version --machine x86_64";
    let json: Value = serde_json::from_str(&folder.done(line)).unwrap();
    assert_eq!(json["kernel"], "ubuntu/18.04/x86_64/5.4.0-84-generic");
    assert_eq!(json["how"], "exact");
    assert!(json["reasons"].as_array().unwrap().len() > 1);
    let build_id = BUILD_IDS[0];
    let line = format!("select a.archive --json --release 6.18.44 --machine x86_64 --build-id {build_id}");
    let json: Value = serde_json::from_str(&folder.done(&line)).unwrap();
    let reasons = json["reasons"].to_string();
    assert!(reasons.contains(&format!("\"build id {build_id}\"")), "{reasons}");
    assert!(reasons.contains("matched custom/one/x86_64/6.18.44 by build id"), "{reasons}");
}

#[test]
fn refuses() {
    let folder = folder();
    let check = |options: &str, expect: &str| folder.fails(&format!("select a.archive {options}"), 1, expect);
    let ambiguous = "--release 5.4.0-84-generic --machine x86_64";
    check(ambiguous, "refused: 5.4.0-84-generic x86_64: ");
    check(ambiguous, ": ubuntu/18.04/x86_64/5.4.0-84-generic, ubuntu/20.04/x86_64/5.4.0-84-generic; ");
    check(ambiguous, "; add --proc-version, --os-release or --build-id of this host\n");
    let missing = "; run \"btfgen vendor --this-host\" on this host, then pack again\n";
    check("--release 5.4.0-85-generic --machine x86_64 --os-release focal", missing);
    check("--release 6.1.0-50-amd64 --machine s390x", missing);
    let custom = "--release 6.18.44 --machine x86_64";
    check(custom, "the host's is unknown: /sys/kernel/notes cannot be read or has none: custom/one/");
    check(custom, "; add --build-id of this host\n");
    let third = "6a5a9b0affb66c437abcd455d2738af879985fa9";
    check(
        &format!("{custom} --build-id {third}"),
        "all entries for this release are other builds, by their build ids",
    );
    check(&format!("{custom} --build-id {third}"), &format!("; build id {third}; "));
    folder.fails(
        &format!("select a.archive {custom} --build-id 6a5a"),
        2,
        "a build id is 40 hexadecimal digits",
    );
    check("--proc-version alpine", "no release in the --proc-version file; add --release");
    check("--proc-version none", "cannot read file none: ");
    check("--os-release none", "cannot read file none: ");

    let run = folder.run("select a.archive --json --release 5.4.0-84-generic --machine x86_64");
    assert_eq!(run.code, 1);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(json["kernel"].is_null());
    let refusal = json["refusal"].as_str().unwrap();
    assert!(refusal.contains("ubuntu/18.04/x86_64/5.4.0-84-generic, ubuntu/20.04/x86_64"), "{refusal}");

    folder.fails("select alpine", 1, "error: alpine: ");
    folder.fails("select a.archive --releas x --mashine", 2, "unexpected argument");
}
