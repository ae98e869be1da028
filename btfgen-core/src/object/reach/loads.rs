//! Loads from known addresses. Found once per section, for all kernels.

use super::insn::{CLASS_ALU, CLASS_ALU64};
use super::{ControlFlow, InsnIndex, Patch};
use crate::btf::Endian;
use crate::memo::Memo;

/// A load from an address that is the same on all paths to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) insn: InsnIndex,
    pub(crate) address: u64,
    /// Number of bytes that it reads.
    pub(crate) len: u8,
    /// Whether it extends the sign, not with zeros.
    pub(crate) is_signed: bool,
}

/// Finds the loads from the `known` addresses, which 64-bit loads put into registers.
///
/// Addresses are followed through copies and constant offsets, not through the stack. What an instruction of `relocated`
/// computes is unknown otherwise, and such a load is left out. Branches are followed both ways.
pub(crate) fn loads_from(
    code: &[u8],
    endian: Endian,
    entries: Vec<InsnIndex>,
    relocated: impl Iterator<Item = InsnIndex>,
    known: &[(InsnIndex, u64)],
) -> Vec<Load> {
    let mut flow = ControlFlow::decode(code, endian, entries, relocated);
    let computes = |insn: super::Insn| matches!(insn.class(), CLASS_ALU | CLASS_ALU64);
    let unrelocated = flow.insns.iter().zip(&flow.addresses);
    flow.affects_branch = unrelocated.map(|(&insn, &relocated)| computes(insn) && !relocated).collect();
    let mut addresses: Memo<usize, Option<u64>> = Memo::default();
    flow.follow(known.iter().map(|&(at, address)| (at, Patch::Value(address))), |at, state| {
        let insn = flow.insns[at];
        if insn.load_len().is_some() && !flow.addresses[at] {
            let offset = i64::from(insn.off).cast_unsigned();
            addresses.insert(at, state.get(insn.src).map(|base| base.wrapping_add(offset)));
        }
    });
    let load = |(&at, &address): (&usize, &Option<u64>)| {
        let insn = flow.insns[at];
        Some(Load {
            insn: InsnIndex(at as u32),
            address: address?,
            len: insn.load_len()?,
            is_signed: insn.is_signed_load(),
        })
    };
    let mut loads: Vec<Load> = addresses.iter().filter_map(load).collect();
    loads.sort_unstable_by_key(|load| load.insn);
    loads
}

#[cfg(test)]
mod tests {
    use std::iter::empty;

    use super::super::insns as decode;
    use super::super::tests::code;
    use super::*;

    /// An instruction: code, registers (destination low), offset, immediate.
    type Raw = (u8, u8, i16, i32);

    const ADDRESS: u64 = 1 << 32;

    /// The loads from an address; a 64-bit load of `0x18` is one of that address and its immediate.
    fn loads(insns: &[Raw], entries: &[u32], relocated: &[u32]) -> Vec<Load> {
        let addresses = (0..).zip(insns).filter(|(_, insn)| insn.0 == 0x18);
        let known: Vec<(InsnIndex, u64)> =
            addresses.map(|(at, insn)| (InsnIndex(at), ADDRESS.wrapping_add_signed(insn.3.into()))).collect();
        let entries = entries.iter().map(|&at| InsnIndex(at)).collect();
        let relocated = relocated.iter().map(|&at| InsnIndex(at));
        loads_from(&code(insns), Endian::Little, entries, relocated, &known)
    }

