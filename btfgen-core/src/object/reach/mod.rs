//! Reachability: which instructions of a section can run, once relocations have given existence checks their values.
//!
//! libbpf poisons an instruction whose relocation matches no candidate, and the kernel's verifier refuses a program that
//! can reach it. A check such as `bpf_core_field_exists` becomes a constant, and the verifier does not follow a branch
//! that this constant rules out. This module is that part of the verifier: constant propagation through branches.

mod branches;
mod insn;
mod loads;

use crate::btf::Endian;
use crate::memo::Memo;
use insn::{
    CALL_ELSEWHERE, CLASS_ALU, CLASS_ALU64, CLASS_JMP, CLASS_JMP32, CLASS_LD, CLASS_LDX, CLOBBERED, Effect,
    INSN_LEN, LD_IMM64, OP_CALL, OP_EXIT, OP_JA, State,
};

pub use insn::Insn;
pub(super) use loads::{Load, loads_from};

/// Index of an instruction in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InsnIndex(u32);

impl InsnIndex {
    /// The instruction at a byte offset of its section.
    pub fn from_offset(offset_bytes: u32) -> Self {
        Self(offset_bytes / INSN_LEN as u32)
    }

    /// Its byte offset in the section.
    pub fn offset(self) -> u32 {
        self.0.saturating_mul(INSN_LEN as u32)
    }

    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A relocation's change to an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patch {
    /// The value becomes its immediate or offset, or the result of a setting's load.
    Value(u64),
    /// It becomes an invalid instruction.
    Poison,
}

/// A section's instructions, decoded once to be followed for many kernels.
#[derive(Clone)]
pub struct ControlFlow {
    insns: Vec<Insn>,
    /// First instructions of programs and subprograms; registers are unknown there.
    entries: Vec<InsnIndex>,
    /// For each instruction whether it can be entered other than from the one before it: paths join there.
    joins: Vec<bool>,
    /// For each instruction whether it can affect a branch with a known value.
    affects_branch: Vec<bool>,
    /// For each instruction whether it refers to a symbol, so that it loads an address and not its immediate.
    addresses: Vec<bool>,
}

/// Decodes a section's instructions. The second half of a 64-bit load is left out.
pub(super) fn insns(code: &[u8], endian: Endian) -> impl Iterator<Item = (InsnIndex, Insn)> {
    let (code, _) = code.as_chunks();
    let mut is_second_half = false;
    (0..).map(InsnIndex).zip(code.iter().map(move |bytes| Insn::decode(*bytes, endian))).filter(
        move |(_, insn)| {
            let keep = !is_second_half;
            is_second_half = keep && insn.code == LD_IMM64;
            keep
        },
    )
}

/// The instructions of a section that can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reachable(Vec<bool>);

impl Reachable {
    /// Whether an instruction can run; true outside of the section, where it is unknown.
    pub fn contains(&self, insn: InsnIndex) -> bool {
        self.0.get(insn.index()).is_none_or(|&reachable| reachable)
    }

    /// Adds the instructions that can run in another case.
    pub(crate) fn insert_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own |= other);
    }

    /// Keeps the instructions that can run in another case, too.
    pub(crate) fn retain(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own &= other);
    }

    /// The instructions that can run, in order.
    pub fn insns(&self) -> impl Iterator<Item = InsnIndex> {
        (0..self.0.len() as u32)
            .zip(&self.0)
            .filter(|(_, reachable)| **reachable)
            .map(|(at, _)| InsnIndex(at))
    }
}

impl ControlFlow {
    /// Decodes a section; programs and subprograms begin at `entries`, `addresses` refer to symbols, and `settings` load
    /// settings.
    pub(crate) fn new(
        code: &[u8],
        endian: Endian,
        entries: Vec<InsnIndex>,
        addresses: impl Iterator<Item = InsnIndex>,
        settings: impl Iterator<Item = InsnIndex>,
    ) -> Self {
        let mut flow = Self::decode(code, endian, entries, addresses);
        let mut effects: Vec<Effect> =
            flow.insns.iter().enumerate().map(|(at, insn)| insn.effect(at)).collect();
        for at in settings.map(InsnIndex::index) {
            effects[at].computes = true;
        }
        let known = branches::possibly_known(&effects);
        let live = branches::live(&effects, &known);
        let affects_branch =
            effects.iter().zip(&known).map(|(effect, &known)| branches::affects_branch(effect, known, &live));
        flow.affects_branch = affects_branch.collect();
        flow
    }

