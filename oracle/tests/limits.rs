//! libbpf's limits on how deep types and accesses may nest, tested on both sides of each limit.

mod common;
#[path = "common/ours.rs"]
mod ours;

use btfgen_core::object::Object;
use btfgen_core::resolve::{Lookup, Roots};
use common::{differences, for_each_selection, minimize};
use oracle::elf::ObjectFile;
use oracle::forge::{self, Form, Relocation};
use oracle::libbpf::{Judge, Outcome};
use oracle::raw::{Btf, kind};
use ours::Ours;

const FIELD_EXISTS: u32 = 2;
const TYPE_EXISTS: u32 = 8;
const TYPE_MATCHES: u32 = 12;

/// Checks one relocation against a target with the same types; returns whether libbpf resolves it.
fn resolves(btf: &Btf, root: u32, access: &str, kind: u32, depth: usize) -> bool {
    let relocation = Relocation { root, access: access.to_owned(), kind, form: Form::Immediate(1) };
    let object = forge::object(btf, &[vec![relocation]], false);
    let file = ObjectFile::parse(&object).expect("a forged object");
    let target = btf.to_bytes(false);
    let mut judge = Judge::new(&file, &target).expect("libbpf reads the types");
    let ours = Ours::new(&object, &target);
    for_each_selection(&file, |selection| {
        let lines = ours.differences(&file, selection, &judge.relocations(selection));
        assert!(lines.is_empty(), "kind {kind}, depth {depth}: {}", lines.join("\n"));
    });
    // btfgen refuses arrays of 32 dimensions in the object itself, whatever the kernel, and keeps nothing for them.
    if refused(&object) {
        return false;
    }
    let minimized =
        minimize(&object, &target).unwrap_or_else(|error| panic!("kind {kind}, depth {depth}: {error}"));
    let (lines, _) = differences(&file, &target, &minimized);
    assert!(lines.is_empty(), "kind {kind}, depth {depth}, minimized: {}", lines.join("\n"));
    matches!(judge.isolated().relocations[0].outcome, Outcome::Resolved(value) if value.new == 1)
}

/// Whether btfgen finds that the relocation fails in the object itself.
fn refused(object: &[u8]) -> bool {
    let object = Object::parse("forged", object).expect("a forged object");
    let roots = Roots::new(&[object]).expect("its types are well-formed");
    roots.lookups().iter().flatten().all(|lookup| matches!(lookup, Lookup::Failure(_)))
}

/// Builds types of growing depth: libbpf must fail at one of the depths, and btfgen at the same.
fn check_limit(kind: u32, depths: std::ops::Range<usize>, build: impl Fn(&mut Btf, usize) -> (u32, String)) {
    let mut resolved = Vec::new();
    for depth in depths {
        let mut btf = Btf::default();
        btf.int("long", 8, true);
        let (root, access) = build(&mut btf, depth);
        resolved.push(resolves(&btf, root, &access, kind, depth));
    }
    assert!(resolved[0] && !resolved[resolved.len() - 1], "kind {kind}: no limit among {resolved:?}");
}

fn chain(btf: &mut Btf, depth: usize, link: impl Fn(&mut Btf, u32) -> u32) -> (u32, String) {
    let int = btf.int("int", 4, true);
    let end = (0..depth).fold(int, |ty, _| link(btf, ty));
    (btf.reference(kind::TYPEDEF, "deep_t", end), "0".to_owned())
}

#[test]
fn pointers() {
    for kind in [TYPE_EXISTS, TYPE_MATCHES] {
        check_limit(kind, 28..36, |btf, depth| chain(btf, depth, |btf, ty| btf.reference(kind::PTR, "", ty)));
    }
}

#[test]
fn arrays() {
    for kind in [TYPE_EXISTS, TYPE_MATCHES] {
        check_limit(kind, 28..36, |btf, depth| chain(btf, depth, |btf, ty| btf.array(ty, 2, 1)));
    }
}

