//! Collecting: the kernels' results into what is embedded and what is said of it.

use std::sync::Arc;

use btfgen_runtime::{KernelId, ObjectDigest};

use super::worker::Minimized;
use crate::cache::{Blob, Distinct};
use crate::memo::{Memo, Placed};
use crate::object::Object;
use crate::report::{KernelReport, ObjectReport, Piece, Pieces, Problem, Report, Unresolved};
use crate::resolve::{RelocationKind, describe_spec};
use crate::roots::{Place, Roots};
use crate::{Error, ErrorKind, OnFailure};

/// What kernels gave, gathered.
pub(crate) struct Collected {
    /// Each served kernel with the number of its minimized BTF.
    pub(crate) entries: Vec<(KernelId, usize)>,
    /// The distinct minimized BTFs, and their hashes.
    pub(crate) blobs: Vec<Blob>,
    pub(crate) hashes: Vec<u64>,
    /// The objects' digests.
    pub(crate) objects: Vec<ObjectDigest>,
    pub(crate) report: Report,
}

/// Gathers the kernels' results: distinct blobs, entries, report.
pub(super) fn collect(
    objects: &[Object],
    roots: &Roots,
    results: Vec<Result<Minimized, Error>>,
    on_failure: OnFailure,
) -> Result<Collected, Error> {
    let (mut entries, mut report) = (Vec::with_capacity(results.len()), Report::default());
    report.objects =
        objects.iter().zip(roots.places()).map(|(it, places)| object_report(it, places)).collect();
    let (mut blobs, mut words) = (Distinct::default(), Words::default());
    for result in results {
        let minimized = result?;
        report.from_cache += usize::from(minimized.known);
        let (problems, guarded) = words.of(objects, roots, &minimized);
        if let (Some(problem), OnFailure::Error) = (problems.first(), on_failure) {
            let error = Error::new(ErrorKind::Relocation, problem.to_string());
            return Err(error.context(format!("kernel {} cannot be served", minimized.id)));
        }
        let dropped = !problems.is_empty() && on_failure == OnFailure::Drop;
        let blob = minimized.bytes.ok().filter(|_| !dropped).map(|blob| blobs.number(&blob));
        entries.extend(blob.map(|blob| (minimized.id.clone(), blob)));
        report.kernels.push(KernelReport { id: minimized.id, blob, problems, guarded });
    }
    report.blobs = blobs.all.len();
    report.blob_bytes = blobs.all.iter().map(Blob::len).sum();
    if entries.is_empty() {
        let reasons: Vec<String> =
            report.problems().into_iter().take(3).map(|(problem, _)| problem.to_string()).collect();
        let error = Error::new(ErrorKind::Relocation, reasons.join("; "));
        return Err(error.context(format!("none of {} kernels can be served", report.kernels.len())));
    }
    let objects = objects.iter().map(Object::digest).collect();
    Ok(Collected { entries, blobs: blobs.all, hashes: blobs.hashes, objects, report })
}

fn object_report(object: &Object, places: &[Place]) -> ObjectReport {
    let (mut failures, mut type_ids) = (Vec::new(), 0);
    for (number, &asks) in object.asked().iter().enumerate() {
        let asks = asks as usize;
        type_ids += usize::from(object.asks()[asks].kind == Ok(RelocationKind::TypeIdTarget));
        if let Place::Failure(failure) = &places[asks] {
            let relocation = object.relocation(number);
            let line = object.line_of(&relocation).map_or_else(String::new, |line| format!(" at {line}"));
            let program = object.place_of(&relocation);
            failures.push(format!("{program}: relocation #{}{line}: {failure}", relocation.number));
        }
    }
    ObjectReport {
        name: object.name().to_owned(),
        relocations: object.asked().len(),
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
    let (places, object) = (&roots.places()[object], &objects[object]);
    let relocation = object.relocation(unresolved.relocation as usize);
    let line = object.line_of(&relocation);
    let spec = match places[relocation.asks] {
        Place::Root { root, question, .. } => {
            let spec = &roots.roots()[root].questions[question].spec;
            format!("<{}> {}", spec.kind, describe_spec(roots.types(), spec))
        }
        Place::Local | Place::Failure(_) => String::new(),
    };
    Problem::Relocation {
        object: object.name().to_owned(),
        program: object.place_of(&relocation),
        place: format!("{} #{}", relocation.section, relocation.number),
        spec,
        line: line.as_ref().map(ToString::to_string),
        text: line.map(|line| line.text.to_string()),
        reason: unresolved.reason.to_string(),
    }
}