    /// Decodes a section, without finding what affects a branch.
    fn decode(
        code: &[u8],
        endian: Endian,
        entries: Vec<InsnIndex>,
        addresses: impl Iterator<Item = InsnIndex>,
    ) -> Self {
        let (code, _) = code.as_chunks();
        let mut insns: Vec<Insn> = code.iter().map(|bytes| Insn::decode(*bytes, endian)).collect();
        let mut is_address = vec![false; insns.len()];
        for at in addresses.map(InsnIndex::index).filter(|&at| at < code.len()) {
            is_address[at] = true;
            // The target of such a call is not in its immediate. It is another section's, a kernel function or an entry.
            if insns[at].is_call() {
                insns[at].src = CALL_ELSEWHERE;
            }
        }
        let mut joins = vec![false; insns.len()];
        let mut join = |at: i64| {
            if let Some(join) = usize::try_from(at).ok().and_then(|at| joins.get_mut(at)) {
                *join = true;
            }
        };
        entries.iter().for_each(|&entry| join(entry.0.into()));
        for (at, insn) in insns.iter().enumerate() {
            let next = at as i64 + 1;
            match insn.class() {
                CLASS_JMP | CLASS_JMP32 => insn.target(next).into_iter().for_each(&mut join),
                // A jump into its second half continues after it too.
                CLASS_LD if insn.code == LD_IMM64 => join(next + 1),
                _ => {}
            }
        }
        Self { insns, entries, joins, affects_branch: Vec::new(), addresses: is_address }
    }

    /// Whether a value patched into an instruction can affect a branch. Branches themselves are included.
    pub fn affects_branch(&self, insn: InsnIndex) -> bool {
        self.affects_branch.get(insn.index()) == Some(&true)
    }

    /// Finds the instructions that can run once relocations have patched some.
    ///
    /// Results of calls are unknown, and those of loads unless a setting's is patched. So an instruction that is not found
    /// here never runs.
    pub fn reachable(&self, patches: impl IntoIterator<Item = (InsnIndex, Patch)>) -> Reachable {
        let mut reachable = vec![false; self.insns.len()];
        self.follow(patches, |at, _| reachable[at] = true);
        Reachable(reachable)
    }

    /// Follows all paths. Each instruction that can run is visited with the values before it, last with those that all
    /// paths to it agree on.
    fn follow(
        &self,
        patches: impl IntoIterator<Item = (InsnIndex, Patch)>,
        mut visit: impl FnMut(usize, &State),
    ) {
        let count = self.insns.len();
        let mut patch_at: Vec<Option<Patch>> = vec![None; count];
        for (insn, patch) in patches {
            if let Some(slot) = patch_at.get_mut(insn.index()) {
                *slot = Some(patch);
            }
        }
        let mut paths = Paths { joins: &self.joins, states: Memo::default(), open: Vec::new() };
        for &entry in &self.entries {
            paths.enter(entry.0.into(), &State::UNKNOWN);
        }
        while let Some((mut at, mut state)) = paths.next() {
            while at < count {
                visit(at, &state);
                let value = match patch_at[at] {
                    // The verifier stops here and refuses the program.
                    Some(Patch::Poison) => break,
                    Some(Patch::Value(value)) => Some(value),
                    None => None,
                };
                let Some(next) = self.step(at, self.insns[at], value, &mut state, &mut paths) else { break };
                if self.joins.get(next) == Some(&true) {
                    paths.enter(next as i64, &state);
                    break;
                }
                at = next;
            }
        }
    }

