//! Groups: blobs cut into pieces that a look-up decodes whole, each compressed against an earlier one like it.

use std::io;

use btfgen_runtime::wire::{LOOKUP_TARGET, ZSTD_MAGIC};

/// A group as it is stored.
pub(super) struct Group {
    pub(super) raw_len: usize,
    pub(super) frame: Vec<u8>,
    /// How many groups before it its base stands; 0 for none.
    pub(super) base: usize,
}

/// Level at which bases are compared; which one is best shows at any level.
const QUICK: i32 = 3;
/// Most bases that a group is tried with, the latest ones.
const TRIED: usize = 8;

/// Cuts the blobs into groups, in order, and compresses each alone or against a base.
///
/// What fits into one look-up is one group. Else group and base have half of it each; a group that no base
/// brings below half its size becomes a base itself.
pub(super) fn compress_all(blobs: &[&[u8]], level: i32) -> io::Result<Vec<Group>> {
    let pieces = cut(blobs);
    let mut groups: Vec<Group> = Vec::with_capacity(pieces.len());
    let mut bases: Vec<usize> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let alone = if pieces.len() > 1 { compress(piece, &[], QUICK)?.len() } else { 0 };
        let mut best: Option<(usize, usize)> = None;
        for &base in bases.iter().rev().take(TRIED) {
            let len = compress(piece, &pieces[base], QUICK)?.len();
            if len < alone / 2 && best.is_none_or(|(shortest, _)| len < shortest) {
                best = Some((len, base));
            }
        }
        let dictionary = best.map_or(&[][..], |(_, base)| &pieces[base]);
        let frame = compress(piece, dictionary, level)?;
        groups.push(Group { raw_len: piece.len(), frame, base: best.map_or(0, |(_, base)| at - base) });
        if best.is_none() {
            bases.push(at);
        }
    }
    Ok(groups)
}

/// The bytes of each group.
fn cut(blobs: &[&[u8]]) -> Vec<Vec<u8>> {
    let total: usize = blobs.iter().map(|blob| blob.len()).sum();
    let target = if total > LOOKUP_TARGET { LOOKUP_TARGET / 2 } else { LOOKUP_TARGET };
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for blob in blobs {
        match pieces.last_mut() {
            Some(piece) if piece.len() + blob.len() <= target => piece.extend_from_slice(blob),
            _ => pieces.push(blob.to_vec()),
        }
    }
    pieces
}

/// A zstd frame with a content checksum and without its magic number.
pub(super) fn compress(raw: &[u8], dictionary: &[u8], level: i32) -> io::Result<Vec<u8>> {
    let mut encoder = match dictionary {
        [] => zstd::bulk::Compressor::new(level)?,
        _ => zstd::bulk::Compressor::with_dictionary(level, dictionary)?,
    };
    encoder.include_checksum(true)?;
    encoder.include_contentsize(false)?;
    encoder.include_dictid(false)?;
    let mut frame = encoder.compress(raw)?;
    frame.drain(..ZSTD_MAGIC.len());
    Ok(frame)
}
