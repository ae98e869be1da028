//! Raw BTF: records as words of the wire format, so that tests can write, join and reorder any types.

/// Kinds, numbered as in `linux/btf.h`.
#[expect(missing_docs, reason = "the kernel's names")]
pub mod kind {
    pub const INT: u32 = 1;
    pub const PTR: u32 = 2;
    pub const ARRAY: u32 = 3;
    pub const STRUCT: u32 = 4;
    pub const UNION: u32 = 5;
    pub const ENUM: u32 = 6;
    pub const FWD: u32 = 7;
    pub const TYPEDEF: u32 = 8;
    pub const VOLATILE: u32 = 9;
    pub const CONST: u32 = 10;
    pub const RESTRICT: u32 = 11;
    pub const FUNC: u32 = 12;
    pub const FUNC_PROTO: u32 = 13;
    pub const VAR: u32 = 14;
    pub const DATASEC: u32 = 15;
    pub const FLOAT: u32 = 16;
    pub const DECL_TAG: u32 = 17;
    pub const TYPE_TAG: u32 = 18;
    pub const ENUM64: u32 = 19;
}

/// Why bytes are not a BTF.
#[derive(Debug, thiserror::Error)]
#[error("not a BTF, at offset {0}")]
pub struct RawError(pub usize);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    String,
    Type,
    Plain,
}

/// A BTF under construction; type ids count from 1, and 0 is `void`.
#[derive(Clone, Debug)]
pub struct Btf {
    records: Vec<Vec<u32>>,
    strings: Vec<u8>,
    /// `info_sz` and `elem_sz` of each kind in the layout section; without one the header has 24 bytes.
    layout: Vec<[u8; 2]>,
}

impl Default for Btf {
    fn default() -> Self {
        Self { records: Vec::new(), strings: vec![0], layout: Vec::new() }
    }
}

impl Btf {
    /// Number of types, without `void`.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no type.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The offset of a string, which is added if it is missing.
    pub fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let needle: Vec<u8> = [&[0], text.as_bytes(), &[0]].concat();
        let found = self.strings.windows(needle.len()).position(|window| window == needle);
        let at = found.map_or(self.strings.len(), |before| before + 1);
        if found.is_none() {
            self.strings.extend_from_slice(&needle[1..]);
        }
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn push(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        vlen: usize,
        size_or_type: u32,
        rest: &[u32],
    ) -> u32 {
        let vlen = u32::try_from(vlen).unwrap_or(u32::MAX) & 0xff_ffff;
        let name = self.string(name);
        let mut record = vec![name, kind << 24 | u32::from(flag) << 31 | vlen, size_or_type];
        record.extend_from_slice(rest);
        self.records.push(record);
        u32::try_from(self.records.len()).unwrap_or(u32::MAX)
    }

    /// An integer of `bytes` bytes.
    pub fn int(&mut self, name: &str, bytes: u32, signed: bool) -> u32 {
        self.push(name, kind::INT, false, 0, bytes, &[(u32::from(signed) << 24) | (bytes * 8)])
    }

    /// Turns the last type, an integer, into a bitfield integer as old compilers wrote them.
    ///
    /// # Panics
    /// When the last type is not an integer.
    pub fn make_last_int_a_bitfield(&mut self, offset: u32, bits: u32) {
        let record = self.records.last_mut().filter(|record| record[1] >> 24 == kind::INT);
        let encoding = &mut record.expect("the last type is an integer")[3];
        *encoding = (*encoding & 0xff00_0000) | (offset << 16) | bits;
    }

    /// A floating point number of `bytes` bytes.
    pub fn float(&mut self, name: &str, bytes: u32) -> u32 {
        self.push(name, kind::FLOAT, false, 0, bytes, &[])
    }

    /// A kind that only refers to another type: pointer, typedef, modifier, function, type tag.
    pub fn reference(&mut self, kind: u32, name: &str, target: u32) -> u32 {
        self.push(name, kind, false, 0, target, &[])
    }

