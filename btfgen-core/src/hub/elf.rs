//! ELF: the section `.BTF` of a kernel's `vmlinux`, which is accepted in place of a raw BTF.

use std::ops::Range;

use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind, elf};

use super::form::CodecError;

/// The range of an ELF file's BTF; the whole range if the bytes are not an ELF file.
///
/// # Errors
/// When the ELF file is damaged or has no section `.BTF`.
pub fn btf_range(bytes: &[u8]) -> Result<Range<usize>, CodecError> {
    if !bytes.starts_with(&elf::ELFMAG) {
        return Ok(0..bytes.len());
    }
    match FileKind::parse(bytes).map_err(damaged)? {
        FileKind::Elf64 => section::<elf::FileHeader64<Endianness>>(bytes),
        FileKind::Elf32 => section::<elf::FileHeader32<Endianness>>(bytes),
        other => Err(CodecError::Elf { what: format!("unsupported type {other:?}") }),
    }
}

fn section<H: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Result<Range<usize>, CodecError> {
    let header = H::parse(bytes).map_err(damaged)?;
    let endian = header.endian().map_err(damaged)?;
    let sections = header.sections(endian, bytes).map_err(damaged)?;
    let (_, section) = sections.section_by_name(endian, b".BTF").ok_or(CodecError::NoSection)?;
    let range = section.file_range(endian).and_then(|(start, len)| {
        let (start, len) = (usize::try_from(start).ok()?, usize::try_from(len).ok()?);
        Some(start..start.checked_add(len).filter(|&end| end <= bytes.len())?)
    });
    range.ok_or_else(|| CodecError::Elf { what: "section .BTF is outside the file".to_owned() })
}

fn damaged(error: object::Error) -> CodecError {
    CodecError::Elf { what: error.to_string() }
}

#[cfg(test)]
mod tests {
    use object::write::Object;
    use object::{Architecture, BinaryFormat, Endianness as Order, SectionKind};

    use super::*;

    fn elf(name: &str, architecture: Architecture, order: Order) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, architecture, order);
        let section = object.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Debug);
        object.append_section_data(section, b"BTF", 1);
        object.write().unwrap()
    }

    #[test]
    fn finds_the_section() {
        let check = |bytes: &[u8], expect: &[u8]| assert_eq!(&bytes[btf_range(bytes).unwrap()], expect);
        check(&elf(".BTF", Architecture::X86_64, Order::Little), b"BTF");
        check(&elf(".BTF", Architecture::Arm, Order::Little), b"BTF");
        check(&elf(".BTF", Architecture::S390x, Order::Big), b"BTF");
        check(b"\x9f\xeb raw", b"\x9f\xeb raw");
        check(b"", b"");
    }

    #[test]
    fn refuses() {
        let check = |bytes: &[u8], expect: &str| {
            let error = btf_range(bytes).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        };
        check(&elf(".text", Architecture::X86_64, Order::Little), "no section .BTF");
        check(b"\x7fELF", "not a readable ELF file");
        check(&elf(".BTF", Architecture::X86_64, Order::Little)[..100], "not a readable ELF file");
    }

    #[test]
    fn damage_is_an_error_or_a_range_within() {
        let bytes = elf(".BTF", Architecture::X86_64, Order::Little);
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] = value;
                if let Ok(range) = btf_range(&bytes) {
                    assert!(bytes.get(range).is_some());
                }
            }
        }
    }
}
