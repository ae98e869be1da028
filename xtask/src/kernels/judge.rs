//! Judge: whether what a guest printed is what it must be.

use std::collections::BTreeMap;

use btfgen_core::KernelId;
use serde_json::Value;

/// The loaders that execwatch has.
const LOADERS: [&str; 2] = ["libbpf", "aya"];
/// The arguments of the process in the guest, those that a shell would take for something else among them.
const ARGS: [&str; 6] = ["sh", "-c", "echo >/run/ready; read -r _; exit 7", "two words", "", "ü"];
/// What that process ends with.
const STATUS: u64 = 7;
/// The user of that process.
const UID: u64 = 65_534;
/// Nanoseconds of a tick, in which /proc gives the start of a process.
const TICK: u64 = 10_000_000;

/// What must come out of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expect {
    /// The kernel booted.
    pub(super) kernel: KernelId,
    pub(super) answer: Answer,
}

/// What execwatch must answer to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its own entry, with a blob of so many bytes.
    Entry { blob_len: usize },
    /// A refusal; by the nearest match, the blob of so many bytes that the kernels before and after it share.
    Inferred { neighbours: [KernelId; 2], blob_len: usize },
    /// A refusal, also when opted in: the blobs of the kernels before and after it differ.
    Refused { neighbours: [KernelId; 2] },
}

/// What came out, for the table; what is wrong is in `faults`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Where execwatch says that the BTF came from.
    pub(super) source: String,
    /// The loaders that loaded and attached the programs.
    pub(super) loaded: Vec<&'static str>,
    /// Values that equal what /proc and wait(2) say.
    pub(super) equal: usize,
    /// Values compared.
    pub(super) compared: usize,
    pub(super) faults: Vec<String>,
}

/// Compares what a guest printed with what must come out.
pub(super) fn judge(output: &str, expect: &Expect) -> Verdict {
    let parts = Parts::of(output);
    let mut verdict = Verdict::default();
    if parts.get("end").is_none() {
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join(" / ");
        verdict.faults.push(format!("the guest did not come to its end; it said last: {tail}"));
    }
    verdict.booted(&parts, expect);
    verdict.chosen(&parts, expect);
    for loader in LOADERS {
        match expect.answer {
            Answer::Refused { .. } => verdict.not_watched(&parts, loader),
            _ => verdict.watched(&parts, loader),
        }
    }
    verdict
}

