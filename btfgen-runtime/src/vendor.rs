//! Vendor: who built a kernel, and for which version of their distribution, read from its own words.
//!
//! Each vendor has marks that it puts into every kernel: the build host, the compiler, the form of `uname -v`, the
//! release. Clones reuse another's release or sources, but not all its marks: whatever lacks one is not taken for it.

use crate::banner::Banner;
use crate::text::{after, among, begins, by_head, cut, digits, ends, has, join, last, number_after, until};

/// What a kernel's words say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading<'w> {
    /// The distributions, words as the hub names them, that the kernel may be of; empty: of no vendor known here.
    pub(crate) distros: &'static str,
    /// The distribution's version, in [`crate::identity::plain_version`]'s form.
    pub(crate) version: Option<&'w str>,
    pub(crate) certainty: Certainty,
    /// The mark that decided.
    pub(crate) mark: &'static str,
}

/// How much a reading is worth without os-release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The vendor's marks are all there, and its releases name one kernel each, whatever the version.
    Sure,
    /// The vendor is sure, but its releases recur in several versions and this kernel's is not readable.
    VersionOpen,
    /// The release is of the vendors' form, nothing contradicts, nothing proves it; this root's os-release may.
    Likely,
    /// The release is of the vendors' form, and nothing else is known of the kernel.
    Open,
    /// Of none of the vendors known here.
    None,
}

/// The words of a kernel.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words<'w> {
    pub(crate) release: &'w str,
    /// `uname -v`, empty when unknown.
    pub(crate) version: &'w str,
    pub(crate) banner: Option<Banner<'w>>,
    pub(crate) signature: Option<&'w str>,
}

/// Reads who built a kernel.
pub(crate) fn read<'w>(words: &Words<'w>) -> Reading<'w> {
    if let Some(banner) = words.banner {
        if banner.release != words.release {
            return none("/proc/version names another release than uname");
        }
        if !begins(banner.version, words.version) {
            return none("/proc/version names another build than uname");
        }
    }
    let silent = words.version.is_empty() && words.banner.is_none() && words.signature.is_none();
    if has(words.version, "Ubuntu") || words.signature.is_some_and(|s| begins(s, "Ubuntu ")) {
        ubuntu(words)
    } else if has(words.version, " Debian ") {
        debian(words)
    } else if has(words.release, ".amzn") {
        amazon(words)
    } else if let Some(version) = number_after(words.release, ".fc") {
        fedora(words, version)
    } else if let Some(version) = number_after(words.release, ".el").or(number_after(words.release, ".aa")) {
        enterprise(words, version)
    } else if suse_form(words.release) || words.banner.is_some_and(|b| b.host == "buildhost") {
        suse(words)
    } else if silent {
        by_form(words)
    } else {
        none("no known vendor's marks")
    }
}

#[inline(never)]
fn none(mark: &'static str) -> Reading<'static> {
    Reading { distros: "", version: None, certainty: Certainty::None, mark }
}

/// A release alone: Debian's and Ubuntu's forms; others have their own marks in it.
fn by_form<'w>(words: &Words<'w>) -> Reading<'w> {
    let (certainty, release) = (Certainty::Open, words.release);
    let flavour = last(release, b'-');
    if among("amd64 arm64 686 armmp powerpc64le s390x", flavour) {
        let version = debian_by_release(release);
        return Reading { distros: "debian", version, certainty, mark: "release of debian's form" };
    }
    let second = after(release, "-").and_then(|tail| after(tail, "-"));
    if second == Some(flavour) && flavour.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Reading { distros: "ubuntu", version: None, certainty, mark: "release of ubuntu's form" };
    }
    none("uname -v and /proc/version are unknown")
}

