//! `.BTF.ext`: CO-RE relocations and line info, with records of every size.
//!
//! Loops over all relocations do little for each: a build script is compiled without optimization, and what a large object
//! asks tens of thousands of times are a few thousand things.

use std::sync::Arc;

use super::lines::Lines;
use super::{Asks, ObjectError, Relocations, Section, Stand};
use crate::btf::{Btf, Endian, StrOffset, u16_at, u32_at};
use crate::memo::Memo;
use crate::resolve::RelocationKind;

/// Smallest record of line info and of relocations: four words.
const RECORD_LEN: usize = 16;

/// Most bytes that are taken of a string; 64 levels of an access take 700.
pub(super) const MAX_TEXT: usize = 1024;

/// One part of `.BTF.ext`: records grouped by section.
pub(super) struct Info<'a> {
    /// Words of a record, of which the first four count.
    pub(super) stride: usize,
    pub(super) groups: Vec<Group<'a>>,
}

pub(super) struct Group<'a> {
    /// Where the section's name stands among the strings.
    pub(super) section: u32,
    /// The records' words, in the object's byte order.
    pub(super) words: &'a [[u8; 4]],
}

fn malformed(what: &str) -> ObjectError {
    ObjectError::BtfExt(what.to_owned())
}

/// Reads all relocations, in the order of the section.
pub(super) fn relocations(bytes: &[u8], btf: &Btf<'_>) -> Result<Relocations, ObjectError> {
    let endian = btf.endian();
    let cut_off = || malformed("the header is cut off");
    if u16_at(bytes, 0, endian).ok_or_else(cut_off)? != 0xeb9f {
        return Err(malformed("the magic 0xeb9f is missing, or is in another byte order than the object's"));
    }
    let version = *bytes.get(2).ok_or_else(cut_off)?;
    if version != 1 {
        return Err(ObjectError::BtfExt(format!("unsupported version {version}")));
    }
    let header_len = u32_at(bytes, 4, endian).ok_or_else(cut_off)? as usize;
    // Compilers before CO-RE wrote a header of 24 bytes, without the relocations.
    let part = |at: usize, what: &str| -> Result<&[u8], ObjectError> {
        if header_len < at + 8 {
            return Ok(&[]);
        }
        let start = u32_at(bytes, at, endian).ok_or_else(cut_off)? as usize;
        let len = u32_at(bytes, at + 4, endian).ok_or_else(cut_off)? as usize;
        let start = header_len.saturating_add(start);
        let bytes = bytes.get(start..start.saturating_add(len));
        bytes.ok_or_else(|| malformed(&format!("{what} is cut off")))
    };
    let lines = part(16, "the line info")?;
    // They are looked into when a line is asked for, and must then be sound.
    Info::parse(lines, endian, "line info")?;
    let info = Info::parse(part(24, "the relocation info")?, endian, "relocation info")?;
    let mut asking = Asking::new(btf);
    let mut relocations = Relocations { lines: Lines::new(lines), ..Relocations::default() };
    let count = info.groups.iter().map(|group| group.words.len()).sum::<usize>() / info.stride;
    relocations.asked.reserve(count);
    relocations.stands.reserve(count);
    for Group { section: name, words } in info.groups {
        let section = relocations.sections.len() as u32;
        let first = relocations.asked.len();
        relocations.sections.push(Section { name: asking.texts.get(name)?, name_offset: name, first });
        let mut at = 0;
        while at < words.len() {
            let insn_offset = endian.u32(words[at]);
            let (root, access) = (endian.u32(words[at + 1]), endian.u32(words[at + 2]));
            let asks = asking.number(root, access, endian.u32(words[at + 3]))?;
            relocations.asked.push(asks);
            relocations.stands.push(Stand { section, insn_offset });
            at += info.stride;
        }
    }
    relocations.asks = asking.asks;
    Ok(relocations)
}

/// What relocations ask, each once, in the order of the first of them.
struct Asking<'b, 'a> {
    texts: Texts<'b, 'a>,
    asks: Vec<Asks>,
    /// Places among `asks`, by root, access string's offset and kind.
    known: Memo<(u32, u32, u32), u32>,
    /// What was asked last of all that share a slot: most that is asked was asked a moment ago, and this is found in a
    /// tenth of a map's time.
    recent: Vec<Recent>,
}

#[derive(Clone, Copy)]
struct Recent {
    root: u32,
    access: u32,
    kind: u32,
    /// The place among `asks`, or [`NOTHING`].
    asks: u32,
}

/// A slot that is empty yet.
const NOTHING: u32 = u32::MAX;

/// Bits of a slot's number.
const SLOT_BITS: u32 = 12;

