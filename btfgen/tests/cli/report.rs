//! `btfgen report`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde_json::Value;

use crate::harness::{Folder, hub, object};

const KERNELS: [&str; 3] = [
    "debian/11/x86_64/5.10.0-32-amd64",
    "debian/12/x86_64/6.1.0-50-amd64",
    "debian/13/x86_64/6.12.94+deb13-amd64",
];

/// A hub file of the three kernels, which is read much faster than their tree.
fn hub_file() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.hub");
        _ = std::fs::remove_file(&file);
        let run = Folder::new().run(&format!("vendor {} -o {}", hub().display(), file.display()));
        assert_eq!(run.code, 0, "{}", run.stderr);
        file
    })
}

/// The arguments of a report on objects of the fixtures.
fn report(objects: &[&str], options: &str) -> String {
    let objects: Vec<String> = objects.iter().map(|name| object(name).display().to_string()).collect();
    format!("report --hub {} {} {options}", hub_file().display(), objects.join(" "))
}

#[test]
fn the_table_counts_the_lines_of_the_tsv() {
    let folder = Folder::new();
    let names = ["requirements", "opensnoop", "lsm_file"];
    let tsv = folder.done(&report(&names, "--format tsv"));
    let lines: Vec<Vec<&str>> = tsv.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3 * (6 + 2 + 1));
    assert!(lines.iter().all(|line| line.len() == 5), "{tsv}");
    let text = folder.done(&report(&names, ""));
    let programs = ["with_subprogram", "with_wrong_helper", "with_weak_symbols", "open_enter", "file_open"];
    for program in programs {
        let row = text.lines().find(|line| line.trim_start().split(' ').any(|word| word == program)).unwrap();
        let counts: Vec<usize> =
            row.split_whitespace().rev().take(4).map(|count| count.parse().unwrap_or(0)).collect();
        for (verdict, count) in ["unknown", "fails", "likely", "runs"].iter().zip(counts) {
            let of_verdict = lines.iter().filter(|line| line[2] == program && line[3] == *verdict);
            assert_eq!(of_verdict.count(), count, "{program} {verdict}\n{text}\n{tsv}");
        }
    }
    assert!(text.contains("embedded for 3 of 3 kernels: "), "{text}");
    assert!(text.ends_with("; runs on 0, likely on 0, fails on 3, unknown on 0\n"), "{text}");
}

#[test]
fn a_failing_relocation_is_a_reason_with_its_line() {
    let folder = Folder::new();
    let text = folder.done(&report(&["ambiguous"], ""));
    let expect = "\nfails on all 3 kernels\n  \
                  relocation <byte_off> struct moved.field (0:0 @ offset 0): the kernel has no struct moved\n    \
                  ambiguous_offset at ./testdata/bpf/ambiguous.bpf.c:9\n";
    assert!(text.contains(expect), "{text}");
    assert!(text.contains("ambiguous.o: 2 relocations read a target type id"), "{text}");
}

#[test]
fn narrows_to_kernels_and_programs() {
    let folder = Folder::new();
    let text = folder.done(&report(&["opensnoop", "xdp_drop"], "--kernel */12/**"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], [KERNELS[1], "  opensnoop.o: runs"], "{text}");
    assert!(lines.contains(&"    drop_port: runs"), "{text}");
    let text = folder.done(&report(&["opensnoop", "requirements"], "--program with_w* --kernel */12/**"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], [KERNELS[1], "  requirements.o", "    with_weak_symbols: fails"], "{text}");
    assert!(!text.contains("with_subprogram") && !text.contains("opensnoop"), "{text}");
    let text = folder.done(&report(&["opensnoop", "requirements"], "--program with_s*"));
    assert!(text.contains("\nrequirements.o\n  with_subprogram ") && !text.contains("open_enter"), "{text}");
    let tsv = folder.done(&report(&["opensnoop"], "--kernel */12/** --program *_exit --format tsv"));
    assert_eq!(tsv, format!("{}\topensnoop.o\topen_exit\truns\t\n", KERNELS[1]));

    folder.fails(
        &report(&["opensnoop"], "--kernel ubuntu/**"),
        1,
        "--kernel \"ubuntu/**\" matches no kernel",
    );
    folder.fails(&report(&["opensnoop"], "--program nothing"), 1, "--program \"nothing\" matches no program");
    folder.fails(&report(&["opensnoop"], "--program ["), 2, "not a glob");
}

