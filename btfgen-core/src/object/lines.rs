//! Line info: the C lines that instructions were compiled from, looked into only when somebody asks for one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::btf_ext::{Info, MAX_TEXT};
use crate::btf::{Btf, string_at};

/// A line of C source, from the object's line info.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The file as the compiler was given it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The line's text.
    pub text: Arc<str>,
}

impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The line info as the object has it.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    sorted: OnceLock<Sorted>,
}

/// The line info's records, by section and instruction.
#[derive(Debug, Clone, Default)]
struct Sorted {
    /// The string section of the object's BTF.
    strings: Vec<u8>,
    /// By the offset of the section's name: instruction's offset, file, text, line and column.
    records: BTreeMap<u32, Vec<[u32; 4]>>,
}

impl Lines {
    /// Line info whose groups and records are whole.
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), sorted: OnceLock::new() }
    }

    /// The line of an instruction, if there is one whose texts can be read; `btf` is the object's.
    pub(super) fn line(&self, btf: &[u8], section: u32, insn_offset: u32) -> Option<SourceLine> {
        let sorted = self.sorted.get_or_init(|| Sorted::new(&self.bytes, btf).unwrap_or_default());
        let records = sorted.records.get(&section)?;
        let after = records.partition_point(|record| record[0] <= insn_offset);
        let [_, file, text, line_col] = *records.get(after.checked_sub(1)?)?;
        Some(SourceLine { file: sorted.text(file)?, line: line_col >> 10, text: sorted.text(text)? })
    }
}

impl Sorted {
    /// None when either is malformed, as they are not in an object that could be parsed.
    fn new(lines: &[u8], btf: &[u8]) -> Option<Self> {
        let btf = Btf::parse(btf).ok()?;
        let endian = btf.endian();
        let Info { stride, groups } = Info::parse(lines, endian, "line info").ok()?;
        let mut records: BTreeMap<u32, Vec<[u32; 4]>> = BTreeMap::new();
        for group in groups {
            let own = records.entry(group.section).or_default();
            for words in group.words.chunks_exact(stride) {
                own.push([words[0], words[1], words[2], words[3]].map(|word| endian.u32(word)));
            }
        }
        records.values_mut().for_each(|records| records.sort_by_key(|record| record[0]));
        Some(Self { strings: btf.strings().to_vec(), records })
    }

    /// A text for people; of one longer than any path or line the beginning.
    ///
    /// It must stand by itself, as compilers write them: texts that begin within others could be far longer together
    /// than the object.
    fn text(&self, offset: u32) -> Option<Arc<str>> {
        let at = offset as usize;
        let alone = at == 0 || self.strings.get(at - 1) == Some(&0);
        let bytes = string_at(&self.strings, at, MAX_TEXT).filter(|_| alone)?;
        Some(String::from_utf8_lossy(bytes).trim().into())
    }
}
