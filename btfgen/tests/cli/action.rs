//! The GitHub Action of this repository: its script, run as a job runs it.

use std::path::Path;
use std::process::Command;

use crate::harness::{Folder, hub, object};

/// Runs the script; returns its exit code, its output and the job's summary.
fn run(folder: &Folder, inputs: &[(&str, &str)]) -> (i32, String, String) {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_btfgen"));
    let path = std::env::var("PATH").unwrap();
    let defaults = [("REQUIRE", ""), ("UNKNOWN", "allow"), ("BASELINE", "")];
    let output = Command::new(repository.join(".github/report.sh"))
        .current_dir(folder.path())
        .env("PATH", format!("{}:{path}", program.parent().unwrap().display()))
        .env("GITHUB_STEP_SUMMARY", folder.path().join("summary.md"))
        .env("HUB", "kernels.hub")
        .envs(defaults)
        .envs(inputs.iter().copied())
        .output()
        .unwrap();
    let summary = String::from_utf8(folder.read("summary.md")).unwrap();
    std::fs::remove_file(folder.path().join("summary.md")).unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap(), summary)
}

#[test]
fn the_summary_has_the_report() {
    let folder = Folder::new();
    folder.run(&format!("vendor --level 3 {} -o kernels.hub", hub().display()));
    for name in ["opensnoop", "needs_kernel_btf"] {
        folder.file(&format!("{name}.bpf.o"), std::fs::read(object(name)).unwrap());
    }
    let check = |inputs: &[(&str, &str)], code: i32, expect: &[&str]| {
        let (found, log, summary) = run(&folder, inputs);
        assert_eq!(found, code, "{log}");
        assert_eq!(summary, format!("### btfgen report\n\n~~~~text\n{log}~~~~\n"));
        for expect in expect {
            assert!(log.contains(expect), "{log}");
        }
    };
    let (open, all) = (("OBJECTS", "opensnoop.bpf.o"), ("OBJECTS", "open*.bpf.o\nneeds_*.bpf.o\n"));
    let bookworm = ("REQUIRE", "debian/12/**");
    check(&[open], 0, &["3 kernels ", "opensnoop.bpf.o "]);
    check(&[open, ("REQUIRE", "debian/12/** debian/13/**"), ("UNKNOWN", "deny")], 0, &["3 kernels "]);
    check(&[all], 0, &["needs_kernel_btf.bpf.o "]);
    check(&[all, bookworm], 3, &["needs_kernel_btf.bpf.o ", "error: --require is broken:", "debian/12/"]);
    check(&[all, ("REQUIRE", "fedora/**")], 1, &["error: require \"fedora/**\" matches no kernel"]);
    check(&[("OBJECTS", "none.o")], 1, &["error: cannot read file none.o"]);

    let needs = ("OBJECTS", "needs_kernel_btf.bpf.o");
    let same = folder.done("report --hub kernels.hub needs_kernel_btf.bpf.o --format json");
    folder.file("same.json", &same);
    folder.file("better.json", same.replace("\"fails\"", "\"runs\""));
    check(&[needs, ("BASELINE", "same.json")], 0, &["3 kernels ", "0 worse"]);
    check(&[needs, ("BASELINE", "better.json")], 3, &["3 kernels ", "worse than in better.json"]);
    check(&[open, ("BASELINE", "none.json")], 1, &["3 kernels ", "none.json"]);
}
