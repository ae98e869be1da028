//! ELF: reads one section of a kernel image or an object, and wraps a BTF into a minimal ELF file.

use std::io;
use std::ops::Range;

/// Largest BTF that is read, in bytes; a distribution's whole kernel has about 6 MB.
pub(crate) const MAX_BTF: usize = 64 << 20;
/// Most bytes of section headers or names that are read; a kernel image has a few kilobytes of either.
const MAX_TABLE: usize = 4 << 20;

const SHT_STRTAB: u32 = 3;
const SHT_PROGBITS: u32 = 1;
const SHT_NOBITS: u64 = 8;
const SHF_COMPRESSED: u64 = 1 << 11;

/// Whether bytes begin with a BTF header, in either byte order, whose sections are within them.
pub(crate) fn is_btf(bytes: &[u8]) -> bool {
    let big = match bytes.get(..3) {
        Some([0x9f, 0xeb, 1]) => false,
        Some([0xeb, 0x9f, 1]) => true,
        _ => return false,
    };
    let word = |offset| number(bytes, offset..offset + 4, big);
    let header = word(4).filter(|len| *len >= 24);
    let within = |offset, len| {
        let end = header?.checked_add(word(offset)?)?.checked_add(word(len)?)?;
        (end <= bytes.len() as u64).then_some(())
    };
    within(8, 12).is_some() && within(16, 20).is_some()
}

/// Fills a buffer from an offset of a file.
pub(crate) type ReadAt<'f> = &'f dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// A section of an ELF file of either class and byte order; the name ends with its NUL byte.
///
/// # Errors
/// If the file cannot be read, is not an ELF file or is malformed; [`io::ErrorKind::NotFound`] if it has no such section.
pub(crate) fn section(file: ReadAt<'_>, name: &[u8]) -> io::Result<Vec<u8>> {
    let mut start = [0u8; 6];
    file(&mut start, 0)?;
    let (wide, big) = match start {
        [0x7f, b'E', b'L', b'F', class @ (1 | 2), order @ (1 | 2)] => (class == 2, order == 2),
        _ => return Err(io::ErrorKind::InvalidData.into()),
    };
    let elf = Elf { file, wide, big };
    let section = elf.section(name)?.ok_or(io::ErrorKind::NotFound)?;
    elf.take(section, MAX_BTF)
}

/// A section of an ELF file that is in memory; see [`section`].
pub(crate) fn section_of_bytes(file: &[u8], name: &[u8]) -> io::Result<Vec<u8>> {
    let read_at = |buffer: &mut [u8], offset| {
        let rest = usize::try_from(offset).ok().and_then(|start| file.get(start..));
        let part = rest.and_then(|rest| rest.get(..buffer.len())).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    };
    section(&read_at, name)
}

/// An ELF file with its class and byte order.
struct Elf<'f> {
    file: ReadAt<'f>,
    wide: bool,
    big: bool,
}

/// A part of the file, in bytes.
struct Extent {
    offset: u64,
    len: u64,
}

/// The bytes of a header field in 32-bit and in 64-bit files.
struct Field {
    narrow: Range<usize>,
    wide: Range<usize>,
}

// Fields of the file header, elf(5).
const E_SHOFF: Field = Field { narrow: 0x20..0x24, wide: 0x28..0x30 };
const E_SHENTSIZE: Field = Field { narrow: 0x2e..0x30, wide: 0x3a..0x3c };
const E_SHNUM: Field = Field { narrow: 0x30..0x32, wide: 0x3c..0x3e };
const E_SHSTRNDX: Field = Field { narrow: 0x32..0x34, wide: 0x3e..0x40 };
// Fields of a section header.
const SH_NAME: Field = Field { narrow: 0..4, wide: 0..4 };
const SH_TYPE: Field = Field { narrow: 4..8, wide: 4..8 };
const SH_FLAGS: Field = Field { narrow: 0x08..0x0c, wide: 0x08..0x10 };
const SH_OFFSET: Field = Field { narrow: 0x10..0x14, wide: 0x18..0x20 };
const SH_SIZE: Field = Field { narrow: 0x14..0x18, wide: 0x20..0x28 };
const SH_LINK: Field = Field { narrow: 0x18..0x1c, wide: 0x28..0x2c };

