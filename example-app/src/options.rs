//! Options: the command line of execwatch.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::ValueExt;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
execwatch - shows every program that is executed and every process that ends

Usage: execwatch [OPTIONS]

Options:
  --once N          stop after N events
  --timeout SECS    stop after SECS seconds; with --once, fail if there were fewer events
  --parent PID      show children of this process only
  --json            print one JSON object per line
  --explain         print which BTF is used and why; without other options, exit then (needs no root)
  --loader NAME     libbpf (default) or aya
  --btf PATH        use this BTF file
  --fetch URL       ask a server of btfgen serve for the BTF of a kernel that is not embedded
  --nearest         use a neighbor's BTF if the kernels just below and above have identical BTFs
  --plain           ignore the embedded BTFs; the loader looks for the kernel's own
  --help            print this

Exit codes: 0 success, 1 failure, 2 wrong usage.
";

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) once: Option<u64>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) parent: Option<u32>,
    pub(crate) json: bool,
    pub(crate) explain: bool,
    pub(crate) loader: Loader,
    pub(crate) btf: Option<PathBuf>,
    pub(crate) fetch: Option<String>,
    pub(crate) nearest: bool,
    pub(crate) plain: bool,
    pub(crate) help: bool,
}

/// The library that loads the object.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loader {
    #[default]
    Libbpf,
    Aya,
}

impl Options {
    /// Parses the arguments that follow the program's name.
    ///
    /// # Errors
    /// If an option is unknown, lacks its value or excludes another one.
    pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, lexopt::Error> {
        use lexopt::Arg::Long;

        let mut options = Self::default();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next()? {
            match arg {
                Long("once") => options.once = Some(parser.value()?.parse()?),
                Long("timeout") => options.timeout = Some(Duration::from_secs(parser.value()?.parse()?)),
                Long("parent") => options.parent = Some(parser.value()?.parse()?),
                Long("json") => options.json = true,
                Long("explain") => options.explain = true,
                Long("loader") => options.loader = parser.value()?.parse_with(Loader::parse)?,
                Long("btf") => options.btf = Some(parser.value()?.into()),
                Long("fetch") => options.fetch = Some(parser.value()?.string()?),
                Long("nearest") => options.nearest = true,
                Long("plain") => options.plain = true,
                Long("help") | lexopt::Arg::Short('h') => options.help = true,
                other => return Err(other.unexpected()),
            }
        }
        if options.plain && (options.btf.is_some() || options.fetch.is_some() || options.nearest) {
            return Err("--plain excludes --btf, --fetch and --nearest".into());
        }
        Ok(options)
    }

    /// Whether to exit once the selected BTF is printed.
    pub(crate) fn explain_only(&self) -> bool {
        self.explain && self.once.is_none() && self.timeout.is_none()
    }
}

impl Loader {
    fn parse(name: &str) -> Result<Self, &'static str> {
        match name {
            "libbpf" => Ok(Self::Libbpf),
            "aya" => Ok(Self::Aya),
            _ => Err("expected libbpf or aya"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_command_line() {
        let check = |line: &str, expect: Result<Options, &str>| {
            let got = Options::parse(line.split_whitespace().map(OsString::from));
            assert_eq!(got.map_err(|error| error.to_string()), expect.map_err(str::to_owned), "{line}");
        };
        check("", Ok(Options::default()));
        check(
            "--once 3 --timeout=20 --parent 7 --json --loader aya",
            Ok(Options {
                once: Some(3),
                timeout: Some(Duration::from_secs(20)),
                parent: Some(7),
                json: true,
                loader: Loader::Aya,
                ..Options::default()
            }),
        );
        check("--explain", Ok(Options { explain: true, ..Options::default() }));
        check("--btf a/b.btf", Ok(Options { btf: Some("a/b.btf".into()), ..Options::default() }));
        check(
            "--fetch http://btf:8080",
            Ok(Options { fetch: Some("http://btf:8080".into()), ..Options::default() }),
        );
        check("-h", Ok(Options { help: true, ..Options::default() }));
        check("--nearest", Ok(Options { nearest: true, ..Options::default() }));
        check("--plain --btf x", Err("--plain excludes --btf, --fetch and --nearest"));
        check("--plain --nearest", Err("--plain excludes --btf, --fetch and --nearest"));
        check("--once", Err("missing argument for option '--once'"));
        check("--once three", Err("cannot parse argument \"three\": invalid digit found in string"));
        check("--loader tc", Err("cannot parse argument \"tc\": expected libbpf or aya"));
        check("--verbose", Err("invalid option '--verbose'"));
        check("rest", Err("unexpected argument \"rest\""));
    }
}
