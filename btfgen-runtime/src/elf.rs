//! ELF: just enough of it to take a section out of a kernel image or an object, and to wrap a BTF into one.

use std::io;

/// Largest BTF that is read, in bytes; a distribution's whole kernel has about 6 MB.
pub(crate) const MAX_BTF: usize = 64 << 20;
/// Most bytes of section headers or names that are read; a kernel image has a few kilobytes of either.
const MAX_TABLE: usize = 4 << 20;

const SHT_STRTAB: u32 = 3;
const SHT_PROGBITS: u32 = 1;
const SHF_COMPRESSED: u64 = 1 << 11;

/// Whether bytes begin with a BTF header, in either byte order, whose sections lie within them.
pub(crate) fn is_btf(bytes: &[u8]) -> bool {
    let big = match bytes.get(..3) {
        Some([0x9f, 0xeb, 1]) => false,
        Some([0xeb, 0x9f, 1]) => true,
        _ => return false,
    };
    let word = |at| number(bytes, at, 4, big);
    let header = word(4).filter(|len| *len >= 24);
    let within = |offset, len| {
        let end = header?.checked_add(word(offset)?)?.checked_add(word(len)?)?;
        (end <= bytes.len() as u64).then_some(())
    };
    within(8, 12).is_some() && within(16, 20).is_some()
}

/// Fills a buffer from an offset of a file.
pub(crate) type ReadAt<'f> = &'f dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// The `.BTF` section of an ELF file.
///
/// # Errors
/// As [`section`].
pub(crate) fn btf_section(file: ReadAt<'_>) -> io::Result<Vec<u8>> {
    section(file, b".BTF\0")
}

/// A section of an ELF file of either class and byte order; the name ends with its NUL byte.
///
/// # Errors
/// When the file cannot be read, is no ELF file or is damaged; [`io::ErrorKind::NotFound`] when it has no such section.
#[inline(never)]
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

/// An ELF file's bytes, with its class and byte order.
struct Elf<'f> {
    file: ReadAt<'f>,
    wide: bool,
    big: bool,
}

/// Offset and length in the file, in bytes.
type Place = (u64, u64);

impl Elf<'_> {
    /// A field of a header by its place and size in either class.
    #[inline(never)]
    fn field(&self, header: &[u8], narrow: (usize, usize), wide: (usize, usize)) -> io::Result<u64> {
        let (at, size) = if self.wide { wide } else { narrow };
        number(header, at, size, self.big).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    #[inline(never)]
    fn take(&self, (offset, len): Place, max: usize) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).ok().filter(|len| *len <= max).ok_or(io::ErrorKind::InvalidData)?;
        let mut bytes = vec![0; len];
        (self.file)(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn place(&self, section: &[u8]) -> io::Result<Place> {
        Ok((self.field(section, (0x10, 4), (0x18, 8))?, self.field(section, (0x14, 4), (0x20, 8))?))
    }

    fn section(&self, wanted: &[u8]) -> io::Result<Option<Place>> {
        let header = self.take((0, if self.wide { 64 } else { 52 }), 64)?;
        let table = self.field(&header, (0x20, 4), (0x28, 8))?;
        let size = self.field(&header, (0x2e, 2), (0x3a, 2))?;
        let mut count = self.field(&header, (0x30, 2), (0x3c, 2))?;
        let mut names = self.field(&header, (0x32, 2), (0x3e, 2))?;
        if table == 0 || size < 40 {
            return Ok(None);
        }
        if count == 0 || names == 0xffff {
            // More than the header's fields can hold: the first section header has the numbers, elf(5).
            let first = self.take((table, size), MAX_TABLE)?;
            count = if count == 0 { self.field(&first, (0x14, 4), (0x20, 8))? } else { count };
            names = if names == 0xffff { self.field(&first, (0x18, 4), (0x28, 4))? } else { names };
        }
        let headers = self.take((table, size.saturating_mul(count)), MAX_TABLE)?;
        let mut sections = headers.chunks_exact(size as usize);
        let Some(strings) = usize::try_from(names).ok().and_then(|at| sections.clone().nth(at)) else {
            return Ok(None);
        };
        let strings = self.take(self.place(strings)?, MAX_TABLE)?;
        let named = |section: &&[u8]| {
            let name = number(section, 0, 4, self.big).and_then(|at| strings.get(at as usize..));
            name.is_some_and(|name| name.starts_with(wanted))
        };
        let Some(section) = sections.find(named) else { return Ok(None) };
        // Compressed sections are as good as none, to libbpf too.
        let flags = self.field(section, (0x08, 4), (0x08, 8))?;
        if flags & SHF_COMPRESSED == 0 { self.place(section).map(Some) } else { Ok(None) }
    }
}

