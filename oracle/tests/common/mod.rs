//! What the equivalence tests share: kernels, minimizing, and btfgen-build's own verdicts in the judge's terms.

use std::collections::HashMap;
use std::path::Path;

use btfgen_build::btf::Btf;
use btfgen_build::hub;
use btfgen_build::kernel::KernelTypes;
use btfgen_build::minimize::{Answers, Minimizer};
use btfgen_build::object::Object;
use btfgen_build::resolve::{self, Candidate, decide};
use btfgen_build::roots::{Place, Roots};
use oracle::elf::ObjectFile;
use oracle::libbpf::{Judge, Outcome, Selection, TYPE_ID_TARGET, Verdict};

/// A kernel's id and its raw BTF.
pub(crate) struct Kernel {
    pub(crate) id: String,
    pub(crate) btf: hub::Bytes,
}

/// Kernels of the hub beside the repository where there is one, else those that the example vendors.
pub(crate) fn kernels() -> Vec<Kernel> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let hubs = [root.join("../shared/hub"), root.join("example-app/kernels")];
    let hub = hubs.iter().find(|hub| hub.is_dir()).expect("the example's kernels are committed");
    let listing = hub::list(hub).expect("the hub can be listed");
    let kernels: Vec<Kernel> = listing
        .kernels
        .into_iter()
        .map(|entry| Kernel {
            id: entry.id.to_string(),
            btf: hub::read_btf(&entry.path).expect("the kernel's BTF can be read"),
        })
        .collect();
    assert!(kernels.len() >= 3, "only {} kernels", kernels.len());
    kernels
}

/// A target minimized for one object, through the library's whole path with its own verification.
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

/// Every selection worth judging: all programs, each alone, and every other one.
pub(crate) fn selections(object: &ObjectFile) -> Vec<Vec<String>> {
    let names = object.program_names();
    let mut selections = vec![names.clone()];
    selections.extend(names.iter().map(|name| vec![name.clone()]));
    selections.push(names.iter().step_by(2).cloned().collect());
    selections.push(names.iter().skip(1).step_by(2).cloned().collect());
    selections
}

/// Runs `with` on every selection.
pub(crate) fn for_each_selection(object: &ObjectFile, mut with: impl FnMut(&Selection<'_>)) {
    for names in selections(object) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        with(&Selection::Only(&names));
    }
}

/// Differences between what libbpf decides with two target BTFs, over all selections, and how much was compared.
pub(crate) fn differences(object: &ObjectFile, full: &[u8], minimized: &[u8]) -> (Vec<String>, usize) {
    let mut before = Judge::new(object, full).expect("libbpf reads the full BTF");
    let mut after = match Judge::new(object, minimized) {
        Ok(judge) => judge,
        Err(error) => return (vec![error.to_string()], 0),
    };
    let (mut lines, mut compared) = (Vec::new(), 0);
    for_each_selection(object, |selection| {
        let (full, minimized) = (before.relocations(selection), after.relocations(selection));
        compared += full.relocations.len();
        lines.extend(full.differences(&minimized));
        let id_free =
            |verdict: &Verdict| verdict.relocations.iter().all(|judged| judged.kind != TYPE_ID_TARGET);
        if id_free(&full) && full.functions != minimized.functions {
            lines.push("instructions differ".to_owned());
        }
    });
    let (full, minimized) = (before.isolated(), after.isolated());
    compared += full.relocations.len();
    lines.extend(full.differences(&minimized).into_iter().map(|line| format!("isolated: {line}")));
    lines.sort();
    lines.dedup();
    (lines, compared)
}

/// btfgen-build's own resolver, set up for one object and one target.
pub(crate) struct Ours {
    object: Object,
    roots: Roots,
    types: btfgen_build::types::Types,
    kernel: KernelTypes,
}

impl Ours {
    pub(crate) fn new(object: &[u8], target: &[u8]) -> Self {
        let object = Object::parse("fixture", object).expect("the fixture is an object");
        let roots = Roots::new(std::slice::from_ref(&object)).expect("its types are well-formed");
        let btf = Btf::parse(target).expect("the target is a BTF");
        let mut types = roots.types().clone();
        let kernel = KernelTypes::from_btf(&mut types, &roots, &btf).expect("its types are well-formed");
        Self { object, roots, types, kernel }
    }

    /// Where this resolver's decisions differ from libbpf's verdict on a selection.
    pub(crate) fn differences(
        &self,
        object: &ObjectFile,
        selection: &Selection<'_>,
        judged: &Verdict,
    ) -> Vec<String> {
        let mut answers = Answers::new(&self.roots);
        let mut survivors: HashMap<u32, Vec<usize>> = HashMap::new();
        let mut judged = judged.relocations.iter();
        let mut lines = Vec::new();
        let places = &self.roots.places()[0];
        for ((relocation, place), ours) in
            object.relocations.iter().zip(places).zip(self.object.relocations())
        {
            let index = object.function_at(&relocation.section, relocation.insn).expect("a function");
            let function = &object.functions[index];
            let chosen = match selection {
                Selection::All => true,
                Selection::Only(names) => names.contains(&function.name.as_str()),
            };
            if !chosen && !function.subprogram {
                continue;
            }
            let Some(theirs) = judged.next() else { break };
            let decided = match place {
                Place::Local | Place::Failure(_) => None,
                Place::Root { root, question, local } => {
                    let candidates: Vec<Candidate> = self.kernel.candidates[*root]
                        .iter()
                        .map(|candidate| {
                            let evaluation = answers.get(&self.types, self.kernel.model, *root, candidate.ty);
                            Candidate { answer: evaluation.answers[*question], repeated: candidate.repeated }
                        })
                        .collect();
                    let left = survivors.entry(*local).or_insert_with(|| (0..candidates.len()).collect());
                    let kind = ours.kind.expect("a known kind");
                    let (outcome, pruned) = decide(kind, &candidates, left);
                    *left = pruned;
                    Some(outcome)
                }
            };
            if !agree(place, decided, theirs.kind, &theirs.outcome) {
                lines.push(format!(
                    "{} {}#{} kind {}: ours {place:?} {decided:?}, libbpf's {:?} `{}`",
                    theirs.function,
                    theirs.section,
                    theirs.number,
                    theirs.kind,
                    theirs.outcome,
                    theirs.target_spec
                ));
            }
        }
        lines
    }
}

fn agree(place: &Place, ours: Option<resolve::Outcome>, kind: u32, theirs: &Outcome) -> bool {
    let value = match theirs {
        // Whether the instruction takes the value is no matter of resolving.
        Outcome::Resolved(value) | Outcome::Unpatchable(value, _) => value,
        Outcome::Unresolvable(_) => {
            return matches!(place, Place::Failure(_))
                || matches!(ours, Some(resolve::Outcome::Ambiguous(..) | resolve::Outcome::Failure(_)));
        }
    };
    match ours {
        None => matches!(place, Place::Local) && !value.poison,
        Some(resolve::Outcome::Value(resolved)) => {
            let same_value =
                if kind == TYPE_ID_TARGET { value.new != 0 } else { value.new == resolved.value };
            // libbpf asks whether a load may be adjusted only where sizes differ.
            let misread = value.orig_size != value.new_size && resolved.misread;
            same_value
                && !value.poison
                && value.new_size == resolved.size
                && value.fail_memsz_adjust == misread
        }
        Some(resolve::Outcome::Absent) => !value.poison && value.new == 0,
        Some(resolve::Outcome::Poison) => value.poison,
        Some(resolve::Outcome::Ambiguous(..) | resolve::Outcome::Failure(_)) => false,
    }
}
