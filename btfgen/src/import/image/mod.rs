//! Image: a bootable kernel in any of its forms, down to the BTF inside.

use std::io::{self, Read};

use memchr::memmem;
use object::read::{ReadCache, ReadCacheOps, ReadRef};
use object::{Object, ObjectSection};

use super::codec::Codec;
use super::{VendorError, scan};

/// Most bytes of an image, packed or unpacked; distributions' kernels unpack to about 100 MB.
pub const IMAGE_LIMIT: u64 = 256 << 20;
/// Most bytes that are unpacked for one image, wrapped or mistaken payloads included.
const UNPACK_LIMIT: u64 = 2 * IMAGE_LIMIT;
/// Most places that are tried so.
const SCAN_ATTEMPTS: usize = 64;
/// How deep wrappings are followed: a gzip of an EFI image of a compressed kernel has two.
const MAX_DEPTH: u32 = 3;
/// What unpacks to less than this is no kernel, in bytes.
const MIN_KERNEL: usize = 64 << 10;
/// Most bytes of a `.BTF` section; the largest kernels have about 10 MB.
const BTF_LIMIT: u64 = 256 << 20;

/// The BTF of a kernel image.
///
/// `image` may be BTF itself, an ELF `vmlinux`, a bzImage, an arm64 `Image`, an EFI zboot image, an s390 or ppc boot
/// image, or any of these compressed. The payload is found by the header that names it, else by its magic.
///
/// # Errors
/// [`VendorError::NoBtf`] when there is none, [`VendorError::NeedsPahole`] when there is DWARF instead,
/// [`VendorError::TooLarge`] when the payload unpacks to more than [`IMAGE_LIMIT`] bytes.
pub fn find_btf(image: &[u8]) -> Result<Vec<u8>, VendorError> {
    let mut search = Search { budget: UNPACK_LIMIT, attempts: SCAN_ATTEMPTS, dwarf: false };
    match search.layer(image, 0)? {
        Some(btf) => Ok(btf),
        None if search.dwarf => Err(VendorError::NeedsPahole),
        None => Err(VendorError::NoBtf { looked_at: Form::of(image).name() }),
    }
}

/// The BTF of an ELF `vmlinux`, reading only the parts of the file that are needed.
///
/// # Errors
/// As [`find_btf`].
pub fn find_btf_in_elf<R: ReadCacheOps>(file: R) -> Result<Vec<u8>, VendorError> {
    match elf_btf(&ReadCache::new(file))? {
        ElfBtf::Found(btf) => Ok(btf),
        ElfBtf::Dwarf => Err(VendorError::NeedsPahole),
        ElfBtf::Neither => Err(VendorError::NoBtf { looked_at: Form::Elf.name() }),
    }
}

/// What the first bytes of an image say that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Btf,
    Elf,
    /// Compressed as a whole.
    Packed(Codec),
    /// x86 boot image, whose header names where the payload lies.
    BzImage {
        at: usize,
        len: usize,
    },
    /// EFI image with an inner payload, whose header names place and compression.
    Zboot {
        at: usize,
        len: usize,
    },
    /// Uncompressed kernel for arm64, whose memory image holds the BTF.
    Arm64,
    /// Everything else, s390 and ppc boot images among it.
    Unknown,
}

impl Form {
    pub(crate) fn of(image: &[u8]) -> Self {
        if scan::btf_at_start(image).is_some() {
            return Self::Btf;
        }
        if image.starts_with(b"\x7fELF") {
            return Self::Elf;
        }
        if let Some(codec) = Codec::sniff(image) {
            return Self::Packed(codec);
        }
        if let Some((at, len)) = bzimage_payload(image) {
            return Self::BzImage { at, len };
        }
        // `struct linux_efi_zboot_header` in drivers/firmware/efi/libstub/zboot-header.S.
        if image.starts_with(b"MZ")
            && image.get(4..8) == Some(b"zimg")
            && let (Some(at), Some(len)) = (le32(image, 8), le32(image, 12))
        {
            return Self::Zboot { at, len };
        }
        if image.get(0x38..0x3c) == Some(b"ARM\x64") {
            return Self::Arm64;
        }
        Self::Unknown
    }

    fn name(self) -> &'static str {
        match self {
            Self::Btf => "raw BTF",
            Self::Elf => "ELF",
            Self::Packed(_) => "compressed file",
            Self::BzImage { .. } => "bzImage",
            Self::Zboot { .. } => "EFI zboot image",
            Self::Arm64 => "arm64 Image",
            Self::Unknown => "boot image of no known header",
        }
    }
}

struct Search {
    /// Bytes that may still be unpacked.
    budget: u64,
    attempts: usize,
    /// An ELF with DWARF and no BTF was met.
    dwarf: bool,
}

