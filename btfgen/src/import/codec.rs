//! Codec: the compressions that kernels and packages use, told by their magic, decoded as bounded streams.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

use liblzma::bufread::XzDecoder;
use liblzma::stream::Stream;

/// Most memory for the dictionary of xz and lzma, in bytes. The kernel's build asks for up to 128 MiB.
const LZMA_MEMORY: u64 = 160 << 20;

/// Largest window of zstd, as a power of two: 128 MiB, as `zstd --ultra -22` and the kernel's build ask for.
const ZSTD_WINDOW_LOG: u32 = 27;

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// gzip, one member.
    Gzip,
    /// xz, one stream.
    Xz,
    /// The older `.lzma` ("LZMA alone").
    Lzma,
    /// The lz4 legacy frame, which the kernel's build uses.
    Lz4,
    /// Zstandard, one frame.
    Zstd,
    /// bzip2, one stream.
    Bzip2,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 6] = [Self::Gzip, Self::Xz, Self::Lzma, Self::Lz4, Self::Zstd, Self::Bzip2];

    /// The compression whose magic `head` starts with.
    ///
    /// `.lzma` has no magic: its first 14 bytes are checked for what the encoders in use write.
    pub fn sniff(head: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.starts(head))
    }

    /// The first bytes by which a search finds this codec; [`Codec::sniff`] then looks closer.
    pub(crate) fn needle(self) -> &'static [u8] {
        match self {
            Self::Gzip => &[0x1f, 0x8b, 8],
            Self::Xz => &[0xfd, b'7', b'z', b'X', b'Z', 0],
            Self::Lzma => &[0x5d, 0, 0],
            Self::Lz4 => &[0x02, 0x21, 0x4c, 0x18],
            Self::Zstd => &[0x28, 0xb5, 0x2f, 0xfd],
            Self::Bzip2 => b"BZh",
        }
    }

    fn starts(self, head: &[u8]) -> bool {
        if !head.starts_with(self.needle()) {
            return false;
        }
        match self {
            // Reserved flag bits are zero, RFC 1952.
            Self::Gzip => head.get(3).is_some_and(|flags| flags & 0xe0 == 0),
            Self::Lzma => lzma_header_is_plausible(head),
            // Block size digit, then the magic of the first block (pi).
            Self::Bzip2 => {
                head.get(3).is_some_and(u8::is_ascii_digit)
                    && head.get(4..10) == Some(&[0x31, 0x41, 0x59, 0x26, 0x53, 0x59])
            }
            Self::Xz | Self::Lz4 | Self::Zstd => true,
        }
    }

    /// A stream of what `compressed` holds; it ends with the first frame, whatever follows that.
    ///
    /// # Errors
    /// When the header is damaged or asks for more memory than any kernel or package needs.
    pub fn decoder<'a, R: Read + 'a>(self, compressed: R) -> io::Result<Box<dyn Read + 'a>> {
        let buffered = BufReader::with_capacity(64 << 10, compressed);
        Ok(match self {
            Self::Gzip => Box::new(flate2::bufread::GzDecoder::new(buffered)),
            Self::Xz => {
                let stream = Stream::new_stream_decoder(LZMA_MEMORY, 0)?;
                Box::new(XzDecoder::new_stream(buffered, stream))
            }
            Self::Lzma => {
                let stream = Stream::new_lzma_decoder(LZMA_MEMORY)?;
                Box::new(XzDecoder::new_stream(buffered, stream))
            }
            Self::Lz4 => Box::new(Lz4Legacy::new(buffered)?),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?.single_frame();
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
            Self::Bzip2 => Box::new(bzip2::bufread::BzDecoder::new(buffered)),
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        })
    }
}

