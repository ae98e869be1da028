//! Select: the entry of a catalog that is a host's kernel, or why there is none.
//!
//! The release must match exactly. Of the entries that have it, the build id decides, then the kernel's identity. Nothing
//! is guessed.

use std::fmt;

use crate::build_id::BuildIdPrefix;
use crate::catalog::Catalog;
use crate::host::Host;
use crate::identity::{Identity, Match};
use crate::kernel_id::KernelId;
use crate::nearest_kernels;

/// The entry of a host's kernel in a catalog.
///
/// [`select`] has an example.
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
///
/// [`HostBtf`](crate::HostBtf) has an example.
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
///
/// [`select`] has an example.
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
///
/// [`select`] has an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalKind {
    /// No entry has the host's release and architecture.
    NoSuchRelease,
    /// Entries have the host's release, but they are other distributions' kernels, or some are other builds.
    OtherVendor,
    /// Entries have the host's release, but they are other builds, by their build ids.
    OtherBuild,
    /// Entries have the host's release and are identified by build id, and the host's build id is unknown.
    BuildIdUnknown,
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
/// use btfgen_runtime::{Archive, Host, How, Refusal, RefusalKind, Selection, select};
/// # const ARCHIVE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/sample.archive"));
///
/// // It has Debian 12's kernels 6.1.0-10, -12 and -13.
/// let archive = Archive::open(ARCHIVE).unwrap();
/// let host = |release: &str, version: &str| Host {
///     release: release.into(),
///     version: version.into(),
///     machine: "x86_64".into(),
///     ..Host::default()
/// };
///
/// let debian = host("6.1.0-12-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.52-1 (2023-09-07)");
/// let Selection { kernel, how, .. } = select(&debian, &archive, false).unwrap();
/// assert_eq!((kernel.as_str(), how), ("debian/12/x86_64/6.1.0-12-amd64", How::Exact));
///
/// let unknown = host("6.1.0-11-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.38-4 (2023-08-08)");
/// let Refusal { kind, nearest, .. } = select(&unknown, &archive, false).unwrap_err();
/// assert_eq!((kind, nearest.len()), (RefusalKind::NoSuchRelease, 3));
/// ```
pub fn select(host: &Host, catalog: &dyn Catalog, infer_nearest: bool) -> Result<Selection, Refusal> {
    let mut identity = Identity::of(host);
    let mut reasons = std::mem::take(&mut identity.reasons);
    let entries = entries_of_release(host, catalog);
    let other_builds = entries.iter().filter(|entry| entry.is_build_of(host) == Some(false)).count();
    if other_builds > 0 {
        reasons.push(format!("entries for this release with another build id: {other_builds}"));
    }
    let kind = match select_of_release(host, &identity, &entries, catalog) {
        Ok(Found { kernel, how, reason }) => {
            reasons.push(reason);
            return Ok(Selection { kernel: kernel.clone(), how, reasons });
        }
        Err(kind) => kind,
    };
    if kind == RefusalKind::NoSuchRelease && infer_nearest {
        if let Some((below, above)) = nearest_kernels::neighbors(host, &identity, catalog) {
            reasons.push(format!("inferred: between {below} and {above}, which have identical BTFs"));
            return Ok(Selection { kernel: below.clone(), how: How::Nearest { below, above }, reasons });
        }
        reasons.push("not between two kernels of its series with identical BTFs".to_owned());
    }
    let is_unidentified =
        |entry: &Entry| entry.kernel.distro() == KernelId::CUSTOM && entry.build_id.is_none();
    if entries.iter().any(is_unidentified) {
        reasons.push("custom entries without a build id match no host".to_owned());
    }
    let nearest = nearest_kernels::nearest(host, &identity, catalog);
    let candidates = entries.into_iter().map(|entry| entry.kernel).collect();
    Err(Refusal { kind, candidates, reasons, nearest })
}

/// An entry with the host's release and architecture.
struct Entry {
    kernel: KernelId,
    build_id: Option<BuildIdPrefix>,
}

impl Entry {
    /// Whether the host runs this build; `None` if either build id is unknown.
    fn is_build_of(&self, host: &Host) -> Option<bool> {
        Some(self.build_id? == host.build_id?.prefix())
    }
}

