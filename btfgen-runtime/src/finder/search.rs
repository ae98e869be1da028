//! Search: goes through the sources of BTF in order and records the outcome of each.

use std::io;
use std::path::{Path, PathBuf};

use crate::archive::Archive;
use crate::build_id::BuildId;
use crate::catalog::Catalog;
#[cfg(feature = "include-dir")]
use crate::catalog::tree::Tree;
use crate::digest::ObjectDigest;
use crate::finder::error::{Error, NotFound, Stale};
use crate::folder::Folder;
use crate::host::Host;
use crate::host_btf::{Content, HostBtf, Source, Step};
#[cfg(feature = "provider")]
use crate::provider::{Provider, Wanted};
use crate::select::{How, Refusal, Selection, select};
use crate::unpacked_file::UnpackedFile;
use crate::{environment, kernel_btf};

/// The options of a [`crate::Finder`].
pub(super) struct Options<'a> {
    pub(super) archive: Option<&'a [u8]>,
    /// The objects that the archive must have been built for.
    pub(super) objects: Vec<&'a [u8]>,
    #[cfg(feature = "include-dir")]
    pub(super) tree: Option<&'a include_dir::Dir<'a>>,
    #[cfg(feature = "provider")]
    pub(super) provider: Option<Provider<'a>>,
    pub(super) folder: Option<PathBuf>,
    pub(super) override_file: Option<PathBuf>,
    pub(super) host_root: Option<PathBuf>,
    pub(super) root: PathBuf,
    pub(super) skipped: Vec<Source>,
    pub(super) infer_nearest: bool,
    pub(super) bytes_only: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            archive: None,
            objects: Vec::new(),
            #[cfg(feature = "include-dir")]
            tree: None,
            #[cfg(feature = "provider")]
            provider: None,
            folder: None,
            override_file: None,
            host_root: None,
            root: PathBuf::from("/"),
            skipped: Vec::new(),
            infer_nearest: false,
            bytes_only: false,
        }
    }
}

/// Searches all sources for the BTF of a host; of the running machine if none is given.
pub(super) fn search(options: &Options<'_>, host: Option<Host>) -> Result<HostBtf, Error> {
    let host = host.unwrap_or_else(|| Host::read(&options.root, options.host_root.as_deref()));
    let mut search = Search { options, host: &host, steps: Vec::new(), refusal: None };
    let found = search.all_sources()?;
    let Search { steps, refusal, .. } = search;
    let Some(Found { source, selection, content }) = found else {
        return Err(Error::NotFound(Box::new(NotFound { host, steps, refusal })));
    };
    let (kernel, how) = match selection {
        Some(Selection { kernel, how, .. }) => (Some(kernel), how),
        None if source == Source::Override => (None, How::Exact),
        None => (host.kernel_id(), How::Exact),
    };
    Ok(HostBtf { source, kernel, how, content, steps })
}

/// A BTF and its source.
struct Found {
    source: Source,
    /// The selected entry, if the source has entries.
    selection: Option<Selection>,
    content: Content,
}

/// A search in progress.
struct Search<'s> {
    options: &'s Options<'s>,
    host: &'s Host,
    steps: Vec<Step>,
    /// Why the last catalog had no entry.
    refusal: Option<Refusal>,
}

