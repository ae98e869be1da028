//! Relocation equivalence, with libbpf as the judge: of the full and the minimized BTF, and of btfgen's resolver and libbpf.
//! The kernel judges whether each minimized BTF is valid.

mod common;
#[path = "common/kernels.rs"]
mod kernels;
#[path = "common/ours.rs"]
mod ours;
#[path = "common/valid.rs"]
mod valid;

use std::fs;
use std::path::Path;

use btfgen::import::collect::read_kernels;
use btfgen::import::source::{ReadOptions, Source};
use btfgen_core::KernelId;
use btfgen_core::hub::ShipsBtf;
use btfgen_core::hub::file::{HubBuilder, HubFile};
use btfgen_core::minimize::Minimizer;
use btfgen_core::object::Object;
use btfgen_core::resolve::Roots;
use common::{differences, for_each_selection, minimize, minimize_all};
use kernels::kernels;
use oracle::elf::ObjectFile;
use oracle::libbpf::{self, Judge, Judged, Outcome, Selection};
use oracle::testdata::{self, Fixture};
use ours::Ours;
use valid::check_valid;

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
    check_valid(&minimized, &format!("{} on {name}", object.name));
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

/// The kernels of the example's hub that ship no BTF: two with pointers of 4 bytes, and one that is big-endian.
#[test]
fn kernels_without_btf_relocate_equally() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../example-app/kernels.hub");
    let hub = HubFile::open(fs::read(path).expect("the hub is committed")).expect("the hub file is sound");
    let kernels = hub.kernels().iter().filter(|kernel| kernel.ships_btf == ShipsBtf::No);
    let (mut models, mut compared, mut resized) = (Vec::new(), 0, 0);
    for kernel in kernels {
        let btf = hub.extract(&kernel.id).expect("the kernel is in the hub");
        let name = kernel.id.as_str();
        check_valid(&btf, name);
        for object in testdata::tracers(byte_order_of(&btf)) {
            check_resolver(&object, &btf, name);
            compared += check_minimized(&object, &btf, name);
            let judged = libbpf::isolated(&object.bytes, &btf).expect("libbpf reads both BTFs").relocations;
            let is_resized = |it: &&Judged| matches!(it.outcome, Outcome::Resolved(value) if (value.orig_size, value.new_size) == (8, 4));
            resized += judged.iter().filter(is_resized).count();
        }
        models.push((kernel.id.arch(), byte_order_of(&btf), kernel.model.pointer_size));
    }
    assert_eq!(models, [("arm", "el", 4), ("ppc64le", "el", 8), ("s390x", "eb", 8), ("x86", "el", 4)]);
    assert!(compared > 1_000 && resized > 20, "compared {compared}, resized {resized}");
}

/// Vendors a hub tree; returns the hub file and each kernel's raw BTF.
fn vendor(tree: &Path) -> (HubFile, Vec<(KernelId, Vec<u8>)>) {
    let listed = Source::at(tree).and_then(|source| source.kernels(None)).expect("the tree can be listed");
    let options = ReadOptions::default();
    let (mut hub, mut raw) = (HubBuilder::new(), Vec::new());
    read_kernels(&listed, &options, 2, |source, kernel| -> Result<(), String> {
        let kernel = kernel.map_err(|error| format!("{}: {error}", source.label))?.expect("all are wanted");
        kernel.add_to(&mut hub).map_err(|error| error.to_string())?;
        raw.push((kernel.id, kernel.btf));
        Ok(())
    })
    .expect("all kernels can be read");
    let file = hub.finish(3).expect("the hub file is written");
    (HubFile::open(file).expect("the hub file is read back"), raw)
}

/// Minimizes each kernel for one object or several.
fn minimize_from_hub(hub: &HubFile, objects: &[&Fixture]) -> Vec<Vec<u8>> {
    let objects: Vec<Object> = objects
        .iter()
        .map(|object| Object::parse(&object.name, &object.bytes).expect("the fixture is an object"))
        .collect();
    let roots = Roots::new(&objects).expect("the relocations are readable");
    let mut types = roots.types().clone();
    let all: Vec<usize> = (0..hub.kernels().len()).collect();
    let view = hub.view(&mut types, &roots, &all).expect("the hub file is sound");
    let mut minimizer = Minimizer::new(&roots);
    let mut minimize = |index: usize| {
        minimizer.minimize(&types, &view.distinct[index]).expect("the kernel is minimized").to_vec()
    };
    view.kernels.iter().map(|&index| minimize(index)).collect()
}

#[test]
fn kernels_of_btfhub_relocate_equally() {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/btfhub");
    if !tree.is_dir() {
        eprintln!("skipped: no folder ../shared/btfhub");
        return;
    }
    let (hub, raw) = vendor(&tree);
    assert!(raw.len() >= 8, "only {} kernels", raw.len());
    let objects = testdata::tracers("el");
    let together: Vec<&Fixture> = objects.iter().collect();
    let minimized_together = minimize_from_hub(&hub, &together);
    let mut compared = 0;
    for object in &objects {
        let file = ObjectFile::parse(&object.bytes).expect("the fixture is an object");
        let alone = minimize_from_hub(&hub, &[object]);
        for (index, kernel) in hub.kernels().iter().enumerate() {
            let (_, btf) = raw.iter().find(|(id, _)| *id == kernel.id).expect("the kernel was vendored");
            for minimized in [&alone[index], &minimized_together[index]] {
                let (lines, judged) = differences(&file, btf, minimized);
                assert!(lines.is_empty(), "{} on {}:\n{}", object.name, kernel.id, lines.join("\n"));
                compared += judged;
                check_valid(minimized, &format!("{} on {}", object.name, kernel.id));
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}
