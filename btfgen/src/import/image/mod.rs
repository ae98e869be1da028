//! Image: the BTF inside a bootable kernel of any format.

use std::io::{self, Read};

use memchr::memmem;
use object::read::{ReadCache, ReadCacheOps, ReadRef};
use object::{Object, ObjectSection};

use btfgen_core::btf::Endian;
use btfgen_core::hub::{AttachTable, ShipsBtf};
use btfgen_runtime::BuildId;

use super::banner;
use super::build_id;
use super::codec::Codec;
use super::error::{ImportError, KernelWithoutBtf};
use super::kallsyms;
use super::scan;

/// Most bytes of an image, packed or unpacked; distributions' kernels unpack to about 100 MB.
pub const IMAGE_LIMIT: u64 = 256 << 20;
/// Most bytes unpacked for one image, including nested payloads and false matches.
const UNPACK_LIMIT: u64 = 2 * IMAGE_LIMIT;
/// Most compressed payloads that a scan tries to unpack.
const SCAN_ATTEMPTS: usize = 64;
/// Most nested payloads: a gzip of an EFI image of a compressed kernel has two.
const MAX_DEPTH: u32 = 3;
/// Fewest bytes of an unpacked kernel.
const MIN_KERNEL: usize = 64 << 10;
/// Most bytes of a `.BTF` section; the largest kernels have about 10 MB.
const BTF_LIMIT: u64 = 256 << 20;

/// What a kernel image says of its kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBtf {
    /// The kernel's BTF.
    pub btf: Vec<u8>,
    /// Its build id, if the image has one.
    pub build_id: Option<BuildId>,
    /// Whether the kernel ships that BTF.
    pub ships_btf: ShipsBtf,
    /// Which of its functions are attachable, if the image tells.
    pub attachability: Option<AttachTable>,
}

/// The BTF of a kernel image, and the build id next to it.
///
/// `image` may be BTF itself, an ELF `vmlinux`, a bzImage, an arm64 `Image`, an EFI zboot image, an s390 or ppc boot
/// image, a 32-bit ARM `zImage`, or any of these compressed. The payload is found by its header, else by its magic.
///
/// # Errors
/// [`ImportError::NoBtf`] when there is none, [`ImportError::NeedsPahole`] when there is only DWARF,
/// [`ImportError::TooLarge`] when the payload unpacks to more than [`IMAGE_LIMIT`] bytes.
pub fn find_btf(image: &[u8]) -> Result<ImageBtf, ImportError> {
    let mut search = Search { budget: UNPACK_LIMIT, attempts: SCAN_ATTEMPTS, dwarf: false, kernel: None };
    match search.layer(image, 0)? {
        Some(found) => Ok(found),
        None if search.dwarf => Err(ImportError::NeedsPahole),
        None => Err(ImportError::NoBtf { format: Format::of(image).name(), kernel: search.kernel }),
    }
}

/// Reads an ELF `vmlinux`, only the needed parts of the file.
///
/// # Errors
/// When the file is malformed.
pub(crate) fn read_vmlinux<R: ReadCacheOps>(file: R) -> Result<Vmlinux, ImportError> {
    Vmlinux::read(&ReadCache::new(file))
}

/// An image's format, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Elf,
    /// Compressed as a whole.
    Packed(Codec),
    /// x86 boot image; its header has the payload's offset and length.
    BzImage {
        offset: usize,
        len: usize,
    },
    /// EFI image with a compressed payload; its header has the payload's offset and length.
    Zboot {
        offset: usize,
        len: usize,
    },
    /// Uncompressed arm64 kernel; its memory image contains the BTF.
    Arm64,
    /// 32-bit ARM boot image; no header has the payload's offset.
    ArmZImage,
    /// s390 boot image; the payload's offset is known to its own code only.
    S390,
    /// Everything else.
    Unknown,
}

impl Format {
    fn of(image: &[u8]) -> Self {
        if image.starts_with(b"\x7fELF") {
            return Self::Elf;
        }
        if let Some(codec) = Codec::sniff(image) {
            return Self::Packed(codec);
        }
        if let Some((offset, len)) = bzimage_payload(image) {
            return Self::BzImage { offset, len };
        }
        // `struct linux_efi_zboot_header` in drivers/firmware/efi/libstub/zboot-header.S.
        if image.starts_with(b"MZ")
            && image.get(4..8) == Some(b"zimg")
            && let (Some(offset), Some(len)) = (le32(image, 8), le32(image, 12))
        {
            return Self::Zboot { offset, len };
        }
        if image.get(0x38..0x3c) == Some(b"ARM\x64") {
            return Self::Arm64;
        }
        // `_magic_sig` in arch/arm/boot/compressed/vmlinux.lds.S, in the kernel's byte order.
        if let Some([0x18, 0x28, 0x6f, 0x01] | [0x01, 0x6f, 0x28, 0x18]) = image.get(0x24..0x28) {
            return Self::ArmZImage;
        }
        // `EP_STRING` at `EP_OFFSET` in arch/s390/boot/head.S.
        if image.get(0x10008..0x1000e) == Some(b"S390EP") {
            return Self::S390;
        }
        Self::Unknown
    }