    /// A forward declaration of a struct or union.
    pub fn forward(&mut self, name: &str, union: bool) -> u32 {
        self.push(name, kind::FWD, union, 0, 0, &[])
    }

    /// An array of `len` elements.
    pub fn array(&mut self, element: u32, index: u32, len: u32) -> u32 {
        self.push("", kind::ARRAY, false, 0, 0, &[element, index, len])
    }

    /// A struct or union of `bytes` bytes; each member has a name, a type and an offset in bits.
    pub fn composite(&mut self, union: bool, name: &str, bytes: u32, members: &[(&str, u32, u32)]) -> u32 {
        let members: Vec<_> = members.iter().map(|&(name, ty, offset)| (name, ty, offset, 0)).collect();
        self.bitfields(union, name, bytes, &members)
    }

    /// As [`Btf::composite`], with each member's bitfield size in bits last, or 0; any bitfield sets the kind flag.
    pub fn bitfields(
        &mut self,
        union: bool,
        name: &str,
        bytes: u32,
        members: &[(&str, u32, u32, u32)],
    ) -> u32 {
        let flag = members.iter().any(|member| member.3 != 0);
        let rest: Vec<u32> = members
            .iter()
            .flat_map(|&(name, ty, offset, bits)| [self.string(name), ty, bits << 24 | offset])
            .collect();
        let kind = if union { kind::UNION } else { kind::STRUCT };
        self.push(name, kind, flag, members.len(), bytes, &rest)
    }

    /// An enum of `bytes` bytes.
    pub fn enumeration(&mut self, name: &str, bytes: u32, signed: bool, values: &[(&str, i32)]) -> u32 {
        let rest: Vec<u32> =
            values.iter().flat_map(|&(name, value)| [self.string(name), value.cast_unsigned()]).collect();
        self.push(name, kind::ENUM, signed, values.len(), bytes, &rest)
    }

    /// An enum with 64-bit values.
    pub fn enumeration64(&mut self, name: &str, bytes: u32, signed: bool, values: &[(&str, u64)]) -> u32 {
        let half = |value: u64| u32::try_from(value & 0xffff_ffff).unwrap_or_default();
        let rest: Vec<u32> = values
            .iter()
            .flat_map(|&(name, value)| [self.string(name), half(value), half(value >> 32)])
            .collect();
        self.push(name, kind::ENUM64, signed, values.len(), bytes, &rest)
    }

    /// A function's signature.
    pub fn prototype(&mut self, result: u32, parameters: &[(&str, u32)]) -> u32 {
        let rest: Vec<u32> = parameters.iter().flat_map(|&(name, ty)| [self.string(name), ty]).collect();
        self.push("", kind::FUNC_PROTO, false, parameters.len(), result, &rest)
    }

    /// A declaration tag on a type (`component` -1) or one of its members or parameters.
    pub fn declaration_tag(&mut self, text: &str, target: u32, component: i32) -> u32 {
        self.push(text, kind::DECL_TAG, false, 0, target, &[component.cast_unsigned()])
    }

    /// Changes to the form that Linux 7.1 and pahole 1.31 write: a header of 32 bytes, and a layout section that has the known
    /// kinds.
    pub fn widen(&mut self) {
        let size = |words: &[Word]| u8::try_from(words.len() * 4).unwrap_or(u8::MAX);
        let sizes = |kind| rest_of(kind).map_or([0; 2], |(once, each)| [size(once), size(each)]);
        self.layout = (0..=kind::ENUM64).map(sizes).collect();
    }

    /// Adds a kind to the layout section: the bytes that follow a type's common part once, and `vlen` times.
    pub fn add_kind(&mut self, kind: u8, once: u8, each: u8) {
        self.layout.resize(self.layout.len().max(usize::from(kind) + 1), [0; 2]);
        self.layout[usize::from(kind)] = [once, each];
    }

