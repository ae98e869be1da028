//! Judge: compares a guest's output with the expected outcome.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::engine::KernelId;

/// The loaders that execwatch has.
const LOADERS: [&str; 2] = ["libbpf", "aya"];
/// The kernel's BTF.
const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";
/// The arguments of the process in the guest, including some that a shell would split or drop.
const ARGS: [&str; 6] = ["sh", "-c", "echo >/run/ready; read -r _; exit 7", "two words", "", "ü"];
/// The exit status of that process.
const STATUS: u64 = 7;
/// The user of that process.
const UID: u64 = 65_534;
/// Nanoseconds of a tick, the unit of start times in /proc.
const TICK: u64 = 10_000_000;

/// The expected outcome of a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expect {
    /// The booted kernel.
    pub(super) kernel: KernelId,
    pub(super) ships_btf: bool,
    pub(super) answer: Answer,
    /// Whether it also loads modules and reads their types.
    pub(super) modules: bool,
}

impl Expect {
    /// Whether it is a kernel with an entry, and with modules that are not compressed and have BTF.
    pub(super) fn may_read_modules(&self) -> bool {
        matches!(self.answer, Answer::Entry { .. })
            && self.ships_btf
            && self.kernel.release().starts_with("6.1.")
    }
}

/// Which BTF execwatch must choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The kernel's own entry, with a blob of this length.
    Entry { blob_len: usize },
    /// None; with `--nearest`, the blob of this length that the kernels before and after it share.
    Inferred { neighbors: [KernelId; 2], blob_len: usize },
    /// None, even with `--nearest`: the blobs of the kernels before and after it differ.
    Refused { neighbors: [KernelId; 2] },
}

/// The outcome, for the table and in `faults`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The source of the BTF that execwatch reports.
    pub(super) source: String,
    /// The loaders that loaded and attached the programs.
    pub(super) loaded: Vec<&'static str>,
    /// Values that equal those of /proc and wait(2).
    pub(super) equal: usize,
    /// Values compared.
    pub(super) compared: usize,
    pub(super) faults: Vec<String>,
}

/// Compares a guest's output with the expected outcome.
pub(super) fn judge(output: &str, expect: &Expect) -> Verdict {
    let parts = Parts::of(output);
    let mut verdict = Verdict::default();
    if parts.get("end").is_none() {
        let lines: Vec<&str> = output.lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join(" / ");
        verdict.faults.push(format!("the guest did not finish; its last output: {tail}"));
    }
    verdict.booted(&parts, expect);
    verdict.chosen(&parts, expect);
    if expect.modules {
        verdict.modules(&parts);
    }
    for loader in LOADERS {
        match expect.answer {
            Answer::Refused { .. } => verdict.not_watched(&parts, loader),
            _ => verdict.watched(&parts, loader),
        }
    }
    verdict
}

/// The guest's output, by the names of its parts.
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

    /// The lines of a command's part, and its exit status.
    fn command(&self, name: &str) -> Result<(&[&'a str], u32), String> {
        let (last, lines) =
            self.get(name).and_then(<[_]>::split_last).ok_or_else(|| format!("no output of {name}"))?;
        let status = last.strip_prefix("status ").and_then(|status| status.parse().ok());
        Ok((lines, status.ok_or_else(|| format!("{name} ends with {last:?}, not with a status"))?))
    }
}

