//! Wire: the archive's layout, defined once, for the reader here and the writer in btfgen-build.
//!
//! ```text
//! archive  magic[3] "BTA", version u8, varint index-raw-length, varint index-length,
//!          index frame, group frames (one after the other, to the end)
//! index    varint objects, then per object: digest[8], ascending,
//!          varint groups, then per group: varint raw-length, varint length, varint BTFs,
//!          varint templates, then per template: text, 0x00,
//!          then per template: varint entries,
//!          then per template, per number of the template: that number of each entry, as varint(zigzag(delta)),
//!          then per entry: number of its BTF as varint(zigzag(delta))
//! group    byte order u8, then fifteen columns, each after its length as a varint: texts, edits, types (2), parents,
//!          timelines, names (2), counts, infos, numbers (2), heads (2), kinds; of two columns the first is of definitions
//!          that are stored whole
//! ```
//!
//! Frames are zstd frames with a content checksum, less their magic number. A varint is LEB128, at most five
//! bytes, shortest form. Deltas are against the previous value of the same column, the first against zero,
//! wrapping in 32 bits. A template is a kernel id in which every number is replaced by [`NUMBER`]: kernels of
//! one series then differ in one column of small deltas, which is what makes the index small. A group holds the
//! distinct definitions of its BTFs, each as what differs from another, and which of them each BTF has.
//! `docs/archive.md` has the whole specification.

/// First bytes of every archive.
pub const MAGIC: [u8; 3] = *b"BTA";
/// Version of the layout, the fourth byte.
pub const VERSION: u8 = 1;
/// A zstd frame's magic number, which is left out of the archive's frames.
pub const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Stands for a number in a template; no kernel id holds a control character.
pub const NUMBER: u8 = 0x01;
/// Ends a template.
pub const TEMPLATE_END: u8 = 0x00;
/// Most bytes that a look-up decodes of the groups; only a larger BTF makes it more.
pub const LOOKUP_TARGET: usize = 256 << 10;
/// Largest group and largest minimized BTF, in bytes.
pub const MAX_BLOB: usize = 16 << 20;
/// Number of a group's columns.
pub const COLUMNS: usize = 15;
/// Most that a group's number of BTFs times the length of its timelines may be: a bound of the steps that reading them takes.
pub const MAX_STEPS: usize = 1 << 28;
/// Most words that the definitions of one slot may have.
pub const MAX_SLOT_WORDS: usize = 1 << 22;
/// A group's first byte for BTFs in little-endian order.
pub const LITTLE: u8 = 0;
/// A group's first byte for BTFs in big-endian order.
pub const BIG: u8 = 1;
/// Most members, enumerators or parameters of a type: BTF has 16 bits for them.
pub const MAX_ENTRIES: u32 = 0xffff;
/// Largest decoded index, in bytes.
pub const MAX_INDEX: usize = 4 << 20;
/// Largest sum of the kernel ids' lengths, in bytes, each number taken for one of [`MAX_DIGITS`].
pub const MAX_IDS: usize = 16 << 20;
/// Most digits of a number in a kernel id; a longer run of digits stays text.
pub const MAX_DIGITS: usize = 9;

/// Appends a LEB128 varint.
pub fn push_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint off the front; `None` when it is cut short, too large or not in its shortest form.
#[inline(never)]
pub fn take_varint(input: &mut &[u8]) -> Option<u32> {
    // Most are one byte.
    if let [byte @ ..0x80, rest @ ..] = *input {
        *input = rest;
        return Some(u32::from(*byte));
    }
    let mut value = 0u32;
    for (at, &byte) in input.iter().enumerate().take(5) {
        let bits = u32::from(byte & 0x7f);
        if at == 4 && bits > 0x0f {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            if byte == 0 && at > 0 {
                return None;
            }
            *input = input.get(at + 1..)?;
            return Some(value);
        }
    }
    None
}

/// The difference that leads from one value to the next, small in either direction.
pub fn delta(from: u32, to: u32) -> u32 {
    let difference = to.wrapping_sub(from) as i32;
    ((difference << 1) ^ (difference >> 31)) as u32
}

/// The value that [`delta`] leads to.
pub fn apply_delta(from: u32, delta: u32) -> u32 {
    from.wrapping_add((delta >> 1) ^ (delta & 1).wrapping_neg())
}

/// What a word of a BTF type's record says, and so in which column a group stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The offset of a string.
    Name,
    /// The id of a type.
    Type,
    /// A member's offset in bits (and, of a bitfield, its size in the top byte), stored rotated right by three bits:
    /// most are whole bytes.
    Offset,
    /// Anything else.
    Number,
}

/// An edit, without the number of entries that stand before it: what makes a definition of the one that it is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// A new entry.
    Insert,
    /// The next entry is left out.
    Remove,
    /// A word of the next entry is another: its place in the entry.
    Change(usize),
}

