//! Series: the kernels of one distribution, version and architecture, in the order of their releases, and short texts for
//! sets of kernels.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use btfgen_runtime::KernelId;

/// Number of parts in the text of a set of kernels.
const MAX_PARTS: usize = 6;

/// Number of parts that are not replaced by "all but" the others.
const MAX_EXCEPTIONS: usize = 2;

/// Number of ranges in the text of one series.
const MAX_RANGES: usize = 3;

/// The series of a kernel: its id without the release.
pub(crate) fn series(id: &KernelId) -> &str {
    id.as_str().rsplit_once('/').map_or("", |(series, _)| series)
}

/// The order of kernels: by series, then by release, whose numbers count as numbers.
pub(crate) fn compare(a: &KernelId, b: &KernelId) -> Ordering {
    series(a).cmp(series(b)).then_with(|| compare_releases(a.release(), b.release()))
}

/// The indices of kernels in the order of [`compare`].
pub(crate) fn in_release_order(ids: &[KernelId]) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..ids.len()).collect();
    indices.sort_by(|&a, &b| compare(&ids[a], &ids[b]));
    indices
}

/// By version, then by flavor.
fn compare_releases(a: &str, b: &str) -> Ordering {
    let ((a_version, a_flavor), (b_version, b_flavor)) = (split(a), split(b));
    compare_numbers(a_version, b_version).then_with(|| compare_numbers(a_flavor, b_flavor))
}

/// Compares texts in which runs of digits count as numbers.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    let key = |run: &[u8]| {
        let digits =
            run[0].is_ascii_digit().then(|| run.iter().position(|&byte| byte != b'0').unwrap_or(run.len()));
        digits.map(|zeros| run.len() - zeros)
    };
    let compare_runs = |a: &[u8], b: &[u8]| match (key(a), key(b)) {
        (Some(a_len), Some(b_len)) => a_len
            .cmp(&b_len)
            .then_with(|| a[a.len() - a_len..].cmp(&b[b.len() - b_len..]))
            .then(a.len().cmp(&b.len())),
        _ => a.cmp(b),
    };
    let is_same = |a: &u8, b: &u8| a.is_ascii_digit() == b.is_ascii_digit();
    let (mut a, mut b) = (a.as_bytes().chunk_by(is_same), b.as_bytes().chunk_by(is_same));
    loop {
        match (a.next(), b.next()) {
            (Some(a), Some(b)) => match compare_runs(a, b) {
                Ordering::Equal => {}
                order => return order,
            },
            (a, b) => return a.is_some().cmp(&b.is_some()),
        }
    }
}

/// A release as version and flavor: `6.1.0-50` and `cloud-amd64` of `6.1.0-50-cloud-amd64`.
///
/// The flavor begins with the first part that begins with a letter, after one that begins with a digit.
pub(crate) fn split(release: &str) -> (&str, &str) {
    let mut after_number = false;
    for (at, _) in release.match_indices('-').chain([(release.len(), "")]) {
        let rest = &release[at..];
        let starts_with =
            |text: &str, test: fn(&char) -> bool| text.chars().next().is_some_and(|it| test(&it));
        let start = release[..at].rfind('-').map_or(0, |dash| dash + 1);
        after_number |= starts_with(&release[start..at], char::is_ascii_digit);
        if after_number && starts_with(rest.get(1..).unwrap_or_default(), char::is_ascii_alphabetic) {
            return (&release[..at], &rest[1..]);
        }
    }
    (release, "")
}

