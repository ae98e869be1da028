//! Distro: which distribution and version a kernel was built for, judged by the kernel's own strings.
//!
//! Each distribution leaves its marks in every kernel: the build host, the compiler, the form of `uname -v` and of the
//! release. Clones reuse another distribution's releases or sources, but not all of its marks. So a kernel without one of
//! the marks is not attributed to that distribution.

use crate::proc_version::ProcVersion;

/// Strings in which a kernel describes itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KernelStrings<'k> {
    pub(crate) release: &'k str,
    /// `uname -v`; empty if unknown.
    pub(crate) uname_version: &'k str,
    pub(crate) proc_version: Option<ProcVersion<'k>>,
    /// Ubuntu's `/proc/version_signature`.
    pub(crate) signature: Option<&'k str>,
}

/// The distribution and version that built a kernel, as far as the kernel's strings tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin<'k> {
    /// The distributions that may have built it, by their names in the hub; empty if no known one did.
    pub(crate) distros: &'static [&'static str],
    /// The version, as short as releases need it: `7` for CentOS 7.9, `20.04` for Ubuntu.
    pub(crate) version: Option<&'k str>,
    pub(crate) certainty: Certainty,
    /// The deciding reason.
    pub(crate) evidence: &'static str,
}

/// How certain an [`Origin`] is before os-release is consulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// The kernel has all marks of the distribution, and either its version is known or no other version has its release.
    Certain,
    /// The distribution is certain, but its releases recur in several versions, and this kernel's is unknown.
    VersionUnknown,
    /// The release has the form of these distributions and nothing contradicts it; any os-release settles it.
    Likely,
    /// Only the release is known, and it has the form of these distributions.
    Possible,
    /// None of the known distributions built it.
    Unknown,
}

/// Why a kernel is not a distribution's.
type Mismatch = &'static str;

impl<'k> Origin<'k> {
    /// Judges a kernel by its strings.
    pub(crate) fn of(kernel: &KernelStrings<'k>) -> Self {
        Self::find(kernel).unwrap_or_else(|evidence| Self {
            distros: &[],
            version: None,
            certainty: Certainty::Unknown,
            evidence,
        })
    }

    fn find(kernel: &KernelStrings<'k>) -> Result<Self, Mismatch> {
        let KernelStrings { release, uname_version, proc_version, signature } = *kernel;
        if let Some(proc) = proc_version {
            if proc.release != release {
                return Err("/proc/version and uname name different releases");
            }
            if !proc.uname_version.starts_with(uname_version) {
                return Err("/proc/version and uname name different builds");
            }
        }
        if uname_version.contains("Ubuntu") || signature.is_some_and(|text| text.starts_with("Ubuntu ")) {
            ubuntu(kernel)
        } else if uname_version.contains(" Debian ") {
            debian(kernel)
        } else if release.contains(".amzn") {
            amazon(kernel)
        } else if let Some(version) = number_after(release, ".fc") {
            fedora(kernel, version)
        } else if let Some(version) = number_after(release, ".el").or_else(|| number_after(release, ".aa")) {
            red_hat_form(kernel, version)
        } else if has_suse_form(release) || proc_version.is_some_and(|proc| proc.host == "buildhost") {
            suse(kernel)
        } else if uname_version.is_empty() && proc_version.is_none() && signature.is_none() {
            by_release(release)
        } else {
            Err("uname and /proc/version match none of the known ones")
        }
    }
}

/// Judges by the release alone, if it has Debian's or Ubuntu's form; other distributions' releases contain marks.
fn by_release(release: &str) -> Result<Origin<'_>, Mismatch> {
    let certainty = Certainty::Possible;
    let flavor = after_last(release, '-');
    // Also before a variant: `686-pae`, `armmp-lpae`, `powerpc64le-64k`.
    let debian = ["amd64", "arm64", "686", "armmp", "powerpc64le", "s390x"];
    if release.split('-').skip(1).any(|part| debian.contains(&part)) {
        let version = debian_version_of_release(release);
        return Ok(Origin {
            distros: &["debian"],
            version,
            certainty,
            evidence: "release looks like Debian's",
        });
    }
    let after_second_dash = release.splitn(3, '-').nth(2);
    if after_second_dash == Some(flavor) && flavor.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Ok(Origin {
            distros: &["ubuntu"],
            version: None,
            certainty,
            evidence: "release looks like Ubuntu's",
        });
    }
    Err("uname -v and /proc/version are unknown")
}

