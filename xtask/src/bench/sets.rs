//! Sets: objects that are packed together.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::engine::{Roots, read_objects};
use crate::fixtures;
use crate::shell::Outcome;

/// A set that is made of the fixtures or generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SetName {
    /// One tool
    Small,
    /// Three tools
    Three,
    /// Fifty generated tools
    Fifty,
    /// Three tools and a fixture with all kinds of relocations
    Medium,
    /// A generated agent over the types that tracers read
    Large,
    /// A generated agent over all kinds of types: the hardest case
    Diverse,
}

/// Objects that are packed together.
pub(super) struct Set {
    pub(super) name: String,
    /// What it is, with the number of relocations.
    pub(super) title: String,
    objects: Vec<PathBuf>,
}

impl SetName {
    /// The objects; none of the fifty tools, if the compiler that makes them is not installed.
    pub(super) fn load_if_possible(self, scratch: &Path) -> Option<Outcome<Set>> {
        match self.load(scratch) {
            Err(error) if self == Self::Fifty => {
                println!("skipped the set of fifty tools: {error}");
                None
            }
            set => Some(set),
        }
    }

    /// The objects; generated ones are written to `scratch`.
    pub(super) fn load(self, scratch: &Path) -> Outcome<Set> {
        let suite = |names: &[&str]| {
            let folder = oracle::testdata::folder().join("objects/el");
            Ok(names.iter().map(|name| folder.join(format!("{name}.o"))).collect())
        };
        let value = self.to_possible_value().ok_or("a set has no name")?;
        let generated = |bytes: Vec<u8>| {
            let object = scratch.join(format!("{}.o", value.get_name()));
            fs::write(&object, bytes)?;
            Ok(vec![object])
        };
        let objects: Outcome<Vec<PathBuf>> = match self {
            Self::Small => suite(&["opensnoop"]),
            Self::Three => suite(&["opensnoop", "biolatency", "tcpconnect"]),
            Self::Fifty => fixtures::tools(&scratch.join("tools")),
            Self::Medium => suite(&["opensnoop", "biolatency", "tcpconnect", "kernel"]),
            Self::Large => generated(oracle::testdata::tracer()),
            Self::Diverse => generated(oracle::testdata::agent()),
        };
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        Set::new(value.get_name(), &help, objects?)
    }
}

/// Objects that the user names.
pub(super) fn given(objects: Vec<PathBuf>) -> Outcome<Set> {
    Set::new("given", "the named objects", objects)
}

impl Set {
    fn new(name: &str, what: &str, objects: Vec<PathBuf>) -> Outcome<Self> {
        let read = read_objects(&objects)?;
        let roots = Roots::new(&read)?;
        let relocations: usize = read.iter().map(|object| object.relocations().len()).sum();
        let distinct: usize = roots.roots().iter().map(|root| root.queries.len()).sum();
        let types = roots.roots().len();
        let title =
            format!("{name}: {what}; {relocations} relocations, {distinct} distinct, of {types} types");
        Ok(Self { name: name.to_owned(), title, objects })
    }

    /// The objects as words of a command.
    pub(super) fn words(&self) -> Vec<String> {
        self.objects.iter().map(|object| object.display().to_string()).collect()
    }
}
