//! Requested kernels: which of the kernels on the mirrors are booted.

use std::collections::BTreeSet;

use crate::engine::KernelId;

/// A request for the newest kernel of a kind.
struct Request {
    /// Debian's version.
    version: &'static str,
    /// The start of the release; empty for the newest of all.
    series: &'static str,
    flavor: Flavor,
    /// Whether the kernel stays out of the hub, and its neighbors do not.
    left_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavor {
    Generic,
    Cloud,
    Realtime,
}

use Flavor::{Cloud, Generic, Realtime};

const fn embedded(version: &'static str, series: &'static str, flavor: Flavor) -> Request {
    Request { version, series, flavor, left_out: false }
}

const fn left_out(version: &'static str, series: &'static str, flavor: Flavor) -> Request {
    Request { left_out: true, ..embedded(version, series, flavor) }
}

/// In the order in which they are booted; CI takes the first [`CI`].
const REQUESTS: [Request; 14] = [
    left_out("11", "5.10.", Generic),
    embedded("12", "6.1.", Generic),
    embedded("13", "", Cloud),
    left_out("12", "6.1.", Generic),
    embedded("11", "5.10.", Generic),
    embedded("11", "5.10.", Cloud),
    embedded("11", "6.1.", Generic),
    embedded("12", "6.1.", Cloud),
    embedded("12", "6.1.", Realtime),
    embedded("12", "6.12.", Cloud),
    embedded("13", "6.12.", Generic),
    embedded("13", "6.18.", Generic),
    embedded("13", "7.0.", Generic),
    embedded("13", "", Generic),
];

/// How many kernels CI boots.
pub(super) const CI: usize = 3;

/// A kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) id: KernelId,
    /// For a kernel that stays out of the hub, the kernels of its series before and after it.
    pub(super) neighbors: Option<[KernelId; 2]>,
}

/// Chooses among the kernels on the mirrors; vendored ones are preferred, unless the kernel stays out of the hub.
pub(super) fn choose(offered: &[KernelId], vendored: &BTreeSet<KernelId>) -> Vec<Choice> {
    REQUESTS.iter().filter_map(|request| request.choose(offered, vendored)).collect()
}

impl Request {
    fn choose(&self, offered: &[KernelId], vendored: &BTreeSet<KernelId>) -> Option<Choice> {
        let mut matching: Vec<&KernelId> = offered.iter().filter(|id| self.matches(id)).collect();
        matching.sort_by_key(|id| numbers(id.release()));
        if self.left_out {
            // The newest that has neighbors on both sides.
            let [.., before, id, after] = matching[..] else { return None };
            return Some(Choice { id: id.clone(), neighbors: Some([before.clone(), after.clone()]) });
        }
        let newest = matching.last()?;
        let same_series =
            |id: &KernelId| numbers(id.release()).get(..2) == numbers(newest.release()).get(..2);
        let known = matching.iter().rev().find(|id| vendored.contains(**id) && same_series(id));
        Some(Choice { id: (*known.unwrap_or(newest)).clone(), neighbors: None })
    }

    fn matches(&self, id: &KernelId) -> bool {
        id.distro() == "debian"
            && id.version() == self.version
            && id.arch() == "x86_64"
            && id.release().starts_with(self.series)
            && flavor(id.release()) == Some(self.flavor)
    }
}

fn flavor(release: &str) -> Option<Flavor> {
    match release.strip_suffix("-amd64")?.rsplit_once('-') {
        Some((_, "cloud")) => Some(Flavor::Cloud),
        Some((_, "rt")) => Some(Flavor::Realtime),
        _ => Some(Flavor::Generic),
    }
}

/// The numbers in a release, by which releases of one series are ordered.
fn numbers(release: &str) -> Vec<u64> {
    let release = release.strip_suffix("-amd64").unwrap_or(release);
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(of: &[&str]) -> Vec<KernelId> {
        of.iter()
            .map(|id| format!("debian/{id}-amd64").replacen(' ', "/x86_64/", 1).parse().unwrap())
            .collect()
    }

    #[test]
    fn chooses_the_newest_of_each_kind() {
        let check = |offered: &[&str], vendored: &[&str], expect: &[&str]| {
            let chosen = choose(&ids(offered), &ids(vendored).into_iter().collect());
            let chosen: Vec<KernelId> = chosen.into_iter().map(|choice| choice.id).collect();
            assert_eq!(chosen, ids(expect), "{offered:?}");
        };
        check(&[], &[], &[]);
        // Nothing lies between two kernels only.
        check(&["12 6.1.0-9", "12 6.1.0-10"], &[], &["12 6.1.0-10"]);
        check(
            &["12 6.1.0-9", "12 6.1.0-11", "12 6.1.0-10", "12 6.1.0-12-rt"],
            &[],
            &["12 6.1.0-11", "12 6.1.0-10", "12 6.1.0-12-rt"],
        );
        check(
            &["11 5.10.0-9", "11 5.10.0-10", "11 5.10.0-11-rt", "11 5.10.0-8-cloud"],
            &[],
            &["11 5.10.0-10", "11 5.10.0-8-cloud"],
        );
        check(&["11 5.10.0-9", "11 5.10.0-10"], &["11 5.10.0-9"], &["11 5.10.0-9"]);
        check(
            &["13 6.12.9+deb13-cloud", "13 7.1.3+deb13-cloud", "13 7.1.3+deb13"],
            // One of an older series is no stand-in for the newest of all.
            &["13 6.12.9+deb13-cloud"],
            &["13 7.1.3+deb13-cloud", "13 7.1.3+deb13"],
        );
    }

    #[test]
    fn names_the_neighbors_of_the_one_left_out() {
        let offered = ids(&["12 6.1.0-9", "12 6.1.0-11", "12 6.1.0-10", "12 6.1.0-8"]);
        let choices = choose(&offered, &BTreeSet::new());
        let choice = choices.iter().find(|choice| choice.neighbors.is_some()).unwrap();
        assert_eq!(choice.id, ids(&["12 6.1.0-10"])[0]);
        assert_eq!(
            choice.neighbors.as_ref().map(|two| two.to_vec()),
            Some(ids(&["12 6.1.0-9", "12 6.1.0-11"]))
        );
    }
}
