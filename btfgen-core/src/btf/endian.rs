//! Byte order of a BTF or an object, and reading fixed-size fields in it.

use std::fmt;

/// A byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endian {
    /// Least significant byte first, as on x86_64, arm64, riscv64 and ppc64le.
    Little,
    /// Most significant byte first, as on s390x.
    Big,
}

impl Endian {
    /// Reads 16 bits.
    pub fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// Reads 32 bits.
    pub fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Writes 16 bits.
    pub fn bytes16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    /// Writes 32 bits.
    pub fn bytes32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

impl fmt::Display for Endian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Little => "little-endian",
            Self::Big => "big-endian",
        })
    }
}

/// Reads 16 bits at a byte offset; none past the end.
pub(crate) fn u16_at(bytes: &[u8], at: usize, endian: Endian) -> Option<u16> {
    let field = bytes.get(at..at.checked_add(2)?)?;
    Some(endian.u16([field[0], field[1]]))
}

/// Reads 32 bits at a byte offset; none past the end.
pub fn u32_at(bytes: &[u8], at: usize, endian: Endian) -> Option<u32> {
    let field = bytes.get(at..at.checked_add(4)?)?;
    Some(endian.u32([field[0], field[1], field[2], field[3]]))
}

/// Consecutive records of `N` words of 32 bits; a rest too short for a record is ignored.
#[derive(Clone)]
pub(super) struct Records<'a, const N: usize> {
    bytes: &'a [u8],
    endian: Endian,
}

impl<'a, const N: usize> Records<'a, N> {
    pub(super) fn new(bytes: &'a [u8], endian: Endian) -> Self {
        Self { bytes, endian }
    }
}

impl<const N: usize> Iterator for Records<'_, N> {
    type Item = [u32; N];

    fn next(&mut self) -> Option<[u32; N]> {
        let (record, rest) = self.bytes.split_at_checked(N * 4)?;
        self.bytes = rest;
        let mut words = [0; N];
        for (word, field) in words.iter_mut().zip(record.chunks_exact(4)) {
            *word = self.endian.u32([field[0], field[1], field[2], field[3]]);
        }
        Some(words)
    }
}

/// The properties that all types of a BTF share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DataModel {
    /// Byte order.
    pub endian: Endian,
    /// Size of a pointer in bytes, 4 or 8.
    pub pointer_size: u8,
}
