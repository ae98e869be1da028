//! Worker: one thread's part of the pipeline, a kernel at a time.

use std::sync::Arc;

use btfgen_runtime::KernelId;

use super::Job;
use crate::btf::Btf;
use crate::cache::Blob;
use crate::error::Context;
use crate::hub::{BtfFile, TreeEntry};
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::minimize::{MinimizeError, Minimizer};
use crate::object::Object;
use crate::report::{Judge, Outcomes, Pieces, Resolution, Updates, Verdicts};
use crate::types::Types;
use crate::{Error, ErrorKind};

/// One thread's store of definitions and memos.
pub(super) struct Worker<'j, 'a> {
    job: &'j Job<'a>,
    types: Types,
    minimizer: Minimizer<'j>,
    /// Made when first needed, as what they are made from is.
    judge: Option<Judge<'j>>,
    outcomes: Option<Outcomes<'j>>,
    /// Likewise, of the sections that changed.
    changes: Option<(Outcomes<'j>, Updates)>,
    /// What comes of the last build's verdicts in sections that changed, by where they lie.
    again: Memo<*const Arc<Resolution>, Pieces>,
}

/// What a worker makes of a kernel.
#[derive(Clone)]
pub(super) struct Minimized {
    pub(super) id: KernelId,
    pub(super) bytes: Result<Blob, String>,
    pub(super) verdicts: Verdicts,
    pub(super) unresolved: Pieces,
    /// What the next build may know it by.
    pub(super) key: Option<u64>,
    /// Whether it was known.
    pub(super) known: bool,
}

impl Minimized {
    /// A kernel that gives nothing.
    fn failed(id: &KernelId, key: Option<u64>, reason: String) -> Self {
        let (id, bytes) = (id.clone(), Err(reason));
        Self { id, bytes, verdicts: Arc::default(), unresolved: Arc::default(), key, known: false }
    }
}

impl<'j, 'a> Worker<'j, 'a> {
    /// `types` are the roots' own, perhaps with more.
    pub(super) fn new(job: &'j Job<'a>, types: Types) -> Self {
        let minimizer = Minimizer::new(job.roots);
        Self { job, types, minimizer, judge: None, outcomes: None, changes: None, again: Memo::default() }
    }

    /// A kernel of which the last build's finding is known.
    pub(super) fn recall(&mut self, id: &KernelId, key: Option<u64>) -> Option<Minimized> {
        let last = self.job.last?;
        let finding = last.known.findings.get(&key?)?;
        let mut unresolved = Arc::clone(&finding.unresolved);
        if last.any_changed() {
            let job = self.job;
            let changes = || (Outcomes::new(job.changed_layout(last)), Updates::default());
            let (outcomes, updates) = self.changes.get_or_insert_with(changes);
            let now = self.again.entry(finding.verdicts.as_ptr());
            let now = now.or_insert_with(|| outcomes.unresolved(&finding.verdicts));
            unresolved = updates.updated(&unresolved, now, last.changed);
        }
        let (id, bytes, verdicts) = (id.clone(), finding.bytes.clone(), Arc::clone(&finding.verdicts));
        Some(Minimized { id, bytes, verdicts, unresolved, key, known: true })
    }

    /// A kernel of a hub tree; one that cannot be read is told of and harms no other.
    pub(super) fn kernel(&mut self, entry: &TreeEntry) -> Result<Minimized, Error> {
        let failed = |error: Error| Minimized::failed(&entry.id, None, format!("{error:#}"));
        let file = match BtfFile::open(&entry.path) {
            Ok(file) => file,
            Err(error) => return Ok(failed(error.into())),
        };
        let key = self.job.last.map(|_| file.hash());
        if let Some(known) = self.recall(&entry.id, key) {
            return Ok(known);
        }
        match self.read(file, entry) {
            Ok(kernel) => self.minimized(&entry.id, &kernel, key),
            Err(error) => Ok(failed(error)),
        }
    }

    /// A kernel whose candidates are in this worker's store.
    pub(super) fn minimized(
        &mut self,
        id: &KernelId,
        kernel: &KernelTypes,
        key: Option<u64>,
    ) -> Result<Minimized, Error> {
        if let Some(reason) = other_byte_order(self.job.objects, kernel) {
            return Ok(Minimized::failed(id, key, reason));
        }
        let job = self.job;
        let judge = self.judge.get_or_insert_with(|| Judge::new(job.groups()));
        let verdicts = judge.verdicts(self.minimizer.answers(), &self.types, kernel);
        let outcomes = self.outcomes.get_or_insert_with(|| Outcomes::new(job.layout()));
        let unresolved = outcomes.unresolved(&verdicts);
        let bytes = match self.minimizer.minimize(&self.types, kernel) {
            Ok(bytes) => Ok(Blob::Made(bytes)),
            Err(error @ MinimizeError::Difference(_)) => {
                return Err(
                    Error::new(ErrorKind::Internal, error).context(format!("while minimizing kernel {id}"))
                );
            }
            Err(error) => Err(format!("{:#}", Error::new(ErrorKind::Btf, error))),
        };
        Ok(Minimized { id: id.clone(), bytes, verdicts, unresolved, key, known: false })
    }

    fn read(&mut self, file: BtfFile<'_>, entry: &TreeEntry) -> Result<KernelTypes, Error> {
        let bytes = file.unpack()?;
        let while_reading = || format!("while reading {}", entry.path.display());
        let btf = Btf::parse(&bytes).context(while_reading)?;
        KernelTypes::from_btf(&mut self.types, self.job.roots, &btf).context(while_reading)
    }
}

/// Says which object is of another byte order than the kernel, where libbpf's `bpf_object__check_endianness` refuses it.
pub(super) fn other_byte_order(objects: &[Object], kernel: &KernelTypes) -> Option<String> {
    let endian = kernel.model.endian;
    let object = objects.iter().find(|object| object.endian() != endian)?;
    Some(format!("object {} is {}, the kernel is {endian}", object.name(), object.endian()))
}
