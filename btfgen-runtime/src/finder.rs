//! Finder: the sources of a BTF in their order, each skippable, each leaving a line of explanation.

use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Folder};
use crate::error::{Error, NotFound};
use crate::handle::Handle;
use crate::host::{self, Host};
use crate::loader::{Content, HostBtf, Source, Step};
use crate::select::{How, Selection, select};
use crate::{Archive, privilege, search};

/// Names a BTF file that is taken before all else; ignored with raised privileges.
const OVERRIDE_VARIABLE: &str = "BTFGEN_BTF";

/// Finds the BTF of the host's kernel; [`crate::btf_for_host`] is `Finder::embedded().find()`.
///
/// ```no_run
/// use btfgen_runtime::{Finder, Source};
/// // Inspektor Gadget's way: files in the image, the host's root at /host.
/// let btf = Finder::new().folder("/btfs").host_root("/host").skip(Source::Override).find()?;
/// println!("{}", btf.explain());
/// # Ok::<(), btfgen_runtime::Error>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct Finder<'a> {
    archive: Option<&'a [u8]>,
    #[cfg(feature = "include-dir")]
    tree: Option<&'a include_dir::Dir<'a>>,
    folder: Option<PathBuf>,
    override_file: Option<PathBuf>,
    host: Option<Host>,
    host_root: Option<PathBuf>,
    root: Option<PathBuf>,
    skipped: Vec<Source>,
    infer_nearest: bool,
    bytes_only: bool,
}

impl<'a> Finder<'a> {
    /// Asks the machine's own sources only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the machine's own sources and the archive that [`crate::embed!`] embedded.
    #[inline]
    pub fn embedded() -> Self {
        Self::new().archive(crate::embedded_archive())
    }

    /// Asks an archive, last of all.
    pub fn archive(mut self, bytes: &'a [u8]) -> Self {
        self.archive = Some(bytes);
        self
    }

    /// Asks a folder tree that `include_dir!` embedded.
    #[cfg(feature = "include-dir")]
    pub fn tree(mut self, dir: &'a include_dir::Dir<'a>) -> Self {
        self.tree = Some(dir);
        self
    }

    /// Asks a folder on disk in the hub's layout, `<folder>/<distro>/<version>/<arch>/<release>.btf`.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Takes this file before all else, and in place of the one that the variable `BTFGEN_BTF` names.
    pub fn override_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.override_file = Some(file.into());
        self
    }

    /// Takes these words for the host's instead of the running machine's.
    pub fn host(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Says where this container sees the host's root; without it the variable `BTFGEN_HOST_ROOT` does.
    pub fn host_root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.host_root = Some(folder.into());
        self
    }

    /// Looks for the machine's files below this folder instead of `/`, as tests and image builders do.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.root = Some(folder.into());
        self
    }

    /// Leaves a source out.
    pub fn skip(mut self, source: Source) -> Self {
        self.skipped.push(source);
        self
    }

    /// Also takes the BTF of a kernel that has none, when it lies between two of its series with equal BTFs.
    pub fn infer_nearest(mut self, yes: bool) -> Self {
        self.infer_nearest = yes;
        self
    }

    /// Makes no file: [`HostBtf::path`] is `None`, for apps that only take [`HostBtf::bytes`].
    pub fn bytes_only(mut self, yes: bool) -> Self {
        self.bytes_only = yes;
        self
    }

    /// Asks the sources in order: override file, sysfs, kernel images, folder, embedded tree, embedded archive.
    ///
    /// # Errors
    /// [`Error::NotFound`] when no source has a BTF that is known to be the host kernel's; another error when a named
    /// override file cannot be used, the archive is damaged, or no file can be made for libbpf.
    pub fn find(self) -> Result<HostBtf, Error> {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        let host = match &self.host {
            Some(host) => host.clone(),
            None => Host::read(root, self.host_root.as_deref()),
        };
        let mut chain = Chain { finder: &self, root, host: &host, steps: Vec::new(), refusal: None };
        match chain.ask_all()? {
            Some(found) => Ok(HostBtf {
                source: found.source,
                kernel: found.selection.as_ref().map(|s| s.kernel.clone()).or_else(|| {
                    matches!(found.source, Source::Sysfs | Source::KernelFile)
                        .then(|| host.kernel_id())
                        .flatten()
                }),
                how: found.selection.map_or(How::Exact, |s| s.how),
                content: found.content,
                steps: chain.steps,
            }),
            None => {
                let (steps, refusal) = (chain.steps, chain.refusal);
                Err(Error::NotFound(Box::new(NotFound { host, steps, refusal })))
            }
        }
    }
}

struct Found {
    source: Source,
    selection: Option<Selection>,
    content: Content,
}

/// One search: what was asked so far.
struct Chain<'f> {
    finder: &'f Finder<'f>,
    root: &'f Path,
    host: &'f Host,
    steps: Vec<Step>,
    refusal: Option<crate::Refusal>,
}

