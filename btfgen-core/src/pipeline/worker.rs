//! Worker: one thread's part of the pipeline, a kernel at a time.

use std::sync::Arc;

use btfgen_runtime::KernelId;

use super::Error;
use super::Job;
use crate::btf::Btf;
use crate::files::{BtfFile, TreeEntry};
use crate::kernel::KernelTypes;
use crate::minimize::{MinimizeError, Minimizer};
use crate::object::Object;
use crate::report::{Judge, Outcomes, Pieces};
use crate::types::Types;

/// One thread's store of definitions and memos.
pub(super) struct Worker<'j, 'a> {
    job: &'j Job<'a>,
    types: Types,
    minimizer: Minimizer<'j>,
    /// Made when first needed, as what they are made from is.
    judge: Option<Judge<'j>>,
    outcomes: Option<Outcomes<'j>>,
}

/// What a worker makes of a kernel.
#[derive(Clone)]
pub(super) struct Minimized {
    pub(super) id: KernelId,
    pub(super) bytes: Result<Arc<[u8]>, String>,
    pub(super) unresolved: Pieces,
}

impl Minimized {
    /// A kernel that gives nothing.
    fn failed(id: &KernelId, reason: String) -> Self {
        Self { id: id.clone(), bytes: Err(reason), unresolved: Arc::default() }
    }
}

impl<'j, 'a> Worker<'j, 'a> {
    /// `types` are the roots' own, perhaps with more.
    pub(super) fn new(job: &'j Job<'a>, types: Types) -> Self {
        let minimizer = Minimizer::new(job.roots);
        Self { job, types, minimizer, judge: None, outcomes: None }
    }

    /// A kernel of a hub tree; one that cannot be read is told of and harms no other.
    pub(super) fn kernel(&mut self, entry: &TreeEntry) -> Result<Minimized, Error> {
        let failed = |error: Error| Minimized::failed(&entry.id, chain(&error));
        let file = match BtfFile::open(&entry.path) {
            Ok(file) => file,
            Err(error) => return Ok(failed(error.into())),
        };
        match self.read(file, entry) {
            Ok(kernel) => self.minimized(&entry.id, &kernel),
            Err(error) => Ok(failed(error)),
        }
    }

    /// A kernel whose candidates are in this worker's store.
    pub(super) fn minimized(&mut self, id: &KernelId, kernel: &KernelTypes) -> Result<Minimized, Error> {
        if let Some(reason) = other_byte_order(self.job.objects, kernel) {
            return Ok(Minimized::failed(id, reason));
        }
        let job = self.job;
        let judge = self.judge.get_or_insert_with(|| Judge::new(job.groups()));
        let verdicts = judge.verdicts(self.minimizer.evaluator(), &self.types, kernel);
        let outcomes = self.outcomes.get_or_insert_with(|| Outcomes::new(job.layout()));
        let unresolved = outcomes.unresolved(&verdicts);
        let bytes = match self.minimizer.minimize(&self.types, kernel) {
            Ok(bytes) => Ok(bytes),
            Err(source @ MinimizeError::Difference(_)) => {
                return Err(Error::Difference { kernel: id.clone(), source });
            }
            Err(error) => Err(chain(&error)),
        };
        Ok(Minimized { id: id.clone(), bytes, unresolved })
    }

    fn read(&mut self, file: BtfFile<'_>, entry: &TreeEntry) -> Result<KernelTypes, Error> {
        let bytes = file.unpack()?;
        let mut read = |bytes| KernelTypes::from_btf(&mut self.types, self.job.roots, &Btf::parse(bytes)?);
        read(&bytes).map_err(|source| Error::Kernel { file: entry.path.clone(), source })
    }
}

/// An error and its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Says which object is of another byte order than the kernel, where libbpf's `bpf_object__check_endianness` refuses it.
pub(super) fn other_byte_order(objects: &[Object], kernel: &KernelTypes) -> Option<String> {
    let endian = kernel.model.endian;
    let object = objects.iter().find(|object| object.endian() != endian)?;
    Some(format!("object {} is {}, the kernel is {endian}", object.name(), object.endian()))
}
