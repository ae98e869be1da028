//! Reader: a BTF's strings and its types by id, borrowed from the input.

use super::endian::{DataModel, Endian, Records, u32_at};
use super::entries::{Enumerator, Member, Param, Variable};
use super::error::BtfError;
use super::ids::{StrOffset, TypeId};
use super::kind::Kind;
use super::layout::Layout;
use super::name::excess_len;

/// Length of the header up to `str_len`, which every version has.
const HEADER_LEN: usize = 24;
/// Length of a header with `layout_off` and `layout_len`.
const LAYOUT_HEADER_LEN: usize = 32;
const TYPE_LEN: usize = 12;

/// Limit on the bytes that a [`NameReader`] reads beyond those of ordinary names, as a multiple of the string section.
const MAX_EXCESS: usize = 64;

/// Longest chain of modifiers, typedefs and arrays that is followed, as in libbpf's `btf__resolve_size`.
pub(crate) const MAX_CHAIN: usize = 32;

/// A BTF, borrowed from its bytes.
///
/// Parsing checks the header, both ends of the string section and that the types fill the type section; references
/// between types are checked where they are followed.
#[derive(Debug, Clone)]
pub struct Btf<'a> {
    endian: Endian,
    types: &'a [u8],
    /// Byte offset of `types` in the BTF.
    types_start: usize,
    strings: &'a [u8],
    /// The layout section, or the base's, as libbpf's `btf_type_size_unknown` falls back to it.
    layout: Layout<'a>,
    /// Byte offset in `types` of each own type.
    offsets: Vec<u32>,
    /// Ids of the own types that have a name and are of a kind that relocations look up.
    named: Vec<TypeId>,
    base: Option<&'a Btf<'a>>,
}

/// One type's record.
#[derive(Debug, Clone, Copy)]
pub struct RawType<'a> {
    /// The type's id.
    pub id: TypeId,
    /// Its kind.
    pub kind: Kind,
    /// The kind flag: bitfields in a struct, signed in an enum, union in a forward declaration.
    pub kflag: bool,
    /// Number of members, enumerators or parameters.
    pub vlen: u32,
    /// Its name.
    pub name_off: StrOffset,
    /// The third word: [`RawType::size`] or [`RawType::target`], depending on the kind.
    pub size_or_type: u32,
    extra: &'a [u8],
    endian: Endian,
}

/// Where a type is in the bytes of its BTF.
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Byte offsets, from the common part to the last entry.
    pub(super) range: std::ops::Range<usize>,
}

