//! Error: why a source has no BTF for a hub.

use std::io;

use btfgen_core::btf::RelocateError;
use btfgen_runtime::{BuildId, KernelId, KernelIdError};

use super::codec::Codec;
use super::package_format::PackageFormat;

/// Why an image, a package or another source has no BTF, or no kernel id.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
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
        /// The cause.
        source: io::Error,
    },
    /// A part exceeds the limit for reading into memory.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// The part.
        what: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The package has more modules than any kernel.
    #[error("the package has more than {limit} modules with BTF")]
    TooManyModules {
        /// The limit.
        limit: usize,
    },
    /// The image is readable and has no BTF in any known place.
    #[error("no BTF in the {format}{}", Self::debug_symbols(kernel.as_ref()))]
    NoBtf {
        /// The image's format.
        format: &'static str,
        /// The kernel in it, if one was found.
        kernel: Option<KernelWithoutBtf>,
    },
    /// An ELF kernel with DWARF but without BTF, which `pahole` must encode first.
    #[error(
        "the kernel has DWARF and no BTF: install pahole (package `dwarves` or `pahole`), \
         or run `pahole --btf_encode_detached=<out> vmlinux` elsewhere and vendor its output"
    )]
    NeedsPahole,
    /// `pahole` failed.
    #[error("pahole failed: {message}")]
    Pahole {
        /// What it printed, or why it did not start.
        message: String,
    },
    /// Malformed ELF.
    #[error("malformed ELF file: {0}")]
    Elf(#[from] object::Error),
    /// The package's container format is malformed.
    #[error("malformed {format} package: {message}")]
    Package {
        /// The package's format.
        format: PackageFormat,
        /// What is wrong with it.
        message: String,
    },
    /// A valid package without a kernel image.
    #[error(
        "package {package} has no kernel image; if it is a meta package, vendor the package that it depends on, such as linux-binary-* (Debian) or kernel-core (Fedora)"
    )]
    NoImage {
        /// The package's name.
        package: String,
    },
    /// The metadata of the package or file has no kernel id.
    #[error("unknown kernel id: {message}; set it with --as <distro>/<version>/<arch>/<release>")]
    UnknownId {
        /// What is missing.
        message: String,
    },
    /// The metadata makes no valid kernel id.
    #[error("invalid kernel id")]
    KernelId(#[from] KernelIdError),
    /// The given build id is not the source's.
    #[error("--build-id is {given}, but the source has build id {found}; leave out --build-id")]
    OtherBuildId {
        /// The source's build id.
        found: BuildId,
        /// The given one.
        given: BuildId,
    },
    /// A kernel that no known distribution made, and its source has no build id.
    #[error(
        "no build id for {kernel}, and only a build id identifies a custom kernel; \
         set it with --as {kernel} --build-id HEX, as \"readelf -n vmlinux\" prints it"
    )]
    NoBuildId {
        /// The kernel's id.
        kernel: KernelId,
    },
    /// An id was given for a source with many kernels, each with its own id.
    #[error("--as names one kernel, and {what} has many")]
    ManyKernels {
        /// The source.
        what: String,
    },
    /// A file that should be BTF is not.
    #[error("{what} is not BTF, or is malformed")]
    BadBtf {
        /// The file.
        what: String,
    },
    /// A module was named that is not there.
    #[error("no module {name} with BTF; there are {known}")]
    NoModule {
        /// Its name.
        name: String,
        /// A summary of the modules that are there.
        known: String,
    },
    /// The kernel does not have the types that a module's distilled base names.
    #[error("section .BTF.base of module {module} does not fit the kernel's BTF")]
    Module {
        /// The module's name.
        module: String,
        /// The cause.
        source: RelocateError,
    },
    /// A file is unreadable.
    #[error(transparent)]
    File(#[from] btfgen_core::files::FileError),
    /// A hub tree, or a file in it, is unreadable.
    #[error(transparent)]
    Hub(#[from] btfgen_core::files::HubError),
    /// A hub file is unreadable, or a hub cannot store the kernel.
    #[error(transparent)]
    HubFile(#[from] btfgen_core::hub::file::HubFileError),
}

/// A kernel that was found in an image, and has no BTF there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelWithoutBtf {
    /// Its release.
    pub release: String,
    /// Its build id, if the image has one.
    pub build_id: Option<BuildId>,
}

impl ImportError {
    /// The rest of a message that there is no BTF: the kernel that has none, and what to vendor instead.
    fn debug_symbols(kernel: Option<&KernelWithoutBtf>) -> String {
        let Some(KernelWithoutBtf { release, build_id }) = kernel else {
            return "; if it is a kernel, try its debug symbols (package or vmlinux)".to_owned();
        };
        let build_id = build_id.map_or_else(String::new, |id| format!(", build id {id}"));
        format!(
            " of kernel {release}{build_id}; vendor its package of debug symbols, such as Debian's \
             linux-image-{release}-dbg"
        )
    }

    /// A failed read of `what`.
    pub(crate) fn read(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }
}
