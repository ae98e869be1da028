//! Source: where kernels are taken from, and reading one from each kind.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use btfgen_runtime::{Host, KernelId};

use super::codec::read_up_to;
use super::image::{self, IMAGE_LIMIT};
use super::modules::{self, Module};
use super::package::{self, KernelFile};
use super::pahole::vmlinux_btf;
use super::temp::TempFolder;
use super::{VendorError, scan};
use btfgen_core::{files, hub};

/// Where the running kernel shows its BTF and that of its modules.
const SYS_KERNEL_BTF: &str = "/sys/kernel/btf";

/// What every hub file starts with.
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
    /// A file that holds one kernel: BTF, `vmlinux`, image or package, told apart by its content.
    File(PathBuf),
    /// The running kernel.
    ThisHost,
}

/// A kernel that a source offers, not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its id, unless only reading tells it.
    pub id: Option<KernelId>,
    /// What messages call it: a path, or `this host`.
    pub label: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// A BTF file, packed or not; its path in the hub tree.
    Btf(PathBuf, String),
    Package(PathBuf),
    /// ELF, image, or BTF.
    Image(PathBuf),
    ThisHost,
}

/// Which kernels are wanted, and with what.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether a kernel is wanted; asked before its BTF is looked for.
    pub kernel: &'a (dyn Fn(&KernelId) -> bool + Sync),
    /// Whether the BTF of its modules is wanted too.
    pub modules: bool,
}

/// A kernel read from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its id.
    pub id: KernelId,
    /// Where it came from, in words that are the same on every machine.
    pub provenance: String,
    /// Its BTF.
    pub btf: Vec<u8>,
    /// Its modules' BTF, when that was asked for and the source has it.
    pub modules: Vec<Module>,
}

impl Source {
    /// Tells what a path is: a folder is a hub tree, a hub file is told by its first bytes.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be read.
    pub fn at(path: &Path) -> Result<Self, VendorError> {
        let failed = || VendorError::read(path.display().to_string());
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

    /// Lists the kernels of the source; `id` names the kernel of a source that holds one.
    ///
    /// A hub file's kernels are not listed: [`Collector::add_hub`](super::collect::Collector::add_hub) takes them all at
    /// once.
    ///
    /// # Errors
    /// When the source cannot be read, or `id` is given for one that holds many kernels.
    pub fn offers(&self, id: Option<&KernelId>) -> Result<Vec<Offer>, VendorError> {
        match self {
            Self::Tree(path) | Self::Hub(path) if id.is_some() => {
                Err(VendorError::ManyKernels { what: path.display().to_string() })
            }
            Self::Tree(root) => tree_offers(root),
            Self::Hub(_) => Ok(Vec::new()),
            Self::File(path) => {
                Ok(vec![Offer { id: id.cloned(), label: path.display().to_string(), place: place(path)? }])
            }
            Self::ThisHost => {
                Ok(vec![Offer { id: id.cloned(), label: "this host".into(), place: Place::ThisHost }])
            }
        }
    }
}

fn tree_offers(root: &Path) -> Result<Vec<Offer>, VendorError> {
    let listing = files::list(root)?;
    let offer = |entry: files::TreeEntry| {
        let inside = entry.path.strip_prefix(root).unwrap_or(&entry.path).display().to_string();
        let label = entry.path.display().to_string();
        Offer { id: Some(entry.id), label, place: Place::Btf(entry.path, inside) }
    };
    Ok(listing.kernels.into_iter().map(offer).collect())
}

/// What a file is, by its first bytes; a packed BTF is told by its name.
fn place(path: &Path) -> Result<Place, VendorError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut head = [0; 16];
    let len = File::open(path)
        .and_then(|mut file| read_up_to(&mut file, &mut head))
        .map_err(VendorError::read(path.display().to_string()))?;
    Ok(if package::is_package(head.get(..len).unwrap_or_default()) {
        Place::Package(path.to_owned())
    } else if hub::Form::split(&name).is_some() {
        Place::Btf(path.to_owned(), name.into_owned())
    } else {
        Place::Image(path.to_owned())
    })
}

impl Offer {
    /// A BTF file in any of a hub tree's forms, of a kernel whose id and provenance are known.
    pub fn btf(id: KernelId, path: PathBuf, provenance: &str) -> Self {
        let label = path.display().to_string();
        Self { id: Some(id), label, place: Place::Btf(path, provenance.to_owned()) }
    }