    fn name(self) -> &'static str {
        match self {
            Self::Elf => "ELF file",
            Self::Packed(_) => "compressed file",
            Self::BzImage { .. } => "bzImage",
            Self::Zboot { .. } => "EFI zboot image",
            Self::Arm64 => "arm64 Image",
            Self::ArmZImage => "ARM zImage",
            Self::S390 => "s390 boot image",
            Self::Unknown => "file of unknown format",
        }
    }
}

struct Search {
    /// Bytes that may still be unpacked.
    budget: u64,
    attempts: usize,
    /// Whether an ELF with DWARF and no BTF was found.
    dwarf: bool,
    /// The first kernel found without BTF.
    kernel: Option<KernelWithoutBtf>,
}

impl Search {
    fn layer(&mut self, image: &[u8], depth: u32) -> Result<Option<ImageBtf>, ImportError> {
        if let Some(btf) = scan::btf_at_start(image) {
            let (btf, ships_btf) = (btf.to_vec(), ShipsBtf::Unknown);
            return Ok(Some(ImageBtf { btf, build_id: None, ships_btf, attachability: None }));
        }
        let ships_btf = ShipsBtf::Yes;
        let mut elf_build_id = None;
        match Format::of(image) {
            Format::Elf => match Vmlinux::read(image) {
                Ok(Vmlinux { btf: Some(btf), build_id, .. }) => {
                    let attachability = kallsyms::attachability(image);
                    return Ok(Some(ImageBtf { btf, build_id, ships_btf, attachability }));
                }
                // A ppc kernel's wrapper has neither BTF nor DWARF: scan, and so with malformed section headers.
                Ok(Vmlinux { has_dwarf, build_id, .. }) => {
                    self.dwarf |= has_dwarf;
                    elf_build_id = build_id;
                }
                Err(_) => {}
            },
            Format::Packed(_) => {
                if let Some(found) = self.payload(image, 0, image.len(), depth)? {
                    return Ok(Some(found));
                }
            }
            Format::BzImage { offset, len } | Format::Zboot { offset, len } => {
                if let Some(found) = self.payload(image, offset, len, depth)? {
                    return Ok(Some(found));
                }
            }
            Format::Arm64 | Format::ArmZImage | Format::S390 | Format::Unknown => {}
        }
        if let Some((btf, endian)) = scan::kernel_btf(image) {
            let build_id = build_id::of_memory_image(image, endian);
            return Ok(Some(ImageBtf { btf: btf.to_vec(), build_id, ships_btf, attachability: None }));
        }
        if self.kernel.is_none()
            && let Some(release) = banner::release(image)
        {
            let in_memory = |endian| build_id::of_memory_image(image, endian);
            let build_id =
                elf_build_id.or_else(|| [Endian::Little, Endian::Big].into_iter().find_map(in_memory));
            self.kernel = Some(KernelWithoutBtf { release: release.to_owned(), build_id });
        }
        self.scan(image, depth)
    }

    /// Unpacks the payload that a header names. A wrong header is not an error: a scan follows.
    fn payload(
        &mut self,
        image: &[u8],
        offset: usize,
        len: usize,
        depth: u32,
    ) -> Result<Option<ImageBtf>, ImportError> {
        let payload = offset.checked_add(len).and_then(|end| image.get(offset..end));
        let Some(payload) = payload else { return Ok(None) };
        let Some(codec) = Codec::sniff(payload).filter(|_| depth < MAX_DEPTH) else { return Ok(None) };
        let mut kernel = Vec::new();
        let decoded =
            codec.decoder(payload).and_then(|decoder| decoder.take(IMAGE_LIMIT + 1).read_to_end(&mut kernel));
        if kernel.len() as u64 > IMAGE_LIMIT {
            return Err(ImportError::TooLarge { what: format!("the {codec} payload"), limit: IMAGE_LIMIT });
        }
        decoded.map_err(|source| ImportError::Decompress { codec, offset, source })?;
        self.layer(&kernel, depth + 1)
    }

