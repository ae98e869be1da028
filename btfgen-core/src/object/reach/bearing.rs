//! Bearing: what of a section's code bears on its branches, found once for all kernels.

use super::insn::{Effect, Registers};

/// Most passes over a section to find it; compilers' loops take three or four.
const MAX_PASSES: usize = 16;

/// For each instruction the registers that may be known before it, whichever branches are ruled out.
pub(super) fn may_be_known(effects: &[Effect]) -> Vec<Registers> {
    settle(effects, |known| {
        let mut changed = false;
        for (at, effect) in effects.iter().enumerate() {
            let mut after = known[at] & !effect.writes;
            if effect.computes && effect.reads & !known[at] == 0 {
                after |= effect.writes;
            }
            for to in [effect.next, effect.target].into_iter().flatten() {
                if let Some(known) = usize::try_from(to).ok().and_then(|to| known.get_mut(to)) {
                    changed |= after & !*known != 0;
                    *known |= after;
                }
            }
        }
        changed
    })
}

/// For each instruction the registers on whose values before it a branch can hang.
pub(super) fn live(effects: &[Effect], known: &[Registers]) -> Vec<Registers> {
    settle(effects, |live| {
        let mut changed = false;
        for (at, effect) in effects.iter().enumerate().rev() {
            let after = live_after(effect, live);
            let mut before = after & !effect.writes;
            if (effect.branches || after & effect.writes != 0) && decides_with(effect, known[at]) {
                before |= effect.reads;
            }
            changed |= before != live[at];
            live[at] = before;
        }
        changed
    })
}

/// Whether an instruction computes something that may be known and that a branch can hang on, or is such a branch.
pub(super) fn decides(effect: &Effect, known: Registers, live: &[Registers]) -> bool {
    (effect.branches || live_after(effect, live) & effect.writes != 0) && decides_with(effect, known)
}

/// Whether an instruction does more than lead to the next one.
pub(super) fn counts(effect: &Effect, live: &[Registers]) -> bool {
    effect.branches || live_after(effect, live) & effect.writes != 0
}

/// One operand that is never known leaves the result unknown.
fn decides_with(effect: &Effect, known: Registers) -> bool {
    effect.computes && effect.reads & !known == 0
}

fn live_after(effect: &Effect, live: &[Registers]) -> Registers {
    let live_at = |to: i64| usize::try_from(to).ok().and_then(|to| live.get(to)).copied().unwrap_or(0);
    effect.next.map_or(0, live_at) | effect.target.map_or(0, live_at)
}

/// Runs passes over a section until one changes nothing: one alone where nothing leads back, since each instruction then
/// comes after all that it hangs on. If they do not end soon, anything may be so.
fn settle(effects: &[Effect], mut pass: impl FnMut(&mut [Registers]) -> bool) -> Vec<Registers> {
    let leads_back = |(at, effect): (usize, &Effect)| effect.target.is_some_and(|target| target <= at as i64);
    let loops = effects.iter().enumerate().any(leads_back);
    let mut sets: Vec<Registers> = vec![0; effects.len()];
    for _ in 0..MAX_PASSES {
        let changed = pass(&mut sets);
        if !changed || !loops {
            return sets;
        }
    }
    vec![Registers::MAX; effects.len()]
}
