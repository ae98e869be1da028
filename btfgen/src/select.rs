//! `btfgen select`: which kernel of an archive a host gets, without being on that host.

use btfgen_runtime::{Archive, Host, How, OsRelease, Refusal, Selection, select};
use serde::Serialize;

use crate::args::Select;
use crate::output::{self, print, print_json};
use crate::{Outcome, Result};

/// The answer for a machine.
#[derive(Serialize)]
struct Answer {
    /// The kernel id; none if the host is refused.
    kernel: Option<String>,
    /// Where its BTF comes from.
    source: Option<&'static str>,
    /// `exact`, `same-btf` or `nearest`.
    how: Option<&'static str>,
    /// The number of its BTF in the archive.
    blob: Option<usize>,
    /// What led to it, a line each.
    reasons: Vec<String>,
    /// Why it is refused.
    refusal: Option<String>,
    /// Entries near to a host that is refused, nearest first.
    nearest: Vec<String>,
}

pub(crate) fn run(args: &Select) -> Result<Outcome> {
    let bytes = output::read(&args.archive)?;
    let archive =
        Archive::open(&bytes).map_err(|error| format!("archive {}: {error}", args.archive.display()))?;
    let host = host(args)?;
    match select(&host, &archive, args.infer_nearest) {
        Ok(selection) => {
            if args.json {
                print_json(&Answer::chosen(&selection, &archive))?;
            } else {
                print(&format!("{}\n", selection.kernel))?;
            }
            Ok(Outcome::Done)
        }
        Err(refusal) => {
            if args.json {
                print_json(&Answer::refused(&refusal))?;
            }
            eprintln!("refused: {} {}: {refusal}", host.release, host.machine);
            Ok(Outcome::Refused)
        }
    }
}

/// The host that the options describe: this machine, but for what they say.
///
/// With one option that speaks of the kernel, nothing of this machine's kernel is taken: the words of two kernels
/// would contradict each other.
fn host(args: &Select) -> Result<Host> {
    let text = |path| -> Result<String> { Ok(String::from_utf8_lossy(&output::read(path)?).into_owned()) };
    let proc_version = args.proc_version.as_deref().map(text).transpose()?;
    let mut host = Host::current();
    if args.release.is_some() || proc_version.is_some() {
        let (release, version) = proc_version.as_deref().map(words).unwrap_or_default();
        host = Host {
            release: args.release.clone().unwrap_or_else(|| release.to_owned()),
            version: version.to_owned(),
            machine: host.machine,
            ..Host::default()
        };
        if host.release.is_empty() {
            return Err("no release: not in the text of --proc-version, and no --release".into());
        }
    }
    if let Some(machine) = &args.machine {
        host.machine.clone_from(machine);
    }
    if let Some(path) = &args.os_release {
        let os_release = Some(OsRelease::parse(&text(path)?));
        // Beside the kernel's own words, os-release may be a container's; alone, it is all there is to go by.
        let local = proc_version.is_some() || host.proc_version.is_some();
        (host.os_release, host.local_os_release) =
            if local { (None, os_release) } else { (os_release, None) };
    }
    if proc_version.is_some() {
        host.proc_version = proc_version;
    }
    Ok(host)
}

/// Release and version (`uname -v`) in the text of `/proc/version`.
fn words(proc_version: &str) -> (&str, &str) {
    let text = proc_version.trim();
    let release = text.strip_prefix("Linux version ").and_then(|rest| rest.split_whitespace().next());
    let version = text.rfind(" #").map(|at| &text[at + 1..]);
    (release.unwrap_or_default(), version.unwrap_or_default())
}

impl Answer {
    fn chosen(selection: &Selection, archive: &Archive<'_>) -> Self {
        let how = match &selection.how {
            How::Exact => "exact",
            How::SameBtf => "same-btf",
            How::Nearest { .. } => "nearest",
            _ => "other",
        };
        Self {
            kernel: Some(selection.kernel.to_string()),
            source: Some("archive"),
            how: Some(how),
            blob: archive.blob_of(&selection.kernel),
            reasons: selection.reasons.clone(),
            refusal: None,
            nearest: Vec::new(),
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self {
            kernel: None,
            source: None,
            how: None,
            blob: None,
            reasons: refusal.reasons.clone(),
            refusal: Some(refusal.to_string()),
            nearest: refusal.nearest.iter().map(ToString::to_string).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_kernel_s_words() {
        let check = |text: &str, expect: (&str, &str)| assert_eq!(words(text), expect);
        check(
            "Linux version 5.4.0-84-generic (buildd@lcy01-amd64-007) (gcc version 7.5.0 (Ubuntu \
             7.5.0-3ubuntu1~18.04)) #94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021\n",
            ("5.4.0-84-generic", "#94~18.04.1-Ubuntu SMP Thu Aug 26 23:17:46 UTC 2021"),
        );
        check("Linux version 6.1.0", ("6.1.0", ""));
        check("no kernel", ("", ""));
        check("", ("", ""));
    }
}
