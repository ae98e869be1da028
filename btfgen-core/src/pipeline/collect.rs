//! Collecting: the kernels' results into what is embedded and what is said of it.

use std::sync::Arc;

use super::worker::Minimized;
use super::{Error, OnFailure, Packed};
use crate::memo::{Memo, Placed};
use crate::object::{Object, RelocationKind};
use crate::report::{KernelReport, ObjectReport, Piece, Pieces, Problem, Report, Unresolved};
use crate::resolve::{Lookup, Roots, describe_spec};

/// Gathers the kernels' results: distinct blobs, entries, report.
pub(super) fn collect(
    objects: &[Object],
    roots: &Roots,
    results: Vec<Result<Minimized, Error>>,
    on_failure: OnFailure,
) -> Result<Packed, Error> {
    let (mut entries, mut report) = (Vec::with_capacity(results.len()), Report::default());
    report.objects =
        objects.iter().zip(roots.lookups()).map(|(it, lookups)| object_report(it, lookups)).collect();
    let (mut blobs, mut words) = (Blobs::default(), Words::default());
    for result in results {
        let minimized = result?;
        let (problems, guarded) = words.of(objects, roots, &minimized);
        if let (Some(problem), OnFailure::Error) = (problems.first(), on_failure) {
            return Err(Error::Relocation { kernel: minimized.id, problem: problem.to_string() });
        }
        let dropped = !problems.is_empty() && on_failure == OnFailure::Drop;
        let blob = minimized.bytes.ok().filter(|_| !dropped).map(|blob| blobs.number(blob));
        entries.extend(blob.map(|blob| (minimized.id.clone(), blob)));
        report.kernels.push(KernelReport { id: minimized.id, blob, problems, guarded });
    }
    report.blobs = blobs.all.len();
    report.blob_bytes = blobs.all.iter().map(|blob| blob.len()).sum();
    if entries.is_empty() {
        let problems =
            report.problems().into_iter().take(3).map(|(problem, _)| problem.to_string()).collect();
        return Err(Error::NoneServed { kernels: report.kernels.len(), problems });
    }
    let objects = objects.iter().map(Object::digest).collect();
    Ok(Packed { entries, blobs: blobs.all, objects, report })
}

/// Minimized BTFs, each once.
#[derive(Default)]
struct Blobs {
    all: Vec<Arc<[u8]>>,
    numbers: Memo<Arc<[u8]>, usize>,
}

impl Blobs {
    fn number(&mut self, blob: Arc<[u8]>) -> usize {
        let all = &mut self.all;
        *self.numbers.entry(blob).or_insert_with_key(|blob| {
            all.push(Arc::clone(blob));
            all.len() - 1
        })
    }
}

fn object_report(object: &Object, lookups: &[Lookup]) -> ObjectReport {
    let (mut failures, mut type_ids) = (Vec::new(), 0);
    for (relocation, lookup) in object.relocations().iter().zip(lookups) {
        type_ids += usize::from(relocation.kind == Ok(RelocationKind::TypeIdTarget));
        if let Lookup::Failure(failure) = lookup {
            let line = object.line_of(relocation).map_or_else(String::new, |line| format!(" at {line}"));
            let program = object.program_or_section(relocation);
            failures.push(format!("{program}: relocation #{}{line}: {failure}", relocation.number));
        }
    }
    ObjectReport {
        name: object.name().to_owned(),
        relocations: object.relocations().len(),
        type_ids,
        failures,
        needs_kernel_btf: object
            .kernel_btf_needs()
            .iter()
            .map(|it| format!("{} {}", it.what, it.name))
            .collect(),
    }
}

/// What is amiss with a kernel, and how many instructions a check keeps from being run.
type Told = (Arc<[Arc<Problem>]>, usize);

/// Problems in words, each worked out once however many kernels it befalls.
#[derive(Default)]
struct Words {
    /// By object, relocation and reason.
    problems: Memo<(u32, u32, Arc<str>), Arc<Problem>>,
    /// By where a section's piece lies, and by where a kernel's pieces do; they stand beside to be kept alive.
    pieces: Placed<(Arc<Piece>, Told)>,
    kernels: Placed<(Pieces, Told)>,
}

impl Words {
    fn of(&mut self, objects: &[Object], roots: &Roots, minimized: &Minimized) -> Told {
        if let Err(reason) = &minimized.bytes {
            return ([Arc::new(Problem::Unreadable { reason: reason.clone() })].into(), 0);
        }
        let Self { problems, pieces, kernels } = self;
        let unresolved = &minimized.unresolved;
        let tell = || {
            let (mut all, mut guarded) = (Vec::new(), 0);
            for piece in unresolved.iter() {
                let tell = || (Arc::clone(piece), told(objects, roots, piece, problems));
                let (_, (own, own_guarded)) = pieces.get(Arc::as_ptr(piece), tell);
                all.extend_from_slice(own);
                guarded += *own_guarded;
            }
            (Arc::clone(unresolved), (all.into(), guarded))
        };
        let (_, told) = kernels.get(unresolved.as_ptr(), tell);
        told.clone()
    }
}

fn told(
    objects: &[Object],
    roots: &Roots,
    piece: &Piece,
    problems: &mut Memo<(u32, u32, Arc<str>), Arc<Problem>>,
) -> Told {
    let mut reached = Vec::new();
    for it in piece.unresolved.iter().filter(|it| it.reached) {
        let known = problems.entry((piece.object, it.relocation, Arc::clone(&it.reason)));
        let object = piece.object as usize;
        reached.push(Arc::clone(known.or_insert_with(|| Arc::new(problem(objects, roots, object, it)))));
    }
    let guarded = piece.unresolved.len() - reached.len();
    (reached.into(), guarded)
}

fn problem(objects: &[Object], roots: &Roots, object: usize, unresolved: &Unresolved) -> Problem {
    let (lookups, object) = (&roots.lookups()[object], &objects[object]);
    let relocation = &object.relocations()[unresolved.relocation as usize];
    let line = object.line_of(relocation);
    let spec = match lookups[unresolved.relocation as usize] {
        Lookup::Target { root, query, .. } => {
            let spec = &roots.root(root).queries[query.index()].spec;
            format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec))
        }
        Lookup::Local | Lookup::Failure(_) => String::new(),
    };
    Problem::Relocation {
        object: object.name().to_owned(),
        program: object.program_or_section(relocation),
        place: format!("{} #{}", object.section_of(relocation), relocation.number),
        spec,
        line: line.as_ref().map(ToString::to_string),
        text: line.map(|line| line.text.to_string()),
        reason: unresolved.reason.to_string(),
    }
}