impl Chain<'_> {
    fn ask_all(&mut self) -> Result<Option<Found>, Error> {
        if let Some(found) = self.ask_override()? {
            return Ok(Some(found));
        }
        if let Some(found) =
            self.ask_sysfs().or_else(|| self.ask_kernel_files()).or_else(|| self.ask_folder())
        {
            return Ok(Some(found));
        }
        #[cfg(feature = "include-dir")]
        if let Some(found) = self.ask_tree()? {
            return Ok(Some(found));
        }
        self.ask_archive()
    }

    fn skips(&mut self, source: Source) -> bool {
        let skips = self.finder.skipped.contains(&source);
        if skips {
            self.note(source, "skipped");
        }
        skips
    }

    fn note(&mut self, source: Source, outcome: impl Into<String>) {
        self.steps.push(Step { source, outcome: outcome.into() });
    }

    fn ask_override(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Override;
        if self.skips(source) {
            return Ok(None);
        }
        let path = match &self.finder.override_file {
            Some(path) => path.clone(),
            None => match (privilege::variable(OVERRIDE_VARIABLE), std::env::var_os(OVERRIDE_VARIABLE)) {
                (Some(path), _) => PathBuf::from(path),
                (None, Some(path)) if !path.is_empty() => {
                    self.note(source, "BTFGEN_BTF is ignored, since the process has raised privileges");
                    return Ok(None);
                }
                _ => {
                    self.note(source, "none named");
                    return Ok(None);
                }
            },
        };
        // Who names a file means it: another one in its place would be silently wrong.
        let btf =
            search::read_btf(&path).map_err(|error| Error::Override { path: path.clone(), source: error })?;
        self.note(source, path.to_string_lossy());
        Ok(Some(Found { source, selection: None, content: Content::File { path, btf } }))
    }

    fn ask_sysfs(&mut self) -> Option<Found> {
        let source = Source::Sysfs;
        if self.skips(source) {
            return None;
        }
        let path = self.root.join(search::SYSFS);
        match search::begins_like_btf(&path) {
            Ok(true) => {
                self.note(source, path.to_string_lossy());
                return Some(Found { source, selection: None, content: Content::Sysfs });
            }
            Ok(false) => self.note(source, format!("{} is no btf", path.display())),
            Err(error) => self.note(source, format!("{}: {error}", path.display())),
        }
        None
    }

    fn ask_kernel_files(&mut self) -> Option<Found> {
        let source = Source::KernelFile;
        if self.skips(source) {
            return None;
        }
        let mut files = search::kernel_files(self.root, &self.host.release);
        if let Some(mount) = host::named_root(self.finder.host_root.as_deref()) {
            files.extend(search::kernel_files(&mount, &self.host.release));
        }
        let mut outcome = String::new();
        for path in files {
            match search::read_btf(&path) {
                Ok(btf) => {
                    self.note(source, path.to_string_lossy());
                    return Some(Found { source, selection: None, content: Content::File { path, btf } });
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => outcome.push_str(&format!("{}: {error}; ", path.display())),
            }
        }
        outcome.push_str("none with btf where libbpf looks");
        self.note(source, outcome);
        None
    }

    fn ask_folder(&mut self) -> Option<Found> {
        let source = Source::Folder;
        let folder = Folder { root: self.finder.folder.as_deref()? };
        if self.skips(source) {
            return None;
        }
        let selection = self.select(source, &folder)?;
        let path = folder.path(&selection.kernel);
        match search::read_btf(&path) {
            Ok(btf) => {
                Some(Found { source, selection: Some(selection), content: Content::File { path, btf } })
            }
            Err(error) => {
                self.note(source, format!("{}: {error}", path.display()));
                None
            }
        }
    }

    #[cfg(feature = "include-dir")]
    fn ask_tree(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Tree;
        let Some(dir) = self.finder.tree else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let tree = crate::catalog::Tree { dir };
        let Some(selection) = self.select(source, &tree) else { return Ok(None) };
        let btf = tree.get(&selection.kernel).unwrap_or_default().to_vec();
        self.unpacked(source, selection, btf).map(Some)
    }

    fn ask_archive(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Archive;
        let Some(bytes) = self.finder.archive else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let archive = Archive::open(bytes).map_err(Error::Archive)?;
        let Some(selection) = self.select(source, &archive) else { return Ok(None) };
        let btf = archive.get(&selection.kernel).map_err(Error::Archive)?.unwrap_or_default();
        self.unpacked(source, selection, btf).map(Some)
    }

    fn unpacked(&mut self, source: Source, selection: Selection, btf: Vec<u8>) -> Result<Found, Error> {
        let handle =
            if self.finder.bytes_only { None } else { Some(Handle::new(&btf).map_err(Error::HandOver)?) };
        Ok(Found { source, selection: Some(selection), content: Content::Unpacked { handle, btf } })
    }

    fn select(&mut self, source: Source, catalog: &dyn Catalog) -> Option<Selection> {
        match select(self.host, catalog, self.finder.infer_nearest) {
            Ok(selection) => {
                self.note(source, selection.reasons.join("; "));
                Some(selection)
            }
            Err(refusal) => {
                self.note(source, refusal.to_string());
                self.refusal = Some(refusal);
                None
            }
        }
    }
}
