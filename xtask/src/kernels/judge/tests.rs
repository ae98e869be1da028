//! Tests of the judge, on the output of real guests.

use super::*;

/// A kernel in the hub.
const ENTRY: &str = include_str!("entry.txt");
/// A kernel in the hub that ships no BTF.
const WITHOUT_BTF: &str = include_str!("without_btf.txt");
/// A kernel that is not in the hub, while its neighbors are.
const INFERRED: &str = include_str!("inferred.txt");

fn id(release: &str) -> KernelId {
    format!("debian/{release}-amd64").parse().unwrap()
}

fn entry() -> Expect {
    Expect {
        kernel: id("12/x86_64/6.1.0-50"),
        ships_btf: true,
        answer: Answer::Entry { blob_len: 673 },
        modules: false,
    }
}

fn without_btf() -> Expect {
    let kernel = "debian/12/s390x/6.1.0-50-s390x".parse().unwrap();
    Expect { kernel, ships_btf: false, ..entry() }
}

fn inferred() -> Expect {
    let neighbors = [id("11/x86_64/5.10.0-44"), id("11/x86_64/5.10.0-46")];
    Expect {
        kernel: id("11/x86_64/5.10.0-45"),
        answer: Answer::Inferred { neighbors, blob_len: 673 },
        ..entry()
    }
}

#[test]
fn real_guests_pass() {
    let check = |output: &str, expect: &Expect, source: &str| {
        // Lines of a serial console end with a carriage return.
        for output in [output.to_owned(), output.replace('\n', "\r\n")] {
            let verdict = judge(&output, expect);
            let (loaded, faults) = (LOADERS.to_vec(), Vec::new());
            let expect = Verdict { source: source.to_owned(), loaded, equal: 28, compared: 28, faults };
            assert_eq!(verdict, expect);
        }
    };
    check(ENTRY, &entry(), "embedded archive");
    check(WITHOUT_BTF, &without_btf(), "embedded archive");
    check(INFERRED, &inferred(), "embedded archive, nearest match");
}

#[test]
fn every_fault_is_found() {
    let check = |output: &str, expect: &Expect, from: &str, to: &str, fault: &str| {
        assert!(output.contains(from), "{from:?}");
        let faults = judge(&output.replacen(from, to, 1), expect).faults;
        assert!(faults.iter().any(|found| found.contains(fault)), "{from:?} to {to:?}: {faults:?}");
    };
    let entry = entry();
    let wrong = [
        ("@@ end", "panic", "did not finish"),
        ("@@ kernel\n6.1.0-50-amd64", "@@ kernel\n6.1.0-51-amd64", "runs kernel \"6.1.0-51-amd64\""),
        ("@@ btf\n/sys", "@@ btf\nls: /sys", "ships BTF: true, but"),
        ("status 1\n@@ explain", "status 0\n@@ explain", "loads without a BTF"),
        ("failed to find valid kernel BTF", "no rights", "for another reason"),
        ("selected: 673 bytes of", "selected: 674 bytes of", "explain: "),
        ("6.1.0-50-amd64 exactly", "6.1.0-51-amd64 exactly", "explain: "),
        ("embedded archive: ", "folder: ", "explain: "),
        ("/sys/kernel/btf/vmlinux: No such file", "/sys/kernel/btf/vmlinux: is no btf", "libbpf finds it"),
        ("@@ said-aya", "@@ other", "aya: no output"),
        ("@@ process-aya", "@@ other", "aya: execwatch: watching"),
        ("\"pid\":111,\"ppid\":109,\"start_boottime_ns\":7522954662,\"uid\":65534}", "", "invalid event"),
        ("\"comm\":\"sh\"", "\"comm\":\"sg\"", "comm is \"sg\", but /proc says \"sh\""),
        ("PPid:\t109", "PPid:\t108", "parent is 109, but /proc says 108"),
        ("Pid:\t111", "Pid:\t112", "pid is 111, but /proc says 112"),
        (" 752 2314240", " 753 2314240", "start time is 752, but /proc says 753"),
        ("\"sh\",\"-c\",\"echo", "\"sh\",\"-c\",\"acho", "arguments is "),
        ("\"status\":7", "\"status\":8", "status is 8"),
        ("Uid:\t65534", "Uid:\t0", "/proc describes another process"),
        ("00 c3 bc 00", "00 c3 bd 00", "/proc describes another process"),
        ("status 0\n@@ said-aya", "status 1\n@@ said-aya", "libbpf: execwatch ends with status 1"),
    ];
    for (from, to, fault) in wrong {
        check(ENTRY, &entry, from, to, fault);
    }
    let absent = "@@ btf\nls: /sys/kernel/btf/vmlinux: No such file or directory";
    for present in
        ["@@ btf\n/sys/kernel/btf/vmlinux", "@@ btf\nls: /sys: No such file or directory", "@@ btf"]
    {
        check(WITHOUT_BTF, &without_btf(), absent, present, "ships BTF: false, but");
    }
    let inferred = inferred();
    for (from, to, fault) in [
        ("no BTF for kernel 5.10.0-45-amd64 (", "no BTF for kernel 5.10 (", "wrong refusal"),
        ("x86_64): no entry for this release", "x86_64): ambiguous", "wrong refusal"),
        ("hub\nstatus 1\n@@ explain-opted-in", "hub\nstatus 0\n@@ explain-opted-in", "not refused"),
        (
            "inferred: between debian/11/x86_64/5.10.0-44",
            "between debian/11/x86_64/5.10.0-43",
            "explain-opted-in: ",
        ),
    ] {
        check(INFERRED, &inferred, from, to, fault);
    }
}