    /// A type of any kind, with the words that follow the common part.
    pub fn of_kind(&mut self, kind: u8, name: &str, vlen: usize, words: &[u32]) -> u32 {
        self.push(name, kind.into(), false, vlen, 0, words)
    }

    /// Kind, name and index (from 0) of each named type.
    pub fn names(&self) -> Vec<(u32, String, usize)> {
        let mut names = Vec::new();
        for (index, record) in self.records.iter().enumerate() {
            let tail = self.strings.get(record[0] as usize..).unwrap_or_default();
            let name = String::from_utf8_lossy(tail.split(|&byte| byte == 0).next().unwrap_or_default());
            if !name.is_empty() {
                names.push(((record[1] >> 24) & 0x7f, name.into_owned(), index));
            }
        }
        names
    }

    /// The same types with a string table that has a copy of a string for each use, in reverse order.
    #[must_use]
    pub fn with_other_strings(&self) -> Self {
        let strings = std::cell::RefCell::new(vec![0]);
        let move_string = |offset: u32| {
            let tail = self.strings.get(offset as usize..).unwrap_or_default();
            let text = tail.split(|&byte| byte == 0).next().unwrap_or_default();
            let mut strings = strings.borrow_mut();
            let at = strings.len();
            strings.extend_from_slice(text);
            strings.push(0);
            u32::try_from(at).unwrap_or(u32::MAX)
        };
        let moved = self.records.iter().rev().map(|record| {
            mapped(
                record,
                |word, value| if word == Word::String && value != 0 { move_string(value) } else { value },
            )
        });
        let mut records: Vec<_> = moved.collect();
        records.reverse();
        Self { records, strings: strings.into_inner(), layout: self.layout.clone() }
    }

    /// The wire format.
    pub fn to_bytes(&self, big_endian: bool) -> Vec<u8> {
        let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
        let magic = if big_endian { 0xeb9f_u16.to_be_bytes() } else { 0xeb9f_u16.to_le_bytes() };
        let len = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let types = len(self.records.iter().map(|record| record.len() * 4).sum());
        let mut bytes = [magic[0], magic[1], 1, 0].to_vec();
        let layout = len(self.layout.len() * 4);
        let header: &[u32] = if layout == 0 { &[24] } else { &[32] };
        let sections: &[u32] = &[0, types, types + layout, len(self.strings.len()), types, layout];
        for value in header.iter().chain(if layout == 0 { &sections[..4] } else { sections }) {
            bytes.extend_from_slice(&word(*value));
        }
        for value in self.records.iter().flatten() {
            bytes.extend_from_slice(&word(*value));
        }
        bytes.extend(self.layout.iter().flat_map(|&[once, each]| [once, each, 0, 0]));
        bytes.extend_from_slice(&self.strings);
        bytes
    }

    /// Reads a BTF of either byte order.
    ///
    /// # Errors
    /// When the bytes are not a well-formed BTF.
    pub fn parse(bytes: &[u8]) -> Result<Self, RawError> {
        let big_endian = match bytes {
            [0x9f, 0xeb, ..] => false,
            [0xeb, 0x9f, ..] => true,
            _ => return Err(RawError(0)),
        };
        let word = |at: usize| {
            let raw = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or(RawError(at))?;
            Ok(if big_endian { u32::from_be_bytes(*raw) } else { u32::from_le_bytes(*raw) })
        };
        let field = |at| word(at).map(|value| value as usize);
        let header = field(4)?;
        let (start, end) = (header + field(8)?, header + field(8)? + field(12)?);
        let strings = header + field(16)?;
        let strings = bytes.get(strings..strings + field(20)?).ok_or(RawError(20))?.to_vec();
        let mut records = Vec::new();
        let mut at = start;
        while at < end {
            let info = word(at + 4)?;
            let words = 3 + rest_of(info >> 24 & 0x7f).map_or(Err(RawError(at + 4)), |(fixed, each)| {
                Ok(fixed.len() + each.len() * (info & 0xff_ffff) as usize)
            })?;
            records.push((0..words).map(|n| word(at + n * 4)).collect::<Result<Vec<_>, _>>()?);
            at += words * 4;
        }
        Ok(Self { records, strings, layout: Vec::new() })
    }

