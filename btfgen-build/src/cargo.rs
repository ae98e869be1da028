//! Cargo: the build-script protocol, and every read of the environment, which must be declared to cargo.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use btfgen_runtime::hub_arch;

/// Environment variable of the compiler that names the archive; `btfgen_runtime::embed!` reads it.
const ARCHIVE_VARIABLE: &str = "BTFGEN_ARCHIVE";

/// A build script: its environment, and its instructions for cargo, which are printed at the end.
#[derive(Debug)]
pub(crate) struct Script {
    env: Env,
    lines: Vec<String>,
}

#[derive(Debug)]
enum Env {
    Process,
    #[cfg(test)]
    Fixed(std::collections::BTreeMap<String, OsString>),
}

impl Script {
    /// A script that reads the process's environment.
    pub(crate) fn new() -> Self {
        Self { env: Env::Process, lines: Vec::new() }
    }

    /// A script in an environment of exactly these variables.
    #[cfg(test)]
    pub(crate) fn with_env(pairs: &[(&str, &str)]) -> Self {
        let env = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.into())).collect();
        Self { env: Env::Fixed(env), lines: Vec::new() }
    }

    /// Reads a variable and has the script run again when it changes.
    pub(crate) fn var(&mut self, name: &str) -> Option<OsString> {
        // No variable has such a name; reading it would panic, and a line break would end the instruction.
        if name.is_empty() || name.contains(['=', '\0', '\n', '\r']) {
            return None;
        }
        if !is_set_by_cargo(name) {
            self.push(format!("cargo::rerun-if-env-changed={name}"));
        }
        match &self.env {
            #[expect(
                clippy::disallowed_methods,
                reason = "the only read of the environment, which cargo is told to watch"
            )]
            Env::Process => std::env::var_os(name),
            #[cfg(test)]
            Env::Fixed(pairs) => pairs.get(name).cloned(),
        }
    }

    /// `OUT_DIR`.
    pub(crate) fn out_dir(&mut self) -> Option<PathBuf> {
        self.var("OUT_DIR").map(PathBuf::from)
    }

    /// Runs the script again when a file changes, or anything in a folder, recursively.
    ///
    /// Missing paths are skipped, since cargo considers them changed every time. So are paths in `OUT_DIR`: the script itself
    /// writes them, which cargo would take for a change.
    pub(crate) fn rerun_if_changed(&mut self, path: &Path) {
        let own = self.out_dir().is_some_and(|out_dir| path.starts_with(out_dir));
        // A path with a line break would end the line; cargo has no way to quote it.
        let Some(text) = path.to_str().filter(|text| !text.is_empty() && !text.contains(['\n', '\r'])) else {
            return;
        };
        if !own && path.exists() {
            self.push(format!("cargo::rerun-if-changed={text}"));
        }
    }

    /// Passes the archive's path to `btfgen_runtime::embed!`.
    pub(crate) fn archive(&mut self, path: &Path) {
        // `include_bytes!` takes a relative path as relative to the source file.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // A line break would end the line; cargo has no way to quote it.
        match path.to_str().filter(|text| !text.contains(['\n', '\r'])) {
            Some(text) => self.push(format!("cargo::rustc-env={ARCHIVE_VARIABLE}={text}")),
            None => self.warning(&format!(
                "embed!() cannot include {}: its path is not UTF-8 or has a line break",
                path.display()
            )),
        }
    }

    /// Shows each line of the text as a warning.
    pub(crate) fn warning(&mut self, text: &str) {
        for line in text.split(['\n', '\r']).filter(|line| !line.trim().is_empty()) {
            self.push(format!("cargo::warning={line}"));
        }
    }

    /// The instructions so far: one line each, in order, none twice.
    #[cfg(test)]
    pub(crate) fn instructions(&self) -> &[String] {
        &self.lines
    }

    /// Prints the instructions to standard output, where cargo reads them.
    pub(crate) fn print(&self) {
        for line in &self.lines {
            println!("{line}");
        }
    }

    fn push(&mut self, line: String) {
        if !self.lines.contains(&line) {
            self.lines.push(line);
        }
    }
}

