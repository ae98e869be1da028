//! Recall: what a kernel leaves unresolved, from what is known of it and the objects' present code.

use std::sync::Arc;

use crate::report::Unresolved;

/// Puts the known reasons in the place of those that the minimized BTF gives.
///
/// What the minimized BTF leaves unresolved is what the kernel's does; only the reasons may name other candidates. None if they are
/// not of the same relocations: then nothing is known after all.
pub(crate) fn with_reasons(unresolved: &[Unresolved], known: &[Unresolved]) -> Option<Arc<[Unresolved]>> {
    let mut known = known.iter().filter(|it| it.lasting);
    let told = unresolved.iter().map(|it| {
        if !it.lasting {
            return Some(it.clone());
        }
        let known = known.next()?;
        let same = (known.object, known.relocation) == (it.object, it.relocation);
        same.then(|| Unresolved { reason: Arc::clone(&known.reason), ..it.clone() })
    });
    let told = told.collect::<Option<Arc<[Unresolved]>>>()?;
    known.next().is_none().then_some(told)
}
