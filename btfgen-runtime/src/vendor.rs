//! Vendor: who built a kernel, and for which version of their distribution, read from its own words.
//!
//! Each vendor has marks that it puts into every kernel: the build host, the compiler, the form of `uname -v`, the
//! release. Clones reuse another's release or sources, but not all its marks: whatever lacks one is not taken for it.

use crate::banner::Banner;

/// What a kernel's words say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The distributions, as the hub names them, that the kernel may be of; none: of no vendor known here.
    pub(crate) distros: &'static [&'static str],
    /// The distribution's version, in [`crate::identity::plain_version`]'s form.
    pub(crate) version: Option<String>,
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
pub(crate) struct Words<'a> {
    pub(crate) release: &'a str,
    /// `uname -v`, empty when unknown.
    pub(crate) version: &'a str,
    pub(crate) banner: Option<Banner<'a>>,
    pub(crate) signature: Option<&'a str>,
}

/// Reads who built a kernel.
pub(crate) fn read(words: &Words<'_>) -> Reading {
    if let Some(banner) = words.banner {
        if banner.release != words.release {
            return none("/proc/version names another release than uname");
        }
        if !words.version.is_empty() && !banner.version.starts_with(words.version.trim()) {
            return none("/proc/version names another build than uname");
        }
    }
    let silent = words.version.is_empty() && words.banner.is_none() && words.signature.is_none();
    if words.version.contains("Ubuntu") || words.signature.is_some_and(|s| s.starts_with("Ubuntu ")) {
        ubuntu(words)
    } else if words.version.contains(" Debian ") {
        debian(words)
    } else if words.release.contains(".amzn") {
        amazon(words)
    } else if segment(words.release, "fc").is_some() {
        fedora(words)
    } else if segment(words.release, "el").is_some() || segment(words.release, "aa").is_some() {
        enterprise(words)
    } else if suse_form(words.release) || words.banner.is_some_and(|b| b.host == "buildhost") {
        suse(words, silent)
    } else if silent {
        silent_reading(words)
    } else {
        none("no known vendor's marks")
    }
}

fn none(mark: &'static str) -> Reading {
    Reading { distros: &[], version: None, certainty: Certainty::None, mark }
}

fn reading(
    distros: &'static [&'static str],
    version: Option<String>,
    certainty: Certainty,
    mark: &'static str,
) -> Reading {
    Reading { distros, version, certainty, mark }
}

/// A release alone: Debian's and Ubuntu's forms; others have their own marks in it.
fn silent_reading(words: &Words<'_>) -> Reading {
    let flavour = words.release.rsplit('-').next().unwrap_or_default();
    match flavour {
        "amd64" | "arm64" | "686" | "armmp" | "powerpc64le" | "s390x" => {
            reading(&["debian"], debian_by_base(words.release), Certainty::Open, "release of debian's form")
        }
        _ if words.release.split('-').count() == 3 && flavour.bytes().all(|b| b.is_ascii_lowercase()) => {
            reading(&["ubuntu"], None, Certainty::Open, "release of ubuntu's form")
        }
        _ => none("uname -v and /proc/version are unknown"),
    }
}

/// `#94~18.04.1-Ubuntu SMP ...`: a rebuild or derivative puts other things between `#` and `-Ubuntu`.
fn ubuntu(words: &Words<'_>) -> Reading {
    let tag = words.version.strip_prefix('#').and_then(|v| v.split_once("-Ubuntu"));
    let tilde = match tag {
        Some((tag, rest)) if rest.is_empty() || rest.starts_with(' ') => {
            let (number, tilde) = tag.split_once('~').map_or((tag, None), |(n, t)| (n, Some(t)));
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return none("uname -v is not of ubuntu's form");
            }
            match tilde.map(series) {
                Some(None) => return none("uname -v is not of ubuntu's form"),
                Some(series) => series,
                None => None,
            }
        }
        _ if words.version.is_empty() => None,
        _ => return none("uname -v is not of ubuntu's form"),
    };
    if words.banner.is_some_and(|banner| banner.user != "buildd") {
        return none("ubuntu's uname -v, but not built by ubuntu's build service");
    }
    let signed = match words.signature.map(|signature| signed_series(signature, words.release)) {
        Some(None) => return none("/proc/version_signature is of another kernel"),
        Some(Some(series)) => series,
        None => None,
    };
    let compiler = words.banner.map(|banner| banner.compiler).unwrap_or_default();
    let built =
        compiler.split_once("ubuntu").and_then(|(_, tail)| tail.split_once('~')).and_then(|(_, t)| series(t));
    let mut found = [tilde, signed, built].into_iter().flatten();
    let version = match (found.next(), found.next(), found.next()) {
        (Some(a), b, c) if b.is_some_and(|b| b != a) || c.is_some_and(|c| c != a) => {
            return none("uname -v, signature and compiler name different ubuntu versions");
        }
        (Some(a), ..) => Some(a),
        (None, ..) => ubuntu_by_compiler(compiler).or_else(|| {
            // Without a version in it, `uname -v` is of the kernel that the version was released with.
            if compiler.is_empty() { ubuntu_by_base(words.release) } else { None }
        }),
    };
    let certainty = if version.is_some() { Certainty::Sure } else { Certainty::VersionOpen };
    reading(&["ubuntu"], version.map(str::to_owned), certainty, "ubuntu's uname -v")
}