/// The `affected` kernels of `all`, in at most six parts, such as `debian/*/arm64 (all 313)` and
/// `debian/11/x86_64 5.10.0-8 to 5.10.0-44 (37 of 40)`.
///
/// Both lists are in the order of [`compare`], or by id.
pub(crate) fn describe(affected: &[&KernelId], all: &[&KernelId]) -> Vec<String> {
    match affected {
        [] => return Vec::new(),
        [id] => return vec![id.to_string()],
        _ if affected.len() == all.len() => return vec![format!("all {} kernels", all.len())],
        _ => {}
    }
    let of_all = shares(affected, all, |id| (id.distro(), id.arch()));
    let of_series = shares(affected, all, |id| (id.distro(), id.arch(), id.version()));
    let mut parts = Vec::new();
    for ((distro, arch), share) in &of_all {
        let key = (*distro, *arch, "");
        let own = || of_series.range(key..).take_while(|((d, a, _), _)| (d, a) == (distro, arch));
        match share.is_whole() && own().count() > 1 {
            true => parts.push(share.text(&format!("{distro}/*/{arch}"))),
            false => parts.extend(own().map(|((.., version), share)| {
                share.text(&format!("{distro}/{version}/{arch} {}", share.ranges()))
            })),
        }
    }
    if parts.len() > MAX_EXCEPTIONS {
        let own = BTreeSet::from_iter(affected);
        let others: Vec<&KernelId> = all.iter().filter(|id| !own.contains(id)).copied().collect();
        if others.len() < affected.len()
            && let [others] = describe(&others, all).as_slice()
        {
            return vec![format!("all {} kernels but {others}", all.len())];
        }
    }
    if parts.len() <= MAX_PARTS {
        return parts;
    }
    if of_all.len() <= MAX_PARTS {
        return of_all
            .iter()
            .map(|((distro, arch), share)| share.text(&format!("{distro}/*/{arch}")))
            .collect();
    }
    let of_distro = shares(affected, all, KernelId::distro);
    if of_distro.len() <= MAX_PARTS {
        return of_distro.iter().map(|(distro, share)| share.text(&format!("{distro}/**"))).collect();
    }
    vec![format!("{} of {} kernels", affected.len(), all.len())]
}

/// Kernels of a group that are affected, and all of the group.
#[derive(Default)]
struct Share<'k> {
    affected: Vec<&'k KernelId>,
    all: Vec<&'k KernelId>,
}

/// The groups that have affected kernels.
fn shares<'k, K: Ord>(
    affected: &[&'k KernelId],
    all: &[&'k KernelId],
    key: impl Fn(&'k KernelId) -> K,
) -> BTreeMap<K, Share<'k>> {
    let mut shares: BTreeMap<K, Share<'k>> = BTreeMap::new();
    for &id in affected {
        shares.entry(key(id)).or_default().affected.push(id);
    }
    for &id in all {
        if let Some(share) = shares.get_mut(&key(id)) {
            share.all.push(id);
        }
    }
    shares
}

impl Share<'_> {
    fn is_whole(&self) -> bool {
        self.affected.len() == self.all.len()
    }

    /// Where they are and how many; one kernel by its id.
    fn text(&self, place: &str) -> String {
        match (self.affected.as_slice(), self.all.len()) {
            ([id], 1) => id.to_string(),
            ([id], all) => format!("{id} (1 of {all})"),
            (affected, all) if affected.len() == all => format!("{place} (all {all})"),
            (affected, all) => format!("{place} ({} of {all})", affected.len()),
        }
    }

    /// The affected kernels of one series as ranges of releases: whole versions, else versions of each flavor.
    fn ranges(&self) -> String {
        let (affected, all) = (sorted_releases(&self.affected), sorted_releases(&self.all));
        let flag = |release: &&str| affected.binary_search_by(|it| compare_releases(it, release)).is_ok();
        let mut versions = all.chunk_by(|a, b| split(a).0 == split(b).0);
        let mut ranges = if versions.all(|own| own.iter().all(flag) || !own.iter().any(flag)) {
            runs(&all, flag)
        } else {
            let mut by_flavor: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
            all.iter().for_each(|release| by_flavor.entry(split(release).1).or_default().push(release));
            by_flavor.values().flat_map(|own| runs(own, flag)).collect()
        };
        if ranges.len() > MAX_RANGES {
            ranges = vec![Range { first: affected[0], last: affected[affected.len() - 1] }];
        }
        ranges.iter().map(Range::text).collect::<Vec<_>>().join(", ")
    }
}

fn sorted_releases<'k>(ids: &[&'k KernelId]) -> Vec<&'k str> {
    let mut releases: Vec<&str> = ids.iter().map(|id| id.release()).collect();
    releases.sort_by(|a, b| compare_releases(a, b));
    releases
}

