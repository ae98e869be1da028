//! Relocations: the CO-RE relocations of an object, and the sections whose instructions they patch.

use std::sync::Arc;

use super::btf_ext::Table;
use super::error::ObjectError;
use super::kind::RelocationKind;
use crate::btf::{Btf, StrOffset, TypeId};
use crate::memo::Memo;

/// Limit on the bytes of an access string or section name; an access of 64 levels takes 700.
const MAX_TEXT: usize = 1024;

/// Index of a section among [`super::Object::sections`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(u32);

impl SectionId {
    /// The index as a number.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A section whose instructions are relocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name.
    pub name: Arc<str>,
    /// The string offset of its name, by which line info refers to it.
    pub(super) name_offset: StrOffset,
}

/// One CO-RE relocation (`struct bpf_core_relo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The section whose instruction is patched.
    pub section: SectionId,
    /// The relocation's number in its section, from 0, as in libbpf's messages.
    pub number: usize,
    /// Offset of the instruction in its section, in bytes.
    pub insn_offset: u32,
    /// Id of the root type in the object's own BTF.
    pub type_id: TypeId,
    /// The access string, such as `0:1:2`.
    pub access: Arc<str>,
    /// The kind, or its number if it is unknown.
    pub kind: Result<RelocationKind, u32>,
}

/// Reads all relocations in the order of `.BTF.ext`, with the sections that they are in.
pub(super) fn read(table: &Table<'_>, btf: &Btf<'_>) -> Result<(Vec<Section>, Vec<Relocation>), ObjectError> {
    let mut strings = Strings::new(btf);
    let mut sections = Sections::default();
    let mut relocations = Vec::new();
    for (name_offset, records) in table.groups() {
        let section = sections.get_or_add(&mut strings, name_offset)?;
        relocations.reserve(records.len());
        for (number, [insn_offset, type_id, access_offset, kind]) in records.enumerate() {
            relocations.push(Relocation {
                section,
                number,
                insn_offset,
                type_id: TypeId(type_id),
                access: strings.access(StrOffset(access_offset))?,
                kind: RelocationKind::from_number(kind).ok_or(kind),
            });
        }
    }
    Ok((sections.all, relocations))
}

/// The sections so far, each name once.
#[derive(Default)]
struct Sections {
    all: Vec<Section>,
    by_offset: Memo<StrOffset, SectionId>,
    by_name: Memo<Arc<str>, SectionId>,
}

impl Sections {
    fn get_or_add(
        &mut self,
        strings: &mut Strings<'_, '_>,
        name_offset: StrOffset,
    ) -> Result<SectionId, ObjectError> {
        if let Some(known) = self.by_offset.get(&name_offset) {
            return Ok(*known);
        }
        let name = strings.section_name(name_offset)?;
        let id = *self.by_name.entry(Arc::clone(&name)).or_insert_with(|| {
            self.all.push(Section { name, name_offset });
            SectionId(self.all.len() as u32 - 1)
        });
        self.by_offset.insert(name_offset, id);
        Ok(id)
    }
}

/// Strings of `.BTF`, each access string decoded once.
struct Strings<'b, 'a> {
    btf: &'b Btf<'a>,
    accesses: Memo<StrOffset, Arc<str>>,
    /// Bytes that may still be decoded: in a hostile file, strings may overlap.
    budget: usize,
}

impl<'b, 'a> Strings<'b, 'a> {
    fn new(btf: &'b Btf<'a>) -> Self {
        Self { btf, accesses: Memo::default(), budget: 2 * btf.string_len() + (1 << 16) }
    }

    /// A section's name, truncated to [`MAX_TEXT`] bytes.
    fn section_name(&mut self, offset: StrOffset) -> Result<Arc<str>, ObjectError> {
        let bytes = self.bytes(offset, MAX_TEXT)?;
        Ok(String::from_utf8_lossy(bytes).trim().into())
    }

    /// An access string, which must be complete.
    fn access(&mut self, offset: StrOffset) -> Result<Arc<str>, ObjectError> {
        if let Some(known) = self.accesses.get(&offset) {
            return Ok(Arc::clone(known));
        }
        let bytes = self.bytes(offset, MAX_TEXT + 1)?;
        if bytes.len() > MAX_TEXT {
            return Err(ObjectError::ext(format!("an access string is longer than {MAX_TEXT} bytes")));
        }
        let text: Arc<str> = String::from_utf8_lossy(bytes).into();
        self.accesses.insert(offset, Arc::clone(&text));
        Ok(text)
    }

    fn bytes(&mut self, offset: StrOffset, max_len: usize) -> Result<&'a [u8], ObjectError> {
        let bytes = self.btf.string_up_to(offset, max_len).map_err(ObjectError::BtfExtString)?;
        let left = self.budget.checked_sub(bytes.len());
        self.budget = left.ok_or_else(|| ObjectError::ext("its strings overlap"))?;
        Ok(bytes)
    }
}
