//! libbpf's verdict over all candidates of a relocation: ambiguity, poison and pruning (`bpf_core_calc_relo_insn`).

use super::{Answer, MatchFailure, RelocationKind, Resolved};

/// A candidate's answer and how often a BTF holds that candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its answer.
    pub answer: Answer,
    /// Whether the BTF holds it more than once, under different ids.
    pub repeated: bool,
}

/// What libbpf makes of a relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The instruction gets this value.
    Value(Resolved),
    /// No candidate matches, and the value says so: 0.
    Absent,
    /// No candidate matches, and the instruction is replaced by an invalid one; harmless where a check guards it.
    Poison,
    /// Candidates disagree on the field's offset or on the value; libbpf refuses the object.
    Ambiguous(Resolved, Resolved),
    /// A candidate cannot be worked out; libbpf refuses the object.
    Failure(MatchFailure),
}

/// Which candidates, by their place, go on to the next relocation with the same root type.
pub type Pruned = Vec<usize>;

/// Draws the verdict from the answers of the candidates in the order of their ids.
///
/// `survivors` are the places of the candidates that earlier relocations left; those that this one leaves are returned.
/// If none matches, none is pruned.
pub fn decide(kind: RelocationKind, candidates: &[Candidate], survivors: &[usize]) -> (Outcome, Pruned) {
    let mut first: Option<Resolved> = None;
    let mut left = Vec::new();
    let unpruned = || survivors.to_vec();
    for &place in survivors {
        let Some(candidate) = candidates.get(place) else { continue };
        let resolved = match candidate.answer {
            Answer::NoMatch => continue,
            Answer::Failure(failure) => return (Outcome::Failure(failure), unpruned()),
            Answer::Match(resolved) => resolved,
        };
        let is_id = kind == RelocationKind::TypeIdTarget;
        match first {
            None if is_id && candidate.repeated => {
                return (Outcome::Ambiguous(resolved, resolved), unpruned());
            }
            None => first = Some(resolved),
            Some(first) => {
                if is_id || first.bit_offset != resolved.bit_offset || first.value != resolved.value {
                    return (Outcome::Ambiguous(first, resolved), unpruned());
                }
            }
        }
        left.push(place);
    }
    match first {
        Some(resolved) => (Outcome::Value(resolved), left),
        None if is_poisoned(kind) => (Outcome::Poison, unpruned()),
        None => (Outcome::Absent, unpruned()),
    }
}

/// Kinds for which a missing target is no value but an error in the code that uses it.
fn is_poisoned(kind: RelocationKind) -> bool {
    let field = kind.is_field_based() && kind != RelocationKind::FieldExists;
    field || kind == RelocationKind::EnumvalValue
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: u64, bit_offset: u32) -> Answer {
        Answer::Match(Resolved { value, bit_offset, size: 4, misread: false })
    }

    #[test]
    fn decides_as_libbpf() {
        use RelocationKind::{EnumvalValue, FieldByteOffset, FieldExists, TypeIdTarget};
        let check = |kind, answers: &[Answer], survivors: &[usize], outcome: &str, left: &[usize]| {
            let candidates: Vec<_> =
                answers.iter().map(|&answer| Candidate { answer, repeated: false }).collect();
            let (got, pruned) = decide(kind, &candidates, survivors);
            let got = match got {
                Outcome::Value(resolved) => format!("{}", resolved.value),
                Outcome::Absent => "absent".to_owned(),
                Outcome::Poison => "poison".to_owned(),
                Outcome::Ambiguous(..) => "ambiguous".to_owned(),
                Outcome::Failure(_) => "failure".to_owned(),
            };
            assert_eq!(
                (got.as_str(), pruned.as_slice()),
                (outcome, left),
                "{kind} {answers:?} {survivors:?}"
            );
        };
        let no = Answer::NoMatch;
        let bad = Answer::Failure(MatchFailure::TooDeep);
        check(FieldByteOffset, &[], &[], "poison", &[]);
        check(FieldExists, &[], &[], "absent", &[]);
        check(EnumvalValue, &[no], &[0], "poison", &[0]);
        check(FieldByteOffset, &[no, found(8, 64)], &[0, 1], "8", &[1]);
        check(FieldByteOffset, &[no, found(8, 64)], &[0], "poison", &[0]);
        check(FieldByteOffset, &[found(8, 64), found(8, 64)], &[0, 1], "8", &[0, 1]);
        check(FieldByteOffset, &[found(8, 64), found(9, 72)], &[0, 1], "ambiguous", &[0, 1]);
        check(FieldExists, &[found(1, 64), found(1, 72)], &[0, 1], "ambiguous", &[0, 1]);
        check(FieldByteOffset, &[found(8, 64), bad], &[0, 1], "failure", &[0, 1]);
        check(TypeIdTarget, &[found(0, 0), found(0, 0)], &[0, 1], "ambiguous", &[0, 1]);
        check(TypeIdTarget, &[found(0, 0)], &[0], "0", &[0]);
    }
}
