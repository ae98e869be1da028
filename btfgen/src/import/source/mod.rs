//! Source: where kernels come from, and how one is read from each kind of source.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use btfgen_core::files;
use btfgen_core::hub::file::{HubBuilder, HubFileError, KernelSource, ModuleSource};
use btfgen_core::hub::{AttachTable, Form, ShipsBtf};
use btfgen_runtime::{BuildId, Host, KernelId};

use super::codec::read_up_to;
use super::error::{ImportError, KernelWithoutBtf};
use super::image::{self, IMAGE_LIMIT, ImageBtf};
use super::modules::{self, Module, WantedModules};
use super::package::{self, Entry, PackagedKernel};
use super::pahole::vmlinux_btf;
use super::scan;
use super::symbols::Tables;

/// Where the running kernel has its notes, its BTF, its modules' BTF and its tables of functions.
const SYS_KERNEL: &str = "/sys/kernel";
/// Where the running kernel has its symbols.
const KALLSYMS: &str = "/proc/kallsyms";

/// First bytes of every hub file.
const HUB_MAGIC: &[u8] = b"\x89BTFHUB\n";

/// Most bytes of a debug `vmlinux`; a distribution's has about 1 GB.
const VMLINUX_LIMIT: u64 = 4 << 30;

/// A source of kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A folder in the BTFHub archive's layout.
    Tree(PathBuf),
    /// A hub file.
    Hub(PathBuf),
    /// A file with one kernel: BTF, `vmlinux`, image or package.
    File(PathBuf),
    /// The running kernel.
    ThisHost,
}

/// A kernel of a source, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceKernel {
    /// Its id; none if it is known only after reading.
    pub id: Option<KernelId>,
    /// Its name in messages: a path, or `this host`.
    pub label: String,
    location: Location,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Location {
    /// A BTF file in a hub tree.
    Tree {
        path: PathBuf,
        provenance: String,
    },
    /// A BTF file in any of a hub tree's forms.
    Btf(PathBuf),
    Package(PathBuf),
    /// ELF, image, or BTF.
    Image(PathBuf),
    ThisHost,
}

/// Which kernels are read, and what of them.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// Whether a kernel is wanted; called before its BTF is read.
    pub wants: &'a (dyn Fn(&KernelId) -> bool + Sync),
    /// Whether a kernel was read before from the package, or the path in a hub tree, of that name. Then it is not read again.
    pub has: &'a (dyn Fn(&KernelId, &str) -> bool + Sync),
    /// Build id of a kernel whose source has none.
    pub build_id: Option<BuildId>,
    /// The modules whose BTF is read too.
    pub modules: &'a WantedModules,
}

impl Default for ReadOptions<'_> {
    /// All kernels, as their sources have them, without modules.
    fn default() -> Self {
        Self { wants: &|_| true, has: &|_, _| false, build_id: None, modules: &WantedModules::None }
    }
}

/// A kernel read from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its id.
    pub id: KernelId,
    /// Where it comes from, the same on every machine: a path in the hub tree, a package's or file's name.
    pub provenance: String,
    /// Its build id; none if the source has none.
    pub build_id: Option<BuildId>,
    /// Its BTF.
    pub btf: Vec<u8>,
    /// Its modules' BTF, if requested and present.
    pub modules: Vec<Module>,
    /// Whether it ships BTF of its own.
    pub ships_btf: ShipsBtf,
    /// Which of its functions are attachable, if the source tells.
    pub attachability: Option<AttachTable>,
}

impl Source {
    /// The source at a path: a folder is a hub tree; a hub file has the magic of one.
    ///
    /// # Errors
    /// When the path does not exist or is unreadable.
    pub fn at(path: &Path) -> Result<Self, ImportError> {
        let failed = || ImportError::read(path.display().to_string());
        if path.metadata().map_err(failed())?.is_dir() {
            return Ok(Self::Tree(path.to_owned()));
        }
        let mut head = [0; 8];
        let len = File::open(path).and_then(|mut file| read_up_to(&mut file, &mut head)).map_err(failed())?;
        Ok(if head.get(..len) == Some(HUB_MAGIC) {
            Self::Hub(path.to_owned())
        } else {
            Self::File(path.to_owned())
        })
    }