/// Value of `e_shstrndx` if the index does not fit; the first section header has it.
const SHN_XINDEX: u64 = 0xffff;

impl Elf<'_> {
    fn field(&self, header: &[u8], field: Field) -> io::Result<u64> {
        let range = if self.wide { field.wide } else { field.narrow };
        number(header, range, self.big).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn take(&self, extent: Extent, max: usize) -> io::Result<Vec<u8>> {
        let len =
            usize::try_from(extent.len).ok().filter(|len| *len <= max).ok_or(io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; len];
        (self.file)(&mut bytes, extent.offset)?;
        Ok(bytes)
    }

    fn extent(&self, section: &[u8]) -> io::Result<Extent> {
        Ok(Extent { offset: self.field(section, SH_OFFSET)?, len: self.field(section, SH_SIZE)? })
    }

    fn section(&self, wanted: &[u8]) -> io::Result<Option<Extent>> {
        let header = self.take(Extent { offset: 0, len: if self.wide { 64 } else { 52 } }, 64)?;
        let offset = self.field(&header, E_SHOFF)?;
        let size = self.field(&header, E_SHENTSIZE)?;
        let mut count = self.field(&header, E_SHNUM)?;
        let mut names = self.field(&header, E_SHSTRNDX)?;
        if offset == 0 || size < 40 {
            return Ok(None);
        }
        if count == 0 || names == SHN_XINDEX {
            // Values that do not fit into the file header are in the first section header, elf(5).
            let first = self.take(Extent { offset, len: size }, MAX_TABLE)?;
            count = if count == 0 { self.field(&first, SH_SIZE)? } else { count };
            names = if names == SHN_XINDEX { self.field(&first, SH_LINK)? } else { names };
        }
        let headers = self.take(Extent { offset, len: size.saturating_mul(count) }, MAX_TABLE)?;
        let mut sections = headers.chunks_exact(size as usize);
        let Some(names) = usize::try_from(names).ok().and_then(|at| sections.clone().nth(at)) else {
            return Ok(None);
        };
        let names = self.take(self.extent(names)?, MAX_TABLE)?;
        let named = |section: &&[u8]| {
            let name = self.field(section, SH_NAME).ok().and_then(|at| names.get(at as usize..));
            name.is_some_and(|name| name.starts_with(wanted))
        };
        let Some(section) = sections.find(named) else { return Ok(None) };
        // As in libbpf, a compressed section counts as missing; so does one without content, as in a debug file.
        let is_missing = self.field(section, SH_FLAGS)? & SHF_COMPRESSED != 0
            || self.field(section, SH_TYPE)? == SHT_NOBITS;
        if is_missing { Ok(None) } else { self.extent(section).map(Some) }
    }
}

/// A number in either byte order.
fn number(bytes: &[u8], range: Range<usize>, big: bool) -> Option<u64> {
    let field = bytes.get(range)?;
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if big { field.iter().fold(0, fold) } else { field.iter().rev().fold(0, fold) })
}

/// A file being written in either byte order.
struct Output {
    big: bool,
    bytes: Vec<u8>,
}

impl Output {
    fn push<const N: usize>(&mut self, little: [u8; N]) {
        if self.big { self.bytes.extend(little.iter().rev()) } else { self.bytes.extend(little) }
    }

    fn halfword(&mut self, value: u16) {
        self.push(value.to_le_bytes());
    }