/// `#94~18.04.1-Ubuntu SMP ...`, built by `buildd`.
fn ubuntu<'k>(kernel: &KernelStrings<'k>) -> Result<Origin<'k>, Mismatch> {
    if kernel.proc_version.is_some_and(|proc| proc.user != "buildd") {
        return Err("kernel looks like Ubuntu's, but Ubuntu's build service did not build it");
    }
    let compiler = kernel.proc_version.map(|proc| proc.compiler).unwrap_or_default();
    let named = [
        ubuntu_version_of_uname(kernel.uname_version)?,
        kernel.signature.map_or(Ok(None), |text| ubuntu_version_of_signature(text, kernel.release))?,
        after(compiler, "ubuntu").and_then(|tail| after(tail, "~")).and_then(ubuntu_version),
    ];
    let mut named = named.into_iter().flatten();
    let version = named.next();
    if named.any(|other| version != Some(other)) {
        return Err("uname -v, signature and compiler name different versions of Ubuntu");
    }
    let version = version.or_else(|| ubuntu_version_by_age(kernel.release, compiler));
    let certainty = if version.is_some() { Certainty::Certain } else { Certainty::VersionUnknown };
    Ok(Origin { distros: &["ubuntu"], version, certainty, evidence: "uname -v is Ubuntu's" })
}

/// The version in `#94~18.04.1-Ubuntu SMP ...`, if there is one; rebuilds and derivatives have other forms.
fn ubuntu_version_of_uname(uname_version: &str) -> Result<Option<&str>, Mismatch> {
    if uname_version.is_empty() {
        return Ok(None);
    }
    let mismatch = "uname -v mentions Ubuntu, but does not have its form";
    let text = uname_version.strip_prefix('#').ok_or(mismatch)?;
    let rest = text.trim_start_matches(|char: char| char.is_ascii_digit());
    let (version, tail) = match rest.strip_prefix('~') {
        Some(text) => (Some(ubuntu_version(text).ok_or(mismatch)?), after(text, "-")),
        None => (None, rest.strip_prefix('-')),
    };
    let has_number = rest.len() < text.len();
    if has_number && tail.is_some_and(|tail| tail == "Ubuntu" || tail.starts_with("Ubuntu ")) {
        Ok(version)
    } else {
        Err(mismatch)
    }
}

/// The version in `Ubuntu 5.4.0-84.94~18.04.1-generic 5.4.133`, if there is one.
fn ubuntu_version_of_signature<'k>(signature: &'k str, release: &str) -> Result<Option<&'k str>, Mismatch> {
    let parse = || {
        let package = until(signature.strip_prefix("Ubuntu ")?, ' ');
        let (base, rest) = package.split_once('-')?;
        let (abi, upload) = rest.split_once('.')?;
        let signed = format!("{base}-{abi}-{}", after_last(upload, '-'));
        (signed == release).then_some(upload)
    };
    let upload = parse().ok_or("/proc/version_signature is another kernel's")?;
    Ok(after(upload, "~").and_then(ubuntu_version))
}

/// The version at the start of `18.04.1-...` or `18.04)`.
fn ubuntu_version(text: &str) -> Option<&str> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (version, rest) = text.split_at(end);
    let mut numbers = version.split('.');
    let has_form = numbers.next()?.len() == 2 && numbers.next()?.len() == 2 && numbers.count() <= 1;
    let is_complete = rest.is_empty() || rest.starts_with([')', '-', ' ', ',']);
    if has_form && is_complete { version.get(..5) } else { None }
}

