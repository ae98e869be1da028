//! Digest: what an object's relocations ask for, in eight bytes, so that an archive made for another object is noticed.
//!
//! It is of the set of relocations, each by its kind, its access string and the content of its local root type, and of
//! the byte order. Code, line info, type ids and the order of anything are left out, so that an object compiled
//! anew that asks for the same has the same digest. The rules are in `docs/archive.md`.

use std::collections::BinaryHeap;
use std::fmt;
use std::io;

use crate::elf;
use crate::error::ObjectError;
use crate::hash::{Fnv, hexadecimal};
use crate::wire::{self, Word};

/// What an object's CO-RE relocations ask for: equal for two objects that ask for the same.
///
/// It tells a forgotten rebuild from a done one. It is no seal: who can change the object can change the archive.
///
/// ```no_run
/// let object = std::fs::read("program.bpf.o")?;
/// println!("{}", btfgen_runtime::ObjectDigest::of(&object)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectDigest(pub(crate) [u8; Self::LEN]);

impl ObjectDigest {
    /// Length in bytes.
    pub const LEN: usize = 8;

    /// The digest of a compiled eBPF object, an ELF file with `.BTF`; without `.BTF.ext` it asks for nothing.
    ///
    /// A relocation that makes no sense in the object itself is taken as it is.
    ///
    /// # Errors
    /// When the bytes are no ELF file or one of the two sections is missing or damaged.
    pub fn of(object: &[u8]) -> Result<Self, ObjectError> {
        let read = |name: &[u8]| elf::section(&|buffer, offset| fill(object, buffer, offset), name);
        let btf = read(b".BTF\0").map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ObjectError::NoBtf,
            _ => ObjectError::Elf,
        })?;
        let ext = match read(b".BTF.ext\0") {
            Ok(ext) => ext,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(_) => return Err(ObjectError::Elf),
        };
        let mut types = Types::parse(&btf).ok_or(ObjectError::Btf)?;
        let asked = types.relocations(&ext).ok_or(ObjectError::BtfExt)?;
        let mut digest = Fnv::new();
        digest.byte(u8::from(types.big));
        // A heap sorts in a tenth of the code of a sort.
        let (mut asked, mut last) = (BinaryHeap::from(asked), None);
        while let Some(relocation) = asked.pop() {
            if last.replace(relocation) != Some(relocation) {
                digest.word(relocation);
            }
        }
        Ok(Self(digest.finish().to_be_bytes()))
    }

    /// The digest of these bytes, such as [`ObjectDigest::to_bytes`] gave.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes, as an archive holds them.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }
}

impl fmt::Display for ObjectDigest {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal(u64::from_be_bytes(self.0)))
    }
}

impl fmt::Debug for ObjectDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fills a buffer from an offset of a file's bytes.
fn fill(file: &[u8], buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let rest = usize::try_from(offset).ok().and_then(|start| file.get(start..));
    let part = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
    buffer.copy_from_slice(part);
    Ok(())
}

const POINTER: u8 = 2;
const ARRAY: u8 = 3;
const STRUCT: u8 = 4;
const UNION: u8 = 5;
const TYPEDEF: u8 = 8;
const FUNC_PROTO: u8 = 13;

// What stands for the hash of a type that has none.
const UNSEEN: u64 = 0;
const CONTAINS_ITSELF: u64 = 1;
const TOO_DEEP: u64 = 2;
const MISSING: u64 = 3;
const VOID: u64 = 4;

/// Deepest nesting of types that is followed, and longest chain of typedefs and modifiers.
const MAX_DEPTH: u32 = 200;
const MAX_CHAIN: u32 = 32;
/// Most bytes that count of a string: more than any compiler writes, and it bounds the work.
const MAX_TEXT: usize = 1024;

/// Bits of a relocation's place among those that are remembered.
const RECENT_BITS: u32 = 12;

/// Bytes of the common part of a type's record.
const RECORD: usize = 12;

/// How far a type is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It is contained: its members count.
    Value,
    /// It is behind a pointer: of a struct or union only kind and name count, as no relocation reads further.
    Pointee,
}

