//! Instructions: what they do to the values that are known of registers.

use crate::btf::Endian;

pub(super) const INSN_LEN: usize = 8;
const REGISTERS: usize = 11;

// Instruction classes and operations, as `include/uapi/linux/bpf.h` numbers them.
pub(super) const CLASS_LD: u8 = 0;
pub(super) const CLASS_LDX: u8 = 1;
pub(super) const CLASS_ALU: u8 = 4;
pub(super) const CLASS_JMP: u8 = 5;
pub(super) const CLASS_JMP32: u8 = 6;
pub(super) const CLASS_ALU64: u8 = 7;
pub(super) const LD_IMM64: u8 = 0x18;
pub(super) const OP_JA: u8 = 0x00;
pub(super) const OP_CALL: u8 = 0x80;
pub(super) const OP_EXIT: u8 = 0x90;
const OP_MOV: u8 = 0xb0;

/// A register's value if it is known.
pub(super) type Register = Option<u64>;

/// What is known of the registers' values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    known: Registers,
    /// 0 where none is known.
    values: [u64; REGISTERS],
}

/// A set of registers, by their bits.
pub(super) type Registers = u16;

#[derive(Clone, Copy)]
pub(super) struct Insn {
    pub(super) code: u8,
    pub(super) dst: u8,
    pub(super) src: u8,
    off: i16,
    pub(super) imm: i32,
}

/// The registers that a call, or an old-style packet load, leaves unknown.
pub(super) const CLOBBERED: Registers = 0x3f;

/// What an instruction does to what is known of registers, whatever the values.
#[derive(Clone, Copy)]
pub(super) struct Effect {
    /// What it computes with or compares.
    pub(super) reads: Registers,
    /// What it changes: known afterwards only if it computes, and all that it reads is known.
    pub(super) writes: Registers,
    pub(super) computes: bool,
    /// Whether it leads elsewhere than to the next instruction.
    pub(super) branches: bool,
    /// Where it leads with what is known.
    pub(super) next: Option<i64>,
    pub(super) target: Option<i64>,
}

impl State {
    pub(super) const UNKNOWN: Self = Self { known: 0, values: [0; REGISTERS] };

    pub(super) fn get(&self, register: u8) -> Register {
        (self.known & 1 << register != 0).then(|| self.values[usize::from(register)])
    }

    pub(super) fn set(&mut self, register: u8, value: Register) {
        match value {
            Some(value) => {
                self.known |= 1 << register;
                self.values[usize::from(register)] = value;
            }
            None => self.forget(1 << register),
        }
    }

    pub(super) fn forget(&mut self, registers: Registers) {
        let mut forgotten = self.known & registers;
        self.known &= !registers;
        while forgotten != 0 {
            self.values[forgotten.trailing_zeros() as usize] = 0;
            forgotten &= forgotten - 1;
        }
    }

    /// What holds on both ways.
    pub(super) fn join(&self, other: &Self) -> Self {
        let mut joined = *self;
        joined.forget(!other.known);
        let mut both = joined.known;
        while both != 0 {
            let register = both.trailing_zeros() as usize;
            if self.values[register] != other.values[register] {
                joined.forget(1 << register);
            }
            both &= both - 1;
        }
        joined
    }
}

impl Insn {
    pub(super) fn decode(bytes: [u8; INSN_LEN], endian: Endian) -> Self {
        let registers = bytes[1];
        let (low, high) = (registers & 0xf, registers >> 4);
        let (dst, src) = if endian == Endian::Little { (low, high) } else { (high, low) };
        Self {
            code: bytes[0],
            dst: dst.min(REGISTERS as u8 - 1),
            src: src.min(REGISTERS as u8 - 1),
            off: endian.u16([bytes[2], bytes[3]]).cast_signed(),
            imm: endian.u32([bytes[4], bytes[5], bytes[6], bytes[7]]).cast_signed(),
        }
    }

    pub(super) fn class(self) -> u8 {
        self.code & 7
    }

    pub(super) fn operation(self) -> u8 {
        self.code & 0xf0
    }

    /// The second operand: a register, or the immediate, sign-extended.
    fn operand(self, state: &State) -> Register {
        if self.code & 8 != 0 { state.get(self.src) } else { Some(i64::from(self.imm).cast_unsigned()) }
    }

    /// The result of an arithmetic instruction, if both operands are known.
    pub(super) fn compute(self, state: &State, patched: Option<u64>) -> Register {
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
            0x80 if immediate && wide => state.get(self.dst)?.wrapping_neg(),
            operation => {
                let (left, right) = (state.get(self.dst)?, right?);
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

    /// What it does to what is known, whatever the values.
    pub(super) fn effect(self, at: usize) -> Effect {
        let (dst, next) = (1 << self.dst, at as i64 + 1);
        let operand = if self.code & 8 != 0 { 1 << self.src } else { 0 };
        let plain =
            Effect { reads: 0, writes: 0, computes: false, branches: false, next: Some(next), target: None };
        match self.class() {
            CLASS_LD if self.code == LD_IMM64 => {
                Effect { writes: dst, computes: self.src == 0, next: Some(next + 1), ..plain }
            }
            CLASS_LD => Effect { writes: CLOBBERED | dst, ..plain },
            CLASS_LDX => Effect { writes: dst, ..plain },
            CLASS_ALU | CLASS_ALU64 => {
                let left = if self.operation() == OP_MOV { 0 } else { dst };
                Effect { reads: left | operand, writes: dst, computes: true, ..plain }
            }
            CLASS_JMP | CLASS_JMP32 => match self.operation() {
                OP_EXIT => Effect { branches: true, next: None, ..plain },
                // The callee's registers may hold anything.
                OP_CALL => Effect { writes: CLOBBERED, branches: self.src == 1, ..plain },
                OP_JA => Effect { branches: true, next: None, target: self.target(next), ..plain },
                _ => Effect {
                    reads: dst | operand,
                    computes: true,
                    branches: true,
                    target: self.target(next),
                    ..plain
                },
            },
            // A store; an atomic one may fetch into its source or into the first register.
            _ if self.code & 0xe0 == 0xc0 => Effect { writes: 1 << self.src | 1, ..plain },
            _ => plain,
        }
    }

    /// Where a jump or call can go besides the next instruction, which is given.
    pub(super) fn target(self, next: i64) -> Option<i64> {
        match self.operation() {
            OP_EXIT => None,
            // A call within the section (`BPF_PSEUDO_CALL`).
            OP_CALL => (self.src == 1).then_some(next + i64::from(self.imm)),
            OP_JA if self.class() == CLASS_JMP32 => Some(next + i64::from(self.imm)),
            _ => Some(next + i64::from(self.off)),
        }
    }

    /// Whether a conditional branch is taken, if both operands are known.
    pub(super) fn is_taken(self, state: &State) -> Option<bool> {
        let (mut left, mut right) = (state.get(self.dst)?, self.operand(state)?);
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
