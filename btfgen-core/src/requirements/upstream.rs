//! Upstream: since which Linux version each feature exists. Vendors backport, so this dates things for people and alone
//! decides nothing.

use std::fmt;
use std::sync::LazyLock;

/// A version of Linux, such as 5.8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The first number.
    pub major: u16,
    /// The second.
    pub minor: u16,
}

impl Version {
    /// A version.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A group of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Group {
    ProgramType,
    AttachType,
    MapType,
    Helper,
    Kfunc,
    Flag,
    LinkType,
}

impl Group {
    /// Its name in the table.
    fn key(self) -> &'static str {
        match self {
            Self::ProgramType => "program_types",
            Self::AttachType => "attach_types",
            Self::MapType => "map_types",
            Self::Helper => "helpers",
            Self::Kfunc => "kfuncs",
            Self::Flag => "flags",
            Self::LinkType => "link_type",
        }
    }
}

/// Whether a helper may be called by programs of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Since the helper exists.
    Always,
    /// Since a later version.
    Since(Version),
    /// By programs of some attach types only.
    OnlyFor {
        /// The attach types, separated by commas.
        attach_types: &'static str,
        /// Since a later version than the helper itself.
        since: Option<Version>,
    },
    /// Upstream never allowed it.
    Never,
    /// The table does not have the program type or the helper.
    Unknown,
}

/// Since when upstream has a feature, by its name.
pub fn since(group: Group, name: &str) -> Option<Version> {
    let rows = &TABLES.versions;
    let at = rows.binary_search_by(|row| (row.group, row.name).cmp(&(group.key(), name))).ok()?;
    Some(rows[at].version)
}

/// Whether programs of a type may call a helper.
pub fn availability(program_type: &str, helper: &str) -> Availability {
    let rows = &TABLES.helpers;
    match rows.binary_search_by(|row| (row.program_type, row.helper).cmp(&(program_type, helper))) {
        Ok(at) => match &rows[at] {
            HelperRow { attach_types: "", since: None, .. } => Availability::Always,
            HelperRow { attach_types: "", since: Some(since), .. } => Availability::Since(*since),
            HelperRow { attach_types, since, .. } => Availability::OnlyFor { attach_types, since: *since },
        },
        Err(at) => {
            let has_type = [at.wrapping_sub(1), at]
                .iter()
                .filter_map(|&at| rows.get(at))
                .any(|row| row.program_type == program_type);
            let is_known = has_type && since(Group::Helper, helper).is_some();
            if is_known { Availability::Never } else { Availability::Unknown }
        }
    }
}

struct VersionRow {
    group: &'static str,
    name: &'static str,
    version: Version,
}

struct HelperRow {
    program_type: &'static str,
    helper: &'static str,
    /// Separated by commas; empty if any.
    attach_types: &'static str,
    since: Option<Version>,
}

/// The tables in `data`, sorted by their first two columns.
struct Tables {
    versions: Vec<VersionRow>,
    helpers: Vec<HelperRow>,
}

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables {
    versions: rows(VERSIONS).filter_map(version_row).collect(),
    helpers: rows(HELPERS).filter_map(helper_row).collect(),
});

const VERSIONS: &str = include_str!("data/bpf-feature-versions.tsv");
const HELPERS: &str = include_str!("data/bpf-helpers-by-program-type.tsv");

fn rows(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.starts_with('#'))
}

fn version_row(line: &'static str) -> Option<VersionRow> {
    let mut columns = line.split('\t');
    let (group, name) = (columns.next()?, columns.next()?);
    Some(VersionRow { group, name, version: Version::parse(columns.next()?)? })
}

fn helper_row(line: &'static str) -> Option<HelperRow> {
    let mut columns = line.split('\t');
    let (program_type, helper, attach_types) = (columns.next()?, columns.next()?, columns.next()?);
    let since = match columns.next()? {
        "" => None,
        text => Some(Version::parse(text)?),
    };
    Some(HelperRow { program_type, helper, attach_types, since })
}

#[cfg(test)]
mod tests {
    use super::super::helpers::Helper;
    use super::super::sections::SECTION_DEFS;
    use super::*;

    #[test]
    fn tables_are_complete_and_sorted() {
        let Tables { versions, helpers } = &*TABLES;
        assert_eq!(versions.len(), rows(VERSIONS).count());
        assert_eq!(helpers.len(), rows(HELPERS).count());
        assert!(versions.is_sorted_by(|a, b| (a.group, a.name) < (b.group, b.name)));
        assert!(helpers.is_sorted_by(|a, b| (a.program_type, a.helper) < (b.program_type, b.helper)));
    }

    #[test]
    fn names_of_other_tables_are_known() {
        let mut last = Version::new(0, 0);
        for helper in Helper::all() {
            let name = helper.name().expect("a name");
            let version = since(Group::Helper, name).unwrap_or_else(|| panic!("{name}"));
            assert!(version >= last, "helpers are numbered as they are added: {name} {version}");
            last = version;
        }
        for def in &SECTION_DEFS {
            assert!(since(Group::ProgramType, def.program_type).is_some(), "{}", def.program_type);
        }
    }

    #[test]
    fn dates_features() {
        let check =
            |group, name: &str, expect: Option<Version>| assert_eq!(since(group, name), expect, "{name}");
        check(Group::MapType, "BPF_MAP_TYPE_RINGBUF", Some(Version::new(5, 8)));
        check(Group::Helper, "bpf_get_prandom_u32", Some(Version::new(4, 1)));
        check(Group::Kfunc, "bpf_no_such_kfunc", None);
        let check = |program_type: &str, helper: &str, expect| {
            assert_eq!(availability(program_type, helper), expect, "{program_type} {helper}");
        };
        check("BPF_PROG_TYPE_KPROBE", "bpf_probe_read_kernel", Availability::Always);
        check("BPF_PROG_TYPE_KPROBE", "bpf_xdp_adjust_head", Availability::Never);
        let since = Availability::Since(Version::new(6, 12));
        check("BPF_PROG_TYPE_SOCKET_FILTER", "bpf_get_current_pid_tgid", since);
        check(
            "BPF_PROG_TYPE_TRACING",
            "bpf_seq_write",
            Availability::OnlyFor { attach_types: "BPF_TRACE_ITER", since: None },
        );
        check("BPF_PROG_TYPE_EXT", "bpf_probe_read_kernel", Availability::Unknown);
    }
}
