//! Embed: builds small programs that embed archives in every place, and checks which archive each one gets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Embeds the name of its package as the archive.
const BUILD_SCRIPT: &str = r#"
fn main() {
    let archive = std::env::var("OUT_DIR").unwrap() + "/btfgen.archive";
    std::fs::write(&archive, std::env::var("CARGO_PKG_NAME").unwrap()).unwrap();
    println!("cargo::rustc-env=BTFGEN_ARCHIVE={archive}");
    println!("cargo::rerun-if-changed=build.rs");
}
"#;

/// A library with an archive of its own, which also reads the program's. Its unit tests are a program.
const FIRST: &str = r#"
btfgen_runtime::embed!(
    /// The archive of this library.
    pub static BTF
);
pub fn program() -> &'static [u8] { btfgen_runtime::embedded_archive() }
pub fn search() -> bool { btfgen_runtime::btf_for_host().is_ok() }

#[cfg(test)]
mod tests {
    btfgen_runtime::embed!();
    #[test]
    fn library_test() {
        assert_eq!((crate::BTF, crate::program()), (&b"first"[..], &b"first"[..]));
    }
}
"#;

/// Another library, whose archive is in a submodule.
const SECOND: &str = r#"
pub mod bpf {
    btfgen_runtime::embed!(pub static BTF);
    pub fn program() -> &'static [u8] { btfgen_runtime::embedded_archive() }
}
"#;

/// The library of a package that also has a binary.
const AGENT_LIBRARY: &str = r#"
btfgen_runtime::embed!(pub(crate) static BTF);
pub fn check(program: &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    assert_eq!(text(btfgen_runtime::embedded_archive()), program);
    assert_eq!(text(first::program()), program);
    assert_eq!(text(second::bpf::program()), program);
    assert_eq!(text(first::BTF), "first");
    assert_eq!(text(second::bpf::BTF), "second");
    assert_eq!(text(BTF), "agent");
}
"#;

/// A program that embeds in a submodule, and its unit test.
const AGENT: &str = r#"
#![forbid(unsafe_code)]
mod bpf { btfgen_runtime::embed!(); }
fn main() { agent::check("agent"); }
#[test]
fn binary_test() { agent::check("agent"); }
"#;

/// An integration test.
const AGENT_TEST: &str = r#"
btfgen_runtime::embed!();
btfgen_runtime::embed!(static BTF);
#[test]
fn integration_test() {
    agent::check("agent");
    assert_eq!(BTF, b"agent");
}
"#;

/// A program with archives of libraries only.
const STATICS: &str = r#"
fn main() {
    assert_eq!((first::BTF, second::bpf::BTF), (&b"first"[..], &b"second"[..]));
    assert!(btfgen_runtime::Finder::new().archive(first::BTF).root("/nowhere").find().is_err());
}
"#;

/// A program whose own archive differs from those of its libraries.
const OTHER: &str = r#"
use btfgen_runtime::embed;
embed!();
fn main() { agent::check("other"); }
"#;

const IN_LIBRARY: &str = "mod bpf { btfgen_runtime::embed!(); }";
const TWICE: &str = "mod a { btfgen_runtime::embed!(); } mod b { btfgen_runtime::embed!(); } fn main() {}";
const NO_ARCHIVE: &str = "btfgen_runtime::embed!(); fn main() {}";
const MISSING: &str = "fn main() { println!(\"{}\", first::search()); }";

