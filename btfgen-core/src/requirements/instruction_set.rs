//! Instruction set: what an instruction needs beyond the first eBPF instruction set.

use super::upstream::Version;
use crate::object::Insn;

/// An extension of the instruction set, or of what an instruction may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InstructionSet {
    /// Jumps on less-than (`-mcpu=v2`): `BPF_JLT`, `BPF_JLE`, `BPF_JSLT`, `BPF_JSLE`.
    JumpLess,
    /// Calls of subprograms.
    SubprogramCall,
    /// Jumps that compare 32 bits (`-mcpu=v3`): class `BPF_JMP32`.
    Jump32,
    /// Direct access to a map's value: global data.
    GlobalData,
    /// Atomic operations other than an addition without result.
    Atomics,
    /// The address of a subprogram: a callback.
    FunctionPointer,
    /// Calls of kernel functions.
    KfuncCall,
    /// Loads that sign-extend (`-mcpu=v4`).
    SignExtendingLoad,
    /// Moves that sign-extend (`-mcpu=v4`).
    SignExtendingMove,
    /// Byte swaps without condition (`-mcpu=v4`).
    ByteSwap,
    /// Signed division and remainder (`-mcpu=v4`).
    SignedDivision,
    /// Jumps with an offset of 32 bits (`-mcpu=v4`): `gotol`.
    LongJump,
    /// Casts between address spaces, for arenas.
    AddressSpaceCast,
    /// The loop instruction `may_goto`.
    MayGoto,
    /// Atomic loads with acquire and stores with release.
    LoadAcquire,
    /// Jumps to an address in a register.
    IndirectJump,
}

