//! The gate: a program that fails where it is required ends the build, for real kernels and objects.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use btfgen_build::{Config, Error, ErrorKind, KernelId, OnFailure, Report, Unknown};
use btfgen_core::files::read_btf;
use btfgen_core::hub::ShipsBtf;
use btfgen_core::hub::file::{HubBuilder, KernelSource};
use tempfile::TempDir;

const DEBIAN_11: &str = "debian/11/x86_64/5.10.0-32-amd64";
const DEBIAN_12: &str = "debian/12/x86_64/6.1.0-50-amd64";
const DEBIAN_13: &str = "debian/13/x86_64/6.12.94+deb13-amd64";

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(path)
}

/// A hub file of three kernels: the oldest has no BTF of its own, the next has, and of the newest that is not known.
fn hub() -> PathBuf {
    static HUB: OnceLock<TempDir> = OnceLock::new();
    let folder = HUB.get_or_init(|| {
        let mut hub = HubBuilder::new();
        let kernels = [(DEBIAN_11, ShipsBtf::No), (DEBIAN_12, ShipsBtf::Yes), (DEBIAN_13, ShipsBtf::Unknown)];
        for (name, ships_btf) in kernels {
            let id: KernelId = name.parse().unwrap();
            let btf = read_btf(&testdata(&format!("kernels/{name}.btf.tar.xz"))).unwrap();
            hub.add_btf(&KernelSource { ships_btf, ..KernelSource::new(&id, "", &btf) }).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("kernels.hub"), hub.finish(1).unwrap()).unwrap();
        folder
    });
    folder.path().join("kernels.hub")
}

struct Build {
    out_dir: TempDir,
    config: Config,
}

impl Build {
    fn new(object: &str, configure: impl FnOnce(Config) -> Config) -> Self {
        let out_dir = tempfile::tempdir().unwrap();
        let object = testdata("objects/el").join(object);
        let config = Config::new().object_file(object).hub(hub()).arch("all").out_dir(out_dir.path());
        Self { config: configure(config.cargo_metadata(false)), out_dir }
    }

    fn passes(&self) -> Report {
        self.config.generate().unwrap()
    }

    /// The error's text; nothing is written.
    fn refused(&self, kind: ErrorKind) -> String {
        let error: Error = self.config.generate().unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert_eq!(fs::read_dir(self.out_dir.path()).unwrap().count(), 0, "{error:#}: something was written");
        format!("{error:#}")
    }
}

const TRACING: &str = "the kernel's own BTF for a program of type BPF_PROG_TYPE_TRACING (since 5.4)";

/// Programs that attach by the kernel's own BTF fail where there is none.
#[test]
fn a_required_program_that_fails_ends_the_build() {
    let build = Build::new("needs_kernel_btf.o", |config| config.require(&["**"], &[]));
    let text = build.refused(ErrorKind::Require);
    let expect = format!(
        "required programs fail ([[require]]; \"btfgen report\" shows more):\n\
         needs_kernel_btf.o: on_entry, on_exit, modify_return, typed_tracepoint fail on {DEBIAN_11}\n  {TRACING}: there is none\n\
         guard what is missing with a CO-RE check, name the programs in optional, or require fewer kernels",
    );
    assert_eq!(text, expect);

    let other_kernel = |config: Config| config.require(&["debian/12/**", "debian/13/**"], &[]);
    Build::new("needs_kernel_btf.o", other_kernel).passes();
    let other_programs = |config: Config| config.require(&["**"], &["plain_*"]);
    Build::new("needs_kernel_btf.o", other_programs).passes();
}

#[test]
fn optional_programs_count_only_if_named() {
    let optional = |config: Config| config.optional("on_e*").optional("modify_return").optional("typed_*");
    let report = Build::new("needs_kernel_btf.o", |config| optional(config).require(&["**"], &[])).passes();
    assert_eq!(report.warnings(), [""; 0]);
    let named = |config| optional(config).require(&["**"], &["on_entry"]);
    let text = Build::new("needs_kernel_btf.o", named).refused(ErrorKind::Require);
    assert!(text.contains(&format!("needs_kernel_btf.o: on_entry fails on {DEBIAN_11}\n")), "{text}");
}

