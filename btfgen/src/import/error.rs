//! Error: why a source yields no BTF.

use std::io;

use btfgen_runtime::KernelIdError;

use super::codec::Codec;

/// Why no BTF, or no kernel id, was got from an image, a package or another source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VendorError {
    /// Reading failed: a broken stream, a broken file.
    #[error("cannot read {what}")]
    Read {
        /// What was being read.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// A compressed part does not decompress.
    #[error("cannot decompress the {codec} data at offset {offset}")]
    Decompress {
        /// The compression.
        codec: Codec,
        /// Where the compressed data starts, in bytes.
        offset: usize,
        /// The decoder's complaint.
        source: io::Error,
    },
    /// A part is larger than is read into memory.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The part.
        what: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The image was read, and has no BTF in any known place.
    #[error("no BTF in the kernel image ({looked_at})")]
    NoBtf {
        /// What kind of image it was taken for.
        looked_at: &'static str,
    },
    /// An ELF kernel with DWARF but without BTF, which `pahole` has to encode first.
    #[error(
        "the kernel has DWARF and no BTF: install pahole (package `dwarves` or `pahole`), \
         or run `pahole --btf_encode_detached=<out> vmlinux` elsewhere and give its output"
    )]
    NeedsPahole,
    /// `pahole` was run and failed.
    #[error("pahole failed: {message}")]
    Pahole {
        /// What it printed, or why it could not be run.
        message: String,
    },
    /// The bytes are not an ELF file that can be read.
    #[error("bad ELF file: {0}")]
    Elf(#[from] object::Error),
    /// The package's container format is broken.
    #[error("bad {format} package: {message}")]
    Package {
        /// `deb` or `rpm`.
        format: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The package is intact and holds no kernel image.
    #[error("package {package} holds no kernel image")]
    NoImage {
        /// The package's name.
        package: String,
    },
    /// No kernel id can be told from the package's or the file's metadata.
    #[error("cannot tell the kernel id: {message}; give it with --as <distro>/<version>/<arch>/<release>")]
    UnknownId {
        /// What is missing.
        message: String,
    },
    /// The metadata makes no valid kernel id.
    #[error("bad kernel id")]
    KernelId(#[from] KernelIdError),
    /// An id was given for a source that holds many kernels, each with its own.
    #[error("{what} holds many kernels, so that --as cannot name them")]
    ManyKernels {
        /// The source.
        what: String,
    },
    /// A file that should be BTF is not.
    #[error("{what} is no BTF, or a damaged one")]
    BadBtf {
        /// The file.
        what: String,
    },
    /// A hub, or a file in it, cannot be read.
    #[error(transparent)]
    Hub(#[from] btfgen_core::files::HubError),
    /// A hub cannot take the kernel, or a hub file cannot be read.
    #[error(transparent)]
    HubFile(#[from] btfgen_core::hub::file::HubFileError),
}

impl VendorError {
    /// A failed read of `what`.
    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }
}
