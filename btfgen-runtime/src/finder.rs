//! Finder: the sources of a BTF in their order, each skippable, each leaving a line of explanation.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Folder};
use crate::error::{Error, NotFound};
use crate::fs::below;
use crate::handle::Handle;
use crate::host::{self, Host};
use crate::loader::{Content, HostBtf, Source, Step};
use crate::select::{How, Infer, Selection, select_or};
use crate::text::join;
use crate::{Archive, ObjectDigest, Stale, nearest, privilege, search};

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
    objects: Vec<&'a [u8]>,
    check: Option<Check>,
    #[cfg(feature = "include-dir")]
    tree: Option<&'a include_dir::Dir<'a>>,
    folder: Option<(PathBuf, AskFolder)>,
    override_file: Option<PathBuf>,
    host: Option<Host>,
    host_root: Option<PathBuf>,
    root: Option<PathBuf>,
    skipped: Vec<Source>,
    infer: Option<Infer>,
    bytes_only: bool,
}

/// A pointer, so that programs that name no folder do not contain what reads one.
type AskFolder = fn(&mut Chain<'_>, &Path) -> Option<Found>;

/// A pointer, so that programs that name no object do not contain what reads one.
type Check = for<'f> fn(&'f Finder<'f>) -> Result<Option<Box<Archive<'f>>>, Error>;

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

    /// Names an object that is to be loaded, an ELF file's bytes, so that an archive that was not made for it is
    /// refused; may be called for several.
    ///
    /// The archive is checked wherever the BTF is found at last, so that a stale one shows on the first machine and not on the first
    /// without BTF. Folders and trees hold no digest and are not checked.
    ///
    /// ```no_run
    /// let object = std::fs::read("program.bpf.o")?;
    /// let archive = std::fs::read("btfgen.archive")?;
    /// let btf = btfgen_runtime::Finder::new().archive(&archive).for_object(&object).find()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_object(mut self, object: &'a [u8]) -> Self {
        self.objects.push(object);
        self.check = Some(checked_archive);
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
        self.folder = Some((folder.into(), ask_folder));
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
        self.infer = yes.then_some(nearest::between);
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
    /// [`Error::NotFound`] when no source has a BTF that is known to be the host kernel's; another error when the archive
    /// was not made for an object, a named override file cannot be used, the archive is damaged, or no file can be made
    /// for libbpf.
    pub fn find(mut self) -> Result<HostBtf, Error> {
        let host = self.host.take();
        self.ask_in_order(host)
    }

    #[inline(never)]
    fn ask_in_order(&self, host: Option<Host>) -> Result<HostBtf, Error> {
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        let host = host.unwrap_or_else(|| Host::read(root, self.host_root.as_deref()));
        let mut chain = Chain { finder: self, root, host: &host, steps: Vec::new(), refusal: None };
        let found = chain.ask_all()?;
        let (steps, refusal) = (chain.steps, chain.refusal);
        let Some(found) = found else {
            return Err(Error::NotFound(Box::new(NotFound { host, steps, refusal })));
        };
        let (kernel, how) = match found.selection {
            Some(selection) => (Some(selection.kernel), selection.how),
            None if found.source == Source::Override => (None, How::Exact),
            None => (host.kernel_id(), How::Exact),
        };
        Ok(HostBtf { source: found.source, kernel, how, content: found.content, steps })
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

impl<'f> Chain<'f> {
    #[inline(never)]
    fn ask_all(&mut self) -> Result<Option<Found>, Error> {
        let checked = self.finder.check.map_or(Ok(None), |check| check(self.finder))?;
        if let Some(found) = self.ask_override()? {
            return Ok(Some(found));
        }
        if let Some(found) = self.ask_sysfs().or_else(|| self.ask_kernel_files()) {
            return Ok(Some(found));
        }
        if let Some((folder, ask)) = &self.finder.folder
            && let Some(found) = ask(self, folder)
        {
            return Ok(Some(found));
        }
        #[cfg(feature = "include-dir")]
        if let Some(found) = self.ask_tree()? {
            return Ok(Some(found));
        }
        self.ask_archive(checked)
    }

    #[inline(never)]
    fn skips(&mut self, source: Source) -> bool {
        let skips = self.finder.skipped.contains(&source);
        if skips {
            self.note(source, "skipped");
        }
        skips
    }

    #[inline(never)]
    fn note(&mut self, source: Source, outcome: &str) {
        self.steps.push(Step { source, outcome: join(&[outcome]) });
    }

    /// Notes a file, and what is wrong with it.
    #[inline(never)]
    fn note_file(&mut self, source: Source, path: &Path, error: Option<&io::Error>) {
        let mut outcome = path.to_string_lossy().into_owned();
        if let Some(error) = error {
            let _ = write!(outcome, ": {error}");
        }
        self.steps.push(Step { source, outcome });
    }

    #[inline(never)]
    fn ask_override(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Override;
        if self.skips(source) {
            return Ok(None);
        }
        let named = match &self.finder.override_file {
            Some(path) => Some(path.clone()),
            None => privilege::variable(OVERRIDE_VARIABLE).map(PathBuf::from),
        };
        let Some(path) = named else {
            let ignored = std::env::var_os(OVERRIDE_VARIABLE).is_some_and(|path| !path.is_empty());
            self.note(source, if ignored { "BTFGEN_BTF ignored: raised privileges" } else { "none named" });
            return Ok(None);
        };
        match search::read_btf(&path) {
            Ok(btf) => Ok(Some(self.file(source, path, btf))),
            // Who names a file means it: another one in its place would be silently wrong.
            Err(error) => Err(Error::Override { path, source: error }),
        }
    }

    #[inline(never)]
    fn ask_sysfs(&mut self) -> Option<Found> {
        let source = Source::Sysfs;
        if self.skips(source) {
            return None;
        }
        let path = below(self.root, search::SYSFS);
        let begins = search::begins_like_btf(&path);
        self.note_file(source, &path, begins.as_ref().err());
        begins.ok().map(|()| Found { source, selection: None, content: Content::Sysfs })
    }

    #[inline(never)]
    fn ask_kernel_files(&mut self) -> Option<Found> {
        let source = Source::KernelFile;
        if self.skips(source) {
            return None;
        }
        let mut found = self.ask_kernel_files_in(self.root);
        if found.is_none()
            && let Some(mount) = host::named_root(self.finder.host_root.as_deref())
        {
            found = self.ask_kernel_files_in(&mount);
        }
        if found.is_none() {
            self.note(source, "none with btf where libbpf looks");
        }
        found
    }

    #[inline(never)]
    fn ask_kernel_files_in(&mut self, root: &Path) -> Option<Found> {
        let source = Source::KernelFile;
        for path in search::kernel_files(root, &self.host.release) {
            match search::read_btf(&path) {
                Ok(btf) => return Some(self.file(source, path, btf)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.note_file(source, &path, Some(&error)),
            }
        }
        None
    }

    #[inline(never)]
    fn file(&mut self, source: Source, path: PathBuf, btf: Vec<u8>) -> Found {
        self.note_file(source, &path, None);
        Found { source, selection: None, content: Content::File { path, btf } }
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

    #[inline(never)]
    fn ask_archive(&mut self, checked: Option<Box<Archive<'f>>>) -> Result<Option<Found>, Error> {
        let source = Source::Archive;
        let Some(bytes) = self.finder.archive else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let archive = match checked {
            Some(archive) => archive,
            None => open(bytes)?,
        };
        let Some(selection) = self.select(source, &*archive) else { return Ok(None) };
        let btf = archive.get(&selection.kernel).map_err(Error::Archive)?.unwrap_or_default();
        self.unpacked(source, selection, btf).map(Some)
    }

    #[inline(never)]
    fn unpacked(&mut self, source: Source, selection: Selection, btf: Vec<u8>) -> Result<Found, Error> {
        let handle =
            if self.finder.bytes_only { None } else { Some(Handle::new(&btf).map_err(Error::HandOver)?) };
        Ok(Found { source, selection: Some(selection), content: Content::Unpacked { handle, btf } })
    }

    #[inline(never)]
    fn select(&mut self, source: Source, catalog: &dyn Catalog) -> Option<Selection> {
        match select_or(self.host, catalog, self.finder.infer) {
            Ok(selection) => {
                self.note(source, &listed(&selection.reasons));
                Some(selection)
            }
            Err(refusal) => {
                self.note(source, &refusal.to_string());
                self.refusal = Some(refusal);
                None
            }
        }
    }
}

/// The texts, in one line.
fn listed(texts: &[String]) -> String {
    let mut line = String::new();
    for text in texts {
        line.push_str(if line.is_empty() { "" } else { "; " });
        line.push_str(text);
    }
    line
}

#[inline(never)]
fn open(bytes: &[u8]) -> Result<Box<Archive<'_>>, Error> {
    match Archive::open(bytes) {
        Ok(archive) => Ok(Box::new(archive)),
        Err(error) => Err(Error::Archive(error)),
    }
}

/// The archive, made for each object that was named; none when it is not to be asked.
fn checked_archive<'f>(finder: &'f Finder<'f>) -> Result<Option<Box<Archive<'f>>>, Error> {
    let Some(bytes) = finder.archive.filter(|_| !finder.skipped.contains(&Source::Archive)) else {
        return Ok(None);
    };
    let archive = open(bytes)?;
    for object in &finder.objects {
        let object = ObjectDigest::of(object).map_err(Error::Object)?;
        if !archive.objects().any(|known| known == object) {
            return Err(Error::Stale(Box::new(stale(object, archive.objects().collect()))));
        }
    }
    Ok(Some(archive))
}

fn stale(object: ObjectDigest, archive: Vec<ObjectDigest>) -> Stale {
    let mut text = join(&[
        "the embedded archive was not made for this ebpf object, whose digest is ",
        &object.to_string(),
        "; the archive has",
    ]);
    for digest in &archive {
        text.push(' ');
        text.push_str(&digest.to_string());
    }
    text.push_str("; rebuild the program, with the object among those that its build script names");
    Stale { object, archive, text }
}

fn ask_folder(chain: &mut Chain<'_>, root: &Path) -> Option<Found> {
    let source = Source::Folder;
    let folder = Folder { root };
    if chain.skips(source) {
        return None;
    }
    let selection = chain.select(source, &folder)?;
    let path = folder.path(&selection.kernel);
    match search::read_btf(&path) {
        Ok(btf) => Some(Found { source, selection: Some(selection), content: Content::File { path, btf } }),
        Err(error) => {
            chain.note_file(source, &path, Some(&error));
            None
        }
    }
}
