//! The other judges: aya-obj relocates alike with the full and the minimized BTF, bpftool reads what we write, and
//! libbpf relocates alike with bpftool's output where bpftool works.

mod common;
#[path = "common/kernels.rs"]
mod kernels;

use common::{differences, minimize};
use kernels::kernels;
use oracle::elf::ObjectFile;
use oracle::{aya, bpftool, testdata};

/// Whether aya-obj, which gives up at the first failure, relocates alike; None where it cannot with the full BTF.
fn aya_agrees(object: &[u8], full: &[u8], minimized: &[u8]) -> Option<bool> {
    let before = aya::relocate(object, full).ok()?;
    Some(aya::relocate(object, minimized).is_ok_and(|after| after == before))
}

/// aya-obj knows no `TYPE_MATCHES`, no `fmod_ret`, no `struct_ops` and no extern variables.
const AYA_REFUSES: [&str; 5] = ["biolatency", "kernel", "ksyms", "needs_kernel_btf", "struct_ops"];

#[test]
fn aya_relocates_alike() {
    let mut agreed = 0;
    for kernel in kernels().iter().filter(|kernel| kernel.btf.starts_with(&[0x9f, 0xeb])) {
        for object in testdata::tracers("el") {
            let minimized = minimize(&object.bytes, &kernel.btf).unwrap();
            match aya_agrees(&object.bytes, &kernel.btf, &minimized) {
                Some(agrees) => {
                    assert!(agrees, "{} on {}", object.name, kernel.id);
                    agreed += 1;
                }
                None => assert!(
                    AYA_REFUSES.contains(&object.name.as_str()),
                    "aya-obj refuses {} on {}: {:?}",
                    object.name,
                    kernel.id,
                    aya::relocate(&object.bytes, &kernel.btf)
                ),
            }
        }
    }
    assert!(agreed >= 20, "{agreed}");
}

#[test]
fn bpftool_reads_minimized_btfs() {
    if bpftool::find().is_none() {
        eprintln!("skipped: no bpftool");
        return;
    }
    let kernels = kernels();
    let newest = kernels.iter().max_by_key(|kernel| kernel.id.clone()).unwrap();
    let traps = testdata::target("el", "traps");
    let mut pairs: Vec<_> = testdata::traps("el").into_iter().map(|object| (object, &traps[..])).collect();
    pairs.extend(testdata::tracers("el").into_iter().map(|object| (object, &newest.btf[..])));
    for (object, target) in pairs {
        let minimized = minimize(&object.bytes, target).unwrap();
        let text = bpftool::dump(&minimized).unwrap_or_else(|error| panic!("{}: {error}", object.name));
        assert!(!text.contains("UNKNOWN"), "{}: {text}", object.name);
    }
}

/// Objects that bpftool refuses or minimizes wrongly, and why.
const BPFTOOL_FAILS: [(&str, &str); 6] = [
    ("ambiguous", "gives up at the first ambiguous offset"),
    (
        "bitfields",
        "gives up at a bit field that no load covers, which a guard may keep from ever being loaded",
    ),
    ("enums", "keeps the first enum of two that share a name, so the other's enumerators are poisoned"),
    ("fields", "drops the member behind an empty array, which so becomes a flexible one"),
    ("pruning", "gives up at relocations that a program loaded alone would resolve"),
    ("types", "gives up at a function prototype"),
];

#[test]
fn bpftools_btf_relocates_alike_where_it_works() {
    if bpftool::find().is_none() {
        eprintln!("skipped: no bpftool");
        return;
    }
    let traps = testdata::target("el", "traps");
    let (mut agreed, mut failed, mut unexpected) = (0, Vec::new(), Vec::new());
    let mut judge = |name: &str, object: &[u8], target: &[u8], place: &str| {
        let file = ObjectFile::parse(object).unwrap();
        let lines = match bpftool::min_core_btf(target, &[object]) {
            Ok(minimized) => differences(&file, target, &minimized).0,
            Err(error) => vec![error.to_string()],
        };
        if lines.is_empty() {
            agreed += 1;
        } else if BPFTOOL_FAILS.iter().any(|(failing, _)| *failing == name) {
            failed.push(name.to_owned());
        } else {
            unexpected.push(format!("{name} on {place}: {}", lines.join("\n")));
        }
    };
    for object in testdata::traps("el") {
        judge(&object.name, &object.bytes, &traps, "traps");
    }
    for kernel in kernels().iter().filter(|kernel| kernel.btf.starts_with(&[0x9f, 0xeb])) {
        for object in testdata::tracers("el") {
            judge(&object.name, &object.bytes, &kernel.btf, &kernel.id);
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    assert!(agreed >= 10, "{agreed}");
    // The comparison notices, and ours relocate alike on all of these.
    let fails = |name: &str| failed.iter().any(|failed| failed == name);
    assert!(fails("ambiguous") && fails("fields") && fails("pruning"), "{failed:?}");
}
