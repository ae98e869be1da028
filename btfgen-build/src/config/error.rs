//! Why a configuration is refused.

use std::path::PathBuf;

use btfgen_core::files::FileError;

use crate::error::{Cause, ErrorKind};

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The configuration's file cannot be read.
    #[error("no configuration: write a btfgen.toml with objects and hub, or build a Config in code")]
    Read(#[source] FileError),
    /// The configuration's file is malformed.
    #[error("{}:{line}:{column}: {message}", file.display())]
    Toml {
        /// The file.
        file: PathBuf,
        /// Line of the mistake, from 1.
        line: usize,
        /// Column of the mistake in characters, from 1.
        column: usize,
        /// What is wrong.
        message: String,
    },
    /// No objects are set.
    #[error("no object named: call Config::object, or set objects in btfgen.toml")]
    NoObjects,
    /// No hub is set.
    #[error("no hub named: call Config::hub, or set hub in btfgen.toml")]
    NoHub,
    /// The hub does not exist.
    #[error("no hub file or folder at {}; make one with \"btfgen vendor --this-host -o {}\"", path.display(), path.display())]
    NoSuchHub {
        /// The path.
        path: PathBuf,
    },
    /// A path uses an environment variable that is not set, or not UTF-8.
    #[error("{text:?} uses environment variable {name}, which is unset or not UTF-8")]
    Variable {
        /// The path as given.
        text: String,
        /// The variable.
        name: String,
    },
    /// A path has a dollar sign without a variable's name.
    #[error("{text:?} has a $ without a name: write $NAME, ${{NAME}}, or $$ for the sign itself")]
    Dollar {
        /// The path as given.
        text: String,
    },
    /// A text that is not a glob.
    #[error("{text:?} is not a glob over files")]
    Glob {
        /// The text.
        text: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// A folder that a glob searches cannot be read.
    #[error("cannot search for {text:?}")]
    Unreadable {
        /// The glob.
        text: String,
        /// The system's error.
        source: glob::GlobError,
    },
    /// A glob that matches no file.
    #[error("{text:?} matches no file in {}{hint}", folder.display())]
    NoMatch {
        /// The glob as given.
        text: String,
        /// The folder that it searches.
        folder: PathBuf,
        /// What to do, or nothing.
        hint: &'static str,
    },
    /// A compression level that zstd does not have.
    #[error("compression level {level} is not between 1 and 22")]
    Level {
        /// The level.
        level: i32,
    },
    /// The page is wanted, and the feature is off.
    #[error("report = \"html\" needs the feature html: btfgen-build = {{ ..., features = [\"html\"] }}")]
    NoHtml,
    /// No output folder is set, and this is not a build script.
    #[error("no output folder: OUT_DIR is not set, and Config::out_dir was not called")]
    NoOutDir,
}

impl Cause for ConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }
}