    /// Runs one instruction. Branches are added to `paths`; returns the next instruction, if the path continues there.
    fn step(
        &self,
        at: usize,
        insn: Insn,
        value: Option<u64>,
        state: &mut State,
        paths: &mut Paths<'_>,
    ) -> Option<usize> {
        match insn.class() {
            CLASS_LD if insn.code == LD_IMM64 => {
                let high = self.insns.get(at + 1).map_or(0, |second| second.imm.cast_unsigned());
                let own = u64::from(high) << 32 | u64::from(insn.imm.cast_unsigned());
                // A reference to a symbol or a source register other than 0 marks a map, function or extern. Its address is
                // unknown, and 0 for a weak extern that is missing.
                let is_constant = insn.src == 0 && !self.addresses[at];
                state.set(insn.dst, value.filter(|_| insn.src == 0).or(is_constant.then_some(own)));
                return Some(at + 2);
            }
            CLASS_ALU | CLASS_ALU64 => {
                let result = if self.affects_branch[at] { insn.compute(state, value) } else { None };
                state.set(insn.dst, result);
            }
            CLASS_JMP | CLASS_JMP32 => return self.jump(insn, state, at, paths),
            // Of loads only those of settings can affect a branch. A relocation patches another load's offset.
            CLASS_LDX => state.set(insn.dst, value.filter(|_| self.affects_branch[at])),
            // Legacy packet loads return in register 0 and clobber the next five.
            CLASS_LD => state.forget(CLOBBERED | 1 << insn.dst),
            // A store; an atomic one may fetch into its source or into register 0.
            _ => {
                if insn.is_atomic() {
                    state.forget(1 << insn.src | 1);
                }
            }
        }
        Some(at + 1)
    }

    /// Follows a jump or call; returns the next instruction, if the path continues there.
    fn jump(&self, insn: Insn, state: &mut State, at: usize, paths: &mut Paths<'_>) -> Option<usize> {
        let next = at + 1;
        let target = insn.target(next as i64);
        let mut branch = |state: &State| target.into_iter().for_each(|to| paths.enter(to, state));
        match insn.operation() {
            OP_EXIT => None,
            OP_CALL => {
                // The callee may be called from elsewhere too, so its registers are unknown.
                branch(&State::UNKNOWN);
                state.forget(CLOBBERED);
                Some(next)
            }
            OP_JA => {
                branch(state);
                None
            }
            _ => {
                let taken = if self.affects_branch[at] { insn.is_taken(state) } else { None };
                if taken != Some(false) {
                    branch(state);
                }
                (taken != Some(true)).then_some(next)
            }
        }
    }
}

/// The paths through a section: the known values at each join, and the instructions to continue from.
struct Paths<'f> {
    joins: &'f [bool],
    /// By instruction; missing if no path has reached the join.
    states: Memo<usize, State>,
    open: Vec<usize>,
}