    /// Adds all types of another BTF after this one's, without merging any, as a linker does before deduplication.
    pub fn append(&mut self, other: &Self) {
        let types = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let strings = u32::try_from(self.strings.len()).unwrap_or(u32::MAX);
        self.strings.extend_from_slice(&other.strings);
        for record in &other.records {
            self.records.push(mapped(record, |word, value| match (word, value) {
                (Word::Plain, _) | (_, 0) => value,
                (Word::Type, _) => value + types,
                (Word::String, _) => value + strings,
            }));
        }
    }

    /// A split BTF over `base`, of which this BTF is an extension: what it has in addition.
    ///
    /// # Panics
    /// When it is no extension.
    #[must_use]
    pub fn split_over(&self, base: &Self) -> Self {
        assert!(self.records.starts_with(&base.records) && self.strings.starts_with(&base.strings));
        let records = self.records[base.records.len()..].to_vec();
        Self { records, strings: self.strings[base.strings.len()..].to_vec(), layout: self.layout.clone() }
    }

    /// The same types in another order, with their ids adjusted: `order[new]` is the old index, from 0.
    ///
    /// # Panics
    /// When `order` is not a permutation of this BTF's types.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let mut new_ids = vec![u32::MAX; self.records.len()];
        for (new, &old) in order.iter().enumerate() {
            new_ids[old] = u32::try_from(new + 1).unwrap_or(u32::MAX);
        }
        assert!(order.len() == new_ids.len() && !new_ids.contains(&u32::MAX), "not a permutation");
        let moved = order.iter().map(|&old| {
            mapped(&self.records[old], |word, value| match word {
                Word::Type if value != 0 => new_ids[value as usize - 1],
                _ => value,
            })
        });
        Self { records: moved.collect(), ..self.clone() }
    }
}

/// The words after the three common ones: those that occur once, and those that occur `vlen` times.
fn rest_of(kind: u32) -> Option<(&'static [Word], &'static [Word])> {
    use Word::{Plain, String, Type};
    Some(match kind {
        kind::INT | kind::VAR | kind::DECL_TAG => (&[Plain], &[]),
        kind::ARRAY => (&[Type, Type, Plain], &[]),
        kind::STRUCT | kind::UNION => (&[], &[String, Type, Plain]),
        kind::ENUM => (&[], &[String, Plain]),
        kind::ENUM64 => (&[], &[String, Plain, Plain]),
        kind::FUNC_PROTO => (&[], &[String, Type]),
        kind::DATASEC => (&[], &[Type, Plain, Plain]),
        kind::PTR..=kind::TYPE_TAG => (&[], &[]),
        _ => return None,
    })
}

fn mapped(record: &[u32], map: impl Fn(Word, u32) -> u32) -> Vec<u32> {
    let kind = record[1] >> 24 & 0x7f;
    let refers = matches!(kind, kind::PTR | kind::TYPEDEF..=kind::VAR | kind::DECL_TAG | kind::TYPE_TAG);
    let third = if refers { Word::Type } else { Word::Plain };
    let (fixed, each) = rest_of(kind).unwrap_or_default();
    let repeated = each.iter().cycle().take(record.len().saturating_sub(3 + fixed.len()));
    let words = [Word::String, Word::Plain, third].into_iter().chain(fixed.iter().chain(repeated).copied());
    let words = words.chain(std::iter::repeat(Word::Plain));
    record.iter().zip(words).map(|(&value, word)| map(word, value)).collect()
}