#[test]
fn unknown_passes_unless_denied() {
    let require = |config: Config| config.require(&["debian/13/**"], &["typed_tracepoint"]);
    Build::new("needs_kernel_btf.o", require).passes();
    let deny = |config| require(config).unknown(Unknown::Deny);
    let text = Build::new("needs_kernel_btf.o", deny).refused(ErrorKind::Require);
    assert!(
        text.contains(&format!("typed_tracepoint may fail on {DEBIAN_13}\n  {TRACING}: whether there")),
        "{text}"
    );
    // What is likely passes.
    let likely = |config: Config| config.require(&["**"], &["plain_kprobe"]).unknown(Unknown::Deny);
    Build::new("needs_kernel_btf.o", likely).passes();
}

/// What a program attaches to at run time is judged as if its section named it.
#[test]
fn targets_are_judged() {
    let target = |target| {
        move |config: Config| config.target("plain_kprobe", target).require(&["**"], &["plain_kprobe"])
    };
    Build::new("needs_kernel_btf.o", target("vfs_read")).passes();
    let text = Build::new("needs_kernel_btf.o", target("vfs_reed")).refused(ErrorKind::Require);
    assert!(text.contains("kprobe on vfs_reed: the kernel has no function vfs_reed"), "{text}");
}

#[test]
fn names_that_match_nothing_are_refused() {
    let check = |configure: &dyn Fn(Config) -> Config, expect: &str| {
        let text = Build::new("needs_kernel_btf.o", configure).refused(ErrorKind::Config);
        assert!(text.starts_with(expect), "{text}");
    };
    let nearest = "nearest of 8: on_entry, on_exit, ";
    check(
        &|config| config.require(&["**"], &["on_entri"]),
        &format!("require \"on_entri\" matches no program; {nearest}"),
    );
    check(
        &|config| config.optional("on_entri"),
        &format!("optional \"on_entri\" matches no program; {nearest}"),
    );
    check(
        &|config| config.target("on_entri", "vfs_read"),
        &format!("targets \"on_entri\" matches no program; {nearest}"),
    );
    check(
        &|config| config.require(&["debian/12/*"], &[]),
        &format!(
            "require \"debian/12/*\" matches no kernel; nearest: {DEBIAN_12}; the hub has debian/11/x86_64"
        ),
    );
    check(
        &|config| config.exclude("debian/12/**").require(&["debian/12/**"], &[]),
        &format!(
            "require \"debian/12/**\" matches only kernels that include and exclude leave out, such as {DEBIAN_12}"
        ),
    );
}

/// Warnings are of kernels for which a BTF is embedded, in one line for programs that fail alike.
#[test]
fn warns_of_programs_that_fail() {
    let warnings = Build::new("needs_kernel_btf.o", |config| config).passes().warnings();
    let expect = format!(
        "needs_kernel_btf.o: on_entry, on_exit, modify_return, typed_tracepoint fail on {DEBIAN_11}: {TRACING}"
    );
    assert_eq!(warnings, [&*expect, "\"btfgen report\" lists all programs that fail, and why"]);
    let excluded = |config: Config| config.exclude("debian/11/**").on_failure(OnFailure::Drop);
    assert_eq!(Build::new("needs_kernel_btf.o", excluded).passes().warnings(), [""; 0]);
}

/// The page is written if it is wanted, and goes if it is not.
#[cfg(feature = "html")]
#[test]
fn the_page_is_one_file_next_to_the_archive() {
    let build = Build::new("needs_kernel_btf.o", |config| config.report(btfgen_build::ReportForm::Html));
    build.passes();
    let file = build.out_dir.path().join("btfgen-report.html");
    let page = fs::read_to_string(&file).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains(DEBIAN_11), "{page}");
    let out_dir = build.out_dir.path();
    Build::new("needs_kernel_btf.o", |config| config.out_dir(out_dir)).passes();
    assert!(!file.exists());
}
