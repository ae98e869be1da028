//! Unpack: one frame of the archive to bytes, never more than the index announces.

use crate::wire::ZSTD_MAGIC;

/// Decodes a frame that the archive stores without its magic number to exactly `raw_len` bytes.
///
/// `None` when the frame is damaged (its content checksum included) or holds more or less than that. Memory:
/// `raw_len`, a copy of the frame, and the decoder's state of about 100 KB.
pub(crate) fn frame(stored: &[u8], raw_len: usize) -> Option<Vec<u8>> {
    let mut source = Vec::with_capacity(ZSTD_MAGIC.len() + stored.len());
    source.extend_from_slice(&ZSTD_MAGIC);
    source.extend_from_slice(stored);
    let mut raw = Vec::with_capacity(raw_len);
    zstd::zstd_safe::decompress(&mut raw, &source).ok()?;
    (raw.len() == raw_len).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_exactly_what_was_announced() {
        let mut encoder = zstd::bulk::Compressor::new(19).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.include_contentsize(false).unwrap();
        let raw = b"struct task_struct ".repeat(50);
        let packed = encoder.compress(&raw).unwrap();
        assert_eq!(packed[..4], ZSTD_MAGIC);
        assert_eq!(frame(&packed[4..], raw.len()).as_deref(), Some(raw.as_slice()));
        assert_eq!(frame(&packed[4..], raw.len() - 1), None);
        assert_eq!(frame(&packed[4..], raw.len() + 1), None);
        assert_eq!(frame(&packed[4..packed.len() - 1], raw.len()), None);
        assert_eq!(frame(&[], 0), None);
    }
}