/// A field of `size` bytes in either byte order.
#[inline(never)]
pub(crate) fn number(bytes: &[u8], at: usize, size: usize, big: bool) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
    Some(if big { field.iter().fold(0, fold) } else { field.iter().rev().fold(0, fold) })
}

/// An ELF file with nothing but a `.BTF` section, of the BTF's byte order and 64 bits, as libbpf's `btf_parse_elf`
/// and cilium/ebpf read it.
pub(crate) fn wrap(btf: &[u8]) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.BTF\0.shstrtab\0";
    let big = btf.first() == Some(&0xeb);
    let mut out = vec![0x7f, b'E', b'L', b'F', 2, 1 + u8::from(big), 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut put = |value: u64, size: usize| {
        let bytes = value.to_le_bytes();
        let field = bytes.iter().take(size);
        if big { out.extend(field.rev()) } else { out.extend(field) }
    };
    let btf_at = 64u64;
    let names_at = btf_at + btf.len() as u64;
    let table_at = (names_at + NAMES.len() as u64).next_multiple_of(8);
    // e_type ET_REL, e_machine EM_NONE, e_version, e_entry, e_phoff, e_shoff, e_flags, e_ehsize, e_phentsize,
    // e_phnum, e_shentsize, e_shnum, e_shstrndx
    let header = [
        (1, 2),
        (0, 2),
        (1, 4),
        (0, 8),
        (0, 8),
        (table_at, 8),
        (0, 4),
        (64, 2),
        (0, 2),
        (0, 2),
        (64, 2),
        (3, 2),
        (2, 2),
    ];
    for (value, size) in header {
        put(value, size);
    }
    out.extend_from_slice(btf);
    out.extend_from_slice(NAMES);
    out.resize(table_at as usize + 64, 0);
    let mut put = |value: u64, size: usize| {
        let bytes = value.to_le_bytes();
        let field = bytes.iter().take(size);
        if big { out.extend(field.rev()) } else { out.extend(field) }
    };
    for (name, kind, offset, len) in
        [(1, SHT_PROGBITS, btf_at, btf.len()), (6, SHT_STRTAB, names_at, NAMES.len())]
    {
        // sh_name, sh_type, sh_flags, sh_addr, sh_offset, sh_size, sh_link, sh_info, sh_addralign, sh_entsize
        let section = [
            (name, 4),
            (u64::from(kind), 4),
            (0, 8),
            (0, 8),
            (offset, 8),
            (len as u64, 8),
            (0, 4),
            (0, 4),
            (1, 8),
            (0, 8),
        ];
        for (value, size) in section {
            put(value, size);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section_of(elf: &[u8]) -> io::Result<Vec<u8>> {
        btf_section(&|buffer, offset| {
            let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
            let end = start.checked_add(buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(elf.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn tiny_btf(big: bool) -> Vec<u8> {
        let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
        let magic = if big { [0xeb, 0x9f] } else { [0x9f, 0xeb] };
        let words = [24, 0, 0, 0, 1].into_iter().flat_map(word);
        magic.into_iter().chain([1, 0]).chain(words).chain([0]).collect()
    }

    #[test]
    fn btf_headers_are_told_from_others() {
        for big in [false, true] {
            let btf = tiny_btf(big);
            assert!(is_btf(&btf));
            for len in 0..btf.len() {
                assert!(!is_btf(&btf[..len]), "{len}");
            }
        }
        assert!(!is_btf(&[0x7f, b'E', b'L', b'F', 0, 0, 0, 0]));
    }

    #[test]
    fn what_is_wrapped_comes_out_again() {
        for big in [false, true] {
            let btf = tiny_btf(big);
            let elf = wrap(&btf);
            assert_eq!(section_of(&elf).unwrap(), btf);
            for len in 0..elf.len() {
                assert!(section_of(&elf[..len]).is_err(), "{len}");
            }
            for at in 0..elf.len() {
                for mask in [1, 0x80, 0xff] {
                    let mut damaged = elf.clone();
                    damaged[at] ^= mask;
                    // Any result will do, as long as there is one.
                    let _ = section_of(&damaged);
                }
            }
        }
    }

    #[test]
    fn this_very_program_has_no_btf() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert_eq!(section_of(&program).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
