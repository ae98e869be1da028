//! Branches: which instructions can affect one. Found once per section, for all kernels.

use super::insn::{Effect, Registers};

/// Limit on the passes over a section; the loops of compilers take three or four.
const MAX_PASSES: usize = 16;

/// For each instruction the registers that may have a known value before it, whichever branches are taken.
pub(super) fn possibly_known(effects: &[Effect]) -> Vec<Registers> {
    fixed_point(effects.len(), |known| {
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
    fixed_point(effects.len(), |live| {
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
    let is_used = effect.branches || live_after(effect, live) & effect.writes != 0;
    is_used && result_may_be_known(effect, known)
}

/// Whether all operands may be known: one that never is leaves the result unknown.
fn result_may_be_known(effect: &Effect, known: Registers) -> bool {
    effect.computes && effect.reads & !known == 0
}

fn live_after(effect: &Effect, live: &[Registers]) -> Registers {
    let live_at = |to: i64| usize::try_from(to).ok().and_then(|to| live.get(to)).copied().unwrap_or(0);
    effect.next.map_or(0, live_at) | effect.target.map_or(0, live_at)
}

/// Repeats a pass over a section's instructions until it changes nothing. At [`MAX_PASSES`] it gives up: any register is
/// possible.
fn fixed_point(insns: usize, mut pass: impl FnMut(&mut [Registers]) -> bool) -> Vec<Registers> {
    let mut sets: Vec<Registers> = vec![0; insns];
    for _ in 0..MAX_PASSES {
        if !pass(&mut sets) {
            return sets;
        }
    }
    vec![Registers::MAX; insns]
}