impl<'b, 'a> Asking<'b, 'a> {
    fn new(btf: &'b Btf<'a>) -> Self {
        let empty = Recent { root: 0, access: 0, kind: 0, asks: NOTHING };
        Self {
            texts: Texts::new(btf),
            asks: Vec::new(),
            known: Memo::default(),
            recent: vec![empty; 1 << SLOT_BITS],
        }
    }

    /// The place of what is asked.
    fn number(&mut self, root: u32, access: u32, kind: u32) -> Result<u32, ObjectError> {
        let mixed = (root.wrapping_mul(0x9e37_79b1) ^ access ^ kind << 16).wrapping_mul(0x85eb_ca6b);
        let slot = (mixed >> (u32::BITS - SLOT_BITS)) as usize;
        let recent = self.recent[slot];
        if recent.root == root && recent.access == access && recent.kind == kind && recent.asks != NOTHING {
            return Ok(recent.asks);
        }
        let asks = match self.known.get(&(root, access, kind)) {
            Some(known) => *known,
            None => {
                let number = self.asks.len() as u32;
                let text = self.texts.access(access)?;
                self.asks.push(Asks {
                    root,
                    access: text,
                    kind: RelocationKind::from_number(kind).ok_or(kind),
                });
                self.known.insert((root, access, kind), number);
                number
            }
        };
        self.recent[slot] = Recent { root, access, kind, asks };
        Ok(asks)
    }
}

/// Strings of `.BTF`, each decoded once.
struct Texts<'b, 'a> {
    btf: &'b Btf<'a>,
    known: Memo<u32, Arc<str>>,
    accesses: Memo<u32, Arc<str>>,
    /// Bytes that may still be decoded.
    left: usize,
}

impl<'b, 'a> Texts<'b, 'a> {
    fn new(btf: &'b Btf<'a>) -> Self {
        let left = 2 * btf.string_len() + (1 << 16);
        Self { btf, known: Memo::default(), accesses: Memo::default(), left }
    }

    /// A section's name; of one longer than any path the beginning.
    fn get(&mut self, offset: u32) -> Result<Arc<str>, ObjectError> {
        if let Some(known) = self.known.get(&offset) {
            return Ok(Arc::clone(known));
        }
        let bytes = self.bytes(offset, MAX_TEXT)?;
        let text: Arc<str> = String::from_utf8_lossy(bytes).trim().into();
        self.known.insert(offset, Arc::clone(&text));
        Ok(text)
    }

    /// An access string, which must be whole.
    fn access(&mut self, offset: u32) -> Result<Arc<str>, ObjectError> {
        if let Some(known) = self.accesses.get(&offset) {
            return Ok(Arc::clone(known));
        }
        let bytes = self.bytes(offset, MAX_TEXT + 1)?;
        if bytes.len() > MAX_TEXT {
            return Err(ObjectError::BtfExt(format!("an access string has more than {MAX_TEXT} bytes")));
        }
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        self.accesses.insert(offset, Arc::clone(&text));
        Ok(text)
    }

    /// The bytes of a string; all of them together are bounded, since strings may share bytes.
    fn bytes(&mut self, offset: u32, most: usize) -> Result<&'a [u8], ObjectError> {
        let bytes = self.btf.string_up_to(StrOffset(offset), most).map_err(ObjectError::BtfExtString)?;
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or_else(|| malformed("its strings overlap"))?;
        Ok(bytes)
    }
}

impl<'a> Info<'a> {
    /// Finds the groups of a part, in which every record is whole.
    pub(super) fn parse(bytes: &'a [u8], endian: Endian, what: &str) -> Result<Self, ObjectError> {
        let mut groups = Vec::new();
        if bytes.is_empty() {
            return Ok(Self { stride: RECORD_LEN / 4, groups });
        }
        let cut_off = || malformed(&format!("the {what} is cut off"));
        let word = |at| u32_at(bytes, at, endian).ok_or_else(cut_off);
        let record_len = word(0)? as usize;
        if record_len < RECORD_LEN || !record_len.is_multiple_of(4) {
            return Err(malformed(&format!("the {what} has records of {record_len} bytes")));
        }
        let mut at = 4;
        while at < bytes.len() {
            let (section, count) = (word(at)?, word(at + 4)? as usize);
            at += 8;
            let len = count.checked_mul(record_len).ok_or_else(cut_off)?;
            let records = bytes.get(at..at.saturating_add(len)).ok_or_else(cut_off)?;
            at += len;
            let (words, _) = records.as_chunks();
            groups.push(Group { section, words });
        }
        Ok(Self { stride: record_len / 4, groups })
    }
}