/// A workspace of small programs in the target folder, where builds of earlier runs are reused.
struct Workspace(PathBuf);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join("embed"));
        // The locked versions of the dependencies are on this machine.
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        fs::create_dir_all(&workspace.0).expect("a folder");
        fs::copy(repository.join("Cargo.lock"), workspace.0.join("Cargo.lock")).expect("the locked versions");
        workspace.file(
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"packages/*\"]\n\
             [profile.dev.package.\"*\"]\ncodegen-units = 16\n[profile.release.package.\"*\"]\ncodegen-units = 16\n",
        );
        workspace.package("first", &[], &[("src/lib.rs", FIRST)]);
        workspace.package("second", &[], &[("src/lib.rs", SECOND)]);
        let agent = [
            ("src/lib.rs", AGENT_LIBRARY),
            ("src/main.rs", AGENT),
            ("tests/integration.rs", AGENT_TEST),
            ("examples/example.rs", AGENT),
        ];
        workspace.package("agent", &["first", "second"], &agent);
        workspace.package("other", &["agent"], &[("src/main.rs", OTHER)]);
        workspace.package("statics", &["first", "second"], &[("src/main.rs", STATICS)]);
        workspace.package("in-library", &[], &[("src/lib.rs", IN_LIBRARY)]);
        workspace.package("twice", &[], &[("src/main.rs", TWICE)]);
        workspace.package("missing", &["first"], &[("src/main.rs", MISSING)]);
        workspace.package("no-archive", &[], &[("src/main.rs", NO_ARCHIVE)]);
        workspace.file("packages/no-archive/build.rs", "fn main() {}");
        workspace
    }

    fn package(&self, name: &str, dependencies: &[&str], files: &[(&str, &str)]) {
        let runtime = env!("CARGO_MANIFEST_DIR");
        let mut manifest = format!(
            "[package]\nname = {name:?}\nedition = \"2024\"\n[dependencies]\nbtfgen-runtime = {{ path = {runtime:?} }}\n"
        );
        for dependency in dependencies {
            manifest += &format!("{dependency} = {{ path = \"../{dependency}\" }}\n");
        }
        self.file(&format!("packages/{name}/Cargo.toml"), &manifest);
        self.file(&format!("packages/{name}/build.rs"), BUILD_SCRIPT);
        for (path, text) in files {
            self.file(&format!("packages/{name}/{path}"), text);
        }
    }

    /// Writes a file unless it has this content, so that cargo does not rebuild it.
    fn file(&self, path: &str, content: &str) {
        let path = self.0.join(path);
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            return;
        }
        fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    /// Runs `cargo` with debug or release profile and this number of codegen units for the programs.
    fn cargo(&self, args: &[&str], profile: &str, codegen_units: &str) -> Output {
        let variable = |name| format!("CARGO_PROFILE_{}_{name}", profile.to_uppercase());
        let profile = format!("--profile={profile}");
        Command::new(env!("CARGO"))
            .args(args)
            .args(["--offline", &profile, "--target-dir", "target"])
            .env(variable("CODEGEN_UNITS"), codegen_units)
            .env_remove("CARGO_BIN_NAME")
            .current_dir(&self.0)
            .output()
            .expect("cargo runs")
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_program_gets_its_own_archive_and_never_a_library_s() {
    let workspace = Workspace::new();
    let succeeds = |args: &[&str], profile: &str, codegen_units: &str| {
        let output = workspace.cargo(args, profile, codegen_units);
        assert!(output.status.success(), "{args:?} {profile} {codegen_units}: {}", stderr(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let fails = |package: &str, profile: &str, codegen_units: &str, message: &str| {
        let output = workspace.cargo(&["build", "--package", package], profile, codegen_units);
        let text = stderr(&output);
        assert!(!output.status.success(), "{package} {profile} {codegen_units} was built");
        assert!(text.contains(message), "{package} {profile} {codegen_units}: {text}");
    };
    for (profile, codegen_units) in [("dev", "1"), ("dev", "16"), ("release", "1"), ("release", "16")] {
        for package in ["agent", "other", "statics"] {
            succeeds(&["run", "--package", package], profile, codegen_units);
        }
        succeeds(&["run", "--package", "agent", "--example", "example"], profile, codegen_units);
        fails("twice", profile, codegen_units, "symbol `BTFGEN_EMBED_IS_MISSING` is already defined");
        fails("missing", profile, codegen_units, "BTFGEN_EMBED_IS_MISSING");
    }
    fails("no-archive", "dev", "16", "needs a build script that calls btfgen_build::generate()");
    fails("in-library", "dev", "16", "write `btfgen_runtime::embed!(pub static BTF);`");

    let args =
        ["test", "--package", "first", "--package", "agent", "--lib", "--bins", "--tests", "--examples"];
    let tests = succeeds(&args, "dev", "16");
    for name in ["library_test", "binary_test", "integration_test"] {
        assert!(tests.contains(&format!("{name} ... ok")), "{name}: {tests}");
    }
}
