//! Worker: one thread's part of a run, one kernel at a time.

use std::sync::Arc;

use super::error::{ByteOrderError, Error, KernelError};
use super::hub::Source;
use crate::btf::Btf;
use crate::diagnose::{Diagnoser, Findings, KernelFindingsId, Layout};
use crate::files::{TreeEntry, read_btf};
use crate::kernel::KernelTypes;
use crate::minimize::Minimizer;
use crate::object::Object;
use crate::resolve::Roots;
use crate::types::Types;

/// One thread's store of definitions and memos.
pub(super) struct Worker<'a> {
    objects: &'a [Object],
    roots: &'a Roots,
    types: Types,
    minimizer: Minimizer<'a>,
    diagnoser: Diagnoser<'a>,
}

/// A kernel, minimized and diagnosed.
#[derive(Clone)]
pub(super) struct Minimized {
    pub(super) btf: Arc<[u8]>,
    pub(super) findings: KernelFindingsId,
}

impl<'a> Worker<'a> {
    /// `types` is the store that the kernels of a hub file refer to.
    pub(super) fn new(
        objects: &'a [Object],
        roots: &'a Roots,
        layout: &'a Layout,
        findings: &'a Findings,
        types: Types,
    ) -> Self {
        let (minimizer, diagnoser) = (Minimizer::new(roots), Diagnoser::new(layout, findings));
        Self { objects, roots, types, minimizer, diagnoser }
    }

    /// Minimizes and diagnoses a kernel.
    pub(super) fn minimize(&mut self, source: &Source) -> Result<Minimized, KernelError> {
        match source {
            Source::Types(kernel) => self.minimize_types(kernel),
            Source::Tree(entry) => {
                let kernel = self.read(entry)?;
                self.minimize_types(&kernel)
            }
        }
    }

    fn minimize_types(&mut self, kernel: &KernelTypes) -> Result<Minimized, KernelError> {
        check_byte_order(self.objects, kernel)?;
        let findings = self.diagnoser.diagnose(self.minimizer.evaluator(), &self.types, kernel);
        let btf = self.minimizer.minimize(&self.types, kernel).map_err(KernelError::Minimize)?;
        Ok(Minimized { btf, findings })
    }

    fn read(&mut self, entry: &TreeEntry) -> Result<KernelTypes, KernelError> {
        let bytes = read_btf(&entry.path)?;
        Btf::parse(&bytes)
            .and_then(|btf| KernelTypes::from_btf(&mut self.types, self.roots, &btf))
            .map_err(|source| KernelError::Btf { file: entry.path.clone(), source })
    }
}

/// Minimizes one raw BTF for a set of objects: the job of `bpftool gen min_core_btf`.
///
/// A relocation that gets no value is not an error here: it gets none from the full BTF either.
///
/// # Errors
/// When the BTF is malformed or of another byte order than an object, or a relocation resolves differently with the result.
pub fn minimize(objects: &[Object], btf: &[u8]) -> Result<Vec<u8>, Error> {
    let roots = Roots::new(objects).map_err(Error::Relocations)?;
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(btf)?)?;
    check_byte_order(objects, &kernel)?;
    Ok(Minimizer::new(&roots).minimize(&types, &kernel)?.to_vec())
}

fn check_byte_order(objects: &[Object], kernel: &KernelTypes) -> Result<(), ByteOrderError> {
    let kernel_order = kernel.model.endian;
    match objects.iter().find(|object| object.endian() != kernel_order) {
        None => Ok(()),
        Some(object) => {
            let (object, object_order) = (object.name().to_owned(), object.endian());
            Err(ByteOrderError { object, object_order, kernel_order })
        }
    }
}
