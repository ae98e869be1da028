//! `.BTF.ext`: CO-RE relocations, with the C lines from its line info; records of every size.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ObjectError, Program, Relocation, SourceLine};
use crate::btf::{Btf, Endian, u16_at, u32_at};
use crate::memo::Memo;
use crate::resolve::RelocationKind;

/// Smallest record of line info and of relocations: four words.
const RECORD_LEN: usize = 16;

/// Most bytes that are taken of a string; 64 levels of an access take 700.
const MAX_TEXT: usize = 1024;

/// One part of `.BTF.ext`: records grouped by section.
struct Info<'a> {
    bytes: &'a [u8],
    endian: Endian,
}

struct Group {
    section: u32,
    records: Vec<[u32; 4]>,
}

fn malformed(what: &str) -> ObjectError {
    ObjectError::BtfExt(what.to_owned())
}

/// Reads all relocations, in the order of the section.
pub(super) fn relocations(
    bytes: &[u8],
    btf: &Btf<'_>,
    programs: &[Program],
) -> Result<Vec<Relocation>, ObjectError> {
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
    let part = |at: usize, what: &str| -> Result<Info<'_>, ObjectError> {
        if header_len < at + 8 {
            return Ok(Info { bytes: &[], endian });
        }
        let start = u32_at(bytes, at, endian).ok_or_else(cut_off)? as usize;
        let len = u32_at(bytes, at + 4, endian).ok_or_else(cut_off)? as usize;
        let start = header_len.saturating_add(start);
        let bytes = bytes.get(start..start.saturating_add(len));
        Ok(Info { bytes: bytes.ok_or_else(|| malformed(&format!("{what} is cut off")))?, endian })
    };
    let mut lines: BTreeMap<u32, Vec<[u32; 4]>> = BTreeMap::new();
    for group in part(16, "the line info")?.groups("line info")? {
        lines.entry(group.section).or_default().extend(group.records);
    }
    lines.values_mut().for_each(|lines| lines.sort_by_key(|line| line[0]));
    let groups = part(24, "the relocation info")?.groups("relocation info")?;
    let mut texts = Texts {
        btf,
        known: Memo::default(),
        accesses: Memo::default(),
        left: 2 * btf.string_len() + (1 << 16),
    };
    let mut relocations = Vec::with_capacity(groups.iter().map(|group| group.records.len()).sum());
    for group in groups {
        let section = texts.get(group.section)?;
        let lines = lines.get(&group.section).map_or(&[][..], Vec::as_slice);
        let before = programs.partition_point(|program| *program.section < *section);
        let count = programs[before..].partition_point(|program| *program.section == *section);
        let own = &programs[before..before + count];
        for (number, [insn_offset, root, access, kind]) in group.records.into_iter().enumerate() {
            let after = lines.partition_point(|line| line[0] <= insn_offset);
            let line = after.checked_sub(1).map(|at| texts.line(lines[at])).transpose()?;
            relocations.push(Relocation {
                number,
                insn_offset,
                root,
                access: texts.access(access)?,
                kind: RelocationKind::from_number(kind).ok_or(kind),
                program: program_at(own, insn_offset).map(|at| before + at),
                line,
                section: section.clone(),
            });
        }
    }
    Ok(relocations)
}

/// Strings of `.BTF`, each decoded once.
struct Texts<'b, 'a> {
    btf: &'b Btf<'a>,
    known: Memo<u32, Arc<str>>,
    accesses: Memo<u32, Arc<str>>,
    /// Bytes that may still be decoded.
    left: usize,
}

impl<'a> Texts<'_, 'a> {
    /// A string for people; of one longer than any path or line the beginning.
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
        let bytes = self.btf.string_up_to(offset, most).map_err(ObjectError::BtfExtString)?;
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or_else(|| malformed("its strings overlap"))?;
        Ok(bytes)
    }

    fn line(&mut self, [_, file, text, line_col]: [u32; 4]) -> Result<SourceLine, ObjectError> {
        Ok(SourceLine { file: self.get(file)?, line: line_col >> 10, text: self.get(text)? })
    }
}

/// The program of a section whose symbol covers the instruction.
fn program_at(programs: &[Program], insn_offset: u32) -> Option<usize> {
    let offset = u64::from(insn_offset);
    let at = programs.partition_point(|program| program.offset <= offset).checked_sub(1)?;
    let program = &programs[at];
    (offset < program.offset.saturating_add(program.size)).then_some(at)
}

impl Info<'_> {
    fn groups(&self, what: &str) -> Result<Vec<Group>, ObjectError> {
        let mut groups = Vec::new();
        if self.bytes.is_empty() {
            return Ok(groups);
        }
        let cut_off = || malformed(&format!("the {what} is cut off"));
        let word = |at| u32_at(self.bytes, at, self.endian).ok_or_else(cut_off);
        let record_len = word(0)? as usize;
        if record_len < RECORD_LEN || !record_len.is_multiple_of(4) {
            return Err(malformed(&format!("the {what} has records of {record_len} bytes")));
        }
        let mut at = 4;
        while at < self.bytes.len() {
            let (section, count) = (word(at)?, word(at + 4)? as usize);
            at += 8;
            let len = count.checked_mul(record_len).ok_or_else(cut_off)?;
            let records = self.bytes.get(at..at.saturating_add(len)).ok_or_else(cut_off)?;
            at += len;
            let records: Vec<[u32; 4]> = records
                .chunks_exact(record_len)
                .map(|record| [0, 4, 8, 12].map(|at| u32_at(record, at, self.endian).unwrap_or_default()))
                .collect();
            groups.push(Group { section, records });
        }
        Ok(groups)
    }
}
