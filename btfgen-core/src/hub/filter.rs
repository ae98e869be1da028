//! Filter: which of a hub's kernels are wanted, by globs over kernel ids and by architecture.

use std::collections::BTreeSet;
use std::fmt;

use btfgen_runtime::KernelId;
use glob::{MatchOptions, Pattern};

/// Globs over kernel ids, such as `debian/*/x86_64/*`: `*` stays within a part, `**` crosses parts.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// Stands for every architecture.
const ANY_ARCH: &str = "all";

/// Which kernels are wanted: any that an include glob matches (all, when there is none), of a wanted
/// architecture (any, when none is named), and that no exclude glob matches.
#[derive(Debug, Clone, Default)]
pub struct KernelFilter {
    include: Vec<Pattern>,
    exclude: Vec<Pattern>,
    archs: BTreeSet<String>,
}

/// What a filter makes of a list of kernels.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// Positions in the list, ascending, of the kernels wanted.
    pub kept: Vec<usize>,
    /// Exclude globs that matched no kernel.
    pub idle: Vec<String>,
}

/// Why a filter is refused, or leaves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A text that is no glob.
    #[error("{glob:?} is not a glob over kernel ids")]
    Glob {
        /// The text.
        glob: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// An include glob that matches no kernel.
    #[error("include {glob:?} matches no kernel; {near}")]
    NoMatch {
        /// The glob.
        glob: String,
        /// What there is.
        near: Near,
    },
    /// Nothing is left after all globs and architectures.
    #[error("no kernel left of {of}{by_arch}{by_exclude}; {near}",
        by_arch = ListOr(" of arch ", archs), by_exclude = ListOr(" after exclude ", exclude))]
    NothingLeft {
        /// How many kernels the hub holds.
        of: usize,
        /// The architectures wanted.
        archs: Vec<String>,
        /// The exclude globs.
        exclude: Vec<String>,
        /// What there is.
        near: Near,
    },
}

/// What a hub holds near to what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Near {
    /// The nearest kernel ids.
    pub ids: Vec<KernelId>,
    /// Every `<distro>/<version>/<arch>` there is.
    pub groups: Vec<String>,
}

impl KernelFilter {
    /// Parses the globs of a filter. No include glob means every kernel, no arch every architecture.
    ///
    /// # Errors
    /// When a text is not a glob.
    pub fn new<S: AsRef<str>>(include: &[S], exclude: &[S], archs: &[S]) -> Result<Self, FilterError> {
        let parse =
            |globs: &[S]| globs.iter().map(|glob| parse(glob.as_ref())).collect::<Result<Vec<_>, _>>();
        let any = archs.is_empty() || archs.iter().any(|arch| arch.as_ref() == ANY_ARCH);
        let named = archs.iter().filter(|_| !any).map(|arch| arch.as_ref().to_owned());
        let archs = named.collect();
        Ok(Self { include: parse(include)?, exclude: parse(exclude)?, archs })
    }

    /// Selects among kernels.
    ///
    /// # Errors
    /// When an include glob matches none of them, or none is left. Both errors say what is near.
    pub fn select<'a>(&self, ids: impl IntoIterator<Item = &'a KernelId>) -> Result<Selection, FilterError> {
        let ids: Vec<&KernelId> = ids.into_iter().collect();
        let matched = |glob: &Pattern| ids.iter().any(|id| matches(glob, id));
        if let Some(glob) = self.include.iter().find(|glob| !matched(glob)) {
            let glob = glob.as_str().to_owned();
            return Err(FilterError::NoMatch { near: Near::to(&glob, &ids), glob });
        }
        let kept: Vec<usize> = (0..ids.len()).filter(|&at| self.wants(ids[at])).collect();
        if kept.is_empty() {
            let texts = |globs: &[Pattern]| globs.iter().map(|glob| glob.as_str().to_owned()).collect();
            let asked = self.include.first().map_or("", Pattern::as_str);
            return Err(FilterError::NothingLeft {
                of: ids.len(),
                archs: self.archs.iter().cloned().collect(),
                exclude: texts(&self.exclude),
                near: Near::to(asked, &ids),
            });
        }
        let idle = self.exclude.iter().filter(|glob| !matched(glob));
        Ok(Selection { kept, idle: idle.map(|glob| glob.as_str().to_owned()).collect() })
    }

    /// Whether one kernel is wanted.
    pub fn wants(&self, id: &KernelId) -> bool {
        (self.archs.is_empty() || self.archs.contains(id.arch()))
            && (self.include.is_empty() || self.include.iter().any(|glob| matches(glob, id)))
            && !self.exclude.iter().any(|glob| matches(glob, id))
    }
}

