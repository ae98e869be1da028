//! Decision over all candidates of a relocation: ambiguity, poison and pruning (`bpf_core_calc_relo_insn`).

use super::evaluate::{MatchResult, Resolved};
use super::failure::MatchFailure;
use crate::object::RelocationKind;

/// The result for one candidate, and whether a BTF repeats that candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The relocation's result for it.
    pub result: MatchResult,
    /// Whether the BTF contains it more than once, under different ids.
    pub repeated: bool,
}

/// libbpf's result for a relocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The instruction gets this value.
    Value(Resolved),
    /// No candidate matches, and the value is 0.
    Absent,
    /// No candidate matches, and the instruction becomes invalid: harmless behind an existence check.
    Poison,
    /// Candidates disagree on the field's offset or on the value; libbpf refuses the object.
    Ambiguous(Resolved, Resolved),
    /// Resolving against a candidate fails; libbpf refuses the object.
    Failure(MatchFailure),
}

/// Decides a relocation from the results for its candidates, in the order of their ids.
///
/// `survivors` are the indices of the candidates that earlier relocations with the same root type left. Returns the outcome
/// and the survivors that this one leaves. If none matches, none is pruned.
pub fn decide(kind: RelocationKind, candidates: &[Candidate], survivors: &[usize]) -> (Outcome, Vec<usize>) {
    let mut first: Option<Resolved> = None;
    let mut left = Vec::new();
    let unpruned = || survivors.to_vec();
    for &index in survivors {
        let Some(candidate) = candidates.get(index) else { continue };
        let resolved = match candidate.result {
            MatchResult::NoMatch => continue,
            MatchResult::Failure(failure) => return (Outcome::Failure(failure), unpruned()),
            MatchResult::Match(resolved) => resolved,
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
        left.push(index);
    }
    match first {
        Some(resolved) => (Outcome::Value(resolved), left),
        None if is_poisoned(kind) => (Outcome::Poison, unpruned()),
        None => (Outcome::Absent, unpruned()),
    }
}

/// Whether libbpf's result for some of these candidates depends on their order.
///
/// They must agree on value and offset, or the load fails in any order. But loads and stores are resized to the first
/// one's size (`targ_res` in `bpf_core_calc_relo_insn`), and of several failures the first is returned.
pub fn order_decides(kind: RelocationKind, candidates: impl Iterator<Item = Candidate>) -> bool {
    let mut first: Option<Resolved> = None;
    let mut failed: Option<MatchFailure> = None;
    let mut disagree = false;
    for Candidate { result, repeated } in candidates {
        let is_id = kind == RelocationKind::TypeIdTarget;
        match (result, first) {
            (MatchResult::NoMatch, _) => {}
            (MatchResult::Failure(failure), _) => {
                if failed.replace(failure).is_some_and(|other| other != failure) {
                    return true;
                }
            }
            (MatchResult::Match(resolved), None) => {
                first = Some(resolved);
                disagree |= is_id && repeated;
            }
            (MatchResult::Match(resolved), Some(first)) => {
                if (first.size, first.misread) != (resolved.size, resolved.misread) {
                    return true;
                }
                disagree |= is_id || (first.value, first.bit_offset) != (resolved.value, resolved.bit_offset);
            }
        }
    }
    disagree && failed.is_some()
}

/// Kinds whose instruction becomes invalid if no candidate matches; for the others the value is 0.
fn is_poisoned(kind: RelocationKind) -> bool {
    let field = kind.is_field_based() && kind != RelocationKind::FieldExists;
    field || kind == RelocationKind::EnumvalValue
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(value: u64, bit_offset: u32) -> MatchResult {
        MatchResult::Match(Resolved { value, bit_offset, size: 4, misread: false })
    }

    #[test]
    fn decides_as_libbpf() {
        use RelocationKind::{EnumvalValue, FieldByteOffset, FieldExists, TypeIdTarget};
        let check = |kind, results: &[MatchResult], survivors: &[usize], outcome: &str, left: &[usize]| {
            let candidates: Vec<_> =
                results.iter().map(|&result| Candidate { result, repeated: false }).collect();
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
                "{kind} {results:?} {survivors:?}"
            );
        };
        let no = MatchResult::NoMatch;
        let bad = MatchResult::Failure(MatchFailure::TooDeep);
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

    /// All lists of three candidates with a few results: each subset in each order.
    #[test]
    fn order_decides_where_orders_differ() {
        let sized = |size, misread| MatchResult::Match(Resolved { value: 8, bit_offset: 64, size, misread });
        let results = [
            MatchResult::NoMatch,
            found(8, 64),
            found(9, 64),
            found(8, 72),
            sized(8, false),
            sized(4, true),
            MatchResult::Failure(MatchFailure::TooDeep),
            MatchResult::Failure(MatchFailure::Size),
        ];
        let all =
            results.iter().flat_map(|&result| [false, true].map(|repeated| Candidate { result, repeated }));
        let all: Vec<Candidate> = all.collect();
        let said = |outcome: Outcome| match outcome {
            // Which two disagree is for messages; libbpf's result is the same.
            Outcome::Ambiguous(..) => None,
            outcome => Some(outcome),
        };
        let (mut free, mut bound) = (0, 0);
        for kind in
            [RelocationKind::FieldByteOffset, RelocationKind::TypeIdTarget, RelocationKind::FieldExists]
        {
            let is_id = kind == RelocationKind::TypeIdTarget;
            // The result for an id only says that a type matches.
            let fits = |it: &Candidate| {
                (is_id || !it.repeated)
                    && (!is_id || !matches!(it.result, MatchResult::Match(it) if it != found_id()))
            };
            let mut some: Vec<Candidate> = all.iter().copied().filter(fits).collect();
            if is_id {
                some.extend(
                    [false, true]
                        .map(|repeated| Candidate { result: MatchResult::Match(found_id()), repeated }),
                );
            }
            for (a, b, c) in some
                .iter()
                .flat_map(|a| some.iter().map(move |b| (a, b)))
                .flat_map(|(a, b)| some.iter().map(move |c| (*a, *b, *c)))
            {
                let list = [a, b, c];
                let outcomes = |survivors: &[&[usize]]| -> Vec<Option<Outcome>> {
                    survivors.iter().map(|indices| said(decide(kind, &list, indices).0)).collect()
                };
                let orders = [
                    outcomes(&[&[0, 1], &[1, 0]]),
                    outcomes(&[&[0, 2], &[2, 0]]),
                    outcomes(&[&[1, 2], &[2, 1]]),
                    outcomes(&[&[0, 1, 2], &[0, 2, 1], &[1, 0, 2], &[1, 2, 0], &[2, 0, 1], &[2, 1, 0]]),
                ];
                let differ = orders.iter().any(|outcomes| outcomes.iter().any(|it| *it != outcomes[0]));
                let decides = order_decides(kind, list.into_iter());
                assert!(decides || !differ, "{kind} {list:?}");
                *(if differ { &mut bound } else { &mut free }) += 1;
            }
        }
        assert!(free > 100 && bound > 100, "{free} and {bound}");
    }

    fn found_id() -> Resolved {
        Resolved { value: 0, bit_offset: 0, size: 0, misread: false }
    }
}