/// `#94~18.04.1-Ubuntu SMP ...`: a rebuild or derivative puts other things between `#` and `-Ubuntu`.
fn ubuntu<'w>(words: &Words<'w>) -> Reading<'w> {
    let mut versions = [None; 3];
    if !words.version.is_empty() {
        let tag = words.version.get(1..).unwrap_or_default();
        let rest = tag.get(digits(tag).len()..).unwrap_or_default();
        let tail = match rest.strip_prefix('~') {
            Some(tilde) => {
                versions[0] = series(tilde);
                after(tilde, "-")
            }
            None => rest.strip_prefix('-'),
        };
        let named = tail.is_some_and(|tail| tail == "Ubuntu" || begins(tail, "Ubuntu "));
        if digits(tag).is_empty() || !named || versions[0].is_none() == begins(rest, "~") {
            return none("uname -v is not of ubuntu's form");
        }
    }
    if words.banner.is_some_and(|banner| banner.user != "buildd") {
        return none("ubuntu's uname -v, but not built by ubuntu's build service");
    }
    if let Some(signature) = words.signature {
        let Some(series) = signed_series(signature, words.release) else {
            return none("/proc/version_signature is of another kernel");
        };
        versions[1] = series;
    }
    let compiler = words.banner.map(|banner| banner.compiler).unwrap_or_default();
    versions[2] = after(compiler, "ubuntu").and_then(|tail| after(tail, "~")).and_then(series);
    let mut version = None;
    for found in versions.into_iter().flatten() {
        if version.is_some_and(|version| version != found) {
            return none("uname -v, signature and compiler name different ubuntu versions");
        }
        version = Some(found);
    }
    let version = version.or_else(|| match compiler {
        // Without a version in it, `uname -v` is of the kernel that the version was released with.
        "" => by_head("4.4.=16.04 4.15.=18.04 5.4.=20.04 5.15.=22.04 6.8.=24.04", words.release),
        _ => {
            // `gcc version 7.3.0 (Ubuntu 7.3.0-16ubuntu3)`, `gcc (Ubuntu 9.3.0-...)`, `(Ubuntu/Linaro 5.4.0-...)`.
            let gcc = after(compiler, "Ubuntu").and_then(|tail| after(tail, " "))?;
            by_head("5.3.=16.04 5.4.=16.04 7.3.=18.04 7.4.=18.04 7.5.=18.04 9.3.=20.04 9.4.=20.04 11.=22.04 13.=24.04", gcc)
        }
    });
    let certainty = if version.is_some() { Certainty::Sure } else { Certainty::VersionOpen };
    Reading { distros: "ubuntu", version, certainty, mark: "ubuntu's uname -v" }
}

/// The version at the front of `18.04.1-...` or `18.04)`: two digits, dot, two digits, perhaps a point release.
#[inline(never)]
fn series(text: &str) -> Option<&str> {
    let year = digits(text);
    let month = digits(text.get(3..)?);
    let rest = text.get(5..)?;
    let point =
        rest.strip_prefix('.').map_or(rest, |point| point.get(digits(point).len()..).unwrap_or_default());
    let ended = matches!(point.bytes().next(), None | Some(b')' | b'-' | b' ' | b','));
    (year.len() == 2 && text.as_bytes().get(2) == Some(&b'.') && month.len() == 2 && ended)
        .then(|| text.get(..5))?
}

/// `Ubuntu 5.4.0-84.94~18.04.1-generic 5.4.133`: its version when it names one; `None` when of another release.
fn signed_series<'w>(signature: &'w str, release: &str) -> Option<Option<&'w str>> {
    let full = until(signature.get("Ubuntu ".len()..)?, b' ');
    let (base, rest) = cut(full, "-")?;
    let (abi, upload) = cut(rest, ".")?;
    let flavour = last(upload, b'-');
    let same = join(&[base, "-", abi, "-", flavour]) == release;
    same.then(|| after(upload, "~").and_then(series))
}

/// `#1 SMP Debian 4.19.232-1~deb9u1 (2022-03-07)`, built by the kernel team; derivatives' versions hold other words.
fn debian<'w>(words: &Words<'w>) -> Reading<'w> {
    let version = until(after(words.version, " Debian ").unwrap_or_default(), b' ');
    let own = |word| among("deb u bpo b ckt rc exp ", word);
    if version.is_empty() || has(version, ":") || !version.split(|c: char| !c.is_ascii_alphabetic()).all(own)
    {
        return none("a derivative's version in debian's uname -v");
    }
    if words.banner.is_some_and(|b| b.user != "debian-kernel" || b.host != "lists.debian.org") {
        return none("debian's uname -v, but not built by debian's kernel team");
    }
    let version = number_after(version, "~bpo")
        .or(number_after(version, "~deb"))
        .or(debian_suffix(words.release))
        .or(number_after(version, "+deb"))
        .or(debian_by_release(words.release));
    Reading { distros: "debian", version, certainty: Certainty::Sure, mark: "debian's uname -v" }
}

