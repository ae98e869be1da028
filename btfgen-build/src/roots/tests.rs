//! Tests: a fingerprint tells what is asked and nothing else.

use super::*;
use crate::btf::{Endian, Writer};

#[path = "../../tests/hostile/elf.rs"]
mod elf;

/// What each relocation asks: which of two alike structs, the access string, the kind.
type Asked = (u32, &'static str, u32);

fn object(asked: &[Asked], first_insn: u32) -> Object {
    let mut btf = Writer::new(Endian::Little);
    let int = btf.int(b"int", 4, 1, 0, 32).unwrap();
    let mut alike = || {
        let members = [(b"x".as_slice(), int, 0, 0), (b"y", int, 32, 0)];
        btf.composite(Kind::Struct, b"a", 8, members.into_iter()).unwrap()
    };
    let structs = [alike(), alike()];
    let section = btf.string(elf::SECTION.as_bytes());
    let mut records = Vec::new();
    for (at, &(root, access, kind)) in asked.iter().enumerate() {
        let access = btf.string(access.as_bytes());
        records.push([(first_insn + at as u32) * 8, structs[root as usize], access, kind]);
    }
    // The same access string at another place.
    let again = btf.string(b"-0:0") + 1;
    records
        .iter_mut()
        .filter(|record| record[3] == 100)
        .for_each(|record| (record[2], record[3]) = (again, 0));
    let ext = elf::ext(Endian::Little, &[], &[(section, records)]);
    Object::parse("made", &elf::object(Endian::Little, &btf.finish().unwrap(), &ext)).unwrap()
}

#[test]
fn a_fingerprint_is_of_what_is_asked_in_its_order() {
    let of = |asked: &[Asked], first| Roots::new(&[object(asked, first)]).unwrap().fingerprint();
    let base = of(&[(0, "0:0", 0), (0, "0:1", 0), (0, "0:0", 0)], 0);
    let equal = |asked: &[Asked], first| assert_eq!(of(asked, first), base, "{asked:?}");
    // Other code; another id of the same content; the same string elsewhere.
    equal(&[(0, "0:0", 0), (0, "0:1", 0), (0, "0:0", 0)], 3);
    equal(&[(1, "0:0", 0), (1, "0:1", 0), (1, "0:0", 0)], 0);
    equal(&[(0, "0:0", 0), (0, "0:1", 0), (0, "0:0", 100)], 0);
    let mut seen = vec![base];
    let mut differs = |asked: &[Asked]| {
        let fingerprint = of(asked, 0);
        assert!(!seen.contains(&fingerprint), "{asked:?}");
        seen.push(fingerprint);
    };
    // How often and in which order; which relocations share an id.
    differs(&[(0, "0:0", 0), (0, "0:1", 0)]);
    differs(&[(0, "0:0", 0), (0, "0:1", 0), (0, "0:1", 0)]);
    differs(&[(0, "0:0", 0), (0, "0:0", 0), (0, "0:1", 0)]);
    differs(&[(0, "0:0", 0), (0, "0:1", 0), (1, "0:0", 0)]);
    differs(&[(0, "0:0", 0), (1, "0:1", 0), (0, "0:0", 0)]);
    differs(&[(0, "0:0", 0), (0, "0:1", 2), (0, "0:0", 0)]);
    // A local id needs no kernel; a kind that is unknown fails.
    differs(&[(0, "0:0", 0), (0, "0", 6), (0, "0:0", 0)]);
    differs(&[(0, "0:0", 0), (0, "0:1", 99), (0, "0:0", 0)]);
}

#[test]
fn what_is_asked_again_has_one_place() {
    let object = object(&[(0, "0:0", 0), (0, "0:1", 0), (0, "0:0", 0), (0, "0:9", 0), (0, "0:9", 0)], 0);
    assert_eq!(object.asks().len(), 3);
    assert_eq!(object.asked(), [0, 1, 0, 2, 2]);
    let roots = Roots::new(&[object]).unwrap();
    assert_eq!(roots.places()[0].len(), 3);
    assert!(matches!(roots.places()[0][2], Place::Failure(LocalFailure::Index { .. })));
}
