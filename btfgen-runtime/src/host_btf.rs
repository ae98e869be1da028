//! Host BTF: the found BTF as loaders take it, a path for libbpf and bytes for aya.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::elf;
use crate::kernel_id::KernelId;
use crate::select::How;
use crate::unpacked_file::{UnpackedFile, under_free_name};

/// A source of BTF; they are searched in this order, as [`HostBtf::explain`] shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// The file that the app or the environment variable `BTFGEN_BTF` names.
    Override,
    /// `/sys/kernel/btf/vmlinux`, the kernel's own BTF.
    Sysfs,
    /// A kernel image with BTF in one of libbpf's search paths.
    KernelFile,
    /// A folder on disk in the hub's layout.
    Folder,
    /// A folder tree embedded with `include_dir!`.
    Tree,
    /// The embedded archive.
    Archive,
    /// A function of the app.
    Provider,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Override => "override file",
            Self::Sysfs => "sysfs",
            Self::KernelFile => "kernel image",
            Self::Folder => "folder",
            Self::Tree => "embedded tree",
            Self::Archive => "embedded archive",
            Self::Provider => "provider",
        })
    }
}

/// The outcome of searching one source; see [`HostBtf::steps`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The source.
    pub source: Source,
    /// What was found in it, or why nothing.
    pub outcome: String,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.outcome)
    }
}

/// The BTF of the running kernel, ready for a loader.
///
/// ```
/// use btfgen_runtime::{Finder, How, Source, Step};
/// # const ARCHIVE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample.archive"));
/// # let host = btfgen_runtime::Host {
/// #     release: "6.1.0-12-amd64".into(),
/// #     version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.52-1 (2023-09-07)".into(),
/// #     machine: "x86_64".into(),
/// #     ..btfgen_runtime::Host::default()
/// # };
///
/// let finder = Finder::new().archive(ARCHIVE).root("/nonexistent");
/// # let finder = finder.host(host);
/// let btf = finder.find()?;
///
/// // For libbpf and for aya; both are None if the kernel has its own BTF in sysfs.
/// let (path, bytes) = (btf.path().unwrap(), btf.bytes().unwrap());
/// assert_eq!(std::fs::read(path).unwrap(), bytes);
///
/// // For a log.
/// match btf.how() {
///     How::Nearest { below, above } => println!("inferred from {below} and {above}"),
///     _ => println!("BTF of {:?} from the {}", btf.kernel_id(), btf.source()),
/// }
/// assert_eq!(btf.steps().last().map(|step: &Step| step.source), Some(Source::Archive));
/// print!("{}", btf.explain());
///
/// // For a tool that looks for a kernel image.
/// # let folder = std::env::temp_dir().join(format!("btfgen-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// btf.install_elf(folder.join("vmlinux-6.1.0-12-amd64")).unwrap();
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), btfgen_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct HostBtf {
    pub(crate) source: Source,
    pub(crate) kernel: Option<KernelId>,
    pub(crate) how: How,
    pub(crate) content: Content,
    pub(crate) steps: Vec<Step>,
}

/// Where the BTF of a [`HostBtf`] is.
#[derive(Debug)]
pub(crate) enum Content {
    /// In sysfs, where every loader finds it.
    Sysfs,
    /// In a file of the machine.
    File { path: PathBuf, btf: Vec<u8> },
    /// In memory, and in a file unless only bytes were requested.
    Unpacked { file: Option<UnpackedFile>, btf: Vec<u8> },
}

impl HostBtf {
    /// The path for libbpf's `btf_custom_path`, valid until this value is dropped.
    ///
    /// After that it names no file, or another one. It is valid in all threads and in forked children, but not after exec.
    ///
    /// libbpf stores the path in `bpf_object__open` and reads the file in `bpf_object__load`, so keep this value until the object is
    /// loaded. Where the builder or the object leaves the function, use [`HostBtf::into_static`]. For another program, use
    /// [`HostBtf::write_to`].
    ///
    /// `None` if the kernel has its own BTF in sysfs, where every loader finds it, or with
    /// [`Finder::bytes_only`](crate::Finder::bytes_only).
    pub fn path(&self) -> Option<&Path> {
        match &self.content {
            Content::Sysfs => None,
            Content::File { path, .. } => Some(path),
            Content::Unpacked { file, .. } => file.as_ref().map(UnpackedFile::path),
        }
    }

