//! Errors of finding the host's BTF.

use std::path::PathBuf;
use std::{error, fmt, io};

use crate::digest::ObjectDigest;
use crate::error::{ArchiveError, ObjectError};
use crate::host::Host;
use crate::host_btf::{Source, Step, explain};
use crate::select::{Refusal, RefusalKind};

/// Error of finding a BTF for the host.
///
/// `{:?}` prints the same as `{}` and the cause, because a `main` that returns the error prints it this way.
///
/// An app that can go on without a BTF:
///
/// ```no_run
/// use btfgen_runtime::{Error, Finder};
///
/// let btf = match Finder::new().folder("/btfs").find() {
///     Ok(btf) => Some(btf),
///     Err(Error::NotFound(search)) => {
///         eprintln!("{search}\n{}", search.explain());
///         None
///     }
///     Err(error) => return Err(error),
/// };
/// # Ok::<(), Error>(())
/// ```
#[non_exhaustive]
pub enum Error {
    /// No source has a BTF that is known to be the host kernel's; an app may go on without one.
    NotFound(Box<NotFound>),
    /// A file was named to override all sources, but cannot be used.
    Override {
        /// The file.
        path: PathBuf,
        /// Whether the environment variable `BTFGEN_BTF` names it, and not the app.
        from_environment: bool,
        /// The cause.
        source: io::Error,
    },
    /// The embedded archive is malformed.
    Archive(ArchiveError),
    /// The embedded archive was built for other objects than the one to load.
    Stale(Stale),
    /// The object to load cannot be read.
    Object(ObjectError),
    /// The BTF was found, but no file for libbpf could be created.
    HandOver(io::Error),
}

/// A search that found nothing.
///
/// [`Error`] has an example.
#[non_exhaustive]
pub struct NotFound {
    /// The host.
    pub host: Host,
    /// The searched sources in order.
    pub steps: Vec<Step>,
    /// Why the last searched folder, tree or archive had no entry; `None` if there was none to search.
    pub refusal: Option<Refusal>,
}

/// An archive that was not built for an object; see [`Finder::for_object`](crate::Finder::for_object).
///
/// ```no_run
/// use btfgen_runtime::{Error, Finder, Stale};
///
/// # fn find(bytes: &[u8]) {
/// if let Err(Error::Stale(Stale { object, archive, .. })) = Finder::new().for_object(bytes).find() {
///     eprintln!("the archive was built for {archive:?}, not for {object}");
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stale {
    /// The digest of the object to load.
    pub object: ObjectDigest,
    /// The digests of the objects that the archive was built for.
    pub archive: Vec<ObjectDigest>,
}

impl NotFound {
    /// The steps as text, a line each.
    ///
    /// [`Error`] has an example.
    pub fn explain(&self) -> String {
        explain(&self.steps)
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Host { release, version, machine, .. } = &self.host;
        write!(f, "no BTF for kernel {release} ({version}, {machine}): ")?;
        let provider = self.steps.iter().find(|step| step.source == Source::Provider);
        let Some(refusal) = &self.refusal else {
            if let Some(step) = provider {
                return step.fmt(f);
            }
            return f.write_str(
                "no archive, folder or tree to select from; embed an archive with btfgen_runtime::embed!()",
            );
        };
        let next = match refusal.kind {
            RefusalKind::NoSuchRelease | RefusalKind::OtherVendor | RefusalKind::OtherBuild => {
                "run \"btfgen vendor --this-host\" on a host with this kernel and its BTF, and rebuild with that hub"
            }
            RefusalKind::BuildIdUnknown => {
                "mount the host's /sys into the container, set BTFGEN_HOST_ROOT to the host's root, or BTFGEN_BTF to the \
                 kernel's BTF file"
            }
            RefusalKind::Ambiguous => "set BTFGEN_OS_RELEASE to the host's os-release file",
        };
        write!(f, "{refusal}; {next}")?;
        provider.map_or(Ok(()), |step| write!(f, "; {step}"))
    }
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let archive: Vec<String> = self.archive.iter().map(ObjectDigest::to_string).collect();
        write!(
            f,
            "the embedded archive was not built for the eBPF object to load: the object's digest is {}, the archive has {}; \
             add the object to btfgen.toml if it is missing, and rebuild the program",
            self.object,
            archive.join(", ")
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(not_found) => not_found.fmt(f),
            Self::Override { path, from_environment: true, .. } => {
                write!(f, "BTFGEN_BTF names {}, which cannot be read", path.display())
            }
            Self::Override { path, .. } => write!(f, "override file {} cannot be read", path.display()),
            Self::Archive(error) => error.fmt(f),
            Self::Stale(stale) => stale.fmt(f),
            Self::Object(error) => error.fmt(f),
            Self::HandOver(_) => f.write_str(
                "cannot create a temporary file for the BTF; set TMPDIR to a folder that is writable",
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Override { source, .. } | Self::HandOver(source) => write!(f, "{self}: {source}"),
            Self::NotFound(_) | Self::Archive(_) | Self::Stale(_) | Self::Object(_) => write!(f, "{self}"),
        }
    }
}

impl fmt::Debug for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Override { source, .. } | Self::HandOver(source) => Some(source),
            Self::NotFound(_) | Self::Archive(_) | Self::Stale(_) | Self::Object(_) => None,
        }
    }
}

impl error::Error for NotFound {}

impl error::Error for Stale {}

impl From<ArchiveError> for Error {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<ObjectError> for Error {
    fn from(error: ObjectError) -> Self {
        Self::Object(error)
    }
}