/// The version at the front of `18.04.1-...` or `18.04)`: two digits, dot, two digits, then no digit.
fn series(text: &str) -> Option<&str> {
    let version = text.get(..5)?;
    let shape =
        version.bytes().enumerate().all(|(at, b)| if at == 2 { b == b'.' } else { b.is_ascii_digit() });
    let tail = text.get(5..)?;
    let rest = tail.strip_prefix('.').unwrap_or(tail).trim_start_matches(|c: char| c.is_ascii_digit());
    let ended = !tail.starts_with(|c: char| c.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with([')', '-', ' ', ',']));
    (shape && ended).then_some(version)
}

/// `Ubuntu 5.4.0-84.94~18.04.1-generic 5.4.133`: its version when it names one; `None` when of another release.
fn signed_series<'a>(signature: &'a str, release: &str) -> Option<Option<&'a str>> {
    let full = signature.strip_prefix("Ubuntu ")?.split_whitespace().next()?;
    let (head, flavour) = full.rsplit_once('-')?;
    let (abi, upload) = head.rsplit_once('-').and_then(|(_, t)| t.split_once('.'))?;
    let base = head.split('-').next()?;
    let same =
        release.strip_prefix(base)?.strip_prefix('-')?.strip_prefix(abi)?.strip_prefix('-')? == flavour;
    same.then_some(upload.split_once('~').and_then(|(_, tilde)| series(tilde)))
}

fn ubuntu_by_compiler(compiler: &str) -> Option<&'static str> {
    if !compiler.contains("Ubuntu") {
        return None;
    }
    let major_minor = |version: &str| compiler.contains(version);
    let known = [
        ("gcc version 5.3.", "16.04"),
        ("gcc version 5.4.", "16.04"),
        ("gcc version 7.3.", "18.04"),
        ("gcc version 7.4.", "18.04"),
        ("gcc version 7.5.", "18.04"),
        ("Ubuntu 9.3.", "20.04"),
        ("Ubuntu 9.4.", "20.04"),
        ("Ubuntu 11.", "22.04"),
        ("Ubuntu 13.", "24.04"),
    ];
    known.into_iter().find(|(version, _)| major_minor(version)).map(|(_, series)| series)
}

fn ubuntu_by_base(release: &str) -> Option<&'static str> {
    let bases =
        [("4.4.", "16.04"), ("4.15.", "18.04"), ("5.4.", "20.04"), ("5.15.", "22.04"), ("6.8.", "24.04")];
    bases.into_iter().find(|(base, _)| release.starts_with(base)).map(|(_, series)| series)
}

/// `#1 SMP Debian 4.19.232-1~deb9u1 (2022-03-07)`, built by the kernel team; derivatives' versions hold other words.
fn debian(words: &Words<'_>) -> Reading {
    const WORDS: [&str; 7] = ["deb", "u", "bpo", "b", "ckt", "rc", "exp"];
    let Some(version) = words.version.split_once(" Debian ").and_then(|(_, v)| v.split_whitespace().next())
    else {
        return none("uname -v is not of debian's form");
    };
    let own = version.split(|c: char| !c.is_ascii_alphabetic()).all(|w| w.is_empty() || WORDS.contains(&w));
    if !own || version.contains(':') {
        return none("a derivative's version in debian's uname -v");
    }
    let built_there = |b: Banner<'_>| b.user == "debian-kernel" && b.host == "lists.debian.org";
    if words.banner.is_some_and(|banner| !built_there(banner)) {
        return none("debian's uname -v, but not built by debian's kernel team");
    }
    let version = number_after(version, "~bpo")
        .or_else(|| number_after(version, "~deb"))
        .or_else(|| number_after(words.release, "+deb"))
        .or_else(|| number_after(words.release, ".deb"))
        .or_else(|| number_after(version, "+deb"))
        .or_else(|| debian_by_base(words.release));
    reading(&["debian"], version, Certainty::Sure, "debian's uname -v")
}