/// Properties 0x5d (the default), a dictionary of 2^n or 2^n + 2^(n-1) bytes as `xz` accepts it, a size that is
/// unknown or sane, and the zero byte that starts every range-coded stream.
fn lzma_header_is_plausible(head: &[u8]) -> bool {
    let Some((dictionary, rest)) = head.get(1..).and_then(|rest| rest.split_first_chunk::<4>()) else {
        return false;
    };
    let Some((size, rest)) = rest.split_first_chunk::<8>() else { return false };
    let dictionary = u32::from_le_bytes(*dictionary);
    let top = 1u32 << dictionary.checked_ilog2().unwrap_or(0);
    let size = u64::from_le_bytes(*size);
    (dictionary == top || dictionary == top | top >> 1)
        && (size == u64::MAX || size < 1 << 38)
        && rest.first() == Some(&0)
}

/// The lz4 legacy frame: a magic, then blocks of at most 8 MiB, each after its compressed size.
struct Lz4Legacy<R> {
    inner: R,
    compressed: Vec<u8>,
    block: Vec<u8>,
    /// How much of `block` has been handed out.
    read: usize,
    done: bool,
}

impl<R: BufRead> Lz4Legacy<R> {
    const BLOCK: usize = 8 << 20;

    fn new(mut inner: R) -> io::Result<Self> {
        let mut magic = [0; 4];
        inner.read_exact(&mut magic)?;
        if magic != *Codec::Lz4.needle() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no lz4 legacy frame"));
        }
        Ok(Self { inner, compressed: Vec::new(), block: Vec::new(), read: 0, done: false })
    }

    /// Decodes the next block; false at the frame's end.
    fn next_block(&mut self) -> io::Result<bool> {
        // A block shorter than 8 MiB is the last one. The kernel's build appends the uncompressed size, which
        // would else be taken for the size of one more block (unlz4 in lib/decompress_unlz4.c).
        if self.done {
            return Ok(false);
        }
        let mut size = [0; 4];
        let got = read_up_to(&mut self.inner, &mut size)?;
        if got < size.len() {
            return Ok(false);
        }
        let size = u32::from_le_bytes(size) as usize;
        if size == 0 {
            return Ok(false);
        }
        if size > lz4_flex::block::get_maximum_output_size(Self::BLOCK) {
            // After at least one block this is what follows the frame, not a part of it.
            return if self.block.is_empty() {
                Err(io::Error::new(io::ErrorKind::InvalidData, "lz4 block is too large"))
            } else {
                Ok(false)
            };
        }
        self.compressed.clear();
        self.inner.by_ref().take(size as u64).read_to_end(&mut self.compressed)?;
        if self.compressed.is_empty() && !self.block.is_empty() {
            return Ok(false); // An appended size, and nothing after it.
        }
        if self.compressed.len() < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.block.resize(Self::BLOCK, 0);
        let len = lz4_flex::block::decompress_into(&self.compressed, &mut self.block)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.block.truncate(len);
        self.read = 0;
        self.done = len < Self::BLOCK;
        Ok(len > 0)
    }
}

impl<R: BufRead> Read for Lz4Legacy<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let rest = self.block.get(self.read..).unwrap_or_default();
        let len = rest.len().min(out.len());
        let (from, to) = (rest.get(..len).unwrap_or_default(), out.get_mut(..len).unwrap_or_default());
        to.copy_from_slice(from);
        self.read += len;
        Ok(len)
    }
}

/// What a package's compressed part holds: a reader that fails beyond `limit` bytes, so that a bomb ends.
pub(crate) fn unpacked<'a, R: Read + 'a>(mut packed: R, limit: u64) -> io::Result<Box<dyn Read + 'a>> {
    let mut head = [0; 16];
    let len = read_up_to(&mut packed, &mut head)?;
    let whole = io::Cursor::new(head).take(len as u64).chain(packed);
    let plain: Box<dyn Read + 'a> = match Codec::sniff(head.get(..len).unwrap_or_default()) {
        Some(codec) => codec.decoder(whole)?,
        None => Box::new(whole),
    };
    Ok(Box::new(Bounded { inner: plain, left: limit }))
}

struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(out)?;
        self.left = self.left.checked_sub(len as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "it unpacks to more than any kernel package")
        })?;
        Ok(len)
    }
}

/// Reads until `buf` is full or the stream ends; returns how much was read.
pub(crate) fn read_up_to(reader: &mut (impl Read + ?Sized), buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
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