impl InstructionSet {
    /// What an instruction needs; references to symbols are not seen here.
    pub(super) fn of(insn: Insn) -> Option<Self> {
        let (operation, from_register) = (insn.code & 0xf0, insn.code & 0x08 != 0);
        match insn.code & 0x07 {
            // BPF_LD: only the 64-bit load, by what it refers to.
            0x00 if insn.code == 0x18 => match insn.src {
                2 | 6 => Some(Self::GlobalData),
                4 => Some(Self::FunctionPointer),
                _ => None,
            },
            // BPF_LDX: mode BPF_MEMSX.
            0x01 if insn.code & 0xe0 == 0x80 => Some(Self::SignExtendingLoad),
            // BPF_STX: mode BPF_ATOMIC.
            0x03 if insn.code & 0xe0 == 0xc0 => match insn.imm {
                0 => None,
                0x100 | 0x110 => Some(Self::LoadAcquire),
                _ => Some(Self::Atomics),
            },
            // BPF_ALU and BPF_ALU64.
            class @ (0x04 | 0x07) => match (operation, insn.off) {
                (0x30 | 0x90, 1) => Some(Self::SignedDivision),
                (0xb0, 1) if class == 0x07 && from_register => Some(Self::AddressSpaceCast),
                (0xb0, 8 | 16 | 32) if from_register => Some(Self::SignExtendingMove),
                (0xd0, _) if class == 0x07 => Some(Self::ByteSwap),
                _ => None,
            },
            // BPF_JMP32.
            0x06 => Some(if operation == 0 { Self::LongJump } else { Self::Jump32 }),
            // BPF_JMP.
            0x05 => match (operation, insn.src) {
                (0xa0..=0xd0, _) => Some(Self::JumpLess),
                (0xe0, _) => Some(Self::MayGoto),
                (0x00, _) if from_register => Some(Self::IndirectJump),
                (0x80, 1) => Some(Self::SubprogramCall),
                (0x80, 2) => Some(Self::KfuncCall),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the kernel refuses a program that has it anywhere, also where it never runs (`resolve_pseudo_ldimm64`): its
    /// opcodes, or fields that were reserved, were unknown before.
    pub fn counts_everywhere(self) -> bool {
        matches!(
            self,
            Self::Jump32
                | Self::Atomics
                | Self::SignExtendingLoad
                | Self::ByteSwap
                | Self::LongJump
                | Self::MayGoto
                | Self::LoadAcquire
                | Self::IndirectJump
        )
    }

    /// Since when upstream has it, by the commits that added it. A CPU architecture's compiler may have followed later.
    pub fn since(self) -> Version {
        match self {
            Self::JumpLess => Version::new(4, 14),
            Self::SubprogramCall => Version::new(4, 16),
            Self::Jump32 => Version::new(5, 1),
            Self::GlobalData => Version::new(5, 2),
            Self::Atomics => Version::new(5, 12),
            Self::FunctionPointer | Self::KfuncCall => Version::new(5, 13),
            Self::SignExtendingLoad
            | Self::SignExtendingMove
            | Self::ByteSwap
            | Self::SignedDivision
            | Self::LongJump => Version::new(6, 6),
            Self::AddressSpaceCast | Self::MayGoto => Version::new(6, 9),
            Self::LoadAcquire => Version::new(6, 15),
            Self::IndirectJump => Version::new(6, 19),
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::JumpLess => "less-than jumps (cpu v2)",
            Self::SubprogramCall => "subprogram calls",
            Self::Jump32 => "32-bit jumps (cpu v3)",
            Self::GlobalData => "global data",
            Self::Atomics => "atomic operations",
            Self::FunctionPointer => "callbacks",
            Self::KfuncCall => "kfunc calls",
            Self::SignExtendingLoad => "sign-extending loads (cpu v4)",
            Self::SignExtendingMove => "sign-extending moves (cpu v4)",
            Self::ByteSwap => "unconditional byte swaps (cpu v4)",
            Self::SignedDivision => "signed division (cpu v4)",
            Self::LongJump => "long jumps (cpu v4)",
            Self::AddressSpaceCast => "address space casts",
            Self::MayGoto => "may_goto",
            Self::LoadAcquire => "load-acquire and store-release",
            Self::IndirectJump => "indirect jumps",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_instructions() {
        let check = |code: u8, src: u8, off: i16, imm: i32, expect: Option<InstructionSet>| {
            let insn = Insn { code, dst: 1, src, off, imm };
            assert_eq!(InstructionSet::of(insn), expect, "{insn:x?}");
        };
        check(0xb7, 0, 0, 1, None); // r1 = 1
        check(0x55, 0, 1, 0, None); // if r1 != 0
        check(0x85, 0, 0, 5, None); // call a helper
        check(0xdb, 2, 0, 0, None); // lock *(u64 *)(r1) += r2
        check(0xdc, 0, 0, 64, None); // r1 = be64 r1
        check(0x18, 1, 0, 0, None); // r1 = map
        check(0xad, 2, 1, 0, Some(InstructionSet::JumpLess)); // if r1 < r2
        check(0x56, 0, 1, 0, Some(InstructionSet::Jump32)); // if w1 != 0
        check(0x06, 0, 0, 9, Some(InstructionSet::LongJump)); // gotol +9
        check(0xdb, 2, 0, 1, Some(InstructionSet::Atomics)); // r2 = atomic_fetch_add
        check(0xdb, 2, 0, 0xf1, Some(InstructionSet::Atomics)); // cmpxchg_64
        check(0xdb, 2, 0, 0x100, Some(InstructionSet::LoadAcquire));
        check(0x81, 2, 0, 0, Some(InstructionSet::SignExtendingLoad)); // r1 = *(s32 *)(r2)
        check(0xbf, 2, 8, 0, Some(InstructionSet::SignExtendingMove)); // r1 = (s8)r2
        check(0xbf, 2, 1, 1, Some(InstructionSet::AddressSpaceCast));
        check(0xd7, 0, 0, 16, Some(InstructionSet::ByteSwap)); // r1 = bswap16 r1
        check(0x3f, 2, 1, 0, Some(InstructionSet::SignedDivision)); // r1 s/= r2
        check(0xe5, 0, 1, 0, Some(InstructionSet::MayGoto));
        check(0x85, 1, 0, -1, Some(InstructionSet::SubprogramCall));
        check(0x18, 4, 0, 0, Some(InstructionSet::FunctionPointer));
    }
}
