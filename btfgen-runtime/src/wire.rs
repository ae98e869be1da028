//! Wire: the constants and number encodings of the archive, for the reader here and the writer in btfgen-build.
//!
//! `docs/archive.md` has the whole specification.

/// First bytes of every archive.
pub const MAGIC: [u8; 3] = *b"BTA";
/// Version of the layout, the fourth byte.
pub const VERSION: u8 = 1;
/// Maximum length of the decoded index, in bytes.
pub const MAX_INDEX: usize = 16 << 20;
/// Maximum length of the decoded definitions, in bytes.
pub const MAX_DEFINITIONS: usize = 16 << 20;
/// Maximum number of members, enumerators or parameters of a type: BTF has 24 bits for it.
pub const MAX_ENTRIES: u32 = 0xff_ffff;

/// Appends a LEB128 varint.
pub fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint off the front; `None` if it is truncated, exceeds 64 bits or is not in its shortest form.
pub fn take_varint(input: &mut &[u8]) -> Option<u64> {
    // Most varints have one byte; this saves a look-up 6 % of its instructions.
    if let [byte @ ..0x80, rest @ ..] = *input {
        *input = rest;
        return Some(u64::from(*byte));
    }
    let mut value = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (&byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        value |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || shift == 0;
            return (shortest && value >> shift == bits).then_some(value);
        }
    }
    None
}

/// Takes a varint of at most 32 bits.
pub fn take_u32(input: &mut &[u8]) -> Option<u32> {
    take_varint(input)?.try_into().ok()
}

/// The wrapping difference between two values in zigzag form: small in either direction.
pub fn delta(from: u32, to: u32) -> u32 {
    let difference = to.wrapping_sub(from) as i32;
    ((difference << 1) ^ (difference >> 31)) as u32
}

/// The inverse of [`delta`]: the value at this difference from another.
pub fn apply_delta(from: u32, delta: u32) -> u32 {
    from.wrapping_add((delta >> 1) ^ (delta & 1).wrapping_neg())
}

/// What a word of a BTF type means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A name: the offset of a string in BTF, the number of a name in an archive.
    Name,
    /// A type: its id in BTF, its slot in an archive.
    Type,
    /// Any other number; the same in BTF and archive.
    Number,
}

/// How many entries follow the three words that every BTF type has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// One.
    One,
    /// `vlen` of them.
    Vlen,
}

/// The words of a BTF type after its name and its info word.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// The third word, `size` or `type`.
    pub third: Word,
    /// The words of an entry: a member, enumerator or parameter, or the fields after an int or array.
    pub entry: &'static [Word],
    /// The number of entries.
    pub entries: Entries,
}

impl Record {
    /// The number of words after the first three; `None` if `vlen` does not fit into BTF.
    pub fn entry_words(&self, vlen: u32) -> Option<usize> {
        let entries = match self.entries {
            Entries::One => 1,
            Entries::Vlen => vlen as usize,
        };
        (vlen <= MAX_ENTRIES).then_some(entries * self.entry.len())
    }
}

/// The record of a kind, see `include/uapi/linux/btf.h`; `None` for an unknown kind.
pub fn record(kind: u8) -> Option<Record> {
    use Word::{Name, Number, Type};
    const INT: u8 = 1;
    const PTR: u8 = 2;
    const ARRAY: u8 = 3;
    const STRUCT: u8 = 4;
    const UNION: u8 = 5;
    const ENUM: u8 = 6;
    const FWD: u8 = 7;
    const TYPEDEF: u8 = 8;
    const VOLATILE: u8 = 9;
    const CONST: u8 = 10;
    const RESTRICT: u8 = 11;
    const FUNC: u8 = 12;
    const FUNC_PROTO: u8 = 13;
    const VAR: u8 = 14;
    const DATASEC: u8 = 15;
    const FLOAT: u8 = 16;
    const DECL_TAG: u8 = 17;
    const TYPE_TAG: u8 = 18;
    const ENUM64: u8 = 19;
    let (third, entry, entries): (Word, &[Word], Entries) = match kind {
        INT => (Number, &[Number], Entries::One),
        PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | TYPE_TAG => (Type, &[], Entries::Vlen),
        ARRAY => (Number, &[Type, Type, Number], Entries::One),
        STRUCT | UNION => (Number, &[Name, Type, Number], Entries::Vlen),
        ENUM => (Number, &[Name, Number], Entries::Vlen),
        FWD | FLOAT => (Number, &[], Entries::Vlen),
        FUNC_PROTO => (Type, &[Name, Type], Entries::Vlen),
        VAR | DECL_TAG => (Type, &[Number], Entries::One),
        DATASEC => (Number, &[Type, Number, Number], Entries::Vlen),
        ENUM64 => (Number, &[Name, Number, Number], Entries::Vlen),
        _ => return None,
    };
    Some(Record { third, entry, entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, 1 << 20, u32::MAX.into(), 1 << 63, u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            bytes.push(9);
            let mut input = bytes.as_slice();
            assert_eq!(take_varint(&mut input), Some(value));
            assert_eq!(input, [9]);
            assert_eq!(take_u32(&mut bytes.as_slice()), u32::try_from(value).ok());
        }
        let nine = [0xff; 9];
        let too_large = [nine.as_slice(), &[2]].concat();
        for bad in [&[][..], &[0x80], &[0x80, 0], &[0xff; 10], &[0x80; 11], &too_large, &nine] {
            assert_eq!(take_varint(&mut &bad[..]), None, "{bad:?}");
        }
    }

    #[test]
    fn deltas_round_trip_and_are_small_both_ways() {
        assert_eq!(delta(5, 6), 2);
        assert_eq!(delta(6, 5), 1);
        for (from, to) in [(0, 0), (0, u32::MAX), (u32::MAX, 0), (7, 1 << 31), (1 << 31, 3)] {
            assert_eq!(apply_delta(from, delta(from, to)), to);
        }
    }
}
