//! Select: host to entry, or why none: exact release always, identity where several share it, never a guess.

use std::fmt;

use crate::catalog::Catalog;
use crate::identity::{Identity, Verdict, hub_arch};
use crate::nearest;
use crate::text::{ends, join};
use crate::{Host, KernelId};

/// The entry that a host's kernel has in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The entry.
    pub kernel: KernelId,
    /// How it was found.
    pub how: How,
    /// What led to it, a line each.
    pub reasons: Vec<String>,
}

/// How an entry was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The entry is the host's kernel.
    Exact,
    /// The kernel's distribution is open, but all entries of its release that it may be have one BTF.
    SameBtf,
    /// The kernel has no entry; it lies between two of its series that have one BTF.
    Nearest {
        /// The entry before.
        below: KernelId,
        /// The entry after.
        above: KernelId,
    },
}

/// Why a catalog has no entry for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which case it is.
    pub kind: RefusalKind,
    /// The entries with the host's release, if any: of other vendors' kernels, or not to be told apart.
    pub candidates: Vec<KernelId>,
    /// What led to it, a line each.
    pub reasons: Vec<String>,
    /// Entries near the host's kernel, nearest first.
    pub nearest: Vec<KernelId>,
}

/// The cases of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No entry has the host's release and architecture.
    NoSuchRelease,
    /// Entries have the host's release, but they are other vendors' kernels.
    OtherVendor,
    /// Entries have the host's release, and which of them is the host's kernel cannot be told.
    Ambiguous,
}

/// Chooses the entry that is the host's kernel.
///
/// With `infer_nearest`, a release that has no entry but lies between two of its series and flavour whose BTFs are
/// equal takes that BTF; [`How::Nearest`] says so.
///
/// # Errors
/// When no entry is known to be the host's kernel.
///
/// ```
/// use btfgen_runtime::{Host, select};
/// # struct Ids(Vec<&'static str>);
/// # impl btfgen_runtime::Catalog for Ids {
/// #     fn visit(&self, visitor: &mut dyn FnMut(&str)) { self.0.iter().for_each(|id| visitor(id)) }
/// #     fn same(&self, a: &btfgen_runtime::KernelId, b: &btfgen_runtime::KernelId) -> bool { a == b }
/// # }
/// # let catalog = Ids(vec!["ubuntu/18.04/x86_64/5.4.0-84-generic", "ubuntu/20.04/x86_64/5.4.0-84-generic"]);
/// let host = Host {
///     release: "5.4.0-84-generic".into(),
///     version: "#94-Ubuntu SMP Thu Aug 26 20:27:37 UTC 2021".into(),
///     machine: "x86_64".into(),
///     ..Host::default()
/// };
/// let selection = select(&host, &catalog, false).unwrap();
/// assert_eq!(selection.kernel.version(), "20.04");
/// ```
pub fn select(host: &Host, catalog: &dyn Catalog, infer_nearest: bool) -> Result<Selection, Refusal> {
    select_or(host, catalog, infer_nearest.then_some(nearest::between))
}

