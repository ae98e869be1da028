//! Groups: the minimized BTFs in pieces that a look-up decodes whole, each the distinct definitions of its BTFs.

use std::io::{self, Write};

use btfgen_runtime::KernelId;
use btfgen_runtime::wire::{BIG, LITTLE, LOOKUP_TARGET, MAX_SLOT_WORDS, MAX_STEPS, ZSTD_MAGIC};

use super::ArchiveError;
use super::columns::Columns;
use super::lineage::Lineage;
use super::slots::Slots;
use crate::btf::{Btf, Endian};
use crate::threads::on_all_cores;

/// Shortest texts, in bytes, that get compression tables of their own. The rest is divided by zstd.
const OWN_TABLES: usize = 256;

/// A group as it is stored.
pub(super) struct Group {
    pub(super) raw_len: usize,
    pub(super) frame: Vec<u8>,
    /// Number of its BTFs.
    pub(super) btfs: usize,
}

/// A BTF on its way into a group, and a kernel to name when it is malformed.
pub(super) struct Member<'a, 'k> {
    pub(super) kernel: &'k KernelId,
    pub(super) btf: Btf<'a>,
}

/// A group's decoded form.
pub(super) struct Piece {
    raw: Vec<u8>,
    /// Where in it the texts end.
    texts_end: usize,
    /// Its BTFs in their order, by their places among all.
    pub(super) btfs: Vec<usize>,
}

/// Cuts BTFs into groups, in their order, each of one byte order and within one look-up's reach where that is possible.
pub(super) fn cut(members: &[&Member<'_, '_>]) -> Result<Vec<Piece>, ArchiveError> {
    let mut pieces = Vec::new();
    let mut first = 0;
    for alike in members.chunk_by(|a, b| a.btf.endian() == b.btf.endian()) {
        halve(alike, first, &mut pieces)?;
        first += alike.len();
    }
    Ok(pieces)
}

fn halve(members: &[&Member<'_, '_>], first: usize, pieces: &mut Vec<Piece>) -> Result<(), ArchiveError> {
    let piece = encode(members, first)?;
    if members.len() == 1 || piece.as_ref().is_some_and(|piece| piece.raw.len() <= LOOKUP_TARGET) {
        pieces.extend(piece);
        return Ok(());
    }
    let (front, back) = members.split_at(members.len() / 2);
    halve(front, first, pieces)?;
    halve(back, first + front.len(), pieces)
}

/// Compresses the pieces.
pub(super) fn compress_all(pieces: &[Piece], level: i32) -> io::Result<Vec<Group>> {
    let group = |(): &mut (), at: usize| -> io::Result<Group> {
        let Piece { raw, texts_end, btfs } = &pieces[at];
        let (texts, rest) = raw.split_at(if *texts_end < OWN_TABLES { 0 } else { *texts_end });
        Ok(Group { raw_len: raw.len(), frame: compress(texts, rest, level)?, btfs: btfs.len() })
    };
    on_all_cores(pieces.len(), || (), group).into_iter().collect()
}

/// The decoded form of a group, the one that `btfgen_runtime::Archive` puts BTFs together from; none if that is too much for it.
fn encode(members: &[&Member<'_, '_>], first: usize) -> Result<Option<Piece>, ArchiveError> {
    let mut slots = Slots::default();
    for Member { kernel, btf } in members {
        let no_btf = |source| ArchiveError::NoBtf { kernel: (*kernel).clone(), source };
        slots.add(btf).map_err(no_btf)?;
    }
    if slots.largest() > MAX_SLOT_WORDS {
        return Ok(None);
    }
    let order = slots.order();
    let lineage = Lineage::new(&slots.slots, members.len());
    let endian = members.first().map_or(Endian::Little, |member| member.btf.endian());
    let columns = Columns::new(&slots, &order, &lineage);
    if columns.timelines_len().saturating_mul(members.len()) > MAX_STEPS {
        return Ok(None);
    }
    let (raw, texts_end) = columns.finish(if endian == Endian::Big { BIG } else { LITTLE });
    Ok(Some(Piece { raw, texts_end, btfs: lineage.order.iter().map(|btf| first + btf).collect() }))
}

/// A zstd frame with a content checksum and without its magic number; both parts have tables of their own.
pub(super) fn compress(front: &[u8], back: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = zstd::Encoder::new(Vec::new(), level)?;
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    encoder.include_dictid(false)?;
    encoder.set_pledged_src_size(Some((front.len() + back.len()) as u64))?;
    if !front.is_empty() {
        encoder.write_all(front)?;
        encoder.flush()?;
    }
    encoder.write_all(back)?;
    let mut frame = encoder.finish()?;
    frame.drain(..ZSTD_MAGIC.len());
    Ok(frame)
}
