//! Worker: one thread's part of the pipeline, a kernel at a time.

use std::sync::Arc;

use btfgen_runtime::KernelId;

use crate::btf::Btf;
use crate::cache::{self, Known};
use crate::error::Context;
use crate::hub::{BtfFile, TreeEntry};
use crate::kernel::KernelTypes;
use crate::minimize::{MinimizeError, Minimizer};
use crate::object::Object;
use crate::report::{Outcomes, Unresolved};
use crate::roots::Roots;
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
pub(super) struct Worker<'r> {
    objects: &'r [Object],
    roots: &'r Roots,
    pub(super) types: Types,
    pub(super) minimizer: Minimizer<'r>,
    outcomes: Outcomes<'r>,
    last: Option<Last<'r>>,
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

impl<'r> Worker<'r> {
    /// `types` are the roots' own, perhaps with more; without a `last` build nothing is known.
    pub(super) fn new(objects: &'r [Object], roots: &'r Roots, types: Types, last: Option<Last<'r>>) -> Self {
        Self {
            objects,
            roots,
            types,
            minimizer: Minimizer::new(roots),
            outcomes: Outcomes::new(objects, roots),
            last,
        }
    }

    /// A kernel of which the last build's finding is known.
    pub(super) fn recall(&mut self, id: &KernelId, key: Option<u64>) -> Option<Minimized> {
        let Last { known, same_code } = self.last?;
        let finding = known.findings.get(&key?)?;
        let unresolved = match &finding.bytes {
            _ if same_code => Arc::clone(&finding.unresolved),
            Err(_) => Arc::default(),
            Ok(bytes) => {
                let btf = Btf::parse(bytes).ok()?;
                let kernel = KernelTypes::from_btf(&mut self.types, self.roots, &btf).ok()?;
                let unresolved = self.outcomes.unresolved(self.minimizer.answers(), &self.types, &kernel);
                cache::with_reasons(&unresolved, &finding.unresolved)?
            }
        };
        Some(Minimized { id: id.clone(), bytes: finding.bytes.clone(), unresolved, key, known: true })
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
        let key = self.last.map(|_| file.hash());
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
        if let Some(reason) = self.other_byte_order(kernel) {
            result.bytes = Err(reason);
            return Ok(result);
        }
        result.unresolved = self.outcomes.unresolved(self.minimizer.answers(), &self.types, kernel);
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

    /// Says which object is of another byte order than the kernel, where libbpf's `bpf_object__check_endianness` refuses it.
    pub(super) fn other_byte_order(&self, kernel: &KernelTypes) -> Option<String> {
        let endian = kernel.model.endian;
        let object = self.objects.iter().find(|object| object.endian() != endian)?;
        Some(format!("object {} is {}, the kernel is {endian}", object.name(), object.endian()))
    }

    fn read(&mut self, file: BtfFile<'_>, entry: &TreeEntry) -> Result<KernelTypes, Error> {
        let bytes = file.unpack()?;
        let while_reading = || format!("while reading {}", entry.path.display());
        let btf = Btf::parse(&bytes).context(while_reading)?;
        KernelTypes::from_btf(&mut self.types, self.roots, &btf).context(while_reading)
    }
}
