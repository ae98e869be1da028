//! Report: what was generated, for which kernels, and which relocation fails on which kernel and why.

mod layout;
mod outcomes;
mod verdicts;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use btfgen_runtime::KernelId;
use serde::Serialize;

use crate::memo::Placed;

pub(crate) use layout::{Layout, Section, sections};
pub(crate) use outcomes::{Outcomes, Piece, Pieces, Unresolved};
pub(crate) use verdicts::{Groups, Judge};

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
        let befallen = Befallen::of(&self.kernels);
        let kernels = |lists: Vec<u32>| {
            let mut kernels: Vec<u32> =
                lists.iter().flat_map(|&list| &befallen.lists[list as usize].1).copied().collect();
            kernels.sort_unstable();
            kernels.iter().map(|&kernel| &self.kernels[kernel as usize].id).collect()
        };
        befallen.problems().map(|(problem, lists)| (problem, kernels(lists))).collect()
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
        let befallen = Befallen::of(&self.kernels);
        for (problem, lists) in befallen.problems() {
            let (first, more) = befallen.first(&lists);
            let mut warning = format!("{problem}: on ");
            for (at, &kernel) in first.iter().enumerate() {
                warning.push_str(if at > 0 { ", " } else { "" });
                warning.push_str(self.kernels[kernel as usize].id.as_str());
            }
            if more > 0 {
                warning.push_str(&format!(" and {more} more"));
            }
            warnings.push(warning);
        }
        warnings
    }
}

/// Which kernels have which problems. Hundreds of kernels share hundreds of problems, in far fewer lists.
struct Befallen<'r> {
    /// Lists of problems, each with the places of the kernels that have it, in the order of their first ones.
    lists: Vec<(&'r [Arc<Problem>], Vec<u32>)>,
}

/// How many kernels a warning names.
const NAMED: usize = 3;

impl<'r> Befallen<'r> {
    fn of(kernels: &'r [KernelReport]) -> Self {
        let mut lists: Placed<(&[Arc<Problem>], Vec<u32>)> = Placed::default();
        for (place, kernel) in kernels.iter().enumerate().filter(|(_, kernel)| !kernel.problems.is_empty()) {
            let (_, befallen) = lists.get(kernel.problems.as_ptr(), || (&kernel.problems, Vec::new()));
            befallen.push(place as u32);
        }
        Self { lists: lists.all }
    }

    /// The problems, each with the lists that it is in.
    fn problems(&self) -> impl Iterator<Item = (&'r Problem, Vec<u32>)> + use<'r> {
        let mut shared: Placed<(&Problem, Vec<u32>)> = Placed::default();
        for (list, (problems, _)) in self.lists.iter().enumerate() {
            for problem in *problems {
                let (_, lists) = shared.get(Arc::as_ptr(problem), || (problem, Vec::new()));
                lists.push(list as u32);
            }
        }
        // The same may have been said twice.
        let mut grouped: BTreeMap<&Problem, Vec<u32>> = BTreeMap::new();
        for (problem, mut lists) in shared.all {
            grouped.entry(problem).or_default().append(&mut lists);
        }
        grouped.into_iter()
    }

    /// The places of the first kernels in these lists, and how many more there are.
    fn first(&self, lists: &[u32]) -> (Vec<u32>, usize) {
        let mut first: Vec<u32> = Vec::with_capacity(2 * NAMED);
        let mut count = 0;
        for &list in lists {
            let (_, kernels) = &self.lists[list as usize];
            count += kernels.len();
            // Mostly, as lists come in order, this one begins behind those that are named.
            if first.len() < NAMED || kernels[0] < first[NAMED - 1] {
                first.extend(kernels.iter().take(NAMED));
                first.sort_unstable();
                first.truncate(NAMED);
            }
        }
        let more = count - first.len();
        (first, more)
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
        Ok(())
    }
}