#[test]
fn a_choice_is_a_fault_where_a_refusal_is_expected() {
    let neighbors = [id("11/x86_64/5.10.0-44"), id("11/x86_64/5.10.0-46")];
    let expect =
        Expect { kernel: id("11/x86_64/5.10.0-45"), answer: Answer::Refused { neighbors }, ..entry() };
    let faults = judge(INFERRED, &expect).faults;
    assert!(
        faults.iter().any(|fault| fault == "explain-opted-in ends with status 0, not refused"),
        "{faults:?}"
    );
    // The first refusal is as it should be.
    assert!(faults.iter().all(|fault| !fault.starts_with("explain:")), "{faults:?}");
}

#[test]
fn invalid_output_is_a_fault() {
    for output in
        ["", "@@ ", "@@ plain", "@@ plain\nstatus x", "@@ process-aya\n)\n@@ end", "\u{fffd}\n\n@@ end\n"]
    {
        for expect in [entry(), without_btf(), inferred()] {
            let verdict = judge(output, &expect);
            assert!(!verdict.faults.is_empty() && verdict.loaded.is_empty(), "{output:?}");
        }
    }
}

/// The parts about modules, of a real guest.
const MODULES: &str = "@@ modules\n10\n@@ modules-own\nsysfs\n[10, 32, 664, 720, 1, 28, 60]\nstatus 0\n\
                       @@ modules-hidden\nembedded archive\n[10, 32, 664, 720, 1, 28, 60]\nstatus 0\n";

#[test]
fn types_of_modules_are_compared() {
    let check = |from: &str, to: &str, fault: &str| {
        assert!(MODULES.contains(from), "{from:?}");
        let output = MODULES.replacen(from, to, 1) + ENTRY;
        let faults = judge(&output, &Expect { modules: true, ..entry() }).faults;
        match fault {
            "" => assert!(faults.is_empty(), "{faults:?}"),
            _ => assert!(faults.iter().any(|found| found.contains(fault)), "{from:?} to {to:?}: {faults:?}"),
        }
    };
    check("", "", "");
    check("@@ modules-own", "@@ other", "no output of modules-own");
    check("sysfs", "embedded archive", "modules-own ends with status 0: embedded archive / ");
    check("status 0", "status 1", "modules-own ends with status 1");
    check("\n10\n", "\ninsmod: cannot insert\n", "does not begin with inode insmod: cannot insert");
    check("28, 60]", "16, 60]", "of the kernel, ");
}