impl<'a> Btf<'a> {
    /// Parses a raw BTF.
    ///
    /// # Errors
    /// When the header is not that of a BTF, a section or type is truncated, or a type's kind is unknown and not in the
    /// layout section.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        Self::parse_over(bytes, None)
    }

    /// Parses a split BTF, such as a module's: its ids and string offsets continue those of `base`.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    pub fn parse_split(bytes: &'a [u8], base: &'a Btf<'a>) -> Result<Self, BtfError> {
        Self::parse_over(bytes, Some(base))
    }

    fn parse_over(bytes: &'a [u8], base: Option<&'a Btf<'a>>) -> Result<Self, BtfError> {
        let endian = match bytes.get(..2) {
            Some([0x9f, 0xeb]) => Endian::Little,
            Some([0xeb, 0x9f]) => Endian::Big,
            _ => return Err(BtfError::Magic),
        };
        let short = || BtfError::Truncated { part: "the header", needed: HEADER_LEN, found: bytes.len() };
        if bytes.len() < HEADER_LEN {
            return Err(short());
        }
        if bytes[2] != 1 {
            return Err(BtfError::Version(bytes[2]));
        }
        let word = |at| u32_at(bytes, at, endian).map(|word| word as usize).ok_or_else(short);
        let header_len = word(4)?;
        if header_len < HEADER_LEN {
            return Err(BtfError::Truncated { part: "the header", needed: HEADER_LEN, found: header_len });
        }
        let section = |part, start: usize, len: usize| {
            let from = header_len.saturating_add(start);
            let to = from.saturating_add(len);
            bytes.get(from..to).ok_or(BtfError::Truncated { part, needed: to, found: bytes.len() })
        };
        let types = section("the type section", word(8)?, word(12)?)?;
        let strings = section("the string section", word(16)?, word(20)?)?;
        let split = base.is_some() && strings.is_empty();
        let bounded = strings.last() == Some(&0) && (base.is_some() || strings[0] == 0);
        if !(split || bounded) {
            return Err(BtfError::Strings);
        }
        let mut layout = Layout::NONE;
        if header_len >= LAYOUT_HEADER_LEN && word(28)? != 0 {
            let (start, len) = (word(24)?, word(28)?);
            // The rules of libbpf's `btf_parse_hdr`.
            if !start.is_multiple_of(4) {
                return Err(BtfError::Layout("its offset is not a multiple of 4"));
            }
            if start < word(8)?.saturating_add(word(12)?) || start.saturating_add(len) > word(16)? {
                return Err(BtfError::Layout("it is not between the types and the strings"));
            }
            let whole = Layout::new(section("the layout section", start, len)?);
            layout = whole.ok_or(BtfError::Layout("its length is not a multiple of 4"))?;
        }
        if layout.is_empty() {
            layout = base.map_or(Layout::NONE, |base| base.layout);
        }
        let mut btf = Self {
            endian,
            types,
            types_start: header_len.saturating_add(word(8)?),
            strings,
            layout,
            offsets: Vec::new(),
            named: Vec::new(),
            base,
        };
        btf.scan()?;
        Ok(btf)
    }

    /// Finds the offset of each type, and the types that can be looked up by name.
    fn scan(&mut self) -> Result<(), BtfError> {
        let mut id = TypeId(self.first_id());
        let mut at = 0;
        while at < self.types.len() {
            let truncated = |needed| BtfError::Truncated {
                part: "the type section",
                needed: at.saturating_add(needed),
                found: self.types.len(),
            };
            let record = self.types.get(at..at + TYPE_LEN).ok_or_else(|| truncated(TYPE_LEN))?;
            let info = self.endian.u32([record[4], record[5], record[6], record[7]]);
            let kind = kind_of(info);
            let len = TYPE_LEN.saturating_add(self.layout.extra_len(id, kind, vlen_of(info))?);
            if self.types.len() - at < len {
                return Err(truncated(len));
            }
            self.offsets.push(u32::try_from(at).map_err(|_| BtfError::TooLarge("types"))?);
            if kind.is_looked_up() && record[..4] != [0; 4] {
                self.named.push(id);
            }
            id = TypeId(id.0.checked_add(1).ok_or(BtfError::TooLarge("types"))?);
            at += len;
        }
        Ok(())
    }

    fn first_id(&self) -> u32 {
        self.base.map_or(1, |base| base.type_count())
    }

    /// The type behind modifiers and typedefs; none if that is `void` (libbpf's `skip_mods_and_typedefs`).
    ///
    /// # Errors
    /// When an id is out of range, or the chain is longer than [`MAX_CHAIN`].
    pub(crate) fn skip_mods_and_typedefs(&self, mut id: TypeId) -> Result<Option<RawType<'a>>, BtfError> {
        for _ in 0..MAX_CHAIN {
            if id == TypeId::VOID {
                return Ok(None);
            }
            let ty = self.type_by_id(id)?;
            if !(ty.kind.is_modifier() || ty.kind == Kind::Typedef) {
                return Ok(Some(ty));
            }
            id = ty.target();
        }
        Err(BtfError::TooDeep { id })
    }

    /// The byte order.
    pub fn endian(&self) -> Endian {
        self.endian
    }

    /// Number of types, including `void` and those of the base; all ids are below it.
    pub fn type_count(&self) -> u32 {
        self.first_id() + self.offsets.len() as u32
    }

    /// The type with that id; none for `void` and for ids out of range.
    pub fn get(&self, id: TypeId) -> Option<RawType<'a>> {
        let first = self.first_id();
        if id.0 < first {
            return self.base.and_then(|base| base.get(id));
        }
        let at = *self.offsets.get((id.0 - first) as usize)? as usize;
        let record = self.types.get(at..)?;
        let info = u32_at(record, 4, self.endian)?;
        let (kind, vlen) = (kind_of(info), vlen_of(info));
        let extra_len = self.layout.extra_len(id, kind, vlen).ok()?;
        Some(RawType {
            id,
            kind,
            kflag: info >> 31 != 0,
            vlen,
            name_off: StrOffset(u32_at(record, 0, self.endian)?),
            size_or_type: u32_at(record, 8, self.endian)?,
            extra: record.get(TYPE_LEN..TYPE_LEN.saturating_add(extra_len))?,
            endian: self.endian,
        })
    }

    /// The type with that id.
    ///
    /// # Errors
    /// When there is none, as for `void`.
    pub fn type_by_id(&self, id: TypeId) -> Result<RawType<'a>, BtfError> {
        self.get(id).ok_or(BtfError::TypeId { id, count: self.type_count() })
    }

    /// This BTF's own types in the order of their ids, without the base's.
    pub fn types(&self) -> impl Iterator<Item = RawType<'a>> + '_ {
        (self.first_id()..self.type_count()).filter_map(|id| self.get(TypeId(id)))
    }

    /// This BTF's own types that have a name and are of a kind that relocations look up, in the order of their ids.
    pub fn named_types(&self) -> impl Iterator<Item = RawType<'a>> + '_ {
        self.named.iter().filter_map(|&id| self.get(id))
    }

    /// The records of this BTF's own types, in the order of their ids.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let ends = self.offsets.iter().skip(1).map(|&end| end as usize).chain([self.types.len()]);
        let records = self.types().zip(self.offsets.iter().zip(ends));
        records.map(|(ty, (&start, end))| Record {
            kind: ty.kind,
            range: self.types_start + start as usize..self.types_start + end,
        })
    }

    /// The string at an offset, without its NUL byte.
    ///
    /// # Errors
    /// When the offset is past the string section's end.
    pub fn string(&self, offset: StrOffset) -> Result<&'a [u8], BtfError> {
        self.string_up_to(offset, usize::MAX)
    }

    /// The first `most` bytes of the string at an offset.
    pub(crate) fn string_up_to(&self, offset: StrOffset, most: usize) -> Result<&'a [u8], BtfError> {
        let base_len = self.base.map_or(0, |base| base.string_len());
        let Some(own) = (offset.0 as usize).checked_sub(base_len) else {
            return self.base.map_or(Ok(b"".as_slice()), |base| base.string_up_to(offset, most));
        };
        let out_of_range = || BtfError::StringOffset { offset, size: self.string_len() };
        string_at(self.strings, own, most).ok_or_else(out_of_range)
    }

    /// This BTF's own string section.
    pub(crate) fn strings(&self) -> &'a [u8] {
        self.strings
    }

    /// Length in bytes of the string section, including that of the base.
    pub(crate) fn string_len(&self) -> usize {
        self.base.map_or(0, |base| base.string_len()) + self.strings.len()
    }

    /// Size in bytes of a pointer, as libbpf's `determine_ptr_size` derives it from the type `long`.
    pub fn pointer_size(&self) -> Option<u8> {
        if let Some(size) = self.base.and_then(|base| base.pointer_size()) {
            return Some(size);
        }
        self.named_types().filter(|ty| ty.kind == Kind::Int).find_map(|ty| {
            let size = u8::try_from(ty.size_or_type).ok().filter(|size| matches!(size, 4 | 8))?;
            is_long(self.string_up_to(ty.name_off, LONGEST_LONG + 1).ok()?).then_some(size)
        })
    }
}

