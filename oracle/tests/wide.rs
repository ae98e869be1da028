//! The form of BTF that Linux 7.1 and pahole 1.31 write: a header of 32 bytes, a layout section, and kinds that this version
//! does not know. libbpf 1.7 does not read it, so the same BTF in the old form is the judge.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "common/kernels.rs"]
mod kernels;

use btfgen_core::KernelId;
use btfgen_core::btf::{Btf as Parsed, Kind};
use btfgen_core::hub::file::{HubBuilder, HubFile, KernelSource};
use btfgen_core::object::Object;
use btfgen_core::pipeline;
use btfgen_core::resolve::{Lookup, Roots};
use oracle::forge::{self, Form, Relocation};
use oracle::raw::{Btf, kind};
use oracle::testdata;

const FIELD_BYTE_OFFSET: u32 = 0;
const FIELD_EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const TYPE_SIZE: u32 = 9;
const TYPE_MATCHES: u32 = 12;

/// Kinds that are unknown: one with words once and for each element, and one whose number needs all 7 bits, without words.
const UNKNOWN: [u8; 2] = [20, 127];

/// Minimizes a kernel for objects; an error with all its sources as text.
fn minimize(objects: &[&[u8]], target: &[u8]) -> Result<Vec<u8>, String> {
    let objects: Vec<Object> =
        objects.iter().map(|object| Object::parse("fixture", object).expect("an object")).collect();
    pipeline::minimize(&objects, target).map_err(|error| {
        let sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        sources.map(|error| format!("{error}: ")).collect()
    })
}

/// Adds the unknown kinds to a BTF's layout section.
fn with_layout(mut btf: Btf) -> Btf {
    btf.widen();
    btf.add_kind(UNKNOWN[0], 4, 8);
    btf.add_kind(UNKNOWN[1], 0, 0);
    btf
}

/// The same types in the wide form, with types of unknown kinds before, between and behind them.
fn widened(old: &[u8], big_endian: bool) -> Vec<u8> {
    let mut btf = with_layout(Btf::parse(old).expect("a kernel's BTF"));
    let known = btf.len();
    for name in ["task_struct", "", "long"] {
        btf.of_kind(UNKNOWN[0], name, 2, &[9, 1, 2, 3, 4]);
        btf.of_kind(UNKNOWN[1], name, 0xff_ffff, &[]);
    }
    let (middle, pair) = (known / 2, |number: usize| known + 2 * number..known + 2 * number + 2);
    let order = pair(0).chain(0..middle).chain(pair(1)).chain(middle..known).chain(pair(2));
    let order: Vec<usize> = order.collect();
    btf.reordered(&order).to_bytes(big_endian)
}

/// Compares a kernel with itself in the wide form: the hub file's types, and the minimized BTFs of all objects.
fn check(byte_order: &str, old: &[u8], context: &str) {
    let wide = widened(old, byte_order == "eb");
    let (before, after) = (Parsed::parse(old).unwrap(), Parsed::parse(&wide).unwrap());
    assert_eq!(after.type_count(), before.type_count() + 6, "{context}");
    assert_eq!(after.types().filter(|ty| matches!(ty.kind, Kind::Unknown(_))).count(), 6, "{context}");
    assert_eq!(after.named_types().count(), before.named_types().count(), "{context}");
    assert_eq!(after.data_model(), before.data_model(), "{context}");

    let ids = ["old", "wide"].map(|name| KernelId::new("debian", "13", "x86_64", name).unwrap());
    let mut builder = HubBuilder::new();
    builder.add_btf(&KernelSource::new(&ids[0], "", old)).unwrap();
    let distinct =
        |builder: &HubBuilder| HubFile::open(builder.finish(1).unwrap()).unwrap().stat().unwrap().distinct;
    let alone = distinct(&builder);
    builder.add_btf(&KernelSource::new(&ids[1], "", &wide)).unwrap();
    assert_eq!(distinct(&builder), alone, "{context}");
    let hub = HubFile::open(builder.finish(1).unwrap()).unwrap();
    assert!(hub.extract(&ids[0]).unwrap() == hub.extract(&ids[1]).unwrap(), "{context}");

    let objects = testdata::objects(byte_order);
    for object in &objects {
        let object_bytes = [&object.bytes[..]];
        let (narrow, wide) = (minimize(&object_bytes, old), minimize(&object_bytes, &wide));
        assert!(narrow.is_ok() && narrow == wide, "{context}, {}", object.name);
    }
    let all: Vec<&[u8]> = objects.iter().map(|object| &object.bytes[..]).collect();
    assert!(minimize(&all, old) == minimize(&all, &wide), "{context}, all objects");
}

#[test]
fn the_same_kernel_in_the_wide_form() {
    for byte_order in ["el", "eb"] {
        check(byte_order, &testdata::target(byte_order, "traps"), &format!("{byte_order}/traps"));
    }
    for kernel in kernels::kernels() {
        let byte_order = if kernel.btf.starts_with(&[0x9f]) { "el" } else { "eb" };
        check(byte_order, &kernel.btf, &kernel.id);
    }
}

/// The types of a program: what it reads is there in every kernel.
fn local() -> (Btf, [u32; 3]) {
    let mut btf = Btf::default();
    let int = btf.int("int", 4, true);
    let pointer = btf.reference(kind::PTR, "", int);
    let array = btf.array(int, int, 2);
    let members = [("x", int, 0), ("y", int, 32), ("p", pointer, 64), ("a", array, 128), ("z", int, 192)];
    let root = btf.composite(false, "s", 28, &members);
    let named = btf.reference(kind::TYPEDEF, "t", int);
    let pointer = btf.reference(kind::TYPEDEF, "u", pointer);
    (btf, [root, named, pointer])
}

