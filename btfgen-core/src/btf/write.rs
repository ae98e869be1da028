//! Writer: types appended in the order of their ids, strings stored once.

use super::endian::Endian;
use super::entries::{Enumerator, Member};
use super::error::BtfError;
use super::ids::{StrOffset, TypeId};
use super::kind::Kind;
use super::name::shown_name;
use crate::memo::Memo;

/// Builds a raw BTF.
#[derive(Debug, Clone)]
pub struct Writer {
    endian: Endian,
    types: Vec<u8>,
    type_count: u32,
    strings: Vec<u8>,
    /// The offset of each string.
    offsets: Memo<Vec<u8>, StrOffset>,
}

impl Writer {
    /// Starts an empty BTF.
    pub fn new(endian: Endian) -> Self {
        Self { endian, types: Vec::new(), type_count: 0, strings: vec![0], offsets: Memo::default() }
    }

    /// Adds a string if it is new, and returns its offset; a NUL byte ends it.
    pub fn string(&mut self, text: &[u8]) -> StrOffset {
        let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
        if text.is_empty() {
            return StrOffset::EMPTY;
        }
        if let Some(&offset) = self.offsets.get(text) {
            return offset;
        }
        let offset = StrOffset(self.strings.len() as u32);
        self.strings.extend_from_slice(text);
        self.strings.push(0);
        self.offsets.insert(text.to_vec(), offset);
        offset
    }

    /// The id that the next type will get.
    pub fn next_id(&self) -> TypeId {
        TypeId(self.type_count + 1)
    }

    fn words(&mut self, words: &[u32]) {
        for &word in words {
            self.types.extend_from_slice(&self.endian.bytes32(word));
        }
    }

    fn begin(
        &mut self,
        kind: Kind,
        name: &[u8],
        kflag: bool,
        vlen: usize,
        size_or_type: u32,
    ) -> Result<TypeId, BtfError> {
        let too_many = |_| BtfError::TooManyEntries {
            name: shown_name(name).into_owned(),
            count: vlen,
            limit: u16::MAX,
        };
        let vlen = u16::try_from(vlen).map_err(too_many)?;
        let name = self.string(name);
        self.type_count += 1;
        self.words(&[
            name.0,
            u32::from(kflag) << 31 | u32::from(kind.number()) << 24 | u32::from(vlen),
            size_or_type,
        ]);
        Ok(TypeId(self.type_count))
    }

    /// Appends an int: size in bytes, encoding, bit offset and width in bits.
    ///
    /// # Errors
    /// When the BTF grows too large, or the type has more than 65,535 members.
    pub fn int(
        &mut self,
        name: &[u8],
        size: u32,
        encoding: u8,
        offset: u8,
        bits: u8,
    ) -> Result<TypeId, BtfError> {
        let id = self.begin(Kind::Int, name, false, 0, size)?;
        self.words(&[u32::from(encoding & 0xf) << 24 | u32::from(offset) << 16 | u32::from(bits)]);
        Ok(id)
    }

    /// Appends a float of a size in bytes.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn float(&mut self, name: &[u8], size: u32) -> Result<TypeId, BtfError> {
        self.begin(Kind::Float, name, false, 0, size)
    }

    /// Appends a type that only refers to another: a pointer, typedef, modifier, function or type tag.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn reference(&mut self, kind: Kind, name: &[u8], target: TypeId) -> Result<TypeId, BtfError> {
        self.begin(kind, name, false, 0, target.0)
    }

    /// Appends a forward declaration.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn forward(&mut self, name: &[u8], union: bool) -> Result<TypeId, BtfError> {
        self.begin(Kind::Fwd, name, union, 0, 0)
    }

    /// Appends an array. Its index type is an int that no relocation reads, but that the kernel's `btf_array_resolve` demands.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn array(&mut self, element: TypeId, index: TypeId, len: u32) -> Result<TypeId, BtfError> {
        let id = self.begin(Kind::Array, b"", false, 0, 0)?;
        self.words(&[element.0, index.0, len]);
        Ok(id)
    }

    /// Appends a struct or union of a size in bytes.
    ///
    /// # Errors
    /// As [`Writer::int`], and when there are bitfields and a bit offset does not fit 24 bits.
    pub fn composite<'m>(
        &mut self,
        kind: Kind,
        name: &[u8],
        size: u32,
        members: impl ExactSizeIterator<Item = Member<&'m [u8]>> + Clone,
    ) -> Result<TypeId, BtfError> {
        let kflag = members.clone().any(|member| member.bitfield_size != 0);
        let id = self.begin(kind, name, kflag, members.len(), size)?;
        for Member { name, ty, bit_offset, bitfield_size } in members {
            if kflag && bit_offset > 0xff_ffff {
                return Err(BtfError::MemberOffset(bit_offset));
            }
            let name = self.string(name);
            self.words(&[name.0, ty.0, u32::from(bitfield_size) << 24 | bit_offset]);
        }
        Ok(id)
    }

    /// Appends an enum of a size in bytes, or an enum64 if `wide`.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn enumeration<'m>(
        &mut self,
        name: &[u8],
        size: u32,
        signed: bool,
        wide: bool,
        enumerators: impl ExactSizeIterator<Item = Enumerator<&'m [u8]>>,
    ) -> Result<TypeId, BtfError> {
        let kind = if wide { Kind::Enum64 } else { Kind::Enum };
        let id = self.begin(kind, name, signed, enumerators.len(), size)?;
        for Enumerator { name, value } in enumerators {
            let name = self.string(name);
            self.words(&[name.0, value as u32]);
            if wide {
                self.words(&[(value >> 32) as u32]);
            }
        }
        Ok(id)
    }

    /// Appends a function prototype; its parameters have types only.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn func_proto(
        &mut self,
        result: TypeId,
        params: impl ExactSizeIterator<Item = TypeId>,
    ) -> Result<TypeId, BtfError> {
        let id = self.begin(Kind::FuncProto, b"", false, params.len(), result.0)?;
        for ty in params {
            self.words(&[0, ty.0]);
        }
        Ok(id)
    }

    /// Returns the BTF's bytes: header, types, strings.
    ///
    /// # Errors
    /// When a section is too long for its 32-bit length.
    pub fn finish(self) -> Result<Vec<u8>, BtfError> {
        let type_len = u32::try_from(self.types.len()).map_err(|_| BtfError::TooLarge("types"))?;
        let string_len = u32::try_from(self.strings.len()).map_err(|_| BtfError::TooLarge("string bytes"))?;
        let mut bytes = Vec::with_capacity(24 + self.types.len() + self.strings.len());
        bytes.extend_from_slice(&self.endian.bytes16(0xeb9f));
        bytes.extend_from_slice(&[1, 0]);
        for word in [24, 0, type_len, type_len, string_len] {
            bytes.extend_from_slice(&self.endian.bytes32(word));
        }
        bytes.extend_from_slice(&self.types);
        bytes.extend_from_slice(&self.strings);
        Ok(bytes)
    }
}