    #[test]
    fn addresses_are_followed() {
        let check = |what: &str, insns: &[Raw], relocated: &[u32], expect: &[(u32, u64)]| {
            let found = loads(insns, &[0], relocated);
            let offset = |load: &Load| Some((load.insn.0, load.address.checked_sub(ADDRESS)?));
            let found: Vec<(u32, u64)> = found.iter().filter_map(offset).collect();
            assert_eq!(found, expect, "{what}");
        };
        let (first, second, exit) = ((0x18, 1, 0, 16), (0, 0, 0, 0), (0x95, 0, 0, 0));
        check("r2 = *(r1 + 4)", &[first, second, (0x71, 0x12, 4, 0), exit], &[], &[(2, 20)]);
        check(
            "r3 = r1; r3 += 8; r4 = *(r3 - 2)",
            &[first, second, (0xbf, 0x13, 0, 0), (0x07, 3, 0, 8), (0x69, 0x34, -2, 0), exit],
            &[],
            &[(4, 22)],
        );
        check(
            "w3 = w1: no address",
            &[first, second, (0xbc, 0x13, 0, 0), (0x61, 0x34, 0, 0), exit],
            &[],
            &[],
        );
        check(
            "r1 = *r1; r1 = *r1: what was loaded is unknown",
            &[first, second, (0x79, 0x11, 0, 0), (0x79, 0x11, 0, 0), exit],
            &[],
            &[(2, 16)],
        );
        check(
            "the stack is not followed",
            &[first, second, (0x7b, 0x1a, -8, 0), (0x79, 0xa2, -8, 0), (0x61, 0x20, 0, 0), exit],
            &[],
            &[],
        );
        check(
            "a call clobbers r1, and not r6",
            &[
                first,
                second,
                (0xbf, 0x16, 0, 0),
                (0x85, 0, 0, 5),
                (0x61, 0x12, 0, 0),
                (0x61, 0x62, 0, 0),
                exit,
            ],
            &[],
            &[(5, 16)],
        );
        check(
            "an argument of a subprogram is unknown",
            &[first, second, (0x85, 0x10, 0, 1), exit, (0x61, 0x10, 0, 0), exit],
            &[],
            &[],
        );
        check(
            "hoisted out of a loop",
            &[first, second, (0x61, 0x12, 0, 0), (0x07, 3, 0, 1), (0x55, 3, -3, 9), exit],
            &[],
            &[(2, 16)],
        );
        check(
            "advanced in a loop",
            &[first, second, (0x61, 0x12, 0, 0), (0x07, 1, 0, 4), (0x55, 3, -3, 9), exit],
            &[],
            &[],
        );
        let join = |other: Raw| {
            [(0x15, 4, 3, 0), first, second, (0x05, 0, 2, 0), other, second, (0x61, 0x12, 0, 0), exit]
        };
        check("both paths have the same", &join(first), &[], &[(6, 16)]);
        check("the paths differ", &join((0x18, 1, 0, 24)), &[], &[]);
        check("one path is unknown", &join((0x18, 0, 0, 16)), &[], &[]);
        check(
            "a branch that constants decide is followed both ways",
            &[first, second, (0xb7, 2, 0, 1), (0x55, 2, 1, 0), (0x61, 0x13, 0, 0), exit],
            &[],
            &[(4, 16)],
        );
        let relocatable = [first, second, (0x07, 1, 0, 8), (0x61, 0x12, 4, 0), exit];
        check("not relocated", &relocatable, &[], &[(3, 28)]);
        check("a relocated load", &relocatable, &[3], &[]);
        check("a relocated addend", &relocatable, &[2], &[]);
    }

    #[test]
    fn loads_have_a_length() {
        let check = |code: u8, expect: Option<(u8, bool)>| {
            let found = loads(&[(0x18, 1, 0, 0), (0, 0, 0, 0), (code, 0x12, 0, 0)], &[0], &[]);
            let found = found.first().map(|load| (load.len, load.is_signed));
            assert_eq!(found, expect, "{code:x}");
        };
        check(0x71, Some((1, false)));
        check(0x69, Some((2, false)));
        check(0x61, Some((4, false)));
        check(0x79, Some((8, false)));
        check(0x91, Some((1, true)));
        check(0x89, Some((2, true)));
        check(0x81, Some((4, true)));
        // A store, and a legacy packet load.
        check(0x63, None);
        check(0x40, None);
    }

    /// Random instructions with few jumps back, as in compilers' code.
    fn random_insns(random: &mut fastrand::Rng, codes: &[u8]) -> Vec<Raw> {
        let insn = |random: &mut fastrand::Rng| {
            let code = codes[random.usize(..codes.len())];
            let src = if code == 0x18 { 0 } else { random.u8(..4) };
            let off = if random.u8(..16) == 0 { random.i16(-8..0) } else { random.i16(0..8) };
            (
                code,
                random.u8(..4) | src << 4,
                if matches!(code & 7, 5 | 6) { off } else { 0 },
                random.i32(-1..3),
            )
        };
        (0..random.usize(2..40)).map(|_| insn(random)).collect()
    }

