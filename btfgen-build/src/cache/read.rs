//! Reading: the parts of a cache back into values; none where anything is out of range.

use std::str::FromStr;
use std::sync::Arc;

use btfgen_runtime::KernelId;

use super::blob::Kept;
use super::wire::Reader;
use super::{Blob, Finding, Known, Listing, Written};
use crate::report::{
    KernelReport, ObjectReport, Piece, Pieces, Problem, Report, Resolution, Round, Unresolved, Verdict,
    Verdicts,
};

/// What went in, and the archive that came out.
pub(super) fn made(mut input: Reader<'_>) -> Option<(Option<u64>, Written)> {
    let inputs = input.list(Reader::word)?.first().copied();
    let archive = Written { from: input.word()?, len: input.word()? as usize, hash: input.word()? };
    input.0.is_empty().then_some((inputs, archive))
}

/// The minimized BTFs' hashes, and the report.
pub(super) fn told(mut input: Reader<'_>) -> Option<(Vec<u64>, Report)> {
    let told = (input.list(Reader::word)?, report(&mut input)?);
    input.0.is_empty().then_some(told)
}

fn report(input: &mut Reader<'_>) -> Option<Report> {
    let problems = input.list(|input| problem(input).map(Arc::new))?;
    let lists: Vec<Arc<[Arc<Problem>]>> = input.list(|input| shared(input, &problems))?;
    let kernels = input.list(|input| {
        let id = KernelId::from_str(input.text()?).ok()?;
        let blob = (input.number()? as usize).checked_sub(1);
        let guarded = input.number()? as usize;
        Some(KernelReport { id, blob, problems: Arc::clone(lists.get(input.number()? as usize)?), guarded })
    })?;
    let objects = input.list(|input| {
        Some(ObjectReport {
            name: input.text()?.to_owned(),
            relocations: input.number()? as usize,
            type_ids: input.number()? as usize,
            failures: input.list(owned)?,
            needs_kernel_btf: input.list(owned)?,
        })
    })?;
    Some(Report {
        objects,
        kernels,
        blobs: input.number()? as usize,
        blob_bytes: input.word()? as usize,
        archive_bytes: input.word()? as usize,
        from_cache: input.number()? as usize,
        idle_excludes: input.list(owned)?,
        hub_notes: input.list(owned)?,
    })
}

fn problem(input: &mut Reader<'_>) -> Option<Problem> {
    Some(match input.number()? {
        0 => Problem::Unreadable { reason: owned(input)? },
        _ => Problem::Relocation {
            reason: owned(input)?,
            object: owned(input)?,
            program: owned(input)?,
            place: owned(input)?,
            spec: owned(input)?,
            line: input.list(owned)?.pop(),
            text: input.list(owned)?.pop(),
        },
    })
}

/// `blobs` is the cache's file, and where the minimized BTFs begin in it.
pub(super) fn known(mut input: Reader<'_>, (file, blobs): &(Arc<Vec<u8>>, usize)) -> Option<Known> {
    let context = input.word()?;
    let sections = input.list(Reader::word)?;
    let texts: Vec<Arc<str>> = input.list(|input| input.text().map(Arc::from))?;
    let resolutions = input.list(|input| resolution(input, &texts).map(Arc::new))?;
    let verdicts: Vec<Verdicts> = input.list(|input| shared(input, &resolutions))?;
    let pieces = input.list(|input| piece(input, &texts).map(Arc::new))?;
    let lists: Vec<Pieces> = input.list(|input| shared(input, &pieces))?;
    let mut end = *blobs;
    let blobs = input.list(|input| {
        let (hash, len) = (input.word()?, usize::try_from(input.word()?).ok()?);
        let at = end..end.checked_add(len)?;
        end = at.end;
        Some(Blob::Kept(Arc::new(Kept { file: Arc::clone(file), at, hash })))
    })?;
    let findings = input.list(|input| {
        let (key, served, number) = (input.word()?, input.number()?, input.number()? as usize);
        let bytes = match served {
            0 => Err(texts.get(number)?.as_ref().to_owned()),
            _ => Ok(blobs.get(number)?.clone()),
        };
        let verdicts = Arc::clone(verdicts.get(input.number()? as usize)?);
        let unresolved = Arc::clone(lists.get(input.number()? as usize)?);
        Some((key, Finding { bytes, verdicts, unresolved }))
    })?;
    let listing = input.list(|input| {
        let hub = input.word()?;
        let kernels = input.list(|input| Some((KernelId::from_str(input.text()?).ok()?, input.word()?)))?;
        Some(Listing { hub, kernels, idle: input.list(owned)? })
    })?;
    let findings = findings.into_iter().collect();
    let known = Known { context, sections, findings, listing: listing.into_iter().next() };
    (input.0.is_empty() && end == file.len()).then_some(known)
}

fn resolution(input: &mut Reader<'_>, texts: &[Arc<str>]) -> Option<Resolution> {
    let rounds = input.list(|input| {
        let start = input.number()?;
        let verdicts = input.list(|input| {
            Some(match input.number()? {
                0 => None,
                1 => Some(Verdict::Value(input.word()?)),
                2 => Some(Verdict::Misread(input.word()?, input.number()?)),
                3 => Some(Verdict::Poison(text(input, texts)?)),
                _ => Some(Verdict::Refused(text(input, texts)?)),
            })
        })?;
        Some(Round { start, verdicts })
    })?;
    Some(Resolution { rounds })
}

fn piece(input: &mut Reader<'_>, texts: &[Arc<str>]) -> Option<Piece> {
    let (section, object) = (input.number()?, input.number()?);
    let unresolved = input.list(|input| {
        let (relocation, reached) = (input.number()?, input.number()? != 0);
        Some(Unresolved { relocation, reached, reason: text(input, texts)? })
    })?;
    Some(Piece { section, object, unresolved })
}

fn text(input: &mut Reader<'_>, texts: &[Arc<str>]) -> Option<Arc<str>> {
    texts.get(input.number()? as usize).map(Arc::clone)
}

fn owned(input: &mut Reader<'_>) -> Option<String> {
    input.text().map(str::to_owned)
}

/// A list of things that stand elsewhere, by their numbers.
fn shared<T>(input: &mut Reader<'_>, all: &[Arc<T>]) -> Option<Arc<[Arc<T>]>> {
    let numbers = input.numbers()?;
    let mut list = Vec::with_capacity(numbers.len());
    for number in numbers {
        list.push(Arc::clone(all.get(number as usize)?));
    }
    Some(list.into())
}