/// The first and last of consecutive releases.
struct Range<'r> {
    first: &'r str,
    last: &'r str,
}

impl Range<'_> {
    /// The range by versions; a flavor is named if both ends have the same.
    fn text(&self) -> String {
        let Self { first, last } = self;
        let ((from, own), (to, flavor)) = (split(first), split(last));
        match (from == to, own == flavor) {
            (true, true) => (*last).to_owned(),
            (true, false) => to.to_owned(),
            (false, true) => format!("{from} to {last}"),
            (false, false) => format!("{from} to {to}"),
        }
    }
}

/// The ranges of consecutive releases that are affected.
fn runs<'r>(releases: &[&'r str], is_affected: impl Fn(&&str) -> bool) -> Vec<Range<'r>> {
    let runs = releases.chunk_by(|a, b| is_affected(a) == is_affected(b)).filter(|run| is_affected(&run[0]));
    runs.map(|run| Range { first: run[0], last: run[run.len() - 1] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_sort_by_numbers() {
        let check = |releases: &[&str]| {
            let mut sorted = releases.to_vec();
            sorted.reverse();
            sorted.sort_by(|a, b| compare_releases(a, b));
            assert_eq!(sorted, releases);
        };
        check(&[
            "5.10.0-8-amd64",
            "5.10.0-30-amd64",
            "5.10.0-30-cloud-amd64",
            "5.10.0-44-amd64",
            "6.1.0-0.deb11.48-amd64",
        ]);
        check(&["4.18.0-80.el8.x86_64", "4.18.0-147.5.1.el8_1.x86_64", "4.18.0-147.el8.x86_64"]);
        check(&["", "mine", "mine-2", "mine-010", "mine-99999999999999999999999"]);
        check(&["a12-5.10-2021-09-arm64", "a12-5.10-2022-03-arm64"]);
    }

    #[test]
    fn splits_releases() {
        let check = |release: &str, version: &str, flavor: &str| {
            assert_eq!(split(release), (version, flavor));
        };
        check("6.1.0-50-cloud-amd64", "6.1.0-50", "cloud-amd64");
        check("6.12.57+deb12-rt-arm64", "6.12.57+deb12", "rt-arm64");
        check("7.2.6+deb13-powerpc64le-64k", "7.2.6+deb13", "powerpc64le-64k");
        check("5.4.0-84-generic", "5.4.0-84", "generic");
        check("4.18.0-147.5.1.el8_1.aarch64", "4.18.0-147.5.1.el8_1.aarch64", "");
        check("a12-5.10-2021-09-arm64", "a12-5.10-2021-09", "arm64");
        check("mine", "mine", "");
        check("mine-amd64", "mine-amd64", "");
        check("-", "-", "");
        check("1-é", "1-é", "");
    }

    /// Ids `SERIES/RELEASE`.
    fn ids(groups: &[(&str, &[&str])]) -> Vec<KernelId> {
        let ids = groups
            .iter()
            .flat_map(|(series, releases)| releases.iter().map(move |it| format!("{series}/{it}")));
        ids.map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn describes_a_series_by_ranges() {
        let all = ids(&[
            (
                "d/12/x",
                &[
                    "6.1-8-amd",
                    "6.1-8-rt-amd",
                    "6.1-9-amd",
                    "6.1-9-rt-amd",
                    "6.1-10-amd",
                    "6.1-10-rt-amd",
                    "6.1-11-amd",
                ],
            ),
            ("d/13/x", &["7.0-1-amd"]),
        ]);
        let check = |releases: &[&str], expect: &str| {
            let affected = ids(&[("d/12/x", releases)]);
            assert_eq!(describe(&Vec::from_iter(&affected), &Vec::from_iter(&all)).join("; "), expect);
        };
        check(&["6.1-9-amd"], "d/12/x/6.1-9-amd");
        check(&["6.1-9-amd", "6.1-9-rt-amd"], "d/12/x 6.1-9 (2 of 7)");
        check(&["6.1-8-amd", "6.1-8-rt-amd", "6.1-9-amd", "6.1-9-rt-amd"], "d/12/x 6.1-8 to 6.1-9 (4 of 7)");
        check(&["6.1-10-amd", "6.1-10-rt-amd", "6.1-11-amd"], "d/12/x 6.1-10 to 6.1-11-amd (3 of 7)");
        check(&["6.1-8-amd", "6.1-9-amd", "6.1-10-amd"], "d/12/x 6.1-8 to 6.1-10-amd (3 of 7)");
        check(
            &["6.1-8-amd", "6.1-10-amd", "6.1-9-rt-amd"],
            "d/12/x 6.1-8-amd, 6.1-10-amd, 6.1-9-rt-amd (3 of 7)",
        );
        check(
            &["6.1-8-amd", "6.1-10-amd", "6.1-8-rt-amd", "6.1-10-rt-amd", "6.1-9-amd"],
            "d/12/x 6.1-8 to 6.1-10-amd, 6.1-8-rt-amd, 6.1-10-rt-amd (5 of 7)",
        );
        let all: Vec<&str> = all.iter().take(7).map(KernelId::release).collect();
        check(&all, "d/12/x 6.1-8 to 6.1-11-amd (all 7)");
    }

    /// Ids `PREFIX/0`, `PREFIX/1` and so on, for each prefix and count.
    fn numbered(groups: &[(&str, usize)]) -> Vec<KernelId> {
        let ids = groups
            .iter()
            .flat_map(|(prefix, count)| (0..*count).map(move |number| format!("{prefix}/{number}")));
        ids.map(|id| id.parse().unwrap()).collect()
    }

    #[test]
    fn describes_kernels_of_many_series() {
        let hub = [
            ("android/12/arm64", 20),
            ("android/13/arm64", 17),
            ("debian/11/x86_64", 1),
            ("debian/12/arm64", 8),
            ("debian/12/x86_64", 40),
            ("ubuntu/20.04/x86_64", 30),
            ("ubuntu/22.04/x86_64", 30),
            ("ubuntu/24.04/x86_64", 30),
        ];
        let check = |affected: &[(&str, usize)], expect: &[&str]| {
            let (affected, all) = (numbered(affected), numbered(&hub));
            assert_eq!(describe(&Vec::from_iter(&affected), &Vec::from_iter(&all)), expect);
        };
        check(&[], &[]);
        check(&hub, &["all 176 kernels"]);
        check(&hub[1..], &["all 176 kernels but android/12/arm64 0 to 19 (all 20)"]);
        check(&hub[2..3], &["debian/11/x86_64/0"]);
        check(&hub[..2], &["android/*/arm64 (all 37)"]);
        check(
            &[hub[0], ("android/13/arm64", 3)],
            &["android/12/arm64 0 to 19 (all 20)", "android/13/arm64 0 to 2 (3 of 17)"],
        );
        check(&[hub[2], hub[3]], &["debian/12/arm64 0 to 7 (all 8)", "debian/11/x86_64/0"]);
        check(
            &[
                hub[0],
                ("android/13/arm64", 1),
                ("debian/12/arm64", 1),
                ("debian/12/x86_64", 1),
                ("ubuntu/20.04/x86_64", 9),
                ("ubuntu/22.04/x86_64", 9),
                ("ubuntu/24.04/x86_64", 9),
            ],
            &[
                "android/*/arm64 (21 of 37)",
                "debian/12/arm64/0 (1 of 8)",
                "debian/12/x86_64/0 (1 of 41)",
                "ubuntu/*/x86_64 (27 of 90)",
            ],
        );
        let many = |distros: usize, count| {
            let groups =
                (0..distros).flat_map(|distro| ["arm64", "s390x"].map(|arch| format!("d{distro}/1/{arch}")));
            let groups: Vec<String> = groups.collect();
            numbered(&groups.iter().map(|group| (group.as_str(), count)).collect::<Vec<_>>())
        };
        let check = |distros: usize, expect: &str| {
            let (affected, all) = (many(distros, 1), many(distros, 2));
            assert_eq!(describe(&Vec::from_iter(&affected), &Vec::from_iter(&all)).join(", "), expect);
        };
        check(4, "d0/** (2 of 4), d1/** (2 of 4), d2/** (2 of 4), d3/** (2 of 4)");
        check(7, "14 of 28 kernels");
    }
}
