//! The decisions of btfgen's resolver, compared with libbpf's.

use std::collections::HashMap;

use btfgen_core::btf::{Btf, TypeId};
use btfgen_core::kernel::KernelTypes;
use btfgen_core::object::Object;
use btfgen_core::resolve::{self, Candidate, Evaluator, Lookup, Roots, decide};
use oracle::elf::ObjectFile;
use oracle::libbpf::{Outcome, Results, Selection, TYPE_ID_TARGET};

/// btfgen's resolver, set up for one object and one target.
pub(crate) struct Ours {
    object: Object,
    roots: Roots,
    types: btfgen_core::types::Types,
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

    /// Where this resolver's decisions differ from libbpf's results on a selection.
    pub(crate) fn differences(
        &self,
        object: &ObjectFile,
        selection: &Selection<'_>,
        judged: &Results,
    ) -> Vec<String> {
        let mut evaluator = Evaluator::new(&self.roots);
        let mut survivors: HashMap<TypeId, Vec<usize>> = HashMap::new();
        let mut judged = judged.relocations.iter();
        let mut lines = Vec::new();
        let ours = self.object.relocations().iter().zip(&self.roots.lookups()[0]);
        for (relocation, (ours, lookup)) in object.relocations.iter().zip(ours) {
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
            let decided = match lookup {
                Lookup::Local | Lookup::Failure(_) => None,
                Lookup::Target { root, query, local_type_id } => {
                    let candidates = self.kernel.candidates(*root).iter();
                    let candidates: Vec<Candidate> = candidates
                        .map(|candidate| {
                            let evaluation =
                                evaluator.get(&self.types, self.kernel.model, *root, candidate.ty);
                            Candidate { result: evaluation.result(*query), repeated: candidate.repeated }
                        })
                        .collect();
                    let left =
                        survivors.entry(*local_type_id).or_insert_with(|| (0..candidates.len()).collect());
                    let kind = ours.kind.expect("a known kind");
                    let (outcome, pruned) = decide(kind, &candidates, left);
                    *left = pruned;
                    Some(outcome)
                }
            };
            if !agree(lookup, decided, theirs.kind, &theirs.outcome) {
                lines.push(format!(
                    "{} {}#{} kind {}: ours {lookup:?} {decided:?}, libbpf's {:?} `{}`",
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

fn agree(lookup: &Lookup, ours: Option<resolve::Outcome>, kind: u32, theirs: &Outcome) -> bool {
    let value = match theirs {
        // Whether the instruction can hold the value is checked later, on patching.
        Outcome::Resolved(value) | Outcome::Unpatchable(value, _) => value,
        Outcome::Unresolvable(_) => {
            return matches!(lookup, Lookup::Failure(_))
                || matches!(ours, Some(resolve::Outcome::Ambiguous(..) | resolve::Outcome::Failure(_)));
        }
    };
    match ours {
        None => matches!(lookup, Lookup::Local) && !value.poison,
        Some(resolve::Outcome::Value(resolved)) => {
            let same_value =
                if kind == TYPE_ID_TARGET { value.new != 0 } else { value.new == resolved.value };
            // libbpf checks whether a load can be resized only if the sizes differ.
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
