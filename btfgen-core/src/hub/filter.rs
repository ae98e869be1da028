//! Filter: which of a hub's kernels are wanted, by globs over kernel ids and by architecture.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use btfgen_runtime::{KernelId, hub_arch};
use glob::{MatchOptions, Pattern};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The name that means every architecture.
const ANY_ARCH: &str = "all";

/// A glob over kernel ids, such as `debian/*/x86_64/*`: `*` matches within a part, `**` across parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelGlob(Pattern);

impl KernelGlob {
    /// Parses a glob.
    ///
    /// # Errors
    /// When the text is not a glob.
    pub fn new(glob: &str) -> Result<Self, FilterError> {
        match Pattern::new(glob) {
            Ok(pattern) => Ok(Self(pattern)),
            Err(source) => Err(FilterError::Glob { glob: glob.to_owned(), source }),
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether a kernel's id matches.
    pub fn matches(&self, id: &KernelId) -> bool {
        self.0.matches_with(id.as_str(), OPTIONS)
    }
}

/// Which kernels are wanted: those of the wanted architectures whose ids match an include glob and no exclude glob.
///
/// Without include globs every id matches; without architectures every one is wanted.
#[derive(Debug, Clone, Default)]
pub struct KernelFilter {
    include: Vec<KernelGlob>,
    exclude: Vec<KernelGlob>,
    archs: BTreeSet<String>,
}

/// The result of a filter on a list of kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Indices in the list of the kernels that are wanted, ascending.
    pub kept: Vec<usize>,
    /// Exclude globs that match no kernel.
    pub idle: Vec<String>,
}

/// Why a filter is invalid, or why no kernel is left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A text is not a glob.
    #[error("{glob:?} is not a glob over kernel ids")]
    Glob {
        /// The text.
        glob: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// An include glob matches no kernel.
    #[error("include {glob:?} matches no kernel; {near}")]
    NoMatch {
        /// The glob.
        glob: String,
        /// The nearest kernels.
        near: Near,
    },
    /// The hub has no kernel of the wanted architectures.
    #[error("the hub has no kernel for {}; it has {}; add kernels with \"btfgen vendor\", or set arch",
        archs.join(" or "), Counts(found))]
    NoArch {
        /// The wanted architectures.
        archs: Vec<String>,
        /// The hub's architectures and their numbers of kernels.
        found: BTreeMap<String, usize>,
    },
    /// No kernel is left after all globs and architectures.
    #[error("no kernel left of {count}{by_arch}{by_exclude}; {near}",
        by_arch = ListOr(" for ", archs), by_exclude = ListOr(" after exclude ", exclude))]
    NothingLeft {
        /// Number of kernels of the hub.
        count: usize,
        /// The wanted architectures.
        archs: Vec<String>,
        /// The exclude globs.
        exclude: Vec<String>,
        /// The nearest kernels.
        near: Near,
    },
}

/// The kernels of a hub that are nearest to a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The nearest kernel ids.
    pub ids: Vec<KernelId>,
    /// Every `<distro>/<version>/<arch>` of the hub.
    pub groups: Vec<String>,
}

impl KernelFilter {
    /// Parses the globs of a filter. Other names of an architecture are accepted, such as `aarch64`, `amd64` and `armhf`.
    ///
    /// # Errors
    /// When a text is not a glob.
    pub fn new<S: AsRef<str>>(include: &[S], exclude: &[S], archs: &[S]) -> Result<Self, FilterError> {
        let parse = |globs: &[S]| {
            globs.iter().map(|glob| KernelGlob::new(glob.as_ref())).collect::<Result<Vec<_>, _>>()
        };
        let any = archs.is_empty() || archs.iter().any(|arch| arch.as_ref() == ANY_ARCH);
        let named = archs.iter().filter(|_| !any);
        let archs = named.map(|arch| hub_arch(arch.as_ref()).unwrap_or(arch.as_ref()).to_owned()).collect();
        Ok(Self { include: parse(include)?, exclude: parse(exclude)?, archs })
    }

