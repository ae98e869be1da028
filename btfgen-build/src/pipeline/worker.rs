//! Worker: one thread's part of the pipeline, a kernel at a time.

use std::sync::Arc;

use btfgen_runtime::KernelId;

use super::Job;
use crate::btf::Btf;
use crate::cache::{self, Known};
use crate::error::Context;
use crate::hub::{BtfFile, TreeEntry};
use crate::kernel::KernelTypes;
use crate::memo::Memo;
use crate::minimize::{MinimizeError, Minimizer};
use crate::object::Object;
use crate::report::{Outcomes, Unresolved};
use crate::types::Types;
use crate::{Error, ErrorKind};

/// What the last build found out.
#[derive(Clone, Copy)]
pub(super) struct Last<'a> {
    pub(super) known: &'a Known,
    /// Whether it was for these very objects.
    pub(super) same_code: bool,
}

/// One thread's store of definitions and memos.
pub(super) struct Worker<'j, 'a> {
    job: &'j Job<'a>,
    types: Types,
    minimizer: Minimizer<'j>,
    outcomes: Option<Outcomes<'j>>,
    /// What known minimized BTFs leave unresolved, by their addresses and, with the reasons known, by those of these too.
    again: Memo<*const u8, Arc<[Unresolved]>>,
    recalled: Memo<(*const u8, *const Unresolved), Option<Arc<[Unresolved]>>>,
}

/// What a worker makes of a kernel.
#[derive(Clone)]
pub(super) struct Minimized {
    pub(super) id: KernelId,
    pub(super) bytes: Result<Arc<[u8]>, String>,
    pub(super) unresolved: Arc<[Unresolved]>,
    /// What the next build may know it by.
    pub(super) key: Option<u64>,
    /// Whether it was known.
    pub(super) known: bool,
}

impl<'j, 'a> Worker<'j, 'a> {
    /// `types` are the roots' own, perhaps with more.
    pub(super) fn new(job: &'j Job<'a>, types: Types) -> Self {
        let (again, recalled) = (Memo::default(), Memo::default());
        Self { job, types, minimizer: Minimizer::new(job.roots), outcomes: None, again, recalled }
    }

    /// What a kernel whose candidates are in this worker's store leaves unresolved.
    fn unresolved(&mut self, kernel: &KernelTypes) -> Arc<[Unresolved]> {
        let outcomes = self.outcomes.get_or_insert_with(|| Outcomes::new(self.job.layout()));
        outcomes.unresolved(self.minimizer.answers(), &self.types, kernel)
    }

    /// A kernel of which the last build's finding is known.
    pub(super) fn recall(&mut self, id: &KernelId, key: Option<u64>) -> Option<Minimized> {
        let Last { known, same_code } = self.job.last?;
        let finding = known.findings.get(&key?)?;
        let unresolved = match &finding.bytes {
            _ if same_code => Arc::clone(&finding.unresolved),
            Err(_) => Arc::default(),
            Ok(bytes) => {
                let key = (bytes.as_ptr(), finding.unresolved.as_ptr());
                match self.recalled.get(&key) {
                    Some(known) => known.clone()?,
                    None => {
                        let again = self.unresolved_again(bytes);
                        let recalled = again.and_then(|it| cache::with_reasons(&it, &finding.unresolved));
                        self.recalled.insert(key, recalled.clone());
                        recalled?
                    }
                }
            }
        };
        Some(Minimized { id: id.clone(), bytes: finding.bytes.clone(), unresolved, key, known: true })
    }

    /// What a minimized BTF of the last build leaves unresolved, now.
    fn unresolved_again(&mut self, bytes: &[u8]) -> Option<Arc<[Unresolved]>> {
        if let Some(known) = self.again.get(&bytes.as_ptr()) {
            return Some(Arc::clone(known));
        }
        let btf = Btf::parse(bytes).ok()?;
        let kernel = KernelTypes::from_btf(&mut self.types, self.job.roots, &btf).ok()?;
        let unresolved = self.unresolved(&kernel);
        self.again.insert(bytes.as_ptr(), Arc::clone(&unresolved));
        Some(unresolved)
    }

    /// A kernel of a hub tree; one that cannot be read is told of and harms no other.
    pub(super) fn kernel(&mut self, entry: &TreeEntry) -> Result<Minimized, Error> {
        let failed = |error: Error| Minimized {
            id: entry.id.clone(),
            bytes: Err(format!("{error:#}")),
            unresolved: Arc::default(),
            key: None,
            known: false,
        };
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
        let (bytes, unresolved) = (Err(String::new()), Arc::default());
        let mut result = Minimized { id: id.clone(), bytes, unresolved, key, known: false };
        if let Some(reason) = other_byte_order(self.job.objects, kernel) {
            result.bytes = Err(reason);
            return Ok(result);
        }
        result.unresolved = self.unresolved(kernel);
        match self.minimizer.minimize(&self.types, kernel) {
            Ok(bytes) => result.bytes = Ok(bytes),
            Err(error @ MinimizeError::Difference(_)) => {
                return Err(
                    Error::new(ErrorKind::Internal, error).context(format!("while minimizing kernel {id}"))
                );
            }
            Err(error) => {
                let error = Error::new(ErrorKind::Btf, error);
                result.bytes = Err(format!("{error:#}"));
            }
        }
        Ok(result)
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
