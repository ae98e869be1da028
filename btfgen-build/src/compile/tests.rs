//! Tests of compiling, with the installed clang and with programs that imitate it.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::ErrorKind;
use crate::testing::TempDir;

const SOURCE: &str = "#include \"kernel.h\"\n\
    __attribute__((section(\"raw_tp\"))) int prog(struct task *task) { return task->pid; }\n\
    char LICENSE[] __attribute__((section(\"license\"))) = \"GPL\";\n";

const HEADER: &str = "struct task { int pid; } __attribute__((preserve_access_index));\n";

/// A package with one source, whose header is in `include`.
fn package() -> TempDir {
    let dir = TempDir::new();
    dir.file("src/bpf/one.bpf.c", SOURCE);
    dir.file("include/kernel.h", HEADER);
    dir
}

fn env(dir: &TempDir, more: &[(&str, &str)]) -> Script {
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (base, out_dir) = (path(""), path("out"));
    let base = base.trim_end_matches('/');
    let mut pairs =
        vec![("CARGO_MANIFEST_DIR", base), ("OUT_DIR", &*out_dir), ("CARGO_CFG_TARGET_ARCH", "x86_64")];
    pairs.extend(more);
    Script::with_env(&pairs)
}

fn program(dir: &TempDir, name: &str, script: &str) -> PathBuf {
    let path = dir.file(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn has_clang() -> bool {
    let installed = Command::new("clang").arg("--version").output().is_ok();
    if !installed {
        eprintln!("skipped: clang is not installed");
    }
    installed
}

#[test]
fn compiles_and_tells_cargo() {
    if !has_clang() {
        return;
    }
    let dir = package();
    let compile = Compile::new().include("include").flag("-Wall");
    let mut script = env(&dir, &[("BPF_CFLAGS", " -DX=1 -Werror ")]);
    let objects = compile.run(&mut script).unwrap();
    assert_eq!(objects, [dir.path().join("out/one.bpf.o")]);
    let bytes = std::fs::read(&objects[0]).unwrap();
    assert!(bytes.starts_with(b"\x7fELF\x02\x01"));
    for section in [".BTF\0", ".BTF.ext\0", "raw_tp\0"] {
        assert!(bytes.windows(section.len()).any(|window| window == section.as_bytes()), "{section}");
    }
    // Line info has the source's relative path, not the package's.
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("./src/bpf/one.bpf.c") && text.contains("return task->pid;"));
    assert!(!text.contains(dir.path().to_str().unwrap()));

    let changed = |path: &str| format!("cargo::rerun-if-changed={}", dir.path().join(path).display());
    for line in [changed("src/bpf"), changed("src/bpf/one.bpf.c"), changed("include/kernel.h")] {
        assert!(script.instructions().contains(&line), "{line} in {:?}", script.instructions());
    }
    assert!(script.instructions().contains(&"cargo::rerun-if-env-changed=BPF_CLANG".to_owned()));

    let written = std::fs::metadata(&objects[0]).unwrap().modified().unwrap();
    compile.run(&mut env(&dir, &[])).unwrap();
    assert_eq!(std::fs::metadata(&objects[0]).unwrap().modified().unwrap(), written);
    assert_eq!(btfgen_core::files::read_dir(&dir.path().join("out")).unwrap(), ["one.bpf.o", "one.bpf.o.d"]);
}

/// In another folder than `OUT_DIR`, a Makefile may have written an object of such a name, so nothing is removed.
#[test]
fn an_output_folder_starts_from_the_package() {
    if !has_clang() {
        return;
    }
    let dir = package();
    let (other, _) =
        (dir.file("objects/other.bpf.o", ""), dir.file("objects/other.bpf.o.d", "other.bpf.o: gone.c\n"));
    let objects = Compile::new().include("include").out_dir("objects").run(&mut env(&dir, &[])).unwrap();
    assert_eq!(objects, [dir.path().join("objects/one.bpf.o")]);
    assert!(objects[0].exists() && other.exists());
}

#[test]
fn removes_objects_whose_source_is_gone() {
    if !has_clang() {
        return;
    }
    let dir = package();
    let renamed = dir.file("src/bpf/two.bpf.c", SOURCE);
    let unrelated = dir.file("out/other.bpf.o", "not from here");
    let compile = Compile::new().include("include");
    let run = |compile: &Compile| compile.run(&mut env(&dir, &[])).map(|objects| objects.len()).unwrap();
    assert_eq!(run(&compile), 2);
    // A further call for other sources keeps the objects of the first.
    assert_eq!(run(&compile.clone().source("src/bpf/one.bpf.c")), 1);
    assert!(dir.path().join("out/two.bpf.o").exists());

    std::fs::remove_file(renamed).unwrap();
    assert_eq!(run(&compile), 1);
    assert!(!dir.path().join("out/two.bpf.o").exists());
    assert!(unrelated.exists());
}

#[test]
fn compiles_for_the_target_s_byte_order() {
    if !has_clang() {
        return;
    }
    let dir = package();
    let target = [("CARGO_CFG_TARGET_ARCH", "s390x"), ("CARGO_CFG_TARGET_ENDIAN", "big")];
    let objects = Compile::new().include("include").strip(false).run(&mut env(&dir, &target)).unwrap();
    let bytes = std::fs::read(&objects[0]).unwrap();
    assert!(bytes.starts_with(b"\x7fELF\x02\x02"));
}

#[test]
fn shows_what_clang_says() {
    if !has_clang() {
        return;
    }
    let dir = package();
    let error = Compile::new().run(&mut env(&dir, &[])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compile);
    let text = format!("{error:#}");
    assert!(text.starts_with("clang failed on ") && text.contains("one.bpf.c: exit status: 1"), "{text}");
    assert!(text.contains("'kernel.h' file not found"), "{text}");
    assert!(!text.contains("libbpf's headers"), "{text}");
    assert!(!dir.path().join("out/one.bpf.o").exists());

    dir.file("src/bpf/one.bpf.c", "#include <bpf/no_such_header.h>\n");
    let text = Compile::new().run(&mut env(&dir, &[])).unwrap_err().to_string();
    assert!(text.ends_with(HOW_TO_GET_HEADERS), "{text}");

    dir.file("src/bpf/one.bpf.c", format!("{SOURCE}static int idle;\n"));
    let mut script = env(&dir, &[]);
    Compile::new().include("include").flag("-Wunused").run(&mut script).unwrap();
    let warns =
        |line: &String| line.starts_with("cargo::warning=") && line.contains("unused variable 'idle'");
    assert!(script.instructions().iter().any(warns), "{:?}", script.instructions());
}

#[test]
fn refuses_what_is_no_clang() {
    let dir = package();
    let check = |clang: &Path, expect: &str| {
        let clang = clang.to_str().unwrap();
        let error = Compile::new().run(&mut env(&dir, &[("BPF_CLANG", clang)])).unwrap_err();
        let text = format!("{error:#}").replace(dir.path().to_str().unwrap(), "BASE");
        assert!(text.contains(expect), "{text}");
        text
    };
    let none = check(
        &dir.path().join("none"),
        "no clang found (tried BASE/none); get it with `apt-get install clang",
    );
    for manager in ["dnf install", "apk add", "brew install", "BPF_CLANG"] {
        assert!(none.contains(manager), "{none}");
    }
    let other = program(&dir, "other", "echo 'tcc version 0.9'");
    check(&other, "BASE/other is not clang; get it with");
    let apple = "case \"$*\" in *--version*) echo 'clang version 14';; *-E*) echo '#pragma clang';; \
         *) echo \"error: unable to create target: 'No available targets are compatible with triple'\" >&2; \
         exit 1;; esac";
    check(&program(&dir, "clang", apple), "BASE/clang has no BPF target; get it with");
}

#[test]
fn refuses_without_sources() {
    let dir = TempDir::new();
    let error = Compile::new().run(&mut env(&dir, &[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("\"src/bpf/*.bpf.c\" matches no file in {}/src/bpf{SOURCES_HINT}", dir.path().display())
    );
    let error = Compile::new().run(&mut Script::with_env(&[])).unwrap_err();
    assert!(error.to_string().starts_with("no output folder"), "{error}");
}

#[test]
fn names_objects() {
    let check = |sources: &[&str], expect: Result<&[&str], &str>| {
        let sources: Vec<PathBuf> = sources.iter().map(PathBuf::from).collect();
        let got = object_names(&sources).map_err(|error| error.to_string());
        assert_eq!(
            got,
            expect.map(|names| names.iter().map(|&n| n.to_owned()).collect()).map_err(str::to_owned)
        );
    };
    check(&["s/a.bpf.c", "s/b.c"], Ok(&["a.bpf.o", "b.bpf.o"]));
    check(&["s/a.bpf.c", "t/a.bpf.c"], Err("s/a.bpf.c and t/a.bpf.c would both become a.bpf.o"));
    check(&["s/a.bpf.c", "s/a.c"], Err("s/a.bpf.c and s/a.c would both become a.bpf.o"));
}
