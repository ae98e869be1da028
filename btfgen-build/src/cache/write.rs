//! Writing: a build's gifts and knowledge as the parts of a cache. What is shared, or alike, stands once.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::wire::{self, Sealed, Writer};
use super::{Blob, Distinct, Finding, Given, Known};
use crate::memo::{Memo, Placed};
use crate::report::{KernelReport, ObjectReport, Piece, Problem, Report, Resolution, Verdict};

/// What is known, as a part of a cache, and the minimized BTFs that are to follow it.
pub(crate) struct Encoded {
    pub(super) part: Sealed,
    blobs: Vec<Blob>,
}

/// A cache's bytes; none if a minimized BTF that it is to hold is not there.
pub(super) fn file(given: &Given, known: &Encoded) -> Option<Vec<u8>> {
    let Given { inputs, archive, blobs, report } = given;
    let mut made = Writer::default();
    made.list(inputs.iter(), |out, inputs| out.word(*inputs));
    made.word(archive.from);
    made.word(archive.len as u64);
    made.word(archive.hash);
    let mut told = Writer::default();
    told.list(blobs.iter(), |out, hash| out.word(*hash));
    self::report(&mut told, report);
    let parts = [&Sealed::new(made.0), &Sealed::new(told.0), &known.part];
    let mut file = wire::file(parts, known.blobs.iter().map(Blob::len).sum());
    for blob in &known.blobs {
        // What was kept is taken as it is: it is checked when it is needed.
        file.extend_from_slice(blob.unchecked()?);
    }
    Some(file)
}

fn report(out: &mut Writer, report: &Report) {
    let Report { objects, kernels, blobs, blob_bytes, archive_bytes, from_cache, idle_excludes, hub_notes } =
        report;
    let (mut problems, mut lists) = (Placed::default(), Placed::default());
    let mut rest = Writer::default();
    rest.list(kernels.iter(), |out, KernelReport { id, blob, problems: own, guarded }| {
        out.text(id.as_str());
        out.number(blob.map_or(0, |blob| blob as u32 + 1));
        out.number(*guarded as u32);
        out.number(lists.number(own.as_ptr(), || {
            own.iter().map(|it| problems.number(Arc::as_ptr(it), || &**it)).collect::<Vec<u32>>()
        }));
    });
    rest.list(objects.iter(), |out, it| {
        let ObjectReport { name, relocations, type_ids, failures, needs_kernel_btf } = it;
        out.text(name);
        out.number(*relocations as u32);
        out.number(*type_ids as u32);
        out.list(failures.iter(), |out, text| out.text(text));
        out.list(needs_kernel_btf.iter(), |out, text| out.text(text));
    });
    rest.number(*blobs as u32);
    rest.word(*blob_bytes as u64);
    rest.word(*archive_bytes as u64);
    rest.number(*from_cache as u32);
    rest.list(idle_excludes.iter(), |out, text| out.text(text));
    rest.list(hub_notes.iter(), |out, text| out.text(text));
    out.list(problems.all.iter(), |out, it| problem(out, it));
    out.list(lists.all.iter(), |out, list| out.numbers(list));
    out.0.append(&mut rest.0);
}

fn problem(out: &mut Writer, problem: &Problem) {
    match problem {
        Problem::Unreadable { reason } => {
            out.number(0);
            out.text(reason);
        }
        Problem::Relocation { object, program, place, spec, line, text, reason } => {
            out.number(1);
            [reason, object, program, place, spec].into_iter().for_each(|text| out.text(text));
            for text in [line, text] {
                out.list(text.iter(), |out, text| out.text(text));
            }
        }
    }
}