fn debian_by_base(release: &str) -> Option<String> {
    if let Some(number) = number_after(release, "+deb").or_else(|| number_after(release, ".deb")) {
        return Some(number);
    }
    if release.contains("bpo") {
        return None;
    }
    let bases =
        [("3.16.", "8"), ("4.9.", "9"), ("4.19.", "10"), ("5.10.", "11"), ("6.1.", "12"), ("6.12.", "13")];
    bases.into_iter().find(|(base, _)| release.starts_with(base)).map(|(_, version)| version.to_owned())
}

/// `.amzn1.`, `.amzn2.`, `.amzn2023.` in the release.
fn amazon(words: &Words<'_>) -> Reading {
    let version = segment(words.release, "amzn");
    let foreign = words.banner.is_some_and(|b| b.host.contains('.') && !b.host.ends_with(".amazon.com"));
    if version.is_none() || foreign {
        return none("amazon's release, but not built there");
    }
    reading(&["amzn"], version, Certainty::Sure, "amazon's release")
}

/// `.fc31.` in the release, built on Fedora's hosts, which since Fedora 38 may have no domain.
fn fedora(words: &Words<'_>) -> Reading {
    let foreign = |b: Banner<'_>| {
        b.user != "mockbuild" || (b.host.contains('.') && !b.host.ends_with(".fedoraproject.org"))
    };
    if !plain_segments(words.release) || words.banner.is_some_and(foreign) {
        return none("fedora's release, but not built there");
    }
    let named = words.banner.is_some_and(|b| b.host.contains('.'));
    let certainty = if named { Certainty::Sure } else { Certainty::Likely };
    reading(&["fedora"], segment(words.release, "fc"), certainty, "fedora's release")
}

/// `.el7`, `.el8_1`, `.el7a`, `.el7uek`: Red Hat's releases, which CentOS, Oracle and others share.
fn enterprise(words: &Words<'_>) -> Reading {
    let oracle = words.release.contains("uek.");
    let centos = words.release.contains(".centos.") || segment(words.release, "aa").is_some();
    let version = segment(words.release, "el").or_else(|| segment(words.release, "aa"));
    if !plain_segments(words.release) || version.is_none() {
        return none("a derivative's mark in red hat's form of release");
    }
    let named = |distro, mark| reading(distro, version.clone(), Certainty::Sure, mark);
    let Some(Banner { user, host, compiler, .. }) = words.banner else {
        let (distros, certainty): (&'static [&'static str], _) = match (oracle, centos) {
            (true, _) => (&["ol"], Certainty::Sure),
            (_, true) => (&["centos"], Certainty::Open),
            _ => (&["rhel", "centos", "ol"], Certainty::Open),
        };
        return reading(distros, version, certainty, "red hat's form of release, /proc/version unknown");
    };
    if user != "mockbuild" && user != "builder" {
        return none("red hat's form of release, built by somebody else");
    }
    if host.ends_with(".centos.org") || (host.ends_with(".redhat.com") && host.contains(".stream.")) {
        return if oracle {
            none("oracle's release built by centos")
        } else {
            named(&["centos"], "centos's build host")
        };
    }
    if host.ends_with(".redhat.com") {
        let foreign = oracle || centos;
        return if foreign { none("built by red hat") } else { named(&["rhel"], "red hat's build host") };
    }
    if (host.contains('.') && !host.ends_with(".oracle.com")) || centos {
        return none("red hat's form of release, built on another vendor's host");
    }
    if oracle
        || host.starts_with("jenkins-")
        || host.contains("-ol")
        || host.contains('.')
        || oracle_compiler(compiler)
    {
        return named(&["ol"], "oracle's release, build host or compiler");
    }
    reading(&["ol"], version, Certainty::Likely, "red hat's form of release, a build host without a domain")
}

/// Oracle numbers its rebuilds of Red Hat's gcc with two parts more: `(Red Hat 4.8.5-44.0.3)`.
fn oracle_compiler(compiler: &str) -> bool {
    let revision = compiler.split_once("(Red Hat ").and_then(|(_, tail)| tail.split_once('-'));
    let Some((_, revision)) = revision else { return false };
    let end = revision.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(revision.len());
    let mut parts = revision.get(..end).unwrap_or_default().split('.').skip(1);
    parts.next() == Some("0") && parts.next().is_some()
}

