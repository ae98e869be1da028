//! Columns: the streams of numbers that a hub file consists of, each compressed and checked for itself.

use sha2::{Digest, Sha256};

use super::HubFileError;
use crate::threads::on_all_cores;

/// First bytes of every hub file.
pub(super) const MAGIC: [u8; 8] = *b"\x89BTFHUB\n";
/// Version of the layout.
pub(super) const VERSION: u32 = 1;
/// Most bytes that all columns may hold together.
const MAX_RAW: u64 = 128 << 20;
/// Bytes of a column's entry in the table: column, stored length, length, checksum.
const ENTRY_LEN: usize = 1 + 4 + 4 + CHECKSUM_LEN;
const CHECKSUM_LEN: usize = 8;
const HEADER_LEN: usize = 8 + 4 + 1 + CHECKSUM_LEN;

macro_rules! columns {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal $text:literal,)*) => {
        /// A column; the number is that of the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(super) enum Column { $($(#[doc = $doc])* $name = $number,)* }

        impl Column {
            /// All columns, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Whether it belongs to the kernel table.
            pub(super) fn is_of_kernels(self) -> bool {
                matches!(self, Self::Kernels | Self::Hashes)
            }

            /// Its name in messages.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

columns! {
    /// Ids, provenances, data models and sizes of the kernels.
    Kernels = 0 "kernels",
    /// SHA-256 of each kernel's source.
    Hashes = 1 "hashes",
    /// For each name how many bytes it shares with the one before.
    NameShared = 2 "name-shared",
    /// The other bytes of each name, and a NUL byte.
    NameTail = 3 "name-tail",
    /// Number of definitions of each kind.
    Counts = 4 "counts",
    /// Names of definitions.
    TypeName = 5 "type-name",
    /// Sizes of ints, floats, enums, structs and unions.
    Size = 6 "size",
    /// Encoding, offset and width of ints.
    IntShape = 7 "int-shape",
    /// What pointers point at.
    Pointee = 8 "pointee",
    /// Numbers of elements of arrays.
    ArrayLen = 9 "array-len",
    /// Element types of arrays.
    Element = 10 "element",
    /// Numbers of parameters of function prototypes.
    ParamCount = 11 "param-count",
    /// Results and parameters of function prototypes.
    Param = 12 "param",
    /// Targets of typedefs.
    Target = 13 "target",
    /// Signed and wide, of enums.
    EnumFlags = 14 "enum-flags",
    /// Numbers of members and enumerators.
    EntryCount = 15 "entry-count",
    /// Which earlier definition's entries are taken over.
    Base = 16 "base",
    /// Runs of entries copied, skipped and new.
    Script = 17 "script",
    /// Which copied entries differ, and in what.
    Changes = 18 "changes",
    /// Types of copied members, where they differ.
    ChangedType = 19 "changed-type",
    /// Gaps and widths of copied entries, where they differ.
    ChangedGap = 20 "changed-gap",
    /// Names of new entries.
    EntryName = 21 "entry-name",
    /// Types of new members.
    EntryType = 22 "entry-type",
    /// Gaps before new entries.
    EntryGap = 23 "entry-gap",
    /// Widths of new bitfields.
    EntryBits = 24 "entry-bits",
    /// The set of kernels that hold each named definition.
    Holders = 25 "holders",
    /// The distinct sets of kernels.
    Sets = 26 "sets",
    /// Definitions that kernels hold more than once.
    Repeated = 27 "repeated",
    /// Definitions of one root in an order of ids that is not theirs.
    Orders = 28 "orders",
}

/// Columns being written.
pub(super) struct Columns {
    bytes: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self { bytes: vec![Vec::new(); Column::ALL.len()] }
    }

    pub(super) fn raw(&mut self, column: Column) -> &mut Vec<u8> {
        &mut self.bytes[column as usize]
    }

    /// Appends a number as LEB128.
    pub(super) fn uint(&mut self, column: Column, mut value: u64) {
        let out = self.raw(column);
        while value >= 0x80 {
            out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Appends a signed number.
    pub(super) fn int(&mut self, column: Column, value: i64) {
        self.uint(column, zigzag(value));
    }

    /// The file: header, table, compressed columns. `level` is zstd's.
    pub(super) fn finish(self, level: i32) -> Result<Vec<u8>, HubFileError> {
        if self.bytes.iter().map(|raw| raw.len() as u64).sum::<u64>() > MAX_RAW {
            return Err(HubFileError::TooLarge { what: "columns" });
        }
        let mut compressor = compressor(level).map_err(HubFileError::Compress)?;
        let (mut table, mut body) = (Vec::new(), Vec::new());
        let mut count = 0;
        for (&column, raw) in Column::ALL.iter().zip(&self.bytes) {
            if raw.is_empty() {
                continue;
            }
            let frame = compressor.compress(raw).map_err(HubFileError::Compress)?;
            let stored = if frame.len() < raw.len() { &frame } else { raw };
            count += 1;
            table.push(column as u8);
            table.extend_from_slice(&(stored.len() as u32).to_le_bytes());
            table.extend_from_slice(&(raw.len() as u32).to_le_bytes());
            table.extend_from_slice(&checksum(stored));
            body.extend_from_slice(stored);
        }
        let mut file = Vec::with_capacity(HEADER_LEN + table.len() + body.len());
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&VERSION.to_le_bytes());
        file.push(count);
        let sum = checksum(&[&file, table.as_slice()].concat());
        file.extend_from_slice(&sum);
        file.extend_from_slice(&table);
        file.extend_from_slice(&body);
        Ok(file)
    }
}

fn compressor(level: i32) -> std::io::Result<zstd::bulk::Compressor<'static>> {
    let mut compressor = zstd::bulk::Compressor::new(level)?;
    compressor.set_parameter(zstd::zstd_safe::CParameter::WindowLog(27))?;
    Ok(compressor)
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut sum = [0; CHECKSUM_LEN];
    sum.copy_from_slice(&Sha256::digest(bytes)[..CHECKSUM_LEN]);
    sum
}

/// A column's place in a file.
#[derive(Debug, Clone)]
struct Place {
    column: Column,
    range: std::ops::Range<usize>,
    raw_len: usize,
    checksum: [u8; CHECKSUM_LEN],
}

/// A file's table of columns.
#[derive(Debug, Clone)]
pub(super) struct Table {
    places: Vec<Place>,
}

impl Table {
    /// Reads the table, and checks that the columns fill the file.
    pub(super) fn open(file: &[u8]) -> Result<Self, HubFileError> {
        if file.get(..8) != Some(&MAGIC) {
            return Err(HubFileError::Foreign);
        }
        let cut = HubFileError::Truncated { len: file.len() };
        let Some((&version, &[count])) = file.get(8..13).and_then(|rest| rest.split_first_chunk::<4>())
        else {
            return Err(cut);
        };
        let version = u32::from_le_bytes(version);
        if version != VERSION {
            return Err(HubFileError::Version { version });
        }
        let end = HEADER_LEN + usize::from(count) * ENTRY_LEN;
        let (Some(sum), Some(entries)) = (file.get(13..HEADER_LEN), file.get(HEADER_LEN..end)) else {
            return Err(cut);
        };
        if checksum(&[&file[..13], entries].concat()) != sum {
            return Err(HubFileError::Checksum { column: "table" });
        }
        let mut places: Vec<Place> = Vec::new();
        let (mut at, mut total) = (end, 0);
        for entry in entries.chunks_exact(ENTRY_LEN) {
            let word =
                |at: usize| u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
            let (stored, raw_len) = (word(1) as usize, word(5) as usize);
            let malformed = || HubFileError::Malformed { column: "table", what: "columns" };
            let column = *Column::ALL.get(usize::from(entry[0])).ok_or_else(malformed)?;
            if places.last().is_some_and(|last| last.column >= column) || stored > raw_len {
                return Err(malformed());
            }
            total += raw_len as u64;
            let range = at..at.saturating_add(stored);
            at = range.end;
            let mut sum = [0; CHECKSUM_LEN];
            sum.copy_from_slice(&entry[9..]);
            places.push(Place { column, range, raw_len, checksum: sum });
        }
        if total > MAX_RAW {
            return Err(HubFileError::TooLarge { what: "columns" });
        }
        match at.cmp(&file.len()) {
            std::cmp::Ordering::Equal => Ok(Self { places }),
            std::cmp::Ordering::Greater => Err(cut),
            std::cmp::Ordering::Less => Err(HubFileError::Malformed { column: "table", what: "file's end" }),
        }
    }

    /// Unpacks those columns that are wanted, on all cores.
    pub(super) fn unpack(&self, file: &[u8], wanted: impl Fn(Column) -> bool) -> Unpacked {
        let places: Vec<&Place> = self.places.iter().filter(|place| wanted(place.column)).collect();
        let read = |(): &mut (), at: usize| (places[at].column, Self::read(file, places[at]));
        Unpacked { columns: on_all_cores(places.len(), || (), read) }
    }

    fn read(file: &[u8], place: &Place) -> Result<Vec<u8>, HubFileError> {
        let column = place.column;
        let damaged = || HubFileError::Checksum { column: column.name() };
        let stored = file.get(place.range.clone()).ok_or(HubFileError::Truncated { len: file.len() })?;
        if checksum(stored) != place.checksum {
            return Err(damaged());
        }
        if stored.len() == place.raw_len {
            return Ok(stored.to_vec());
        }
        let raw = zstd::bulk::decompress(stored, place.raw_len).map_err(|_| damaged())?;
        if raw.len() != place.raw_len {
            return Err(damaged());
        }
        Ok(raw)
    }

    /// For each column its name, stored length and length in bytes.
    pub(super) fn lengths(&self) -> impl Iterator<Item = (&'static str, usize, usize)> + '_ {
        self.places.iter().map(|place| (place.column.name(), place.range.len(), place.raw_len))
    }
}

/// Columns that are unpacked, or what is wrong with them.
pub(super) struct Unpacked {
    columns: Vec<(Column, Result<Vec<u8>, HubFileError>)>,
}

impl Unpacked {
    /// A column to be read, once; one that is not there is empty.
    pub(super) fn reader(&mut self, column: Column) -> Result<Reader, HubFileError> {
        let place = self.columns.iter().position(|(other, _)| *other == column);
        let bytes = place.map_or(Ok(Vec::new()), |place| self.columns.swap_remove(place).1)?;
        Ok(Reader { column, bytes, at: 0 })
    }
}

/// A column being read.
pub(super) struct Reader {
    column: Column,
    pub(super) bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    pub(super) fn malformed(&self, what: &'static str) -> HubFileError {
        HubFileError::Malformed { column: self.column.name(), what }
    }

    /// How many numbers there are, if the column is of them alone.
    pub(super) fn numbers(&self) -> usize {
        self.bytes.iter().filter(|&&byte| byte & 0x80 == 0).count()
    }

    /// Bytes that are left; each number takes at least one.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn uint(&mut self) -> Result<u64, HubFileError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(&byte) = self.bytes.get(self.at) else { break };
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("numbers"))
    }

    pub(super) fn int(&mut self) -> Result<i64, HubFileError> {
        self.uint().map(unzigzag)
    }

    pub(super) fn u32(&mut self) -> Result<u32, HubFileError> {
        u32::try_from(self.uint()?).map_err(|_| self.malformed("numbers"))
    }

    pub(super) fn byte(&mut self) -> Result<u8, HubFileError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.malformed("length"))?;
        self.at += 1;
        Ok(byte)
    }

    /// A number that must be below `limit`.
    pub(super) fn below(&mut self, limit: usize, what: &'static str) -> Result<u32, HubFileError> {
        let value = self.uint()?;
        if value < limit as u64 { Ok(value as u32) } else { Err(self.malformed(what)) }
    }

    /// A number given as the difference to another, which must be below `limit`.
    pub(super) fn near(&mut self, other: u32, limit: usize, what: &'static str) -> Result<u32, HubFileError> {
        let value = i64::from(other).wrapping_add(self.int()?);
        u32::try_from(value)
            .ok()
            .filter(|&value| (value as usize) < limit)
            .ok_or_else(|| self.malformed(what))
    }

    /// Bytes up to a NUL byte, which is taken too.
    pub(super) fn text(&mut self) -> Result<&[u8], HubFileError> {
        let rest = &self.bytes[self.at..];
        let Some(len) = memchr::memchr(0, rest) else { return Err(self.malformed("texts")) };
        self.at += len + 1;
        Ok(&rest[..len])
    }

    /// Refuses a column that goes on.
    pub(super) fn end(&self) -> Result<(), HubFileError> {
        if self.left() == 0 { Ok(()) } else { Err(self.malformed("length")) }
    }
}

pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