    /// Reads the kernel; `None` when it is not wanted.
    ///
    /// # Errors
    /// When no BTF is found, or the kernel id is neither given nor told.
    pub fn read(&self, wanted: &Wanted<'_>) -> Result<Option<Kernel>, VendorError> {
        match &self.place {
            Place::Package(path) => self.read_package(path, wanted),
            Place::Btf(path, inside) => {
                let Some(id) = self.given_id(wanted)? else { return Ok(None) };
                let bytes = files::read_btf(path)?;
                let btf = checked(&bytes, &self.label)?;
                Ok(Some(Kernel { id, provenance: inside.clone(), btf, modules: Vec::new() }))
            }
            Place::Image(path) => {
                let Some(id) = self.given_id(wanted)? else { return Ok(None) };
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                Ok(Some(Kernel { id, provenance: name, btf: image_btf(path)?, modules: Vec::new() }))
            }
            Place::ThisHost => {
                let told = if self.id.is_none() { Host::current().kernel_id() } else { None };
                let id = match told {
                    Some(id) => Some(id).filter(|id| (wanted.kernel)(id)),
                    None => self.given_id(wanted)?,
                };
                let Some(id) = id else { return Ok(None) };
                this_host(id, Path::new(SYS_KERNEL_BTF), wanted.modules).map(Some)
            }
        }
    }

    /// The id that came with the offer, if it is wanted.
    fn given_id(&self, wanted: &Wanted<'_>) -> Result<Option<KernelId>, VendorError> {
        match &self.id {
            Some(id) => Ok(Some(id.clone()).filter(|id| (wanted.kernel)(id))),
            None => Err(VendorError::UnknownId {
                message: format!("{} does not say which kernel it is of", self.label),
            }),
        }
    }

    fn read_package(&self, path: &Path, wanted: &Wanted<'_>) -> Result<Option<Kernel>, VendorError> {
        let open =
            || File::open(path).map(BufReader::new).map_err(VendorError::read(path.display().to_string()));
        let read = package::read_image(open()?, |metadata, file| {
            let id = match &self.id {
                Some(id) => id.clone(),
                None => package::kernel_id(metadata, file.release)?,
            };
            if !(wanted.kernel)(&id) {
                return Ok(None);
            }
            Ok(Some((metadata.file_name(), id, packaged_btf(file)?)))
        })?;
        let Some((provenance, id, btf)) = read else { return Ok(None) };
        let modules = if wanted.modules { modules::read_modules(open()?)? } else { Vec::new() };
        Ok(Some(Kernel { id, provenance, btf, modules }))
    }
}

/// The BTF of the image in a package. A debug `vmlinux` goes through a file: it may be larger than memory.
fn packaged_btf(file: KernelFile<'_>) -> Result<Vec<u8>, VendorError> {
    let failed = |error: io::Error| VendorError::Read { what: file.path.to_owned(), source: error };
    let mut content = file.content.take(file.size);
    if file.path.ends_with("/vmlinux") || file.path.contains("/debug/") {
        if file.size > VMLINUX_LIMIT {
            return Err(VendorError::TooLarge { what: file.path.to_owned(), limit: VMLINUX_LIMIT });
        }
        let folder = TempFolder::new().map_err(VendorError::read("a temporary folder"))?;
        let vmlinux = folder.path().join("vmlinux");
        let copied = File::create(&vmlinux).and_then(|mut out| io::copy(&mut content, &mut out));
        if copied.map_err(failed)? < file.size {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        return image_btf(&vmlinux);
    }
    if file.size > IMAGE_LIMIT {
        return Err(VendorError::TooLarge { what: file.path.to_owned(), limit: IMAGE_LIMIT });
    }
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes).map_err(failed)?;
    if (bytes.len() as u64) < file.size {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    image::find_btf(&bytes)
}

/// The BTF of an image on disk, of which an ELF is read in parts.
fn image_btf(path: &Path) -> Result<Vec<u8>, VendorError> {
    let what = || path.display().to_string();
    let mut file = File::open(path).map_err(VendorError::read(what()))?;
    let mut head = [0; 4];
    let len = read_up_to(&mut file, &mut head).map_err(VendorError::read(what()))?;
    let head = head.get(..len).unwrap_or_default();
    if head == b"\x7fELF" {
        match vmlinux_btf(path) {
            // Not a kernel itself, but what wraps one for ppc, perhaps.
            Err(VendorError::NoBtf { .. } | VendorError::Elf(_)) => {}
            answer => return answer,
        }
    }
    let mut bytes = Vec::new();
    head.chain(file).take(IMAGE_LIMIT + 1).read_to_end(&mut bytes).map_err(VendorError::read(what()))?;
    if bytes.len() as u64 > IMAGE_LIMIT {
        return Err(VendorError::TooLarge { what: what(), limit: IMAGE_LIMIT });
    }
    image::find_btf(&bytes)
}

fn this_host(id: KernelId, sys: &Path, with_modules: bool) -> Result<Kernel, VendorError> {
    let file = sys.join("vmlinux");
    let what = file.display().to_string();
    let bytes = fs::read(&file).map_err(VendorError::read(what.as_str()))?;
    let btf = checked(&bytes, &what)?;
    let modules = if with_modules { modules::host_modules(sys)? } else { Vec::new() };
    Ok(Kernel { id, provenance: "host".into(), btf, modules })
}

fn checked(bytes: &[u8], what: &str) -> Result<Vec<u8>, VendorError> {
    let btf = scan::btf_at_start(bytes).ok_or_else(|| VendorError::BadBtf { what: what.to_owned() })?;
    Ok(btf.to_vec())
}

#[cfg(test)]
mod tests;