    fn word(&mut self, value: u32) {
        self.push(value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.push(value.to_le_bytes());
    }
}

/// A 64-bit ELF file in the BTF's byte order with only a `.BTF` section; libbpf's `btf_parse_elf` and cilium/ebpf read it.
pub(crate) fn wrap(btf: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.BTF\0.shstrtab\0";
    const HEADER_LEN: u16 = 64;
    const SECTION_LEN: u16 = 64;
    let big = btf.first() == Some(&0xeb);
    let btf_at = u64::from(HEADER_LEN);
    let names_at = btf_at + btf.len() as u64;
    let table_at = (names_at + NAMES.len() as u64).next_multiple_of(8);
    let ident = [0x7f, b'E', b'L', b'F', 2, 1 + u8::from(big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut out = Output { big, bytes: ident.to_vec() };
    out.halfword(1); // e_type: ET_REL
    out.halfword(0); // e_machine: EM_NONE
    out.word(1); // e_version
    out.long(0); // e_entry
    out.long(0); // e_phoff
    out.long(table_at); // e_shoff
    out.word(0); // e_flags
    out.halfword(HEADER_LEN); // e_ehsize
    out.halfword(0); // e_phentsize
    out.halfword(0); // e_phnum
    out.halfword(SECTION_LEN); // e_shentsize
    out.halfword(3); // e_shnum
    out.halfword(2); // e_shstrndx
    out.bytes.extend_from_slice(btf);
    out.bytes.extend_from_slice(NAMES);
    // Padding, and the first section header, which is all zeros.
    out.bytes.resize(table_at as usize + usize::from(SECTION_LEN), 0);
    for (name, kind, offset, len) in
        [(1, SHT_PROGBITS, btf_at, btf.len()), (6, SHT_STRTAB, names_at, NAMES.len())]
    {
        out.word(name); // sh_name
        out.word(kind); // sh_type
        out.long(0); // sh_flags
        out.long(0); // sh_addr
        out.long(offset); // sh_offset
        out.long(len as u64); // sh_size
        out.word(0); // sh_link
        out.word(0); // sh_info
        out.long(1); // sh_addralign
        out.long(0); // sh_entsize
    }
    out.bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn btf_section(elf: &[u8]) -> io::Result<Vec<u8>> {
        section_of_bytes(elf, b".BTF\0")
    }

    fn tiny_btf(big: bool) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let magic = if big { [0xeb, 0x9f] } else { [0x9f, 0xeb] };
        let words = [24, 0, 0, 0, 1].into_iter().flat_map(word);
        magic.into_iter().chain([1, 0]).chain(words).chain([0]).collect()
    }

    #[test]
    fn btf_headers_are_recognized() {
        for big in [false, true] {
            let btf = tiny_btf(big);
            assert!(is_btf(&btf));
            // With a layout section, as since Linux 7.1.
            let words = [32, 0, 0, 4, 1, 0, 4, 0]
                .map(|word: u32| if big { word.to_be_bytes() } else { word.to_le_bytes() });
            let wide = [&btf[..4], words.as_flattened(), &[0]].concat();
            assert!(is_btf(&wide));
            assert!(!is_btf(&wide[..wide.len() - 1]));
            for len in 0..btf.len() {
                assert!(!is_btf(&btf[..len]), "{len}");
            }
        }
        assert!(!is_btf(&[0x7f, b'E', b'L', b'F', 0, 0, 0, 0]));
    }

    #[test]
    fn a_wrapped_btf_is_read_back() {
        for big in [false, true] {
            let btf = tiny_btf(big);
            let elf = wrap(&btf);
            assert_eq!(btf_section(&elf).unwrap(), btf);
            for len in 0..elf.len() {
                assert!(btf_section(&elf[..len]).is_err(), "{len}");
            }
            for at in 0..elf.len() {
                for mask in [1, 0x80, 0xff] {
                    let mut damaged = elf.clone();
                    damaged[at] ^= mask;
                    // Must not panic.
                    let _ = btf_section(&damaged);
                }
            }
        }
    }

    #[test]
    fn this_program_has_no_btf() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(btf_section(&program).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
