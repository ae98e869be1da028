//! Line info: the C lines that instructions were compiled from, for messages.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::btf_ext::Table;
use crate::btf::{Btf, StrOffset, string_at};

/// Limit on the bytes of a file name or line in a message.
const MAX_TEXT: usize = 1024;

/// A line of C source, from the object's line info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The file name, as it was given to the compiler.
    pub file: Arc<str>,
    /// The line number, from 1.
    pub line: u32,
    /// The line's text.
    pub text: Arc<str>,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The line info of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    /// The string section of the object's BTF.
    strings: Vec<u8>,
    /// By the string offset of the section's name; each list is ordered by instruction.
    sections: BTreeMap<StrOffset, Vec<LineRecord>>,
}

/// A record (`struct bpf_line_info`): the line of an instruction, and of those after it up to the next record.
#[derive(Debug, Clone, Copy)]
struct LineRecord {
    insn_offset: u32,
    file: StrOffset,
    text: StrOffset,
    line: u32,
}

impl Lines {
    /// Collects the records. Strings are read on demand: messages need only a few.
    pub(super) fn new(table: &Table<'_>, btf: &Btf<'_>) -> Self {
        let mut sections: BTreeMap<StrOffset, Vec<LineRecord>> = BTreeMap::new();
        for (section, records) in table.groups() {
            let read = |[insn_offset, file, text, line_col]: [u32; 4]| LineRecord {
                insn_offset,
                file: StrOffset(file),
                text: StrOffset(text),
                line: line_col >> 10,
            };
            sections.entry(section).or_default().extend(records.map(read));
        }
        sections.values_mut().for_each(|records| records.sort_by_key(|record| record.insn_offset));
        Self { strings: btf.strings().to_vec(), sections }
    }

    /// The line of an instruction, if there is one and its strings are readable.
    pub(super) fn line(&self, section_name_offset: StrOffset, insn_offset: u32) -> Option<SourceLine> {
        let records = self.sections.get(&section_name_offset)?;
        let after = records.partition_point(|record| record.insn_offset <= insn_offset);
        let record = records.get(after.checked_sub(1)?)?;
        Some(SourceLine { file: self.text(record.file)?, line: record.line, text: self.text(record.text)? })
    }

    /// The line of an instruction of a section by name.
    pub(super) fn line_in(&self, section: &str, insn_offset: u32) -> Option<SourceLine> {
        let is_named =
            |at: &StrOffset| string_at(&self.strings, at.0 as usize, MAX_TEXT) == Some(section.as_bytes());
        self.sections.keys().filter(|at| is_named(at)).find_map(|&at| self.line(at, insn_offset))
    }

    /// A string, truncated to [`MAX_TEXT`] bytes.
    ///
    /// An offset into the middle of a string is refused: compilers write none, and overlapping texts could together be far
    /// longer than the object.
    fn text(&self, offset: StrOffset) -> Option<Arc<str>> {
        let start = offset.0 as usize;
        let is_start = start == 0 || self.strings.get(start - 1) == Some(&0);
        let bytes = string_at(&self.strings, start, MAX_TEXT).filter(|_| is_start)?;
        Some(String::from_utf8_lossy(bytes).trim().into())
    }
}