#[test]
fn assumptions_change_the_forecast() {
    let folder = Folder::new();
    let whole = |options: &str| {
        let text = folder.done(&report(&["lsm_file"], options));
        text.lines().last().unwrap().split("; ").last().unwrap().to_owned()
    };
    // Kernels of a tree in BTFHub's layout ship no BTF.
    assert_eq!(whole(""), "runs on 0, likely on 0, fails on 3, unknown on 0");
    assert_eq!(whole("--btf embedded"), "runs on 0, likely on 0, fails on 3, unknown on 0");
    assert_eq!(whole("--btf own"), "runs on 3, likely on 0, fails on 0, unknown on 0");
    assert_eq!(whole("--optional file_*"), "runs on 3, likely on 0, fails on 0, unknown on 0");
    let target =
        |options: &str| folder.done(&report(&["needs_kernel_btf"], &format!("{options} --format tsv")));
    let of = |tsv: &str| tsv.lines().find(|line| line.contains("\tplain_kprobe\t")).unwrap().to_owned();
    assert!(of(&target("--target plain_kprobe=no_such_function")).contains("kprobe on no_such_function"));
    folder.fails(&report(&["lsm_file"], "--target file_open"), 2, "not PROGRAM=TARGET");
}

#[test]
fn a_broken_requirement_is_exit_code_3() {
    let folder = Folder::new();
    let check = |options: &str, code: i32, expect: &[&str]| {
        let run = folder.run(&report(&["lsm_file", "requirements"], options));
        assert_eq!(run.code, code, "{options}\n{}", run.stderr);
        assert!(run.stdout.contains("embedded for 3 of 3 kernels"), "the report is printed all the same");
        assert!(expect.iter().all(|text| run.stderr.contains(text)), "{options}\n{}", run.stderr);
        assert_eq!(run.stderr.is_empty(), expect.is_empty(), "{}", run.stderr);
    };
    let broken = [
        "error: --require is broken:\n",
        "lsm_file.o: file_open fails on debian/12/",
        "there is none",
        "--optional",
    ];
    check("--require debian/12/**", 3, &broken);
    let run = folder.run(&report(&["lsm_file"], "--require debian/12/** --optional *"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    check("--require debian/12/** --btf own --optional with_*", 0, &[]);
    folder.fails(&report(&["lsm_file"], "--require ubuntu/**"), 1, "require \"ubuntu/**\" matches no kernel");
    folder.fails(&report(&["lsm_file"], "--unknown deny"), 2, "--require <GLOB>");
}

#[test]
fn compares_with_a_baseline() {
    let folder = Folder::new();
    let json = folder.done(&report(&["lsm_file", "opensnoop"], "--btf own --format json"));
    folder.file("own.json", &json);
    let same = folder.done(&report(&["lsm_file", "opensnoop"], "--btf own --baseline own.json"));
    assert_eq!(same, "compared 9 verdicts with the baseline: 0 worse, 0 better\n");

    let run = folder.run(&report(&["lsm_file", "opensnoop"], "--baseline own.json"));
    assert_eq!(run.code, 3, "{}", run.stderr);
    let expect =
        "worse: fails, was runs, on all 3 kernels\n  lsm_file.o: file_open\n    now: the kernel's own BTF";
    assert!(run.stdout.starts_with(expect), "{}", run.stdout);
    assert!(run.stderr.starts_with("error: 3 verdicts worse than in own.json"), "{}", run.stderr);

    // The new report is on standard output, what changed on standard error.
    let run = folder.run(&report(&["lsm_file", "opensnoop"], "--format json --baseline own.json"));
    assert_eq!(run.code, 3, "{}", run.stderr);
    assert!(run.stderr.starts_with(expect), "{}", run.stderr);
    folder.file("embedded.json", &run.stdout);
    let better = folder.done(&report(&["lsm_file"], "--btf own --baseline embedded.json"));
    assert!(better.starts_with("better: runs, was fails, on all 3 kernels\n"), "{better}");
    assert!(better.ends_with("not compared: 1 object only in the baseline\n"), "{better}");
}

#[test]
fn a_baseline_may_be_anything() {
    let folder = Folder::new();
    let json = folder.done(&report(&["opensnoop"], "--format json"));
    let check = |text: &str, expect: &str| {
        folder.file("old.json", text);
        folder.fails(&report(&["opensnoop"], "--baseline old.json"), 1, expect);
    };
    check("", "old.json is not a report of \"btfgen report --format json\": EOF");
    check("[]", "old.json is not a report");
    check("{\"version\": 2, \"anything\": []}", "version 2 of the report is not supported");
    check("{\"version\": 1}", "missing field `forecast`");
    check(&json.replace("\"outcomes\": [", "\"outcomes\": [99999,"), "old.json is not a report");
    let mut value: Value = serde_json::from_str(&json).unwrap();
    value["forecast"]["objects"][0]["outcomes"][0] = 99999.into();
    check(&value.to_string(), "outcome 99999 does not exist");
    value["forecast"]["objects"][0]["outcomes"] = Value::Array(Vec::new());
    check(&value.to_string(), "\"opensnoop.o\" has 0 outcomes for ");
    value["forecast"]["kernels"] = "none".into();
    check(&value.to_string(), "old.json is not a report");
    folder.fails(&report(&["opensnoop"], "--baseline none.json"), 1, "none.json");
}

#[test]
fn the_json_has_embedding_and_forecast() {
    let folder = Folder::new();
    let json = folder.done(&report(&["requirements"], "--format json"));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], 1);
    assert_eq!(json["embedding"]["objects"][0]["name"], "requirements.o");
    assert_eq!(json["embedding"]["kernels"].as_array().unwrap().len(), 3);
    let forecast = &json["forecast"];
    let kernels = forecast["kernels"].as_array().unwrap();
    assert_eq!(kernels.iter().map(|kernel| &kernel["id"]).collect::<Vec<_>>(), KERNELS);
    assert_eq!((&kernels[0]["flavor"], &kernels[0]["rank"]), (&"amd64".into(), &0.into()));
    let object = &forecast["objects"][0];
    let program = object["programs"].as_array().unwrap().iter().find(|it| it["name"] == "optional").unwrap();
    assert_eq!((&object["name"], &program["optional"]), (&"requirements.o".into(), &true.into()));
    let group = kernels[0]["group"].as_u64().unwrap() as usize;
    let outcome = &forecast["outcomes"][program["outcomes"][group].as_u64().unwrap() as usize];
    assert_eq!(outcome["verdict"], "fails");
    let reasons = outcome["reasons"].as_array().unwrap().iter();
    let mut reasons = reasons.map(|index| &forecast["reasons"][index.as_u64().unwrap() as usize]);
    let helper = reasons.find(|reason| reason["requirement"]["kind"] == "helper").unwrap();
    assert_eq!(helper["requirement"]["name"], "bpf_for_each_map_elem");
    assert_eq!(helper["requirement"]["since"], "5.13");
    assert_eq!(helper["verdict"], "fails");
    let available = &forecast["sets"][helper["available"].as_u64().unwrap() as usize];
    let available = available.as_array().unwrap();
    assert!(!available.is_empty() && !available.contains(&group.into()), "{available:?} {group}");
    assert!(helper["text"].as_str().unwrap().contains("bpf_for_each_map_elem"), "{helper}");
}

#[test]
fn the_page_is_one_file() {
    let folder = Folder::new();
    let page = folder.done(&report(&["requirements"], "--format html"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("with_subprogram"), "{page}");
    assert_eq!(folder.done(&report(&["requirements"], "--format html -o report.html")), "");
    assert_eq!(folder.read("report.html"), page.as_bytes());
}
