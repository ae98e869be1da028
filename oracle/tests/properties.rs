//! Properties of minimizing over random type graphs, with libbpf as the judge.

mod common;
#[path = "common/ours.rs"]
mod ours;
#[path = "common/random.rs"]
mod random;

use common::{differences, for_each_selection, minimize};
use oracle::elf::ObjectFile;
use oracle::forge::{self, Form};
use oracle::libbpf::{Judge, Outcome};
use oracle::raw::Btf;
use ours::Ours;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{RngSeed, TestRunner};
use random::{Case, case};

/// The object, with the values in its instructions that libbpf expects, so that patching succeeds.
fn forge(case: &Case) -> Vec<u8> {
    let blank = forge::object(&case.local, &case.programs, case.big_endian);
    let file = ObjectFile::parse(&blank).expect("a forged object");
    let target = case.target.to_bytes(case.big_endian);
    let Ok(mut judge) = Judge::new(&file, &target) else { return blank };
    let mut judged = judge.isolated().relocations.into_iter();
    let mut programs = case.programs.clone();
    for relocation in programs.iter_mut().flatten() {
        let value = match judged.next().expect("a result for each").outcome {
            Outcome::Resolved(value) | Outcome::Unpatchable(value, _) => value,
            Outcome::Unresolvable(_) => {
                relocation.form = Form::Immediate(0);
                continue;
            }
        };
        let load = i16::try_from(value.orig).ok().filter(|_| [1, 2, 4, 8].contains(&value.orig_size));
        relocation.form = match (relocation.form, load) {
            (Form::Load(..), Some(offset)) => Form::Load(value.orig_size, offset),
            _ => Form::Immediate(value.orig),
        };
    }
    forge::object(&case.local, &programs, case.big_endian)
}

/// A random order of types, except for the candidates of one root: libbpf resizes a load to the first one's size.
fn shuffled(target: &Btf, keys: &[u64]) -> Btf {
    let mut order: Vec<usize> = (0..target.len()).collect();
    order.sort_by_key(|&index| keys[index % keys.len()].wrapping_mul(index as u64 | 1));
    let mut groups = std::collections::BTreeMap::<String, Vec<usize>>::new();
    for (_, name, index) in target.names() {
        let essential = name.split("___").next().unwrap_or_default().to_owned();
        groups.entry(essential).or_default().push(index);
    }
    for members in groups.values() {
        let mut slots: Vec<usize> = (0..order.len()).filter(|&slot| members.contains(&order[slot])).collect();
        slots.sort_unstable();
        for (slot, &index) in slots.into_iter().zip(members) {
            order[slot] = index;
        }
    }
    target.reordered(&order).with_other_strings()
}

/// The same cases in every run, so that a test fails only by the change that it tests. With `PROPTEST_CASES` the cases
/// are random.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match config.cases {
        DEFAULT_CASES => ProptestConfig { cases: 600, rng_seed: RngSeed::Fixed(6), ..config },
        _ => config,
    }
}

/// proptest's default.
const DEFAULT_CASES: u32 = 256;

proptest! {
    #![proptest_config(config())]

    #[test]
    fn relocations_are_equivalent(case in case(), keys in prop::collection::vec(any::<u64>(), 8)) {
        let object = forge(&case);
        let target = case.target.to_bytes(case.big_endian);
        let file = ObjectFile::parse(&object).expect("a forged object");
        let Ok(mut judge) = Judge::new(&file, &target) else { return Err(TestCaseError::reject("libbpf rejects it")) };

        let ours = Ours::new(&object, &target);
        let mut lines = Vec::new();
        for_each_selection(&file, |selection| {
            lines.extend(ours.differences(&file, selection, &judge.relocations(selection)));
        });
        prop_assert!(lines.is_empty(), "resolver:\n{}", lines.join("\n"));

        let minimized = minimize(&object, &target).map_err(TestCaseError::fail)?;
        let (lines, _) = differences(&file, &target, &minimized);
        prop_assert!(lines.is_empty(), "minimized:\n{}", lines.join("\n"));

        let again = minimize(&object, &minimized).map_err(TestCaseError::fail)?;
        prop_assert!(again == minimized, "minimizing again changes the bytes");

        let moved = shuffled(&case.target, &keys).to_bytes(case.big_endian);
        let moved = minimize(&object, &moved).map_err(TestCaseError::fail)?;
        prop_assert!(moved == minimized, "renumbering the source changes the bytes");
    }
}

/// Relocations that resolve, poison and fail all occur often, so that the random cases are not empty.
#[test]
fn random_cases_cover_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let (mut resolved, mut poisoned, mut failed, mut changed) = (0, 0, 0, 0);
    for _ in 0..400 {
        let case = case().new_tree(&mut runner).unwrap().current();
        let file = ObjectFile::parse(&forge(&case)).unwrap();
        let Ok(mut judge) = Judge::new(&file, &case.target.to_bytes(case.big_endian)) else { continue };
        for judged in judge.isolated().relocations {
            match judged.outcome {
                Outcome::Resolved(value) if value.poison => poisoned += 1,
                Outcome::Resolved(value) if value.orig != value.new && value.new != 0 => changed += 1,
                Outcome::Resolved(_) => resolved += 1,
                Outcome::Unresolvable(_) | Outcome::Unpatchable(..) => failed += 1,
            }
        }
    }
    let counts = [resolved, poisoned, failed, changed];
    assert!(counts.iter().all(|&count| count > 100), "{counts:?}");
}
