//! Requirements of the committed objects.

use std::collections::BTreeMap;

use super::*;

fn object(folder: &str, name: &str) -> Object {
    let path = format!("{}/../testdata/objects/{folder}/{name}.o", env!("CARGO_MANIFEST_DIR"));
    Object::parse(name, &std::fs::read(path).expect("a committed object")).expect("an object")
}

/// The needs of a program, by name; relocations are left out.
fn needs(
    requirements: &Requirements,
    program: &str,
    can_run: &dyn Fn(&str, InsnIndex) -> bool,
) -> Vec<String> {
    let program = requirements.programs().iter().find(|it| it.name == program).expect("a program");
    let needs: BTreeMap<Need, Vec<Site>> = requirements.needs(program, can_run);
    assert!(needs.values().all(|sites| !sites.is_empty()));
    let name = |need: &Need| match *need {
        Need::Helper(helper) => helper.name().map(str::to_owned),
        Need::Map(map) => Some(format!("map {}", requirements.maps()[map.0].name)),
        Need::Extern(id) => Some(format!("extern {}", requirements.externs()[id.0].name)),
        Need::InstructionSet(set) => Some(set.name().to_owned()),
        Need::Relocation(_) => None,
    };
    needs.keys().filter_map(name).collect()
}

#[test]
fn subprograms_callbacks_and_maps_are_followed() {
    for folder in ["el", "eb"] {
        let object = object(folder, "requirements");
        let requirements = Requirements::new(&object).expect("its requirements");
        let check = |program: &str, expect: &[&str]| {
            let mut needs = needs(&requirements, program, &|_, _| true);
            // Maps are in the order of the file.
            needs.sort();
            let mut expect = expect.to_vec();
            expect.sort_unstable();
            assert_eq!(needs, expect, "{folder} {program}");
        };
        check(
            "with_subprogram",
            &[
                "bpf_map_lookup_elem",
                "bpf_ktime_get_ns",
                "bpf_probe_read_user",
                "bpf_ktime_get_boot_ns",
                "map outer",
                "map .rodata",
                "map .bss",
                "subprogram calls",
                "global data",
            ],
        );
        check(
            "optional",
            &[
                "bpf_get_current_cgroup_id",
                "bpf_for_each_map_elem",
                "map hash",
                "map .bss",
                "global data",
                "atomic operations",
                "callbacks",
            ],
        );
        check("with_wrong_helper", &["bpf_xdp_adjust_head"]);
        let optional: Vec<&str> =
            requirements.programs().iter().filter(|it| it.optional).map(|it| it.name.as_str()).collect();
        assert_eq!(optional, ["optional"]);
        let outer = requirements.maps().iter().find(|map| map.name == "outer").expect("a map");
        assert_eq!(outer.kind, MapKind { map_type: 13, flags: 0 });
        assert_eq!(outer.inner, Some(MapKind { map_type: 1, flags: 1 }));
    }
}

#[test]
fn what_a_check_rules_out_is_not_needed() {
    for folder in ["el", "eb"] {
        let object = object(folder, "requirements");
        let requirements = Requirements::new(&object).expect("its requirements");
        let checks = Checks::new(&object);
        let failed = |section: &str, insn| checks.can_run_if_failed(section, insn);
        let succeeded = |section: &str, insn| checks.can_run_if_succeeded(section, insn);
        let check = |program: &str, need: &str, if_failed: bool, if_succeeded: bool| {
            let has = |can_run| needs(&requirements, program, can_run).iter().any(|it| it == need);
            let found = (has(&failed), has(&succeeded));
            assert_eq!(found, (if_failed, if_succeeded), "{folder} {program} {need}");
        };
        check("with_subprogram", "bpf_map_lookup_elem", true, true);
        check("with_subprogram", "bpf_ktime_get_boot_ns", false, true);
        check("with_subprogram", "bpf_ktime_get_ns", true, false);
        // A weak symbol: its call, and what is done instead.
        check("with_weak_symbols", "kfunc calls", false, true);
        check("with_weak_symbols", "bpf_ringbuf_reserve", true, true);
        check("with_weak_symbols", "subprogram calls", true, false);
    }
}

#[test]
fn externs_are_weak_or_strong() {
    let object = object("el", "requirements");
    let requirements = Requirements::new(&object).expect("its requirements");
    let mut externs: Vec<(&str, ExternKind, bool)> =
        requirements.externs().iter().map(|it| (it.name.as_str(), it.kind, it.weak)).collect();
    externs.sort_unstable();
    let expect = [
        ("CONFIG_CGROUPS", ExternKind::Kconfig, true),
        ("LINUX_KERNEL_VERSION", ExternKind::Kconfig, false),
        ("bpf_cpumask_first", ExternKind::Kfunc, true),
    ];
    assert_eq!(externs, expect);
}

#[test]
fn only_instructions_of_the_program_and_its_subprograms_count() {
    let object = object("el", "requirements");
    let requirements = Requirements::new(&object).expect("its requirements");
    for program in requirements.programs() {
        let own = object.programs().iter().find(|it| it.name == program.name).expect("a program");
        assert!(requirements.insn_count(program) * 8 >= own.size as usize, "{}", program.name);
        let sites = requirements.needs(program, &|_, _| true).into_values().flatten();
        for site in sites.filter(|site| &*site.section != ".text") {
            let at = u64::from(site.insn.offset());
            assert!((own.offset..own.offset + own.size).contains(&at), "{} {at}", program.name);
        }
    }
}