    /// A walk along one random path, as instructions without jumps, and where each was.
    fn straight_path(random: &mut fastrand::Rng, insns: &[Raw]) -> (Vec<Raw>, Vec<usize>) {
        let (mut path, mut places, mut at) = (Vec::new(), Vec::new(), 0);
        for _ in 0..100 {
            let Some(&insn) = insns.get(at) else { break };
            let width = if insn.0 == 0x18 { 2 } else { 1 };
            let jumps = insn.0 == 0x05 || (insn.0 == 0x15 && random.bool());
            if insn.0 == 0x95 {
                break;
            }
            if !matches!(insn.0, 0x05 | 0x15) {
                // The callee of a call is another path.
                path.push(if insn.0 == 0x85 { (0x85, 0, 0, 5) } else { insn });
                places.push(at);
                // The second half has no effect of its own.
                path.extend((width == 2).then_some((0, 0, 0, 0)));
                places.extend((width == 2).then_some(usize::MAX));
            }
            at = (at + width).wrapping_add_signed(if jumps { insn.2.into() } else { 0 });
        }
        (path, places)
    }

    #[test]
    fn every_path_has_the_address() {
        let mut random = fastrand::Rng::with_seed(7);
        let codes = [0x18, 0x18, 0xbf, 0x07, 0x0f, 0xb7, 0x61, 0x61, 0x7b, 0x15, 0x15, 0x05, 0x85, 0x95];
        let mut compared = 0;
        for _ in 0..5_000 {
            let insns = random_insns(&mut random, &codes);
            let found = loads(&insns, &[0], &[]);
            for _ in 0..8 {
                let (path, places) = straight_path(&mut random, &insns);
                let on_path = loads(&path, &[0], &[]);
                for (at, place) in (0..).zip(places) {
                    let Some(load) = found.iter().find(|load| load.insn.index() == place) else { continue };
                    let own = on_path.iter().find(|own| own.insn == InsnIndex(at));
                    assert_eq!(own.map(|own| own.address), Some(load.address), "{insns:x?} {path:x?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 1000, "{compared} loads were compared");
    }

    #[test]
    fn a_patched_setting_is_a_constant() {
        let mut random = fastrand::Rng::with_seed(11);
        let codes =
            [0xb7, 0xbf, 0xb4, 0x07, 0x0f, 0x57, 0x67, 0x15, 0x55, 0x25, 0x05, 0x85, 0x18, 0x79, 0x61, 0x95];
        let mut ruled_out = 0;
        for _ in 0..20_000 {
            let insns = random_insns(&mut random, &codes);
            let bytes = code(&insns);
            let loads = decode(&bytes, Endian::Little).filter(|(_, insn)| insn.load_len().is_some());
            // Of four loads, three are of settings.
            let setting = |(at, _)| (random.u8(..4) > 0).then(|| (at, random.i32(-1..3)));
            let settings: Vec<(InsnIndex, i32)> = loads.filter_map(setting).collect();
            let mut constants = insns.clone();
            for &(at, value) in &settings {
                constants[at.index()] = (0xb7, insns[at.index()].1 & 0xf, 0, value);
            }
            let flow = |insns: &[Raw], settings: &[(InsnIndex, i32)]| {
                let settings = settings.iter().map(|&(at, _)| at);
                ControlFlow::new(&code(insns), Endian::Little, vec![InsnIndex(0)], empty(), settings)
            };
            let with_settings = flow(&insns, &settings);
            let patches =
                settings.iter().map(|&(at, value)| (at, Patch::Value(i64::from(value).cast_unsigned())));
            let reached = with_settings.reachable(patches.clone());
            assert_eq!(reached, flow(&constants, &[]).reachable([]), "{insns:x?} {settings:?}");
            let relevant = patches.filter(|&(at, _)| with_settings.affects_branch(at));
            assert_eq!(reached, with_settings.reachable(relevant), "{insns:x?} {settings:?}");
            // Unpatched, a setting is as any other load.
            let unpatched = flow(&insns, &[]).reachable([]);
            assert_eq!(with_settings.reachable([]), unpatched, "{insns:x?} {settings:?}");
            ruled_out += usize::from(reached != unpatched);
        }
        assert!(ruled_out > 100, "settings made a difference {ruled_out} times");
    }
}