    /// Lists the kernels of the source; `id` names the kernel of a source with one.
    ///
    /// A hub file's kernels are not listed: [`add_hub_file`](super::collect::add_hub_file) adds all of them at once.
    ///
    /// # Errors
    /// When the source is unreadable, or `id` is given for a source with many kernels.
    pub fn kernels(&self, id: Option<&KernelId>) -> Result<Vec<SourceKernel>, ImportError> {
        match self {
            Self::Tree(path) | Self::Hub(path) if id.is_some() => {
                Err(ImportError::ManyKernels { what: path.display().to_string() })
            }
            Self::Tree(root) => tree_kernels(root),
            Self::Hub(_) => Ok(Vec::new()),
            Self::File(path) => {
                let (id, label) = (id.cloned(), self.to_string());
                Ok(vec![SourceKernel { id, label, location: location(path)? }])
            }
            Self::ThisHost => {
                let (id, label) = (id.cloned().or_else(|| Host::current().kernel_id()), self.to_string());
                Ok(vec![SourceKernel { id, label, location: Location::ThisHost }])
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tree(path) | Self::Hub(path) | Self::File(path) => path.display().fmt(f),
            Self::ThisHost => f.write_str("this host"),
        }
    }
}

fn tree_kernels(root: &Path) -> Result<Vec<SourceKernel>, ImportError> {
    let listing = files::list(root)?;
    let kernel = |entry: files::TreeEntry| {
        let provenance = entry.path.strip_prefix(root).unwrap_or(&entry.path).display().to_string();
        SourceKernel::btf(entry.id, entry.path, &provenance)
    };
    Ok(listing.kernels.into_iter().map(kernel).collect())
}

/// The kind of a file, by its first bytes; of a packed BTF, by its name.
fn location(path: &Path) -> Result<Location, ImportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut head = [0; 16];
    let len = File::open(path)
        .and_then(|mut file| read_up_to(&mut file, &mut head))
        .map_err(ImportError::read(path.display().to_string()))?;
    Ok(if package::is_package(head.get(..len).unwrap_or_default()) {
        Location::Package(path.to_owned())
    } else if Form::split(&name).is_some() {
        Location::Btf(path.to_owned())
    } else {
        Location::Image(path.to_owned())
    })
}

impl SourceKernel {
    /// A BTF file in a hub tree, with the kernel's id and provenance.
    fn btf(id: KernelId, path: PathBuf, provenance: &str) -> Self {
        let label = path.display().to_string();
        Self { id: Some(id), label, location: Location::Tree { path, provenance: provenance.to_owned() } }
    }

    /// Reads the kernel; `None` when it is not wanted, or was read before.
    ///
    /// # Errors
    /// When it has no BTF, its id is unknown, its build id is another one than the given, or it is a custom kernel
    /// without a build id.
    pub fn read(&self, options: &ReadOptions<'_>) -> Result<Option<Kernel>, ImportError> {
        let kernel = self.read_source(options)?;
        kernel.map(|kernel| kernel.with_build_id(options.build_id)).transpose()
    }

    fn read_source(&self, options: &ReadOptions<'_>) -> Result<Option<Kernel>, ImportError> {
        // Of these, only a package may have an id of its own.
        if let (Location::Package(path), None) = (&self.location, &self.id) {
            return read_package(path, None, options);
        }
        let Some(id) = self.id.clone() else {
            return Err(ImportError::UnknownId { message: format!("{} contains none", self.label) });
        };
        if !(options.wants)(&id) {
            return Ok(None);
        }
        match &self.location {
            Location::Package(path) => read_package(path, Some(id), options),
            Location::Tree { provenance, .. } if (options.has)(&id, provenance) => Ok(None),
            Location::Tree { path, provenance } => {
                Ok(Some(Kernel::new(id, provenance.clone(), btf_file(path)?)))
            }
            Location::Btf(path) => Ok(Some(Kernel::new(id, file_name(path), btf_file(path)?))),
            Location::Image(path) => Ok(Some(Kernel::new(id, file_name(path), image_btf(path)?))),
            Location::ThisHost => {
                let kernel = this_host(id, Path::new(SYS_KERNEL), options.modules)?;
                let attachability = host_attachability(Path::new(KALLSYMS), Path::new(SYS_KERNEL));
                Ok(Some(Kernel { attachability, ..kernel }))
            }
        }
    }
}

