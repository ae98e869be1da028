//! The requirements of objects, compared with what libbpf finds when it opens them.

use std::collections::{BTreeMap, BTreeSet};

use btfgen_core::btf::{Btf, Kind};
use btfgen_core::object::Object;
use btfgen_core::requirements::{
    Helper, InstructionSet, Map, MapKind, Need, Requirements, SECTION_DEFS, SectionDef,
};
use oracle::libbpf::Selection;
use oracle::opened::{self, Types};
use oracle::{prepare, testdata};

/// Sections that libbpf has since 1.8, and the judge does not know yet.
const NEWER: [&str; 11] = [
    "tracepoint.s+",
    "tp.s+",
    "raw_tracepoint.s+",
    "raw_tp.s+",
    "tp_btf.s+",
    "fsession.multi+",
    "fsession.multi.s+",
    "fentry.multi+",
    "fexit.multi+",
    "fentry.multi.s+",
    "fexit.multi.s+",
];

/// A definition by libbpf's names.
fn types(def: Option<&SectionDef>) -> Option<Types> {
    let name = |name: &str, prefix| name.strip_prefix(prefix).expect("a prefix").to_lowercase();
    // Without an attach type libbpf says number 0.
    def.map(|def| Types {
        program: name(def.program_type, "BPF_PROG_TYPE_"),
        attach: name(def.attach_type.unwrap_or("BPF_CGROUP_INET_INGRESS"), "BPF_"),
    })
}

#[test]
fn section_names_mean_what_they_mean_to_libbpf() {
    let mut known = 0;
    let judged = SECTION_DEFS.iter().map(|def| def.section);
    for def in judged.clone().filter(|def| !NEWER.contains(def)) {
        let name = def.trim_end_matches('+');
        assert!(opened::section(name).is_some(), "{name} is unknown to libbpf");
        for suffix in ["", "/", "/x", "/x/y", "/x:y:z", "/*", "+", ".", ".s", ".s/x", ".multi/x", "x", "s/x"]
        {
            let section = format!("{name}{suffix}");
            let found = SectionDef::find(&section);
            if found.is_some_and(|def| NEWER.contains(&def.section)) {
                continue;
            }
            assert_eq!(types(found), opened::section(&section), "{section}");
            known += usize::from(found.is_some());
        }
    }
    assert!(known > 300, "{known} names have a definition");
    for newer in NEWER {
        let name = newer.trim_end_matches('+');
        assert!(judged.clone().any(|def| def == newer), "{newer}");
        assert_eq!(opened::section(name), None, "the judge knows {name}: remove it from the list");
    }
    for unknown in ["", "/", "?xdp", "Kprobe/x", "kprob", ".text", "maps", "license"] {
        assert_eq!(types(SectionDef::find(unknown)), opened::section(unknown), "{unknown:?}");
    }
}

/// The BTF of a kernel.
fn kernel() -> Vec<u8> {
    let path = testdata::folder().join("kernels/debian/13/x86_64/6.12.94+deb13-amd64.btf.tar.xz");
    btfgen_core::files::read_btf(&path).expect("a committed kernel").to_vec()
}

/// The enumerators of an enum of a kernel, by value.
fn enumerators(name: &str) -> BTreeMap<u64, String> {
    let bytes = kernel();
    let btf = Btf::parse(&bytes).expect("its BTF");
    let text = |at| String::from_utf8_lossy(btf.string(at).expect("a name")).into_owned();
    let found = btf.types().find(|ty| ty.kind == Kind::Enum && text(ty.name_off) == name).expect("an enum");
    found.enumerators().map(|it| (it.value, text(it.name))).collect()
}

#[test]
fn numbers_mean_what_they_mean_to_a_kernel() {
    let helpers = enumerators("bpf_func_id");
    for helper in Helper::all() {
        let name = helper.name().expect("a name").replacen("bpf_", "BPF_FUNC_", 1);
        assert_eq!(helpers.get(&helper.0.into()), Some(&name));
    }
    assert_eq!(helpers.len(), Helper::all().count() + 2, "`unspec` and the end are no helpers");
    let map_types = enumerators("bpf_map_type");
    let ours: Vec<&str> = (1..34).filter_map(|map_type| MapKind { map_type, flags: 0 }.type_name()).collect();
    assert_eq!(ours.len(), 33);
    for (number, name) in (1..).zip(ours) {
        // The kernel deprecates a type by another name for its number.
        let theirs = map_types[&number].trim_end_matches("_DEPRECATED");
        assert_eq!(theirs, name, "{number}");
    }
}

