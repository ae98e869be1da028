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

/// Whether libbpf's result for some of these candidates hangs on the order in which it meets them.
///
/// They must agree on value and offset, or the load fails whatever the order; but the size that loads and stores are
/// adjusted to is the first one's (`targ_res` in `bpf_core_calc_relo_insn`). And of several ways to fail the first counts.
pub fn order_decides(kind: RelocationKind, candidates: impl Iterator<Item = Candidate>) -> bool {
    let (mut first, mut disagree, mut failed): (Option<Resolved>, bool, Option<MatchFailure>) =
        (None, false, None);
    for Candidate { answer, repeated } in candidates {
        let is_id = kind == RelocationKind::TypeIdTarget;
        match (answer, first) {
            (Answer::NoMatch, _) => {}
            (Answer::Failure(failure), _) => {
                if failed.replace(failure).is_some_and(|other| other != failure) {
                    return true;
                }
            }
            (Answer::Match(resolved), None) => {
                first = Some(resolved);
                disagree |= is_id && repeated;
            }
            (Answer::Match(resolved), Some(first)) => {
                if (first.size, first.misread) != (resolved.size, resolved.misread) {
                    return true;
                }
                disagree |= is_id || (first.value, first.bit_offset) != (resolved.value, resolved.bit_offset);
            }
        }
    }
    disagree && failed.is_some()
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

    /// For every few candidates of a few answers, each subset in each order.
    #[test]
    fn order_decides_what_it_is_said_to() {
        let sized = |size, misread| Answer::Match(Resolved { value: 8, bit_offset: 64, size, misread });
        let answers = [
            Answer::NoMatch,
            found(8, 64),
            found(9, 64),
            found(8, 72),
            sized(8, false),
            sized(4, true),
            Answer::Failure(MatchFailure::TooDeep),
            Answer::Failure(MatchFailure::Size),
        ];
        let all =
            answers.iter().flat_map(|&answer| [false, true].map(|repeated| Candidate { answer, repeated }));
        let all: Vec<Candidate> = all.collect();
        let said = |outcome: Outcome| match outcome {
            // Which two disagree is told to people; libbpf's result is the same.
            Outcome::Ambiguous(..) => None,
            outcome => Some(outcome),
        };
        let (mut free, mut bound) = (0, 0);
        for kind in
            [RelocationKind::FieldByteOffset, RelocationKind::TypeIdTarget, RelocationKind::FieldExists]
        {
            let is_id = kind == RelocationKind::TypeIdTarget;
            // An id's answers say nothing but that a type matches.
            let fits = |it: &Candidate| {
                (is_id || !it.repeated)
                    && (!is_id || !matches!(it.answer, Answer::Match(it) if it != found_id()))
            };
            let mut some: Vec<Candidate> = all.iter().copied().filter(fits).collect();
            if is_id {
                some.extend(
                    [false, true].map(|repeated| Candidate { answer: Answer::Match(found_id()), repeated }),
                );
            }
            for (a, b, c) in some
                .iter()
                .flat_map(|a| some.iter().map(move |b| (a, b)))
                .flat_map(|(a, b)| some.iter().map(move |c| (*a, *b, *c)))
            {
                let list = [a, b, c];
                let outcomes = |survivors: &[&[usize]]| -> Vec<Option<Outcome>> {
                    survivors.iter().map(|places| said(decide(kind, &list, places).0)).collect()
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