/// The BTF in a file of one of a hub tree's forms.
fn btf_file(path: &Path) -> Result<ImageBtf, ImportError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let ships_btf = Form::split(&name).map_or(ShipsBtf::Unknown, |(_, form)| form.ships_btf());
    let btf = checked(&files::read_btf(path)?, &path.display().to_string())?;
    Ok(ImageBtf { btf, build_id: None, ships_btf, attachability: None })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

impl Kernel {
    /// A kernel without modules.
    fn new(id: KernelId, provenance: String, image: ImageBtf) -> Self {
        let ImageBtf { btf, build_id, ships_btf, attachability } = image;
        Self { id, provenance, build_id, btf, modules: Vec::new(), ships_btf, attachability }
    }

    /// The kernel of a package, under an id that may differ from the package's own.
    ///
    /// # Errors
    /// As [`image::find_btf`].
    pub fn from_package(id: KernelId, package: &PackagedKernel) -> Result<Self, ImportError> {
        Ok(Self::new(id, package.metadata.file_name(), image::find_btf(&package.image)?))
    }

    /// The kernel with the given build id if its source has none.
    fn with_build_id(mut self, given: Option<BuildId>) -> Result<Self, ImportError> {
        if let (Some(found), Some(given)) = (self.build_id, given)
            && found != given
        {
            return Err(ImportError::OtherBuildId { found, given });
        }
        self.build_id = self.build_id.or(given);
        if self.build_id.is_none() && self.id.distro() == KernelId::CUSTOM {
            return Err(ImportError::NoBuildId { kernel: self.id });
        }
        Ok(self)
    }

    /// Adds the kernel to a hub.
    ///
    /// # Errors
    /// When its BTF is malformed, or the hub has its id with another BTF.
    pub fn add_to(&self, hub: &mut HubBuilder) -> Result<(), HubFileError> {
        let Self { id, provenance, build_id, btf, modules, ships_btf, attachability } = self;
        let modules: Vec<ModuleSource<'_>> =
            modules.iter().map(|Module { name, btf }| ModuleSource { name, btf }).collect();
        hub.add_btf(&KernelSource {
            id,
            provenance,
            build_id: *build_id,
            btf,
            modules: &modules,
            ships_btf: *ships_btf,
            attachability: attachability.as_ref(),
        })
    }
}

fn read_package(
    path: &Path,
    id: Option<KernelId>,
    options: &ReadOptions<'_>,
) -> Result<Option<Kernel>, ImportError> {
    let open = || File::open(path).map(BufReader::new).map_err(ImportError::read(path.display().to_string()));
    let read = package::read_image(open()?, |metadata, release, image| {
        let id = match id {
            Some(id) => id,
            None => package::kernel_id(metadata, release)?,
        };
        let provenance = metadata.file_name();
        if !(options.wants)(&id) || (options.has)(&id, &provenance) {
            return Ok(None);
        }
        Ok(Some(Kernel::new(id, provenance, packaged_btf(image)?)))
    })?;
    let Some(kernel) = read else { return Ok(None) };
    let modules = match options.modules {
        WantedModules::None => Vec::new(),
        wanted => modules::read_modules(open()?, wanted, &kernel.btf)?,
    };
    Ok(Some(Kernel { modules, ..kernel }))
}

/// The BTF of the image in a package. A debug `vmlinux` goes to a temporary file: it may be larger than memory.
fn packaged_btf(image: Entry<'_>) -> Result<ImageBtf, ImportError> {
    if !image.path.ends_with("/vmlinux") && !image.path.contains("/debug/") {
        return image::find_btf(&image.read(IMAGE_LIMIT)?);
    }
    if image.size > VMLINUX_LIMIT {
        return Err(ImportError::TooLarge { what: image.path.to_owned(), limit: VMLINUX_LIMIT });
    }
    let mut file = tempfile::NamedTempFile::new().map_err(ImportError::read("a temporary file"))?;
    let copied = io::copy(&mut image.content.take(image.size), &mut file);
    let complete = copied.and_then(|len| match len < image.size {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(()),
    });
    complete.map_err(ImportError::read(image.path))?;
    image_btf(file.path())
}

