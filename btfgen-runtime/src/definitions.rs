//! Definitions: the types of all minimized BTFs of an archive, each definition stored once; assembles one BTF of them.
//!
//! A **slot** is one type of all BTFs: a kind, a name, and its distinct definitions. A definition refers to other
//! types by their slots, so a new definition of a type does not change the types that contain it.

use std::ops::Range;

use crate::wire::{self, Record, Word, take_u32, take_varint};

/// Length of BTF's header in bytes.
const HEADER_LEN: u32 = 24;
/// BTF's magic number.
const BTF_MAGIC: u16 = 0xeb9f;
/// BTF's version, and its flags.
const BTF_VERSION: [u8; 2] = [1, 0];

/// Index of a minimized BTF, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlobId(pub(crate) u32);

/// Number of a slot, from 1; 0 is `void`.
#[derive(Clone, Copy)]
struct SlotId(u32);

/// Number of a name, from 1; 0 is the empty name.
#[derive(Clone, Copy)]
struct NameId(u32);

/// Id of a type in one BTF, from 1; 0 is `void`.
#[derive(Clone, Copy)]
struct TypeId(u32);

/// Number of a definition in its slot, from 1; 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DefinitionId(u32);

/// Byte order of a BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// The decoded definitions.
#[derive(Default)]
pub(crate) struct Definitions {
    /// The texts of all names, each with a final NUL.
    texts: Vec<u8>,
    /// Each name's range in `texts`.
    names: Vec<Range<usize>>,
    slots: Vec<Slot>,
    /// The runs of all slots.
    runs: Vec<Run>,
    /// The definitions of all slots.
    definitions: Vec<Definition>,
    /// The entries of all definitions.
    words: Vec<u32>,
}

struct Slot {
    kind: u8,
    record: Record,
    name: NameId,
    /// Its range in [`Definitions::runs`].
    runs: Range<usize>,
    /// Its range in [`Definitions::definitions`].
    definitions: Range<usize>,
}

/// Consecutive BTFs that have the same definition of a slot.
struct Run {
    /// The first BTF after the run.
    end: BlobId,
    definition: DefinitionId,
}

struct Definition {
    vlen: u32,
    kind_flag: bool,
    third: u32,
    /// Its range in [`Definitions::words`].
    words: Range<usize>,
}

impl Definitions {
    /// Parses the definitions of `blobs` BTFs; `None` if the bytes are malformed.
    ///
    /// Memory is proportional to the input's length.
    pub(crate) fn parse(bytes: &[u8], blobs: u32) -> Option<Self> {
        let mut rest = bytes;
        let names_len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let (texts, mut rest) = rest.split_at_checked(names_len)?;
        if texts.last().is_some_and(|last| *last != 0) {
            return None;
        }
        let mut definitions = Self { texts: texts.to_vec(), ..Self::default() };
        let mut start = 0;
        for text in texts.split_inclusive(|byte| *byte == 0) {
            definitions.names.push(start..start + text.len());
            start += text.len();
        }
        while !rest.is_empty() {
            definitions.take_slot(&mut rest, blobs)?;
        }
        Some(definitions)
    }

    fn take_slot(&mut self, rest: &mut &[u8], blobs: u32) -> Option<()> {
        let (&kind, tail) = rest.split_first()?;
        *rest = tail;
        let record = wire::record(kind)?;
        let name = NameId(take_u32(rest)?);
        let (first_run, first_definition) = (self.runs.len(), self.definitions.len());
        let mut end = 0u32;
        let mut last_definition = DefinitionId(0);
        while end < blobs {
            let len = take_u32(rest)?;
            end = end.checked_add(len).filter(|end| len > 0 && *end <= blobs)?;
            let definition = DefinitionId(take_u32(rest)?);
            last_definition = last_definition.max(definition);
            self.runs.push(Run { end: BlobId(end), definition });
        }
        for _ in 0..last_definition.0 {
            self.take_definition(rest, &record)?;
        }
        self.slots.push(Slot {
            kind,
            record,
            name,
            runs: first_run..self.runs.len(),
            definitions: first_definition..self.definitions.len(),
        });
        Some(())
    }

    fn take_definition(&mut self, rest: &mut &[u8], record: &Record) -> Option<()> {
        let info = take_u32(rest)?;
        let (vlen, kind_flag) = (info >> 1, info & 1 != 0);
        let third = take_u32(rest)?;
        let start = self.words.len();
        let width = record.entry.len();
        for at in 0..record.entry_words(vlen)? {
            let previous = if at < width { 0 } else { *self.words.get(start + at - width)? };
            self.words.push(wire::apply_delta(previous, take_u32(rest)?));
        }
        self.definitions.push(Definition { vlen, kind_flag, third, words: start..self.words.len() });
        Some(())
    }