/// Whether cargo sets this variable for build scripts. Cargo does not watch such variables, and warns if asked to.
fn is_set_by_cargo(name: &str) -> bool {
    const NAMES: [&str; 9] =
        ["OUT_DIR", "TARGET", "HOST", "NUM_JOBS", "OPT_LEVEL", "PROFILE", "DEBUG", "RUSTC", "CARGO"];
    const STARTS: [&str; 4] = ["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_MANIFEST_", "CARGO_PKG_"];
    NAMES.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
}

/// The target's architecture by the hub's name; none outside a build script.
pub(crate) fn target_arch(script: &mut Script) -> Option<String> {
    let arch = script.var("CARGO_CFG_TARGET_ARCH")?.into_string().ok()?;
    let little = script.var("CARGO_CFG_TARGET_ENDIAN").is_none_or(|endian| endian == "little");
    Some(arch_of_target(&arch, little).to_owned())
}

/// The hub's name of an architecture, from rustc's name.
fn arch_of_target(rustc: &str, little_endian: bool) -> &str {
    match (rustc, little_endian) {
        ("powerpc64", true) => "ppc64le",
        ("powerpc64", false) => "ppc64",
        ("mips64", true) => "mips64el",
        ("mips", true) => "mipsel",
        (other, _) => hub_arch(other).unwrap_or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    #[test]
    fn declares_what_it_reads() {
        let mut script = Script::with_env(&[("OUT_DIR", "/o"), ("BTF_DIR", "/b")]);
        assert_eq!(script.var("BTF_DIR").unwrap(), "/b");
        assert_eq!(script.var("BTF_DIR").unwrap(), "/b");
        assert_eq!(script.var("OUT_DIR").unwrap(), "/o");
        assert_eq!(script.var("CARGO_CFG_TARGET_ARCH"), None);
        assert_eq!(script.var("NONE"), None);
        assert_eq!(script.var("A\ncargo::warning=x"), None);
        assert_eq!(
            script.instructions(),
            ["cargo::rerun-if-env-changed=BTF_DIR", "cargo::rerun-if-env-changed=NONE"]
        );
    }

    #[test]
    fn reruns_for_inputs_that_exist() {
        let dir = TempDir::new();
        let out_dir = dir.path().join("out");
        let input = dir.file("input.toml", "");
        let odd = dir.file("two\nlines", "");
        let own = dir.file("out/own.bpf.o", "");
        let mut script = Script::with_env(&[("OUT_DIR", out_dir.to_str().unwrap())]);
        for path in [&input, &input, &odd, &own, &dir.path().join("none"), &PathBuf::new()] {
            script.rerun_if_changed(path);
        }
        assert_eq!(script.instructions(), [format!("cargo::rerun-if-changed={}", input.display())]);
    }

    #[test]
    fn warns_line_by_line() {
        let mut script = Script::with_env(&[]);
        script.warning("one\n\ncargo::rustc-link-arg=x\r\ntwo\n");
        assert_eq!(
            script.instructions(),
            ["cargo::warning=one", "cargo::warning=cargo::rustc-link-arg=x", "cargo::warning=two"]
        );
    }

    #[test]
    fn names_architectures_as_the_hub_does() {
        let check = |arch: &str, endian: &str, expect: &str| {
            let mut script =
                Script::with_env(&[("CARGO_CFG_TARGET_ARCH", arch), ("CARGO_CFG_TARGET_ENDIAN", endian)]);
            assert_eq!(target_arch(&mut script).unwrap(), expect);
            assert!(script.instructions().is_empty());
        };
        check("x86_64", "little", "x86_64");
        check("aarch64", "little", "arm64");
        check("powerpc64", "little", "ppc64le");
        check("powerpc64", "big", "ppc64");
        check("s390x", "big", "s390x");
        check("riscv64", "little", "riscv64");
        check("x86", "little", "x86");
        check("arm", "little", "arm");
        assert_eq!(target_arch(&mut Script::with_env(&[])), None);
    }
}
