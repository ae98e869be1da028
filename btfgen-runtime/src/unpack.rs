//! Unpack: decodes one zstd frame of the archive, up to a limit.

use zstd::zstd_safe;

/// Decodes a frame to at most `max` bytes, the number that its header states.
///
/// `None` if the frame is malformed, has a wrong checksum, or states no length or a larger one. Takes memory for the
/// decoded bytes and about 100 KB for the decoder.
pub(crate) fn frame(frame: &[u8], max: usize) -> Option<Vec<u8>> {
    let len = usize::try_from(zstd_safe::get_frame_content_size(frame).ok()??).ok()?;
    if len > max {
        return None;
    }
    let mut raw = Vec::with_capacity(len);
    zstd_safe::decompress(&mut raw, frame).ok()?;
    (raw.len() == len).then_some(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_frames_within_the_limit() {
        let packed = |with_len| {
            let mut encoder = zstd::bulk::Compressor::new(19).unwrap();
            encoder.include_checksum(true).unwrap();
            encoder.include_contentsize(with_len).unwrap();
            encoder.compress(&b"struct task_struct ".repeat(50)).unwrap()
        };
        let sound = packed(true);
        let raw = b"struct task_struct ".repeat(50);
        assert_eq!(frame(&sound, raw.len()).as_deref(), Some(raw.as_slice()));
        assert_eq!(frame(&sound, raw.len() - 1), None);
        assert_eq!(frame(&packed(false), raw.len()), None);
        for len in 0..sound.len() {
            assert_eq!(frame(&sound[..len], raw.len()), None, "{len}");
        }
        assert_eq!(frame(&[sound.as_slice(), &[0]].concat(), raw.len()), None);
        assert_eq!(frame(&sound.repeat(2), 2 * raw.len()), None);
    }
}