fn kind_of(info: u32) -> Kind {
    Kind::from_number((info >> 24 & 0x7f) as u8)
}

fn vlen_of(info: u32) -> u32 {
    info & 0xff_ffff
}

/// Reads the names of types and members in linear time, although names may be as long as the string section, and any number
/// of types may have one name or names that overlap.
///
/// The bytes of a name after the first 1,024 count each time that it is read. Real kernels have few such names.
#[derive(Debug, Clone)]
pub struct NameReader<'b, 'a> {
    btf: &'b Btf<'a>,
    limit: usize,
    excess: usize,
}

impl<'b, 'a> NameReader<'b, 'a> {
    /// A reader of a BTF's names that has read nothing yet.
    pub fn new(btf: &'b Btf<'a>) -> Self {
        Self { btf, limit: btf.string_len().saturating_mul(MAX_EXCESS), excess: 0 }
    }

    /// The name at an offset.
    ///
    /// # Errors
    /// As [`Btf::string`], and when the long names that were read exceed 64 times the string section.
    pub fn name(&mut self, offset: StrOffset) -> Result<&'a [u8], BtfError> {
        let name = self.btf.string(offset)?;
        self.excess = self.excess.saturating_add(excess_len(name));
        if self.excess > self.limit { Err(BtfError::LongNames { limit: self.limit }) } else { Ok(name) }
    }
}