impl Search<'_> {
    fn all_sources(&mut self) -> Result<Option<Found>, Error> {
        self.check_objects()?;
        if let Some(found) = self.override_file()? {
            return Ok(Some(found));
        }
        if let Some(found) = self.sysfs().or_else(|| self.kernel_images()).or_else(|| self.folder()) {
            return Ok(Some(found));
        }
        #[cfg(feature = "include-dir")]
        if let Some(found) = self.tree()? {
            return Ok(Some(found));
        }
        if let Some(found) = self.archive()? {
            return Ok(Some(found));
        }
        #[cfg(feature = "provider")]
        if let Some(found) = self.provider()? {
            return Ok(Some(found));
        }
        Ok(None)
    }

    /// Checks that the archive was built for all objects, if there are any.
    fn check_objects(&self) -> Result<(), Error> {
        let Some(bytes) = self.options.archive else { return Ok(()) };
        if self.options.objects.is_empty() || self.options.skipped.contains(&Source::Archive) {
            return Ok(());
        }
        let digests: Vec<ObjectDigest> = Archive::open(bytes)?.objects().collect();
        for object in &self.options.objects {
            let object = ObjectDigest::of(object)?;
            if !digests.contains(&object) {
                return Err(Error::Stale(Stale { object, archive: digests }));
            }
        }
        Ok(())
    }

    fn override_file(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Override;
        if self.skips(source) {
            return Ok(None);
        }
        let from_app = self.options.override_file.clone();
        let from_environment = from_app.is_none();
        let Some(path) = from_app.or_else(|| environment::trusted(environment::BTF).map(PathBuf::from))
        else {
            let is_ignored = environment::is_set(environment::BTF);
            let outcome = if is_ignored {
                "BTFGEN_BTF is ignored because the process has raised privileges"
            } else {
                "BTFGEN_BTF is not set"
            };
            self.record(source, outcome.to_owned());
            return Ok(None);
        };
        match kernel_btf::read_btf(&path) {
            Ok(file) => Ok(Some(self.found_file(source, path, file.btf))),
            // Another source instead of the named file would be silently wrong.
            Err(error) => Err(Error::Override { path, from_environment, source: error }),
        }
    }

    fn sysfs(&mut self) -> Option<Found> {
        let source = Source::Sysfs;
        if self.skips(source) {
            return None;
        }
        let path = self.options.root.join(kernel_btf::SYSFS);
        // Only the start is read: the file has 5 MB, and the loader reads it anyway.
        match kernel_btf::starts_like_btf(&path) {
            Ok(true) => {
                self.record(source, path.display().to_string());
                return Some(Found { source, selection: None, content: Content::Sysfs });
            }
            Ok(false) => self.record(source, format!("{}: not a BTF file", path.display())),
            Err(error) => self.record_error(source, &path, &error),
        }
        None
    }

    fn kernel_images(&mut self) -> Option<Found> {
        let source = Source::KernelFile;
        if self.skips(source) {
            return None;
        }
        let recorded = self.steps.len();
        let roots = [Some(self.options.root.clone()), Host::named_root(self.options.host_root.as_deref())];
        for root in roots.iter().flatten() {
            for path in kernel_btf::kernel_images(root, &self.host.release) {
                match kernel_btf::read_btf(&path) {
                    Ok(file) if self.is_other_build(source, &path, file.build_id) => {}
                    Ok(file) => return Some(self.found_file(source, path, file.btf)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => self.record_error(source, &path, &error),
                }
            }
        }
        if self.steps.len() == recorded {
            self.record(source, "no kernel image with BTF in libbpf's search paths".to_owned());
        }
        None
    }

    fn folder(&mut self) -> Option<Found> {
        let source = Source::Folder;
        let folder = Folder { root: self.options.folder.as_deref()? };
        if self.skips(source) {
            return None;
        }
        let selection = self.select(source, &folder)?;
        let path = folder.path(&selection.kernel);
        match kernel_btf::read_btf(&path) {
            Ok(file) if self.is_other_build(source, &path, file.build_id) => None,
            Ok(file) => {
                let content = Content::File { path, btf: file.btf };
                Some(Found { source, selection: Some(selection), content })
            }
            Err(error) => {
                self.record_error(source, &path, &error);
                None
            }
        }
    }

    #[cfg(feature = "include-dir")]
    fn tree(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Tree;
        let Some(root) = self.options.tree else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let tree = Tree { root };
        let Some(selection) = self.select(source, &tree) else { return Ok(None) };
        let btf = tree.get(&selection.kernel).unwrap_or_default().to_vec();
        self.unpacked(source, Some(selection), btf).map(Some)
    }

    fn archive(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Archive;
        let Some(bytes) = self.options.archive else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let archive = Archive::open(bytes)?;
        let Some(selection) = self.select(source, &archive) else { return Ok(None) };
        let btf = archive.get(&selection.kernel)?.unwrap_or_default();
        self.unpacked(source, Some(selection), btf).map(Some)
    }

    #[cfg(feature = "provider")]
    fn provider(&mut self) -> Result<Option<Found>, Error> {
        let source = Source::Provider;
        let Some(provider) = &self.options.provider else { return Ok(None) };
        if self.skips(source) {
            return Ok(None);
        }
        let wanted =
            Wanted { host: self.host, kernel: self.host.kernel_id(), objects: self.objects_to_load()? };
        let outcome = match provider(&wanted) {
            Ok(Some(provided)) => match provided.check() {
                Ok(btf) => {
                    self.record(source, format!("{} bytes", btf.len()));
                    return self.unpacked(source, None, btf).map(Some);
                }
                Err(flaw) => flaw.to_string(),
            },
            Ok(None) => "has no BTF for this kernel".to_owned(),
            Err(error) => error.to_string(),
        };
        self.record(source, outcome);
        Ok(None)
    }

    /// The digests of the app's objects, or else of all that the archive was built for.
    #[cfg(feature = "provider")]
    fn objects_to_load(&self) -> Result<Vec<ObjectDigest>, Error> {
        match (self.options.objects.as_slice(), self.options.archive) {
            ([], Some(archive)) => Ok(Archive::open(archive)?.objects().collect()),
            (objects, _) => objects.iter().map(|object| Ok(ObjectDigest::of(object)?)).collect(),
        }
    }

    /// Selects the host's entry from a source, and records the reasons.
    fn select(&mut self, source: Source, catalog: &dyn Catalog) -> Option<Selection> {
        match select(self.host, catalog, self.options.infer_nearest) {
            Ok(selection) => {
                self.record(source, selection.reasons.join("; "));
                Some(selection)
            }
            Err(refusal) => {
                self.record(source, refusal.to_string());
                self.refusal = Some(refusal);
                None
            }
        }
    }

    fn unpacked(&self, source: Source, selection: Option<Selection>, btf: Vec<u8>) -> Result<Found, Error> {
        let file = if self.options.bytes_only {
            None
        } else {
            Some(UnpackedFile::new(&btf).map_err(Error::HandOver)?)
        };
        Ok(Found { source, selection, content: Content::Unpacked { file, btf } })
    }

    fn found_file(&mut self, source: Source, path: PathBuf, btf: Vec<u8>) -> Found {
        self.record(source, path.display().to_string());
        Found { source, selection: None, content: Content::File { path, btf } }
    }

    /// Whether a file that was found by release is of another build than the host's kernel, which is recorded.
    fn is_other_build(&mut self, source: Source, path: &Path, build_id: Option<BuildId>) -> bool {
        let (Some(file), Some(host)) = (build_id, self.host.build_id) else { return false };
        if file != host {
            self.record(source, format!("{}: build id {file}, but the kernel's is {host}", path.display()));
        }
        file != host
    }

    /// Whether a source is skipped, which is recorded.
    fn skips(&mut self, source: Source) -> bool {
        let skips = self.options.skipped.contains(&source);
        if skips {
            self.record(source, "skipped".to_owned());
        }
        skips
    }

    fn record(&mut self, source: Source, outcome: String) {
        self.steps.push(Step { source, outcome });
    }

    fn record_error(&mut self, source: Source, path: &Path, error: &io::Error) {
        self.record(source, format!("{}: {error}", path.display()));
    }
}