/// `5.3.18-59.5-default`, `4.4.138-4.7-azure`; Ubuntu's azure releases have no dot after the first dash.
fn suse_form(release: &str) -> bool {
    let mut parts = release.rsplit('-');
    let (flavour, number) = (parts.next(), parts.next().unwrap_or_default());
    flavour == Some("default") || (matches!(flavour, Some("azure" | "rt")) && number.contains('.'))
}

/// Built by `geeko@buildhost` with `(SUSE Linux)`'s gcc; SLES and, from 15.3 on, openSUSE Leap share kernels.
fn suse(words: &Words<'_>, silent: bool) -> Reading {
    let built_there = words
        .banner
        .is_some_and(|b| b.user == "geeko" && b.host == "buildhost" && b.compiler.contains("SUSE Linux"));
    if !built_there && !silent && words.banner.is_some() {
        return none("not built by suse's build service");
    }
    let (version, leap) = suse_version(words.release);
    let distros: &'static [&'static str] = match (leap, version) {
        (true, _) => &["opensuse-leap"],
        (false, Some("15.3" | "15.4" | "15.5" | "15.6")) => &["sles", "opensuse-leap"],
        _ => &["sles"],
    };
    let certainty = if built_there { Certainty::Sure } else { Certainty::Open };
    reading(distros, version.map(str::to_owned), certainty, "suse's release and build host")
}

/// The service pack that a release belongs to, and whether it is openSUSE Leap's own.
fn suse_version(release: &str) -> (Option<&'static str>, bool) {
    const LEAPS: [(&str, &str); 3] = [("lp150", "15.0"), ("lp151", "15.1"), ("lp152", "15.2")];
    const PACKS: [(&str, &[&str], &str); 12] = [
        ("4.4.", &["69", "81", "84", "90", "92"], "12.2"),
        ("4.4.", &["5", "6", "94"], "12.3"),
        ("4.12.14", &["94", "95"], "12.4"),
        ("4.12.14", &["120", "122"], "12.5"),
        ("4.12.14", &["23", "25", "150"], "15"),
        ("4.12.14", &["195", "197"], "15.1"),
        ("5.3.18", &["18", "22", "24", "150200"], "15.2"),
        ("5.3.18", &["57", "59", "150300"], "15.3"),
        ("5.14.21", &["150400"], "15.4"),
        ("5.14.21", &["150500"], "15.5"),
        ("6.4.0", &["150600"], "15.6"),
        ("6.4.0", &["150700"], "15.7"),
    ];
    let Some((base, rest)) = release.split_once('-') else { return (None, false) };
    if let Some((_, version)) = LEAPS.iter().find(|(mark, _)| rest.starts_with(mark)) {
        return (Some(version), true);
    }
    let first = rest.split(['.', '-']).next().unwrap_or_default();
    let pack = PACKS.iter().find(|(kernel, numbers, _)| base.starts_with(kernel) && numbers.contains(&first));
    (pack.map(|(.., version)| *version), rest.starts_with("lp"))
}

/// The digits right after the last `mark`.
fn number_after(text: &str, mark: &str) -> Option<String> {
    let (_, tail) = text.rsplit_once(mark)?;
    let digits: String = tail.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then_some(digits)
}

/// The number of the dot-separated part of a release that is `mark` and a number.
fn segment(release: &str, mark: &str) -> Option<String> {
    release.split('.').find_map(|part| {
        let tail = part.strip_prefix(mark)?;
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        (digits > 0).then(|| tail.get(..digits).unwrap_or_default().to_owned())
    })
}

/// Whether every dot-separated part of a release after the first dash is a number or a mark that Red Hat, CentOS,
/// Oracle or Fedora use; `lve`, `vz7`, `elrepo`, `fsync` and the like are derivatives'.
fn plain_segments(release: &str) -> bool {
    const MARKS: [&str; 12] =
        ["el", "fc", "aa", "rc", "git", "rt", "x", "aarch", "ppc", "s", "centos", "plus"];
    const TAILS: [&str; 7] = ["", "a", "uek", "_", "le", "x", "+debug"];
    let Some((_, rest)) = release.split_once('-') else { return false };
    rest.split('.').all(|part| {
        let word: &str = part.trim_start_matches(|c: char| c.is_ascii_digit());
        if word.is_empty() || (word.len() == 1 && part.len() > 1) {
            return true;
        }
        let (mark, tail) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap_or(word.len()));
        let tail = tail.trim_matches(|c: char| c.is_ascii_digit());
        part.len() == word.len()
            && MARKS.contains(&mark)
            && (TAILS.contains(&tail) || word == "x86_64" || word == "x86_64+debug")
    })
}
