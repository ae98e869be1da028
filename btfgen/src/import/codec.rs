//! The compressed parts of packages and images: the engine's codecs, with a limit for packages.

use std::io::{self, Read};

pub use btfgen_core::hub::Codec;
use btfgen_core::hub::Limited;
pub(crate) use btfgen_core::hub::read_up_to;

/// The content of a package's part, decompressed if a codec knows it: a reader that fails after `limit` bytes.
pub(crate) fn unpacked<'a, R: Read + 'a>(mut packed: R, limit: u64) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = [0; 16];
    let len = read_up_to(&mut packed, &mut head)?;
    let whole = io::Cursor::new(head).take(len as u64).chain(packed);
    let plain: Box<dyn Read + 'a> = match Codec::sniff(head.get(..len).unwrap_or_default()) {
        Some(codec) => codec.decoder(whole)?,
        None => Box::new(whole),
    };
    Ok(Box::new(Limited::new(plain, limit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::{compress, filler};

    #[test]
    fn decodes_what_encoders_write_and_ignores_what_follows() {
        let text = filler(100_000);
        for codec in Codec::ALL {
            let mut packed = compress(codec, &text);
            assert_eq!(Codec::sniff(&packed), Some(codec));
            // The uncompressed size, as the kernel's build appends it.
            packed.extend(100_000u32.to_le_bytes());
            let mut got = Vec::new();
            codec.decoder(packed.as_slice()).unwrap().read_to_end(&mut got).unwrap();
            assert!(got == text, "{codec}");
        }
    }

    #[test]
    fn lz4_frames_of_several_blocks_end_where_they_end() {
        for len in [(8 << 20) - 1, 8 << 20, (8 << 20) + 1] {
            let text = filler(len);
            let mut packed = compress(Codec::Lz4, &text);
            packed.extend(u32::try_from(len).unwrap().to_le_bytes());
            let mut got = Vec::new();
            Codec::Lz4.decoder(packed.as_slice()).unwrap().read_to_end(&mut got).unwrap();
            assert!(got == text, "{len}");
        }
    }

    #[test]
    fn cut_streams_are_errors() {
        let text = filler(100_000);
        for codec in Codec::ALL {
            let packed = compress(codec, &text);
            let half = packed.get(..packed.len() / 2).unwrap();
            let mut got = Vec::new();
            let result = codec.decoder(half).and_then(|mut decoder| decoder.read_to_end(&mut got));
            assert!(result.is_err(), "{codec}");
        }
    }

    #[test]
    fn bombs_end() {
        let text = filler(100_000);
        for packed in [compress(Codec::Gzip, &text), text.clone()] {
            let read = |limit| unpacked(packed.as_slice(), limit).unwrap().read_to_end(&mut Vec::new());
            assert_eq!(read(100_000).unwrap(), 100_000);
            assert_eq!(read(99_999).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        }
    }

    #[test]
    fn sniffs_no_codec_in_other_bytes() {
        let check = |head: &[u8]| assert_eq!(Codec::sniff(head), None, "{head:x?}");
        check(b"");
        check(b"\x1f\x8b");
        check(b"\x1f\x8b\x08\xff");
        check(b"BZh9 not a block");
        check(&[0x5d, 0, 0, 0, 4, 0xff]);
        check(&[0x5d, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn windows_beyond_the_limit_are_refused() {
        let read = |codec: Codec, bytes: &[u8]| {
            codec.decoder(bytes).and_then(|mut decoder| decoder.read_to_end(&mut Vec::new()))
        };
        // An empty frame: descriptor, window of 2^27 or 2^28 bytes, an empty last block.
        let zstd = |window: u8| read(Codec::Zstd, &[0x28, 0xb5, 0x2f, 0xfd, 0, window, 1, 0, 0]);
        assert!(zstd(17 << 3).is_ok());
        assert!(zstd(18 << 3).is_err());
        // A dictionary of 1 GiB, which is otherwise well formed.
        let mut lzma = vec![0x5d, 0, 0, 0, 0x40];
        lzma.extend([0xff; 8]);
        lzma.extend([0; 20]);
        assert_eq!(Codec::sniff(&lzma), Some(Codec::Lzma));
        assert!(read(Codec::Lzma, &lzma).unwrap_err().to_string().contains("memory"));
    }
}