    /// The path for libbpf's `btf_custom_path`, valid until the process ends.
    ///
    /// The file, a few kilobytes of memory, stays open (close-on-exec), so call this once in a process. On a host without `/proc`,
    /// it is in a temporary folder and is not removed.
    ///
    /// ```no_run
    /// # struct ObjectBuilder;
    /// # impl ObjectBuilder { fn btf_custom_path(&mut self, _: &std::path::Path) -> std::io::Result<&mut Self> { Ok(self) } }
    /// fn configure(builder: &mut ObjectBuilder) -> Result<(), Box<dyn std::error::Error>> {
    ///     let btf = btfgen_runtime::Finder::new().find()?;
    ///     if let Some(path) = btf.into_static() {
    ///         builder.btf_custom_path(path)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// `None` when [`HostBtf::path`] is `None`.
    pub fn into_static(self) -> Option<&'static Path> {
        match self.content {
            Content::Sysfs => None,
            Content::File { path, .. } => Some(Box::leak(path.into_boxed_path())),
            Content::Unpacked { file, .. } => file.map(|file| Box::leak(Box::new(file)).path()),
        }
    }

    /// Writes the BTF to a file for another program, such as a child process after exec, where [`HostBtf::path`] is not valid.
    ///
    /// The file is replaced as a whole, so no reader sees a part of it. Its mode is 0644 less the umask.
    ///
    /// Returns `false` if the kernel has its own BTF in sysfs, where every loader finds it. Then nothing is written, and a file at
    /// `path` is removed, because it may be the BTF of another kernel.
    ///
    /// ```no_run
    /// let btf = btfgen_runtime::Finder::new().find()?;
    /// let mut command = std::process::Command::new("tool");
    /// if btf.write_to("/run/tool.btf")? {
    ///     command.arg("--btf=/run/tool.btf");
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the file cannot be written or removed.
    pub fn write_to(&self, path: impl AsRef<Path>) -> io::Result<bool> {
        let path = path.as_ref();
        match self.bytes() {
            Some(btf) => replace(path, btf).map(|()| true),
            // A copy would not be the same: with a custom path, libbpf ignores the BTF of modules (bpf_core_find_cands).
            None => match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(false),
            },
        }
    }

    /// The BTF for a loader that takes bytes, such as aya.
    ///
    /// `None` if the kernel has its own BTF in sysfs, where every loader finds it.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Sysfs => None,
            Content::File { btf, .. } | Content::Unpacked { btf, .. } => Some(btf),
        }
    }

    /// The kernel that this BTF describes; `None` for an override file, and if the host's kernel has no known id.
    ///
    /// For an inferred BTF ([`How::Nearest`]), it is the kernel below the host's.
    pub fn kernel_id(&self) -> Option<&KernelId> {
        self.kernel.as_ref()
    }

    /// The source that had it.
    pub fn source(&self) -> Source {
        self.source
    }

    /// How the kernel was found: exactly, or inferred because the app opted in.
    pub fn how(&self) -> &How {
        &self.how
    }

    /// The searched sources in order; the last one had the BTF.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The steps as text, a line each.
    pub fn explain(&self) -> String {
        explain(&self.steps)
    }

    /// Writes an ELF file whose `.BTF` section is this BTF, whole or not at all.
    ///
    /// It is for tools that look for `/boot/vmlinux-<release>` and take no path.
    ///
    /// # Errors
    /// If the kernel has its own BTF in sysfs, so that there is nothing to install, or if the file cannot be written.
    pub fn install_elf(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let btf = self
            .bytes()
            .ok_or_else(|| io::Error::other("nothing to install: the kernel has its own BTF in sysfs"))?;
        replace(path.as_ref(), &elf::wrap(btf))
    }
}

/// Replaces a file as a whole; a file is created with mode 0644 less the umask.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let create = |new: &Path| OpenOptions::new().write(true).create_new(true).mode(0o644).open(new);
    let (temporary, mut file) = under_free_name(path, create)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// The steps as text, a line each, whatever control characters a file name or an error contains.
pub(crate) fn explain(steps: &[Step]) -> String {
    let line = |step: &Step| step.to_string().replace(char::is_control, " ") + "\n";
    steps.iter().map(line).collect()
}
