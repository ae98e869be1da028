//! Groups: blobs cut into pieces that a look-up decodes whole, each compressed against an earlier one like it.

use std::io;

use btfgen_runtime::wire::{LOOKUP_TARGET, ZSTD_MAGIC};

use crate::threads::on_all_cores;

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
    let bases = choose_bases(&pieces)?;
    let group = |(): &mut (), at: usize| -> io::Result<Group> {
        let base = bases[at];
        let dictionary = base.map_or(&[][..], |base| &pieces[base]);
        let frame = compress(&pieces[at], dictionary, level)?;
        Ok(Group { raw_len: pieces[at].len(), frame, base: base.map_or(0, |base| at - base) })
    };
    on_all_cores(pieces.len(), || (), group).into_iter().collect()
}

/// For each piece the earlier one that it is stored as a difference from, if that helps.
fn choose_bases(pieces: &[Vec<u8>]) -> io::Result<Vec<Option<usize>>> {
    let mut chosen = Vec::with_capacity(pieces.len());
    let mut bases: Vec<usize> = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let tried: Vec<usize> = bases.iter().rev().take(TRIED).copied().collect();
        // The last one is the piece alone.
        let try_one = |(): &mut (), number: usize| -> io::Result<usize> {
            let dictionary = tried.get(number).map_or(&[][..], |&base| &pieces[base]);
            Ok(compress(piece, dictionary, QUICK)?.len())
        };
        let mut lens: Vec<usize> = if tried.is_empty() {
            Vec::new()
        } else {
            on_all_cores(tried.len() + 1, || (), try_one).into_iter().collect::<io::Result<_>>()?
        };
        let alone = lens.pop().unwrap_or_default();
        let shortest = tried.iter().zip(lens).filter(|(_, len)| *len < alone / 2).min_by_key(|(_, len)| *len);
        chosen.push(shortest.map(|(&base, _)| base));
        if shortest.is_none() {
            bases.push(at);
        }
    }
    Ok(chosen)
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
