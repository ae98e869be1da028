//! Tests of reading and writing: the wide form of Linux 7.1, damage to it, and the limits of the written form.

use super::testing::{record, sizes_of, wide};
use super::*;

const ORDERS: [Endian; 2] = [Endian::Little, Endian::Big];
const INT: u8 = 1;
const STRUCT: u8 = 4;
const FWD: u8 = 7;
/// An unknown kind that needs 7 bits.
const NEW: u8 = 100;

/// Strings: `int` at 1, `s` at 5.
const STRINGS: &[u8] = b"\0int\0s\0";

fn int() -> Vec<u32> {
    record(1, INT, 0, 4, &[0x0100_0020])
}

#[test]
fn unknown_kinds_are_skipped_by_the_layout_section() {
    for endian in ORDERS {
        let new = record(5, NEW, 3, 0, &[7; 1 + 3 * 2]);
        let empty = record(0, NEW - 1, 0xff_ffff, 0, &[]);
        let last = record(5, FWD, 0xff_ffff, 0, &[]);
        let bytes = wide(endian, &[int(), new, empty, last], &sizes_of(NEW, 4, 8), STRINGS);
        let btf = Btf::parse(&bytes).unwrap();
        let kinds: Vec<Kind> = btf.types().map(|ty| ty.kind).collect();
        assert_eq!(kinds, [Kind::Int, Kind::Unknown(NEW), Kind::Unknown(NEW - 1), Kind::Fwd]);
        assert_eq!(btf.named_types().map(|ty| ty.id.0).collect::<Vec<_>>(), [1, 4]);
        let new = btf.type_by_id(TypeId(2)).unwrap();
        assert_eq!((new.vlen, new.words().count()), (3, 7));
        assert_eq!(btf.type_by_id(TypeId(3)).unwrap().vlen, 0xff_ffff);
    }
}

#[test]
fn vlen_has_24_bits() {
    const MEMBERS: u32 = 0x1_0005;
    for endian in ORDERS {
        let members: Vec<u32> = (0..MEMBERS).flat_map(|at| [5, 1, at * 32]).collect();
        let records = [int(), record(5, STRUCT, MEMBERS, 4 * MEMBERS, &members)];
        for sizes in [vec![], sizes_of(NEW, 0, 0)] {
            let bytes = wide(endian, &records, &sizes, STRINGS);
            let btf = Btf::parse(&bytes).unwrap();
            let ty = btf.type_by_id(TypeId(2)).unwrap();
            assert_eq!((ty.vlen, ty.members().count()), (MEMBERS, MEMBERS as usize));
            assert_eq!(ty.members().last().unwrap().bit_offset, (MEMBERS - 1) * 32);
        }
    }
}

#[test]
fn damage_to_the_layout_section_is_an_error() {
    let unknown = |vlen| record(5, NEW, vlen, 0, &[]);
    let check = |sizes: &[[u8; 2]], vlen: u32, words: &[(usize, u32)], expect: Option<&str>| {
        for endian in ORDERS {
            let mut bytes = wide(endian, &[int(), unknown(vlen)], sizes, STRINGS);
            for &(at, word) in words {
                bytes[at..at + 4].copy_from_slice(&endian.bytes32(word));
            }
            let found = Btf::parse(&bytes).err().map(|error| error.to_string());
            match (&found, expect) {
                (None, None) => {}
                (Some(found), Some(expect)) => assert!(found.contains(expect), "{found}"),
                _ => panic!("{found:?} and not {expect:?}"),
            }
        }
    };
    const LAYOUT_OFF: usize = 24;
    const LAYOUT_LEN: usize = 28;
    let (types, layout) = (16 + 12, (u32::from(NEW) + 1) * 4);
    let sound = sizes_of(NEW, 0, 0);
    let no_size = "type [2] has the unknown kind 100, and no layout section tells its size";
    check(&sound, 0, &[], None);
    check(&sound, 0xff_ffff, &[], None);
    check(&[], 0, &[], Some(no_size));
    check(&sizes_of(NEW - 1, 0, 0), 0, &[], Some(no_size));
    check(&sound, 0, &[(LAYOUT_LEN, 0), (LAYOUT_OFF, 3)], Some(no_size));
    check(&sound, 0, &[(LAYOUT_OFF, types + 1)], Some("its offset is not a multiple of 4"));
    check(&sound, 0, &[(LAYOUT_LEN, layout - 1)], Some("its length is not a multiple of 4"));
    let misplaced = Some("it is not between the types and the strings");
    check(&sound, 0, &[(LAYOUT_OFF, 0)], misplaced);
    check(&sound, 0, &[(LAYOUT_OFF, types + 4)], misplaced);
    check(&sound, 0, &[(LAYOUT_OFF, u32::MAX - 3)], misplaced);
    check(&sound, 0, &[(LAYOUT_LEN, u32::MAX - 3)], misplaced);
    check(&sizes_of(NEW, 2, 0), 0, &[], Some("in the layout section, 2 and 0, are not multiples of 4"));
    check(&sizes_of(NEW, 0, 255), 0, &[], Some("in the layout section, 0 and 255, are not multiples of 4"));
    check(&sizes_of(NEW, 0, 252), 0xff_ffff, &[], Some("truncated BTF"));
    check(&sizes_of(NEW, 4, 0), 0, &[], Some("truncated BTF"));
}

