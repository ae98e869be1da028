//! `btfgen select`: which kernel of an archive a host selects, from any machine.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use btfgen_core::files;
use btfgen_runtime::{Archive, Host, How, OsRelease, Refusal, RefusalKind, Selection, select};
use serde::Serialize;

use crate::args::Select;
use crate::output::{print, print_json};

/// The answer as JSON.
#[derive(Default, Serialize)]
struct Answer {
    /// The kernel id; none if the host is refused.
    kernel: Option<String>,
    /// `exact`, `same-btf` or `nearest`.
    how: Option<&'static str>,
    /// The index of its BTF in the archive.
    blob: Option<usize>,
    /// Why this kernel was selected, or none.
    reasons: Vec<String>,
    /// Why the host is refused.
    refusal: Option<String>,
    /// The nearest kernels of a refused host, nearest first.
    nearest: Vec<String>,
}

pub(crate) fn run(args: &Select) -> Result<ExitCode> {
    let bytes = files::read(&args.archive)?;
    let archive = Archive::open(&bytes).with_context(|| args.archive.display().to_string())?;
    let host = host(args)?;
    match select(&host, &archive, args.infer_nearest) {
        Ok(selection) => {
            if args.json {
                print_json(&Answer::selected(&selection, &archive))?;
            } else {
                print(&format!("{}\n", selection.kernel))?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(refusal) => {
            if args.json {
                print_json(&Answer::refused(&refusal))?;
            }
            let help = match refusal.kind {
                RefusalKind::NoSuchRelease | RefusalKind::OtherBuild => {
                    "; run \"btfgen vendor --this-host\" on this host, then pack again"
                }
                RefusalKind::BuildIdUnknown => "; add --build-id of this host",
                RefusalKind::Ambiguous => "; add --proc-version, --os-release or --build-id of this host",
                _ => "",
            };
            eprintln!("refused: {} {}: {refusal}{help}", host.release, host.machine);
            Ok(ExitCode::FAILURE)
        }
    }
}

/// The host that the options describe; without options, this machine.
///
/// With --release or --proc-version nothing about this machine's kernel is used: it would contradict the options.
fn host(args: &Select) -> Result<Host> {
    let text =
        |path: &Path| -> Result<String> { Ok(String::from_utf8_lossy(&files::read(path)?).into_owned()) };
    let proc_version = args.proc_version.as_deref().map(text).transpose()?;
    let mut host = Host::current();
    if args.release.is_some() || proc_version.is_some() {
        let (release, version) = proc_version.as_deref().map(release_and_version).unwrap_or_default();
        host = Host {
            release: args.release.clone().unwrap_or_else(|| release.to_owned()),
            version: version.to_owned(),
            machine: host.machine,
            ..Host::default()
        };
        ensure!(!host.release.is_empty(), "no release in the --proc-version file; add --release");
    }
    if let Some(machine) = &args.machine {
        host.machine.clone_from(machine);
    }
    if args.build_id.is_some() {
        host.build_id = args.build_id;
    }
    if let Some(path) = &args.os_release {
        let os_release = Some(OsRelease::parse(&text(path)?));
        // With /proc/version, os-release may be a container's; without it, os-release must be the host's.
        let may_be_container = proc_version.is_some() || host.proc_version.is_some();
        (host.os_release, host.local_os_release) =
            if may_be_container { (None, os_release) } else { (os_release, None) };
    }
    if proc_version.is_some() {
        host.proc_version = proc_version;
    }
    Ok(host)
}

/// `uname -r` and `uname -v` in the text of `/proc/version`.
fn release_and_version(proc_version: &str) -> (&str, &str) {
    let text = proc_version.trim();
    let release = text.strip_prefix("Linux version ").and_then(|rest| rest.split_whitespace().next());
    let version = text.rfind(" #").map(|offset| &text[offset + 1..]);
    (release.unwrap_or_default(), version.unwrap_or_default())
}

impl Answer {
    fn selected(selection: &Selection, archive: &Archive<'_>) -> Self {
        let how = match &selection.how {
            How::Exact => "exact",
            How::SameBtf => "same-btf",
            How::Nearest { .. } => "nearest",
            _ => "other",
        };
        Self {
            kernel: Some(selection.kernel.to_string()),
            how: Some(how),
            blob: archive.blob_of(&selection.kernel),
            reasons: selection.reasons.clone(),
            ..Self::default()
        }
    }

    fn refused(refusal: &Refusal) -> Self {
        Self {
            reasons: refusal.reasons.clone(),
            refusal: Some(refusal.to_string()),
            nearest: refusal.nearest.iter().map(ToString::to_string).collect(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_proc_version() {
        let check = |text: &str, expect: (&str, &str)| assert_eq!(release_and_version(text), expect);
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
