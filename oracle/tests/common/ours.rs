//! btfgen-build's own decisions, compared with libbpf's.

use std::collections::HashMap;

use btfgen_core::btf::Btf;
use btfgen_core::kernel::KernelTypes;
use btfgen_core::object::Object;
use btfgen_core::resolve::Answers;
use btfgen_core::resolve::{self, Candidate, decide};
use btfgen_core::resolve::{Place, Roots};
use oracle::elf::ObjectFile;
use oracle::libbpf::{Outcome, Selection, TYPE_ID_TARGET, Verdict};

/// btfgen-build's own resolver, set up for one object and one target.
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
        for (relocation, ours) in object.relocations.iter().zip(self.object.relocations()) {
            let place = &places[ours.asks];
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
                    let kind = self.object.asks()[ours.asks].kind.expect("a known kind");
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
