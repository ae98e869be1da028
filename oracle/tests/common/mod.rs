//! Helpers of the equivalence tests: minimizing, and differences between libbpf's results.

use std::collections::BTreeSet;

use btfgen_core::btf::Btf;
use btfgen_core::kernel::KernelTypes;
use btfgen_core::minimize::Minimizer;
use btfgen_core::object::Object;
use btfgen_core::resolve::{Lookup, Roots};
use oracle::elf::ObjectFile;
use oracle::libbpf::{Judge, Outcome, Results, Selection, TYPE_ID_TARGET};

/// Minimizes a target for one object, with the library's own verification.
pub(crate) fn minimize(object: &[u8], target: &[u8]) -> Result<Vec<u8>, String> {
    minimize_all(&[object], target)
}

/// As [`minimize`], for several objects.
pub(crate) fn minimize_all(objects: &[&[u8]], target: &[u8]) -> Result<Vec<u8>, String> {
    let parse = |object: &&[u8]| Object::parse("fixture", object).map_err(|error| error.to_string());
    let objects: Vec<Object> = objects.iter().map(parse).collect::<Result<_, _>>()?;
    let roots = Roots::new(&objects).map_err(|error| error.to_string())?;
    let btf = Btf::parse(target).map_err(|error| error.to_string())?;
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, &roots, &btf).map_err(|error| error.to_string())?;
    let mut minimizer = Minimizer::new(&roots);
    let bytes = minimizer.minimize(&types, &kernel).map_err(|error| error.to_string())?;
    Ok(bytes.to_vec())
}

/// The selections to compare: all programs, each alone, and every other one.
pub(crate) fn selections(object: &ObjectFile) -> Vec<Vec<String>> {
    let names = object.program_names();
    let mut selections = vec![names.clone()];
    selections.extend(names.iter().map(|name| vec![name.clone()]));
    selections.push(names.iter().step_by(2).cloned().collect());
    selections.push(names.iter().skip(1).step_by(2).cloned().collect());
    selections
}

/// Calls `with` for every selection.
pub(crate) fn for_each_selection(object: &ObjectFile, mut with: impl FnMut(&Selection<'_>)) {
    for names in selections(object) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        with(&Selection::Only(&names));
    }
}

/// Differences between libbpf's results with two target BTFs, for all selections, and the number of compared relocations.
///
/// A relocation that fails in the object itself is refused whatever the kernel, and nothing is kept for it. So the reason is
/// not compared: libbpf may report a candidate's failure instead.
pub(crate) fn differences(object: &ObjectFile, full: &[u8], minimized: &[u8]) -> (Vec<String>, usize) {
    let refused = refused_by_themselves(object);
    let without_reasons = |mut results: Results| {
        for judged in &mut results.relocations {
            let id = (judged.section.clone(), judged.number);
            if matches!(judged.outcome, Outcome::Unresolvable(_)) && refused.contains(&id) {
                judged.outcome = Outcome::Unresolvable(0);
            }
        }
        results
    };
    let mut before = Judge::new(object, full).expect("libbpf reads the full BTF");
    let mut after = match Judge::new(object, minimized) {
        Ok(judge) => judge,
        Err(error) => return (vec![error.to_string()], 0),
    };
    let (mut lines, mut compared) = (Vec::new(), 0);
    for_each_selection(object, |selection| {
        let (full, minimized) = (before.relocations(selection), after.relocations(selection));
        let (full, minimized) = (without_reasons(full), without_reasons(minimized));
        compared += full.relocations.len();
        lines.extend(full.differences(&minimized));
        let id_free =
            |results: &Results| results.relocations.iter().all(|judged| judged.kind != TYPE_ID_TARGET);
        if id_free(&full) && full.functions != minimized.functions {
            lines.push("instructions differ".to_owned());
        }
    });
    let (full, minimized) = (without_reasons(before.isolated()), without_reasons(after.isolated()));
    compared += full.relocations.len();
    lines.extend(full.differences(&minimized).into_iter().map(|line| format!("isolated: {line}")));
    lines.sort();
    lines.dedup();
    (lines, compared)
}

/// Section and number of the relocations that fail in the object itself.
fn refused_by_themselves(object: &ObjectFile) -> BTreeSet<(String, usize)> {
    let Ok(object) = Object::parse("fixture", &object.bytes) else { return BTreeSet::new() };
    let Ok(roots) = Roots::new(std::slice::from_ref(&object)) else { return BTreeSet::new() };
    let lookups = object.relocations().iter().zip(&roots.lookups()[0]);
    let refused = lookups.filter(|(_, lookup)| matches!(lookup, Lookup::Failure(_)));
    refused.map(|(it, _)| (object.section_of(it).to_owned(), it.number)).collect()
}
