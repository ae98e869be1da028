//! Writer: types appended in the order of their ids, strings stored once.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{BtfError, Endian, Kind};

/// Builds a raw BTF.
#[derive(Debug, Clone)]
pub struct Writer {
    endian: Endian,
    types: Vec<u8>,
    type_count: u32,
    strings: Vec<u8>,
    /// Offset and length of each string, by its bytes.
    offsets: HashTable<(u32, u32)>,
    hasher: FixedState,
}

impl Writer {
    /// An empty BTF in that byte order.
    pub fn new(endian: Endian) -> Self {
        Self {
            endian,
            types: Vec::new(),
            type_count: 0,
            strings: vec![0],
            offsets: HashTable::new(),
            hasher: FixedState::with_seed(0),
        }
    }

    /// Offset of a string, which is added if it is new; a NUL byte would end it.
    pub fn string(&mut self, text: &[u8]) -> u32 {
        let len = memchr::memchr(0, text).unwrap_or(text.len());
        if len == 0 {
            return 0;
        }
        let text = &text[..len];
        let Self { strings, offsets, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        if let Some(&(offset, _)) = offsets.find(hash, |&place| slice(strings, place) == text) {
            return offset;
        }
        let offset = strings.len() as u32;
        strings.extend_from_slice(text);
        strings.push(0);
        offsets.insert_unique(hash, (offset, len as u32), |&place| hasher.hash_one(slice(strings, place)));
        offset
    }

    /// The id that the next type will get.
    pub fn next_id(&self) -> u32 {
        self.type_count + 1
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
    ) -> Result<u32, BtfError> {
        let vlen = u16::try_from(vlen).map_err(|_| BtfError::TooLarge("members of one type"))?;
        let name_off = self.string(name);
        self.type_count += 1;
        self.words(&[name_off, u32::from(kflag) << 31 | (kind as u32) << 24 | u32::from(vlen), size_or_type]);
        Ok(self.type_count)
    }

    /// Appends an int: size in bytes, encoding, bit offset and width in bits.
    ///
    /// # Errors
    /// When the BTF grows too large, as for all that follow.
    pub fn int(
        &mut self,
        name: &[u8],
        size: u32,
        encoding: u8,
        offset: u8,
        bits: u8,
    ) -> Result<u32, BtfError> {
        let id = self.begin(Kind::Int, name, false, 0, size)?;
        self.words(&[u32::from(encoding & 0xf) << 24 | u32::from(offset) << 16 | u32::from(bits)]);
        Ok(id)
    }

    /// Appends a float of a size in bytes.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn float(&mut self, name: &[u8], size: u32) -> Result<u32, BtfError> {
        self.begin(Kind::Float, name, false, 0, size)
    }

    /// Appends a type that only refers to another: a pointer, typedef, modifier, function or type tag.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn reference(&mut self, kind: Kind, name: &[u8], target: u32) -> Result<u32, BtfError> {
        self.begin(kind, name, false, 0, target)
    }

    /// Appends a forward declaration.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn forward(&mut self, name: &[u8], union: bool) -> Result<u32, BtfError> {
        self.begin(Kind::Fwd, name, union, 0, 0)
    }

    /// Appends an array; its index type is left void, which no relocation reads.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn array(&mut self, element: u32, len: u32) -> Result<u32, BtfError> {
        let id = self.begin(Kind::Array, b"", false, 0, 0)?;
        self.words(&[element, 0, len]);
        Ok(id)
    }

    /// Appends a struct or union: members as name, type, bit offset and bitfield size in bits (0: none).
    ///
    /// # Errors
    /// As [`Writer::int`], and when a bit offset beside bitfields does not fit 24 bits.
    pub fn composite<'m>(
        &mut self,
        kind: Kind,
        name: &[u8],
        size: u32,
        members: impl ExactSizeIterator<Item = (&'m [u8], u32, u32, u8)> + Clone,
    ) -> Result<u32, BtfError> {
        let kflag = members.clone().any(|(.., bits)| bits != 0);
        let id = self.begin(kind, name, kflag, members.len(), size)?;
        for (name, ty, bit_offset, bits) in members {
            if kflag && bit_offset > 0xff_ffff {
                return Err(BtfError::MemberOffset(bit_offset));
            }
            let name_off = self.string(name);
            self.words(&[name_off, ty, u32::from(bits) << 24 | bit_offset]);
        }
        Ok(id)
    }

    /// Appends an enum, or an enum64 if `wide`: enumerators as name and value.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn enumeration<'m>(
        &mut self,
        name: &[u8],
        size: u32,
        signed: bool,
        wide: bool,
        enumerators: impl ExactSizeIterator<Item = (&'m [u8], u64)>,
    ) -> Result<u32, BtfError> {
        let kind = if wide { Kind::Enum64 } else { Kind::Enum };
        let id = self.begin(kind, name, signed, enumerators.len(), size)?;
        for (name, value) in enumerators {
            let name_off = self.string(name);
            self.words(&[name_off, value as u32]);
            if wide {
                self.words(&[(value >> 32) as u32]);
            }
        }
        Ok(id)
    }

    /// Appends a function prototype; parameters are types without names.
    ///
    /// # Errors
    /// As [`Writer::int`].
    pub fn func_proto(
        &mut self,
        result: u32,
        params: impl ExactSizeIterator<Item = u32>,
    ) -> Result<u32, BtfError> {
        let id = self.begin(Kind::FuncProto, b"", false, params.len(), result)?;
        for ty in params {
            self.words(&[0, ty]);
        }
        Ok(id)
    }

    /// The BTF's bytes: header, types, strings.
    ///
    /// # Errors
    /// When a section is larger than 32 bits can number.
    pub fn finish(self) -> Result<Vec<u8>, BtfError> {
        let type_len = u32::try_from(self.types.len()).map_err(|_| BtfError::TooLarge("types"))?;
        let string_len = u32::try_from(self.strings.len()).map_err(|_| BtfError::TooLarge("strings"))?;
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

fn slice(strings: &[u8], (offset, len): (u32, u32)) -> &[u8] {
    &strings[offset as usize..][..len as usize]
}
