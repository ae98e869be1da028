//! Error: one kind and a chain of causes, from what was being done down to what went wrong.

use std::error::Error as StdError;
use std::fmt;

use btfgen_core::pipeline;

/// Why a build step failed: a kind, and the chain of causes.
///
/// `{}` prints the outermost link alone, `{:#}` the whole chain on one line.
///
/// ```
/// let error = btfgen_build::Config::from_file("no/such/btfgen.toml").unwrap_err();
/// assert_eq!(error.kind(), btfgen_build::ErrorKind::Config);
/// assert!(format!("{error:#}").contains("no/such/btfgen.toml"));
/// ```
pub struct Error(Box<Link>);

struct Link {
    kind: ErrorKind,
    what: What,
}

enum What {
    /// What was being done, and the error it met.
    While(String, Error),
    /// A module's own error.
    Cause(Box<dyn StdError + Send + Sync>),
}

/// The part of the work that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The configuration: `btfgen.toml`, a glob, a variable it names.
    Config,
    /// A hub or one of its kernels.
    Hub,
    /// A compiled eBPF object.
    Object,
    /// A target BTF.
    Btf,
    /// A relocation that a kernel cannot serve.
    Relocation,
    /// The archive.
    Archive,
    /// Compiling C sources to objects.
    Compile,
    /// Reading or writing a file.
    Io,
    /// A mistake in this crate, found by its own checks.
    Internal,
}

impl Error {
    /// Wraps a module's error.
    ///
    /// A module whose error belongs to one kind adds `impl From<ItsError> for Error` through
    /// [`error_from!`](crate::error::error_from) at the end of this file.
    pub(crate) fn new(kind: ErrorKind, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Box::new(Link { kind, what: What::Cause(cause.into()) }))
    }

    /// The part of the work that failed.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Adds what was being done, such as `while reading hub tree kernels`.
    #[must_use]
    pub fn context(self, doing: impl Into<String>) -> Self {
        Self(Box::new(Link { kind: self.kind(), what: What::While(doing.into(), self) }))
    }

    /// The chain of causes as text, outermost first.
    pub fn chain(&self) -> Vec<String> {
        let mut texts = vec![self.to_string()];
        let mut next = self.source();
        while let Some(error) = next {
            texts.push(error.to_string());
            next = error.source();
        }
        texts
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

    fn report(&self) -> String {
        let mut text = String::new();
        for (at, cause) in self.chain().iter().enumerate() {
            let head = if at == 0 { "error" } else { "  caused by" };
            let cause = cause.trim_end().replace('\n', "\n    ");
            text.push_str(&format!("{head}: {cause}\n"));
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return f.write_str(&self.chain().join(": "));
        }
        match &self.0.what {
            What::While(doing, _) => f.write_str(doing),
            What::Cause(cause) => cause.fmt(f),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self:#}", self.kind())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0.what {
            What::While(_, error) => Some(error),
            What::Cause(cause) => cause.source(),
        }
    }
}

/// Adds what was being done to a result's error.
pub(crate) trait Context<T> {
    /// Adds the text that `doing` makes, when there is an error.
    fn context(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<Error>> Context<T> for Result<T, E> {
    fn context(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|error| error.into().context(doing()))
    }
}

/// `error_from!(Kind: module::ItsError)`: a module's error becomes an [`Error`] of that kind.
macro_rules! error_from {
    ($($kind:ident: $error:ty),* $(,)?) => {$(
        impl From<$error> for $crate::Error {
            fn from(error: $error) -> Self {
                Self::new($crate::ErrorKind::$kind, error)
            }
        }
    )*};
}

pub(crate) use error_from;

error_from! {
    Config: btfgen_core::hub::FilterError,
    Io: btfgen_core::files::FileError,
    Archive: btfgen_core::archive::ArchiveError,
    Archive: btfgen_core::files::TreeError,
}

impl From<pipeline::Error> for Error {
    fn from(error: pipeline::Error) -> Self {
        let kind = match &error {
            pipeline::Error::File(_) => ErrorKind::Io,
            pipeline::Error::Object { .. }
            | pipeline::Error::Relocations(_)
            | pipeline::Error::ByteOrder(_) => ErrorKind::Object,
            pipeline::Error::Hub(_) => ErrorKind::Hub,
            pipeline::Error::Filter(_) => ErrorKind::Config,
            pipeline::Error::Kernel { .. } | pipeline::Error::Btf(_) | pipeline::Error::Minimize(_) => {
                ErrorKind::Btf
            }
            pipeline::Error::Relocation { .. } | pipeline::Error::NoneServed { .. } => ErrorKind::Relocation,
            pipeline::Error::Archive(_) | pipeline::Error::Tree(_) => ErrorKind::Archive,
            _ => ErrorKind::Internal,
        };
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer of {name}")]
    struct Outer {
        name: &'static str,
        source: std::num::ParseIntError,
    }

    fn error() -> Error {
        let source = "x".parse::<u8>().unwrap_err();
        Error::new(ErrorKind::Hub, Outer { name: "a.btf", source })
            .context("while reading kernel a")
            .context("while reading hub tree h")
    }

    #[test]
    fn prints_the_chain() {
        let error = error();
        assert_eq!(error.kind(), ErrorKind::Hub);
        assert_eq!(error.to_string(), "while reading hub tree h");
        let line = "while reading hub tree h: while reading kernel a: outer of a.btf: \
                    invalid digit found in string";
        assert_eq!(format!("{error:#}"), line);
        assert_eq!(format!("{error:?}"), format!("Hub: {line}"));
        assert_eq!(
            error.report(),
            "error: while reading hub tree h\n  caused by: while reading kernel a\n  caused by: outer of \
             a.btf\n  caused by: invalid digit found in string\n"
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
        let report = Error::new(ErrorKind::Compile, "clang failed\na.bpf.c:1: oops\n").report();
        assert_eq!(report, "error: clang failed\n    a.bpf.c:1: oops\n");
    }
}