/// What the guest printed, by the names of its parts.
struct Parts<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Parts<'a> {
    fn of(output: &'a str) -> Self {
        let mut parts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut name = "";
        for line in output.lines().map(|line| line.trim_end_matches('\r')) {
            match line.strip_prefix("@@ ") {
                Some(next) => {
                    name = next;
                    parts.entry(name).or_default();
                }
                None => parts.entry(name).or_default().push(line),
            }
        }
        Self(parts)
    }

    fn get(&self, name: &str) -> Option<&[&'a str]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// The lines of a command's part, and the status that it ended with.
    fn command(&self, name: &str) -> Result<(&[&'a str], u32), String> {
        let (last, lines) = self
            .get(name)
            .and_then(<[_]>::split_last)
            .ok_or_else(|| format!("nothing was printed for {name}"))?;
        let status = last.strip_prefix("status ").and_then(|status| status.parse().ok());
        Ok((lines, status.ok_or_else(|| format!("{name} ends with {last:?}, no status"))?))
    }
}

impl Verdict {
    fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(otherwise());
        }
    }

    /// The right kernel runs, and its BTF is hidden from libbpf.
    fn booted(&mut self, parts: &Parts<'_>, expect: &Expect) {
        let release = parts.get("kernel").and_then(|lines| lines.first()).copied().unwrap_or_default();
        self.require(release == expect.kernel.release(), || format!("the guest runs kernel {release:?}"));
        match parts.command("plain") {
            Ok((_, 0)) => self.faults.push("libbpf loads without being given a BTF".to_owned()),
            Ok((lines, _)) => {
                let why = "failed to find valid kernel BTF";
                self.require(lines.iter().any(|line| line.contains(why)), || {
                    format!(
                        "libbpf fails without being given a BTF, but not for want of one: {}",
                        lines.join(" / ")
                    )
                });
            }
            Err(error) => self.faults.push(error),
        }
    }

    /// The choice of BTF is the expected one, directly and in a container.
    fn chosen(&mut self, parts: &Parts<'_>, expect: &Expect) {
        let release = expect.kernel.release();
        let missing = "no entry for this release";
        match &expect.answer {
            Answer::Entry { .. } => self.answered(parts, "explain", expect),
            Answer::Inferred { neighbours, .. } => {
                self.refused(parts, "explain", missing, release, neighbours);
                self.answered(parts, "explain-opted-in", expect);
            }
            Answer::Refused { neighbours } => {
                let apart = "not between two kernels of its series with identical BTFs";
                self.refused(parts, "explain", missing, release, neighbours);
                self.refused(parts, "explain-opted-in", apart, release, neighbours);
                self.refused(parts, "explain-container", apart, release, neighbours);
                return;
            }
        }
        self.answered(parts, "explain-container", expect);
    }

    fn answered(&mut self, parts: &Parts<'_>, part: &str, expect: &Expect) {
        match parts.command(part) {
            Ok((lines, status)) => {
                self.require(status == 0, || format!("{part} ends with status {status}"));
                match source(lines, expect) {
                    Ok(source) => self.source = source,
                    Err(fault) => self.faults.push(format!("{part}: {fault}")),
                }
            }
            Err(error) => self.faults.push(error),
        }
    }

    /// The message is the right one: it names the kernel, the reason and the nearest kernels.
    fn refused(
        &mut self,
        parts: &Parts<'_>,
        part: &str,
        reason: &str,
        release: &str,
        neighbours: &[KernelId; 2],
    ) {
        match parts.command(part) {
            Ok((lines, status)) => {
                self.require(status == 1, || format!("{part} ends with status {status}, not refused"));
                let said = lines.last().copied().unwrap_or_default();
                let head = format!("execwatch: no BTF for kernel {release} (");
                let tail = said.split_once("; nearest: ").map_or("", |(_, tail)| tail);
                let nearest = tail.split("; ").next().unwrap_or_default();
                let named: Vec<&str> = nearest.split(", ").collect();
                let right = said.starts_with(&head)
                    && said.contains(reason)
                    && neighbours.iter().all(|id| named.contains(&id.as_str()));
                self.require(right, || format!("{part}: the refusal is not the right one: {said}"));
                if self.source.is_empty() {
                    "refused".clone_into(&mut self.source);
                }
            }
            Err(error) => self.faults.push(error),
        }
    }

    /// Nothing was loaded.
    fn not_watched(&mut self, parts: &Parts<'_>, loader: &'static str) {
        match parts.command(&format!("said-{loader}")) {
            Ok((_, status)) => self.require(status == 1, || format!("{loader}: ends with status {status}")),
            Err(error) => self.faults.push(error),
        }
    }

    /// What execwatch saw of the process is what /proc says.
    fn watched(&mut self, parts: &Parts<'_>, loader: &'static str) {
        match watched(parts, loader) {
            Ok(values) => {
                self.loaded.push(loader);
                for (what, seen, truth) in values {
                    self.compared += 1;
                    if seen == truth {
                        self.equal += 1;
                    } else {
                        self.faults.push(format!("{loader}: {what} is {seen}, but /proc says {truth}"));
                    }
                }
            }
            Err(fault) => self.faults.push(format!("{loader}: {fault}")),
        }
    }
}

/// The source of the BTF that `--explain` tells, if it is the embedded archive and the right entry of it.
fn source(lines: &[&str], expect: &Expect) -> Result<String, String> {
    let own = &expect.kernel;
    let (blob_len, taken, why, how) = match &expect.answer {
        Answer::Entry { blob_len } => (*blob_len, own, format!("matched {own} exactly"), ""),
        Answer::Inferred { neighbours: [before, after], blob_len } => {
            let why = format!("inferred: between {before} and {after}, which have identical BTFs");
            (*blob_len, before, why, ", nearest match")
        }
        Answer::Refused { .. } => return Err("answered where it was to be refused".to_owned()),
    };
    let taken = format!("selected: {blob_len} bytes of {taken}");
    let Some((last, steps)) = lines.split_last() else { return Err("nothing was printed".to_owned()) };
    if *last != taken {
        return Err(format!("{last:?} instead of {taken:?}"));
    }
    let (source, reasons) = steps.last().and_then(|step| step.split_once(": ")).unwrap_or_default();
    if source != "embedded archive" || !reasons.split("; ").any(|reason| reason == why) {
        return Err(format!("{:?} where the archive's {why:?} was to be", steps.last()));
    }
    if !steps.iter().any(|step| step.starts_with("sysfs: ") && step.contains("No such file")) {
        return Err("the kernel's own BTF was not looked for, or is not hidden".to_owned());
    }
    Ok(format!("{source}{how}"))
}

