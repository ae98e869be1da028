//! Relocations as read from an object: section, number, program, query and line.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use btfgen_core::btf::{Endian, Kind, Member, Writer};
use btfgen_core::object::{Object, ObjectError, RelocationKind};

#[path = "common/elf.rs"]
mod elf;

/// A relocation or line record: four words.
type Record = [u32; 4];

struct Made {
    endian: Endian,
    btf: Writer,
    root: u32,
    section: u32,
}

impl Made {
    fn new(endian: Endian) -> Self {
        let mut btf = Writer::new(endian);
        let int = btf.int(b"int", 4, 1, 0, 32).unwrap();
        let root =
            btf.composite(Kind::Struct, b"a", 4, [Member::new(b"x".as_slice(), int, 0)].into_iter()).unwrap();
        let section = btf.string(elf::SECTION.as_bytes());
        Self { endian, btf, root: root.0, section: section.0 }
    }

    fn string(&mut self, text: &str) -> u32 {
        self.btf.string(text.as_bytes()).0
    }

    fn parse(self, lines: &[(u32, Vec<Record>)], relocations: &[(u32, Vec<Record>)]) -> Object {
        let ext = elf::ext(self.endian, lines, relocations);
        Object::parse("made", &elf::object(self.endian, &self.btf.finish().unwrap(), &ext)).unwrap()
    }
}

#[test]
fn relocations_have_section_number_and_program() {
    for endian in [Endian::Little, Endian::Big] {
        let mut made = Made::new(endian);
        let (access, other) = (made.string("0:0"), made.string("elsewhere"));
        let (root, section) = (made.root, made.section);
        let own = vec![[8, root, access, 0], [16, root, access, 99], [1 << 20, root, access, 0]];
        let object = made.parse(&[], &[(other, vec![[8, root, access, 2]]), (section, own)]);
        let relocations = object.relocations().iter();
        let found: Vec<_> = relocations
            .map(|it| (object.section_of(it), it.number, it.insn_offset, object.program_or_section(it)))
            .collect();
        let expect = |section, number, insn, program: &str| (section, number, insn, program.to_owned());
        assert_eq!(
            found,
            [
                expect("elsewhere", 0, 8, "section elsewhere"),
                expect("tp/x", 0, 8, "program"),
                expect("tp/x", 1, 16, "program"),
                expect("tp/x", 2, 1 << 20, "section tp/x"),
            ]
        );
        let kinds: Vec<_> = object.relocations().iter().map(|it| it.kind).collect();
        let offset = Ok(RelocationKind::FieldByteOffset);
        assert_eq!(kinds, [Ok(RelocationKind::FieldExists), offset, Err(99), offset]);
        assert!(object.relocations().iter().all(|it| it.type_id.0 == root && &*it.access == "0:0"));
    }
}

#[test]
fn a_line_is_the_last_before_the_instruction() {
    for endian in [Endian::Little, Endian::Big] {
        let mut made = Made::new(endian);
        let (access, file) = (made.string("0:0"), made.string("a.c"));
        let (first, second) = (made.string("\tint b = a->x;"), made.string("return b;"));
        let (root, section) = (made.root, made.section);
        // In two groups and unsorted, which no compiler writes.
        let lines = [
            (section, vec![[32, file, second, 9 << 10 | 3]]),
            (
                section,
                vec![[8, file, first, 7 << 10], [64, file, 1 << 20, 8 << 10], [72, file, file + 1, 8 << 10]],
            ),
        ];
        let relocations = [0, 8, 24, 32, 56, 64, 72].map(|at| [at, root, access, 0]);
        let object = made.parse(&lines, &[(section, relocations.to_vec())]);
        let relocations = object.relocations().iter();
        let found: Vec<_> =
            relocations.map(|it| object.line_of(it).map(|line| format!("{line} {}", line.text))).collect();
        let (first, second) = (Some("a.c:7 int b = a->x;"), Some("a.c:9 return b;"));
        // The last two: a text out of range, and one that begins within another.
        let expect = [None, first, first, second, second, None, None];
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expect);
    }
}

#[test]
fn truncated_line_info_is_an_error() {
    let mut made = Made::new(Endian::Little);
    let (access, root, section) = (made.string("0:0"), made.root, made.section);
    let btf = made.btf.finish().unwrap();
    let whole =
        elf::ext(Endian::Little, &[(section, vec![[0; 4]])], &[(section, vec![[8, root, access, 0]])]);
    let parse = |ext: &[u8]| Object::parse("made", &elf::object(Endian::Little, &btf, ext));
    assert!(parse(&whole).is_ok());
    // The line info comes first: its record length, then section and count, then the record.
    let at = 32;
    assert_eq!(whole[at..at + 4], 16u32.to_le_bytes());
    for (at, word) in [(at, 12u32), (at, 18), (at + 8, 2), (at + 8, u32::MAX)] {
        let mut damaged = whole.clone();
        damaged[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let error = parse(&damaged).unwrap_err();
        assert!(matches!(&error, ObjectError::BtfExt(text) if text.contains("line info")), "{error}");
    }
}
