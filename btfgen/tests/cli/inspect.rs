//! `btfgen inspect`.

use serde_json::Value;

use crate::harness::{Folder, object};

#[test]
fn lists_what_each_program_requires() {
    let folder = Folder::new();
    let text = folder.done(&format!("inspect {}", object("requirements").display()));
    let programs: Vec<&str> = text.split("\n\n").collect();
    let check = |start: &str, lines: &[&str]| {
        let program = programs.iter().find(|it| it.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
        // The columns' widths are not compared.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let found: Vec<String> = program.lines().map(words).collect();
        for line in lines {
            assert!(found.iter().any(|it| it == line), "{line:?} is not in\n{program}");
        }
    };
    check("requirements.o: 6 programs", &[]);
    check(
        "program optional (optional: loaded only if the loader asks for it)",
        &[
            "section fentry.s/do_unlinkat",
            "type BPF_PROG_TYPE_TRACING (since 5.5)",
            "attach type BPF_TRACE_FENTRY (since 5.5)",
            "flag BPF_F_SLEEPABLE (since 5.10)",
            "attaches to function do_unlinkat",
            "kernel BTF the kernel's own is required",
            "atomic operations since 5.12 requirements.bpf.c:84",
            "helpers bpf_get_current_cgroup_id since 4.18 requirements.bpf.c:66",
            "bpf_for_each_map_elem since 5.13 requirements.bpf.c:83",
        ],
    );
    check(
        "program with_subprogram\n",
        &[
            "attaches to function do_unlinkat+0x8",
            "bpf_probe_read_user since 5.5 requirements.bpf.c:73, or else bpf_probe_read",
            "bpf_ktime_get_boot_ns since 5.8 requirements.bpf.c:59, behind a check",
        ],
    );
    check(
        "program with_wrong_helper\n",
        &[
            "type BPF_PROG_TYPE_SCHED_CLS (since 4.1)",
            "helpers bpf_xdp_adjust_head since 4.10 requirements.bpf.c:101, not allowed for this program type",
        ],
    );
    check(
        "whole object",
        &[
            "outer BPF_MAP_TYPE_HASH_OF_MAPS (since 4.12), of BPF_MAP_TYPE_HASH (since 3.19)",
            "events BPF_MAP_TYPE_RINGBUF (since 5.8)",
            "bpf_cpumask_first since 6.3 weak kfunc",
        ],
    );
}

#[test]
fn json_has_every_instruction() {
    let folder = Folder::new();
    let [first, second] = ["requirements", "opensnoop"].map(|name| object(name).display().to_string());
    let json: Value =
        serde_json::from_str(&folder.done(&format!("inspect --json {first} {second}"))).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["objects"][1]["name"], "opensnoop.o");
    let programs = json["objects"][0]["programs"].as_array().unwrap();
    let program = programs.iter().find(|it| it["name"] == "with_weak_symbols").unwrap();
    assert_eq!(program["target"], serde_json::json!({ "kind": "raw tracepoint", "name": "sys_enter" }));
    let helper = &program["helpers"].as_array().unwrap()[0];
    assert_eq!((&helper["name"], &helper["guarded"]), (&"bpf_ktime_get_ns".into(), &true.into()));
    assert_eq!(helper["sites"][0]["section"], ".text");
    assert_eq!(helper["sites"][0]["line"], "./testdata/bpf/requirements.bpf.c:60");
    let relocations = json["objects"][1]["programs"][1]["relocations"].as_array().unwrap();
    assert!(relocations.iter().any(|it| it["name"] == "struct task_struct.tgid" && it["kind"] == "byte_off"));
}

#[test]
fn refuses() {
    let folder = Folder::new();
    folder.file("text.o", "no object");
    folder.fails("inspect", 2, "required arguments were not provided");
    folder.fails("inspect none.o", 1, "none.o");
    folder.fails("inspect text.o", 1, "text.o");
}
