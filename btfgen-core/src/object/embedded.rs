//! Embedded objects: those in a program's section `.bpf.objs`, where libbpf-cargo's skeletons keep them.

use memchr::memmem;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader};
use object::{Endianness, FileKind};

/// The section.
const SECTION: &[u8] = b".bpf.objs";

/// The objects in a file; the file itself if it is none of a program with that section.
///
/// The linker puts the skeletons' objects one after another. An object's length is that of its sections and section headers.
pub(super) fn objects(file: &[u8]) -> Vec<&[u8]> {
    let Some(mut rest) = section(file).filter(|section| !section.is_empty()) else { return vec![file] };
    let mut objects = Vec::new();
    while let Some(start) = memmem::find(rest, &elf::ELFMAG) {
        rest = &rest[start..];
        // What is malformed is reported when it is parsed.
        let (object, next) = rest.split_at(length(rest).unwrap_or(rest.len()).min(rest.len()));
        objects.push(object);
        rest = next;
    }
    objects
}

/// The contents of the section.
fn section(file: &[u8]) -> Option<&[u8]> {
    fn find<H: FileHeader<Endian = Endianness>>(file: &[u8]) -> Option<&[u8]> {
        let header = H::parse(file).ok()?;
        let endian = header.endian().ok()?;
        let (_, section) = header.sections(endian, file).ok()?.section_by_name(endian, SECTION)?;
        section.data(endian, file).ok()
    }
    match FileKind::parse(file).ok()? {
        FileKind::Elf64 => find::<elf::FileHeader64<Endianness>>(file),
        FileKind::Elf32 => find::<elf::FileHeader32<Endianness>>(file),
        _ => None,
    }
}

/// The length of the object that begins here, at least that of its header; eBPF objects are 64-bit files.
fn length(bytes: &[u8]) -> Option<usize> {
    type Header = elf::FileHeader64<Endianness>;
    let header = Header::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    // So the time is proportional to the length, whatever the headers say.
    let headers = sections.len() as u64 * u64::from(header.e_shentsize(endian));
    let mut end = header.e_shoff(endian).checked_add(headers)?.max(size_of::<Header>() as u64);
    for section in sections.iter() {
        let (start, size) = section.file_range(endian).unwrap_or_default();
        end = end.max(start.checked_add(size)?);
    }
    usize::try_from(end).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixture(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/objects");
        std::fs::read(format!("{folder}/{name}.o")).unwrap()
    }

    /// A program with a section `.bpf.objs`.
    fn program(contents: &[u8]) -> Vec<u8> {
        let mut program = object::write::Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        let section = program.add_section(Vec::new(), SECTION.to_vec(), object::SectionKind::Data);
        program.append_section_data(section, contents, 1);
        program.write().unwrap()
    }

    #[test]
    fn finds_the_objects_of_a_program() {
        let (one, two) = (fixture("el/opensnoop"), fixture("eb/tcpconnect"));
        let check = |contents: &[&[u8]], expect: &[&[u8]]| {
            assert_eq!(objects(&program(&contents.concat())), expect);
        };
        check(&[&one], &[&one]);
        check(&[&one, &two], &[&one, &two]);
        check(&[&one, &[0; 12], &two, &[0; 4]], &[&one, &two]);
        check(&[&one, &two[..200]], &[&one, &two[..200]]);
        check(&[b"none here"], &[]);
        // A header that has no sections.
        let mut header = one[..64].to_vec();
        header[40..48].fill(0);
        header[58..64].fill(0);
        check(&[&header, &header, &one], &[&header, &header, &one]);
    }

    #[test]
    fn another_file_is_taken_for_an_object() {
        for file in [&fixture("el/opensnoop")[..], b"", b"\x7fELF", &program(b"")] {
            assert_eq!(objects(file), [file]);
        }
    }
}
