//! `.BTF.ext`: its header, and its tables of records grouped by section.

use super::error::ObjectError;
use crate::btf::{Endian, StrOffset, u16_at, u32_at};

/// Fields of the header (`struct btf_ext_header`), by byte offset.
const VERSION_AT: usize = 2;
const HEADER_LEN_AT: usize = 4;
const LINE_INFO_AT: usize = 16;
const CORE_RELO_AT: usize = 24;

/// Words of `struct bpf_line_info` and of `struct bpf_core_relo`; later versions may append words.
const RECORD_WORDS: usize = 4;

/// The tables of a `.BTF.ext` section; function info is not needed here.
pub(super) struct BtfExt<'a> {
    pub(super) line_info: Table<'a>,
    pub(super) relocations: Table<'a>,
}

/// A table whose records are complete.
pub(super) struct Table<'a> {
    endian: Endian,
    record_words: usize,
    groups: Vec<Group<'a>>,
}

/// The records of one section (`struct btf_ext_info_sec`).
struct Group<'a> {
    section_name_offset: StrOffset,
    words: &'a [[u8; 4]],
}

impl<'a> BtfExt<'a> {
    /// Reads the header and checks the bounds of both tables, as libbpf's `btf_ext__new` does.
    pub(super) fn parse(bytes: &'a [u8], endian: Endian) -> Result<Self, ObjectError> {
        let truncated = || ObjectError::ext("the header is truncated");
        if u16_at(bytes, 0, endian).ok_or_else(truncated)? != 0xeb9f {
            return Err(ObjectError::ext(
                "the magic 0xeb9f is missing, or its byte order differs from the object's",
            ));
        }
        let version = *bytes.get(VERSION_AT).ok_or_else(truncated)?;
        if version != 1 {
            return Err(ObjectError::ext(format!("unsupported version {version}")));
        }
        let header_len = u32_at(bytes, HEADER_LEN_AT, endian).ok_or_else(truncated)? as usize;
        let table = |at: usize, name: &str| {
            // Compilers before CO-RE write a header of 24 bytes, without the relocation info.
            if header_len < at + 8 {
                return Table::parse(&[], endian, name);
            }
            let offset = u32_at(bytes, at, endian).ok_or_else(truncated)? as usize;
            let len = u32_at(bytes, at + 4, endian).ok_or_else(truncated)? as usize;
            let start = header_len.saturating_add(offset);
            let bytes = bytes.get(start..start.saturating_add(len));
            Table::parse(bytes.ok_or_else(|| truncated_table(name))?, endian, name)
        };
        let line_info = table(LINE_INFO_AT, "line info")?;
        Ok(Self { line_info, relocations: table(CORE_RELO_AT, "relocation info")? })
    }
}

impl<'a> Table<'a> {
    fn parse(bytes: &'a [u8], endian: Endian, name: &str) -> Result<Self, ObjectError> {
        let mut table = Self { endian, record_words: RECORD_WORDS, groups: Vec::new() };
        if bytes.is_empty() {
            return Ok(table);
        }
        let truncated = || truncated_table(name);
        let word = |at| u32_at(bytes, at, endian).ok_or_else(truncated);
        let record_len = word(0)? as usize;
        if record_len < 4 * RECORD_WORDS || !record_len.is_multiple_of(4) {
            return Err(ObjectError::ext(format!("the {name} has records of {record_len} bytes")));
        }
        table.record_words = record_len / 4;
        let mut at = 4;
        while at < bytes.len() {
            let (section_name_offset, count) = (StrOffset(word(at)?), word(at + 4)? as usize);
            at += 8;
            let len = count.checked_mul(record_len).ok_or_else(truncated)?;
            let records = bytes.get(at..at.saturating_add(len)).ok_or_else(truncated)?;
            at += len;
            let (words, _) = records.as_chunks();
            table.groups.push(Group { section_name_offset, words });
        }
        Ok(table)
    }

    /// The groups: the string offset of each section's name, and the first four words of each record.
    pub(super) fn groups(
        &self,
    ) -> impl Iterator<Item = (StrOffset, impl ExactSizeIterator<Item = [u32; 4]>)> {
        self.groups.iter().map(|group| {
            let records = group.words.chunks_exact(self.record_words);
            let read = |words: &[[u8; 4]]| {
                [words[0], words[1], words[2], words[3]].map(|word| self.endian.u32(word))
            };
            (group.section_name_offset, records.map(read))
        })
    }
}

fn truncated_table(name: &str) -> ObjectError {
    ObjectError::ext(format!("the {name} is truncated"))
}