/// A record's parts.
#[derive(Clone, Copy)]
struct Record<'b> {
    id: u32,
    kind: u8,
    kflag: bool,
    name: u32,
    first: u32,
    rest: &'b [u8],
}

/// An object's local types, and the hashes of those that relocations have asked for.
struct Types<'b> {
    big: bool,
    types: &'b [u8],
    strings: &'b [u8],
    /// Where each type's record begins, from type 1.
    starts: Vec<usize>,
    /// The hashes by type, of its content and of what of it shows behind a pointer.
    content: Vec<u64>,
    pointee: Vec<u64>,
}

impl<'b> Types<'b> {
    fn parse(btf: &'b [u8]) -> Option<Self> {
        if !elf::is_btf(btf) {
            return None;
        }
        let big = btf.first() == Some(&0xeb);
        let word = |at| elf::number(btf, at, 4, big).map(|word| word as usize);
        let part = |at| btf.get(word(4)?.checked_add(word(at)?)?..)?.get(..word(at + 4)?);
        let (types, strings) = (part(8)?, part(16)?);
        let mut starts = Vec::new();
        let mut at = 0;
        while at < types.len() {
            starts.push(at);
            let info = elf::number(types, at + 4, 4, big)? as u32;
            at += RECORD + rest_len(info)?;
        }
        if at != types.len() {
            return None;
        }
        let unseen = || vec![UNSEEN; starts.len()];
        Some(Self { big, types, strings, content: unseen(), pointee: unseen(), starts })
    }

