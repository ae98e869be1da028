//! Mirror: the Debian mirror in this machine's apt sources, and the kernel packages in its indexes.

use std::fs;
use std::io;
use std::path::Path;

use crate::engine::paragraph;

/// Debian's versions that are collected, by codename.
const VERSIONS: [(&str, &str); 3] = [("bullseye", "11"), ("bookworm", "12"), ("trixie", "13")];
/// Debian's architectures that are collected.
pub(crate) const ARCHES: [&str; 4] = ["amd64", "arm64", "ppc64el", "s390x"];
/// Kernels without BTF that are collected from the DWARF in their debug packages: Debian's architecture and the release. All
/// are of Debian 12, whose last point release keeps them on the mirror.
pub(crate) const WITHOUT_BTF: [(&str, &str); 4] = [
    ("armhf", "6.1.0-50-armmp"),
    ("i386", "6.1.0-50-686-pae"),
    ("ppc64el", "6.1.0-50-powerpc64le"),
    ("s390x", "6.1.0-50-s390x"),
];
/// A package smaller than this, in bytes, has no image: it depends on the package that has it.
const MIN_SIZE: u64 = 4_000_000;

/// The URLs of the two archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mirrors {
    pub(crate) main: String,
    pub(crate) security: Option<String>,
}

/// A suite of one Debian version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Suite {
    /// The archive that holds it.
    pub(crate) mirror: String,
    /// Its folder below `dists`.
    pub(crate) name: String,
    /// Debian's version, `12`.
    pub(crate) version: &'static str,
}

/// A package that holds a kernel image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Path below the mirror.
    pub(crate) path: String,
    /// The kernel's release, from the package's name.
    pub(crate) release: String,
    /// Whether its image has Debian's signature.
    signed: bool,
}

/// Reads the machine's apt sources: `sources.list` and the files in `sources.list.d`.
pub(crate) fn apt_sources(etc_apt: &Path) -> io::Result<String> {
    let mut files = vec![etc_apt.join("sources.list")];
    if let Ok(folder) = fs::read_dir(etc_apt.join("sources.list.d")) {
        files.extend(folder.filter_map(|entry| Some(entry.ok()?.path())));
    }
    files.retain(|file| file.exists());
    files.sort();
    let mut text = String::new();
    for file in files {
        text += &fs::read_to_string(&file)?;
        text += "\n\n";
    }
    Ok(text)
}

impl Mirrors {
    /// Finds the mirrors in apt sources of either format, one-line or deb822.
    pub(crate) fn find(sources: &str) -> Option<Self> {
        let entries: Vec<(&str, &str)> = sources.split("\n\n").flat_map(entries).collect();
        let find = |wanted: fn(&str) -> bool| {
            let named = entries.iter().find(|(_, suite)| wanted(suite));
            named.map(|(url, _)| url.trim_end_matches('/').to_owned())
        };
        Some(Self { main: find(is_main_suite)?, security: find(is_security_suite) })
    }

    /// The suites to search for kernels; if a kernel is in several, the first counts.
    pub(crate) fn suites(&self) -> Vec<Suite> {
        let mut suites = Vec::new();
        for (codename, version) in VERSIONS {
            for suffix in ["", "-updates", "-security", "-backports"] {
                let mirror = if suffix == "-security" { self.security.as_ref() } else { Some(&self.main) };
                suites.extend(mirror.map(|mirror| Suite {
                    mirror: mirror.clone(),
                    name: format!("{codename}{suffix}"),
                    version,
                }));
            }
        }
        suites
    }
}

/// URL and suite of each entry in a paragraph of deb822, or of each line in the old format.
fn entries(text: &str) -> Vec<(&str, &str)> {
    let fields = paragraph(text);
    let get = |name| fields.get(name).copied().unwrap_or_default();
    let mut found = Vec::new();
    if get("Types").split_whitespace().any(|kind| kind == "deb") {
        for url in get("URIs").split_whitespace() {
            found.extend(get("Suites").split_whitespace().map(|suite| (url, suite)));
        }
    }
    for line in text.lines() {
        let Some(rest) = line.trim().strip_prefix("deb ") else { continue };
        let rest = match rest.trim().strip_prefix('[') {
            Some(options) => options.split_once(']').map_or("", |(_, rest)| rest),
            None => rest,
        };
        let mut words = rest.split_whitespace();
        if let (Some(url), Some(suite)) = (words.next(), words.next()) {
            found.push((url, suite));
        }
    }
    found
}

fn is_main_suite(suite: &str) -> bool {
    let codename = suite.split(['-', '/']).next().unwrap_or_default();
    let debian = ["stable", "oldstable", "oldoldstable", "testing", "sid", "unstable", "forky"];
    let known = VERSIONS.iter().any(|(name, _)| *name == codename) || debian.contains(&codename);
    known && !is_security_suite(suite)
}

fn is_security_suite(suite: &str) -> bool {
    suite.ends_with("-security") || suite.ends_with("/updates")
}

/// The packages with a kernel in a suite's index, ordered by release, the signed package of each first.
pub(crate) fn offers(index: &str) -> Vec<Offer> {
    let mut offers: Vec<Offer> = index.split("\n\n").filter_map(offer).collect();
    offers.sort_by(|a, b| (&a.release, !a.signed, &a.path).cmp(&(&b.release, !b.signed, &b.path)));
    offers
}

