//! Collecting: the kernels' results into what is embedded and what is said of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Packed;
use super::worker::Minimized;
use crate::memo::Memo;
use crate::object::Object;
use crate::report::{KernelReport, ObjectReport, Problem, Unresolved};
use crate::resolve::{RelocationKind, describe_spec};
use crate::roots::{Place, Roots};
use crate::{Error, ErrorKind, OnFailure};

/// Gathers the kernels' results: distinct blobs, entries, report.
pub(super) fn collect(
    objects: &[Object],
    roots: &Roots,
    results: Vec<Result<Minimized, Error>>,
    on_failure: OnFailure,
) -> Result<Packed, Error> {
    let mut packed = Packed { objects: objects.iter().map(Object::digest).collect(), ..Packed::default() };
    packed.report.objects =
        objects.iter().zip(roots.places()).map(|(it, places)| object_report(it, places)).collect();
    let mut known: BTreeMap<Arc<[u8]>, usize> = BTreeMap::new();
    // Most kernels share not only the bytes but the allocation.
    let mut numbers: Memo<*const u8, usize> = Memo::default();
    let mut words = Words::default();
    for result in results {
        let minimized = result?;
        packed.report.from_cache += usize::from(minimized.known);
        let (problems, guarded) = words.of(objects, roots, &minimized);
        if let (Some(problem), OnFailure::Error) = (problems.first(), on_failure) {
            let error = Error::new(ErrorKind::Relocation, problem.to_string());
            return Err(error.context(format!("kernel {} cannot be served", minimized.id)));
        }
        let dropped = !problems.is_empty() && on_failure == OnFailure::Drop;
        let blob = minimized.bytes.ok().filter(|_| !dropped).map(|bytes| {
            *numbers.entry(bytes.as_ptr()).or_insert_with(|| {
                *known.entry(bytes).or_insert_with_key(|bytes| {
                    packed.blobs.push(bytes.to_vec());
                    packed.blobs.len() - 1
                })
            })
        });
        packed.entries.extend(blob.map(|blob| (minimized.id.clone(), blob)));
        packed.report.kernels.push(KernelReport { id: minimized.id, blob, problems, guarded });
    }
    packed.report.blobs = packed.blobs.len();
    packed.report.blob_bytes = packed.blobs.iter().map(Vec::len).sum();
    if packed.entries.is_empty() {
        let reasons: Vec<String> =
            packed.report.problems().into_iter().take(3).map(|(problem, _)| problem.to_string()).collect();
        let error = Error::new(ErrorKind::Relocation, reasons.join("; "));
        return Err(error.context(format!("none of {} kernels can be served", packed.report.kernels.len())));
    }
    Ok(packed)
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
    problems: Memo<(usize, usize, Arc<str>), Arc<Problem>>,
    /// By the address of what is unresolved, which stands beside to be kept alive.
    kernels: Memo<*const Unresolved, (Arc<[Unresolved]>, Told)>,
}

impl Words {
    fn of(&mut self, objects: &[Object], roots: &Roots, minimized: &Minimized) -> Told {
        if let Err(reason) = &minimized.bytes {
            return ([Arc::new(Problem::Unreadable { reason: reason.clone() })].into(), 0);
        }
        let unresolved = &minimized.unresolved;
        let tell = || {
            let (reached, guarded): (Vec<_>, Vec<_>) = unresolved.iter().partition(|it| it.reached);
            let problem = |unresolved: &&Unresolved| {
                let key = (unresolved.object, unresolved.relocation, Arc::clone(&unresolved.reason));
                let known = self.problems.entry(key);
                Arc::clone(known.or_insert_with(|| Arc::new(problem(objects, roots, unresolved))))
            };
            (Arc::clone(unresolved), (reached.iter().map(problem).collect(), guarded.len()))
        };
        let (_, told) = self.kernels.entry(unresolved.as_ptr()).or_insert_with(tell);
        told.clone()
    }
}

fn problem(objects: &[Object], roots: &Roots, unresolved: &Unresolved) -> Problem {
    let object = &objects[unresolved.object];
    let relocation = object.relocation(unresolved.relocation);
    let line = object.line_of(&relocation);
    let spec = match roots.places()[unresolved.object][relocation.asks] {
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