    /// A hash of each distinct relocation, in the order of `.BTF.ext`, some more than once.
    fn relocations(&mut self, ext: &[u8]) -> Option<Vec<u64>> {
        let mut hashes = Vec::new();
        if ext.is_empty() {
            return Some(hashes);
        }
        let big = self.big;
        if ext.get(..3)? != if big { [0xeb, 0x9f, 1] } else { [0x9f, 0xeb, 1] } {
            return None;
        }
        let word = |at| elf::number(ext, at, 4, big).map(|word| word as usize);
        let header = word(4)?;
        // Compilers before CO-RE wrote a header of 24 bytes, without the relocations.
        if header < 32 {
            return Some(hashes);
        }
        let mut rest = ext.get(header.checked_add(word(24)?)?..)?.get(..word(28)?)?;
        if rest.is_empty() {
            return Some(hashes);
        }
        let take = |rest: &mut &[u8]| {
            let (word, tail) = rest.split_at_checked(4)?;
            *rest = tail;
            elf::number(word, 0, 4, big).map(|word| word as usize)
        };
        let len = take(&mut rest)?;
        if len < 16 || len % 4 != 0 {
            return None;
        }
        // A large object asks for few things thousands of times: what was asked a moment ago is not hashed again. The
        // last word marks a place that is taken.
        let mut recent = vec![[0u32; 4]; 1 << RECENT_BITS];
        while !rest.is_empty() {
            let (_section, count) = (take(&mut rest)?, take(&mut rest)?);
            let (records, tail) = rest.split_at_checked(count.checked_mul(len)?)?;
            rest = tail;
            let (mut records, _) = records.as_chunks::<4>();
            // This loop runs in build scripts too, where nothing is optimized.
            while let [_insn, root, access, kind, ..] = *records {
                let word = |bytes| if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) };
                let (root, access, kind) = (word(root), word(access), word(kind));
                let mixed = (root.wrapping_mul(0x9e37_79b1) ^ access ^ kind << 16).wrapping_mul(0x85eb_ca6b);
                let last = recent.get_mut((mixed >> (u32::BITS - RECENT_BITS)) as usize)?;
                let asked = [root, access, kind, 1];
                if *last != asked {
                    *last = asked;
                    hashes.push(self.relocation(root, access, kind));
                }
                records = records.get(len / 4..)?;
            }
        }
        Some(hashes)
    }

    /// The name and kind of a root are those of the very type that the relocation names, as libbpf looks them up.
    fn relocation(&mut self, root: u32, access: u32, kind: u32) -> u64 {
        let mut hash = Fnv::new();
        hash.word(kind.into());
        self.text(&mut hash, access);
        if let Some(record) = self.record(root) {
            hash.byte(record.kind);
            self.text(&mut hash, record.name);
        }
        hash.word(self.hash_of(root, Place::Value, 0));
        hash.finish()
    }

    fn record(&self, id: u32) -> Option<Record<'b>> {
        let start = *self.starts.get(usize::try_from(id).ok()?.checked_sub(1)?)?;
        let record = self.types.get(start..)?;
        let word = |at| elf::number(record, at, 4, self.big).map(|word| word as u32);
        let info = word(4)?;
        let rest = record.get(RECORD..)?.get(..rest_len(info)?)?;
        let (name, first) = (word(0)?, word(8)?);
        Some(Record { id, kind: kind(info), kflag: info >> 31 != 0, name, first, rest })
    }

    /// Adds a string with its end, as far as it counts.
    fn text(&self, hash: &mut Fnv, offset: u32) {
        let text = self.strings.get(offset as usize..).unwrap_or(b"\xff");
        text.iter().take(MAX_TEXT).take_while(|byte| **byte != 0).for_each(|&byte| hash.byte(byte));
        hash.byte(0);
    }

    /// The hash of a type's content, without the typedefs and modifiers before it. Each type is followed once.
    fn hash_of(&mut self, mut id: u32, place: Place, depth: u32) -> u64 {
        for _ in 0..MAX_CHAIN {
            if id == 0 {
                return VOID;
            }
            let Some(record) = self.record(id) else { return MISSING };
            // Typedef, volatile, const, restrict; type tag.
            if !matches!(record.kind, TYPEDEF..=11 | 18) {
                return self.hash_of_record(record, place, depth);
            }
            id = record.first;
        }
        TOO_DEEP
    }

    fn hash_of_record(&mut self, record: Record<'b>, place: Place, depth: u32) -> u64 {
        let Some(known) = self.known(record.id, place) else { return MISSING };
        if *known != UNSEEN {
            return *known;
        }
        if depth == MAX_DEPTH {
            return TOO_DEEP;
        }
        *known = CONTAINS_ITSELF;
        let hash = self.hash(record, place, depth);
        if let Some(known) = self.known(record.id, place) {
            *known = hash;
        }
        hash
    }

    fn known(&mut self, id: u32, place: Place) -> Option<&mut u64> {
        let hashes = if place == Place::Value { &mut self.content } else { &mut self.pointee };
        hashes.get_mut(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    fn hash(&mut self, record: Record<'b>, place: Place, depth: u32) -> u64 {
        let mut hash = Fnv::new();
        hash.byte(record.kind);
        self.text(&mut hash, record.name);
        let composite = matches!(record.kind, STRUCT | UNION);
        if !composite {
            // The sign of an enum, the kind of a forward declaration; of a struct, that it has bitfields.
            hash.byte(u8::from(record.kflag));
        }
        let words = wire::record(record.kind).filter(|_| !(composite && place == Place::Pointee));
        let Some(wire::Record { head, entry, .. }) = words else { return hash.finish() };
        let (big, inner) = (self.big, if record.kind == POINTER { Place::Pointee } else { place });
        let rest =
            record.rest.chunks_exact(4).map(|word| elf::number(word, 0, 4, big).unwrap_or_default() as u32);
        let entries = rest.zip(entry.iter().enumerate().cycle());
        let words = entries.filter(|(_, (at, _))| {
            // No relocation reads an array's index type or a parameter's name.
            !matches!((record.kind, *at), (ARRAY, 1) | (FUNC_PROTO, 0))
        });
        let words = words.map(|(word, (_, role))| (word, *role));
        for (word, role) in [(record.first, head)].into_iter().chain(words) {
            match role {
                Word::Name => self.text(&mut hash, word),
                Word::Offset | Word::Number => hash.word(word.into()),
                Word::Type => hash.word(self.hash_of(word, inner, depth + 1)),
            }
        }
        hash.finish()
    }
}

fn kind(info: u32) -> u8 {
    (info >> 24 & 0x1f) as u8
}

/// Bytes after the common part of a type's record.
fn rest_len(info: u32) -> Option<usize> {
    let record = wire::record(kind(info))?;
    let count = if record.single { 1 } else { (info & 0xffff) as usize };
    Some(4 * record.entry.len() * count)
}
