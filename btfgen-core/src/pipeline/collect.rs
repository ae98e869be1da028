//! Collecting: from the results of all kernels to the blobs, the entries and the report.

use std::sync::Arc;

use btfgen_runtime::{BuildId, KernelId, ObjectDigest};

use super::error::{Error, KernelError};
use super::hub::Kernel;
use super::worker::Minimized;
use crate::archive::{self, Entry};
use crate::diagnose::{Diagnosis, Finding};
use crate::memo::{Id, Memo};
use crate::minimize::MinimizeError;
use crate::object::{Object, RelocationKind};
use crate::report::{BlobId, KernelReport, ObjectReport, Problem, ProblemId, Report};
use crate::resolve::{Lookup, Roots, describe_spec};

/// Whether a BTF is embedded for a kernel that fails a relocation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnFailure {
    /// It is: libbpf makes the instruction invalid, and other programs may run.
    #[default]
    Keep,
    /// It is not.
    Drop,
}

/// For which kernels the build id is stored, if the hub has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BuildIds {
    /// For kernels that only their build id identifies: custom ones, and those of distributions that are not known by name.
    #[default]
    Needed,
    /// For all kernels. Then a rebuilt kernel of a distribution, whose strings are the same, does not match.
    All,
}

impl BuildIds {
    fn include(self, kernel: &KernelId) -> bool {
        self == Self::All || !kernel.has_known_distro()
    }
}

/// The result of a run.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    /// The served kernels, sorted by id.
    pub entries: Vec<Entry>,
    /// The distinct minimized BTFs, by [`BlobId`].
    pub blobs: Vec<Arc<[u8]>>,
    /// The objects' digests, by which the runtime detects a stale archive.
    pub objects: Vec<ObjectDigest>,
    /// The report.
    pub report: Report,
}

impl Packed {
    /// The archive's bytes, which are read back and compared; `level` is zstd's, 1 to 22.
    ///
    /// # Errors
    /// When a minimized BTF is too large for an archive.
    pub fn archive(&self, level: i32) -> Result<Vec<u8>, Error> {
        Ok(archive::write(&self.entries, &self.blobs, &self.objects, level)?)
    }

    /// The served kernels, each with its minimized BTF.
    pub fn btfs(&self) -> impl Iterator<Item = (&KernelId, &[u8])> {
        self.entries.iter().map(|entry| (&entry.kernel, &*self.blobs[entry.blob.0]))
    }
}

/// Combines the results of all kernels.
pub(super) fn collect(
    objects: &[Object],
    roots: &Roots,
    results: Vec<(Kernel, &Result<Minimized, KernelError>)>,
    diagnosis: &Diagnosis,
    on_failure: OnFailure,
    build_ids: BuildIds,
) -> Result<Packed, Error> {
    let Problems { problems, of_kernels } = Problems::new(objects, roots, &results, diagnosis);
    let mut packed = Packed { objects: objects.iter().map(Object::digest).collect(), ..Packed::default() };
    let mut blobs = Blobs::default();
    for ((Kernel { id, build_id }, result), list) in results.into_iter().zip(of_kernels) {
        if let Err(KernelError::Minimize(source @ MinimizeError::Difference(_))) = result {
            return Err(Error::Difference { kernel: id, source: source.clone() });
        }
        let dropped = !list.is_empty() && on_failure == OnFailure::Drop;
        let blob = result.as_ref().ok().filter(|_| !dropped).map(|it| blobs.id(&it.btf));
        let build_id = build_id.filter(|_| build_ids.include(&id)).as_ref().map(BuildId::prefix);
        packed.entries.extend(blob.map(|blob| Entry { kernel: id.clone(), blob, build_id }));
        packed.report.kernels.push(KernelReport { id, blob, build_id, problems: list });
    }
    if packed.entries.is_empty() {
        let problems = problems.iter().take(3).map(ToString::to_string).collect();
        return Err(Error::NoneServed { drops: on_failure == OnFailure::Drop, problems });
    }
    packed.report.objects =
        objects.iter().zip(roots.lookups()).map(|(it, lookups)| object_report(it, lookups)).collect();
    packed.report.problems = problems;
    packed.report.blobs = blobs.all.len();
    packed.report.blob_bytes = blobs.all.iter().map(|blob| blob.len()).sum();
    packed.blobs = blobs.all;
    Ok(packed)
}

