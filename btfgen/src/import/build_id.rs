//! Build id: the kernel's own among the GNU build ids in an image.

use memchr::memmem;
use object::read::ReadRef;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{Endianness, FileKind, Object, ObjectSection, SectionKind, elf};

use btfgen_core::btf::Endian;
use btfgen_runtime::BuildId;

/// Most GNU notes and most ELF files in a memory image; real ones have about five.
const MAX_FOUND: usize = 1024;

/// The build id in the note sections of an ELF file, such as `.notes` of a `vmlinux`.
pub(super) fn of_elf<'a, R: ReadRef<'a>>(file: &object::File<'a, R>) -> Option<BuildId> {
    let notes = file.sections().filter(|section| section.kind() == SectionKind::Note);
    let big_endian = file.endianness() == Endianness::Big;
    only(notes.filter_map(|section| BuildId::from_notes(section.data().ok()?, big_endian)))
}

/// The build id in a kernel's memory image, which has no sections.
///
/// It is in the GNU note outside every ELF file in the image: vDSOs and helper programs have build ids of their own.
pub(super) fn of_memory_image(image: &[u8], endian: Endian) -> Option<BuildId> {
    let words: [u32; 3] = [4, BuildId::LEN as u32, elf::NT_GNU_BUILD_ID.0];
    let head: Vec<u8> = words.into_iter().flat_map(|word| endian.bytes32(word)).chain(*b"GNU\0").collect();
    let notes: Vec<usize> = memmem::find_iter(image, &head).take(MAX_FOUND + 1).collect();
    let files: Vec<usize> = memmem::find_iter(image, &elf::ELFMAG).take(MAX_FOUND + 1).collect();
    if notes.len() > MAX_FOUND || files.len() > MAX_FOUND {
        return None;
    }
    let files: Vec<_> =
        files.into_iter().filter_map(|at| Some(at..at + elf_len(image.get(at..)?)?)).collect();
    let own = notes.into_iter().filter(|note| !files.iter().any(|file| file.contains(note)));
    only(own.filter_map(|note| Some(BuildId::from_bytes(*image.get(note + head.len()..)?.first_chunk()?))))
}

/// The build id, if there are not several.
fn only(mut ids: impl Iterator<Item = BuildId>) -> Option<BuildId> {
    let first = ids.next()?;
    ids.all(|id| id == first).then_some(first)
}

/// Length in bytes of the ELF file that `data` starts with; `None` if it starts with no whole one.
fn elf_len(data: &[u8]) -> Option<usize> {
    let end = match FileKind::parse(data).ok()? {
        FileKind::Elf64 => end_of_elf::<elf::FileHeader64<Endianness>>(data),
        FileKind::Elf32 => end_of_elf::<elf::FileHeader32<Endianness>>(data),
        _ => None,
    };
    usize::try_from(end?).ok().filter(|&end| end <= data.len())
}

/// The end of whatever comes last in an ELF file: a segment, a section, or the table of either.
fn end_of_elf<H: FileHeader<Endian = Endianness>>(data: &[u8]) -> Option<u64> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let sections = header.section_headers(endian, data).ok()?;
    let table = |start: u64, entries: usize, entry_len: u16| {
        start.checked_add(u64::from(entry_len).checked_mul(entries as u64)?)
    };
    let tables = [
        table(header.e_phoff(endian).into(), segments.len(), header.e_phentsize(endian)),
        table(header.e_shoff(endian).into(), sections.len(), header.e_shentsize(endian)),
    ];
    let ranges = segments.iter().map(|segment| segment.file_range(endian));
    let ranges = ranges.chain(sections.iter().filter_map(|section| section.file_range(endian)));
    let mut ends = tables.into_iter().chain(ranges.map(|(start, len)| start.checked_add(len)));
    ends.try_fold(0, |end, next| Some(end.max(next?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::testing::{build_id_note, elf, filler};

    const ORDERS: [Endian; 2] = [Endian::Little, Endian::Big];

    fn id(byte: u8) -> BuildId {
        BuildId::from_bytes([byte; BuildId::LEN])
    }

    #[test]
    fn an_elf_file_has_it_in_its_note_sections() {
        for order in ORDERS {
            let check = |sections: &[(&str, &[u8])], expect: Option<BuildId>| {
                let bytes = elf(order, sections);
                let file = object::File::parse(bytes.as_slice()).unwrap();
                assert_eq!(of_elf(&file), expect);
            };
            let note = |id| build_id_note(order, id);
            let linux: Vec<u8> = [6, 4, 0x101]
                .into_iter()
                .flat_map(|word| order.bytes32(word))
                .chain(*b"Linux\0\0\0\0\0\0\0")
                .collect();
            check(&[(".text", &note(1))], None);
            check(&[(".notes", &note(1))], Some(id(1)));
            check(&[(".notes", &[&linux[..], &note(1)].concat()), (".rodata", &note(2))], Some(id(1)));
            check(&[(".note.Linux", &linux), (".note.gnu.build-id", &note(1))], Some(id(1)));
            check(&[(".notes", &note(1)), (".note.gnu.build-id", &note(1))], Some(id(1)));
            check(&[(".notes", &note(1)), (".note.gnu.build-id", &note(2))], None);
            check(&[(".notes", &note(1)[..30])], None);
        }
    }

    #[test]
    fn a_memory_image_has_it_outside_the_programs_in_it() {
        for order in ORDERS {
            let note = |id| build_id_note(order, id);
            let program =
                |id| elf(order, &[(".text", &filler(333)), (".note", &note(id)), (".data", b"end")]);
            // Code that looks for ELF files has the magic too.
            let magic = b"\x7fELF\0".to_vec();
            let check = |parts: &[Vec<u8>], expect: Option<BuildId>| {
                let image: Vec<u8> =
                    parts.iter().flat_map(|part| [filler(101), part.clone()].concat()).collect();
                assert_eq!(of_memory_image(&image, order), expect);
            };
            check(&[], None);
            check(&[note(1)], Some(id(1)));
            check(&[magic.clone(), program(2), note(1), program(3), magic.clone()], Some(id(1)));
            check(&[program(1), program(1), note(1)], Some(id(1)));
            check(&[program(2), magic], None);
            check(&[note(1), program(3), note(2)], None);
            check(&[note(1)[..35].to_vec()], None);
            check(&vec![note(1); MAX_FOUND + 1], None);
            // A program that does not end within the image hides nothing.
            check(&[note(1), program(2)[..600].to_vec()], None);
        }
        assert_eq!(of_memory_image(&build_id_note(Endian::Big, 1), Endian::Little), None);
    }

    #[test]
    fn damaged_programs_end_within_the_image_or_nowhere() {
        let program = elf(Endian::Little, &[(".note", &build_id_note(Endian::Little, 1))]);
        assert_eq!(elf_len(&program), Some(program.len()));
        for at in 0..program.len() {
            for value in [0, 0x7f, 0xff] {
                let mut program = program.clone();
                program[at] = value;
                assert!(elf_len(&program).is_none_or(|len| len <= program.len()));
            }
        }
    }
}
