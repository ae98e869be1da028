//! Codec: the compressions of BTF files, kernel images and packages, decoded as bounded streams.
//!
//! In the order of imports: `limited`, `read_up_to`, `lz4`.

mod limited;
#[cfg(feature = "all-codecs")]
mod lz4;
mod read_up_to;

use std::fmt;
use std::io::{self, BufReader, Read};

pub use limited::{Failure, Limited};
pub use read_up_to::read_up_to;

/// Most memory for the dictionary of xz and lzma, in bytes. A kernel's build asks for up to 128 MiB.
#[cfg(feature = "packed")]
const MAX_LZMA_MEMORY: u64 = 160 << 20;

/// Largest window of zstd, as a power of two: 128 MiB, as `zstd --ultra -22` and a kernel's build ask for.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// gzip.
    Gzip,
    /// xz.
    Xz,
    /// The older `.lzma` ("LZMA alone").
    Lzma,
    /// The lz4 legacy frame, which a kernel's build writes.
    Lz4,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
}

/// How much of the input a decoder reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// The first frame, whatever follows it.
    FirstFrame,
    /// Frames up to the end of the input.
    AllFrames,
}

impl Codec {
    /// Every codec.
    pub const ALL: [Self; 6] = [Self::Gzip, Self::Xz, Self::Lzma, Self::Lz4, Self::Zstd, Self::Bzip2];

    /// The codec whose magic `head` starts with.
    ///
    /// `.lzma` has no magic: its first 14 bytes are checked for what common encoders write.
    pub fn sniff(head: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.starts(head))
    }

    /// The first bytes of a frame, to search for; [`Codec::sniff`] then checks more of them.
    pub fn needle(self) -> &'static [u8] {
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

    /// The name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    /// Decodes the first frame of `compressed`, whatever follows it.
    ///
    /// # Errors
    /// When the header is damaged or asks for more memory than any kernel or package needs, or when the codec was not
    /// compiled in: all but zstd need feature `packed` or `all-codecs`.
    pub fn decoder<'a, R: Read + 'a>(self, compressed: R) -> io::Result<Box<dyn Read + 'a>> {
        self.open(compressed, Extent::FirstFrame)
    }

    /// Decodes all frames of `compressed`, up to its end; `.lzma` and lz4 have only one.
    ///
    /// # Errors
    /// As [`Codec::decoder`].
    pub fn decoder_of_all_frames<'a, R: Read + 'a>(self, compressed: R) -> io::Result<Box<dyn Read + 'a>> {
        self.open(compressed, Extent::AllFrames)
    }

    fn open<'a, R: Read + 'a>(self, compressed: R, extent: Extent) -> io::Result<Box<dyn Read + 'a>> {
        let buffered = BufReader::with_capacity(64 << 10, compressed);
        Ok(match (self, extent) {
            #[cfg(feature = "packed")]
            (Self::Gzip, Extent::FirstFrame) => Box::new(flate2::bufread::GzDecoder::new(buffered)),
            #[cfg(feature = "packed")]
            (Self::Gzip, Extent::AllFrames) => Box::new(flate2::bufread::MultiGzDecoder::new(buffered)),
            #[cfg(feature = "packed")]
            (Self::Xz, _) => {
                let flags = if extent == Extent::AllFrames { liblzma::stream::CONCATENATED } else { 0 };
                let stream = liblzma::stream::Stream::new_stream_decoder(MAX_LZMA_MEMORY, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(buffered, stream))
            }
            #[cfg(feature = "packed")]
            (Self::Lzma, _) => {
                let stream = liblzma::stream::Stream::new_lzma_decoder(MAX_LZMA_MEMORY)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(buffered, stream))
            }
            #[cfg(feature = "all-codecs")]
            (Self::Lz4, _) => Box::new(lz4::Lz4Legacy::new(buffered, self.needle())?),
            (Self::Zstd, _) => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(buffered)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
                match extent {
                    Extent::FirstFrame => Box::new(decoder.single_frame()),
                    Extent::AllFrames => Box::new(decoder),
                }
            }
            #[cfg(feature = "all-codecs")]
            (Self::Bzip2, Extent::FirstFrame) => Box::new(bzip2::bufread::BzDecoder::new(buffered)),
            #[cfg(feature = "all-codecs")]
            (Self::Bzip2, Extent::AllFrames) => Box::new(bzip2::bufread::MultiBzDecoder::new(buffered)),
            #[cfg(not(feature = "all-codecs"))]
            _ => {
                let message = format!("this program was built without support for {self}");
                return Err(io::Error::new(io::ErrorKind::Unsupported, message));
            }
        })
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