/// An entry that is the host's kernel.
struct Found<'e> {
    kernel: &'e KernelId,
    how: How,
    reason: String,
}

/// Selects among the entries with the host's release and architecture.
fn select_of_release<'e>(
    host: &Host,
    identity: &Identity<'_>,
    entries: &'e [Entry],
    catalog: &dyn Catalog,
) -> Result<Found<'e>, RefusalKind> {
    let are_identical = |kernels: &[&KernelId]| kernels.windows(2).all(|pair| catalog.same(pair[0], pair[1]));
    let exact = |kernel, reason| Ok(Found { kernel, how: How::Exact, reason });
    let of_build =
        |wanted: Option<bool>| entries.iter().filter(move |entry| entry.is_build_of(host) == wanted);

    let same_build: Vec<&KernelId> = of_build(Some(true)).map(|entry| &entry.kernel).collect();
    if let Some(first) = same_build.first() {
        return if are_identical(&same_build) {
            exact(first, format!("matched {first} by build id"))
        } else {
            Err(RefusalKind::Ambiguous)
        };
    }

    // From here on no build id is compared: either the host's or the entry's is unknown.
    let matching = |wanted: Match| -> Vec<&KernelId> {
        let kernels = of_build(None).map(|entry| &entry.kernel);
        kernels.filter(|kernel| identity.matches(kernel) == wanted).collect()
    };
    let certain = matching(Match::Yes);
    if let Some(first) = certain.first() {
        let preferred: Vec<&KernelId> =
            certain.iter().copied().filter(|kernel| identity.is_preferred(kernel)).collect();
        let is_proven = |kernels: &[&KernelId]| {
            kernels.len() == 1
                || kernels.iter().all(|kernel| kernel.has_known_distro()) && are_identical(kernels)
        };
        return match preferred.first() {
            Some(kernel) if is_proven(&preferred) => exact(kernel, format!("matched {kernel} exactly")),
            None if is_proven(&certain) => exact(first, format!("matched {first} exactly")),
            _ => Err(RefusalKind::Ambiguous),
        };
    }
    // Such an entry may be the host's kernel, whatever the kernel's strings say.
    let needs_build_id = |entry: &Entry| {
        !entry.kernel.has_known_distro() && entry.build_id.is_some() && host.build_id.is_none()
    };
    if entries.iter().any(needs_build_id) {
        return Err(RefusalKind::BuildIdUnknown);
    }
    // A custom entry without a build id may be the host's kernel too.
    let may_be_custom = of_build(None).any(|entry| entry.kernel.distro() == KernelId::CUSTOM);
    let possible = matching(Match::Possible);
    match possible.first() {
        // A single entry proves nothing: the host's kernel may be one that reuses its release.
        Some(kernel) if possible.len() > 1 && !may_be_custom && are_identical(&possible) => {
            let reason = "all entries that it may be have identical BTFs".to_owned();
            Ok(Found { kernel, how: How::SameBtf, reason })
        }
        Some(_) => Err(RefusalKind::Ambiguous),
        None if entries.is_empty() => Err(RefusalKind::NoSuchRelease),
        None if of_build(None).next().is_none() => Err(RefusalKind::OtherBuild),
        None => Err(RefusalKind::OtherVendor),
    }
}

/// The entries with the host's release and architecture, whatever their distribution, sorted by id.
fn entries_of_release(host: &Host, catalog: &dyn Catalog) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    catalog.visit(&mut |id, build_id| {
        // Rejects most ids before they are parsed.
        if !id.ends_with(&host.release) {
            return;
        }
        let Ok(kernel) = id.parse::<KernelId>() else { return };
        if kernel.release() == host.release && host.has_arch(kernel.arch()) {
            let index = entries.partition_point(|other| other.kernel < kernel);
            entries.insert(index, Entry { kernel, build_id });
        }
    });
    entries
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            RefusalKind::NoSuchRelease => "no entry for this release",
            RefusalKind::OtherVendor => "all entries for this release are other distributions' kernels or other builds",
            RefusalKind::OtherBuild => "all entries for this release are other builds, by their build ids",
            RefusalKind::BuildIdUnknown => {
                "entries for this release are identified by build id, and the host's is unknown: /sys/kernel/notes \
                 cannot be read or has none"
            }
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
