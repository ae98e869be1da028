//! The layout section: the size of each kind's record, by which unknown kinds are skipped (`struct btf_layout`).

use super::error::BtfError;
use super::ids::TypeId;
use super::kind::Kind;

/// Length in bytes of an entry: `info_sz`, `elem_sz`, and 16 bits of flags without a meaning yet.
const ENTRY_LEN: usize = 4;

/// A layout section, with an entry for each kind, by number; empty if there is none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout<'a>(&'a [u8]);

impl<'a> Layout<'a> {
    /// No layout section.
    pub(super) const NONE: Self = Self(&[]);

    /// A section of whole entries.
    pub(super) fn new(section: &'a [u8]) -> Option<Self> {
        section.len().is_multiple_of(ENTRY_LEN).then_some(Self(section))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Number of bytes after the 12 bytes common to all types, as libbpf's `btf_type_size` has it: the section counts for
    /// unknown kinds only.
    pub(super) fn extra_len(self, id: TypeId, kind: Kind, vlen: u32) -> Result<usize, BtfError> {
        let vlen = vlen as usize;
        Ok(match kind {
            Kind::Int | Kind::Var | Kind::DeclTag => 4,
            Kind::Array => 12,
            Kind::Struct | Kind::Union | Kind::Datasec | Kind::Enum64 => vlen * 12,
            Kind::Enum | Kind::FuncProto => vlen * 8,
            Kind::Unknown(kind) => self.unknown_len(id, kind, vlen)?,
            _ => 0,
        })
    }

    /// libbpf's `btf_type_size_unknown`.
    fn unknown_len(self, id: TypeId, kind: u8, vlen: usize) -> Result<usize, BtfError> {
        let at = usize::from(kind) * ENTRY_LEN;
        let Some(&[info_size, element_size, ..]) = self.0.get(at..at + ENTRY_LEN) else {
            return Err(BtfError::UnknownKind { id, kind });
        };
        if !info_size.is_multiple_of(4) || !element_size.is_multiple_of(4) {
            return Err(BtfError::UnknownKindSize { id, kind, info_size, element_size });
        }
        Ok(usize::from(element_size).saturating_mul(vlen).saturating_add(info_size.into()))
    }
}
