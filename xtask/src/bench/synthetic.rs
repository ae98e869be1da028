//! Synthetic kernels: thousands made of hundreds, with other ids, and with moved members in some structs.
//!
//! Real kernels of a series share nearly all definitions, kernels of different distributions share fewer. So the kernels are
//! copied as often as needed. In a third of the series of each copy, one struct of forty has the second half of its members moved
//! by eight bytes, as if a configuration had added a member; it is the same struct in all kernels of the copy. The other kernels are
//! only renamed. One kernel in twenty also moves members in one struct of four hundred that no other kernel moves. The number of
//! distinct minimized BTFs of a large agent then grows with the kernels about as among real ones.

use crate::engine::{HubBuilder, HubFile, KernelId, KernelSource};
use crate::parallel;
use crate::shell::Outcome;

/// Changes when the kernels are made differently, so that cached hub files are not used.
pub(super) const VERSION: u32 = 2;

/// One series of this many has moved members, in one struct of `SHARED`; so has one kernel of `EVERY`, in one struct of `ALONE`.
const SERIES: u64 = 3;
const SHARED: u64 = 40;
const EVERY: usize = 20;
const ALONE: u64 = 400;

/// A hub of `count` kernels made of those of another.
pub(super) fn hub(source: &HubFile, ids: &[KernelId], count: usize) -> Outcome<Vec<u8>> {
    let threads: Vec<usize> = (0..parallel::cores()).collect();
    let parts = parallel::map(threads.len(), &threads, |&thread| -> Outcome<HubBuilder> {
        let mut builder = HubBuilder::new();
        for (index, id) in ids.iter().enumerate().skip(thread).step_by(threads.len()) {
            let btf = source.extract(id)?;
            for number in (index..count).step_by(ids.len()) {
                let copy = number / ids.len();
                builder.add_btf(&KernelSource::new(
                    &rename(id, copy)?,
                    "",
                    &perturbed(&btf, id, copy, number),
                ))?;
            }
        }
        Ok(builder)
    })?;
    let mut whole = HubBuilder::new();
    for part in parts {
        if let Some(error) = whole.merge(part?).pop() {
            return Err(error.into());
        }
    }
    Ok(whole.finish(19)?)
}

fn rename(id: &KernelId, copy: usize) -> Outcome<KernelId> {
    if copy == 0 {
        return Ok(id.clone());
    }
    let version = format!("{copy}.{}", id.version());
    Ok(KernelId::new("synthetic", &version, id.arch(), id.release())?)
}

/// The BTF of one copy; copy 0 is unchanged except for `ALONE`.
fn perturbed(btf: &[u8], id: &KernelId, copy: usize, number: usize) -> Vec<u8> {
    let mut btf = btf.to_vec();
    let shared = copy > 0 && hash(series(id).as_bytes(), copy).is_multiple_of(SERIES);
    let alone = number % EVERY == EVERY - 1;
    move_members(&mut btf, |name| {
        shared && hash(name, copy).is_multiple_of(SHARED)
            || alone && hash(name, !number).is_multiple_of(ALONE)
    });
    btf
}

/// The distribution's version and the kernel's: `12/6.1` of `debian/12/x86_64/6.1.0-50-amd64`.
fn series(id: &KernelId) -> String {
    let numbers: Vec<&str> = id.release().splitn(3, '.').take(2).collect();
    format!("{}/{}", id.version(), numbers.join("."))
}

/// FNV-1a of a number and a name.
fn hash(name: &[u8], number: usize) -> u64 {
    let bytes = number.to_le_bytes();
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = bytes.iter().chain(name).fold(0xcbf2_9ce4_8422_2325, step);
    // The low bits of such a product are poor.
    hash >> 32
}

/// Moves the second half of the members by eight bytes in the structs whose names are chosen. Invalid and big-endian BTFs are not
/// changed.
fn move_members(btf: &mut [u8], chosen: impl Fn(&[u8]) -> bool) {
    let word = |btf: &[u8], at: usize| -> Option<usize> {
        let bytes = btf.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    let add = |btf: &mut [u8], at: usize, more: usize| {
        let sum = word(btf, at).and_then(|old| u32::try_from(old + more).ok());
        if let (Some(sum), Some(bytes)) = (sum, btf.get_mut(at..at + 4)) {
            bytes.copy_from_slice(&sum.to_le_bytes());
        }
    };
    let header = [4, 8, 12, 16].map(|at| word(btf, at));
    let [Some(header), Some(types), Some(len), Some(strings)] = header else { return };
    let (mut at, end) = (header + types, header + types + len);
    while at < end {
        let [Some(name), Some(info)] = [word(btf, at), word(btf, at + 4)] else { return };
        let (kind, vlen) = (info >> 24 & 0x7f, info & 0xff_ffff);
        let rest = match kind {
            1 | 14 | 17 => 4,
            3 => 12,
            4 | 5 | 15 | 19 => 12 * vlen,
            6 | 13 => 8 * vlen,
            _ => 0,
        };
        let name = btf.get(header + strings + name..).unwrap_or_default();
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        if kind == 4 && vlen >= 2 && !name.is_empty() && chosen(name) {
            add(btf, at + 8, 8);
            for member in vlen / 2..vlen {
                add(btf, at + 12 + 12 * member + 8, 64);
            }
        }
        at += 12 + rest;
    }
}

#[cfg(test)]
mod tests {
    use oracle::raw::Btf as Raw;

    use super::*;

    #[test]
    fn moves_the_second_half_of_the_members() {
        let mut btf = Raw::default();
        let int = btf.int("int", 4, true);
        btf.composite(false, "stays", 12, &[("a", int, 0), ("b", int, 32), ("c", int, 64)]);
        btf.composite(false, "moves", 12, &[("a", int, 0), ("b", int, 32), ("c", int, 64)]);
        let mut expect = Raw::default();
        let int = expect.int("int", 4, true);
        expect.composite(false, "stays", 12, &[("a", int, 0), ("b", int, 32), ("c", int, 64)]);
        expect.composite(false, "moves", 20, &[("a", int, 0), ("b", int, 96), ("c", int, 128)]);
        let mut bytes = btf.to_bytes(false);
        move_members(&mut bytes, |name| name == b"moves");
        assert_eq!(bytes, expect.to_bytes(false));
        let mut short = bytes[..30].to_vec();
        move_members(&mut short, |_| true);
        assert_eq!(short[..24], bytes[..24]);
    }

    #[test]
    fn copies_have_ids_of_their_own() {
        let check = |copy, expect: &str| {
            let id: KernelId = "debian/12/x86_64/6.1.0-50-amd64".parse().unwrap();
            assert_eq!(rename(&id, copy).unwrap().to_string(), expect);
            assert_eq!(series(&id), "12/6.1");
        };
        check(0, "debian/12/x86_64/6.1.0-50-amd64");
        check(3, "synthetic/3.12/x86_64/6.1.0-50-amd64");
    }
}
