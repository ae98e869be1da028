//! Trials: what became of each program in a guest, as `oracle`'s example `load_programs` prints it.

use crate::shell::Outcome;

/// Which BTF libbpf has, as `btfgen report --btf` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// The kernel's own.
    Own,
    /// A minimized one; the kernel's is hidden.
    Embedded,
}

impl Mode {
    pub(super) const ALL: [Self; 2] = [Self::Own, Self::Embedded];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Embedded => "embedded",
        }
    }
}

/// What became of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It loads, and attaches if libbpf attaches it by itself.
    Ran,
    NotLoaded,
    NotAttached,
    /// The verifier refuses it, and no requirement is missing.
    Refused,
}

/// One program, loaded and attached alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) object: String,
    pub(super) program: String,
    pub(super) mode: Mode,
    pub(super) end: End,
    /// The errno and the line that says why.
    pub(super) why: String,
}

/// Reads a guest's output.
pub(super) fn parse(output: &str) -> Outcome<Vec<Trial>> {
    let lines: Vec<&str> = output.lines().map(str::trim_end).collect();
    if !lines.contains(&"@@ end") {
        let tail = lines[lines.len().saturating_sub(5)..].join(" / ");
        return Err(format!("the guest did not finish; its last output: {tail}").into());
    }
    lines.into_iter().filter(|line| line.contains('\t')).map(trial).collect()
}

fn trial(line: &str) -> Outcome<Trial> {
    let fields: Vec<&str> = line.split('\t').collect();
    let malformed = || format!("the guest printed an unexpected line: {line}");
    let (object, program, mode, step, errno, why) = match fields[..] {
        [object, program, mode, step, errno] => (object, program, mode, step, errno, ""),
        [object, program, mode, step, errno, why] => (object, program, mode, step, errno, why),
        _ => return Err(malformed().into()),
    };
    let mode = Mode::ALL.into_iter().find(|it| it.name() == mode).ok_or_else(malformed)?;
    let end = match step {
        "attached" | "loaded" => End::Ran,
        "not-loaded" if refused(why) => End::Refused,
        "not-loaded" => End::NotLoaded,
        "not-attached" => End::NotAttached,
        // Nothing can be said of a program's requirements.
        "not-opened" => return Err(format!("libbpf does not open {object}: {why}").into()),
        _ => return Err(malformed().into()),
    };
    let why = if errno == "0" { String::new() } else { format!("errno {errno}, {why}") };
    Ok(Trial { object: object.to_owned(), program: program.to_owned(), mode, end, why })
}

/// Words of the verifier about values, memory and its own limits, which no requirement covers. Everything else that it says counts as a
/// missing requirement: a helper, a kfunc, an instruction, an attach target, a poisoned instruction.
const REFUSALS: [&str; 24] = [
    " invalid mem access ",
    " type=",
    " !read_ok",
    " unbounded memory access",
    " min value is ",
    " max value is ",
    " pointer arithmetic ",
    " leaks addr",
    " invalid zero-sized read",
    " must be a known constant",
    " doesn't have constant offset",
    " has unknown scalar",
    "math between ",
    "invalid access to map ",
    "invalid access to packet",
    "invalid access to memory",
    "invalid indirect ",
    "invalid read from stack",
    "invalid write to stack",
    "invalid stack ",
    "value is outside of the allowed memory range",
    "infinite loop detected",
    "BPF program is too large. Processed ",
    "jumps is too complex",
];

/// Whether the verifier refuses the program although no requirement is missing.
fn refused(why: &str) -> bool {
    why.strip_prefix("verifier: ").is_some_and(|line| REFUSALS.iter().any(|words| line.contains(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_guests_output() {
        let check = |lines: &str, expect: Option<&[(&str, Mode, End, &str)]>| {
            let got = parse(&format!("SeaBIOS\r\n@@ own\r\n{lines}@@ end\r\n")).ok();
            let got = got.as_ref().map(|trials| {
                trials.iter().map(|it| (&*it.program, it.mode, it.end, &*it.why)).collect::<Vec<_>>()
            });
            assert_eq!(got.as_deref(), expect, "{lines}");
        };
        check("", Some(&[]));
        check(
            "a.o\tp\town\tattached\t0\t\r\na.o\tq\tembedded\tloaded\t0\t\r\n",
            Some(&[("p", Mode::Own, End::Ran, ""), ("q", Mode::Embedded, End::Ran, "")]),
        );
        check(
            "a.o\tp\town\tnot-attached\t2\tlibbpf: no\r\n",
            Some(&[("p", Mode::Own, End::NotAttached, "errno 2, libbpf: no")]),
        );
        for wrong in [
            "a.o\tp\n",
            "a.o\tp\tother\tloaded\t0\t\n",
            "a.o\tp\town\tsomehow\t0\t\n",
            "a.o\t-\town\tnot-opened\t22\tx\n",
        ] {
            check(wrong, None);
        }
        assert!(parse("@@ own\na.o\tp\town\tattached\t0\t\nKernel panic\n").is_err());
    }

    #[test]
    fn tells_refusals_from_missing_requirements() {
        let check = |why: &str, expect: bool| assert_eq!(refused(why), expect, "{why}");
        check("verifier: R4 type=ctx expected=fp", true);
        check("verifier: R1 invalid mem access 'scalar'", true);
        check("verifier: BPF program is too large. Processed 1000001 insn", true);
        check("verifier: unknown func bpf_loop#181", false);
        check("verifier: invalid func unknown#181", false);
        check("verifier: func bpf_get_func_ip#173 not supported for program type 17", false);
        check("verifier: helper call might sleep in a non-sleepable prog", false);
        check(
            "verifier: failed to resolve CO-RE relocation <byte_off> [1] struct a.b (0:0 @ offset 0)",
            false,
        );
        check("verifier: BPF_STX uses reserved fields", false);
        check("verifier: number of funcs in func_info doesn't match number of subprogs", false);
        check("verifier: The function f has 7 arguments. Too many.", false);
        // What libbpf says is about a requirement.
        check("libbpf: map 'a': failed to create: -EINVAL", false);
        check("", false);
    }
}