#[test]
fn programs_and_maps_are_those_that_libbpf_finds() {
    let (mut programs, mut maps) = (0, 0);
    for fixture in testdata::objects("el") {
        let name = &fixture.name;
        let opened = opened::open(&fixture.bytes).unwrap_or_else(|| panic!("libbpf refuses {name}"));
        let object = Object::parse(name, &fixture.bytes).expect("an object");
        let requirements = Requirements::new(&object).expect("its requirements");

        let mut ours: Vec<opened::Program> = requirements
            .programs()
            .iter()
            .map(|program| opened::Program {
                name: program.name.clone(),
                section: program.section.clone(),
                types: types(program.def).unwrap_or_else(|| Types {
                    program: "unspec".to_owned(),
                    attach: "cgroup_inet_ingress".to_owned(),
                }),
                autoload: !program.optional,
            })
            .collect();
        let mut theirs = opened.programs;
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{name}");
        programs += ours.len();

        let is_data = |map: &&Map| map.name == map.section;
        let internal = opened.maps.iter().filter(|map| map.internal).count();
        assert_eq!(requirements.maps().iter().filter(is_data).count(), internal, "{name}");
        let mut ours: Vec<(&str, u32, u32)> = requirements
            .maps()
            .iter()
            .filter(|map| !is_data(map))
            .map(|map| (map.name.as_str(), map.kind.map_type, map.kind.flags))
            .collect();
        let theirs = opened.maps.iter().filter(|map| !map.internal);
        let mut theirs: Vec<(&str, u32, u32)> =
            theirs.map(|map| (map.name.as_str(), map.map_type, map.flags)).collect();
        ours.sort_unstable();
        theirs.sort_unstable();
        assert_eq!(ours, theirs, "{name}");
        maps += opened.maps.len();
    }
    assert!(programs > 50 && maps > 2, "{programs} programs, {maps} maps");
}

/// libbpf appends each called subprogram to a program, so the calls in the result are all that it can reach.
#[test]
fn helpers_are_those_that_libbpf_would_load() {
    if !prepare::may_load_programs() {
        eprintln!("skipped: this process may not load eBPF programs");
        return;
    }
    let target = kernel();
    let (mut compared, mut with_subprograms) = (0, 0);
    for fixture in testdata::tracers("el") {
        let object = Object::parse(&fixture.name, &fixture.bytes).expect("an object");
        let requirements = Requirements::new(&object).expect("its requirements");
        for program in requirements.programs() {
            let name = program.name.as_str();
            let selection = Selection::Only(&[name]);
            // What the running kernel lacks, such as a map or program type, is not what is compared here.
            let Ok(prepared) = prepare::relocate_object(&fixture.bytes, &target, &selection) else {
                continue;
            };
            let insns = &prepared[name];
            let calls = insns.iter().filter(|insn| insn.code == 0x85 && insn.regs >> 4 == 0);
            let theirs: BTreeSet<u32> = calls
                .map(|insn| insn.imm.cast_unsigned())
                .filter(|&id| Helper(id).name().is_some())
                .collect();
            let needs = requirements.needs(program, &|_, _| true);
            let ours: BTreeSet<u32> = needs
                .keys()
                .filter_map(|need| if let Need::Helper(helper) = need { Some(helper.0) } else { None })
                .collect();
            assert_eq!(ours, theirs, "{} {name}", fixture.name);
            assert_eq!(requirements.insn_count(program), insns.len(), "{} {name}", fixture.name);
            compared += 1;
            with_subprograms += usize::from(
                needs.contains_key(&Need::InstructionSet(InstructionSet::SubprogramCall))
                    || needs.contains_key(&Need::InstructionSet(InstructionSet::FunctionPointer)),
            );
        }
    }
    assert!(
        compared > 10 && with_subprograms > 1,
        "{compared} programs, {with_subprograms} with subprograms"
    );
}
