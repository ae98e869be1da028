//! Select: host to entry, or why none: exact release always, identity where several share it, never a guess.

use std::fmt;

use crate::catalog::Catalog;
use crate::identity::{Identity, Verdict, hub_arch};
use crate::nearest;
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
    let identity = Identity::of(host);
    let mut candidates = with_release(host, catalog);
    candidates.sort();
    let judge = |id: &KernelId| identity.judge(id.distro(), id.version());
    let of = |verdict| candidates.iter().filter(move |id| judge(id) == verdict).collect::<Vec<_>>();
    let (yes, open) = (of(Verdict::Yes), of(Verdict::Open));
    let mut reasons = identity.reasons.clone();

    let preferred = yes.iter().find(|id| identity.preferred(id.distro(), id.version()));
    let chosen = match yes.as_slice() {
        [first, rest @ ..] if rest.iter().all(|id| catalog.same(first, id)) => {
            Some((*preferred.unwrap_or(first), How::Exact))
        }
        [_, ..] => preferred.map(|id| (*id, How::Exact)),
        // One entry alone may be of a vendor whose release the host's has reused.
        [] => match open.as_slice() {
            [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|id| catalog.same(first, id)) => {
                Some((*first, How::SameBtf))
            }
            _ => None,
        },
    };
    if let Some((kernel, how)) = chosen {
        reasons.push(match how {
            How::SameBtf => format!("the {} entries of this release have one btf", open.len()),
            _ => format!("{kernel} is this kernel"),
        });
        return Ok(Selection { kernel: kernel.clone(), how, reasons });
    }

    let kind = if candidates.is_empty() {
        RefusalKind::NoSuchRelease
    } else if yes.is_empty() && open.is_empty() {
        RefusalKind::OtherVendor
    } else {
        RefusalKind::Ambiguous
    };
    if infer_nearest && kind == RefusalKind::NoSuchRelease {
        if let Some((below, above)) = nearest::between(host, &identity, catalog) {
            reasons.push(format!("inferred: between {below} and {above}, which have one btf"));
            return Ok(Selection { kernel: below.clone(), how: How::Nearest { below, above }, reasons });
        }
        reasons.push("not between two kernels of its series with one btf".to_owned());
    }
    Err(Refusal { kind, candidates, reasons, nearest: nearest::near(host, &identity, catalog) })
}

/// The entries with the host's release and architecture, whatever their distribution.
fn with_release(host: &Host, catalog: &dyn Catalog) -> Vec<KernelId> {
    let mut found = Vec::new();
    catalog.visit(&mut |id| {
        let matching = id.strip_suffix(host.release.as_str()).and_then(|head| head.strip_suffix('/'));
        let arch = matching.and_then(|head| head.rsplit('/').next());
        if arch.is_some_and(|arch| hub_arch(arch) == host.arch()) {
            found.extend(id.parse::<KernelId>().ok().filter(|id| id.release() == host.release));
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
