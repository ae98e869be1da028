//! Codec: the forms a BTF file is kept in (plain, xz, gzip, zstd, tar), and unpacking them in bounds.

use std::io::{self, Read};

/// Most bytes that a packed file may expand to: 256 MiB.
///
/// The largest BTFs of Linux kernels have under 20 MB, those of debug builds with all modules included.
pub const MAX_BTF_LEN: u64 = 256 << 20;

/// Most memory for xz's dictionary: 128 MiB. `xz -9` asks for 65 MiB.
#[cfg(feature = "packed")]
const MAX_XZ_MEMORY: u64 = 128 << 20;

/// Largest zstd window, as a power of two: 128 MiB, what `zstd --ultra -22` asks for.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Most bytes of a member's name that a message shows.
#[cfg(feature = "packed")]
const MAX_SHOWN_NAME: usize = 256;

/// How a BTF file is kept, told by the end of its name.
///
/// The order is that of preference when one kernel is there in several forms: cheaper to read first.
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
    /// `.btf.tar.xz`, as the BTFHub archive keeps them.
    TarXz,
}

impl Form {
    /// Every form, in order of preference.
    pub const ALL: [Self; 8] =
        [Self::Plain, Self::Tar, Self::Zst, Self::TarZst, Self::Gz, Self::TarGz, Self::Xz, Self::TarXz];

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

    #[cfg(feature = "packed")]
    fn is_tar(self) -> bool {
        matches!(self, Self::Tar | Self::TarZst | Self::TarGz | Self::TarXz)
    }
}

/// What is wrong with the content of a packed file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The compressed stream or the tar archive cannot be read: not of this format, cut short, damaged.
    #[error("not a readable {format} stream")]
    Stream {
        /// `xz`, `gzip`, `zstd` or `tar`.
        format: &'static str,
        /// What the decoder said.
        source: io::Error,
    },
    /// The form is read with the feature `packed` only.
    #[error("{suffix} files are read with btfgen-build's feature \"packed\" only")]
    Feature {
        /// The form's suffix.
        suffix: &'static str,
    },
    /// It expands to more bytes than a file of its length may; see [`unpack`].
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
        /// In which way.
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
/// BTF is packed to a fourth or a sixth of its length; so a few bytes cannot ask for all of [`MAX_BTF_LEN`].
fn limit(packed: usize) -> u64 {
    MAX_BTF_LEN.min((16 << 20) + 6 * packed as u64)
}

/// Unpacks a BTF kept in one form, to at most 16 MiB and six times the packed length, and to no more than
/// [`MAX_BTF_LEN`].
///
/// # Errors
/// When the bytes are not of that form, expand to more than that, ask for too much memory, or
/// hold no single member `*.btf`; forms of tar, xz and gzip without the feature `packed`.
pub fn unpack(bytes: &[u8], form: Form) -> Result<Vec<u8>, CodecError> {
    unpack_within(bytes, form, limit(bytes.len()))
}

fn unpack_within(bytes: &[u8], form: Form, limit: u64) -> Result<Vec<u8>, CodecError> {
    if cfg!(not(feature = "packed")) && !matches!(form, Form::Plain | Form::Zst) {
        return Err(CodecError::Feature { suffix: form.suffix() });
    }
    let (format, decoder): (&'static str, Box<dyn Read + '_>) = match form {
        Form::Zst | Form::TarZst => ("zstd", zstd(bytes)?),
        #[cfg(feature = "packed")]
        Form::Xz | Form::TarXz => ("xz", xz(bytes)?),
        #[cfg(feature = "packed")]
        Form::Gz | Form::TarGz => ("gzip", Box::new(flate2::read::MultiGzDecoder::new(bytes))),
        _ => ("tar", Box::new(bytes)),
    };
    let mut input = Limited { inner: decoder, left: limit, format, failure: None, limit };
    let result = match form {
        #[cfg(feature = "packed")]
        form if form.is_tar() => untar(&mut input),
        _ => read_all(&mut input),
    };
    match input.failure {
        // The tar reader wraps what the decoder said: the decoder's own word is the cause.
        Some(failure) => Err(match result {
            Err(CodecError::Member { member, .. }) => {
                CodecError::Member { member, source: Box::new(failure) }
            }
            _ => failure,
        }),
        None => result,
    }
}

#[cfg(feature = "packed")]
fn xz(bytes: &[u8]) -> Result<Box<dyn Read + '_>, CodecError> {
    let flags = liblzma::stream::CONCATENATED;
    let stream = liblzma::stream::Stream::new_stream_decoder(MAX_XZ_MEMORY, flags)
        .map_err(|error| CodecError::Stream { format: "xz", source: error.into() })?;
    Ok(Box::new(liblzma::read::XzDecoder::new_stream(bytes, stream)))
}

fn zstd(bytes: &[u8]) -> Result<Box<dyn Read + '_>, CodecError> {
    let failed = |source| CodecError::Stream { format: "zstd", source };
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(failed)?;
    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG).map_err(failed)?;
    Ok(Box::new(decoder))
}

/// A decoder's output within a limit, which keeps the first failure as a typed error.
struct Limited<'a> {
    inner: Box<dyn Read + 'a>,
    left: u64,
    limit: u64,
    format: &'static str,
    failure: Option<CodecError>,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("failed before"));
        }
        let read = match self.inner.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let again = io::Error::new(error.kind(), error.to_string());
                self.failure = Some(CodecError::Stream { format: self.format, source: error });
                return Err(again);
            }
            Ok(read) => read,
        };
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.failure = Some(CodecError::TooLong { limit: self.limit });
                return Err(io::Error::other("too long"));
            }
        }
        Ok(read)
    }
}

fn read_all(input: &mut Limited<'_>) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    let format = input.format;
    input.read_to_end(&mut bytes).map_err(|source| CodecError::Stream { format, source })?;
    Ok(bytes)
}

/// The one regular member whose name ends in `.btf`.
///
/// The archive is read to its end, and the stream behind it too: a second member is an error, as are a
/// stream that is cut short and one whose checksum is wrong.
#[cfg(feature = "packed")]
fn untar(input: &mut Limited<'_>) -> Result<Vec<u8>, CodecError> {
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
            // The tar reader takes the end of its input for the end of the member.
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