/// `6.12.43+deb12-amd64`, `5.10.0-0.deb10.30-amd64`.
fn debian_suffix(release: &str) -> Option<&str> {
    number_after(release, "+deb").or(number_after(release, ".deb"))
}

fn debian_by_release(release: &str) -> Option<&str> {
    let bases = "3.16.=8 4.9.=9 4.19.=10 5.10.=11 6.1.=12 6.12.=13";
    debian_suffix(release).or_else(|| if has(release, "bpo") { None } else { by_head(bases, release) })
}

/// `.amzn1.`, `.amzn2.`, `.amzn2023.` in the release.
fn amazon<'w>(words: &Words<'w>) -> Reading<'w> {
    let version = number_after(words.release, ".amzn");
    if version.is_none() || words.banner.is_some_and(|b| has(b.host, ".") && !ends(b.host, ".amazon.com")) {
        return none("amazon's release, but not built there");
    }
    Reading { distros: "amzn", version, certainty: Certainty::Sure, mark: "amazon's release" }
}

/// `.fc31.` in the release, built on Fedora's hosts, which since Fedora 38 may have no domain.
fn fedora<'w>(words: &Words<'w>, version: &'w str) -> Reading<'w> {
    let named = words.banner.is_some_and(|b| ends(b.host, ".fedoraproject.org"));
    if !plain_segments(words.release)
        || words.banner.is_some_and(|b| b.user != "mockbuild" || (has(b.host, ".") && !named))
    {
        return none("fedora's release, but not built there");
    }
    let certainty = if named { Certainty::Sure } else { Certainty::Likely };
    Reading { distros: "fedora", version: Some(version), certainty, mark: "fedora's release" }
}

/// `.el7`, `.el8_1`, `.el7a`, `.el7uek`: Red Hat's releases, which CentOS, Oracle and others share.
fn enterprise<'w>(words: &Words<'w>, version: &'w str) -> Reading<'w> {
    const ALL: &str = "rhel centos ol";
    const RHEL: &str = "rhel";
    const CENTOS: &str = "centos";
    const OL: &str = "ol";
    if !plain_segments(words.release) {
        return none("a derivative's mark in red hat's form of release");
    }
    let uek = has(words.release, "uek.");
    let centos = has(words.release, ".centos.") || number_after(words.release, ".aa").is_some();
    let own = if uek {
        OL
    } else if centos {
        CENTOS
    } else {
        ALL
    };
    let (distros, certainty, mark) = match words.banner {
        None if uek => (OL, Certainty::Sure, "oracle's form of release"),
        None => (own, Certainty::Open, "red hat's form of release, /proc/version unknown"),
        Some(Banner { user, .. }) if user != "mockbuild" && user != "builder" => {
            return none("red hat's form of release, built by somebody else");
        }
        Some(Banner { host, .. }) if ends(host, ".centos.org") || has(host, ".stream.") => {
            (CENTOS, Certainty::Sure, "centos's build host")
        }
        Some(Banner { host, .. }) if ends(host, ".redhat.com") => {
            (RHEL, Certainty::Sure, "red hat's build host")
        }
        Some(Banner { host, .. }) if has(host, ".") && !ends(host, ".oracle.com") => {
            return none("red hat's form of release, built on another vendor's host");
        }
        Some(Banner { host, compiler, .. })
            if uek
                || begins(host, "jenkins-")
                || has(host, "-ol")
                || has(host, ".")
                || oracle_compiler(compiler) =>
        {
            (OL, Certainty::Sure, "oracle's release, build host or compiler")
        }
        Some(_) => (OL, Certainty::Likely, "red hat's form of release, a build host without a domain"),
    };
    if distros != ALL && !among(own, distros) {
        return none("one vendor's form of release, another's build host");
    }
    Reading { distros, version: Some(version), certainty, mark }
}

