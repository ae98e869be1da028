//! Finder: the options of a search for the host's BTF.

mod error;
mod search;

use std::path::PathBuf;

pub use error::{Error, NotFound, Stale};

use crate::embed::embedded_archive;
use crate::host::Host;
use crate::host_btf::{HostBtf, Source};
#[cfg(feature = "provider")]
use crate::provider::{ProvidedBtf, Wanted};
use search::Options;

/// Finds the BTF of the host's kernel; [`btf_for_host`](crate::btf_for_host) is `Finder::embedded().find()`.
///
/// A tool in a container, with files in its image and the host's root at `/host`, as Inspektor Gadget has it:
///
/// ```no_run
/// use btfgen_runtime::{Finder, Source};
///
/// let btf = Finder::new().folder("/btfs").host_root("/host").skip(Source::Override).find()?;
/// println!("{}", btf.explain());
/// # Ok::<(), btfgen_runtime::Error>(())
/// ```
///
/// A test that asks for another machine's BTF, and creates no file:
///
/// ```
/// use btfgen_runtime::{Finder, Host, How, Source};
/// # const ARCHIVE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample.archive"));
///
/// let host = Host {
///     release: "6.1.0-12-amd64".into(),
///     version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.52-1 (2023-09-07)".into(),
///     machine: "x86_64".into(),
///     ..Host::default()
/// };
/// let finder = Finder::new().archive(ARCHIVE).host(host).root("/nonexistent").bytes_only(true);
/// let btf = finder.skip(Source::Override).find()?;
/// assert_eq!((btf.source(), btf.how()), (Source::Archive, &How::Exact));
/// # Ok::<(), btfgen_runtime::Error>(())
/// ```
///
/// A program that loads one object, uses a file that the user names, and may take [a neighbor's](Self::infer_nearest) BTF:
///
/// ```no_run
/// # #[unsafe(no_mangle)]
/// # static BTFGEN_EMBED_IS_MISSING: &[u8] = &[];
/// # fn find(object: &[u8], named: Option<std::path::PathBuf>) -> Result<(), btfgen_runtime::Error> {
/// let mut finder = btfgen_runtime::Finder::embedded().for_object(object).infer_nearest(true);
/// if let Some(file) = named {
///     finder = finder.override_file(file);
/// }
/// let btf = finder.find()?;
/// # Ok(()) }
/// ```
#[derive(Default)]
#[must_use]
pub struct Finder<'a> {
    host: Option<Host>,
    options: Options<'a>,
}

impl<'a> Finder<'a> {
    /// Searches the machine's own sources only.
    pub fn new() -> Self {
        Self::default()
    }

    /// Searches the machine's own sources and the program's archive, which [`embed!`](crate::embed!) embedded.
    #[inline]
    pub fn embedded() -> Self {
        Self::new().archive(embedded_archive())
    }

    /// Searches an archive, after the machine's own sources; a library embeds its own with `embed!(pub static BTF)`.
    pub fn archive(mut self, bytes: &'a [u8]) -> Self {
        self.options.archive = Some(bytes);
        self
    }

    /// Checks that the archive was built for an object, given as the bytes of its ELF file; may be called for several.
    ///
    /// The archive is checked even if another source has the BTF. So a forgotten rebuild is noticed on every machine, and
    /// not only on those whose kernels have no BTF. Folders and trees contain no digests and are not checked.
    ///
    /// ```no_run
    /// let object = std::fs::read("program.bpf.o")?;
    /// let archive = std::fs::read("btfgen.archive")?;
    /// let btf = btfgen_runtime::Finder::new().archive(&archive).for_object(&object).find()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// A skeleton of libbpf-cargo keeps its object private. Where `build.rs` calls `generate()` after the skeleton's build, the archive is
    /// always the one of this object, and no check is needed; `examples/skeleton` is such a program.
    pub fn for_object(mut self, object: &'a [u8]) -> Self {
        self.options.objects.push(object);
        self
    }

