//! Instructions, and their effect on the known values of registers.

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
/// The source of a call whose target is not in the section (`BPF_PSEUDO_KFUNC_CALL`).
pub(super) const CALL_ELSEWHERE: u8 = 2;

// Operations of arithmetic.
const OP_ADD: u8 = 0x00;
const OP_SUB: u8 = 0x10;
const OP_MUL: u8 = 0x20;
const OP_OR: u8 = 0x40;
const OP_AND: u8 = 0x50;
const OP_LSH: u8 = 0x60;
const OP_RSH: u8 = 0x70;
const OP_XOR: u8 = 0xa0;
const OP_ARSH: u8 = 0xc0;
const OP_NEG: u8 = 0x80;
const OP_MOV: u8 = 0xb0;

// Conditions of jumps.
const OP_JEQ: u8 = 0x10;
const OP_JGT: u8 = 0x20;
const OP_JGE: u8 = 0x30;
const OP_JSET: u8 = 0x40;
const OP_JNE: u8 = 0x50;
const OP_JSGT: u8 = 0x60;
const OP_JSGE: u8 = 0x70;
const OP_JLT: u8 = 0xa0;
const OP_JLE: u8 = 0xb0;
const OP_JSLT: u8 = 0xc0;
const OP_JSLE: u8 = 0xd0;

/// The source operand is a register (`BPF_X`), not the immediate.
const SOURCE_REGISTER: u8 = 0x08;
const MODE_MASK: u8 = 0xe0;
const MODE_MEM: u8 = 0x60;
const MODE_MEMSX: u8 = 0x80;
const MODE_ATOMIC: u8 = 0xc0;
/// The number of bytes that a load or store accesses.
const SIZE_MASK: u8 = 0x18;

/// A register's value, if it is known.
pub(super) type Register = Option<u64>;

/// The known values of registers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    known: Registers,
    /// 0 where the value is unknown, so that equal states compare equal.
    values: [u64; REGISTERS],
}

/// A set of registers: bit n is register n.
pub(super) type Registers = u16;

/// A decoded instruction (`struct bpf_insn`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Insn {
    /// Class, operation or mode, and source.
    pub code: u8,
    /// The destination register.
    pub dst: u8,
    /// The source register, or what a call or a 64-bit load refers to.
    pub src: u8,
    /// A jump's or an access's offset.
    pub off: i16,
    /// The immediate.
    pub imm: i32,
}

/// The registers that a call or a legacy packet load clobbers: the first six.
pub(super) const CLOBBERED: Registers = 0x3f;

/// An instruction's effect on which registers are known, independent of their values.
#[derive(Clone, Copy)]
pub(super) struct Effect {
    /// Registers that it computes with or compares.
    pub(super) reads: Registers,
    /// Registers that it changes. They are known afterwards only if it computes and all `reads` are known.
    pub(super) writes: Registers,
    /// Whether the new value follows from `reads` and the instruction alone.
    pub(super) computes: bool,
    /// Whether execution can continue elsewhere than at the next instruction.
    pub(super) branches: bool,
    /// The instruction after it, if execution can continue there.
    pub(super) next: Option<i64>,
    /// The target of its jump; may be outside of the section.
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

    /// The values that both states agree on.
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

    /// Whether it calls a helper, subprogram or kernel function.
    pub fn is_call(self) -> bool {
        self.code == CLASS_JMP | OP_CALL
    }

    pub(super) fn class(self) -> u8 {
        self.code & 7
    }

    /// For stores only: whether it is an atomic operation.
    pub(super) fn is_atomic(self) -> bool {
        self.code & MODE_MASK == MODE_ATOMIC
    }

    /// The number of bytes that it reads, if it is a load through a register.
    pub(super) fn load_len(self) -> Option<u8> {
        let is_load = self.class() == CLASS_LDX && matches!(self.code & MODE_MASK, MODE_MEM | MODE_MEMSX);
        is_load.then_some(match self.code & SIZE_MASK {
            0x00 => 4,
            0x08 => 2,
            0x10 => 1,
            _ => 8,
        })
    }

    /// For loads only: whether it extends the sign.
    pub(super) fn is_signed_load(self) -> bool {
        self.code & MODE_MASK == MODE_MEMSX
    }

    pub(super) fn operation(self) -> u8 {
        self.code & 0xf0
    }

    /// The second operand: a register, or the sign-extended immediate.
    fn operand(self, state: &State) -> Register {
        if self.code & SOURCE_REGISTER != 0 {
            state.get(self.src)
        } else {
            Some(i64::from(self.imm).cast_unsigned())
        }
    }

    /// The result of an arithmetic instruction, if both operands are known; `patched` replaces the immediate.
    pub(super) fn compute(self, state: &State, patched: Option<u64>) -> Register {
        let wide = self.class() == CLASS_ALU64;
        let immediate = self.code & SOURCE_REGISTER == 0;
        // A relocated immediate has 32 bits, which the CPU sign-extends.
        let patched =
            patched.filter(|_| immediate).map(|value| i64::from(value as u32 as i32).cast_unsigned());
        let right = patched.or(self.operand(state));
        // With an offset, a move sign-extends and a division is signed: rare, so the result stays unknown.
        let plain = self.off == 0;
        let result = match self.operation() {
            OP_MOV if plain => right?,
            OP_NEG if immediate && wide => state.get(self.dst)?.wrapping_neg(),
            operation => {
                let (left, right) = (state.get(self.dst)?, right?);
                match operation {
                    OP_ADD => left.wrapping_add(right),
                    OP_SUB => left.wrapping_sub(right),
                    OP_MUL => left.wrapping_mul(right),
                    OP_OR => left | right,
                    OP_AND => left & right,
                    OP_LSH if wide => left << (right & 63),
                    OP_LSH => u64::from((left as u32) << (right & 31)),
                    OP_RSH if wide => left >> (right & 63),
                    OP_RSH => u64::from((left as u32) >> (right & 31)),
                    OP_XOR => left ^ right,
                    OP_ARSH if wide => (left.cast_signed() >> (right & 63)).cast_unsigned(),
                    _ => return None,
                }
            }
        };
        Some(if wide { result } else { u64::from(result as u32) })
    }

    /// Its effect at an index of the section.
    pub(super) fn effect(self, at: usize) -> Effect {
        let (dst, next) = (1 << self.dst, at as i64 + 1);
        let operand = if self.code & SOURCE_REGISTER != 0 { 1 << self.src } else { 0 };
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
                // The callee starts with unknown registers, so no register is read for it.
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
            // A store; an atomic one may fetch into its source or into register 0.
            _ if self.is_atomic() => Effect { writes: 1 << self.src | 1, ..plain },
            _ => plain,
        }
    }

    /// The target of a jump or call; `next` is the index of the following instruction.
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
            OP_JEQ => left == right,
            OP_JGT => left > right,
            OP_JGE => left >= right,
            OP_JSET => left & right != 0,
            OP_JNE => left != right,
            OP_JSGT => left_signed > right_signed,
            OP_JSGE => left_signed >= right_signed,
            OP_JLT => left < right,
            OP_JLE => left <= right,
            OP_JSLT => left_signed < right_signed,
            OP_JSLE => left_signed <= right_signed,
            _ => return None,
        })
    }
}