impl Verdict {
    fn require(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(otherwise());
        }
    }

    /// The right kernel runs, has BTF as expected, and libbpf finds none.
    fn booted(&mut self, parts: &Parts<'_>, expect: &Expect) {
        let first = |part| parts.get(part).and_then(|lines| lines.first()).copied().unwrap_or_default();
        let release = first("kernel");
        self.require(release == expect.kernel.release(), || format!("the guest runs kernel {release:?}"));
        let btf = first("btf");
        let right = match expect.ships_btf {
            true => btf == KERNEL_BTF,
            false => btf.contains(KERNEL_BTF) && btf.ends_with("No such file or directory"),
        };
        self.require(right, || {
            format!("the kernel ships BTF: {}, but in the guest: {btf}", expect.ships_btf)
        });
        match parts.command("plain") {
            Ok((_, 0)) => self.faults.push("libbpf loads without a BTF".to_owned()),
            Ok((lines, _)) => {
                let why = "failed to find valid kernel BTF";
                self.require(lines.iter().any(|line| line.contains(why)), || {
                    format!("libbpf fails without a BTF, but for another reason: {}", lines.join(" / "))
                });
            }
            Err(error) => self.faults.push(error),
        }
    }

    /// The types of modules are the same with the kernel's BTF, which libbpf reads with its modules', and with the archive's,
    /// and the program found the inode below overlayfs.
    fn modules(&mut self, parts: &Parts<'_>) {
        let inode = parts.get("modules").unwrap_or_default().join(" / ");
        let mut values = Vec::new();
        for (part, source) in [("modules-own", "sysfs"), ("modules-hidden", "embedded archive")] {
            match parts.command(part) {
                Ok(([from, found], 0)) if *from == source => values.push(*found),
                Ok((lines, status)) => {
                    self.faults.push(format!("{part} ends with status {status}: {}", lines.join(" / ")));
                }
                Err(error) => self.faults.push(error),
            }
        }
        if let [own, hidden] = values[..] {
            self.require(own == hidden, || format!("modules: {own} of the kernel, {hidden} of the archive"));
            self.require(own.starts_with(&format!("[{inode}, ")), || {
                format!("modules: {own} does not begin with inode {inode}")
            });
        }
    }

    /// The choice of BTF is the expected one, directly and in a container.
    fn chosen(&mut self, parts: &Parts<'_>, expect: &Expect) {
        let release = expect.kernel.release();
        let missing = "no entry for this release";
        match &expect.answer {
            Answer::Entry { .. } => self.answered(parts, "explain", expect),
            Answer::Inferred { neighbors, .. } => {
                self.refused(parts, "explain", missing, release, neighbors);
                self.answered(parts, "explain-opted-in", expect);
            }
            Answer::Refused { neighbors } => {
                let apart = "not between two kernels of its series with identical BTFs";
                self.refused(parts, "explain", missing, release, neighbors);
                self.refused(parts, "explain-opted-in", apart, release, neighbors);
                self.refused(parts, "explain-container", apart, release, neighbors);
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

    /// The refusal names the kernel, the reason and the nearest kernels.
    fn refused(
        &mut self,
        parts: &Parts<'_>,
        part: &str,
        reason: &str,
        release: &str,
        neighbors: &[KernelId; 2],
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
                    && neighbors.iter().all(|id| named.contains(&id.as_str()));
                self.require(right, || format!("{part}: wrong refusal: {said}"));
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

    /// The events of the process agree with /proc.
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

/// The source in the output of `--explain`, if it is the embedded archive and the right entry of it.
fn source(lines: &[&str], expect: &Expect) -> Result<String, String> {
    let own = &expect.kernel;
    let (blob_len, taken, why, how) = match &expect.answer {
        Answer::Entry { blob_len } => (*blob_len, own, format!("matched {own} exactly"), ""),
        Answer::Inferred { neighbors: [before, after], blob_len } => {
            let why = format!("inferred: between {before} and {after}, which have identical BTFs");
            (*blob_len, before, why, ", nearest match")
        }
        Answer::Refused { .. } => return Err("chose a BTF instead of refusing".to_owned()),
    };
    let taken = format!("selected: {blob_len} bytes of {taken}");
    let Some((last, steps)) = lines.split_last() else { return Err("no output".to_owned()) };
    if *last != taken {
        return Err(format!("{last:?} instead of {taken:?}"));
    }
    let (source, reasons) = steps.last().and_then(|step| step.split_once(": ")).unwrap_or_default();
    if source != "embedded archive" || !reasons.split("; ").any(|reason| reason == why) {
        return Err(format!("{:?} instead of the archive's {why:?}", steps.last()));
    }
    if !steps.iter().any(|step| step.starts_with("sysfs: ") && step.contains("No such file")) {
        return Err("the kernel's own BTF was not tried, or libbpf finds it".to_owned());
    }
    Ok(format!("{source}{how}"))
}

/// A value's name, the value in the event, and the value in /proc.
type Compared = (&'static str, Value, Value);

fn watched(parts: &Parts<'_>, loader: &str) -> Result<Vec<Compared>, String> {
    let said = parts.get(&format!("said-{loader}")).ok_or("no output")?;
    let process = parts.get(&format!("process-{loader}")).ok_or_else(|| said.join(" / "))?;
    let truth = Process::read(process)?;
    let (lines, status) = parts.command(&format!("events-{loader}"))?;
    if status != 0 {
        return Err(format!("execwatch ends with status {status}: {}", lines.join(" / ")));
    }
    let events = lines
        .iter()
        .map(|line| serde_json::from_str(line).map_err(|_| format!("invalid event: {line}")))
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
    // Both could agree on another process than the one that was started.
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
            line.map(str::trim).ok_or_else(|| format!("/proc has no {name}"))
        };
        let number = |text: &str| {
            let word = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            word.ok_or_else(|| format!("/proc has {text:?} instead of a number"))
        };
        let stat = lines.first().and_then(|line| line.rsplit_once(')')).ok_or("/proc has no stat")?.1;
        // The twenty-second field; the first two end with the parenthesis.
        let start = stat.split_whitespace().nth(19).unwrap_or_default();
        let cmdline = field("Cmdline")?
            .split_whitespace()
            .map(|byte| u8::from_str_radix(byte, 16).map_err(|_| format!("invalid byte {byte}")))
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
