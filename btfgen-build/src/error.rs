//! Error: a kind, and a chain of causes from what failed down to why.

use std::error::Error as StdError;
use std::fmt;

use btfgen_core::files::{FileError, TreeError};
use btfgen_core::forecast::{ForecastError, GateError};
use btfgen_core::hub::FilterError;
use btfgen_core::pipeline;

/// Why a build step failed: a kind, and the chain of causes.
///
/// `{}` prints the first error alone, `{:#}` the whole chain on one line.
///
/// ```
/// let error = btfgen_build::Config::from_file("no/such/btfgen.toml").unwrap_err();
/// assert_eq!(error.kind(), btfgen_build::ErrorKind::Config);
/// assert!(format!("{error:#}").contains("no/such/btfgen.toml"));
/// ```
pub struct Error {
    kind: ErrorKind,
    cause: Box<dyn StdError + Send + Sync>,
}

/// The part of the work that failed.
///
/// [`Error`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration: `btfgen.toml`, a glob, a variable it uses.
    Config,
    /// A hub or one of its kernels.
    Hub,
    /// A compiled eBPF object.
    Object,
    /// A kernel's BTF.
    Btf,
    /// A relocation that fails on a kernel.
    Relocation,
    /// A program that fails on a kernel where it is required.
    Require,
    /// The archive.
    Archive,
    /// Compiling C sources to objects.
    Compile,
    /// Reading or writing a file.
    Io,
    /// A bug in this crate, found by its own checks.
    Internal,
}

impl Error {
    /// The part of the work that failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Prints the chain of causes to standard error and ends the process with code 1.
    ///
    /// Cargo shows a build script's standard error when the script fails.
    ///
    /// ```no_run
    /// btfgen_build::Config::from_file("btfgen.toml").unwrap_or_else(|error| error.exit());
    /// ```
    pub fn exit(self) -> ! {
        eprint!("{}", self.report());
        std::process::exit(1)
    }

    /// The errors as text, outermost first.
    pub(crate) fn chain(&self) -> Vec<String> {
        let causes = std::iter::successors(self.source(), |&error| error.source());
        std::iter::once(self.cause.to_string()).chain(causes.map(ToString::to_string)).collect()
    }

    fn report(&self) -> String {
        let mut text = String::new();
        for (index, cause) in self.chain().iter().enumerate() {
            let head = if index == 0 { "error" } else { "  caused by" };
            let cause = cause.trim_end().replace('\n', "\n    ");
            text.push_str(&format!("{head}: {cause}\n"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { f.write_str(&self.chain().join(": ")) } else { self.cause.fmt(f) }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.source()
    }
}

/// What an [`Error`] is made of, here and in the engine. A trait of its own, because `impl From<...> for Error` would make the engine's
/// errors part of the public API.
pub(crate) trait Cause: StdError + Send + Sync + 'static {
    /// The part of the work that failed.
    fn kind(&self) -> ErrorKind;
}

impl<C: Cause> From<C> for Error {
    fn from(cause: C) -> Self {
        Self { kind: cause.kind(), cause: Box::new(cause) }
    }
}

impl Cause for FilterError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }
}

impl Cause for GateError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }
}

impl Cause for FileError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Io
    }
}

impl Cause for TreeError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Archive
    }
}

impl Cause for pipeline::Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::File(_) => ErrorKind::Io,
            Self::Object { .. } | Self::Relocations(_) | Self::ByteOrder(_) => ErrorKind::Object,
            Self::Hub(_) => ErrorKind::Hub,
            Self::Filter { .. } | Self::Forecast(ForecastError::NoProgram { .. }) => ErrorKind::Config,
            Self::Btf(_) | Self::Minimize(_) => ErrorKind::Btf,
            Self::NoneServed { .. } => ErrorKind::Relocation,
            Self::Forecast(ForecastError::Requirements { .. }) => ErrorKind::Object,
            Self::Archive(_) => ErrorKind::Archive,
            _ => ErrorKind::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] Inner);

    impl Cause for Outer {
        fn kind(&self) -> ErrorKind {
            ErrorKind::Hub
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("kernel a")]
    struct Inner(#[source] std::num::ParseIntError);

    fn error() -> Error {
        let source = "x".parse::<u8>().unwrap_err();
        Outer("hub h", Inner(source)).into()
    }

    #[test]
    fn prints_the_chain() {
        let error = error();
        assert_eq!(error.kind(), ErrorKind::Hub);
        assert_eq!(error.to_string(), "hub h");
        let line = "hub h: kernel a: invalid digit found in string";
        assert_eq!(format!("{error:#}"), line);
        assert_eq!(format!("{error:?}"), format!("Hub: {line}"));
        assert_eq!(
            error.report(),
            "error: hub h\n  caused by: kernel a\n  caused by: invalid digit found in string\n"
        );
    }

    #[test]
    fn keeps_the_sources() {
        let error = error();
        let mut last: &dyn StdError = &error;
        while let Some(source) = last.source() {
            last = source;
        }
        assert!(last.is::<std::num::ParseIntError>());
    }

    #[test]
    fn indents_further_lines_of_a_cause() {
        let source = "x".parse::<u8>().unwrap_err();
        let report = Error::from(Outer("clang failed\na.bpf.c:1: oops\n", Inner(source))).report();
        assert_eq!(
            report,
            "error: clang failed\n    a.bpf.c:1: oops\n  caused by: kernel a\n  caused by: invalid digit found in string\n"
        );
    }
}
