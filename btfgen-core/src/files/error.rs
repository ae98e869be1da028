//! Errors of files and hubs, and what else is in a hub tree.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::hub::CodecError;
use crate::hub::file::HubFileError;

/// A file operation that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
#[non_exhaustive]
pub struct FileError {
    /// The operation, such as `read file`.
    pub action: &'static str,
    /// The path.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// Why a hub, or a kernel in it, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A file or folder of the hub cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no hub.
    #[error("no hub file or folder at {}; make one with \"btfgen vendor --this-host -o {}\"", path.display(), path.display())]
    NoSuchHub {
        /// The path.
        path: PathBuf,
    },
    /// The hub tree holds no kernel at all.
    #[error("{}", no_kernel(root, notes))]
    NoKernel {
        /// The hub tree's folder.
        root: PathBuf,
        /// What was found instead.
        notes: Vec<Note>,
    },
    /// The hub file cannot be read.
    #[error("hub file {}", file.display())]
    HubFile {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: HubFileError,
    },
    /// A packed BTF cannot be unpacked.
    #[error("cannot read BTF from {}", file.display())]
    Codec {
        /// The packed file.
        file: PathBuf,
        /// What is wrong with its content.
        source: CodecError,
    },
}

impl FileError {
    /// For `map_err`: names the action and the path.
    pub fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

/// An entry of a hub tree that is not a kernel of its own. Paths are relative to the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A file or folder that does not fit the layout.
    NotAKernel {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A symbolic link to a folder that is walked under its own name.
    Alias {
        /// The link.
        path: PathBuf,
        /// The folder.
        target: PathBuf,
    },
    /// A kernel that is also there in a preferred form.
    Duplicate {
        /// The ignored file.
        path: PathBuf,
        /// The file that is used.
        taken: PathBuf,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAKernel { path, reason } => write!(f, "not a kernel: {}: {reason}", path.display()),
            Self::Alias { path, target } => write!(f, "{} is {}", path.display(), target.display()),
            Self::Duplicate { path, taken } => {
                write!(f, "ignored {}: same kernel as {}", path.display(), taken.display())
            }
        }
    }
}

/// The message for a tree without a kernel: what the layout is, and what was found instead.
fn no_kernel(root: &Path, notes: &[Note]) -> String {
    let mut text = format!(
        "no kernel in hub tree {}: expected <distro>/<version>/<arch>/<release>.btf, or .btf.tar.xz",
        root.display()
    );
    match notes {
        [] => text.push_str(", found an empty folder"),
        [first, ..] => {
            text.push_str(&format!(", found {} other entries, such as {first}", notes.len()));
        }
    }
    text
}
