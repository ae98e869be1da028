//! Fleet: `btfgen vendor` as several processes that are interrupted, as the files in `deploy/kubernetes` run it.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::{Folder, btf, kernel};

/// Malformed kernels in a tree. Each is reported in a line, and the pipe that takes the lines holds a part of them only: a
/// process whose lines nobody reads cannot get past them.
const MALFORMED: usize = 2000;

/// A tree with a real kernel and two small ones, malformed kernels, and one more.
fn tree(folder: &Folder) {
    let real = std::fs::read(kernel("debian/12/x86_64/6.1.0-50-amd64")).unwrap();
    folder.file("kernels/debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz", real);
    folder.file("kernels/fedora/31/x86_64/5.3.7-301.fc31.x86_64.btf", btf("first"));
    folder.file("kernels/fedora/31/x86_64/5.3.7-302.fc31.x86_64.btf", btf("second"));
    for number in 0..MALFORMED {
        let release = format!("{number:04}-{}", "x".repeat(200));
        folder.file(&format!("kernels/malformed/1/x86_64/{release}.btf"), "none");
    }
    folder.file("kernels/ubuntu/24.04/x86_64/6.8.0-31-generic.btf", btf("last"));
}

/// Starts the command; nobody reads its messages yet.
fn start(folder: &Folder, args: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
    command.args(args).current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal to a process that has read the first kernels, and returns its exit code, if it has one, and its messages.
fn interrupt(mut process: Child, signal: &str) -> (Option<i32>, String) {
    let mut messages = BufReader::new(process.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("skipped ") {
        assert_ne!(messages.read_line(&mut text).unwrap(), 0, "{text}");
    }
    let kill = format!("kill -s {signal} {}", process.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    messages.read_to_string(&mut text).unwrap();
    (process.wait().unwrap().code(), text)
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn finish(folder: &Folder, args: &[String]) {
    let run = folder.run(&args.join(" "));
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn an_interrupted_run_saves_its_kernels_and_continues() {
    let folder = Folder::new();
    tree(&folder);
    let whole = words("vendor --level 3 kernels -o whole.hub");
    finish(&folder, &whole);

    for signal in ["INT", "TERM"] {
        let args = words(&format!("vendor --level 3 kernels -o {signal}.hub"));
        let (code, messages) = interrupt(start(&folder, &args), signal);
        assert_eq!(code, Some(1), "{messages}");
        let last = messages.lines().last().unwrap();
        let expect = format!("error: interrupted: {signal}.hub has 3 kernels (3 new); to continue, ");
        assert!(last.starts_with(&expect), "{last}");
        assert_eq!(folder.done(&format!("hub list {signal}.hub")).lines().count(), 3);
        finish(&folder, &args);
        assert!(folder.read(&format!("{signal}.hub")) == folder.read("whole.hub"));
    }
}

/// The arguments of the container in a file of `deploy/kubernetes`, its variables replaced, its paths in the test's folder.
fn arguments(file: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'));
    let mut line = line.unwrap().to_owned();
    for (name, value) in variables {
        line = line.replace(&format!("$({name})"), value);
    }
    line.split(", ").map(|word| word.trim_start_matches('/').to_owned()).collect()
}

/// Of four pods, one is killed, and one is evicted; both are started again.
#[test]
fn the_kubernetes_job_makes_what_one_process_makes() {
    let folder = Folder::new();
    tree(&folder);
    std::fs::create_dir(folder.path().join("hubs")).unwrap();
    finish(&folder, &words("vendor kernels -o whole.hub"));

    let shard = |index: usize| {
        arguments("vendor.yaml", &[("JOB_COMPLETION_INDEX", &index.to_string()), ("SHARDS", "4")])
    };
    let pods: Vec<Child> = (0..4).map(|index| start(&folder, &shard(index))).collect();
    for ((index, signal), pod) in ["KILL", "TERM", "", ""].into_iter().enumerate().zip(pods) {
        let saved = folder.path().join(format!("hubs/{index}.hub"));
        match signal {
            "" => assert!(pod.wait_with_output().unwrap().status.success()),
            signal => {
                let (code, messages) = interrupt(pod, signal);
                assert_eq!(code, (signal == "TERM").then_some(1), "{messages}");
                assert!(signal == "KILL" || saved.exists(), "{messages}");
                finish(&folder, &shard(index));
            }
        }
    }
    finish(&folder, &arguments("merge.yaml", &[]));
    assert!(folder.read("hubs/kernels.hub") == folder.read("whole.hub"));
}
