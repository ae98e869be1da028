//! The entries nearest to a kernel without an entry: its two neighbors in its series, and a few to name in a message.

use std::cmp::{Ordering, Reverse};

use crate::catalog::Catalog;
use crate::host::Host;
use crate::identity::{Identity, Match};
use crate::kernel_id::KernelId;

/// How many entries a refusal names.
const MAX_NAMED: usize = 4;

/// A release, split into numbers and the text between them.
///
/// Releases of one series and flavor differ in their later numbers only.
struct SplitRelease {
    /// The release with a NUL in place of each number.
    text: Vec<u8>,
    numbers: Vec<u32>,
}

impl SplitRelease {
    fn of(release: &str) -> Self {
        let mut split = Self { text: Vec::new(), numbers: Vec::new() };
        for run in release.as_bytes().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
            match parse_number(run) {
                Some(number) => {
                    split.text.push(0);
                    split.numbers.push(number);
                }
                None => split.text.extend_from_slice(run),
            }
        }
        split
    }

    fn has_same_version(&self, other: &Self) -> bool {
        self.numbers.get(..2) == other.numbers.get(..2)
    }

    fn has_same_flavor(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Parses a run of digits; `None` for other text, for leading zeros and for more than nine digits.
fn parse_number(run: &[u8]) -> Option<u32> {
    if run.len() > 9 || (run.len() > 1 && run.starts_with(b"0")) {
        return None;
    }
    str::from_utf8(run).ok()?.parse().ok()
}

/// The entries next to the host's release, in its own distribution, version, flavor and kernel version.
///
/// `None` if there is none on one side, or if the two have different BTFs.
pub(crate) fn neighbors(
    host: &Host,
    identity: &Identity<'_>,
    catalog: &dyn Catalog,
) -> Option<(KernelId, KernelId)> {
    let wanted = SplitRelease::of(&host.release);
    let mut below: Option<(Vec<u32>, KernelId)> = None;
    let mut above: Option<(Vec<u32>, KernelId)> = None;
    catalog.visit(&mut |id, _| {
        let Ok(id) = id.parse::<KernelId>() else { return };
        let release = SplitRelease::of(id.release());
        let is_same_series = host.has_arch(id.arch())
            && release.has_same_flavor(&wanted)
            && release.has_same_version(&wanted)
            && id.has_known_distro()
            && identity.matches(&id) == Match::Yes;
        if !is_same_series {
            return;
        }
        match release.numbers.cmp(&wanted.numbers) {
            Ordering::Less if below.as_ref().is_none_or(|(best, _)| *best < release.numbers) => {
                below = Some((release.numbers, id));
            }
            Ordering::Greater if above.as_ref().is_none_or(|(best, _)| *best > release.numbers) => {
                above = Some((release.numbers, id));
            }
            _ => {}
        }
    });
    let ((_, below), (_, above)) = (below?, above?);
    let is_same_folder = (below.distro(), below.version()) == (above.distro(), above.version());
    if is_same_folder && catalog.same(&below, &above) { Some((below, above)) } else { None }
}

/// How far an entry is from the host's kernel; earlier fields count more.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Distance {
    is_other_distro: bool,
    is_other_version: bool,
    is_other_flavor: bool,
    /// Index of the first number that differs, and by how much. A difference in an earlier number counts as farther.
    numbers: Option<(Reverse<usize>, u32)>,
}

/// A few entries of the host's architecture, the nearest first.
pub(crate) fn nearest(host: &Host, identity: &Identity<'_>, catalog: &dyn Catalog) -> Vec<KernelId> {
    let wanted = SplitRelease::of(&host.release);
    let mut entries: Vec<(Distance, KernelId)> = Vec::new();
    catalog.visit(&mut |id, _| {
        let Ok(id) = id.parse::<KernelId>() else { return };
        if !host.has_arch(id.arch()) || id.release() == host.release {
            return;
        }
        let release = SplitRelease::of(id.release());
        let mut differences =
            release.numbers.iter().zip(&wanted.numbers).map(|(a, b)| a.abs_diff(*b)).enumerate();
        let distance = Distance {
            is_other_distro: identity.matches(&id) == Match::No,
            is_other_version: !release.has_same_version(&wanted),
            is_other_flavor: !release.has_same_flavor(&wanted),
            numbers: differences.find(|(_, by)| *by != 0).map(|(index, by)| (Reverse(index), by)),
        };
        let entry = (distance, id);
        entries.insert(entries.partition_point(|other| *other < entry), entry);
        entries.truncate(MAX_NAMED);
    });
    entries.into_iter().map(|(_, id)| id).collect()
}
