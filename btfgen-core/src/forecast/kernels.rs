//! Kernels: what is known of the kernels of a hub file apart from their types and functions.

use crate::hub::ShipsBtf;
use crate::hub::file::{HubFile, KernelSet};
use crate::requirements::Version;

/// Which BTF a program loads with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Deployment {
    /// The kernel's own where it ships one, else the archive's.
    #[default]
    Either,
    /// The kernel's own, on every kernel.
    Own,
    /// The archive's alone, as if no kernel shipped BTF of its own.
    Embedded,
}

/// The kernels of a hub file, by their index in it.
pub(super) struct Kernels {
    /// All of them.
    pub(super) all: KernelSet,
    ships_btf: Vec<ShipsBtf>,
    versions: Vec<Option<Version>>,
    archs: Vec<String>,
}

impl Kernels {
    pub(super) fn new(hub: &HubFile, deployment: Deployment) -> Self {
        let records = hub.kernels();
        let ships_btf = |own: ShipsBtf| match deployment {
            Deployment::Either => own,
            Deployment::Own => ShipsBtf::Yes,
            Deployment::Embedded => ShipsBtf::No,
        };
        Self {
            all: (0..records.len()).collect(),
            ships_btf: records.iter().map(|record| ships_btf(record.ships_btf)).collect(),
            versions: records.iter().map(|record| version(record.id.release())).collect(),
            archs: records.iter().map(|record| record.id.arch().to_owned()).collect(),
        }
    }

    /// The upstream version that a kernel is based on.
    pub(super) fn version(&self, kernel: usize) -> Option<Version> {
        self.versions[kernel]
    }

    pub(super) fn filter(&self, accept: impl Fn(usize) -> bool) -> KernelSet {
        self.all.iter().filter(|&kernel| accept(kernel)).collect()
    }

    /// The kernels that are based on that upstream version or a newer one, and so have what it has.
    pub(super) fn since(&self, since: Version) -> KernelSet {
        self.filter(|kernel| self.versions[kernel].is_some_and(|version| version >= since))
    }

    pub(super) fn of_arch(&self, arch: &str) -> KernelSet {
        self.filter(|kernel| self.archs[kernel] == arch)
    }

    /// The kernels' architectures.
    pub(super) fn archs(&self) -> Vec<&str> {
        let mut archs: Vec<&str> = self.archs.iter().map(String::as_str).collect();
        archs.sort_unstable();
        archs.dedup();
        archs
    }

    pub(super) fn shipping_btf(&self, ships: ShipsBtf) -> KernelSet {
        self.filter(|kernel| self.ships_btf[kernel] == ships)
    }
}

/// The upstream version at the start of a release, or after a prefix such as Android's `a12-`.
fn version(release: &str) -> Option<Version> {
    let starts = release.match_indices(|char: char| char.is_ascii_digit()).map(|(at, _)| at);
    let starts = starts.filter(|&at| {
        at == 0 || !release.as_bytes()[at - 1].is_ascii_alphanumeric() && release.as_bytes()[at - 1] != b'.'
    });
    starts.filter_map(|at| leading_version(&release[at..])).next()
}

/// `6.1` of `6.1.0-50-amd64`.
fn leading_version(text: &str) -> Option<Version> {
    let (major, rest) = text.split_once('.')?;
    let minor = &rest[..rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len())];
    // A greater number is a year, as in `2024.05`.
    let major = major.parse().ok().filter(|&major| major < 100)?;
    Some(Version::new(major, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_releases() {
        let check = |release: &str, expect: Option<(u16, u16)>| {
            let expect = expect.map(|(major, minor)| Version::new(major, minor));
            assert_eq!(version(release), expect, "{release}");
        };
        check("6.1.0-50-amd64", Some((6, 1)));
        check("4.18.0-147.5.1.el8_1.aarch64", Some((4, 18)));
        check("6.12.94+deb13-s390x", Some((6, 12)));
        check("a12-5.10-2021-09-arm64", Some((5, 10)));
        check("rock5b-5.10-f9d1b1529-arm64", Some((5, 10)));
        check("7.0-rc1", Some((7, 0)));
        check("mine-2024.05", None);
        check("mine", None);
        check("", None);
    }
}
