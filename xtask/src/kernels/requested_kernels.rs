//! Requested kernels: which of the kernels on the mirrors are booted.

use std::collections::BTreeSet;

use crate::architecture::Architecture;
use crate::engine::KernelId;

/// A request for the newest kernel of a kind.
pub(super) struct Request {
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
    /// With larger pages than the generic kernel's.
    LargePages,
}

use Flavor::{Cloud, Generic, LargePages, Realtime};

const fn embedded(version: &'static str, series: &'static str, flavor: Flavor) -> Request {
    Request { version, series, flavor, left_out: false }
}

const fn left_out(version: &'static str, series: &'static str, flavor: Flavor) -> Request {
    Request { left_out: true, ..embedded(version, series, flavor) }
}

const X86_64: [Request; 14] = [
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

const ARM64: [Request; 7] = [
    embedded("12", "6.1.", Generic),
    embedded("12", "6.1.", Cloud),
    embedded("12", "6.12.", LargePages),
    embedded("13", "6.12.", Generic),
    embedded("13", "6.12.", Cloud),
    embedded("13", "6.12.", LargePages),
    embedded("13", "", Generic),
];

/// Debian 12's kernel is built without BTF.
const PPC64LE: [Request; 3] =
    [embedded("12", "6.1.", Generic), embedded("13", "6.12.", Generic), embedded("13", "6.12.", LargePages)];

/// Debian 12's kernel is built without BTF.
const S390X: [Request; 3] =
    [embedded("12", "6.1.", Generic), embedded("13", "6.12.", Generic), embedded("13", "", Generic)];

/// The kernels of an architecture in the order in which they are booted; CI takes the first [`CI`].
pub(super) fn requests(architecture: &Architecture) -> &'static [Request] {
    match architecture.name {
        "x86_64" => &X86_64,
        "arm64" => &ARM64,
        "ppc64le" => &PPC64LE,
        "s390x" => &S390X,
        _ => &[],
    }
}

/// How many kernels CI boots.
pub(super) const CI: usize = 3;

/// A kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) id: KernelId,
    /// For a kernel that stays out of the hub, the kernels of its series before and after it.
    pub(super) neighbors: Option<[KernelId; 2]>,
}

/// Chooses among an architecture's kernels on the mirrors; vendored ones are preferred, unless the kernel stays out of the hub.
pub(super) fn choose(
    architecture: &Architecture,
    offered: &[KernelId],
    vendored: &BTreeSet<KernelId>,
) -> Vec<Choice> {
    let requests = requests(architecture);
    requests.iter().filter_map(|request| request.choose(architecture, offered, vendored)).collect()
}

impl Request {
    fn choose(
        &self,
        architecture: &Architecture,
        offered: &[KernelId],
        vendored: &BTreeSet<KernelId>,
    ) -> Option<Choice> {
        let mut matching: Vec<&KernelId> =
            offered.iter().filter(|id| self.matches(architecture, id)).collect();
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

    fn matches(&self, architecture: &Architecture, id: &KernelId) -> bool {
        id.distro() == "debian"
            && id.version() == self.version
            && id.arch() == architecture.name
            && id.release().starts_with(self.series)
            && flavor(architecture, id.release()) == Some(self.flavor)
    }
}

/// The flavor of a release such as `6.12.117+deb13-cloud-arm64` or `6.12.117+deb13-arm64-16k`.
fn flavor(architecture: &Architecture, release: &str) -> Option<Flavor> {
    let (before, after) = release.rsplit_once(&format!("-{}", architecture.release))?;
    match after {
        "" => {}
        "-16k" | "-64k" => return Some(LargePages),
        _ => return None,
    }
    match before.rsplit_once('-') {
        Some((_, "cloud")) => Some(Cloud),
        Some((_, "rt")) => Some(Realtime),
        _ => Some(Generic),
    }
}

/// The numbers in a release, by which releases of one series and flavor are ordered.
fn numbers(release: &str) -> Vec<u64> {
    release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn x86_64() -> &'static Architecture {
        Architecture::find("x86_64").unwrap()
    }

    fn ids(of: &[&str]) -> Vec<KernelId> {
        of.iter()
            .map(|id| format!("debian/{id}-amd64").replacen(' ', "/x86_64/", 1).parse().unwrap())
            .collect()
    }

    #[test]
    fn chooses_the_newest_of_each_kind() {
        let check = |offered: &[&str], vendored: &[&str], expect: &[&str]| {
            let chosen = choose(x86_64(), &ids(offered), &ids(vendored).into_iter().collect());
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
    fn flavors_are_named_before_and_after_the_architecture() {
        let check = |arch: &str, release: &str, expect: Option<Flavor>| {
            assert_eq!(flavor(Architecture::find(arch).unwrap(), release), expect, "{release}");
        };
        check("x86_64", "6.1.0-50-rt-amd64", Some(Realtime));
        check("x86_64", "6.1.0-50-amd64", Some(Generic));
        check("arm64", "6.12.117+deb13-cloud-arm64", Some(Cloud));
        check("arm64", "6.12.117+deb13-arm64-16k", Some(LargePages));
        check("ppc64el", "6.12.117+deb13-powerpc64le", Some(Generic));
        check("ppc64el", "6.12.117+deb13-powerpc64le-64k", Some(LargePages));
        check("arm64", "6.12.117+deb13-arm64-rt", None);
        check("s390x", "6.1.0-50-amd64", None);
    }

    #[test]
    fn names_the_neighbors_of_the_one_left_out() {
        let offered = ids(&["12 6.1.0-9", "12 6.1.0-11", "12 6.1.0-10", "12 6.1.0-8"]);
        let choices = choose(x86_64(), &offered, &BTreeSet::new());
        let choice = choices.iter().find(|choice| choice.neighbors.is_some()).unwrap();
        assert_eq!(choice.id, ids(&["12 6.1.0-10"])[0]);
        assert_eq!(
            choice.neighbors.as_ref().map(|two| two.to_vec()),
            Some(ids(&["12 6.1.0-9", "12 6.1.0-11"]))
        );
    }
}