impl Search {
    fn layer(&mut self, image: &[u8], depth: u32) -> Result<Option<Vec<u8>>, VendorError> {
        if let Some(btf) = scan::btf_at_start(image) {
            return Ok(Some(btf.to_vec()));
        }
        match Form::of(image) {
            Form::Elf => match elf_btf(image) {
                Ok(ElfBtf::Found(btf)) => return Ok(Some(btf)),
                Ok(ElfBtf::Dwarf) => self.dwarf = true,
                // A wrapper of a ppc kernel, or a file whose section headers are damaged: go on and scan.
                Ok(ElfBtf::Neither) | Err(_) => {}
            },
            Form::Packed(_) => {
                if let Some(found) = self.payload(image, 0, image.len(), depth)? {
                    return Ok(Some(found));
                }
            }
            Form::BzImage { at, len } | Form::Zboot { at, len } => {
                if let Some(found) = self.payload(image, at, len, depth)? {
                    return Ok(Some(found));
                }
            }
            Form::Btf | Form::Arm64 | Form::Unknown => {}
        }
        if let Some(btf) = scan::kernel_btf(image) {
            return Ok(Some(btf.to_vec()));
        }
        self.scan(image, depth)
    }

    /// What a header says is the payload. A header that lies is no error: the scan comes after it.
    fn payload(
        &mut self,
        image: &[u8],
        at: usize,
        len: usize,
        depth: u32,
    ) -> Result<Option<Vec<u8>>, VendorError> {
        let Some(payload) = at.checked_add(len).and_then(|end| image.get(at..end)) else { return Ok(None) };
        let Some(codec) = Codec::sniff(payload).filter(|_| depth < MAX_DEPTH) else { return Ok(None) };
        let mut kernel = Vec::new();
        let decoded =
            codec.decoder(payload).and_then(|decoder| decoder.take(IMAGE_LIMIT + 1).read_to_end(&mut kernel));
        if kernel.len() as u64 > IMAGE_LIMIT {
            return Err(VendorError::TooLarge { what: format!("the {codec} payload"), limit: IMAGE_LIMIT });
        }
        decoded.map_err(|source| VendorError::Decompress { codec, offset: at, source })?;
        self.layer(&kernel, depth + 1)
    }

    /// Tries whatever looks compressed, in the order of its place.
    fn scan(&mut self, image: &[u8], depth: u32) -> Result<Option<Vec<u8>>, VendorError> {
        if depth >= MAX_DEPTH {
            return Ok(None);
        }
        let mut places: Vec<(usize, Codec)> = Vec::new();
        for codec in Codec::ALL {
            let found = memmem::find_iter(image, codec.needle())
                .filter(|&at| image.get(at..).and_then(Codec::sniff) == Some(codec))
                .take(4 * SCAN_ATTEMPTS);
            places.extend(found.map(|at| (at, codec)));
        }
        places.sort_unstable_by_key(|&(at, _)| at);
        for (at, codec) in places {
            let Some(attempts) = self.attempts.checked_sub(1).filter(|_| self.budget > 0) else { break };
            self.attempts = attempts;
            let mut kernel = Vec::new();
            let limit = IMAGE_LIMIT.min(self.budget);
            // A decoder's complaint after a whole kernel is about what follows it.
            let Ok(decoder) = codec.decoder(image.get(at..).unwrap_or_default()) else { continue };
            let _: io::Result<usize> = decoder.take(limit).read_to_end(&mut kernel);
            self.budget = self.budget.saturating_sub(kernel.len() as u64);
            if kernel.len() >= MIN_KERNEL
                && let Some(btf) = self.layer(&kernel, depth + 1)?
            {
                return Ok(Some(btf));
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
    let at = (setup_sectors + 1) * 512 + le32(image, 0x248)?;
    Some((at, le32(image, 0x24c)?))
}

fn le32(image: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*image.get(at..)?.first_chunk()?)).ok()
}

/// The `.BTF` section of a module, whose names and ids continue the kernel's, so that it is not looked into here.
pub(crate) fn module_btf(module: &[u8]) -> Result<Option<Vec<u8>>, VendorError> {
    let file = object::File::parse(module)?;
    let Some(section) = file.section_by_name_bytes(b".BTF") else { return Ok(None) };
    let bytes = section.data()?;
    Ok(Some(bytes.to_vec()).filter(|bytes| !bytes.is_empty()))
}

enum ElfBtf {
    Found(Vec<u8>),
    /// No BTF, but the DWARF from which it can be encoded.
    Dwarf,
    Neither,
}

fn elf_btf<'a, R: ReadRef<'a>>(data: R) -> Result<ElfBtf, VendorError> {
    let file = object::File::parse(data)?;
    let mut dwarf = false;
    for section in file.sections() {
        match section.name_bytes() {
            Ok(b".BTF") if section.size() > BTF_LIMIT => {
                return Err(VendorError::TooLarge { what: "section .BTF".into(), limit: BTF_LIMIT });
            }
            Ok(b".BTF") => {
                let bytes = section.data()?;
                if let Some(btf) = scan::btf_at_start(bytes) {
                    return Ok(ElfBtf::Found(btf.to_vec()));
                }
            }
            Ok(b".debug_info" | b".zdebug_info") => dwarf |= section.size() > 0,
            _ => {}
        }
    }
    Ok(if dwarf { ElfBtf::Dwarf } else { ElfBtf::Neither })
}

#[cfg(test)]
mod tests;
