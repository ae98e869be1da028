//! Objects by hand: the least ELF file that holds a `.BTF` and a `.BTF.ext` of any content.

use btfgen_core::btf::Endian;

/// `EM_BPF`.
pub(crate) const EM_BPF: u16 = 247;

/// Name of the one section that holds a program.
pub(crate) const SECTION: &str = "tp/x";

/// Instructions of the one program.
const INSNS: usize = 64;

/// Name, type, flags, link, entry size, content.
type Section<'a> = (&'a str, u32, u64, u32, u64, &'a [u8]);

/// What to put together.
pub(crate) struct Parts<'a> {
    /// Byte order of the file and of its headers.
    pub(crate) endian: Endian,
    /// `e_machine`.
    pub(crate) machine: u16,
    /// Content of `.BTF`, if there is one.
    pub(crate) btf: Option<&'a [u8]>,
    /// Content of `.BTF.ext`, if there is one.
    pub(crate) ext: Option<&'a [u8]>,
    /// Further symbols: names, each ended by a NUL byte or sharing another's end, and where each symbol's begins.
    pub(crate) symbols: (&'a [u8], &'a [u32]),
}

/// An object with nothing unusual but its types and relocations.
pub(crate) fn object(endian: Endian, btf: &[u8], ext: &[u8]) -> Vec<u8> {
    Parts { endian, machine: EM_BPF, btf: Some(btf), ext: Some(ext), symbols: (&[], &[]) }.to_bytes()
}

impl Parts<'_> {
    /// The file's bytes.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut strings = b"\0program\0".to_vec();
        let mut symbols = vec![0; 24];
        symbols.extend(self.u32(1));
        symbols.extend([0x12, 0]);
        symbols.extend(self.u16(1));
        symbols.extend(self.u64(0));
        symbols.extend(self.u64(INSNS as u64 * 8));
        for &name in self.symbols.1 {
            symbols.extend(self.u32(strings.len() as u32 + name));
            symbols.extend([0x12, 0]);
            symbols.extend(self.u16(1));
            symbols.extend([0; 16]);
        }
        strings.extend_from_slice(self.symbols.0);
        let code = vec![0; INSNS * 8];
        let mut sections: Vec<Section<'_>> = vec![
            ("", 0, 0, 0, 0, &[]),
            (SECTION, 1, 6, 0, 0, &code),
            (".strtab", 3, 0, 0, 0, &strings),
            (".symtab", 2, 0, 2, 24, &symbols),
        ];
        sections.extend(self.btf.map(|btf| (".BTF", 1, 0, 0, 0, btf)));
        sections.extend(self.ext.map(|ext| (".BTF.ext", 1, 0, 0, 0, ext)));
        let mut names = Vec::new();
        let mut offsets = Vec::new();
        for name in sections.iter().map(|section| section.0).chain([".shstrtab"]) {
            offsets.push(names.len() as u32);
            names.extend_from_slice(name.as_bytes());
            names.push(0);
        }
        sections.push((".shstrtab", 3, 0, 0, 0, &names));

        let mut bytes = vec![0; 64];
        let mut headers = Vec::new();
        for (&(_, kind, flags, link, entry, content), name) in sections.iter().zip(offsets) {
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            headers.extend(self.u32(name));
            headers.extend(self.u32(kind));
            headers.extend(self.u64(flags));
            headers.extend(self.u64(0));
            headers.extend(self.u64(bytes.len() as u64));
            headers.extend(self.u64(content.len() as u64));
            headers.extend(self.u32(link));
            headers.extend(self.u32(0));
            headers.extend(self.u64(8));
            headers.extend(self.u64(entry));
            bytes.extend_from_slice(content);
        }
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let table = bytes.len() as u64;
        bytes.extend(headers);
        let order = if self.endian == Endian::Little { 1 } else { 2 };
        let mut header = vec![0x7f, b'E', b'L', b'F', 2, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header.extend(self.u16(1));
        header.extend(self.u16(self.machine));
        header.extend(self.u32(1));
        header.extend(self.u64(0));
        header.extend(self.u64(0));
        header.extend(self.u64(table));
        header.extend(self.u32(0));
        for half in [64, 0, 0, 64, sections.len() as u16, sections.len() as u16 - 1] {
            header.extend(self.u16(half));
        }
        bytes[..64].copy_from_slice(&header);
        bytes
    }

    fn u16(&self, value: u16) -> [u8; 2] {
        if self.endian == Endian::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }

    fn u32(&self, value: u32) -> [u8; 4] {
        word(self.endian, value)
    }

    fn u64(&self, value: u64) -> [u8; 8] {
        if self.endian == Endian::Little { value.to_le_bytes() } else { value.to_be_bytes() }
    }
}

fn word(endian: Endian, value: u32) -> [u8; 4] {
    if endian == Endian::Little { value.to_le_bytes() } else { value.to_be_bytes() }
}

/// Records of one section in `.BTF.ext`: the section's name as a string offset, and the records.
pub(crate) type Group = (u32, Vec<[u32; 4]>);

/// A `.BTF.ext` of line info and relocations: `(instruction's offset, type, access string, kind)`.
pub(crate) fn ext(endian: Endian, lines: &[Group], relocations: &[Group]) -> Vec<u8> {
    let info = |groups: &[Group]| {
        let mut bytes = word(endian, 16).to_vec();
        for (section, records) in groups {
            bytes.extend(word(endian, *section));
            bytes.extend(word(endian, records.len() as u32));
            bytes.extend(records.iter().flatten().flat_map(|&value| word(endian, value)));
        }
        bytes
    };
    let (lines, relocations) = (info(lines), info(relocations));
    let magic: u16 = 0xeb9f;
    let mut bytes = if endian == Endian::Little { magic.to_le_bytes() } else { magic.to_be_bytes() }.to_vec();
    bytes.extend([1, 0]);
    let after = (lines.len() + relocations.len()) as u32;
    let (line_len, relocation_len) = (lines.len() as u32, relocations.len() as u32);
    for value in [32, after, 4, 0, line_len, line_len, relocation_len] {
        bytes.extend(word(endian, value));
    }
    bytes.extend(lines);
    bytes.extend(relocations);
    bytes.extend(word(endian, 8));
    bytes
}
