//! Form: how a BTF file is stored (plain, xz, gzip, zstd, tar), and unpacking it within bounds.

use std::io::{self, Read};

use super::attach::ShipsBtf;
use super::codec::{Codec, Failure, Limited};

/// Most bytes that a packed file may expand to: 256 MiB.
///
/// The largest BTFs of Linux kernels have under 20 MB, including debug builds with all modules.
pub const MAX_BTF_LEN: u64 = 256 << 20;

/// Most bytes of a tar member's name that a message shows.
#[cfg(feature = "packed")]
const MAX_SHOWN_NAME: usize = 256;

/// How a BTF file is stored, as the end of its name says.
///
/// The order is that of preference when a kernel has files of several forms: the cheapest to read first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Form {
    /// `.btf`
    Plain,
    /// `.btf.tar`
    Tar,
    /// `.btf.zst`
    Zst,
    /// `.btf.tar.zst`
    TarZst,
    /// `.btf.gz`
    Gz,
    /// `.btf.tar.gz`
    TarGz,
    /// `.btf.xz`
    Xz,
    /// `.btf.tar.xz`, as the BTFHub archive stores them.
    TarXz,
}

impl Form {
    /// Every form, in order of preference.
    pub const ALL: [Self; 8] =
        [Self::Plain, Self::Tar, Self::Zst, Self::TarZst, Self::Gz, Self::TarGz, Self::Xz, Self::TarXz];

    /// Whether a kernel whose BTF is published in this form ships BTF of its own: BTFHub publishes those of kernels that have
    /// none, as `.btf.tar.xz`.
    pub fn ships_btf(self) -> ShipsBtf {
        match self {
            Self::TarXz => ShipsBtf::No,
            _ => ShipsBtf::Unknown,
        }
    }

    /// The end of a file's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Plain => ".btf",
            Self::Tar => ".btf.tar",
            Self::Zst => ".btf.zst",
            Self::TarZst => ".btf.tar.zst",
            Self::Gz => ".btf.gz",
            Self::TarGz => ".btf.tar.gz",
            Self::Xz => ".btf.xz",
            Self::TarXz => ".btf.tar.xz",
        }
    }

    /// Splits a file's name into the kernel's release and the form.
    pub fn split(name: &str) -> Option<(&str, Self)> {
        Self::ALL.into_iter().find_map(|form| Some((name.strip_suffix(form.suffix())?, form)))
    }

    /// The compression, if there is one.
    fn codec(self) -> Option<Codec> {
        match self {
            Self::Plain | Self::Tar => None,
            Self::Zst | Self::TarZst => Some(Codec::Zstd),
            Self::Gz | Self::TarGz => Some(Codec::Gzip),
            Self::Xz | Self::TarXz => Some(Codec::Xz),
        }
    }

    fn is_tar(self) -> bool {
        matches!(self, Self::Tar | Self::TarZst | Self::TarGz | Self::TarXz)
    }
}

/// Why a BTF file's content cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The compressed stream or the tar archive cannot be read: not of this format, cut short, damaged.
    #[error("not a readable {format} stream")]
    Stream {
        /// `xz`, `gzip`, `zstd` or `tar`.
        format: &'static str,
        /// The decoder's error.
        source: io::Error,
    },
    /// The form needs feature `packed`, which is off.
    #[error("{suffix} files need feature \"packed\"; add it to btfgen-build in Cargo.toml")]
    Feature {
        /// The form's suffix.
        suffix: &'static str,
    },
    /// The file expands to more bytes than a file of its length may; see [`unpack`].
    #[error("expands to more than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The tar archive has no member whose name ends in `.btf`.
    #[error("no member *.btf in the tar archive, only {members:?}")]
    NoMember {
        /// The first few members' names.
        members: Vec<String>,
    },
    /// The tar archive has more than one member whose name ends in `.btf`.
    #[error("two members *.btf in the tar archive: {first:?} and {second:?}")]
    TwoMembers {
        /// The first one's name.
        first: String,
        /// The second one's name.
        second: String,
    },
    /// An ELF file is damaged.
    #[error("not a readable ELF file: {what}")]
    Elf {
        /// What is wrong with it.
        what: String,
    },
    /// An ELF file holds no BTF.
    #[error("no section .BTF in the ELF file")]
    NoSection,
    /// A member of the tar archive cannot be read.
    #[error("member {member:?}")]
    Member {
        /// Its name.
        member: String,
        /// What is wrong with it.
        source: Box<CodecError>,
    },
}