    /// Searches a folder tree that `include_dir!` embedded.
    ///
    /// ```
    /// use include_dir::Dir;
    ///
    /// // In a program: include_dir!("$OUT_DIR/btfgen-tree"), the folder that `emit = "tree"` writes.
    /// static TREE: Dir = Dir::new("", &[]);
    ///
    /// let found = btfgen_runtime::Finder::new().tree(&TREE).find();
    /// ```
    #[cfg(feature = "include-dir")]
    pub fn tree(mut self, dir: &'a include_dir::Dir<'a>) -> Self {
        self.options.tree = Some(dir);
        self
    }

    /// Asks a function of the app for the BTF if no other source has it.
    ///
    /// `None` means that it has none for this kernel. An error is reported like one of any other source. A BTF that is not in this
    /// program's byte order, or does not have the [SHA-256](ProvidedBtf::sha256) that the app expects, is refused. Nothing else
    /// proves that it is the host kernel's, so ask a source that goes by the kernel's id or build id, such as `btfgen serve`.
    ///
    /// ```no_run
    /// use std::fs;
    /// use btfgen_runtime::{Finder, ProvidedBtf, Wanted};
    /// let btf = Finder::embedded()
    ///     .provider(|wanted: &Wanted<'_>| {
    ///         let Some(kernel) = &wanted.kernel else { return Ok(None) };
    ///         fs::read(format!("/var/cache/btf/{kernel}.btf")).map(ProvidedBtf::new).map(Some)
    ///     })
    ///     .find()?;
    /// # Ok::<(), btfgen_runtime::Error>(())
    /// ```
    #[cfg(feature = "provider")]
    pub fn provider<E: Into<Box<dyn std::error::Error>>>(
        mut self,
        provider: impl Fn(&Wanted<'_>) -> Result<Option<ProvidedBtf>, E> + 'a,
    ) -> Self {
        self.options.provider = Some(Box::new(move |wanted| provider(wanted).map_err(Into::into)));
        self
    }

    /// Searches a folder on disk in the hub's layout, `<folder>/<distro>/<version>/<arch>/<release>.btf`.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.folder = Some(folder.into());
        self
    }

    /// Uses this BTF file instead of all other sources, and instead of the one that `BTFGEN_BTF` names.
    pub fn override_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.options.override_file = Some(file.into());
        self
    }

    /// Finds the BTF of this host instead of the running machine's.
    pub fn host(mut self, host: Host) -> Self {
        self.host = Some(host);
        self
    }

    /// Sets where this container sees the host's root; the default is the value of `BTFGEN_HOST_ROOT`.
    pub fn host_root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.host_root = Some(folder.into());
        self
    }

    /// Looks for the machine's files below this folder instead of `/`, as tests and image builders do.
    pub fn root(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.root = folder.into();
        self
    }

    /// Skips a source.
    pub fn skip(mut self, source: Source) -> Self {
        self.options.skipped.push(source);
        self
    }

    /// Uses a neighbor's BTF if the kernel has none and the kernels just below and above have identical BTFs.
    pub fn infer_nearest(mut self, yes: bool) -> Self {
        self.options.infer_nearest = yes;
        self
    }

    /// Creates no file, for apps that use [`HostBtf::bytes`] only; [`HostBtf::path`] is `None` for unpacked BTFs.
    pub fn bytes_only(mut self, yes: bool) -> Self {
        self.options.bytes_only = yes;
        self
    }

    /// Searches the sources in order: override file, sysfs, kernel images, folder, embedded tree, embedded archive, provider.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no source has a BTF that is known to be the host kernel's. Other errors if the archive was
    /// not built for an object, if a named override file cannot be used, if the archive is malformed, or if no file can be
    /// created for libbpf.
    pub fn find(self) -> Result<HostBtf, Error> {
        search::search(&self.options, self.host)
    }
}
