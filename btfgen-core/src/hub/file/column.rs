//! Columns: the streams of numbers that a hub file consists of, each compressed and checked by itself.

use btfgen_runtime::wire::{push_varint, take_varint};
use sha2::{Digest, Sha256};

use super::error::{HubFileError, VERSION};
use crate::threads::on_all_cores;
use crate::types::TypeRef;

/// First bytes of every hub file.
pub(super) const MAGIC: [u8; 8] = *b"\x89BTFHUB\n";
/// Most bytes of all columns together, unpacked.
const MAX_RAW: u64 = 128 << 20;
/// Bytes of a column's entry in the table: number, stored length, unpacked length, checksum.
const ENTRY_LEN: usize = 1 + 4 + 4 + CHECKSUM_LEN;
const CHECKSUM_LEN: usize = 8;
const HEADER_LEN: usize = 8 + 4 + 1 + CHECKSUM_LEN;

macro_rules! columns {
    ($($(#[doc = $doc:literal])* $name:ident = $number:literal $text:literal,)*) => {
        /// A column, by its number in the table.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub(super) enum Column { $($(#[doc = $doc])* $name = $number,)* }

        impl Column {
            /// All columns, in the order of their numbers.
            pub(super) const ALL: &[Self] = &[$(Self::$name,)*];

            /// Whether it belongs to the kernel table.
            pub(super) fn is_of_kernels(self) -> bool {
                matches!(self, Self::Kernels | Self::Hashes | Self::KernelFacts)
            }

            /// Whether only facts about functions need it.
            pub(super) fn is_of_functions(self) -> bool {
                self >= Self::FunctionShared
            }

            /// Its name in messages.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The error for content that no writer produces.
            pub(super) fn malformed(self, what: &'static str) -> HubFileError {
                HubFileError::Malformed { column: self.name(), what }
            }
        }
    };
}

columns! {
    /// Ids, provenances, data models and source sizes of the kernels.
    Kernels = 0 "kernels",
    /// SHA-256 of each kernel's source.
    Hashes = 1 "hashes",
    /// For each name the number of bytes that it shares with the one before.
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
    /// Targets of pointers.
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
    /// Flags of enums.
    EnumFlags = 14 "enum-flags",
    /// Numbers of members and enumerators.
    EntryCount = 15 "entry-count",
    /// The earlier definition whose entries are copied.
    Base = 16 "base",
    /// Runs of copied, skipped and new entries.
    Script = 17 "script",
    /// Which copied entries differ, and how.
    Changes = 18 "changes",
    /// Types of copied members that differ.
    ChangedType = 19 "changed-type",
    /// Gaps and widths of copied entries that differ.
    ChangedGap = 20 "changed-gap",
    /// Names of new entries.
    EntryName = 21 "entry-name",
    /// Types of new members.
    EntryType = 22 "entry-type",
    /// Gaps before new entries.
    EntryGap = 23 "entry-gap",
    /// Widths of new bitfields.
    EntryBits = 24 "entry-bits",
    /// The set of kernels that have each named definition.
    Holders = 25 "holders",
    /// The distinct sets of kernels.
    Sets = 26 "sets",
    /// Definitions that kernels have more than once.
    Repeated = 27 "repeated",
    /// Definitions of one kind and essential name whose order of ids is not the canonical one.
    Orders = 28 "orders",
    /// Kinds of opaque definitions.
    OpaqueKind = 29 "opaque-kind",
    /// Whether each kernel ships BTF, and whether it has modules.
    KernelFacts = 30 "kernel-facts",
    /// For each function the number of bytes that its name shares with the one before.
    FunctionShared = 31 "function-shared",
    /// The other bytes of each function's name, and a NUL byte.
    FunctionTail = 32 "function-tail",
    /// Argument words and flags of each function.
    FunctionShape = 33 "function-shape",
    /// Names of modules.
    ModuleName = 34 "module-name",
    /// Modules of the functions that have one.
    FunctionModule = 35 "function-module",
    /// The set of kernels that have each function.
    FunctionHolders = 36 "function-holders",
    /// The set of kernels in which each function is attachable.
    Attachable = 37 "attachable",
    /// The set of kernels in which each function takes no kprobe, but may take a trampoline.
    TraceOnly = 38 "trace-only",
    /// The set of kernels in which each function is not attachable.
    Unattachable = 39 "unattachable",
    /// The distinct sets of kernels that only functions have.
    FunctionSets = 40 "function-sets",
}

/// Columns being written.
pub(super) struct Columns {
    bytes: Vec<Vec<u8>>,
}

impl Columns {
    pub(super) fn new() -> Self {
        Self { bytes: vec![Vec::new(); Column::ALL.len()] }
    }

    /// A column's bytes, to append to.
    pub(super) fn raw(&mut self, column: Column) -> &mut Vec<u8> {
        &mut self.bytes[column as usize]
    }

    /// Appends an unsigned number.
    pub(super) fn uint(&mut self, column: Column, value: u64) {
        push_varint(self.raw(column), value);
    }

    /// Appends a signed number.
    pub(super) fn int(&mut self, column: Column, value: i64) {
        self.uint(column, zigzag(value));
    }

    /// Returns the file: header, table, compressed columns. `level` is zstd's.
    pub(super) fn finish(self, level: i32) -> Result<Vec<u8>, HubFileError> {
        if self.bytes.iter().map(|raw| raw.len() as u64).sum::<u64>() > MAX_RAW {
            return Err(HubFileError::TooLarge { what: "bytes" });
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

/// A column's entry in the table.
#[derive(Debug, Clone)]
struct TableEntry {
    column: Column,
    /// Its bytes in the file.
    range: std::ops::Range<usize>,
    raw_len: usize,
    checksum: [u8; CHECKSUM_LEN],
}

/// A column's length, before and after compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnLength {
    /// The column's name.
    pub name: &'static str,
    /// Bytes in the file.
    pub stored: usize,
    /// Bytes when unpacked.
    pub unpacked: usize,
}

/// A file's table of columns.
#[derive(Debug, Clone)]
pub(super) struct Table {
    entries: Vec<TableEntry>,
}

impl Table {
    /// Reads the table and checks that the columns fill the file.
    pub(super) fn open(file: &[u8]) -> Result<Self, HubFileError> {
        if file.get(..8) != Some(&MAGIC) {
            let is_pointer = file.starts_with(b"version https://git-lfs");
            return Err(if is_pointer { HubFileError::LfsPointer } else { HubFileError::Foreign });
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
        let (Some(sum), Some(records)) = (file.get(13..HEADER_LEN), file.get(HEADER_LEN..end)) else {
            return Err(cut);
        };
        if checksum(&[&file[..13], records].concat()) != sum {
            return Err(HubFileError::Checksum { column: "table" });
        }
        let mut entries: Vec<TableEntry> = Vec::new();
        let (mut at, mut total) = (end, 0);
        for record in records.chunks_exact(ENTRY_LEN) {
            let word =
                |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
            let (stored, raw_len) = (word(1) as usize, word(5) as usize);
            let malformed = || HubFileError::Malformed { column: "table", what: "columns" };
            let column = *Column::ALL.get(usize::from(record[0])).ok_or_else(malformed)?;
            if entries.last().is_some_and(|last| last.column >= column) || stored > raw_len {
                return Err(malformed());
            }
            total += raw_len as u64;
            let range = at..at.saturating_add(stored);
            at = range.end;
            let mut sum = [0; CHECKSUM_LEN];
            sum.copy_from_slice(&record[9..]);
            entries.push(TableEntry { column, range, raw_len, checksum: sum });
        }
        if total > MAX_RAW {
            return Err(HubFileError::TooLarge { what: "bytes" });
        }
        match at.cmp(&file.len()) {
            std::cmp::Ordering::Equal => Ok(Self { entries }),
            std::cmp::Ordering::Greater => Err(cut),
            std::cmp::Ordering::Less => Err(HubFileError::Malformed { column: "table", what: "file's end" }),
        }
    }

    /// Unpacks the columns that are wanted, on all cores.
    pub(super) fn unpack(
        &self,
        file: &[u8],
        wanted: impl Fn(Column) -> bool,
    ) -> Result<Reader, HubFileError> {
        let entries: Vec<&TableEntry> = self.entries.iter().filter(|entry| wanted(entry.column)).collect();
        let unpacked = on_all_cores(entries.len(), || (), |(), at| Self::read(file, entries[at]));
        let mut columns = vec![Unread::default(); Column::ALL.len()];
        for (entry, bytes) in entries.into_iter().zip(unpacked) {
            columns[entry.column as usize].bytes = bytes?;
        }
        Ok(Reader { columns })
    }

    fn read(file: &[u8], entry: &TableEntry) -> Result<Vec<u8>, HubFileError> {
        let damaged = || HubFileError::Checksum { column: entry.column.name() };
        let stored = file.get(entry.range.clone()).ok_or(HubFileError::Truncated { len: file.len() })?;
        if checksum(stored) != entry.checksum {
            return Err(damaged());
        }
        if stored.len() == entry.raw_len {
            return Ok(stored.to_vec());
        }
        let raw = zstd::bulk::decompress(stored, entry.raw_len).map_err(|_| damaged())?;
        if raw.len() != entry.raw_len {
            return Err(damaged());
        }
        Ok(raw)
    }

    /// The length of each column.
    pub(super) fn lengths(&self) -> impl Iterator<Item = ColumnLength> + '_ {
        self.entries.iter().map(|entry| ColumnLength {
            name: entry.column.name(),
            stored: entry.range.len(),
            unpacked: entry.raw_len,
        })
    }
}

/// Columns being read.
pub(super) struct Reader {
    /// By the columns' numbers; a column that the file does not have is empty.
    columns: Vec<Unread>,
}

/// A column and how far it was read.
#[derive(Clone, Default)]
struct Unread {
    bytes: Vec<u8>,
    at: usize,
}

impl Reader {
    /// A column's bytes.
    #[cfg(test)]
    pub(super) fn raw(&self, column: Column) -> &[u8] {
        &self.columns[column as usize].bytes
    }

    /// The bytes left.
    fn rest(&self, column: Column) -> &[u8] {
        let Unread { bytes, at } = &self.columns[column as usize];
        &bytes[*at..]
    }

    fn skip(&mut self, column: Column, len: usize) {
        self.columns[column as usize].at += len;
    }

    /// Number of bytes left; each number takes at least one.
    pub(super) fn left(&self, column: Column) -> usize {
        self.rest(column).len()
    }

    /// An unsigned number.
    pub(super) fn uint(&mut self, column: Column) -> Result<u64, HubFileError> {
        let mut rest = self.rest(column);
        let before = rest.len();
        let value = take_varint(&mut rest).ok_or_else(|| column.malformed("numbers"))?;
        let len = before - rest.len();
        self.skip(column, len);
        Ok(value)
    }

    /// A signed number.
    pub(super) fn int(&mut self, column: Column) -> Result<i64, HubFileError> {
        self.uint(column).map(unzigzag)
    }

    pub(super) fn byte(&mut self, column: Column) -> Result<u8, HubFileError> {
        let byte = *self.rest(column).first().ok_or_else(|| column.malformed("length"))?;
        self.skip(column, 1);
        Ok(byte)
    }

    /// A number that must be below `limit`.
    pub(super) fn below(
        &mut self,
        column: Column,
        limit: usize,
        what: &'static str,
    ) -> Result<u32, HubFileError> {
        let value = self.uint(column)?;
        if value < limit as u64 { Ok(value as u32) } else { Err(column.malformed(what)) }
    }

    /// A definition stored as its difference to another; there are `count` definitions.
    pub(super) fn near(
        &mut self,
        column: Column,
        other: TypeRef,
        count: usize,
    ) -> Result<TypeRef, HubFileError> {
        let value = i64::from(other.number()).wrapping_add(self.int(column)?);
        let value = u32::try_from(value).ok().filter(|&value| (value as usize) < count);
        value.map(TypeRef::at).ok_or_else(|| column.malformed("types"))
    }

    /// Bytes up to a NUL byte, which is skipped.
    pub(super) fn text(&mut self, column: Column) -> Result<&[u8], HubFileError> {
        let Unread { bytes, at } = &mut self.columns[column as usize];
        let rest = &bytes[*at..];
        let len = memchr::memchr(0, rest).ok_or_else(|| column.malformed("texts"))?;
        *at += len + 1;
        Ok(&rest[..len])
    }

    /// Fails if a column has bytes left.
    pub(super) fn end(&self) -> Result<(), HubFileError> {
        match Column::ALL.iter().find(|&&column| self.left(column) != 0) {
            Some(column) => Err(column.malformed("length")),
            None => Ok(()),
        }
    }
}

fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}