/// Most bytes that a packed file of that length may expand to.
///
/// BTF is packed to a fourth or a sixth of its length, so a few bytes cannot ask for all of [`MAX_BTF_LEN`].
fn limit(packed: usize) -> u64 {
    MAX_BTF_LEN.min((16 << 20) + 6 * packed as u64)
}

/// Unpacks a BTF file of one form, to at most 16 MiB and six times the packed length, and never more than
/// [`MAX_BTF_LEN`].
///
/// # Errors
/// When the bytes are not of that form, expand to more, ask for too much memory, or do not hold exactly one member
/// `*.btf`; also forms of tar, xz and gzip without feature `packed`.
pub fn unpack(bytes: &[u8], form: Form) -> Result<Vec<u8>, CodecError> {
    unpack_within(bytes, form, limit(bytes.len()))
}

fn unpack_within(bytes: &[u8], form: Form, limit: u64) -> Result<Vec<u8>, CodecError> {
    if cfg!(not(feature = "packed")) && !matches!(form, Form::Plain | Form::Zst) {
        return Err(CodecError::Feature { suffix: form.suffix() });
    }
    let format = form.codec().map_or("tar", Codec::name);
    let stream = |source| CodecError::Stream { format, source };
    let decoder: Box<dyn Read + '_> = match form.codec() {
        Some(codec) => codec.decoder_of_all_frames(bytes).map_err(stream)?,
        None => Box::new(bytes),
    };
    let mut input = Limited::new(decoder, limit);
    let result = if form.is_tar() { untar(&mut input) } else { read_all(&mut input).map_err(stream) };
    // The tar reader wraps the decoder's error: the error inside is the cause.
    let failure = match input.into_failure() {
        Some(Failure::TooLong { limit }) => CodecError::TooLong { limit },
        Some(Failure::Read(source)) => stream(source),
        None => return result,
    };
    Err(match result {
        Err(CodecError::Member { member, .. }) => CodecError::Member { member, source: Box::new(failure) },
        _ => failure,
    })
}

fn read_all(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(not(feature = "packed"))]
fn untar(_: &mut impl Read) -> Result<Vec<u8>, CodecError> {
    Err(CodecError::Feature { suffix: Form::Tar.suffix() })
}

/// The one regular member whose name ends in `.btf`.
///
/// The archive is read to its end, and the stream after it too: a second member is an error, as is a stream that is cut
/// short or has a wrong checksum.
#[cfg(feature = "packed")]
fn untar(input: &mut impl Read) -> Result<Vec<u8>, CodecError> {
    let failed = |source| CodecError::Stream { format: "tar", source };
    let mut archive = tar::Archive::new(&mut *input);
    let mut found: Option<(String, Vec<u8>)> = None;
    let mut others = Vec::new();
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path_bytes();
        let is_named = path.ends_with(b".btf");
        // For messages: a name can be as long as the archive.
        let name: String = String::from_utf8_lossy(&path[..path.len().min(MAX_SHOWN_NAME)]).into_owned();
        let is_btf = entry.header().entry_type().is_file() && is_named;
        if !is_btf {
            if others.len() < 5 {
                others.push(name);
            }
            continue;
        }
        if let Some((first, _)) = found {
            return Err(CodecError::TwoMembers { first, second: name });
        }
        let mut bytes = Vec::new();
        let size = entry.size();
        let read = entry.read_to_end(&mut bytes).and_then(|read| match read as u64 == size {
            true => Ok(()),
            // The tar reader mistakes the end of its input for the end of the member.
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        });
        if let Err(source) = read {
            return Err(CodecError::Member { member: name, source: Box::new(failed(source)) });
        }
        found = Some((name, bytes));
    }
    io::copy(input, &mut io::sink()).map_err(failed)?;
    found.map(|(_, bytes)| bytes).ok_or(CodecError::NoMember { members: others })
}

#[cfg(feature = "packed")]
#[cfg(test)]
mod tests;