    /// Unpacks whatever looks compressed, in the order of offsets.
    fn scan(&mut self, image: &[u8], depth: u32) -> Result<Option<ImageBtf>, ImportError> {
        if depth >= MAX_DEPTH {
            return Ok(None);
        }
        let mut payloads: Vec<(usize, Codec)> = Vec::new();
        for codec in Codec::ALL {
            let found = memmem::find_iter(image, codec.needle())
                .filter(|&offset| image.get(offset..).and_then(Codec::sniff) == Some(codec))
                .take(4 * SCAN_ATTEMPTS);
            payloads.extend(found.map(|offset| (offset, codec)));
        }
        payloads.sort_unstable_by_key(|&(offset, _)| offset);
        for (offset, codec) in payloads {
            let Some(attempts) = self.attempts.checked_sub(1).filter(|_| self.budget > 0) else { break };
            self.attempts = attempts;
            let mut kernel = Vec::new();
            let limit = IMAGE_LIMIT.min(self.budget);
            // An error after a whole kernel concerns only the bytes behind it.
            let Ok(decoder) = codec.decoder(image.get(offset..).unwrap_or_default()) else { continue };
            let _: io::Result<usize> = decoder.take(limit).read_to_end(&mut kernel);
            self.budget = self.budget.saturating_sub(kernel.len() as u64);
            if kernel.len() >= MIN_KERNEL
                && let Some(found) = self.layer(&kernel, depth + 1)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Offset and length of the payload of an x86 boot image, from boot protocol 2.08 on
/// (Documentation/arch/x86/boot.rst).
fn bzimage_payload(image: &[u8]) -> Option<(usize, usize)> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let version = u16::from_le_bytes(*image.get(0x206..)?.first_chunk()?);
    if version < 0x208 {
        return None;
    }
    let setup_sectors = match *image.get(0x1f1)? {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let offset = (setup_sectors + 1) * 512 + le32(image, 0x248)?;
    Some((offset, le32(image, 0x24c)?))
}

fn le32(image: &[u8], offset: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*image.get(offset..)?.first_chunk()?)).ok()
}

/// The BTF of a module, unchecked.
pub(crate) struct ModuleBtf {
    /// Section `.BTF`: its names and ids continue those of its base.
    pub(crate) split: Vec<u8>,
    /// Section `.BTF.base`: the distilled base of a module from outside the kernel's tree. Without one the kernel is the base.
    pub(crate) distilled: Option<Vec<u8>>,
}

/// The BTF of a module; none if it has none.
pub(crate) fn module_btf(module: &[u8]) -> Result<Option<ModuleBtf>, ImportError> {
    let file = object::File::parse(module)?;
    let section = |name: &[u8]| -> Result<Option<Vec<u8>>, ImportError> {
        let data = file.section_by_name_bytes(name).map(|section| section.data()).transpose()?;
        Ok(data.filter(|data| !data.is_empty()).map(<[u8]>::to_vec))
    };
    let Some(split) = section(b".BTF")? else { return Ok(None) };
    Ok(Some(ModuleBtf { split, distilled: section(b".BTF.base")? }))
}

/// What an ELF `vmlinux` says of its kernel.
pub(crate) struct Vmlinux {
    /// Its section `.BTF`.
    pub(crate) btf: Option<Vec<u8>>,
    /// Whether it has DWARF, to encode BTF from.
    pub(crate) has_dwarf: bool,
    /// Its build id.
    pub(crate) build_id: Option<BuildId>,
}

impl Vmlinux {
    fn read<'a, R: ReadRef<'a>>(data: R) -> Result<Self, ImportError> {
        let file = object::File::parse(data)?;
        let mut vmlinux = Self { btf: None, has_dwarf: false, build_id: build_id::of_elf(&file) };
        for section in file.sections() {
            match section.name_bytes() {
                Ok(b".BTF") if section.size() > BTF_LIMIT => {
                    return Err(ImportError::TooLarge { what: "section .BTF".into(), limit: BTF_LIMIT });
                }
                Ok(b".BTF") => vmlinux.btf = scan::btf_at_start(section.data()?).map(<[u8]>::to_vec),
                Ok(b".debug_info" | b".zdebug_info") => vmlinux.has_dwarf |= section.size() > 0,
                _ => {}
            }
        }
        Ok(vmlinux)
    }
}

#[cfg(test)]
mod tests;