/// Number of forms that an [`Edit`] has: two, and one for each of up to three words.
pub const EDITS: u32 = 5;

impl Edit {
    /// The form's number.
    pub fn number(self) -> u32 {
        match self {
            Self::Insert => 0,
            Self::Remove => 1,
            Self::Change(word) => word as u32 + 2,
        }
    }

    /// The form of a number below [`EDITS`].
    pub fn of(number: u32) -> Self {
        match number {
            0 => Self::Insert,
            1 => Self::Remove,
            _ => Self::Change(number as usize - 2),
        }
    }
}

/// What the size of a struct or union is likely to be: it grows by as many bytes as its last member has moved.
///
/// `added` is what was added to the words of the last entry that was copied. A size of 0 is one that nobody reads.
#[must_use]
pub fn grown(record: &Record, size: u32, added: [u32; 3]) -> u32 {
    match record.entry {
        [.., Word::Offset] if size != 0 => size.wrapping_add(added[2]),
        _ => size,
    }
}

/// How far [`Word::Offset`] is rotated.
pub const OFFSET_ROTATION: u32 = 3;

/// The words of a BTF type's record after its name and its info word.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    /// What the third word says, `size` or `type`.
    pub head: Word,
    /// The words of an entry: a member, an enumerator, a parameter, or what follows an int or an array.
    pub entry: &'static [Word],
    /// Whether there is always one entry, whatever the info word's `vlen` says.
    pub single: bool,
}

/// The record of a kind, as `include/uapi/linux/btf.h` has it; none for kinds that are not there.
#[inline(never)]
pub fn record(kind: u8) -> Option<Record> {
    use Word::{Name, Number, Offset, Type};
    let (head, entry, single): (Word, &'static [Word], bool) = match kind {
        1 => (Number, &[Number], true),
        2 | 8..=12 | 18 => (Type, &[], false),
        3 => (Number, &[Type, Type, Number], true),
        4 | 5 => (Number, &[Name, Type, Offset], false),
        6 => (Number, &[Name, Number], false),
        7 | 16 => (Number, &[], false),
        13 => (Type, &[Name, Type], false),
        14 | 17 => (Type, &[Number], true),
        15 => (Number, &[Type, Number, Number], false),
        19 => (Number, &[Name, Number, Number], false),
        _ => return None,
    };
    Some(Record { head, entry, single })
}

/// Splits a kernel id into its template and its numbers.
///
/// A number is a whole run of at most [`MAX_DIGITS`] ASCII digits without a leading zero; other digits stay text.
pub fn split(id: &str, template: &mut Vec<u8>, numbers: &mut Vec<u32>) {
    let mut rest = id.as_bytes();
    while let Some(&first) = rest.first() {
        let (mut digits, mut number) = (0, 0u32);
        while let Some(digit @ b'0'..=b'9') = rest.get(digits) {
            number = number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
            digits += 1;
        }
        if digits == 0 {
            template.push(first);
            rest = &rest[1..];
            continue;
        }
        let (run, tail) = rest.split_at(digits);
        if digits > MAX_DIGITS || (first == b'0' && digits > 1) {
            template.extend_from_slice(run);
        } else {
            template.push(NUMBER);
            numbers.push(number);
        }
        rest = tail;
    }
}

/// Appends a number in decimal, as it stands in a kernel id.
#[inline(never)]
pub(crate) fn push_number(out: &mut Vec<u8>, number: u32) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(b'0' + (number % 10) as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_round_trip_and_have_one_form() {
        for value in [0, 1, 127, 128, 300, 1 << 20, u32::MAX - 1, u32::MAX] {
            let mut bytes = Vec::new();
            push_varint(&mut bytes, value);
            bytes.push(9);
            let mut input = bytes.as_slice();
            assert_eq!(take_varint(&mut input), Some(value));
            assert_eq!(input, [9]);
        }
        for bad in [&[][..], &[0x80], &[0x80, 0], &[0xff; 5], &[0xff, 0xff, 0xff, 0xff, 0x10], &[0x80; 6]] {
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

    #[test]
    fn ids_split_into_template_and_numbers() {
        let check = |id: &str, template: &str, expect: &[u32]| {
            let (mut got, mut numbers) = (Vec::new(), Vec::new());
            split(id, &mut got, &mut numbers);
            assert_eq!(String::from_utf8(got).unwrap().replace('\x01', "#"), template);
            assert_eq!(numbers, expect);
        };
        check(
            "debian/12/x86_64/6.1.0-50-amd64",
            "debian/#/x#_#/#.#.#-#-amd#",
            &[12, 86, 64, 6, 1, 0, 50, 64],
        );
        check(
            "ubuntu/20.04/arm64/5.4.0-007-generic",
            "ubuntu/#.04/arm#/#.#.#-007-generic",
            &[20, 64, 5, 4, 0],
        );
        check("a/b/c/1234567890-0", "a/b/c/1234567890-#", &[0]);
    }
}
