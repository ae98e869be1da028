//! Reach: which instructions of a section can be run, once relocations have given existence checks their values.
//!
//! libbpf replaces an instruction whose relocation found nothing by an invalid one, and the kernel's verifier refuses a
//! program that can run it. A check such as `bpf_core_field_exists` becomes a constant, and the verifier never goes down
//! the branch that it rules out. This is that part of the verifier: constants in registers, followed through branches.

mod bearing;
mod insn;

use crate::btf::Endian;
use insn::{
    CLASS_ALU, CLASS_ALU64, CLASS_JMP, CLASS_JMP32, CLASS_LD, CLASS_LDX, CLOBBERED, Effect, Insn, LD_IMM64,
    OP_CALL, OP_EXIT, OP_JA, State,
};

/// What a relocation does to an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Patch {
    /// Its immediate becomes this value, if it has one.
    Value(u64),
    /// It becomes invalid.
    Poison,
}

/// A section's instructions, decoded, so that one section can be followed for many kernels.
pub struct Flow {
    insns: Vec<Insn>,
    /// Where programs and subprograms begin, whose registers may hold anything.
    entries: Vec<usize>,
    /// For each instruction that is entered otherwise than from the one before its number among these, else
    /// [`NO_JOIN`]; only there ways can join.
    joins: Vec<u32>,
    join_count: u32,
    /// Instructions that compute or compare what may be known and what a branch can hang on.
    decides: Vec<bool>,
    /// For each instruction the first one from there that is looked at; those before it only follow each other.
    looked_at: Vec<u32>,
}

const NO_JOIN: u32 = u32::MAX;

impl Flow {
    /// Decodes a section; `entries` are the indices where programs and subprograms begin.
    pub(crate) fn new(code: &[u8], endian: Endian, entries: Vec<usize>) -> Self {
        let (code, _) = code.as_chunks();
        let insns: Vec<Insn> = code.iter().map(|bytes| Insn::decode(*bytes, endian)).collect();
        let mut joins = vec![NO_JOIN; insns.len()];
        let mut join_count = 0;
        let mut join = |at: i64| {
            let join = usize::try_from(at).ok().and_then(|at| joins.get_mut(at));
            if let Some(join) = join.filter(|join| **join == NO_JOIN) {
                *join = join_count;
                join_count += 1;
            }
        };
        entries.iter().for_each(|&entry| join(entry as i64));
        for (at, insn) in insns.iter().enumerate() {
            let next = at as i64 + 1;
            match insn.class() {
                CLASS_JMP | CLASS_JMP32 => insn.target(next).into_iter().for_each(&mut join),
                // Its second half may be jumped to, as an instruction of its own that leads to the same place.
                CLASS_LD if insn.code == LD_IMM64 => join(next + 1),
                _ => {}
            }
        }
        let effects: Vec<Effect> = insns.iter().enumerate().map(|(at, insn)| insn.effect(at)).collect();
        let known = bearing::may_be_known(&effects);
        let live = bearing::live(&effects, &known);
        let decides =
            effects.iter().zip(&known).map(|(effect, &known)| bearing::decides(effect, known, &live));
        let decides = decides.collect();
        let mut looked_at = vec![0; insns.len()];
        let mut next = insns.len() as u32;
        for (at, insn) in insns.iter().enumerate().rev() {
            // The second half of a 64-bit load is stepped over.
            let wide = insn.code == LD_IMM64;
            if wide || joins[at] != NO_JOIN || bearing::counts(&effects[at], &live) {
                next = at as u32;
            }
            looked_at[at] = next;
        }
        Self { insns, entries, joins, join_count, decides, looked_at }
    }

    /// Whether a branch can hang on the value that a relocation gives an instruction; branches that can are among them.
    pub fn decides(&self, insn: usize) -> bool {
        self.decides.get(insn) == Some(&true)
    }

