//! Container: execwatch in another distribution's root on the same kernel, with its BTF hidden.

use std::fs;
use std::path::Path;
use std::process::Output;

use super::hidden_btf;
use super::print::indented;
use crate::files;
use crate::shell::{self, Outcome};

/// The `/etc/os-release` there, and in the containers of the guests of `cargo xtask kernels`.
pub(crate) const ALPINE_OS_RELEASE: &str = "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.3\n\
     PRETTY_NAME=\"Alpine Linux v3.20\"\nHOME_URL=\"https://alpinelinux.org/\"\n";

/// Runs execwatch inside, which must choose as outside, or refuse.
pub(super) fn show(execwatch: &Path, folder: &Path, outside: &str) -> Outcome {
    make_root(execwatch, folder)?;
    println!("$ chroot CONTAINER execwatch --explain");
    let mut command = hidden_btf::command_in(folder, "/bin/execwatch", ["--explain"]);
    let Output { status, stdout, stderr } = command.output()?;
    let (inside, complaint) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    print!("{}{}", indented(&inside), indented(&complaint));
    match judge(outside, status.success().then_some(&*inside), &complaint)? {
        Answer::Same => println!("the same choice as outside"),
        Answer::Refused => println!("refused: os-release alone is not trusted"),
        Answer::NoRoot => println!("not possible here: no private mounts, as in a chroot"),
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Same,
    Refused,
    /// The root could not be made.
    NoRoot,
}

/// Judges the choice inside, by the output of `--explain` or the error message.
fn judge(outside: &str, inside: Option<&str>, complaint: &str) -> Outcome<Answer> {
    let taken = |text: &str| text.lines().find(|line| line.starts_with("selected: ")).map(str::to_owned);
    match inside {
        Some(inside) if taken(inside).is_some() && taken(inside) == taken(outside) => Ok(Answer::Same),
        Some(inside) => Err(format!("another BTF than outside: {:?}", taken(inside)).into()),
        None if complaint.starts_with("execwatch: no BTF for kernel ") => Ok(Answer::Refused),
        None if complaint.starts_with("unshare: ") || complaint.starts_with("mount: ") => Ok(Answer::NoRoot),
        None => Err(format!("execwatch failed in the container: {complaint}").into()),
    }
}

/// Makes a root with execwatch, its libraries and an os-release.
fn make_root(execwatch: &Path, folder: &Path) -> Outcome {
    files::empty_folder(folder)?;
    for mount in ["proc", "sys"] {
        fs::create_dir(folder.join(mount))?;
    }
    let put = |path: &str| -> Outcome<_> {
        let file = folder.join(path.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        Ok(file)
    };
    fs::write(put("etc/os-release")?, ALPINE_OS_RELEASE)?;
    fs::copy(execwatch, put("bin/execwatch")?)?;
    for library in shell::libraries(execwatch)? {
        fs::copy(&library, put(&library)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_choice_or_a_refusal_is_right() {
        let check = |inside: Option<&str>, complaint: &str, expect: Option<Answer>| {
            let outside = "embedded archive: x\nselected: 9 bytes of debian/12/x86_64/6.1.0-9-amd64\n";
            assert_eq!(judge(outside, inside, complaint).ok(), expect, "{inside:?} {complaint}");
        };
        check(Some("selected: 9 bytes of debian/12/x86_64/6.1.0-9-amd64\n"), "", Some(Answer::Same));
        check(Some("selected: 9 bytes of debian/12/x86_64/6.1.0-8-amd64\n"), "", None);
        check(Some("nothing\n"), "", None);
        check(None, "execwatch: no BTF for kernel 6.1.0-9-amd64 (x): no entry", Some(Answer::Refused));
        check(None, "unshare: cannot change root filesystem propagation: x", Some(Answer::NoRoot));
        check(None, "chroot: no such file", None);
    }
}
