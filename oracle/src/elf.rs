//! Objects as libbpf reads them: functions, their instructions, and the relocations of `.BTF.ext`.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _};

/// Why an object cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Not an ELF file, or a damaged one.
    #[error("not a readable ELF object: {0}")]
    Elf(#[from] object::Error),
    /// `.BTF.ext` is shorter than its header or counts say.
    #[error(".BTF.ext is malformed at offset {0}")]
    Ext(usize),
    /// A string offset that is out of range in `.BTF`.
    #[error("no string at offset {0} of .BTF")]
    String(u32),
}

/// One eBPF instruction, in the byte order of this machine.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insn {
    /// Operation code.
    pub code: u8,
    /// Destination and source register.
    pub regs: u8,
    /// Signed offset.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

/// One function of the object: a program, or a subprogram of `.text`.
#[derive(Clone, Debug)]
pub struct Function {
    /// Symbol name.
    pub name: String,
    /// Section name.
    pub section: String,
    /// Offset in the section, in instructions.
    pub start: usize,
    /// Instructions before relocation.
    pub insns: Vec<Insn>,
    /// Functions of `.text` are linked into the programs that call them; libbpf always relocates them.
    pub subprogram: bool,
}

/// One `bpf_core_relo` with its section.
#[derive(Clone, Debug)]
pub struct Relocation {
    /// Section name.
    pub section: String,
    /// Number within the section, as libbpf counts.
    pub number: usize,
    /// Instruction within the section.
    pub insn: usize,
    /// Root type in the local BTF.
    pub type_id: u32,
    /// Offset of the access string in the local BTF's strings.
    pub access_str_off: u32,
    /// One of the thirteen kinds.
    pub kind: u32,
}

/// A compiled object, read.
#[derive(Clone, Debug)]
pub struct ObjectFile {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Whether the object is big-endian.
    pub big_endian: bool,
    /// Functions by section and offset.
    pub functions: Vec<Function>,
    /// Relocations in the order of `.BTF.ext`, which is libbpf's order.
    pub relocations: Vec<Relocation>,
    /// The section `.BTF`; empty if there is none.
    pub btf: Vec<u8>,
}

impl ObjectFile {
    /// Reads an object from the bytes of an ELF file.
    ///
    /// # Errors
    /// When the bytes are not an ELF file or `.BTF.ext` is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, ElfError> {
        let file = object::File::parse(bytes)?;
        let big_endian = !file.is_little_endian();
        let data = |name| file.section_by_name(name).map_or(Ok(Vec::new()), |s| s.data().map(<[u8]>::to_vec));
        let (btf, ext) = (data(".BTF")?, data(".BTF.ext")?);
        let mut functions = Vec::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == object::SymbolKind::Text) {
            let Some(section) = symbol.section_index().and_then(|index| file.section_by_index(index).ok())
            else {
                continue;
            };
            // A label inside a function has a kind but no size.
            if section.kind() != object::SectionKind::Text || symbol.size() == 0 {
                continue;
            }
            let start = usize::try_from(symbol.address()).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(symbol.size()).unwrap_or(usize::MAX));
            let code = section.data()?.get(start..end).unwrap_or_default();
            functions.push(Function {
                name: symbol.name()?.to_owned(),
                subprogram: section.name()? == ".text",
                section: section.name()?.to_owned(),
                start: start / 8,
                insns: code.chunks_exact(8).map(|raw| insn_from(raw, big_endian)).collect(),
            });
        }
        functions.sort_by(|a, b| (&a.section, a.start).cmp(&(&b.section, b.start)));
        let relocations = if ext.is_empty() { Vec::new() } else { read_ext(&ext, &btf, big_endian)? };
        Ok(Self { bytes: bytes.to_vec(), big_endian, functions, relocations, btf })
    }

    /// Names of the programs, without the subprograms that they call.
    pub fn program_names(&self) -> Vec<String> {
        self.functions.iter().filter(|f| !f.subprogram).map(|f| f.name.clone()).collect()
    }

    /// Index of the function that contains an instruction of a section.
    pub fn function_at(&self, section: &str, insn: usize) -> Option<usize> {
        self.functions
            .iter()
            .position(|f| f.section == section && insn >= f.start && insn - f.start < f.insns.len())
    }
}

fn insn_from(raw: &[u8], big_endian: bool) -> Insn {
    let (regs, off, imm) = (raw[1], [raw[2], raw[3]], [raw[4], raw[5], raw[6], raw[7]]);
    if big_endian {
        // The register nibbles swap with the byte order, since both are bit fields of one byte.
        let regs = regs.rotate_left(4);
        Insn { code: raw[0], regs, off: i16::from_be_bytes(off), imm: i32::from_be_bytes(imm) }
    } else {
        Insn { code: raw[0], regs, off: i16::from_le_bytes(off), imm: i32::from_le_bytes(imm) }
    }
}

struct Words<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Words<'_> {
    fn at(&self, offset: usize) -> Result<u32, ElfError> {
        let raw = self.bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>());
        let raw = *raw.ok_or(ElfError::Ext(offset))?;
        Ok(if self.big_endian { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }
}

fn string_of(btf: &[u8], big_endian: bool, offset: u32) -> Result<String, ElfError> {
    let words = Words { bytes: btf, big_endian };
    let (header, strings, len) = (words.at(4)?, words.at(16)?, words.at(20)?);
    let start = header as usize + strings as usize;
    let table = btf.get(start..start + len as usize).ok_or(ElfError::String(offset))?;
    let tail = table.get(offset as usize..).ok_or(ElfError::String(offset))?;
    let end = tail.iter().position(|&b| b == 0).ok_or(ElfError::String(offset))?;
    Ok(String::from_utf8_lossy(&tail[..end]).into_owned())
}

fn read_ext(ext: &[u8], btf: &[u8], big_endian: bool) -> Result<Vec<Relocation>, ElfError> {
    let words = Words { bytes: ext, big_endian };
    let header = words.at(4)? as usize;
    // Headers without the two last fields are older than CO-RE.
    if header < 32 {
        return Ok(Vec::new());
    }
    let (start, len) = (header + words.at(24)? as usize, words.at(28)? as usize);
    let mut relocations = Vec::new();
    if len == 0 {
        return Ok(relocations);
    }
    let record = words.at(start)? as usize;
    let end = start + len;
    let mut at = start + 4;
    while at < end {
        let section = string_of(btf, big_endian, words.at(at)?)?;
        let count = words.at(at + 4)? as usize;
        at += 8;
        for number in 0..count {
            relocations.push(Relocation {
                section: section.clone(),
                number,
                insn: words.at(at)? as usize / 8,
                type_id: words.at(at + 4)?,
                access_str_off: words.at(at + 8)?,
                kind: words.at(at + 12)?,
            });
            at += record;
        }
    }
    Ok(relocations)
}
