//! Trace: compares execwatch's events with processes that the test starts itself. Needs root and bpf(2).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

/// Nobody.
const UID: u32 = 65_534;

fn execwatch(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_execwatch"));
    command.args(args);
    command
}

/// The message if this process is not permitted to load programs.
fn refused() -> Option<String> {
    let Output { status, stderr, .. } = execwatch(&["--once", "0"]).output().unwrap();
    let message = String::from_utf8_lossy(&stderr).into_owned();
    (!status.success() && message.contains("Operation not permitted")).then_some(message)
}

/// Starts execwatch for children of this process and returns once it is attached.
fn start(loader: &str, events: &str) -> (Child, BufReader<ChildStderr>) {
    let parent = std::process::id().to_string();
    let mut child = execwatch(&["--json", "--once", events, "--timeout", "60", "--parent", &parent])
        .args(["--loader", loader])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut messages = String::new();
    while stderr.read_line(&mut messages).unwrap() != 0 {
        if messages.ends_with("execwatch: watching\n") {
            return (child, stderr);
        }
    }
    child.wait().unwrap();
    panic!("execwatch --loader {loader} did not start:\n{messages}");
}

/// The start time in /proc, in hundredths of a second since boot.
fn start_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_comm = stat.rsplit_once(')').unwrap().1;
    after_comm.split_whitespace().nth(19).unwrap().parse().unwrap()
}

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no {field} in {event}"))
}

#[test]
fn events_match_the_processes() {
    if let Some(why) = refused() {
        eprintln!("skipped: not permitted to load programs: {why}");
        return;
    }
    for loader in ["libbpf", "aya"] {
        check(loader);
    }
}

fn check(loader: &str) {
    let (mut watcher, mut stderr) = start(loader, "4");

    // One process exits with a status once its start time is read ...
    let script = "read line; exit 7";
    let args = ["sh", "-c", script, "two words", "", "\u{fc}"];
    let mut first = Command::new("/bin/sh")
        .args(&args[1..])
        .arg0(args[0])
        .uid(UID)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let first_start = start_ticks(first.id());
    first.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(7));

    // ... and one with more arguments than fit into an event is killed.
    let long = "x".repeat(300);
    let mut second = Command::new("/bin/cat")
        .args(["-", &long, &long])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    second.stdin.as_mut().unwrap().write_all(b"!").unwrap();
    // An answer means that the program runs; killed earlier, it might never have been executed.
    second.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    second.kill().unwrap();
    second.wait().unwrap();

    assert!(watcher.wait().unwrap().success());
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "unexpected messages");
    let events: Vec<Value> = BufReader::new(watcher.stdout.take().unwrap())
        .lines()
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();

    // Each CPU has its own buffer, so events are not in order.
    let of = |pid: u32| -> Vec<&Value> {
        events.iter().filter(|event| number(event, "pid") == u64::from(pid)).collect()
    };
    let both = |pid: u32| -> (Value, Value) {
        let [one, two] = of(pid)[..] else { panic!("expected two events of {pid} in {events:#?}") };
        let (exec, exit) = if one["event"] == "exec" { (one, two) } else { (two, one) };
        assert_eq!((&exec["event"], &exit["event"]), (&Value::from("exec"), &Value::from("exit")));
        assert_eq!(exec["start_boottime_ns"], exit["start_boottime_ns"], "different start times");
        assert!(number(exec, "age_ns") < number(exit, "age_ns"), "ended before it started");
        for event in [exec, exit] {
            assert_eq!(number(event, "ppid"), u64::from(std::process::id()), "{event}");
        }
        (exec.clone(), exit.clone())
    };

    let (exec, exit) = both(first.id());
    assert_eq!(exec["uid"], UID);
    assert_eq!(exit["uid"], UID);
    assert_eq!(exec["comm"], "sh");
    assert_eq!(exec["filename"], "/bin/sh");
    assert_eq!(exec["args"], Value::from(args.to_vec()));
    assert_eq!(exec["args_cut"], false);
    assert_eq!(number(&exec, "start_boottime_ns") / 10_000_000, first_start);
    assert_eq!(exit["status"], 7);

    let (exec, exit) = both(second.id());
    assert_eq!(exec["uid"], 0);
    assert_eq!(exec["comm"], "cat");
    assert_eq!(exec["args_cut"], true);
    // 511 bytes: the program's name, "-", the first long argument and the start of the second.
    let fitting = 511 - "/bin/cat\0-\0".len() - long.len() - 1;
    assert_eq!(exec["args"], serde_json::json!(["/bin/cat", "-", long, "x".repeat(fitting)]));
    assert_eq!(exit["signal"], 9);
}