/// Minimized BTFs, each once.
#[derive(Default)]
struct Blobs {
    all: Vec<Arc<[u8]>>,
    ids: Memo<Arc<[u8]>, BlobId>,
}

impl Blobs {
    fn id(&mut self, blob: &Arc<[u8]>) -> BlobId {
        let all = &mut self.all;
        *self.ids.entry(Arc::clone(blob)).or_insert_with_key(|blob| {
            all.push(Arc::clone(blob));
            BlobId(all.len() - 1)
        })
    }
}

/// The distinct problems, and those of each kernel.
struct Problems {
    problems: Vec<Problem>,
    of_kernels: Vec<Arc<[ProblemId]>>,
}

impl Problems {
    /// Puts unusable kernels first, then findings in the order of objects and relocations. The order of threads has no effect.
    fn new(
        objects: &[Object],
        roots: &Roots,
        results: &[(Kernel, &Result<Minimized, KernelError>)],
        diagnosis: &Diagnosis,
    ) -> Self {
        let mut problems = Vec::new();
        let mut unusable: Memo<String, Arc<[ProblemId]>> = Memo::default();
        let mut unusable = |error: &KernelError| {
            let known = unusable.entry(error.chain()).or_insert_with_key(|reason| {
                problems.push(Problem::Unusable { reason: reason.clone() });
                [ProblemId(problems.len() - 1)].into()
            });
            known.clone()
        };
        // An unusable kernel has one problem. The findings of the others are numbered below.
        let own: Vec<_> = results.iter().map(|(_, it)| it.as_ref().map_err(&mut unusable)).collect();

        let Diagnosis { findings, kernels, .. } = diagnosis;
        let mut order: Vec<usize> = (0..findings.len()).collect();
        order.sort_unstable_by(|&a, &b| findings[a].cmp(&findings[b]));
        let mut ids = vec![ProblemId(0); findings.len()];
        for index in order {
            ids[index] = ProblemId(problems.len());
            problems.push(problem(objects, roots, &findings[index]));
        }
        let shared: Vec<Arc<[ProblemId]>> = kernels
            .iter()
            .map(|kernel| {
                let mut list: Vec<ProblemId> = kernel.findings.iter().map(|id| ids[id.index()]).collect();
                list.sort_unstable();
                list.into()
            })
            .collect();
        let of_kernel = |own: Result<&Minimized, Arc<[ProblemId]>>| {
            own.map_or_else(|unusable| unusable, |minimized| shared[minimized.findings.index()].clone())
        };
        Self { problems, of_kernels: own.into_iter().map(of_kernel).collect() }
    }
}

fn problem(objects: &[Object], roots: &Roots, finding: &Finding) -> Problem {
    let object = &objects[finding.object.index()];
    let relocation = &object.relocations()[finding.relocation.index()];
    let line = object.line_of(relocation);
    let spec = match roots.lookups()[finding.object.index()][finding.relocation.index()] {
        Lookup::Target { root, query, .. } => {
            let spec = &roots.root(root).queries[query.index()].spec;
            format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec))
        }
        Lookup::Local | Lookup::Failure(_) => String::new(),
    };
    Problem::Relocation {
        object: object.name().to_owned(),
        program: object.program_or_section(relocation),
        relocation: format!("{} #{}", object.section_of(relocation), relocation.number),
        spec,
        line: line.as_ref().map(ToString::to_string),
        text: line.map(|line| line.text.to_string()),
        reason: finding.reason.to_string(),
    }
}

fn object_report(object: &Object, lookups: &[Lookup]) -> ObjectReport {
    let (mut failures, mut target_type_ids) = (Vec::new(), 0);
    for (relocation, lookup) in object.relocations().iter().zip(lookups) {
        target_type_ids += usize::from(relocation.kind == Ok(RelocationKind::TypeIdTarget));
        if let Lookup::Failure(failure) = lookup {
            let line = object.line_of(relocation).map_or_else(String::new, |line| format!(" at {line}"));
            let program = object.program_or_section(relocation);
            failures.push(format!("{program}: relocation #{}{line}: {failure}", relocation.number));
        }
    }
    ObjectReport {
        name: object.name().to_owned(),
        relocations: object.relocations().len(),
        target_type_ids,
        failures,
    }
}