fn parse(glob: &str) -> Result<Pattern, FilterError> {
    Pattern::new(glob).map_err(|source| FilterError::Glob { glob: glob.to_owned(), source })
}

fn matches(glob: &Pattern, id: &KernelId) -> bool {
    glob.matches_with(id.as_str(), OPTIONS)
}

impl Near {
    /// The ids that share the longest start with a glob, at most three.
    fn to(glob: &str, ids: &[&KernelId]) -> Self {
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
        const MOST: usize = 12;
        if !self.ids.is_empty() {
            let ids: Vec<&str> = self.ids.iter().map(KernelId::as_str).collect();
            write!(f, "near: {}; ", ids.join(", "))?;
        }
        let shown: Vec<&str> = self.groups.iter().take(MOST).map(String::as_str).collect();
        match self.groups.len().saturating_sub(MOST) {
            0 if shown.is_empty() => f.write_str("the hub is empty"),
            0 => write!(f, "there are: {}", shown.join(", ")),
            more => write!(f, "there are: {} and {more} more", shown.join(", ")),
        }
    }
}

/// A list behind its introduction, or nothing.
struct ListOr<'a>(&'static str, &'a [String]);

impl fmt::Display for ListOr<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1.is_empty() { Ok(()) } else { write!(f, "{}{}", self.0, self.1.join(", ")) }
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
        check(&["debian/**", "ubuntu/20.04/*/5.4.*"], &["**/*-cloud-*"], &["arm64", "x86_64"], &[0, 1, 2, 4]);
        check(&["*/*/arm64/*", "debian/11/**"], &[], &["x86_64"], &[0]);
        check(&["debian/1[12]/x86_64/*-amd64"], &["debian/12/x86_64/6.1.0-50-amd64"], &[], &[0, 3]);
    }

    #[test]
    fn tells_of_idle_excludes() {
        assert_eq!(select(&[], &["fedora/**", "ubuntu/**"], &[]).unwrap().idle, ["fedora/**"]);
    }

    #[test]
    fn refuses() {
        let there = "there are: debian/11/x86_64, debian/12/arm64, debian/12/x86_64, ubuntu/20.04/x86_64";
        let check = |include: &[&str], exclude: &[&str], archs: &[&str], expect: &str| {
            let error = select(include, exclude, archs).unwrap_err().to_string();
            assert_eq!(error, expect.replace("THERE", there));
        };
        check(
            &["debian/**", "debian/12/x86_64/6.1.0-51-amd64"],
            &[],
            &[],
            "include \"debian/12/x86_64/6.1.0-51-amd64\" matches no kernel; near: \
             debian/12/x86_64/6.1.0-50-amd64, debian/12/x86_64/6.1.0-50-cloud-amd64; THERE",
        );
        check(&["fedora/*"], &[], &[], "include \"fedora/*\" matches no kernel; THERE");
        // One part too few: a star does not cross parts.
        check(
            &["ubuntu/*"],
            &[],
            &[],
            "include \"ubuntu/*\" matches no kernel; near: ubuntu/20.04/x86_64/5.4.0-84-generic; THERE",
        );
        check(&[], &[], &["s390x"], "no kernel left of 5 of arch s390x; THERE");
        check(&[], &["**"], &[], "no kernel left of 5 after exclude **; THERE");
        check(&["debian/***"], &[], &[], "\"debian/***\" is not a glob over kernel ids");
        let empty = KernelFilter::default().select(&[]).unwrap_err().to_string();
        assert_eq!(empty, "no kernel left of 0; the hub is empty");
    }
}
