//! Reach: which instructions of a section can be run, once relocations have given existence checks their values.
//!
//! libbpf replaces an instruction whose relocation found nothing by an invalid one, and the kernel's verifier refuses a
//! program that can run it. A check such as `bpf_core_field_exists` becomes a constant, and the verifier never goes down
//! the branch that it rules out. This is that part of the verifier: constants in registers, followed through branches.

use crate::btf::Endian;

const INSN_LEN: usize = 8;
const REGISTERS: usize = 11;

// Instruction classes and operations, as `include/uapi/linux/bpf.h` numbers them.
const CLASS_LD: u8 = 0;
const CLASS_LDX: u8 = 1;
const CLASS_ALU: u8 = 4;
const CLASS_JMP: u8 = 5;
const CLASS_JMP32: u8 = 6;
const CLASS_ALU64: u8 = 7;
const LD_IMM64: u8 = 0x18;
const OP_JA: u8 = 0x00;
const OP_CALL: u8 = 0x80;
const OP_EXIT: u8 = 0x90;
const OP_MOV: u8 = 0xb0;

/// A register's value if it is known.
type Register = Option<u64>;
type State = [Register; REGISTERS];

#[derive(Clone, Copy)]
struct Insn {
    code: u8,
    dst: usize,
    src: usize,
    off: i16,
    imm: i32,
}

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
    /// Instructions that are entered otherwise than from the one before; only there ways can join.
    joins: Vec<bool>,
    /// Instructions whose result a branch can hang on.
    decides: Vec<bool>,
}