fn offer(text: &str) -> Option<Offer> {
    // Since 6.19 the image is in a `linux-binary` package, on which `linux-image` depends.
    let first = text.trim_start().strip_prefix("Package: linux-")?;
    let name = first.lines().next()?.trim();
    let rest = name.strip_prefix("image-").or_else(|| name.strip_prefix("binary-"))?;
    if rest.ends_with("-dbg") || rest.ends_with("-template") {
        return None;
    }
    let release = rest.strip_prefix("unsigned-").or_else(|| rest.strip_suffix("-unsigned")).unwrap_or(rest);
    let fields = paragraph(text);
    let size: u64 = fields.get("Size")?.parse().ok()?;
    (size >= MIN_SIZE).then(|| Offer {
        path: fields.get("Filename").copied().unwrap_or_default().to_owned(),
        release: release.to_owned(),
        signed: release == rest,
    })
}

/// The path below the mirror of the debug package of a release, if a suite's index has it.
pub(crate) fn debug_package(index: &str, release: &str) -> Option<String> {
    let first = format!("Package: linux-image-{release}-dbg");
    let package = index.split("\n\n").find(|text| text.trim_start().lines().next() == Some(&first))?;
    Some((*paragraph(package).get("Filename")?).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mirrors_in_apt_sources() {
        let check = |sources: &str, expect: Option<(&str, Option<&str>)>| {
            let got = Mirrors::find(sources);
            let got = got.as_ref().map(|mirrors| (mirrors.main.as_str(), mirrors.security.as_deref()));
            assert_eq!(got, expect, "{sources}");
        };
        check(
            "Types: deb\n# a comment\nURIs: http://a.example/debian\nSuites: bookworm bookworm-updates\n\
             Components: main\n\nTypes: deb\nURIs: http://a.example/debian-security/\nSuites: bookworm-security\n",
            Some(("http://a.example/debian", Some("http://a.example/debian-security"))),
        );
        check(
            "# deb http://no.example/debian sid main\n\
             deb [arch=amd64 signed-by=/k] http://cloud.example/apt cloud-sdk-bookworm main\n\
             deb [arch=amd64] http://b.example/debian/ trixie main\ndeb-src http://c.example/debian sid main\n",
            Some(("http://b.example/debian", None)),
        );
        check("Types: deb-src\nURIs: http://a.example/debian\nSuites: bookworm\n", None);
        check("", None);
    }

    #[test]
    fn offers_signed_packages_first() {
        let package = |name: &str, size: u32| {
            format!("Package: {name}\nSize: {size}\nDescription: x\n more: y\nFilename: pool/{name}.deb\n\n")
        };
        let check = |packages: &[(&str, u32)], expect: &[&str]| {
            let index: String = packages.iter().map(|(name, size)| package(name, *size)).collect();
            let got: Vec<String> = offers(&index).into_iter().map(|offer| offer.path).collect();
            let expect: Vec<String> = expect.iter().map(|name| format!("pool/{name}.deb")).collect();
            assert_eq!(got, expect);
        };
        check(
            &[
                ("linux-image-6.1.0-1-amd64-unsigned", 70_000_000),
                ("linux-image-6.1.0-1-amd64", 70_000_000),
                ("linux-image-6.1.0-1-amd64-dbg", 700_000_000),
                ("linux-image-6.1.0-2-amd64", 70_000_000),
                ("linux-image-6.1.0-2-amd64-unsigned", 70_000_000),
                ("linux-image-6.1.0-3-amd64-unsigned", 70_000_000),
                ("linux-image-amd64", 1_500),
                ("linux-image-amd64-signed-template", 9_000_000),
                ("linux-headers-6.1.0-1-amd64", 9_000_000),
            ],
            &[
                "linux-image-6.1.0-1-amd64",
                "linux-image-6.1.0-1-amd64-unsigned",
                "linux-image-6.1.0-2-amd64",
                "linux-image-6.1.0-2-amd64-unsigned",
                "linux-image-6.1.0-3-amd64-unsigned",
            ],
        );
        check(
            &[
                ("linux-image-7.2.12+deb13-amd64", 2_000),
                ("linux-binary-unsigned-7.2.12+deb13-amd64", 14_000_000),
                ("linux-binary-7.2.12+deb13-amd64", 14_000_000),
            ],
            &["linux-binary-7.2.12+deb13-amd64", "linux-binary-unsigned-7.2.12+deb13-amd64"],
        );
    }

    #[test]
    fn finds_the_debug_package_of_a_release() {
        let index = "Package: linux-image-6.1.0-1-s390x\nFilename: pool/image.deb\n\n\
                     Package: linux-image-6.1.0-1-s390x-dbg\nFilename: pool/dbg.deb\n\n";
        let check = |release: &str, expect: Option<&str>| {
            assert_eq!(debug_package(index, release).as_deref(), expect, "{release}");
        };
        check("6.1.0-1-s390x", Some("pool/dbg.deb"));
        check("6.1.0-1", None);
        check("6.1.0-2-s390x", None);
    }
}
