//! Select: the entry of a catalog that is a host's kernel, or why there is none.
//!
//! The release must match exactly. If several entries have it, the kernel's identity decides. Nothing is guessed.

use std::fmt;

use crate::catalog::Catalog;
use crate::host::{Host, hub_arch};
use crate::identity::{Identity, Match};
use crate::kernel_id::KernelId;
use crate::nearest_kernels;

/// The entry of a host's kernel in a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The entry.
    pub kernel: KernelId,
    /// How it was found.
    pub how: How,
    /// The reasons, a line each.
    pub reasons: Vec<String>,
}

/// How an entry was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// The entry is the host's kernel.
    Exact,
    /// The kernel's distribution is not certain, but all entries that may be its have identical BTFs.
    SameBtf,
    /// The kernel has no entry, and the entries next to it in its series have identical BTFs.
    Nearest {
        /// The entry below.
        below: KernelId,
        /// The entry above.
        above: KernelId,
    },
}

/// Why a catalog has no entry for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of refusal.
    pub kind: RefusalKind,
    /// The entries with the host's release and architecture.
    pub candidates: Vec<KernelId>,
    /// The reasons, a line each.
    pub reasons: Vec<String>,
    /// Entries near the host's kernel, the nearest first.
    pub nearest: Vec<KernelId>,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No entry has the host's release and architecture.
    NoSuchRelease,
    /// Entries have the host's release, but they are other distributions' kernels.
    OtherVendor,
    /// Entries have the host's release, and it is unknown which of them is the host's kernel.
    Ambiguous,
}

/// Selects the entry that is the host's kernel.
///
/// With `infer_nearest`, a kernel that has no entry gets the BTF of the entries next to it in its series, if theirs are
/// identical; [`How::Nearest`] reports it.
///
/// # Errors
/// If no entry is known to be the host's kernel.
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
    let mut identity = Identity::of(host);
    let mut reasons = std::mem::take(&mut identity.reasons);
    let candidates = entries_of_release(host, catalog);
    let matching = |wanted: Match| -> Vec<&KernelId> {
        candidates.iter().filter(|entry| identity.matches(entry) == wanted).collect()
    };
    let identical = |entries: &[&KernelId]| entries.windows(2).all(|pair| catalog.same(pair[0], pair[1]));

    let (certain, possible) = (matching(Match::Yes), matching(Match::Possible));
    let kind = if let Some(first) = certain.first() {
        let preferred = certain.iter().find(|entry| identity.is_preferred(entry));
        if let Some(entry) = preferred.or_else(|| identical(&certain).then_some(first)) {
            reasons.push(format!("matched {entry} exactly"));
            return Ok(Selection { kernel: (*entry).clone(), how: How::Exact, reasons });
        }
        RefusalKind::Ambiguous
    } else if let Some(first) = possible.first() {
        // A single entry proves nothing: the host's kernel may be one that reuses its release.
        if possible.len() > 1 && identical(&possible) {
            reasons.push("all entries that it may be have identical BTFs".to_owned());
            return Ok(Selection { kernel: (*first).clone(), how: How::SameBtf, reasons });
        }
        RefusalKind::Ambiguous
    } else if candidates.is_empty() {
        if infer_nearest {
            if let Some((below, above)) = nearest_kernels::neighbors(host, &identity, catalog) {
                reasons.push(format!("inferred: between {below} and {above}, which have identical BTFs"));
                return Ok(Selection { kernel: below.clone(), how: How::Nearest { below, above }, reasons });
            }
            reasons.push("not between two kernels of its series with identical BTFs".to_owned());
        }
        RefusalKind::NoSuchRelease
    } else {
        RefusalKind::OtherVendor
    };
    let nearest = nearest_kernels::nearest(host, &identity, catalog);
    Err(Refusal { kind, candidates, reasons, nearest })
}

/// The entries with the host's release and architecture, whatever their distribution, sorted.
fn entries_of_release(host: &Host, catalog: &dyn Catalog) -> Vec<KernelId> {
    let mut entries: Vec<KernelId> = Vec::new();
    catalog.visit(&mut |id| {
        // Rejects most ids before they are parsed.
        if !id.ends_with(&host.release) {
            return;
        }
        let Ok(entry) = id.parse::<KernelId>() else { return };
        if entry.release() == host.release && hub_arch(entry.arch()) == host.arch() {
            entries.insert(entries.partition_point(|other| *other < entry), entry);
        }
    });
    entries
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RefusalKind::NoSuchRelease => "no entry for this release",
            RefusalKind::OtherVendor => "all entries for this release are other distributions' kernels",
            RefusalKind::Ambiguous => "unknown which entry for this release is the host's kernel",
        })?;
        if !self.candidates.is_empty() {
            write!(f, ": {}", comma_separated(&self.candidates))?;
        }
        for reason in &self.reasons {
            write!(f, "; {reason}")?;
        }
        if !self.nearest.is_empty() {
            write!(f, "; nearest: {}", comma_separated(&self.nearest))?;
        }
        Ok(())
    }
}

fn comma_separated(ids: &[KernelId]) -> String {
    ids.iter().map(KernelId::as_str).collect::<Vec<_>>().join(", ")
}