    /// Tells which instructions can be run, by index; `patches` are by index too.
    ///
    /// What is not followed exactly (memory, calls) is taken for unknown, so an instruction that is not reached here
    /// never runs.
    pub fn reached(&self, patches: impl IntoIterator<Item = (usize, Patch)>) -> Vec<bool> {
        let count = self.insns.len();
        // For each instruction 0, or the place of its patch plus one.
        let (mut patched, mut given) = (vec![0u32; count], Vec::new());
        for (at, patch) in patches {
            if let Some(patched) = patched.get_mut(at) {
                given.push((at, patch));
                *patched = given.len() as u32;
            }
        }
        let patch = |at: usize| (patched[at] as usize).checked_sub(1).map(|place| given[place].1);
        let mut poisoned: Vec<usize> = given.iter().map(|&(at, _)| at).collect();
        poisoned.retain(|&at| patch(at) == Some(Patch::Poison));
        poisoned.sort_unstable();
        let mut reached = vec![false; count];
        let mut ways = Ways { flow: self, states: vec![None; self.join_count as usize], work: Vec::new() };
        for &entry in &self.entries {
            ways.lead(entry as i64, &State::UNKNOWN);
        }
        while let Some(begin) = ways.work.pop() {
            let Some(mut state) = ways.state(begin) else { continue };
            let mut at = begin;
            loop {
                reached[at] = true;
                let value = match patch(at) {
                    // What the verifier meets here it refuses, so nothing behind it is reached this way.
                    Some(Patch::Poison) => break,
                    Some(Patch::Value(value)) => Some(value),
                    None => None,
                };
                let Some(next) = self.step(at, self.insns[at], value, &mut state, &mut ways) else { break };
                let end = self.looked_at.get(next).map_or(count, |&end| end as usize);
                let stop = poisoned.get(poisoned.partition_point(|&at| at < next));
                if let Some(&stop) = stop.filter(|&&stop| stop < end) {
                    reached[next..=stop].fill(true);
                    break;
                }
                if next < end {
                    reached[next..end].fill(true);
                }
                if end == count {
                    break;
                }
                if self.joins[end] != NO_JOIN {
                    ways.lead(end as i64, &state);
                    break;
                }
                at = end;
            }
        }
        reached
    }

    /// Runs one instruction: branches go to `ways`; returned is the instruction that follows without a branch, if any.
    fn step(
        &self,
        at: usize,
        insn: Insn,
        value: Option<u64>,
        state: &mut State,
        ways: &mut Ways<'_>,
    ) -> Option<usize> {
        match insn.class() {
            CLASS_LD if insn.code == LD_IMM64 => {
                let high = self.insns.get(at + 1).map_or(0, |second| second.imm.cast_unsigned());
                let own = u64::from(high) << 32 | u64::from(insn.imm.cast_unsigned());
                // A source register marks a map, a function or a symbol, whose address is not known here.
                state.set(insn.dst, (insn.src == 0).then_some(value.unwrap_or(own)));
                return Some(at + 2);
            }
            CLASS_ALU | CLASS_ALU64 => {
                let result = if self.decides[at] { insn.compute(state, value) } else { None };
                state.set(insn.dst, result);
            }
            CLASS_JMP | CLASS_JMP32 => return self.jump(insn, state, at, ways),
            CLASS_LDX => state.forget(1 << insn.dst),
            // Old-style packet loads return in the first register and clobber the next five.
            CLASS_LD => state.forget(CLOBBERED | 1 << insn.dst),
            // A store; an atomic one may fetch into its source or into the first register.
            _ => {
                if insn.code & 0xe0 == 0xc0 {
                    state.forget(1 << insn.src | 1);
                }
            }
        }
        Some(at + 1)
    }

    /// Follows a jump or call to where it can go; returned is the next instruction if that is one of them.
    fn jump(&self, insn: Insn, state: &mut State, at: usize, ways: &mut Ways<'_>) -> Option<usize> {
        let next = at + 1;
        let target = insn.target(next as i64);
        let mut lead = |state: &State| target.into_iter().for_each(|to| ways.lead(to, state));
        match insn.operation() {
            OP_EXIT => None,
            OP_CALL => {
                // The callee's registers may hold anything.
                lead(&State::UNKNOWN);
                state.forget(CLOBBERED);
                Some(next)
            }
            OP_JA => {
                lead(state);
                None
            }
            _ => {
                let taken = if self.decides[at] { insn.is_taken(state) } else { None };
                if taken != Some(false) {
                    lead(state);
                }
                (taken != Some(true)).then_some(next)
            }
        }
    }
}

/// What is known where ways join, and from where there is more to follow.
struct Ways<'f> {
    flow: &'f Flow,
    /// By the joins' numbers.
    states: Vec<Option<State>>,
    work: Vec<usize>,
}