/// Encodes what is known.
pub(crate) fn encode(known: &Known) -> Encoded {
    let Known { context, sections, findings, listing } = known;
    let mut tables = Tables::default();
    let mut rest = Writer::default();
    tables.findings(&mut rest, findings);
    rest.list(listing.iter(), |out, listing| {
        out.word(listing.hub);
        out.list(listing.kernels.iter(), |out, (id, key)| {
            out.text(id.as_str());
            out.word(*key);
        });
        out.list(listing.idle.iter(), |out, glob| out.text(glob));
    });
    let Tables { mut texts, resolutions, verdicts, pieces, lists, blobs } = tables;
    let mut shared = Writer::default();
    shared.list(resolutions.all.iter(), |out, it| resolution(out, it, &mut texts));
    shared.list(verdicts.all.iter(), |out, list| out.numbers(list));
    shared.list(pieces.all.iter(), |out, it| piece(out, it, &mut texts));
    shared.list(lists.all.iter(), |out, list| out.numbers(list));
    shared.list(blobs.all.iter().zip(&blobs.hashes), |out, (blob, hash)| {
        out.word(*hash);
        out.word(blob.len() as u64);
    });
    let mut out = Writer::default();
    out.word(*context);
    out.list(sections.iter(), |out, hash| out.word(*hash));
    out.list(texts.all.iter(), |out, text| out.text(text));
    out.0.append(&mut shared.0);
    out.0.append(&mut rest.0);
    Encoded { part: Sealed::new(out.0), blobs: blobs.all }
}

/// What findings share, each stored once; two threads may have made the same, and then it is stored twice, which costs less
/// than to compare all.
#[derive(Default)]
struct Tables<'k> {
    texts: Texts<'k>,
    resolutions: Placed<&'k Resolution>,
    verdicts: Placed<Vec<u32>>,
    pieces: Placed<&'k Piece>,
    lists: Placed<Vec<u32>>,
    blobs: Distinct,
}

impl<'k> Tables<'k> {
    fn findings(&mut self, out: &mut Writer, findings: &'k BTreeMap<u64, Finding>) {
        let Self { texts, resolutions, verdicts, pieces, lists, blobs } = self;
        out.list(findings.iter(), |out, (key, finding)| {
            out.word(*key);
            match &finding.bytes {
                Ok(blob) => {
                    out.number(1);
                    out.number(blobs.number(blob) as u32);
                }
                Err(reason) => {
                    out.number(0);
                    out.number(texts.number(reason));
                }
            }
            let Finding { verdicts: own, unresolved, .. } = finding;
            out.number(verdicts.number(own.as_ptr(), || {
                own.iter().map(|it| resolutions.number(Arc::as_ptr(it), || it)).collect()
            }));
            out.number(lists.number(unresolved.as_ptr(), || {
                unresolved.iter().map(|it| pieces.number(Arc::as_ptr(it), || it)).collect()
            }));
        });
    }
}

fn resolution<'k>(out: &mut Writer, resolution: &'k Resolution, texts: &mut Texts<'k>) {
    out.list(resolution.rounds.iter(), |out, round| {
        out.number(round.start);
        out.list(round.verdicts.iter(), |out, verdict| match verdict {
            None => out.number(0),
            Some(Verdict::Value(value)) => {
                out.number(1);
                out.word(*value);
            }
            Some(Verdict::Misread(value, size)) => {
                out.number(2);
                out.word(*value);
                out.number(*size);
            }
            Some(Verdict::Poison(reason)) => {
                out.number(3);
                out.number(texts.shared(reason));
            }
            Some(Verdict::Refused(reason)) => {
                out.number(4);
                out.number(texts.shared(reason));
            }
        });
    });
}

fn piece<'k>(out: &mut Writer, piece: &'k Piece, texts: &mut Texts<'k>) {
    out.number(piece.section);
    out.number(piece.object);
    out.list(piece.unresolved.iter(), |out, it| {
        out.number(it.relocation);
        out.number(u32::from(it.reached));
        out.number(texts.shared(&it.reason));
    });
}

/// Texts, each once.
#[derive(Default)]
struct Texts<'t> {
    all: Vec<&'t str>,
    numbers: Memo<&'t str, u32>,
    /// The numbers of those that are shared in memory too.
    placed: Placed<u32>,
}

impl<'t> Texts<'t> {
    fn number(&mut self, text: &'t str) -> u32 {
        number(&mut self.all, &mut self.numbers, text)
    }

    /// Likewise, of a text that is shared in memory.
    fn shared(&mut self, text: &'t Arc<str>) -> u32 {
        let Self { all, numbers, placed } = self;
        *placed.get(text.as_ptr(), || number(all, numbers, text))
    }
}

fn number<'t>(all: &mut Vec<&'t str>, numbers: &mut Memo<&'t str, u32>, text: &'t str) -> u32 {
    *numbers.entry(text).or_insert_with(|| {
        all.push(text);
        all.len() as u32 - 1
    })
}