    /// Selects kernels.
    ///
    /// # Errors
    /// When an include glob matches none of them, or none is left. The errors list the nearest kernels.
    pub fn select<'a>(&self, ids: impl IntoIterator<Item = &'a KernelId>) -> Result<Selection, FilterError> {
        let ids: Vec<&KernelId> = ids.into_iter().collect();
        let matched = |glob: &KernelGlob| ids.iter().any(|id| glob.matches(id));
        if let Some(glob) = self.include.iter().find(|glob| !matched(glob)) {
            let glob = glob.as_str().to_owned();
            return Err(FilterError::NoMatch { near: Near::to(&glob, &ids), glob });
        }
        let kept: Vec<usize> = (0..ids.len()).filter(|&index| self.wants(ids[index])).collect();
        if kept.is_empty() {
            let archs = self.archs.iter().cloned().collect();
            let mut found: BTreeMap<String, usize> = BTreeMap::new();
            ids.iter().for_each(|id| *found.entry(id.arch().to_owned()).or_default() += 1);
            if !found.is_empty() && !found.keys().any(|arch| self.wants_arch(arch)) {
                return Err(FilterError::NoArch { archs, found });
            }
            return Err(FilterError::NothingLeft {
                count: ids.len(),
                archs,
                exclude: self.exclude.iter().map(|glob| glob.as_str().to_owned()).collect(),
                near: Near::to(self.include.first().map_or("", KernelGlob::as_str), &ids),
            });
        }
        let idle = self.exclude.iter().filter(|glob| !matched(glob));
        Ok(Selection { kept, idle: idle.map(|glob| glob.as_str().to_owned()).collect() })
    }

    /// Whether one kernel is wanted.
    pub fn wants(&self, id: &KernelId) -> bool {
        self.wants_arch(id.arch())
            && (self.include.is_empty() || self.include.iter().any(|glob| glob.matches(id)))
            && !self.exclude.iter().any(|glob| glob.matches(id))
    }

    fn wants_arch(&self, arch: &str) -> bool {
        self.archs.is_empty() || self.archs.contains(arch)
    }
}

impl Near {
    /// The ids that share the longest prefix with a glob, at most three.
    pub fn to(glob: &str, ids: &[&KernelId]) -> Self {
        let shared =
            |id: &KernelId| id.as_str().bytes().zip(glob.bytes()).take_while(|(a, b)| a == b).count();
        let most = ids.iter().map(|id| shared(id)).max().unwrap_or(0);
        let near = ids.iter().filter(|id| most > 0 && shared(id) == most);
        let mut near: Vec<KernelId> = near.map(|&id| id.clone()).collect();
        near.sort();
        near.truncate(3);
        let group = |id: &&KernelId| format!("{}/{}/{}", id.distro(), id.version(), id.arch());
        let groups: BTreeSet<String> = ids.iter().map(group).collect();
        Self { ids: near, groups: groups.into_iter().collect() }
    }
}

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX_SHOWN: usize = 12;
        if !self.ids.is_empty() {
            let ids: Vec<&str> = self.ids.iter().map(KernelId::as_str).collect();
            write!(f, "nearest: {}; ", ids.join(", "))?;
        }
        let shown: Vec<&str> = self.groups.iter().take(MAX_SHOWN).map(String::as_str).collect();
        match self.groups.len().saturating_sub(MAX_SHOWN) {
            0 if shown.is_empty() => f.write_str("the hub is empty"),
            0 => write!(f, "the hub has {}", shown.join(", ")),
            more => write!(f, "the hub has {} and {more} more", shown.join(", ")),
        }
    }
}

/// A list after its introduction, or nothing.
struct ListOr<'a>(&'static str, &'a [String]);

impl fmt::Display for ListOr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() { Ok(()) } else { write!(f, "{}{}", self.0, self.1.join(", ")) }
    }
}

/// Architectures with their numbers of kernels.
struct Counts<'a>(&'a BTreeMap<String, usize>);

