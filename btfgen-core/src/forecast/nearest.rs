//! Nearest: the kernels of a hub in the order of their releases, to find the nearest one that has something.

use btfgen_runtime::KernelId;

use crate::hub::file::KernelSet;
use crate::series::{in_release_order, series, split};

/// All kernels of a hub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HubKernels {
    /// Ordered by id, as in the hub.
    ids: Vec<KernelId>,
    /// Their indices, by series and release.
    by_release: Vec<usize>,
    /// For each kernel its index in `by_release`.
    ranks: Vec<usize>,
}

impl FromIterator<KernelId> for HubKernels {
    fn from_iter<I: IntoIterator<Item = KernelId>>(ids: I) -> Self {
        let ids: Vec<KernelId> = ids.into_iter().collect();
        let by_release = in_release_order(&ids);
        let mut ranks = vec![0; ids.len()];
        by_release.iter().enumerate().for_each(|(rank, &kernel)| ranks[kernel] = rank);
        Self { ids, by_release, ranks }
    }
}

impl HubKernels {
    /// The kernels, ordered by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = &KernelId> {
        self.ids.iter()
    }

    /// The index of a kernel.
    pub(super) fn index(&self, id: &KernelId) -> Option<usize> {
        self.ids.binary_search(id).ok()
    }

    /// The nearest kernel of a set to one that is not in it, in its series: of the same flavor if there is one, and the newer of
    /// two that are equally near.
    pub(super) fn nearest(&self, to: &KernelId, with: &KernelSet) -> Option<&KernelId> {
        let at = self.ranks[self.index(to)?];
        let newer = self.by_release[at..].iter().skip(1);
        let older = self.by_release[..at].iter().rev();
        let find = |kernels: &mut dyn Iterator<Item = &usize>, flavor: Option<&str>| {
            let own = kernels.map(|&kernel| (kernel, &self.ids[kernel]));
            let own = own.take_while(|(_, id)| series(id) == series(to)).enumerate();
            let mut own = own.filter(|(_, (kernel, id))| {
                with.contains(*kernel) && flavor.is_none_or(|flavor| split(id.release()).1 == flavor)
            });
            own.next().map(|(distance, (_, id))| (distance, id))
        };
        let find_both = |flavor| {
            let found = [find(&mut newer.clone(), flavor), find(&mut older.clone(), flavor)];
            found.into_iter().flatten().min_by_key(|(distance, _)| *distance).map(|(_, id)| id)
        };
        find_both(Some(split(to.release()).1)).or_else(|| find_both(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_of_the_series() {
        let ids = [
            "d/11/x/5.10.0-8-amd64",
            "d/12/arm64/6.1.0-9-amd64",
            "d/12/x/6.1.0-10-amd64",
            "d/12/x/6.1.0-10-rt-amd64",
            "d/12/x/6.1.0-12-amd64",
            "d/12/x/6.1.0-8-amd64",
            "d/12/x/6.1.0-9-amd64",
        ];
        let hub: HubKernels = ids.iter().map(|id| id.parse::<KernelId>().unwrap()).collect();
        let check = |to: &str, with: &[usize], expect: Option<usize>| {
            let with = with.iter().copied().collect();
            let got = hub.nearest(&to.parse().unwrap(), &with).map(KernelId::as_str);
            assert_eq!(got, expect.map(|index| ids[index]), "{to} {with:?}");
        };
        check(ids[6], &[0, 1], None);
        check(ids[6], &[0, 1, 4], Some(4));
        check(ids[6], &[4, 5], Some(5));
        // As near on both sides: the newer one. Another flavor only if there is no other.
        check(ids[2], &[4, 6], Some(6));
        check(ids[6], &[2, 5], Some(2));
        check(ids[6], &[3, 4], Some(4));
        check(ids[6], &[3], Some(3));
        check("d/12/x/6.1.0-99-amd64", &[3], None);
    }
}