/// A kernel in which the members `y` and `a`, the typedef `t` and the target of `p` and of the typedef `u` are of an unknown
/// kind.
fn target() -> Btf {
    let mut btf = with_layout(Btf::default());
    let int = btf.int("int", 4, true);
    btf.int("long", 8, true);
    let unknown = btf.of_kind(UNKNOWN[1], "news", 0, &[]);
    let constant = btf.reference(kind::CONST, "", unknown);
    let pointer = btf.reference(kind::PTR, "", constant);
    let array = btf.array(unknown, int, 2);
    let embedded = btf.composite(false, "", 4, &[("z", int, 0)]);
    let members =
        [("x", int, 0), ("y", constant, 32), ("p", pointer, 64), ("a", array, 128), ("", embedded, 192)];
    btf.composite(false, "s", 28, &members);
    btf.reference(kind::TYPEDEF, "t", unknown);
    btf.reference(kind::TYPEDEF, "u", pointer);
    btf
}

/// Minimizes a kernel for one relocation.
fn minimize_for(
    local: &Btf,
    root: u32,
    access: &str,
    kind: u32,
    target: &[u8],
    big: bool,
) -> Result<Vec<u8>, String> {
    let relocation = Relocation { root, access: access.to_owned(), kind, form: Form::Immediate(1) };
    minimize(&[&forge::object(local, &[vec![relocation]], big)], target)
}

#[test]
fn results_that_depend_on_an_unknown_kind_are_errors() {
    let (local, [s, t, u]) = local();
    for big in [false, true] {
        let target = target().to_bytes(big);
        let check = |root, access: &str, kind, depends: bool| {
            let result = minimize_for(&local, root, access, kind, &target, big);
            let context = format!("type {root}, access {access}, kind {kind}: {result:?}");
            match result {
                Ok(minimized) => {
                    assert!(!depends, "{context}");
                    let btf = Parsed::parse(&minimized).unwrap();
                    assert!(btf.types().all(|ty| !matches!(ty.kind, Kind::Unknown(_))), "{context}");
                    assert_eq!(minimized[if big { 7 } else { 4 }], 24, "{context}");
                }
                Err(error) => assert!(depends && error.contains("of kind 127"), "{context}"),
            }
        };
        // Members before, behind and next to those of the unknown kind.
        check(s, "0:0", FIELD_BYTE_OFFSET, false);
        check(s, "0:4", FIELD_BYTE_OFFSET, false);
        check(s, "0", TYPE_EXISTS, false);
        check(s, "0", TYPE_SIZE, false);
        // A field access does not follow a pointer.
        check(s, "0:2", FIELD_BYTE_OFFSET, false);
        check(s, "0:1", FIELD_BYTE_OFFSET, true);
        check(s, "0:1", FIELD_EXISTS, true);
        check(s, "0:3", FIELD_BYTE_OFFSET, true);
        check(s, "0:3:1", FIELD_BYTE_OFFSET, true);
        check(s, "0", TYPE_MATCHES, true);
        for kind in [TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES] {
            check(t, "0", kind, true);
        }
        check(u, "0", TYPE_EXISTS, true);
        check(u, "0", TYPE_MATCHES, true);
    }
}

#[test]
fn a_member_without_a_name_may_be_of_an_unknown_kind() {
    let (local, [s, ..]) = local();
    let mut btf = with_layout(Btf::default());
    let int = btf.int("int", 4, true);
    let unknown = btf.of_kind(UNKNOWN[0], "", 0, &[0]);
    btf.composite(false, "s", 12, &[("x", int, 0), ("", unknown, 32), ("z", int, 64)]);
    let target = btf.to_bytes(false);
    let read = |access: &str| minimize_for(&local, s, access, FIELD_BYTE_OFFSET, &target, false);
    read("0:0").unwrap();
    assert!(read("0:4").unwrap_err().contains("of kind 20"));
}

/// Members that are only counted keep no unknown kind.
#[test]
fn members_that_fill_up_may_be_of_an_unknown_kind() {
    let mut local = Btf::default();
    let int = local.int("int", 4, true);
    let root = local.composite(false, "s", 8, &[("x", int, 0), ("x", int, 32)]);
    let mut target = with_layout(Btf::default());
    let int = target.int("int", 4, true);
    let unknown = target.of_kind(UNKNOWN[1], "", 0, &[]);
    target.composite(false, "s", 12, &[("y", unknown, 0), ("x", int, 32), ("z", unknown, 64)]);
    minimize_for(&local, root, "0", TYPE_MATCHES, &target.to_bytes(false), false).unwrap();
}

/// An object's own types may be of kinds that are unknown here.
#[test]
fn an_unknown_kind_in_the_object() {
    let mut local = with_layout(Btf::default());
    let unknown = local.of_kind(UNKNOWN[1], "s", 0, &[]);
    let relocation = |kind| Relocation { root: unknown, access: "0".into(), kind, form: Form::Immediate(1) };
    let object = forge::object(&local, &[vec![relocation(TYPE_EXISTS), relocation(TYPE_SIZE)]], false);
    let object = Object::parse("forged", &object).unwrap();
    let roots = Roots::new(&[object]).unwrap();
    for lookup in &roots.lookups()[0] {
        let Lookup::Failure(failure) = lookup else { panic!("{lookup:?}") };
        assert!(failure.to_string().contains("of kind 127"), "{failure}");
    }
}