#[test]
fn a_header_of_less_than_32_bytes_has_no_layout_section() {
    for endian in ORDERS {
        let sizes = sizes_of(NEW, 0, 0);
        let mut bytes = wide(endian, &[int(), record(5, NEW, 0, 0, &[])], &sizes, STRINGS);
        bytes.drain(28..32);
        bytes[4..8].copy_from_slice(&endian.bytes32(28));
        let expect = BtfError::UnknownKind { id: TypeId(2), kind: NEW };
        assert_eq!(Btf::parse(&bytes).err(), Some(expect));
    }
}

#[test]
fn a_split_btf_uses_the_layout_section_of_its_base() {
    let unknown = record(5, NEW, 1, 0, &[7, 7]);
    let module = |sizes: &[[u8; 2]]| wide(Endian::Little, &[unknown.clone(), int()], sizes, b"");
    let base = |sizes: &[[u8; 2]]| wide(Endian::Little, &[int()], sizes, STRINGS);
    let check = |base: &[u8], module: &[u8], expect: bool| {
        let base = Btf::parse(base).unwrap();
        let split = Btf::parse_split(module, &base);
        assert_eq!(split.is_ok(), expect, "{split:?}");
        if let Ok(split) = split {
            assert_eq!(split.types().map(|ty| ty.id.0).collect::<Vec<_>>(), [2, 3]);
        }
    };
    check(&base(&sizes_of(NEW, 4, 4)), &module(&[]), true);
    check(&base(&[]), &module(&sizes_of(NEW, 4, 4)), true);
    check(&base(&[]), &module(&[]), false);
    // Its own section counts, even if it lacks the kind.
    check(&base(&sizes_of(NEW, 4, 4)), &module(&sizes_of(NEW - 1, 0, 0)), false);
}

#[test]
fn kinds_have_their_numbers() {
    for number in 0..=0x7f {
        let kind = Kind::from_number(number);
        assert_eq!(kind.number(), number);
        assert_eq!(matches!(kind, Kind::Unknown(_)), !(1..=19).contains(&number), "{kind}");
    }
    assert_eq!(Kind::Void.number(), 0);
    assert_eq!(Kind::Unknown(42).to_string(), "42");
}

#[test]
fn written_types_stay_within_the_old_limits() {
    let mut writer = Writer::new(Endian::Little);
    let mut add = |count| {
        let members = (0..count).map(|at| Member::new(b"m".as_slice(), TypeId::VOID, at * 32));
        writer.composite(Kind::Struct, b"large", 0, members.collect::<Vec<_>>().into_iter())
    };
    assert!(add(0xffff).is_ok());
    let error = add(0x1_0000).unwrap_err().to_string();
    assert_eq!(error, "type large has 65536 members; a BTF for all loaders can have 65535 in a type");
}