#[test]
fn results_of_functions() {
    for kind in [TYPE_EXISTS, TYPE_MATCHES] {
        check_limit(kind, 28..36, |btf, depth| chain(btf, depth, |btf, ty| btf.prototype(ty, &[])));
    }
}

#[test]
fn parameters_of_functions() {
    for kind in [TYPE_EXISTS, TYPE_MATCHES] {
        check_limit(kind, 28..36, |btf, depth| chain(btf, depth, |btf, ty| btf.prototype(0, &[("p", ty)])));
    }
}

#[test]
fn members_that_are_matched() {
    check_limit(TYPE_MATCHES, 28..36, |btf, depth| {
        chain(btf, depth, |btf, ty| btf.composite(false, "s", 4, &[("m", ty, 0)]))
    });
}

/// A field below unnamed structs: each one is a level of the access.
#[test]
fn levels_of_an_access() {
    check_limit(FIELD_EXISTS, 58..68, |btf, depth| {
        let int = btf.int("int", 4, true);
        let innermost = btf.composite(false, "", 4, &[("field", int, 0)]);
        let end = (2..depth).fold(innermost, |ty, _| btf.composite(false, "", 4, &[("", ty, 0)]));
        let root = btf.composite(false, "deep", 4, &[("", end, 0)]);
        (root, vec!["0"; depth + 1].join(":"))
    });
}

/// Chains of typedefs and modifiers; btfgen refuses those of 32 and more, which libbpf follows without limit.
#[test]
fn modifiers() {
    for depth in [1, 16, 30, 31] {
        let mut btf = Btf::default();
        btf.int("long", 8, true);
        let (root, access) = chain(&mut btf, depth, |btf, ty| btf.reference(kind::CONST, "", ty));
        assert!(resolves(&btf, root, &access, TYPE_EXISTS, depth), "{depth}");
        assert!(resolves(&btf, root, &access, TYPE_MATCHES, depth), "{depth}");
    }
}

/// A candidate whose bitfield no load covers, among candidates that disagree: libbpf returns the error that it finds first,
/// and the order of candidates in the minimized BTF must keep it.
#[test]
fn bitfields_that_no_load_covers() {
    const FIELD_BYTE_OFFSET: u32 = 0;
    let mut local = Btf::default();
    let int = local.int("int", 4, true);
    let root = local.composite(false, "s", 4, &[("field", int, 0)]);
    let access = "0:0".to_owned();
    let relocation = Relocation { root, access, kind: FIELD_BYTE_OFFSET, form: Form::Immediate(0) };
    let object = forge::object(&local, &[vec![relocation]], false);
    let file = ObjectFile::parse(&object).expect("a forged object");
    let mut outcomes = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut target = Btf::default();
        let (int, short) = (target.int("int", 4, true), target.int("short", 2, true));
        for candidate in order {
            match candidate {
                0 => target.composite(false, "s", 4, &[("field", int, 0)]),
                1 => target.composite(false, "s___moved", 8, &[("field", int, 32)]),
                // 9 bits from bit 376 on are in no aligned unit of 2, 4 or 8 bytes.
                _ => target.bitfields(false, "s___cut", 49, &[("field", short, 376, 9)]),
            };
        }
        let target = target.to_bytes(false);
        let mut judge = Judge::new(&file, &target).expect("libbpf reads the types");
        let minimized = minimize(&object, &target).unwrap_or_else(|error| panic!("{order:?}: {error}"));
        let (lines, _) = differences(&file, &target, &minimized);
        assert!(lines.is_empty(), "{order:?}: {}", lines.join("\n"));
        outcomes.push(format!("{:?}", judge.isolated().relocations[0].outcome));
    }
    // EINVAL if the first two disagree, else E2BIG.
    let expect = [22, 7, 22, 7, 7, 7].map(|errno| format!("Unresolvable({errno})"));
    assert_eq!(outcomes, expect);
}
