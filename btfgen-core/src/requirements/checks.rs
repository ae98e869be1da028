//! Checks: which instructions a CO-RE check or the test of a weak extern can rule out.

use std::collections::BTreeMap;

use crate::object::{InsnIndex, Object, Patch, Reachable, RelocationKind};

/// The instructions that can run if all checks fail, and if all succeed.
pub struct Checks {
    failed: BTreeMap<String, Reachable>,
    succeeded: BTreeMap<String, Reachable>,
}

impl Checks {
    /// Follows the code of an object, with each check as 0 and as 1.
    pub fn new(object: &Object) -> Self {
        let mut checks = Self { failed: BTreeMap::new(), succeeded: BTreeMap::new() };
        let mut relocations: BTreeMap<&str, Vec<InsnIndex>> = BTreeMap::new();
        for relocation in object.relocations().iter().filter(|it| it.kind.is_ok_and(is_check)) {
            let insn = InsnIndex::from_offset(relocation.insn_offset);
            relocations.entry(object.section_of(relocation)).or_default().push(insn);
        }
        for section in object.code_sections() {
            let references = object.references(section).iter();
            let weak = references.filter(|reference| {
                let symbol = object.symbol_of(reference);
                symbol.weak && symbol.section.is_none()
            });
            let mut insns = relocations.remove(section).unwrap_or_default();
            insns.extend(weak.map(|reference| reference.insn));
            let flow = object.control_flow(section);
            let reachable = |value| flow.reachable(insns.iter().map(|&insn| (insn, Patch::Value(value))));
            checks.failed.insert(section.to_owned(), reachable(0));
            checks.succeeded.insert(section.to_owned(), reachable(1));
        }
        checks
    }

    /// Whether an instruction can run if all checks fail.
    pub fn can_run_if_failed(&self, section: &str, insn: InsnIndex) -> bool {
        self.failed.get(section).is_none_or(|reachable| reachable.contains(insn))
    }

    /// Whether an instruction can run if all checks succeed.
    pub fn can_run_if_succeeded(&self, section: &str, insn: InsnIndex) -> bool {
        self.succeeded.get(section).is_none_or(|reachable| reachable.contains(insn))
    }
}

/// Whether a relocation's value says that something exists.
fn is_check(kind: RelocationKind) -> bool {
    use RelocationKind::{EnumvalExists, FieldExists, TypeExists, TypeMatches};
    matches!(kind, FieldExists | TypeExists | TypeMatches | EnumvalExists)
}
