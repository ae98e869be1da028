//! Shell: running commands, and the workspace's root.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// What a task returns; the message is shown to the user.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest.parent().map_or(manifest.clone(), Path::to_path_buf)
}

/// The cargo that runs this task, in the workspace's root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Prints a command, runs it and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Outcome {
    eprintln!("$ {}", line(command));
    let status = command.status().map_err(|error| not_started(command, &error))?;
    succeeded(command, status)
}

/// Runs a command and returns its standard output; fails unless it succeeds.
pub(crate) fn read(command: &mut Command) -> Outcome<String> {
    let output = command.stderr(Stdio::inherit()).output().map_err(|error| not_started(command, &error))?;
    succeeded(command, output.status)?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Whether a command starts and succeeds; its output is dropped.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// Whether `PATH` holds this program.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    // Not every user's PATH has the administrator's tools.
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// The program bpftool; not every user's PATH has Debian's.
pub(crate) fn bpftool() -> &'static str {
    let debian = "/usr/sbin/bpftool";
    if Path::new(debian).exists() { debian } else { "bpftool" }
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The shared libraries that a program is linked with, its loader included.
pub(crate) fn libraries(program: &Path) -> Outcome<Vec<String>> {
    Ok(library_files(&read(Command::new("ldd").arg(program))?))
}

/// The files in the output of `ldd`.
fn library_files(ldd: &str) -> Vec<String> {
    let file = |line: &str| {
        let path = line.split_once("=>").map_or(line, |(_, path)| path);
        let path = path.split_whitespace().next()?;
        path.starts_with('/').then(|| path.to_owned())
    };
    ldd.lines().filter_map(file).collect()
}

fn succeeded(command: &Command, status: ExitStatus) -> Outcome {
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", line(command)).into()) }
}

fn not_started(command: &Command, error: &io::Error) -> String {
    format!("{}: {error}", command.get_program().display())
}

/// A command as typed in a shell, the program without its folder.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or(OsStr::new("")).display().to_string()];
    words.extend(command.get_args().map(|arg| quoted(&arg.display().to_string())));
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./,:=+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// The results of a build.
#[derive(Default)]
pub(crate) struct Built {
    executables: Vec<PathBuf>,
    out_dirs: Vec<PathBuf>,
}

impl Built {
    /// The last executable: cargo reports a package after its dependencies.
    pub(crate) fn executable(&self) -> Outcome<&Path> {
        Ok(self.executables.last().ok_or("cargo built no executable")?)
    }

    /// The executable of this name.
    pub(crate) fn named(&self, name: &str) -> Outcome<&Path> {
        let found = self.executables.iter().find(|path| path.file_name().is_some_and(|file| file == name));
        Ok(found.ok_or_else(|| format!("cargo built no {name}"))?)
    }

    /// The file of this name that a build script wrote.
    pub(crate) fn generated(&self, name: &str) -> Outcome<PathBuf> {
        let mut files = self.out_dirs.iter().map(|folder| folder.join(name));
        files.find(|file| file.is_file()).ok_or_else(|| format!("no build script wrote a {name}").into())
    }
}

/// Runs a `cargo build` or `cargo test --no-run` and returns its results.
pub(crate) fn build(command: &mut Command) -> Outcome<Built> {
    eprintln!("$ {}", line(command));
    let messages = read(command.arg("--message-format=json-render-diagnostics"))?;
    let mut built = Built::default();
    for message in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(message)?;
        built.executables.extend(message["executable"].as_str().map(PathBuf::from));
        built.out_dirs.extend(message["out_dir"].as_str().map(PathBuf::from));
    }
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_commands_as_typed() {
        let mut command = Command::new("/usr/bin/env");
        command.args(["cargo", "build", "--features", "", "two words"]);
        assert_eq!(line(&command), "env cargo build --features '' 'two words'");
    }

    #[test]
    fn reads_the_output_of_ldd() {
        let check = |text: &str, expect: &[&str]| assert_eq!(library_files(text), expect, "{text}");
        check(
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibelf.so.1 => /lib/libelf.so.1 (0x00007f)\n\
             \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n",
            &["/lib/libelf.so.1", "/lib64/ld-linux-x86-64.so.2"],
        );
        check("\tstatically linked\n", &[]);
        check("\tlibz.so.1 => not found\n", &[]);
    }
}
