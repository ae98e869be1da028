//! Output: an event as a row of the live table or as a line of JSON.

use std::time::Duration;

use serde_json::json;

use crate::event::{Ending, Event, Kind};

/// The header of the table.
pub(crate) const HEADER: &str =
    "TIME(UTC)  EVENT      PID     PPID      UID  COMM              DURATION  ARGUMENTS / ENDING";

/// One row of the table, for an event that was received at `since_epoch`.
pub(crate) fn row(event: &Event, since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs() % 86_400;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (name, duration, details) = match &event.kind {
        Kind::Exec { filename, args, cut } => {
            let mut details =
                if args.is_empty() { filename.escape_debug().to_string() } else { shell_words(args) };
            if *cut {
                details.push_str(" ...");
            }
            ("exec", String::new(), details)
        }
        Kind::Exit(ending) => ("exit", short(Duration::from_nanos(event.age)), ending.to_string()),
    };
    format!(
        "{hours:02}:{minutes:02}:{seconds:02}   {name:<5}  {:>7}  {:>7}  {:>7}  {:<16}  {duration:>8}  {details}",
        event.pid,
        event.ppid,
        event.uid,
        event.comm.escape_debug().to_string(),
    )
}

/// One line of JSON.
pub(crate) fn json(event: &Event) -> String {
    let mut line = json!({
        "pid": event.pid,
        "ppid": event.ppid,
        "uid": event.uid,
        "comm": event.comm,
        "start_boottime_ns": event.start_boottime,
        "age_ns": event.age,
    });
    match &event.kind {
        Kind::Exec { filename, args, cut } => {
            line["event"] = "exec".into();
            line["filename"] = filename.as_str().into();
            line["args"] = args.as_slice().into();
            line["args_cut"] = (*cut).into();
        }
        Kind::Exit(ending) => {
            line["event"] = "exit".into();
            match ending {
                Ending::Status(status) => line["status"] = (*status).into(),
                Ending::Signal(signal) => line["signal"] = (*signal).into(),
            }
        }
    }
    line.to_string()
}

/// Arguments as typed in a shell; those with characters special to a shell or a terminal are quoted.
fn shell_words(args: &[String]) -> String {
    let plain = |c: char| {
        c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ',' | ':' | '=' | '+' | '@' | '%')
    };
    let words: Vec<String> = args
        .iter()
        .map(|arg| if !arg.is_empty() && arg.chars().all(plain) { arg.clone() } else { format!("{arg:?}") })
        .collect();
    words.join(" ")
}

fn short(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{}ms", micros / 1_000),
        1_000_000..100_000_000 => format!("{}.{:01}s", micros / 1_000_000, micros / 100_000 % 10),
        _ => format!("{}s", duration.as_secs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: Kind) -> Event {
        Event {
            kind,
            pid: 4_194_304,
            ppid: 1,
            uid: 65_534,
            start_boottime: 7,
            age: 1_512_000_000,
            comm: "sh".into(),
        }
    }

    fn exec(args: &[&str], cut: bool) -> Event {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        event(Kind::Exec { filename: "/bin/sh".into(), args, cut })
    }

    #[test]
    fn rows_line_up_with_the_header() {
        let at = Duration::from_secs(86_400 + 3_723);
        let check = |event: Event, expect: &str| {
            assert_eq!(row(&event, at), expect);
            assert_eq!(HEADER.find("  UID").unwrap() + 5, expect.find("65534").unwrap() + 5);
            assert_eq!(HEADER.find("COMM"), expect.find("sh "));
        };
        check(
            exec(&["sh", "-c", "exit 7", "a\u{1b}[2J"], true),
            "01:02:03   exec   4194304        1    65534  sh                          sh -c \"exit 7\" \"a\\u{1b}[2J\" ...",
        );
        check(
            exec(&[], false),
            "01:02:03   exec   4194304        1    65534  sh                          /bin/sh",
        );
        check(
            event(Kind::Exit(Ending::Signal(9))),
            "01:02:03   exit   4194304        1    65534  sh                    1.5s  signal 9",
        );
    }

    #[test]
    fn json_has_every_field() {
        let check = |event: Event, expect: serde_json::Value| {
            let line = json(&event);
            assert!(!line.contains('\n'));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), expect);
        };
        check(
            exec(&["sh", "a\nb"], true),
            json!({
                "event": "exec", "pid": 4_194_304, "ppid": 1, "uid": 65_534, "comm": "sh", "filename": "/bin/sh",
                "args": ["sh", "a\nb"], "args_cut": true, "start_boottime_ns": 7, "age_ns": 1_512_000_000,
            }),
        );
        check(
            event(Kind::Exit(Ending::Status(3))),
            json!({
                "event": "exit", "pid": 4_194_304, "ppid": 1, "uid": 65_534, "comm": "sh", "status": 3,
                "start_boottime_ns": 7, "age_ns": 1_512_000_000,
            }),
        );
    }

    #[test]
    fn durations_are_short() {
        let check = |nanos, expect: &str| assert_eq!(short(Duration::from_nanos(nanos)), expect);
        check(999, "0us");
        check(999_999, "999us");
        check(1_000_000, "1ms");
        check(999_999_999, "999ms");
        check(12_345_678_901, "12.3s");
        check(100_000_000_000, "100s");
    }
}
