//! libbpf's results for the committed objects, compared with the committed expectations and with its public API.

use std::fs;

use oracle::elf::ObjectFile;
use oracle::libbpf::{self, Judge, Outcome, Selection};
use oracle::{prepare, testdata};

/// Compares libbpf's results with `testdata/expected`; with `ORACLE_BLESS=1` it writes them there first.
fn check_expected(byte_order: &str) {
    let target = testdata::target(byte_order, "traps");
    for object in testdata::traps(byte_order) {
        let text = oracle::dump::dump(&object.bytes, &target).expect("libbpf reads both BTFs");
        let path = testdata::folder().join("expected").join(byte_order).join(format!("{}.txt", object.name));
        if std::env::var_os("ORACLE_BLESS").is_some() {
            fs::write(&path, &text).expect("the folder of expectations can be written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let first = text.lines().zip(expected.lines()).find(|(now, then)| now != then);
        assert!(text == expected, "{byte_order}/{}: first difference: {first:?}", object.name);
    }
}

#[test]
fn little_endian_objects_as_expected() {
    check_expected("el");
}

#[test]
fn big_endian_objects_as_expected() {
    check_expected("eb");
}

/// The unprivileged judge and `bpf_object__prepare` patch the same instructions and fail on the same objects.
#[test]
fn bpf_object_prepare_agrees() {
    if !prepare::may_load_programs() {
        eprintln!("skipped: this process may not load eBPF programs");
        return;
    }
    let target = testdata::target("el", "traps");
    let (mut compared, mut failed) = (0, 0);
    for fixture in testdata::traps("el") {
        let object = ObjectFile::parse(&fixture.bytes).unwrap();
        let mut judge = Judge::new(&object, &target).unwrap();
        // Programs whose section begins with a question mark are loaded only if selected.
        let names = object.program_names();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let selections = std::iter::once(&all[..]).chain(all.chunks(1));
        for programs in selections {
            let selection = Selection::Only(programs);
            let direct = judge.relocations(&selection);
            match prepare::relocate_object(&fixture.bytes, &target, &selection) {
                Ok(whole) => {
                    assert!(
                        direct.failure().is_none(),
                        "{}: {programs:?}: {:?}",
                        fixture.name,
                        direct.failure()
                    );
                    for name in programs {
                        let (a, b) = (&direct.functions[*name], &whole[*name]);
                        // libbpf appends the subprograms that a program calls.
                        assert!(b.starts_with(&a[..]) || calls(a), "{}: {name}: {a:?} {b:?}", fixture.name);
                        compared += 1;
                    }
                }
                Err(error) => {
                    assert!(direct.failure().is_some(), "{}: {programs:?}: {error}", fixture.name);
                    failed += 1;
                }
            }
        }
    }
    assert!(compared > 300 && failed > 10, "compared {compared}, failed {failed}");
}

/// Whether there are calls of subprograms, which libbpf patches too, though not for CO-RE.
fn calls(insns: &[oracle::elf::Insn]) -> bool {
    insns.iter().any(|insn| insn.code == 0x85 && insn.regs >> 4 == 1)
}

/// Every kind of relocation and every outcome occurs in the fixtures, so that no comparison is empty.
#[test]
fn fixtures_cover_every_kind_and_outcome() {
    for byte_order in ["el", "eb"] {
        let target = testdata::target(byte_order, "traps");
        let mut kinds = [0; 13];
        let (mut poisoned, mut unresolvable, mut unpatchable, mut resized) = (0, 0, 0, 0);
        for fixture in testdata::traps(byte_order) {
            for judged in libbpf::isolated(&fixture.bytes, &target).unwrap().relocations {
                kinds[judged.kind as usize] += 1;
                match judged.outcome {
                    Outcome::Resolved(value) if value.poison => poisoned += 1,
                    Outcome::Resolved(value) if value.orig_size != value.new_size => resized += 1,
                    Outcome::Resolved(_) => {}
                    Outcome::Unresolvable(_) => unresolvable += 1,
                    Outcome::Unpatchable(..) => unpatchable += 1,
                }
            }
        }
        assert!(kinds.iter().all(|&count| count > 5), "{byte_order}: {kinds:?}");
        let counts = [poisoned, unresolvable, unpatchable, resized];
        assert!(counts.iter().all(|&count| count > 1), "{byte_order}: {counts:?}");
    }
}

/// clang writes the local field's left shift into the instruction, for the object's byte order: the judge must agree where
/// clang computes it as libbpf does. For fields of small types libbpf chooses another storage unit, and clang's left shift
/// for big-endian machines is right for units of eight bytes only.
#[test]
fn left_shifts_follow_the_objects_byte_order() {
    for byte_order in ["el", "eb"] {
        let target = testdata::target(byte_order, "traps");
        let bytes = testdata::object(byte_order, "bitfields");
        let object = ObjectFile::parse(&bytes).unwrap();
        let results = libbpf::isolated(&bytes, &target).unwrap();
        let mut shifts = 0;
        for (judged, relocation) in results.relocations.iter().zip(&object.relocations) {
            let function =
                &object.functions[object.function_at(&relocation.section, relocation.insn).unwrap()];
            let insn = function.insns[relocation.insn - function.start];
            let name = judged.function.as_str();
            let both = ["wide_lshift", "from_plain_lshift"].contains(&name);
            let little = ["low_lshift", "high_lshift", "negative_lshift"].contains(&name);
            if !both && (byte_order == "eb" || !little) {
                continue;
            }
            if let Outcome::Resolved(value) = judged.outcome {
                assert_eq!(
                    i64::from(insn.imm).cast_unsigned(),
                    value.orig,
                    "{byte_order}: {}",
                    judged.function
                );
                shifts += 1;
            }
        }
        assert_eq!(shifts, if byte_order == "el" { 5 } else { 2 });
    }
}
