//! Preloaded objects: minimized for all kernels when the server starts, and given out by kernel.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use axum::body::Bytes;
use btfgen_core::KernelId;
use btfgen_core::btf::Endian;
use btfgen_core::object::Object;
use btfgen_core::pipeline::{Hub, Options, run_on};
use btfgen_core::report::Report;
use btfgen_runtime::ObjectDigest;

use super::problem::Problem;

/// The preloaded objects, by byte order: a kernel's BTF serves all objects of its own.
pub(super) struct Preloaded(Vec<Set>);

/// The objects of one byte order.
struct Set {
    digests: BTreeSet<ObjectDigest>,
    report: Report,
    /// By `BlobId`.
    btfs: Vec<Bytes>,
}

impl Preloaded {
    pub(super) fn new(objects: Vec<Object>, hub: &Hub) -> Result<Self> {
        let mut sets = Vec::new();
        for endian in [Endian::Little, Endian::Big] {
            let objects: Vec<Object> =
                objects.iter().filter(|object| object.endian() == endian).cloned().collect();
            if objects.is_empty() {
                continue;
            }
            let packed = run_on(&objects, hub, &Options::default(), &|_, _| {});
            let packed = packed.with_context(|| format!("cannot preload the {endian} objects"))?;
            let btfs = packed.blobs.iter().map(|blob| Bytes::copy_from_slice(blob)).collect();
            sets.push(Set { digests: packed.objects.into_iter().collect(), report: packed.report, btfs });
        }
        Ok(Self(sets))
    }

    /// A kernel's BTF, minimized for all objects of its byte order, among which must be those with the given digests.
    pub(super) fn btf(&self, kernel: &KernelId, digests: &[ObjectDigest]) -> Result<Bytes, Problem> {
        if self.0.is_empty() {
            let problem = Problem::not_found("no object is preloaded");
            return Err(problem.hint("start the server with --object FILE"));
        }
        let mut problem = None;
        for set in &self.0 {
            let found = set.report.kernels.binary_search_by(|own| own.id.cmp(kernel));
            let Some(own) = found.ok().map(|index| &set.report.kernels[index]) else { continue };
            match (own.blob, digests.iter().find(|digest| !set.digests.contains(digest))) {
                (Some(blob), None) => return Ok(set.btfs[blob.0].clone()),
                (Some(_), Some(digest)) => {
                    let error = format!("no preloaded object for {kernel} has digest {digest}");
                    let hint = "start the server with the objects of the program's version";
                    problem = Some(Problem::not_found(error).hint(hint));
                }
                (None, _) => {
                    let reasons = own.problems.iter().map(|id| set.report.problems[id.0].to_string());
                    let reasons = reasons.collect::<Vec<_>>().join("; ");
                    problem.get_or_insert(Problem::not_found(format!("no BTF for {kernel}: {reasons}")));
                }
            }
        }
        Err(problem.unwrap_or_else(|| Problem::not_found(format!("no BTF for {kernel}"))))
    }
}
