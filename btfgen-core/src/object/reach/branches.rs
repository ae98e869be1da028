//! Which instructions can affect a branch: found once per section, for all kernels.

use super::insn::{Effect, Registers};

/// Limit on the passes over a section; the loops of compilers take three or four.
const MAX_PASSES: usize = 16;

/// For each instruction the registers that may have a known value before it, whichever branches are taken.
pub(super) fn possibly_known(effects: &[Effect]) -> Vec<Registers> {
    fixed_point(effects, |known| {
        let mut changed = false;
        for (at, effect) in effects.iter().enumerate() {
            let mut after = known[at] & !effect.writes;
            if result_may_be_known(effect, known[at]) {
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

/// For each instruction the registers whose values before it can affect a branch.
pub(super) fn live(effects: &[Effect], known: &[Registers]) -> Vec<Registers> {
    fixed_point(effects, |live| {
        let mut changed = false;
        for (at, effect) in effects.iter().enumerate().rev() {
            let mut before = live_after(effect, live) & !effect.writes;
            if affects_branch(effect, known[at], live) {
                before |= effect.reads;
            }
            changed |= before != live[at];
            live[at] = before;
        }
        changed
    })
}

/// Whether an instruction branches, or computes a register that a branch depends on, with a result that may be known.
pub(super) fn affects_branch(effect: &Effect, known: Registers, live: &[Registers]) -> bool {
    must_be_followed(effect, live) && result_may_be_known(effect, known)
}

/// Whether an instruction branches or changes a register that a branch depends on; others just lead to the next one.
pub(super) fn must_be_followed(effect: &Effect, live: &[Registers]) -> bool {
    effect.branches || live_after(effect, live) & effect.writes != 0
}

/// Whether all operands may be known: one that never is leaves the result unknown.
fn result_may_be_known(effect: &Effect, known: Registers) -> bool {
    effect.computes && effect.reads & !known == 0
}

fn live_after(effect: &Effect, live: &[Registers]) -> Registers {
    let live_at = |to: i64| usize::try_from(to).ok().and_then(|to| live.get(to)).copied().unwrap_or(0);
    effect.next.map_or(0, live_at) | effect.target.map_or(0, live_at)
}

/// Repeats a pass over a section until it changes nothing. Without backward jumps one pass is enough, since each
/// instruction then comes after all those that it depends on. At [`MAX_PASSES`] it gives up: any register is possible.
fn fixed_point(effects: &[Effect], mut pass: impl FnMut(&mut [Registers]) -> bool) -> Vec<Registers> {
    let jumps_back = |(at, effect): (usize, &Effect)| effect.target.is_some_and(|target| target <= at as i64);
    let loops = effects.iter().enumerate().any(jumps_back);
    let mut sets: Vec<Registers> = vec![0; effects.len()];
    for _ in 0..MAX_PASSES {
        let changed = pass(&mut sets);
        if !changed || !loops {
            return sets;
        }
    }
    vec![Registers::MAX; effects.len()]
}