/// Oracle numbers its rebuilds of Red Hat's gcc with two parts more: `(Red Hat 4.8.5-44.0.3)`.
fn oracle_compiler(compiler: &str) -> bool {
    let revision = after(compiler, "(Red Hat ").and_then(|tail| after(tail, "-")).unwrap_or_default();
    let rest = revision.get(digits(revision).len()..).unwrap_or_default();
    begins(rest, ".0.") && !digits(rest.get(3..).unwrap_or_default()).is_empty()
}

/// `5.3.18-59.5-default`, `4.4.138-4.7-azure`; Ubuntu's azure releases have no dot after the first dash.
fn suse_form(release: &str) -> bool {
    let azure = ends(release, "-azure") || ends(release, "-rt");
    ends(release, "-default") || (azure && after(release, "-").is_some_and(|tail| has(tail, ".")))
}

/// Built by `geeko@buildhost` with `(SUSE Linux)`'s gcc; SLES and, from 15.3 on, openSUSE Leap share kernels.
fn suse<'w>(words: &Words<'w>) -> Reading<'w> {
    let certainty = match words.banner {
        None => Certainty::Open,
        Some(b) if b.user == "geeko" && b.host == "buildhost" && has(b.compiler, "SUSE Linux") => {
            Certainty::Sure
        }
        Some(_) => return none("not built by suse's build service"),
    };
    let leap = has(words.release, "-lp");
    let version = by_head(SERVICE_PACKS, words.release);
    let distros = match version {
        _ if leap => "opensuse-leap",
        Some("15.3" | "15.4" | "15.5" | "15.6") => "sles opensuse-leap",
        _ => "sles",
    };
    Reading { distros, version, certainty, mark: "suse's form of release" }
}

/// The beginnings of releases, and the service pack or Leap that they belong to.
const SERVICE_PACKS: &str = "4.12.14-lp150.=15.0 4.12.14-lp151.=15.1 5.3.18-lp152.=15.2 4.12.14-94.=12.4 4.12.14-95.=12.4 \
    4.12.14-120=12.5 4.12.14-122=12.5 4.12.14-23=15 4.12.14-25=15 4.12.14-150=15 4.12.14-195=15.1 4.12.14-197=15.1 \
    5.3.18-22=15.2 5.3.18-24=15.2 5.3.18-150200=15.2 5.3.18-57=15.3 5.3.18-59=15.3 5.3.18-150300=15.3 \
    5.14.21-150400=15.4 5.14.21-150500=15.5 6.4.0-150600=15.6 6.4.0-150700=15.7";

/// Whether every dot-separated part of a release after the first dash is a number or a mark that Red Hat, CentOS,
/// Oracle or Fedora use; `lve`, `vz7`, `elrepo`, `fsync` and the like are derivatives'.
fn plain_segments(release: &str) -> bool {
    let Some(mut rest) = after(release, "-") else { return false };
    loop {
        let part = until(rest, b'.');
        if !plain_segment(part) {
            return false;
        }
        match rest.get(part.len() + 1..) {
            Some(tail) => rest = tail,
            None => return true,
        }
    }
}

/// A number, perhaps with a letter, or a mark with a number and its tail: `1160`, `1850a`, `el8_1`, `el7uek`, `x86_64`.
fn plain_segment(part: &str) -> bool {
    let number = digits(part).len();
    if number > 0 {
        return number == part.len() || number + 1 == part.len();
    }
    let mark = part.bytes().position(|byte| byte.is_ascii_digit()).unwrap_or(part.len());
    let (mark, tail) = part.split_at(mark);
    let tail = tail.get(digits(tail).len()..).unwrap_or_default();
    let after_mark = match tail.strip_prefix('_') {
        Some(minor) if digits(minor).len() == minor.len() => "_",
        _ => tail,
    };
    among("el fc aa rc git rt x aarch ppc s centos plus", mark)
        && among("a uek _ le x _64+debug +debug ", after_mark)
}
