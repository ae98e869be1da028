//! Report: what was generated, for which kernels, and which relocation fails on which kernel and why.

mod layout;
mod outcomes;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use btfgen_runtime::KernelId;
use serde::Serialize;

use crate::memo::Memo;

pub use layout::Layout;
pub use outcomes::{Outcomes, Unresolved};

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The objects, in the order given.
    pub objects: Vec<ObjectReport>,
    /// The kernels, ordered by id.
    pub kernels: Vec<KernelReport>,
    /// Number of distinct minimized BTFs.
    pub blobs: usize,
    /// Their sizes together, in bytes.
    pub blob_bytes: usize,
    /// Size of the archive in bytes; 0 if none was written.
    pub archive_bytes: usize,
    /// Kernels whose minimized BTF was known from the last build.
    pub from_cache: usize,
    /// Exclude globs that match no kernel.
    pub idle_excludes: Vec<String>,
    /// What the hub holds beside kernels: files that are none, links, kernels in a second form.
    pub hub_notes: Vec<String>,
}

/// What an object asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ObjectReport {
    /// The object's name.
    pub name: String,
    /// Number of its CO-RE relocations.
    pub relocations: usize,
    /// Relocations that ask for a type id of the BTF at hand (`TYPE_ID_TARGET`): against a minimized BTF they get an
    /// id of that one, not of the kernel's.
    pub type_ids: usize,
    /// Relocations that fail whatever the kernel.
    pub failures: Vec<String>,
    /// Programs, maps and symbols that cannot load on a kernel without BTF of its own.
    pub needs_kernel_btf: Vec<String>,
}

/// What became of a kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KernelReport {
    /// The kernel.
    #[serde(serialize_with = "as_text")]
    pub id: KernelId,
    /// Its minimized BTF, by number; none if the kernel is not served.
    pub blob: Option<usize>,
    /// What is amiss; kernels with which the same is share it.
    pub problems: Arc<[Arc<Problem>]>,
    /// Number of relocations that find nothing and whose instruction is never run, because a check rules it out.
    pub guarded: usize,
}

/// Something amiss with a kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "problem", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Problem {
    /// The kernel's BTF cannot be read or used.
    Unreadable {
        /// Why.
        reason: String,
    },
    /// A relocation cannot be served.
    Relocation {
        /// The object.
        object: String,
        /// The program.
        program: String,
        /// The relocation's section and number there.
        place: String,
        /// The relocation's kind and spec, as libbpf writes them.
        spec: String,
        /// The C line, as `file:line`.
        line: Option<String>,
        /// That line's text.
        text: Option<String>,
        /// What is wrong.
        reason: String,
    },
}

fn as_text<S: serde::Serializer>(id: &KernelId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}

impl Report {
    /// Kernels that are served.
    pub fn served(&self) -> usize {
        self.kernels.iter().filter(|kernel| kernel.blob.is_some()).count()
    }

    /// Number of relocations of all objects.
    pub fn relocations(&self) -> usize {
        self.objects.iter().map(|object| object.relocations).sum()
    }

    /// Problems, each with the kernels it befalls: a page to read where thousands of kernels fail alike.
    pub fn problems(&self) -> Vec<(&Problem, Vec<&KernelId>)> {
        let mut shared: Memo<*const Problem, (&Problem, Vec<&KernelId>)> = Memo::default();
        for kernel in &self.kernels {
            for problem in kernel.problems.iter() {
                let entry = shared.entry(Arc::as_ptr(problem)).or_insert_with(|| (problem, Vec::new()));
                entry.1.push(&kernel.id);
            }
        }
        // The same may have been said twice.
        let mut grouped: BTreeMap<&Problem, Vec<&KernelId>> = BTreeMap::new();
        for (problem, kernels) in shared.into_values() {
            grouped.entry(problem).or_default().extend(kernels);
        }
        grouped.values_mut().for_each(|kernels| kernels.sort());
        grouped.into_iter().collect()
    }

    /// Warnings for a person, one a paragraph.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for glob in &self.idle_excludes {
            warnings.push(format!("exclude {glob:?} matches no kernel"));
        }
        for object in &self.objects {
            if object.relocations == 0 {
                warnings.push(format!("{}: no CO-RE relocations, so it needs no BTF embedded", object.name));
            }
            for need in &object.needs_kernel_btf {
                warnings.push(format!(
                    "{}: {need} cannot load on a kernel without BTF of its own, whatever is embedded",
                    object.name
                ));
            }
            for failure in &object.failures {
                warnings.push(format!("{}: {failure}", object.name));
            }
            if object.type_ids > 0 {
                warnings.push(format!(
                    "{}: {} relocations ask for a type id of the BTF at hand; with an embedded BTF that is no id of the kernel's",
                    object.name, object.type_ids
                ));
            }
        }
        for (problem, kernels) in self.problems() {
            warnings.push(format!("{problem}: on {}", Kernels(&kernels)));
        }
        warnings
    }
}

/// Kernel ids for a person: the first few, and how many more.
struct Kernels<'a>(&'a [&'a KernelId]);

impl fmt::Display for Kernels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, id) in self.0.iter().take(3).enumerate() {
            write!(f, "{}{id}", if at > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(3) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { reason } => f.write_str(reason),
            Self::Relocation { object, program, place, spec, line, text, reason } => {
                write!(f, "{object}: {program}: {place}: {spec}")?;
                if let Some(line) = line {
                    write!(f, " at {line}")?;
                }
                if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                    write!(f, " `{text}`")?;
                }
                write!(f, ": {reason}")
            }
        }
    }
}

impl fmt::Display for Report {
    /// A few lines: objects, kernels, blobs and bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} object(s) with {} relocations; {} of {} kernels served by {} distinct BTFs of {} bytes",
            self.objects.len(),
            self.relocations(),
            self.served(),
            self.kernels.len(),
            self.blobs,
            self.blob_bytes,
        )?;
        if self.archive_bytes > 0 {
            write!(f, "; archive of {} bytes", self.archive_bytes)?;
        }
        if self.from_cache > 0 {
            write!(f, "; {} kernels known from the last build", self.from_cache)?;
        }
        Ok(())
    }
}