impl fmt::Display for Counts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (arch, count)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            let kernels = if *count == 1 { "kernel" } else { "kernels" };
            write!(f, "{separator}{arch} ({count} {kernels})")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: [&str; 5] = [
        "debian/11/x86_64/5.10.0-30-amd64",
        "debian/12/arm64/6.1.0-50-arm64",
        "debian/12/x86_64/6.1.0-50-amd64",
        "debian/12/x86_64/6.1.0-50-cloud-amd64",
        "ubuntu/20.04/x86_64/5.4.0-84-generic",
    ];

    fn select(include: &[&str], exclude: &[&str], archs: &[&str]) -> Result<Selection, FilterError> {
        let ids: Vec<KernelId> = IDS.iter().map(|id| id.parse().unwrap()).collect();
        KernelFilter::new(include, exclude, archs)?.select(&ids)
    }

    #[test]
    fn selects() {
        let check = |include: &[&str], exclude: &[&str], archs: &[&str], expect: &[usize]| {
            let selection = select(include, exclude, archs).unwrap();
            assert_eq!((selection.kept.as_slice(), selection.idle.len()), (expect, 0));
        };
        check(&[], &[], &[], &[0, 1, 2, 3, 4]);
        check(&["debian/*/x86_64/*"], &[], &[], &[0, 2, 3]);
        check(&["debian/**"], &[], &["x86_64"], &[0, 2, 3]);
        check(&["debian/**"], &[], &["x86_64", "all"], &[0, 1, 2, 3]);
        check(&[], &[], &["aarch64"], &[1]);
        check(&["debian/**"], &[], &["amd64"], &[0, 2, 3]);
        check(&["debian/**", "ubuntu/20.04/*/5.4.*"], &["**/*-cloud-*"], &["arm64", "x86_64"], &[0, 1, 2, 4]);
        check(&["*/*/arm64/*", "debian/11/**"], &[], &["x86_64"], &[0]);
        check(&["debian/1[12]/x86_64/*-amd64"], &["debian/12/x86_64/6.1.0-50-amd64"], &[], &[0, 3]);
    }

    #[test]
    fn reports_idle_excludes() {
        assert_eq!(select(&[], &["fedora/**", "ubuntu/**"], &[]).unwrap().idle, ["fedora/**"]);
    }

    #[test]
    fn refuses() {
        let there = "the hub has debian/11/x86_64, debian/12/arm64, debian/12/x86_64, ubuntu/20.04/x86_64";
        let check = |include: &[&str], exclude: &[&str], archs: &[&str], expect: &str| {
            let error = select(include, exclude, archs).unwrap_err().to_string();
            assert_eq!(error, expect.replace("THERE", there));
        };
        check(
            &["debian/**", "debian/12/x86_64/6.1.0-51-amd64"],
            &[],
            &[],
            "include \"debian/12/x86_64/6.1.0-51-amd64\" matches no kernel; nearest: \
             debian/12/x86_64/6.1.0-50-amd64, debian/12/x86_64/6.1.0-50-cloud-amd64; THERE",
        );
        check(&["fedora/*"], &[], &[], "include \"fedora/*\" matches no kernel; THERE");
        // One part too few: a star matches within a part only.
        check(
            &["ubuntu/*"],
            &[],
            &[],
            "include \"ubuntu/*\" matches no kernel; nearest: ubuntu/20.04/x86_64/5.4.0-84-generic; THERE",
        );
        check(
            &[],
            &[],
            &["s390x"],
            "the hub has no kernel for s390x; it has arm64 (1 kernel), x86_64 (4 kernels); add kernels with \"btfgen vendor\", or set arch",
        );
        check(
            &[],
            &["*/*/arm64/*"],
            &["aarch64"],
            "no kernel left of 5 for arm64 after exclude */*/arm64/*; THERE",
        );
        check(&[], &["**"], &[], "no kernel left of 5 after exclude **; THERE");
        check(&["debian/***"], &[], &[], "\"debian/***\" is not a glob over kernel ids");
        let empty = KernelFilter::default().select(&[]).unwrap_err().to_string();
        assert_eq!(empty, "no kernel left of 0; the hub is empty");
    }
}