    /// Assembles a BTF; `None` if it refers to a name or type that it does not have.
    pub(crate) fn assemble(&self, blob: BlobId, order: ByteOrder) -> Option<Vec<u8>> {
        let mut types = Vec::with_capacity(self.slots.len());
        let mut ids = Vec::with_capacity(self.slots.len());
        for slot in &self.slots {
            let definition = self.definition(slot, blob)?;
            types.extend(definition.map(|definition| (slot, definition)));
            ids.push(definition.map(|_| TypeId(types.len() as u32)));
        }
        let mut btf = Assembly { strings: Strings::new(self), ids, types: Words::new(order) };
        for (slot, definition) in types {
            let Definition { vlen, kind_flag, third, ref words } = *definition;
            btf.push(Word::Name, slot.name.0)?;
            btf.push(Word::Number, u32::from(kind_flag) << 31 | u32::from(slot.kind) << 24 | vlen)?;
            btf.push(slot.record.third, third)?;
            let words = self.words.get(words.clone())?;
            for (&value, &word) in words.iter().zip(slot.record.entry.iter().cycle()) {
                btf.push(word, value)?;
            }
        }
        btf.finish()
    }

    /// A BTF's definition of a slot, if it has one; the outer `None` means that there is no such BTF or definition.
    fn definition(&self, slot: &Slot, blob: BlobId) -> Option<Option<&Definition>> {
        let runs = self.runs.get(slot.runs.clone())?;
        let run = runs.get(runs.partition_point(|run| run.end <= blob))?;
        let Some(index) = run.definition.0.checked_sub(1) else { return Some(None) };
        self.definitions.get(slot.definitions.clone())?.get(index as usize).map(Some)
    }
}

/// A BTF being assembled.
struct Assembly<'a> {
    strings: Strings<'a>,
    /// The id of each slot's type.
    ids: Vec<Option<TypeId>>,
    types: Words,
}

impl Assembly<'_> {
    /// Appends a word of a type.
    fn push(&mut self, word: Word, value: u32) -> Option<()> {
        let value = match word {
            Word::Name => self.strings.offset(NameId(value))?,
            Word::Type => self.id(SlotId(value))?.0,
            Word::Number => value,
        };
        self.types.push(value);
        Some(())
    }

    fn id(&self, slot: SlotId) -> Option<TypeId> {
        match slot.0.checked_sub(1) {
            Some(index) => *self.ids.get(index as usize)?,
            None => Some(TypeId(0)),
        }
    }

    /// The BTF: header, types, strings.
    fn finish(self) -> Option<Vec<u8>> {
        let types_len = u32::try_from(self.types.bytes.len()).ok()?;
        let strings_len = u32::try_from(self.strings.used.len()).ok()?;
        let mut header = Words::new(self.types.order);
        let magic = match header.order {
            ByteOrder::Little => BTF_MAGIC.to_le_bytes(),
            ByteOrder::Big => BTF_MAGIC.to_be_bytes(),
        };
        header.bytes.extend([magic, BTF_VERSION].concat());
        for word in [HEADER_LEN, 0, types_len, types_len, strings_len] {
            header.push(word);
        }
        Some([header.bytes, self.types.bytes, self.strings.used].concat())
    }
}

/// Words in either byte order.
struct Words {
    order: ByteOrder,
    bytes: Vec<u8>,
}

impl Words {
    fn new(order: ByteOrder) -> Self {
        Self { order, bytes: Vec::new() }
    }

    fn push(&mut self, word: u32) {
        self.bytes.extend(match self.order {
            ByteOrder::Little => word.to_le_bytes(),
            ByteOrder::Big => word.to_be_bytes(),
        });
    }
}

/// A BTF's strings: the empty one, then each name in the order of its first use.
struct Strings<'a> {
    definitions: &'a Definitions,
    /// The offset of each name, if it is used.
    offsets: Vec<Option<u32>>,
    used: Vec<u8>,
}

impl<'a> Strings<'a> {
    fn new(definitions: &'a Definitions) -> Self {
        Self { definitions, offsets: vec![None; definitions.names.len()], used: vec![0] }
    }

    fn offset(&mut self, name: NameId) -> Option<u32> {
        let Some(index) = name.0.checked_sub(1) else { return Some(0) };
        let known = self.offsets.get_mut(index as usize)?;
        if known.is_none() {
            *known = u32::try_from(self.used.len()).ok();
            let text = self.definitions.names.get(index as usize)?.clone();
            self.used.extend_from_slice(self.definitions.texts.get(text)?);
        }
        *known
    }
}