/// The version that had this compiler; without a compiler, the version that was released with this kernel.
fn ubuntu_version_by_age(release: &str, compiler: &str) -> Option<&'static str> {
    const BY_KERNEL: [(&str, &str); 5] =
        [("4.4.", "16.04"), ("4.15.", "18.04"), ("5.4.", "20.04"), ("5.15.", "22.04"), ("6.8.", "24.04")];
    const BY_GCC: [(&str, &str); 9] = [
        ("5.3.", "16.04"),
        ("5.4.", "16.04"),
        ("7.3.", "18.04"),
        ("7.4.", "18.04"),
        ("7.5.", "18.04"),
        ("9.3.", "20.04"),
        ("9.4.", "20.04"),
        ("11.", "22.04"),
        ("13.", "24.04"),
    ];
    if compiler.is_empty() {
        return by_prefix(&BY_KERNEL, release);
    }
    // `gcc version 7.3.0 (Ubuntu 7.3.0-16ubuntu3)`, `gcc (Ubuntu 9.3.0-...)`, `(Ubuntu/Linaro 5.4.0-...)`.
    let gcc = after(compiler, "Ubuntu").and_then(|tail| after(tail, " "))?;
    by_prefix(&BY_GCC, gcc)
}

/// `#1 SMP Debian 4.19.232-1~deb9u1 (2022-03-07)`, built by the kernel team.
fn debian<'k>(kernel: &KernelStrings<'k>) -> Result<Origin<'k>, Mismatch> {
    let package = until(after(kernel.uname_version, " Debian ").unwrap_or_default(), ' ');
    // Derivatives have other words in their versions, or an epoch.
    let is_debian_word = |word| ["", "deb", "u", "bpo", "b", "ckt", "rc", "exp"].contains(&word);
    if package.is_empty()
        || package.contains(':')
        || !package.split(|char: char| !char.is_ascii_alphabetic()).all(is_debian_word)
    {
        return Err("uname -v is Debian's, but the version is a derivative's");
    }
    if kernel.proc_version.is_some_and(|proc| proc.user != "debian-kernel" || proc.host != "lists.debian.org")
    {
        return Err("uname -v is Debian's, but Debian's kernel team did not build it");
    }
    let version = number_after(package, "~bpo")
        .or_else(|| number_after(package, "~deb"))
        .or_else(|| debian_suffix(kernel.release))
        .or_else(|| number_after(package, "+deb"))
        .or_else(|| debian_version_of_release(kernel.release));
    let certainty = Certainty::Certain;
    Ok(Origin { distros: &["debian"], version, certainty, evidence: "uname -v is Debian's" })
}

/// The version in `6.12.43+deb12-amd64` or `5.10.0-0.deb10.30-amd64`.
fn debian_suffix(release: &str) -> Option<&str> {
    number_after(release, "+deb").or_else(|| number_after(release, ".deb"))
}

/// The version in a release, or else the one that was released with this kernel.
fn debian_version_of_release(release: &str) -> Option<&str> {
    const BY_KERNEL: [(&str, &str); 6] =
        [("3.16.", "8"), ("4.9.", "9"), ("4.19.", "10"), ("5.10.", "11"), ("6.1.", "12"), ("6.12.", "13")];
    let is_backport = release.contains("bpo");
    debian_suffix(release).or_else(|| by_prefix(&BY_KERNEL, release).filter(|_| !is_backport))
}

/// `.amzn1.`, `.amzn2.` or `.amzn2023.` in the release.
fn amazon<'k>(kernel: &KernelStrings<'k>) -> Result<Origin<'k>, Mismatch> {
    let version = number_after(kernel.release, ".amzn");
    let is_elsewhere = |host: &str| host.contains('.') && !host.ends_with(".amazon.com");
    if version.is_none() || kernel.proc_version.is_some_and(|proc| is_elsewhere(proc.host)) {
        return Err("release looks like Amazon's, but Amazon did not build it");
    }
    let certainty = Certainty::Certain;
    Ok(Origin { distros: &["amzn"], version, certainty, evidence: "release is Amazon's" })
}