/// A value's name, as execwatch saw it, and as it is.
type Compared = (&'static str, Value, Value);

fn watched(parts: &Parts<'_>, loader: &str) -> Result<Vec<Compared>, String> {
    let said = parts.get(&format!("said-{loader}")).ok_or("nothing was printed")?;
    let process = parts.get(&format!("process-{loader}")).ok_or_else(|| said.join(" / "))?;
    let truth = Process::read(process)?;
    let (lines, status) = parts.command(&format!("events-{loader}"))?;
    if status != 0 {
        return Err(format!("execwatch ends with status {status}: {}", lines.join(" / ")));
    }
    let events = lines
        .iter()
        .map(|line| serde_json::from_str(line).map_err(|_| format!("no event: {line}")))
        .collect::<Result<Vec<Value>, String>>()?;
    let [_su, exec, exit] = &events[..] else { return Err(format!("{} events, not three", events.len())) };

    let mut values: Vec<Compared> = Vec::new();
    for (event, kind) in [(exec, "exec"), (exit, "exit")] {
        values.push(("event", event["event"].clone(), kind.into()));
        values.push(("pid", event["pid"].clone(), truth.pid.into()));
        values.push(("parent", event["ppid"].clone(), truth.parent.into()));
        values.push(("uid", event["uid"].clone(), truth.uid.into()));
        values.push(("comm", event["comm"].clone(), truth.comm.as_str().into()));
        let start = event["start_boottime_ns"].as_u64().map(|start| start / TICK);
        values.push(("start time", start.into(), truth.start.into()));
    }
    values.push(("arguments", exec["args"].clone(), truth.args.clone().into()));
    values.push(("status", exit["status"].clone(), STATUS.into()));
    // What /proc says must be the process that was started, or the two would agree on something else.
    if truth.uid != UID || truth.args != ARGS {
        return Err(format!("/proc describes another process: {truth:?}"));
    }
    Ok(values)
}

/// A process as /proc describes it.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    pid: u64,
    parent: u64,
    uid: u64,
    comm: String,
    /// In ticks since boot.
    start: u64,
    args: Vec<String>,
}

impl Process {
    /// Reads a line of `stat`, lines of `status`, and `cmdline` in hexadecimal.
    fn read(lines: &[&str]) -> Result<Self, String> {
        let field = |name: &str| {
            let line = lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(str::trim).ok_or_else(|| format!("/proc tells no {name}"))
        };
        let number = |text: &str| {
            let word = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            word.ok_or_else(|| format!("/proc tells {text:?} where a number was to be"))
        };
        let stat = lines.first().and_then(|line| line.rsplit_once(')')).ok_or("/proc tells no stat")?.1;
        // The twenty-second field; the first two end with the parenthesis.
        let start = stat.split_whitespace().nth(19).unwrap_or_default();
        let cmdline = field("Cmdline")?
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).map_err(|_| format!("no byte: {byte}")))
            .collect::<Result<Vec<u8>, String>>()?;
        let args = cmdline.strip_suffix(&[0]).unwrap_or(&cmdline).split(|byte| *byte == 0);
        Ok(Self {
            pid: number(field("Pid")?)?,
            parent: number(field("PPid")?)?,
            uid: number(field("Uid")?)?,
            comm: field("Name")?.to_owned(),
            start: number(start)?,
            args: args.map(|arg| String::from_utf8_lossy(arg).into_owned()).collect(),
        })
    }
}

#[cfg(test)]
mod tests;