impl Ways<'_> {
    fn state(&self, at: usize) -> Option<State> {
        *self.states.get(self.flow.joins[at] as usize)?
    }

    /// A way leads to a join, if there is an instruction.
    fn lead(&mut self, to: i64, state: &State) {
        let Some(to) = usize::try_from(to).ok().filter(|&to| to < self.flow.joins.len()) else { return };
        let Some(known) = self.states.get_mut(self.flow.joins[to] as usize) else { return };
        let joined = known.map_or(*state, |known| known.join(state));
        if *known != Some(joined) {
            *known = Some(joined);
            self.work.push(to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Assembles instructions: code, registers (destination low), offset, immediate.
    fn code(insns: &[(u8, u8, i16, i32)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(code, registers, off, imm) in insns {
            bytes.extend_from_slice(&[code, registers]);
            bytes.extend_from_slice(&off.to_le_bytes());
            bytes.extend_from_slice(&imm.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_check_that_came_out_false_guards_what_it_guards() {
        // r1 = exists; if r1 == 0 goto +1; r0 = *(r6 + poisoned); exit
        let guarded = code(&[(0xb7, 1, 0, 1), (0x15, 1, 1, 0), (0x79, 0x60, 8, 0), (0x95, 0, 0, 0)]);
        let check = |check: u64, expect: [bool; 4]| {
            let patches = [(0, Patch::Value(check)), (2, Patch::Poison)];
            assert_eq!(
                Flow::new(&guarded, Endian::Little, vec![0]).reached(patches),
                expect,
                "check is {check}"
            );
        };
        check(0, [true, true, false, true]);
        check(1, [true, true, true, false]);
    }

    #[test]
    fn follows_constants_and_joins() {
        let check = |insns: &[(u8, u8, i16, i32)], expect: &[usize]| {
            let reached = Flow::new(&code(insns), Endian::Little, vec![0]).reached([]);
            let got: Vec<usize> = (0..insns.len()).filter(|&at| reached[at]).collect();
            assert_eq!(got, expect, "{insns:?}");
        };
        // The second half of a 64-bit load is no instruction.
        check(
            &[(0x18, 1, 0, 0), (0, 0, 0, 1), (0x55, 1, 1, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)],
            &[0, 2, 4],
        );
        // Unknown goes both ways; a constant that both ways share survives.
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
        // A loop ends; a jump out of the section goes nowhere.
        check(&[(0x07, 1, 0, 1), (0x55, 1, -2, 9), (0x05, 0, 100, 0)], &[0, 1, 2]);
        // Behind a 64-bit load what holds after it joins with what holds after its second half, which is jumped to.
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
        // A call forgets what it may change, and reaches the callee.
        check(
            &[(0xb7, 1, 0, 0), (0x85, 0x10, 0, 2), (0x55, 1, 0, 0), (0x95, 0, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2, 3, 4],
        );
    }

    /// Random code, followed as it is and with every instruction looked at.
    #[test]
    fn what_is_not_looked_at_makes_no_difference() {
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
                0 => (at, Patch::Poison),
                _ => (at, Patch::Value(u64::from(random.u8(..3)))),
            };
            let patches: Vec<(usize, Patch)> = (0..len).step_by(3).map(patch).collect();
            let entries = vec![0, len / 2];
            let flow = Flow::new(&code(&insns), Endian::Little, entries.clone());
            let mut plain = Flow::new(&code(&insns), Endian::Little, entries);
            plain.decides.fill(true);
            plain.looked_at = (0..len as u32).collect();
            let reached = flow.reached(patches.iter().copied());
            assert_eq!(reached, plain.reached(patches.iter().copied()), "{insns:x?} {patches:?}");
            let deciding =
                patches.iter().copied().filter(|&(at, patch)| flow.decides(at) || patch == Patch::Poison);
            assert_eq!(reached, flow.reached(deciding), "{insns:x?} {patches:?}");
            ruled_out += usize::from(
                reached != flow.reached(patches.iter().copied().filter(|it| it.1 == Patch::Poison)),
            );
        }
        assert!(ruled_out > 100, "values made a difference {ruled_out} times");
    }

    #[test]
    fn tells_what_a_branch_can_hang_on() {
        let check = |insns: &[(u8, u8, i16, i32)], expect: &[usize]| {
            let flow = Flow::new(&code(insns), Endian::Little, vec![0]);
            let got: Vec<usize> = (0..insns.len()).filter(|&at| flow.decides(at)).collect();
            assert_eq!(got, expect, "{insns:?}");
        };
        // r1 = 8; r3 += r1; call; if r0 == 0: an offset decides nothing.
        check(
            &[(0xb7, 1, 0, 8), (0x0f, 0x13, 0, 0), (0x85, 0, 0, 113), (0x15, 0, 0, 0), (0x95, 0, 0, 0)],
            &[],
        );
        // r1 = 1; r2 = r1; w2 &= 1; if r2 == 0: each of them does, and the branch.
        check(
            &[(0xb7, 1, 0, 1), (0xbf, 0x12, 0, 0), (0x54, 2, 0, 1), (0x15, 2, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2, 3],
        );
        // r1 = 8; r6 += r1; if r6 == 0: r6 is not known whatever the offset.
        check(&[(0xb7, 1, 0, 8), (0x0f, 0x16, 0, 0), (0x15, 6, 0, 0), (0x95, 0, 0, 0)], &[]);
        // r1 = 1 ll; r2 = 5; r1 = 7; loop: r2 -= r1; if r2 != 0 goto loop: not what is overwritten.
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
