//! Session: the steps of one document in one shell.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::compare;
use super::parse::Step;
use crate::shell::{self, Outcome};

/// Follows the exit code of each command, which follows its output.
const SEPARATOR: char = '\u{1e}';

/// What of the repository a reader sees.
const SHOWN: [&str; 2] = ["testdata", "example-app"];

/// The packages of this repository that the documents' programs depend on.
const PACKAGES: [&str; 3] = ["btfgen-build", "btfgen-core", "btfgen-runtime"];

/// Runs the steps; returns what does not match, beginning with the line's number.
pub(super) fn run(steps: &[Step], btfgen: &Path) -> Outcome<Vec<String>> {
    // Outside the workspace: a package inside would have to be a member.
    let folder = tempfile::tempdir()?;
    for shown in SHOWN {
        symlink(shell::root().join(shown), folder.path().join(shown))?;
    }
    fs::create_dir(folder.path().join(".cargo"))?;
    fs::write(folder.path().join(".cargo/config.toml"), cargo_config())?;

    let path = format!("{}:{}", btfgen.parent().unwrap_or(btfgen).display(), env_or_empty("PATH"));
    let output = Command::new("bash")
        .args(["-c", &script(steps)])
        .current_dir(folder.path())
        .env("PATH", path)
        .envs([("CARGO_TERM_COLOR", "never"), ("NO_COLOR", "1"), ("LC_ALL", "C.UTF-8")])
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_MANIFEST_DIR")
        .stdin(Stdio::null())
        .output()?;
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut pieces = output.split(SEPARATOR);
    let mut faults = Vec::new();
    for command in steps.iter().filter_map(Step::as_command) {
        let (Some(found), Some(code)) = (pieces.next(), pieces.next()) else {
            faults.push(format!("{}: the shell ended at: {}\n{output}", command.line, command.text));
            break;
        };
        let lines: Vec<&str> = found.lines().collect();
        if (code == "0") == command.fails {
            faults.push(format!("{}: exit code {code} of: {}\n{found}", command.line, command.text));
        } else if !command.expect.is_empty() && !compare::matches(&command.expect, &lines) {
            faults.push(format!("{}: another output of: {}\n{found}", command.line, command.text));
        }
    }
    Ok(faults)
}

/// Takes this repository's packages, and builds their dependencies once for all documents.
fn cargo_config() -> String {
    let root = shell::root();
    let build = root.join("target/documents");
    let mut config = format!("[build]\nbuild-dir = {:?}\n\n[patch.crates-io]\n", build.display().to_string());
    for package in PACKAGES {
        let _ = writeln!(config, "{package} = {{ path = {:?} }}", root.join(package).display().to_string());
    }
    config
}

fn env_or_empty(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The session as a script: each command is followed by its exit code.
fn script(steps: &[Step]) -> String {
    let mut script = String::from("exec 2>&1\n");
    for step in steps {
        let _ = match step {
            Step::File { name, text } => write!(
                script,
                "mkdir -p \"$(dirname '{name}')\"\ncat > '{name}' <<'END OF FILE'\n{text}END OF FILE\n"
            ),
            Step::Command(command) => write!(script, "{}\nprintf '\\036%d\\036' $?\n", command.text),
        };
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::parse::parse;

    #[test]
    fn runs_a_document() {
        let check = |document: &str, expect: &[&str]| {
            let faults = run(&parse(document).unwrap(), Path::new("bin/btfgen")).unwrap();
            assert_eq!(faults.len(), expect.len(), "{faults:?}");
            for (fault, expect) in faults.iter().zip(expect) {
                assert!(fault.starts_with(expect), "{fault}");
            }
        };
        check(
            "<!-- file: b/a -->\n```text\none\n```\n```console\n$ cd b\n$ cat a; ls ../testdata\none\n...\n```\n",
            &[],
        );
        check(
            "```console\n$ echo one\ntwo\n$ false\n$ exit 3\n```\n",
            &["2: another", "4: exit code 1", "5: the shell"],
        );
        check("<!-- fails -->\n```console\n$ echo one; false\none\n$ true\n```\n", &["5: exit code 0"]);
    }
}