/// The first `most` bytes of the string at an offset of a string section, without its NUL byte.
pub(crate) fn string_at(strings: &[u8], at: usize, most: usize) -> Option<&[u8]> {
    let rest = strings.get(at..).filter(|rest| !rest.is_empty())?;
    let rest = rest.get(..most).unwrap_or(rest);
    Some(&rest[..memchr::memchr(0, rest).unwrap_or(rest.len())])
}

/// Length of the longest name that [`is_long`] accepts.
const LONGEST_LONG: usize = "unsigned long int".len();

/// Whether libbpf's `determine_ptr_size` accepts the name as that of the type `long`.
pub(crate) fn is_long(name: &[u8]) -> bool {
    const ALIASES: [&[u8]; 11] = [
        b"long",
        b"long int",
        b"int long",
        b"unsigned long",
        b"long unsigned",
        b"unsigned long int",
        b"unsigned int long",
        b"long unsigned int",
        b"long int unsigned",
        b"int unsigned long",
        b"int long unsigned",
    ];
    ALIASES.contains(&name)
}

impl<'a> RawType<'a> {
    /// Size in bytes of an int, float, struct, union, enum or data section.
    pub fn size(&self) -> u32 {
        self.size_or_type
    }

    /// The type that a pointer, typedef, modifier, function, variable or tag refers to; a function prototype's result.
    pub fn target(&self) -> TypeId {
        TypeId(self.size_or_type)
    }

    /// The entries after the common part, as records of so many words.
    fn records<const N: usize>(&self) -> Records<'a, N> {
        Records::new(self.extra, self.endian)
    }

    /// The words after the common part.
    pub(crate) fn words(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.records::<1>().map(|[word]| word)
    }

    fn word(&self, index: usize) -> u32 {
        u32_at(self.extra, index * 4, self.endian).unwrap_or(0)
    }

    /// An int's encoding: 1 signed, 2 char, 4 bool.
    pub fn int_encoding(&self) -> u8 {
        (self.word(0) >> 24 & 0xf) as u8
    }

    /// An int's bit offset, which only old compilers set.
    pub fn int_offset(&self) -> u8 {
        (self.word(0) >> 16 & 0xff) as u8
    }

    /// An int's width in bits.
    pub fn int_bits(&self) -> u8 {
        (self.word(0) & 0xff) as u8
    }

    /// An array's element type.
    pub fn array_element(&self) -> TypeId {
        TypeId(self.word(0))
    }

    /// An array's number of elements.
    pub fn array_len(&self) -> u32 {
        self.word(2)
    }

    /// Members of a struct or union.
    pub fn members(&self) -> impl Iterator<Item = Member<StrOffset>> + 'a {
        let has_bitfields = self.kflag;
        self.records().map(move |[name, ty, offset]| {
            let (bit_offset, bitfield_size) =
                if has_bitfields { (offset & 0xff_ffff, (offset >> 24) as u8) } else { (offset, 0) };
            Member { name: StrOffset(name), ty: TypeId(ty), bit_offset, bitfield_size }
        })
    }

    /// Enumerators of an enum or enum64.
    pub fn enumerators(&self) -> impl Iterator<Item = Enumerator<StrOffset>> + 'a {
        let wide = self.kind == Kind::Enum64;
        let narrow = (!wide).then(|| {
            self.records().map(|[name, value]| (name, i64::from(value.cast_signed()).cast_unsigned()))
        });
        let wide = wide
            .then(|| self.records().map(|[name, low, high]| (name, u64::from(high) << 32 | u64::from(low))));
        let all = narrow.into_iter().flatten().chain(wide.into_iter().flatten());
        all.map(|(name, value)| Enumerator { name: StrOffset(name), value })
    }

    /// Parameters of a function prototype.
    pub fn params(&self) -> impl Iterator<Item = Param<StrOffset>> + 'a {
        self.records().map(|[name, ty]| Param { name: StrOffset(name), ty: TypeId(ty) })
    }

    /// Variables of a data section.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + 'a {
        self.records().map(|[ty, offset, size]| Variable { ty: TypeId(ty), offset, size })
    }

    /// The index of the member or parameter that a declaration tag is for; none if it is for the whole declaration.
    pub fn component(&self) -> Option<u32> {
        Some(self.word(0)).filter(|&index| index != u32::MAX)
    }
}

impl Btf<'_> {
    /// Byte order and pointer size; a pointer has 8 bytes if there is no type `long`.
    pub fn data_model(&self) -> DataModel {
        DataModel { endian: self.endian, pointer_size: self.pointer_size().unwrap_or(8) }
    }
}
