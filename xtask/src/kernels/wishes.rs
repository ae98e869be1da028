//! Wishes: which of the kernels on offer are booted.

use std::collections::BTreeSet;

use btfgen_core::KernelId;

/// A kernel that should be among those booted: the newest of its kind.
struct Wish {
    /// Debian's version.
    version: &'static str,
    /// The release's beginning; empty for the newest of all.
    series: &'static str,
    flavour: Flavour,
    /// Stays out of the hub, as its neighbours do not.
    left_out: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Generic,
    Cloud,
}

const fn wish(version: &'static str, series: &'static str, flavour: Flavour) -> Wish {
    Wish { version, series, flavour, left_out: false }
}

const fn left_out(version: &'static str, series: &'static str, flavour: Flavour) -> Wish {
    Wish { version, series, flavour, left_out: true }
}

/// In the order in which they are booted; CI takes the first [`CI`].
const WISHES: [Wish; 13] = [
    left_out("11", "5.10.", Flavour::Generic),
    wish("12", "6.1.", Flavour::Generic),
    wish("13", "", Flavour::Cloud),
    left_out("12", "6.1.", Flavour::Generic),
    wish("11", "5.10.", Flavour::Generic),
    wish("11", "5.10.", Flavour::Cloud),
    wish("11", "6.1.", Flavour::Generic),
    wish("12", "6.1.", Flavour::Cloud),
    wish("12", "6.12.", Flavour::Cloud),
    wish("13", "6.12.", Flavour::Generic),
    wish("13", "6.18.", Flavour::Generic),
    wish("13", "7.0.", Flavour::Generic),
    wish("13", "", Flavour::Generic),
];

/// How many kernels CI boots.
pub(super) const CI: usize = 3;

/// A kernel to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) id: KernelId,
    /// For a kernel that stays out of the hub, those of its series before and after it.
    pub(super) neighbours: Option<[KernelId; 2]>,
}

/// Chooses among the kernels on offer, those that are vendored before others, for what is to be answered from the hub.
pub(super) fn choose(offered: &[KernelId], vendored: &BTreeSet<KernelId>) -> Vec<Choice> {
    WISHES.iter().filter_map(|wish| wish.choose(offered, vendored)).collect()
}

impl Wish {
    fn choose(&self, offered: &[KernelId], vendored: &BTreeSet<KernelId>) -> Option<Choice> {
        let mut fitting: Vec<&KernelId> = offered.iter().filter(|id| self.fits(id)).collect();
        fitting.sort_by_key(|id| numbers(id.release()));
        if self.left_out {
            // The newest that has neighbours on both sides.
            let [.., before, id, after] = fitting[..] else { return None };
            return Some(Choice { id: id.clone(), neighbours: Some([before.clone(), after.clone()]) });
        }
        let newest = fitting.last()?;
        let same_series =
            |id: &KernelId| numbers(id.release()).get(..2) == numbers(newest.release()).get(..2);
        let known = fitting.iter().rev().find(|id| vendored.contains(**id) && same_series(id));
        Some(Choice { id: (*known.unwrap_or(newest)).clone(), neighbours: None })
    }

    fn fits(&self, id: &KernelId) -> bool {
        id.distro() == "debian"
            && id.version() == self.version
            && id.arch() == "x86_64"
            && id.release().starts_with(self.series)
            && flavour(id.release()) == Some(self.flavour)
    }
}

fn flavour(release: &str) -> Option<Flavour> {
    match release.strip_suffix("-amd64")?.rsplit_once('-') {
        Some((_, "cloud")) => Some(Flavour::Cloud),
        Some((_, "rt")) => None,
        _ => Some(Flavour::Generic),
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
            &["12 6.1.0-11", "12 6.1.0-10"],
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
    fn names_the_neighbours_of_the_one_left_out() {
        let offered = ids(&["12 6.1.0-9", "12 6.1.0-11", "12 6.1.0-10", "12 6.1.0-8"]);
        let choices = choose(&offered, &BTreeSet::new());
        let choice = choices.iter().find(|choice| choice.neighbours.is_some()).unwrap();
        assert_eq!(choice.id, ids(&["12 6.1.0-10"])[0]);
        assert_eq!(
            choice.neighbours.as_ref().map(|two| two.to_vec()),
            Some(ids(&["12 6.1.0-9", "12 6.1.0-11"]))
        );
    }
}
