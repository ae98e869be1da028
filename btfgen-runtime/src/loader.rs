//! Loader: the found BTF as the loaders take it, a path for libbpf and bytes for aya.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::handle::Handle;
use crate::{How, KernelId, elf};

/// Where a BTF came from, in the order in which the sources are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// The file that the app or the variable `BTFGEN_BTF` names.
    Override,
    /// `/sys/kernel/btf/vmlinux`, the kernel's own.
    Sysfs,
    /// A kernel image with BTF, where libbpf looks for it.
    KernelFile,
    /// A folder on disk in the hub's layout.
    Folder,
    /// A folder tree embedded with `include_dir!`.
    Tree,
    /// The embedded archive.
    Archive,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Self::Override => "override file",
            Self::Sysfs => "kernel's sysfs btf",
            Self::KernelFile => "kernel image",
            Self::Folder => "folder",
            Self::Tree => "embedded tree",
            Self::Archive => "embedded archive",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One source that was asked, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The source.
    pub source: Source,
    /// What came of it.
    pub outcome: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source.name())?;
        f.write_str(": ")?;
        f.write_str(&self.outcome)
    }
}

/// The BTF of the running kernel, ready for a loader.
///
/// The path stays valid as long as this value lives, in forked children too.
#[derive(Debug)]
pub struct HostBtf {
    pub(crate) source: Source,
    pub(crate) kernel: Option<KernelId>,
    pub(crate) how: How,
    pub(crate) content: Content,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// The loader finds it by itself.
    Sysfs,
    /// A file of the machine.
    File { path: PathBuf, btf: Vec<u8> },
    /// Unpacked into a file of ours, unless only bytes were asked for.
    Unpacked { handle: Option<Handle>, btf: Vec<u8> },
}

impl HostBtf {
    /// The path to give to libbpf as `btf_custom_path`; `None` when the kernel brings its own BTF in sysfs, where
    /// every loader finds it.
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Sysfs => None,
            Content::File { path, .. } => Some(path),
            Content::Unpacked { handle, .. } => handle.as_ref().map(Handle::path),
        }
    }

    /// The BTF to give to a loader that takes bytes, such as aya; `None` when the kernel brings its own in sysfs.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Sysfs => None,
            Content::File { btf, .. } | Content::Unpacked { btf, .. } => Some(btf),
        }
    }

    /// The kernel whose BTF this is; `None` for an override, and for a kernel's own when its id is not known.
    ///
    /// For an inferred BTF ([`How::Nearest`]) it is the known kernel below the host's.
    pub fn kernel_id(&self) -> Option<&KernelId> {
        self.kernel.as_ref()
    }

    /// Where it came from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// How the kernel was found: exactly, or inferred because the app opted in.
    pub fn how(&self) -> &How {
        &self.how
    }

    /// The sources that were asked, in order, the last being the one that had it.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps as text, a line each.
    pub fn explain(&self) -> String {
        explain(&self.steps)
    }

    /// Writes an ELF file whose `.BTF` section is this BTF, for tools that look for `/boot/vmlinux-<release>` and
    /// cannot be given a path; the file appears whole or not at all.
    ///
    /// # Errors
    /// When the kernel brings its own BTF in sysfs, so that there is nothing to install, or the file cannot be written.
    pub fn install_elf(&self, path: &Path) -> io::Result<()> {
        let btf = self.bytes().ok_or_else(|| io::Error::other("the kernel brings its own btf in sysfs"))?;
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(format!(".{}.new", std::process::id()));
        let temporary = Path::new(&temporary);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(temporary)?;
        let written = file.write_all(&elf::wrap(btf)).and_then(|()| fs::rename(temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(temporary);
        }
        written
    }
}

pub(crate) fn explain(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        text.push_str(step.source.name());
        text.push_str(": ");
        // One line a step, whatever an error or a file's name holds.
        text.extend(step.outcome.chars().map(|c| if c.is_control() { ' ' } else { c }));
        text.push('\n');
    }
    text
}