/// The inference of [`How::Nearest`]; a pointer, so that programs that do not opt in do not contain it.
pub(crate) type Infer = fn(&Host, &Identity<'_>, &dyn Catalog) -> Option<(KernelId, KernelId)>;

/// [`select`], with the inference to fall back on.
#[inline(never)]
pub(crate) fn select_or(
    host: &Host,
    catalog: &dyn Catalog,
    infer: Option<Infer>,
) -> Result<Selection, Refusal> {
    let mut identity = Identity::of(host);
    let candidates = with_release(host, catalog);
    let (yes, open) = (
        Fitting::of(Verdict::Yes, &candidates, &identity),
        Fitting::of(Verdict::Open, &candidates, &identity),
    );
    let mut reasons = std::mem::take(&mut identity.reasons);
    let kind = if let Some(first) = yes.first {
        let preferred = candidates.iter().find(|id| {
            identity.judge(id.distro(), id.version()) == Verdict::Yes
                && identity.preferred(id.distro(), id.version())
        });
        if let Some(kernel) = preferred.or(yes.one_btf(&candidates, &identity, catalog).then_some(first)) {
            reasons.push(join(&[kernel.as_str(), " is this kernel"]));
            return Ok(Selection { kernel: kernel.clone(), how: How::Exact, reasons });
        }
        RefusalKind::Ambiguous
    } else if let Some(first) = open.first {
        // One entry alone may be of a vendor whose release the host's has reused.
        if open.count > 1 && open.one_btf(&candidates, &identity, catalog) {
            reasons.push(join(&["all entries of this release that it may be have one btf"]));
            return Ok(Selection { kernel: first.clone(), how: How::SameBtf, reasons });
        }
        RefusalKind::Ambiguous
    } else if candidates.is_empty() {
        if let Some(infer) = infer {
            if let Some((below, above)) = infer(host, &identity, catalog) {
                reasons.push(join(&[
                    "inferred: between ",
                    below.as_str(),
                    " and ",
                    above.as_str(),
                    ", which have one btf",
                ]));
                return Ok(Selection { kernel: below.clone(), how: How::Nearest { below, above }, reasons });
            }
            reasons.push(join(&["not between two kernels of its series with one btf"]));
        }
        RefusalKind::NoSuchRelease
    } else {
        RefusalKind::OtherVendor
    };
    Err(Refusal { kind, candidates, reasons, nearest: nearest::near(host, &identity, catalog) })
}

/// The candidates of one verdict.
struct Fitting<'c> {
    verdict: Verdict,
    first: Option<&'c KernelId>,
    count: usize,
}

impl<'c> Fitting<'c> {
    fn of(verdict: Verdict, candidates: &'c [KernelId], identity: &Identity<'_>) -> Self {
        let mut fitting = Self { verdict, first: None, count: 0 };
        for id in candidates {
            if identity.judge(id.distro(), id.version()) == verdict {
                fitting.first = fitting.first.or(Some(id));
                fitting.count += 1;
            }
        }
        fitting
    }

    fn one_btf(&self, candidates: &[KernelId], identity: &Identity<'_>, catalog: &dyn Catalog) -> bool {
        candidates.iter().all(|id| {
            identity.judge(id.distro(), id.version()) != self.verdict
                || self.first.is_some_and(|first| first == id || catalog.same(first, id))
        })
    }
}

/// The entries with the host's release and architecture, whatever their distribution, sorted.
fn with_release(host: &Host, catalog: &dyn Catalog) -> Vec<KernelId> {
    let mut found: Vec<KernelId> = Vec::new();
    catalog.visit_release(&host.release, &mut |id| {
        if !ends(id, &host.release) {
            return;
        }
        let Ok(id) = id.parse::<KernelId>() else { return };
        if id.release() == host.release && hub_arch(id.arch()) == host.arch() {
            // A handful at most: the standard sort would be larger than the rest of this file.
            let at = found.iter().position(|other| *other > id).unwrap_or(found.len());
            found.insert(at, id);
        }
    });
    found
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RefusalKind::NoSuchRelease => "no entry of this release",
            RefusalKind::OtherVendor => "the entries of this release are other vendors' kernels",
            RefusalKind::Ambiguous => "which entry of this release is the host's kernel cannot be told",
        })?;
        list(f, ": ", &self.candidates)?;
        for reason in &self.reasons {
            write!(f, "; {reason}")?;
        }
        list(f, "; nearest: ", &self.nearest)
    }
}

fn list(f: &mut fmt::Formatter<'_>, head: &str, ids: &[KernelId]) -> fmt::Result {
    for (at, id) in ids.iter().enumerate() {
        f.write_str(if at == 0 { head } else { ", " })?;
        f.write_str(id.as_str())?;
    }
    Ok(())
}