/// The BTF of an image on disk; of an ELF file only the needed parts are read.
fn image_btf(path: &Path) -> Result<ImageBtf, ImportError> {
    let what = || path.display().to_string();
    let mut file = File::open(path).map_err(ImportError::read(what()))?;
    let mut head = [0; 4];
    let len = read_up_to(&mut file, &mut head).map_err(ImportError::read(what()))?;
    let head = head.get(..len).unwrap_or_default();
    if head == b"\x7fELF" {
        match vmlinux_btf(path) {
            // It may be a ppc kernel's wrapper.
            Err(ImportError::NoBtf { .. } | ImportError::Elf(_)) => {}
            result => return result,
        }
    }
    let mut bytes = Vec::new();
    head.chain(file).take(IMAGE_LIMIT + 1).read_to_end(&mut bytes).map_err(ImportError::read(what()))?;
    if bytes.len() as u64 > IMAGE_LIMIT {
        return Err(ImportError::TooLarge { what: what(), limit: IMAGE_LIMIT });
    }
    image::find_btf(&bytes)
}

/// Reads the running kernel from a folder such as `/sys/kernel`.
fn this_host(id: KernelId, sys: &Path, wanted: &WantedModules) -> Result<Kernel, ImportError> {
    let notes = files::read(&sys.join("notes")).unwrap_or_default();
    let build_id = BuildId::from_notes(&notes, cfg!(target_endian = "big"));
    let file = sys.join("btf/vmlinux");
    if !file.exists() {
        let kernel = KernelWithoutBtf { release: id.release().to_owned(), build_id };
        return Err(ImportError::NoBtf { format: "sysfs", kernel: Some(kernel) });
    }
    let btf = checked(&files::read(&file)?, &file.display().to_string())?;
    let modules = host_modules(&sys.join("btf"), wanted)?;
    let image = ImageBtf { btf, build_id, ships_btf: ShipsBtf::Yes, attachability: None };
    Ok(Kernel { modules, ..Kernel::new(id, "host".into(), image) })
}

/// The attachability of the running kernel's functions; only root can read the tables.
fn host_attachability(kallsyms: &Path, sys: &Path) -> Option<AttachTable> {
    let kallsyms = files::read(kallsyms).ok()?;
    let traced = |name: &str| {
        let folders = [sys.join("tracing"), sys.join("debug/tracing")];
        folders.iter().find_map(|folder| files::read(&folder.join(name)).ok())
    };
    let addresses = traced("available_filter_functions_addrs");
    let names = traced("available_filter_functions");
    let blacklist = files::read(&sys.join("debug/kprobes/blacklist")).ok();
    let tables = Tables::of_host(&kallsyms, addresses.as_deref(), names.as_deref(), blacklist.as_deref())?;
    Some(tables.attachability())
}

/// The loaded modules, whose distilled bases the kernel has replaced by its own BTF.
fn host_modules(sys: &Path, wanted: &WantedModules) -> Result<Vec<Module>, ImportError> {
    let names = files::read_dir(sys)?.into_iter().map(|name| name.to_string_lossy().into_owned());
    let known: BTreeSet<String> = names.filter(|name| name != "vmlinux").collect();
    let mut modules = Vec::new();
    for name in known.iter().filter(|name| wanted.contains(name)) {
        modules.push(Module { name: name.clone(), btf: files::read(&sys.join(name))?.to_vec() });
    }
    wanted.check(&known, &known)?;
    Ok(modules)
}

/// The bytes of a BTF, without what follows it.
fn checked(bytes: &[u8], what: &str) -> Result<Vec<u8>, ImportError> {
    let btf = scan::btf_at_start(bytes).ok_or_else(|| ImportError::BadBtf { what: what.to_owned() })?;
    Ok(btf.to_vec())
}

#[cfg(test)]
mod tests;