impl Flow {
    /// Decodes a section; `entries` are the indices where programs and subprograms begin.
    pub(crate) fn new(code: &[u8], endian: Endian, entries: Vec<usize>) -> Self {
        let insns: Vec<Insn> = code.chunks_exact(INSN_LEN).map(|bytes| Insn::decode(bytes, endian)).collect();
        let mut joins = vec![false; insns.len()];
        let mut join = |at: i64| {
            if let Some(join) = usize::try_from(at).ok().and_then(|at| joins.get_mut(at)) {
                *join = true;
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
        let decides = deciding(&insns);
        Self { insns, entries, joins, decides }
    }

    /// Whether a branch can hang on the value that a relocation gives an instruction.
    pub fn decides(&self, insn: usize) -> bool {
        self.decides.get(insn) == Some(&true)
    }

    /// Tells which instructions can be run, by index; `patches` are by index too.
    ///
    /// What is not followed exactly (memory, calls) is taken for unknown, so an instruction that is not reached here
    /// never runs.
    pub fn reached(&self, patches: &[(usize, Patch)]) -> Vec<bool> {
        let mut patched = vec![None; self.insns.len()];
        for &(at, patch) in patches {
            if let Some(patched) = patched.get_mut(at) {
                *patched = Some(patch);
            }
        }
        let mut reached = vec![false; self.insns.len()];
        let mut ways = Ways { states: vec![None; self.insns.len()], work: Vec::new() };
        for &entry in &self.entries {
            ways.lead(entry as i64, [None; REGISTERS]);
        }
        while let Some(begin) = ways.work.pop() {
            let Some(mut state) = ways.states[begin] else { continue };
            let mut at = begin;
            while let Some(insn) = self.insns.get(at) {
                reached[at] = true;
                let value = match patched[at] {
                    // What the verifier meets here it refuses, so nothing behind it is reached this way.
                    Some(Patch::Poison) => break,
                    Some(Patch::Value(value)) => Some(value),
                    None => None,
                };
                let Some(next) = self.step(at, *insn, value, &mut state, &mut ways) else { break };
                if self.joins.get(next) == Some(&true) {
                    ways.lead(next as i64, state);
                    break;
                }
                at = next;
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
        ways: &mut Ways,
    ) -> Option<usize> {
        match insn.class() {
            CLASS_LD if insn.code == LD_IMM64 => {
                let high = self.insns.get(at + 1).map_or(0, |second| second.imm.cast_unsigned());
                let own = u64::from(high) << 32 | u64::from(insn.imm.cast_unsigned());
                // A source register marks a map, a function or a symbol, whose address is not known here.
                state[insn.dst] = (insn.src == 0).then_some(value.unwrap_or(own));
                return Some(at + 2);
            }
            CLASS_ALU | CLASS_ALU64 => state[insn.dst] = insn.compute(state, value),
            CLASS_JMP | CLASS_JMP32 => return insn.jump(state, at, ways),
            CLASS_LDX => state[insn.dst] = None,
            // Old-style packet loads return in the first register and clobber the next five.
            CLASS_LD => {
                state[insn.dst] = None;
                state[..6].fill(None);
            }
            // A store; an atomic one may fetch into its source or into the first register.
            _ => {
                if insn.code & 0xe0 == 0xc0 {
                    state[insn.src] = None;
                    state[0] = None;
                }
            }
        }
        Some(at + 1)
    }
}

/// A set of registers, by their bits.
type Registers = u16;

/// The registers that a call, or an old-style packet load, leaves unknown.
const CLOBBERED: Registers = 0x3f;

/// Most passes over a section to find what is live; compilers' loops take three or four.
const MAX_PASSES: usize = 16;

/// Tells which instructions compute something that a branch can hang on: liveness, with branches as the only use.
fn deciding(insns: &[Insn]) -> Vec<bool> {
    let mut live: Vec<Registers> = vec![0; insns.len()];
    for _ in 0..MAX_PASSES {
        let mut settled = true;
        for (at, insn) in insns.iter().enumerate().rev() {
            let before = insn.live_before(at, &live);
            settled &= before == live[at];
            live[at] = before;
        }
        if settled {
            let decides = |(at, insn): (usize, &Insn)| match insn.class() {
                CLASS_LD if insn.code == LD_IMM64 => live_at(&live, at as i64 + 2) & 1 << insn.dst != 0,
                CLASS_ALU | CLASS_ALU64 => live_at(&live, at as i64 + 1) & 1 << insn.dst != 0,
                _ => false,
            };
            return insns.iter().enumerate().map(decides).collect();
        }
    }
    vec![true; insns.len()]
}

fn live_at(live: &[Registers], at: i64) -> Registers {
    usize::try_from(at).ok().and_then(|at| live.get(at)).copied().unwrap_or(0)
}

/// What is known where ways join, and from where there is more to follow.
struct Ways {
    states: Vec<Option<State>>,
    work: Vec<usize>,
}

impl Ways {
    /// A way leads to an instruction, if there is one.
    fn lead(&mut self, to: i64, state: State) {
        let Some(known) = usize::try_from(to).ok().and_then(|to| self.states.get_mut(to)) else { return };
        let joined = known.map_or(state, |known| join(known, state));
        if *known != Some(joined) {
            *known = Some(joined);
            self.work.push(to as usize);
        }
    }
}

/// What holds on both ways.
fn join(a: State, b: State) -> State {
    let mut joined = a;
    for (register, other) in joined.iter_mut().zip(b) {
        if *register != other {
            *register = None;
        }
    }
    joined
}

impl Insn {
    fn decode(bytes: &[u8], endian: Endian) -> Self {
        let registers = bytes[1];
        let (low, high) = (usize::from(registers & 0xf), usize::from(registers >> 4));
        let (dst, src) = if endian == Endian::Little { (low, high) } else { (high, low) };
        Self {
            code: bytes[0],
            dst: dst.min(REGISTERS - 1),
            src: src.min(REGISTERS - 1),
            off: endian.u16([bytes[2], bytes[3]]).cast_signed(),
            imm: endian.u32([bytes[4], bytes[5], bytes[6], bytes[7]]).cast_signed(),
        }
    }

    fn class(self) -> u8 {
        self.code & 7
    }

    fn operation(self) -> u8 {
        self.code & 0xf0
    }

    /// The second operand: a register, or the immediate, sign-extended.
    fn operand(self, state: &State) -> Register {
        if self.code & 8 != 0 { state[self.src] } else { Some(i64::from(self.imm).cast_unsigned()) }
    }

    /// The result of an arithmetic instruction, if both operands are known.
    fn compute(self, state: &State, patched: Option<u64>) -> Register {
        let wide = self.class() == CLASS_ALU64;
        let immediate = self.code & 8 == 0;
        // A relocated immediate has 32 bits, which the machine sign-extends.
        let patched =
            patched.filter(|_| immediate).map(|value| i64::from(value as u32 as i32).cast_unsigned());
        let right = patched.or(self.operand(state));
        // A move with an offset sign-extends, and so does division: rare, and left unknown.
        let plain = self.off == 0;
        let result = match self.operation() {
            OP_MOV if plain => right?,
            0x80 if immediate && wide => state[self.dst]?.wrapping_neg(),
            operation => {
                let (left, right) = (state[self.dst]?, right?);
                match operation {
                    0x00 => left.wrapping_add(right),
                    0x10 => left.wrapping_sub(right),
                    0x20 => left.wrapping_mul(right),
                    0x40 => left | right,
                    0x50 => left & right,
                    0x60 if wide => left << (right & 63),
                    0x60 => u64::from((left as u32) << (right & 31)),
                    0x70 if wide => left >> (right & 63),
                    0x70 => u64::from((left as u32) >> (right & 31)),
                    0xa0 => left ^ right,
                    0xc0 if wide => (left.cast_signed() >> (right & 63)).cast_unsigned(),
                    _ => return None,
                }
            }
        };
        Some(if wide { result } else { u64::from(result as u32) })
    }

    /// The registers on whose values before this instruction a branch can hang, from those of the instructions behind it.
    fn live_before(self, at: usize, live: &[Registers]) -> Registers {
        let next = at as i64 + 1;
        let after = live_at(live, next);
        let dst = 1 << self.dst;
        let operand = if self.code & 8 != 0 { 1 << self.src } else { 0 };
        match self.class() {
            CLASS_LD if self.code == LD_IMM64 => live_at(live, next + 1) & !dst,
            CLASS_LD => after & !CLOBBERED & !dst,
            CLASS_LDX => after & !dst,
            CLASS_ALU | CLASS_ALU64 if after & dst == 0 => after,
            CLASS_ALU | CLASS_ALU64 if self.operation() == OP_MOV => after & !dst | operand,
            CLASS_ALU | CLASS_ALU64 => after | operand,
            CLASS_JMP | CLASS_JMP32 => match self.operation() {
                OP_EXIT => 0,
                OP_CALL => after & !CLOBBERED,
                OP_JA => self.target(next).map_or(0, |to| live_at(live, to)),
                _ => after | self.target(next).map_or(0, |to| live_at(live, to)) | dst | operand,
            },
            _ => after,
        }
    }

    /// Where a jump or call can go besides the next instruction, which is given.
    fn target(self, next: i64) -> Option<i64> {
        match self.operation() {
            OP_EXIT => None,
            // A call within the section (`BPF_PSEUDO_CALL`).
            OP_CALL => (self.src == 1).then_some(next + i64::from(self.imm)),
            OP_JA if self.class() == CLASS_JMP32 => Some(next + i64::from(self.imm)),
            _ => Some(next + i64::from(self.off)),
        }
    }

    /// Follows a jump or call to where it can go; returned is the next instruction if that is one of them.
    fn jump(self, state: &mut State, at: usize, ways: &mut Ways) -> Option<usize> {
        let next = at + 1;
        let target = self.target(next as i64);
        let mut lead = |state: State| target.into_iter().for_each(|to| ways.lead(to, state));
        match self.operation() {
            OP_EXIT => None,
            OP_CALL => {
                // The callee's registers may hold anything.
                lead([None; REGISTERS]);
                state[..6].fill(None);
                Some(next)
            }
            OP_JA => {
                lead(*state);
                None
            }
            _ => {
                let taken = self.is_taken(state);
                if taken != Some(false) {
                    lead(*state);
                }
                (taken != Some(true)).then_some(next)
            }
        }
    }

    /// Whether a conditional branch is taken, if both operands are known.
    fn is_taken(self, state: &State) -> Option<bool> {
        let (mut left, mut right) = (state[self.dst]?, self.operand(state)?);
        let (mut left_signed, mut right_signed) = (left.cast_signed(), right.cast_signed());
        if self.class() == CLASS_JMP32 {
            (left_signed, right_signed) = (i64::from(left as u32 as i32), i64::from(right as u32 as i32));
            (left, right) = (u64::from(left as u32), u64::from(right as u32));
        }
        Some(match self.operation() {
            0x10 => left == right,
            0x20 => left > right,
            0x30 => left >= right,
            0x40 => left & right != 0,
            0x50 => left != right,
            0x60 => left_signed > right_signed,
            0x70 => left_signed >= right_signed,
            0xa0 => left < right,
            0xb0 => left <= right,
            0xc0 => left_signed < right_signed,
            0xd0 => left_signed <= right_signed,
            _ => return None,
        })
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
                Flow::new(&guarded, Endian::Little, vec![0]).reached(&patches),
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
            let reached = Flow::new(&code(insns), Endian::Little, vec![0]).reached(&[]);
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
        // r1 = 1; r2 = r1; w2 &= 1; if r2 == 0: each of them does.
        check(
            &[(0xb7, 1, 0, 1), (0xbf, 0x12, 0, 0), (0x54, 2, 0, 1), (0x15, 2, 0, 0), (0x95, 0, 0, 0)],
            &[0, 1, 2],
        );
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
            &[2, 3, 4],
        );
    }
}
