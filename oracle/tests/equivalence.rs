//! Relocation equivalence, with libbpf as the judge: of the full and the minimized BTF, and of btfgen's resolver and libbpf.

mod common;
#[path = "common/kernels.rs"]
mod kernels;
#[path = "common/ours.rs"]
mod ours;

use common::{differences, for_each_selection, minimize, minimize_all};
use kernels::kernels;
use oracle::elf::ObjectFile;
use oracle::libbpf::{Judge, Selection};
use oracle::testdata::{self, Fixture};
use ours::Ours;

fn check_resolver(object: &Fixture, target: &[u8], name: &str) {
    let file = ObjectFile::parse(&object.bytes).expect("the fixture is an object");
    if file.btf.is_empty() {
        return;
    }
    let ours = Ours::new(&object.bytes, target);
    let mut judge = Judge::new(&file, target).expect("libbpf reads the target");
    let mut lines = Vec::new();
    for_each_selection(&file, |selection| {
        lines.extend(ours.differences(&file, selection, &judge.relocations(selection)));
    });
    lines.sort();
    lines.dedup();
    assert!(lines.is_empty(), "{} on {name}:\n{}", object.name, lines.join("\n"));
}

fn check_minimized(object: &Fixture, target: &[u8], name: &str) -> usize {
    let minimized =
        minimize(&object.bytes, target).unwrap_or_else(|error| panic!("{} on {name}: {error}", object.name));
    let file = ObjectFile::parse(&object.bytes).expect("the fixture is an object");
    let (lines, compared) = differences(&file, target, &minimized);
    assert!(lines.is_empty(), "{} on {name}:\n{}", object.name, lines.join("\n"));
    let again = minimize(&object.bytes, &minimized)
        .unwrap_or_else(|error| panic!("{} on {name}, again: {error}", object.name));
    assert_eq!(again, minimized, "{} on {name}: minimizing again changes the bytes", object.name);
    compared
}

#[test]
fn resolver_agrees_with_libbpf_on_the_traps() {
    for byte_order in ["el", "eb"] {
        let target = testdata::target(byte_order, "traps");
        for object in testdata::traps(byte_order) {
            check_resolver(&object, &target, &format!("{byte_order}/traps"));
        }
    }
}

#[test]
fn minimized_traps_relocate_equally() {
    let mut compared = 0;
    for byte_order in ["el", "eb"] {
        let target = testdata::target(byte_order, "traps");
        for object in testdata::traps(byte_order) {
            compared += check_minimized(&object, &target, &format!("{byte_order}/traps"));
        }
    }
    assert!(compared > 2_000, "{compared}");
}

/// One BTF for all objects: types kept for one relocation must not change the result of another.
#[test]
fn traps_minimized_together_relocate_equally() {
    for byte_order in ["el", "eb"] {
        let target = testdata::target(byte_order, "traps");
        let objects = testdata::traps(byte_order);
        let bytes: Vec<&[u8]> = objects.iter().map(|object| &object.bytes[..]).collect();
        let minimized = minimize_all(&bytes, &target).unwrap();
        for object in &objects {
            let file = ObjectFile::parse(&object.bytes).unwrap();
            let (lines, _) = differences(&file, &target, &minimized);
            assert!(lines.is_empty(), "{byte_order}/{}:\n{}", object.name, lines.join("\n"));
        }
    }
}

#[test]
fn agent_relocates_equally_on_kernels() {
    check_large(&testdata::agent());
}

#[test]
fn tracer_relocates_equally_on_kernels() {
    check_large(&testdata::tracer());
}

/// Checks the oldest and the newest little-endian kernel; the large objects are made for one in between.
fn check_large(bytes: &[u8]) {
    let file = ObjectFile::parse(bytes).expect("the fixture is an object");
    assert!(file.relocations.len() > 20_000, "{}", file.relocations.len());
    let mut kernels = kernels();
    kernels.retain(|kernel| byte_order_of(&kernel.btf) == "el");
    kernels.sort_by(|a, b| a.id.cmp(&b.id));
    for kernel in [&kernels[0], &kernels[kernels.len() - 1]] {
        let minimized = minimize(bytes, &kernel.btf).expect("the kernel is minimized");
        let ours = Ours::new(bytes, &kernel.btf);
        let mut before = Judge::new(&file, &kernel.btf).expect("libbpf reads the kernel");
        let mut after = Judge::new(&file, &minimized).expect("libbpf reads the minimized BTF");
        let names = file.program_names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let alone = names.chunks(1).step_by(names.len() / 10);
        let (loadable, _) = before.without_failing_programs();
        let loadable: Vec<&str> = loadable.iter().map(String::as_str).collect();
        assert!(loadable.len() > 150, "{}: only {} programs load", kernel.id, loadable.len());
        for programs in [&names[..], &loadable[..]].into_iter().chain(alone) {
            let selection = Selection::Only(programs);
            let (full, minimized) = (before.relocations(&selection), after.relocations(&selection));
            let lines = full.differences(&minimized);
            assert!(lines.is_empty(), "{} {programs:?}:\n{}", kernel.id, lines.join("\n"));
            let lines = ours.differences(&file, &selection, &full);
            assert!(lines.is_empty(), "{} {programs:?}, ours:\n{}", kernel.id, lines.join("\n"));
        }
    }
}

fn byte_order_of(btf: &[u8]) -> &'static str {
    if btf.starts_with(&[0x9f, 0xeb]) { "el" } else { "eb" }
}

#[test]
fn resolver_agrees_with_libbpf_on_kernels() {
    for kernel in kernels() {
        for object in testdata::tracers(byte_order_of(&kernel.btf)) {
            check_resolver(&object, &kernel.btf, &kernel.id);
        }
    }
}

#[test]
fn minimized_kernels_relocate_equally() {
    let mut compared = 0;
    for kernel in kernels() {
        let objects = testdata::tracers(byte_order_of(&kernel.btf));
        for object in &objects {
            compared += check_minimized(object, &kernel.btf, &kernel.id);
        }
        let bytes: Vec<&[u8]> = objects.iter().map(|object| &object.bytes[..]).collect();
        let minimized = minimize_all(&bytes, &kernel.btf).unwrap();
        for object in &objects {
            let file = ObjectFile::parse(&object.bytes).unwrap();
            let (lines, _) = differences(&file, &kernel.btf, &minimized);
            assert!(lines.is_empty(), "{} on {}, together:\n{}", object.name, kernel.id, lines.join("\n"));
        }
    }
    assert!(compared > 1_000, "{compared}");
}