impl Paths<'_> {
    /// A join to continue from, with the values known there.
    fn next(&mut self) -> Option<(usize, State)> {
        let at = self.open.pop()?;
        Some((at, *self.states.get(&at)?))
    }

    /// Adds a path to a join; a jump out of the section has no effect.
    fn enter(&mut self, to: i64, state: &State) {
        let Some(to) = usize::try_from(to).ok().filter(|&to| self.joins.get(to) == Some(&true)) else {
            return;
        };
        let joined = self.states.get(&to).map_or(*state, |known| known.join(state));
        if self.states.insert(to, joined) != Some(joined) {
            self.open.push(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter::{empty, once};

    use super::*;

    /// Assembles instructions: code, registers (destination low), offset, immediate.
    pub(super) fn code(insns: &[(u8, u8, i16, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(code, registers, off, imm) in insns {
            bytes.extend_from_slice(&[code, registers]);
            bytes.extend_from_slice(&off.to_le_bytes());
            bytes.extend_from_slice(&imm.to_le_bytes());
        }
        bytes
    }

    fn flow(insns: &[u8], entries: &[u32]) -> ControlFlow {
        let entries = entries.iter().map(|&entry| InsnIndex(entry)).collect();
        ControlFlow::new(insns, Endian::Little, entries, empty(), empty())
    }

    #[test]
    fn a_failed_check_makes_its_branch_unreachable() {
        // r1 = exists; if r1 == 0 goto +1; r0 = *(r6 + poisoned); exit
        let guarded = code(&[(0xb7, 1, 0, 1), (0x15, 1, 1, 0), (0x79, 0x60, 8, 0), (0x95, 0, 0, 0)]);
        let check = |check: u64, expect: [bool; 4]| {
            let patches = [(InsnIndex(0), Patch::Value(check)), (InsnIndex(2), Patch::Poison)];
            assert_eq!(flow(&guarded, &[0]).reachable(patches).0, expect, "check is {check}");
        };
        check(0, [true, true, false, true]);
        check(1, [true, true, true, false]);
    }

    #[test]
    fn follows_constants_and_joins() {
        let check = |insns: &[(u8, u8, i16, i32)], expect: &[usize]| {
            let Reachable(reached) = flow(&code(insns), &[0]).reachable([]);
            let got: Vec<usize> = (0..insns.len()).filter(|&at| reached[at]).collect();
            assert_eq!(got, expect, "{insns:?}");
        };
        // The second half of a 64-bit load is not an instruction.
        check(
            &[(0x18, 1, 0, 0), (0, 0, 0, 1), (0x55, 1, 1, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)],
            &[0, 2, 4],
        );
        // An unknown value goes both ways; a constant that both paths share is kept.
        check(
            &[
                (0xb7, 2, 0, 7),
                (0x15, 1, 1, 0),
                (0xbf, 0x23, 0, 0),
                (0x55, 2, 1, 7),
                (0x95, 0, 0, 0),
                (0x95, 0, 0, 0),
            ],
            &[0, 1, 2, 3, 4],
        );
        // 32-bit arithmetic drops the upper half: w1 = -1; w1 += 1; if r1 == 0.
        check(
            &[(0xb4, 1, 0, -1), (0x04, 1, 0, 1), (0x15, 1, 1, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2, 4],
        );
        // A loop ends; a jump out of the section has no effect.
        check(&[(0x07, 1, 0, 1), (0x55, 1, -2, 9), (0x05, 0, 100, 0)], &[0, 1, 2]);
        // After a 64-bit load its path joins with the one that jumps to its second half.
        check(
            &[
                (0xb7, 2, 0, 0),
                (0x15, 1, 1, 0),
                (0x18, 2, 0, 1),
                (0xb7, 3, 0, 0),
                (0x55, 2, 1, 0),
                (0x95, 0, 0, 0),
                (0x95, 0, 0, 0),
            ],
            &[0, 1, 2, 3, 4, 5, 6],
        );
        // A call clobbers registers, and reaches the callee.
        check(
            &[(0xb7, 1, 0, 0), (0x85, 0x10, 0, 2), (0x55, 1, 0, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2, 3, 4],
        );
    }

    #[test]
    fn an_address_is_unknown_unless_patched() {
        // r1 = &weak_extern ll; if r1 == 0 goto +1; exit; exit
        let guarded =
            code(&[(0x18, 1, 0, 0), (0, 0, 0, 0), (0x15, 1, 1, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)]);
        let flow =
            ControlFlow::new(&guarded, Endian::Little, vec![InsnIndex(0)], once(InsnIndex(0)), empty());
        let check = |patches: &[(InsnIndex, Patch)], expect: [bool; 5]| {
            assert_eq!(flow.reachable(patches.iter().copied()).0, expect, "{patches:?}");
        };
        check(&[], [true, false, true, true, true]);
        check(&[(InsnIndex(0), Patch::Value(0))], [true, false, true, false, true]);
        check(&[(InsnIndex(0), Patch::Value(1))], [true, false, true, true, false]);
    }

    #[test]
    fn a_call_of_a_symbol_keeps_what_is_known() {
        // r6 = 0; call extern; if r6 != 0 goto +1; exit; exit
        let insns =
            code(&[(0xb7, 6, 0, 0), (0x85, 0x10, 0, -1), (0x55, 6, 1, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)]);
        let addresses = once(InsnIndex(1));
        let flow = ControlFlow::new(&insns, Endian::Little, vec![InsnIndex(0)], addresses, empty());
        assert_eq!(flow.reachable([]).0, [true, true, true, true, false]);
    }

    /// Random code, followed with and without the values that affect no branch.
    #[test]
    fn values_that_affect_no_branch_make_no_difference() {
        let mut random = fastrand::Rng::with_seed(5);
        let codes = [
            0xb7, 0xbf, 0xb4, 0x07, 0x0f, 0x1f, 0x57, 0x67, 0x87, 0x15, 0x55, 0x1d, 0x25, 0x16, 0x05, 0x85,
            0x18, 0x79, 0x7b, 0xdb, 0x20, 0x95,
        ];
        let mut ruled_out = 0;
        for _ in 0..20_000 {
            let len = random.usize(2..40);
            let insns: Vec<(u8, u8, i16, i32)> = (0..len)
                .map(|_| {
                    let code = codes[random.usize(..codes.len())];
                    let src = if code == 0x18 && random.bool() { 0 } else { random.u8(..4) };
                    // Few jumps back, as in compilers' code.
                    let off = if random.u8(..16) == 0 { random.i16(-8..0) } else { random.i16(..8) };
                    let off = if matches!(code & 7, 5 | 6) { off } else { 0 };
                    (code, random.u8(..4) | src << 4, off, random.i32(-1..3))
                })
                .collect();
            let patch = |at| match random.u8(..3) {
                0 => (InsnIndex(at), Patch::Poison),
                _ => (InsnIndex(at), Patch::Value(u64::from(random.u8(..3)))),
            };
            let patches: Vec<(InsnIndex, Patch)> = (0..len as u32).step_by(3).map(patch).collect();
            let entries = [0, len as u32 / 2];
            let mut plain = flow(&code(&insns), &entries);
            plain.affects_branch = plain.insns.iter().map(|insn| insn.class() != CLASS_LDX).collect();
            let flow = flow(&code(&insns), &entries);
            let reached = flow.reachable(patches.iter().copied());
            assert_eq!(reached, plain.reachable(patches.iter().copied()), "{insns:x?} {patches:?}");
            let relevant = patches
                .iter()
                .copied()
                .filter(|&(at, patch)| flow.affects_branch(at) || patch == Patch::Poison);
            assert_eq!(reached, flow.reachable(relevant), "{insns:x?} {patches:?}");
            ruled_out += usize::from(
                reached != flow.reachable(patches.iter().copied().filter(|it| it.1 == Patch::Poison)),
            );
        }
        assert!(ruled_out > 100, "values made a difference {ruled_out} times");
    }

    #[test]
    fn finds_what_affects_a_branch() {
        let check = |insns: &[(u8, u8, i16, i32)], expect: &[usize]| {
            let flow = flow(&code(insns), &[0]);
            let got: Vec<usize> = (0..insns.len()).filter(|&at| flow.affects_branch[at]).collect();
            assert_eq!(got, expect, "{insns:?}");
        };
        // r1 = 8; r3 += r1; call; if r0 == 0: the offset has no effect.
        check(
            &[(0xb7, 1, 0, 8), (0x0f, 0x13, 0, 0), (0x85, 0, 0, 113), (0x15, 0, 0, 0), (0x95, 0, 0, 0)],
            &[],
        );
        // r1 = 1; r2 = r1; w2 &= 1; if r2 == 0: each of them has, and the branch.
        check(
            &[(0xb7, 1, 0, 1), (0xbf, 0x12, 0, 0), (0x54, 2, 0, 1), (0x15, 2, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2, 3],
        );
        // r1 = 8; r6 += r1; if r6 == 0: r6 is unknown in any case.
        check(&[(0xb7, 1, 0, 8), (0x0f, 0x16, 0, 0), (0x15, 6, 0, 0), (0x95, 0, 0, 0)], &[]);
        // r1 = 1 ll; r2 = 5; r1 = 7; loop: r2 -= r1; if r2 != 0 goto loop: the overwritten value has no effect.
        check(
            &[
                (0x18, 1, 0, 1),
                (0, 0, 0, 0),
                (0xb7, 2, 0, 5),
                (0xb7, 1, 0, 7),
                (0x1f, 0x12, 0, 0),
                (0x55, 2, -2, 0),
                (0x95, 0, 0, 0),
            ],
            &[2, 3, 4, 5],
        );
    }
}