/// `.fc31.` in the release, built on Fedora's hosts, whose names may have no domain since Fedora 38.
fn fedora<'k>(kernel: &KernelStrings<'k>, version: &'k str) -> Result<Origin<'k>, Mismatch> {
    let is_named = |proc: ProcVersion<'_>| proc.host.ends_with(".fedoraproject.org");
    let is_foreign =
        |proc: ProcVersion<'_>| proc.user != "mockbuild" || (proc.host.contains('.') && !is_named(proc));
    if !has_plain_segments(kernel.release) || kernel.proc_version.is_some_and(is_foreign) {
        return Err("release looks like Fedora's, but Fedora did not build it");
    }
    let is_certain = kernel.proc_version.is_some_and(is_named);
    let certainty = if is_certain { Certainty::Certain } else { Certainty::Likely };
    Ok(Origin { distros: &["fedora"], version: Some(version), certainty, evidence: "release is Fedora's" })
}

/// `.el7`, `.el8_1`, `.el7a`, `.el7uek`: Red Hat's form of release, which CentOS, Oracle and others share.
fn red_hat_form<'k>(kernel: &KernelStrings<'k>, version: &'k str) -> Result<Origin<'k>, Mismatch> {
    let release = kernel.release;
    if !has_plain_segments(release) {
        return Err("release looks like Red Hat's, but has a derivative's mark");
    }
    let is_uek = release.contains("uek.");
    let is_centos = release.contains(".centos.") || number_after(release, ".aa").is_some();
    let by_release: &[&str] = if is_uek {
        &["ol"]
    } else if is_centos {
        &["centos"]
    } else {
        &["rhel", "centos", "ol"]
    };
    let origin =
        |distros, certainty, evidence| Origin { distros, version: Some(version), certainty, evidence };
    let Some(ProcVersion { user, host, compiler, .. }) = kernel.proc_version else {
        return Ok(if is_uek {
            origin(by_release, Certainty::Certain, "release is Oracle's")
        } else {
            let evidence = "release looks like Red Hat's, and /proc/version is unknown";
            origin(by_release, Certainty::Possible, evidence)
        });
    };
    if user != "mockbuild" && user != "builder" {
        return Err("release looks like Red Hat's, but another user built it");
    }
    let has_domain = host.contains('.');
    let (distro, certainty, evidence) = if host.ends_with(".centos.org") || host.contains(".stream.") {
        ("centos", Certainty::Certain, "built on a CentOS host")
    } else if host.ends_with(".redhat.com") {
        ("rhel", Certainty::Certain, "built on a Red Hat host")
    } else if has_domain && !host.ends_with(".oracle.com") {
        return Err("release looks like Red Hat's, but another distribution's host built it");
    } else if is_uek
        || has_domain
        || host.starts_with("jenkins-")
        || host.contains("-ol")
        || is_oracle_compiler(compiler)
    {
        ("ol", Certainty::Certain, "release, build host or compiler is Oracle's")
    } else {
        ("ol", Certainty::Likely, "release looks like Red Hat's, and the build host has no domain")
    };
    match by_release.iter().find(|possible| **possible == distro) {
        Some(distro) => Ok(origin(std::slice::from_ref(distro), certainty, evidence)),
        None => Err("release and build host are of different distributions"),
    }
}

/// Oracle adds two parts to the revision of Red Hat's gcc: `(Red Hat 4.8.5-44.0.3)`.
fn is_oracle_compiler(compiler: &str) -> bool {
    let revision = after(compiler, "(Red Hat ").and_then(|tail| after(tail, "-")).unwrap_or_default();
    let added = revision.trim_start_matches(|char: char| char.is_ascii_digit()).strip_prefix(".0.");
    added.is_some_and(|added| !leading_digits(added).is_empty())
}

/// `5.3.18-59.5-default`, `4.4.138-4.7-azure`; Ubuntu's azure releases have no dot after the first dash.
fn has_suse_form(release: &str) -> bool {
    let is_shared = release.ends_with("-azure") || release.ends_with("-rt");
    release.ends_with("-default") || (is_shared && after(release, "-").is_some_and(|tail| tail.contains('.')))
}

/// Built by `geeko@buildhost` with `(SUSE Linux)`'s gcc.
fn suse<'k>(kernel: &KernelStrings<'k>) -> Result<Origin<'k>, Mismatch> {
    let certainty = match kernel.proc_version {
        None => Certainty::Possible,
        Some(proc)
            if proc.user == "geeko" && proc.host == "buildhost" && proc.compiler.contains("SUSE Linux") =>
        {
            Certainty::Certain
        }
        Some(_) => return Err("release or build host looks like SUSE's, but SUSE did not build it"),
    };
    let version = by_prefix(&SUSE_VERSIONS, kernel.release);
    let distros: &[&str] = match version {
        _ if kernel.release.contains("-lp") => &["opensuse-leap"],
        // From 15.3 on, SLES and openSUSE Leap share kernels.
        Some("15.3" | "15.4" | "15.5" | "15.6") => &["sles", "opensuse-leap"],
        _ => &["sles"],
    };
    Ok(Origin { distros, version, certainty, evidence: "release looks like SUSE's" })
}

/// Starts of releases, and the version of SLES or openSUSE Leap that they belong to.
const SUSE_VERSIONS: [(&str, &str); 22] = [
    ("4.12.14-lp150.", "15.0"),
    ("4.12.14-lp151.", "15.1"),
    ("5.3.18-lp152.", "15.2"),
    ("4.12.14-94.", "12.4"),
    ("4.12.14-95.", "12.4"),
    ("4.12.14-120", "12.5"),
    ("4.12.14-122", "12.5"),
    ("4.12.14-23", "15.0"),
    ("4.12.14-25", "15.0"),
    ("4.12.14-150", "15.0"),
    ("4.12.14-195", "15.1"),
    ("4.12.14-197", "15.1"),
    ("5.3.18-22", "15.2"),
    ("5.3.18-24", "15.2"),
    ("5.3.18-150200", "15.2"),
    ("5.3.18-57", "15.3"),
    ("5.3.18-59", "15.3"),
    ("5.3.18-150300", "15.3"),
    ("5.14.21-150400", "15.4"),
    ("5.14.21-150500", "15.5"),
    ("6.4.0-150600", "15.6"),
    ("6.4.0-150700", "15.7"),
];

/// Whether each dot-separated segment after a release's first dash is a number or a mark of Red Hat, CentOS, Oracle or
/// Fedora; `lve`, `vz7`, `elrepo` and `fsync` are derivatives' marks.
fn has_plain_segments(release: &str) -> bool {
    after(release, "-").is_some_and(|segments| segments.split('.').all(is_plain_segment))
}

/// A number, perhaps with one letter, or a mark with a number and its suffix: `1160`, `1850a`, `el8_1`, `el7uek`, `x86_64`.
fn is_plain_segment(segment: &str) -> bool {
    let number = leading_digits(segment);
    if !number.is_empty() {
        return segment.len() - number.len() <= 1;
    }
    let mark = segment.split(|char: char| char.is_ascii_digit()).next().unwrap_or_default();
    let suffix = segment[mark.len()..].trim_start_matches(|char: char| char.is_ascii_digit());
    let is_minor_version =
        suffix.strip_prefix('_').is_some_and(|minor| minor.bytes().all(|byte| byte.is_ascii_digit()));
    ["el", "fc", "aa", "rc", "git", "rt", "x", "aarch", "ppc", "s", "centos", "plus"].contains(&mark)
        && (is_minor_version || ["", "a", "uek", "le", "x", "_64+debug", "+debug"].contains(&suffix))
}

/// The value of the first pair whose key starts a text.
fn by_prefix(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, value)| *value)
}

/// The text after the first occurrence of a mark.
fn after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.split_once(mark).map(|(_, tail)| tail)
}

/// The text after the last occurrence of a mark; all of it if there is none.
fn after_last(text: &str, mark: char) -> &str {
    text.rsplit(mark).next().unwrap_or(text)
}

/// The text before the first occurrence of a mark; all of it if there is none.
fn until(text: &str, mark: char) -> &str {
    text.split(mark).next().unwrap_or(text)
}

/// The digits at the start of a text.
fn leading_digits(text: &str) -> &str {
    text.split(|char: char| !char.is_ascii_digit()).next().unwrap_or_default()
}

/// The digits after the first occurrence of a mark that has any.
fn number_after<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    text.split(mark).skip(1).map(leading_digits).find(|digits| !digits.is_empty())
}

#[cfg(test)]
mod tests;
