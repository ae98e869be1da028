//! Self-tests: the kernel's own CO-RE cases, downloaded in Debian's `linux-source-*` package and never committed.
//!
//! ```text
//! progs/test_core_reloc_*.c, progs/btf__core_reloc_*.c  ->  {el,eb}/*.o
//! the table in prog_tests/core_reloc.c                  ->  the object and target of each case, and whether it must fail
//! ```
//!
//! The example `selftests` of the package `oracle` judges them.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::files;
use crate::shell::{self, Outcome, cargo};

/// The files to extract from the kernel's sources.
const WANTED: [&str; 7] = [
    "*/tools/testing/selftests/bpf/progs/*core_reloc*",
    "*/tools/testing/selftests/bpf/progs/bpf_misc.h",
    "*/tools/testing/selftests/bpf/prog_tests/core_reloc.c",
    "*/tools/testing/selftests/bpf/*testmod*/*.h",
    "*/tools/testing/selftests/bpf/test_kmods/*.h",
    "*/tools/lib/bpf/*.h",
    "*/tools/include/uapi",
];

/// The folder of the BPF self-tests in the kernel's sources.
const TESTS: &str = "tools/testing/selftests/bpf";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Folder for the sources and objects [default: target/selftests]
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Sources of a kernel to use; nothing is downloaded then
    #[arg(long, value_name = "FOLDER")]
    source: Option<PathBuf>,
}

/// Runs `cargo xtask selftests`.
pub(crate) fn run(options: &Options) -> Outcome {
    let cache = options.cache.clone().unwrap_or_else(|| shell::root().join("target/selftests"));
    let cache = std::path::absolute(cache)?;
    let source = match &options.source {
        Some(source) => std::path::absolute(source)?,
        None => fetch(&cache)?,
    };
    let tests = source.join(TESTS);
    let table = fs::read_to_string(tests.join("prog_tests/core_reloc.c"))
        .map_err(|error| format!("{} holds no prog_tests/core_reloc.c: {error}", tests.display()))?;
    let clang = clang()?;
    let cases = cases(&expand(&clang, &table)?);
    if cases.len() < 50 {
        return Err(format!("only {} cases in prog_tests/core_reloc.c", cases.len()).into());
    }
    let list = compile_all(&clang, &source, &cache, &cases)?;
    let path = cache.join("cases");
    fs::write(&path, list)?;
    shell::run(
        cargo().args(["run", "--quiet", "--package", "oracle", "--example", "selftests", "--"]).arg(path),
    )
}

/// The unpacked sources of the newest kernel in apt's index, downloaded unless they are cached.
fn fetch(cache: &Path) -> Outcome<PathBuf> {
    let names = shell::read(Command::new("apt-cache").args(["pkgnames", "linux-source-"]))?;
    let name = newest(&names)
        .ok_or("apt knows no package linux-source-*: add Debian's sources, or pass --source")?;
    let folder = cache.join(name);
    if folder.join(TESTS).is_dir() {
        return Ok(folder);
    }
    let packages = folder.join("package");
    fs::create_dir_all(&packages)?;
    // If the user is not root, apt warns about its sandbox and continues.
    shell::run(Command::new("apt-get").args(["download", "--quiet", name]).current_dir(&packages))?;
    let mut files = fs::read_dir(&packages)?;
    let package = files.next().ok_or("apt-get downloaded nothing")??.path();
    unpack(&package, &folder)?;
    fs::remove_dir_all(packages)?;
    Ok(folder)
}

/// The name with the highest version, among those of plain sources.
fn newest(names: &str) -> Option<&str> {
    let version = |name: &str| -> Option<Vec<u32>> {
        let numbers = name.strip_prefix("linux-source-")?.split('.').map(|part| part.parse().ok());
        numbers.collect()
    };
    names.lines().filter(|name| version(name).is_some()).max_by_key(|name| version(name))
}

/// Streams the tarball out of the package, and the wanted files out of the tarball.
fn unpack(package: &Path, folder: &Path) -> Outcome {
    let piped = |command: &mut Command| command.stdout(Stdio::piped()).spawn();
    let mut members = piped(Command::new("dpkg-deb").arg("--fsys-tarfile").arg(package))?;
    let mut tarball = Command::new("tar");
    tarball.args(["-xO", "--wildcards", "./usr/src/linux-source-*.tar.xz"]);
    let mut tarball = piped(tarball.stdin(members.stdout.take().ok_or("no pipe")?))?;
    let mut files = Command::new("tar");
    files.args(["-xJ", "--no-same-owner", "--strip-components=1", "--wildcards", "-C"]).arg(folder);
    // A pattern without a match belongs to another kernel's layout; missing files are reported later.
    files.args(WANTED).stderr(Stdio::null());
    let status = files.stdin(tarball.stdout.take().ok_or("no pipe")?).status()?;
    members.wait()?;
    tarball.wait()?;
    if folder.join(TESTS).is_dir() {
        Ok(())
    } else {
        Err(format!("{}: tar: {status}", package.display()).into())
    }
}

/// The newest installed clang: `TYPE_MATCHES` and 64-bit enumerators need 15.
fn clang() -> Outcome<String> {
    let names = (15..=30).rev().map(|version| format!("clang-{version}")).chain(["clang".to_owned()]);
    Ok(names.into_iter().find(|name| shell::on_path(name)).ok_or("needs clang: apt-get install clang-19")?)
}

/// The table of cases without macros.
fn expand(clang: &str, table: &str) -> Outcome<String> {
    let text: String = table
        .lines()
        .filter(|line| !line.starts_with("#include"))
        .fold(String::new(), |all, line| all + line + "\n");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("core_reloc.c");
    fs::write(&file, text)?;
    shell::read(Command::new(clang).args(["-E", "-P", "-x", "c"]).arg(&file))
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Case {
    name: String,
    /// Source of the programs, without extension.
    object: String,
    /// Source of the types, without extension; none for a kernel.
    target: Option<String>,
    program: String,
    fails: bool,
}

/// Reads the designated initializers of `test_cases`.
fn cases(expanded: &str) -> Vec<Case> {
    let table = expanded.split_once("test_cases[] =").map_or("", |(_, table)| table);
    let table = table.split_once("};").map_or(table, |(table, _)| table);
    let mut cases = Vec::new();
    for entry in table.split(".case_name =").skip(1) {
        let entry = format!(".case_name ={entry}");
        let text = |field: &str| literal(entry.split_once(&format!(".{field} ="))?.1);
        let source = |name: String| name.trim_end_matches(".o").trim_end_matches(".bpf").to_owned();
        let (Some(name), Some(object)) = (text("case_name"), text("bpf_obj_file")) else { continue };
        cases.push(Case {
            name,
            object: source(object),
            target: text("btf_src_file").map(source),
            program: text("prog_name").unwrap_or_default(),
            fails: entry.contains(".fails = true"),
        });
    }
    cases
}

/// The string literals at the start of a text, joined as in C.
fn literal(text: &str) -> Option<String> {
    let mut rest = text.trim_start();
    let mut joined = None;
    while let Some((part, after)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
        joined.get_or_insert_with(String::new).push_str(part);
        rest = after.trim_start();
    }
    joined
}

/// Compiles the cases' sources in both byte orders, and returns the list for the judge.
fn compile_all(clang: &str, source: &Path, cache: &Path, cases: &[Case]) -> Outcome<String> {
    let include = cache.join("include");
    fs::create_dir_all(&include)?;
    fs::copy(helper_defs()?, include.join("bpf_helper_defs.h"))?;
    let has_kernel = kernel_header(&include.join("vmlinux.h"));
    let mut list = String::new();
    for order in ["el", "eb"] {
        let folder = cache.join(order);
        files::empty_folder(&folder)?;
        for case in cases {
            let object = object(clang, source, &include, &folder, &case.object);
            let target =
                case.target.as_ref().map(|name| self::object(clang, source, &include, &folder, name));
            let (object, target) = match (object, target.transpose()) {
                (Ok(object), Ok(target)) => (object, target),
                // The module's program names types of the running kernel.
                (Err(_), _) if case.target.is_none() && !has_kernel => {
                    eprintln!("selftests: skipped {}: it needs bpftool and {KERNEL}", case.name);
                    continue;
                }
                (Err(error), _) | (_, Err(error)) => return Err(error),
            };
            let target = target.map_or("-".to_owned(), |target| target.display().to_string());
            let end = if case.fails { "fails" } else { "loads" };
            let fields =
                [&format!("{order} {}", case.name), &object.display().to_string(), &target, &case.program];
            list += &format!("{}\t{end}\n", fields.map(String::as_str).join("\t"));
        }
    }
    Ok(list)
}

const KERNEL: &str = "/sys/kernel/btf/vmlinux";

/// Writes the running kernel's types as C, if possible.
fn kernel_header(path: &Path) -> bool {
    let output = Command::new(shell::bpftool()).args(["btf", "dump", "file", KERNEL, "format", "c"]).output();
    output.is_ok_and(|output| output.status.success() && fs::write(path, output.stdout).is_ok())
}

/// The generated declarations of helpers in the libbpf that judges.
fn helper_defs() -> Outcome<PathBuf> {
    let metadata = shell::read(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let libbpf = packages.iter().find(|package| package["name"] == "libbpf-sys");
    let manifest =
        libbpf.and_then(|package| package["manifest_path"].as_str()).ok_or("no package libbpf-sys")?;
    Ok(Path::new(manifest).with_file_name("libbpf").join("src/bpf_helper_defs.h"))
}

/// Compiles a source, unless another case did, and returns the object's path.
fn object(clang: &str, source: &Path, include: &Path, folder: &Path, name: &str) -> Outcome<PathBuf> {
    let object = folder.join(format!("{name}.o"));
    if object.exists() {
        return Ok(object);
    }
    let tests = source.join(TESTS);
    let order = folder.file_name().unwrap_or(OsStr::new("el"));
    let mut command = Command::new(clang);
    command.arg("-target").arg(format!("bpf{}", order.display()));
    command.args(["-g", "-O2", "-mcpu=v3", "-w", "-ffreestanding", "-D__TARGET_ARCH_x86"]);
    for folder in
        [include, &tests, &tests.join("progs"), &source.join("tools/include/uapi"), &source.join("tools/lib")]
    {
        command.arg("-I").arg(folder);
    }
    let system = format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    command.args(["-idirafter", &system, "-idirafter", "/usr/include"]);
    command.arg("-c").arg(tests.join("progs").join(format!("{name}.c"))).arg("-o").arg(&object);
    shell::read(&mut command)?;
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_package_is_taken() {
        let check = |names: &str, expect| assert_eq!(newest(names), expect, "{names}");
        check("linux-source-6.1\nlinux-source-6.12\nlinux-source-6.9\n", Some("linux-source-6.12"));
        check("linux-source-6.1-rt\nlinux-source\n", None);
        check("linux-source-5.10\nlinux-source-6.1-dbg\nlinux-source-4.19\n", Some("linux-source-5.10"));
        check("", None);
    }

    #[test]
    fn the_table_is_read() {
        let text = r#"int x; static const struct core_reloc_test_case test_cases[] = {
            { .case_name = "kernel", .bpf_obj_file = "test_core_reloc_kernel.bpf.o", .btf_src_file = ((void *)0),
              .output = (const char *)&(struct s) { .a = { 1 } }, .prog_name = "p", },
            { .case_name = "probed:" "a", .bpf_obj_file = "b.bpf.o", .btf_src_file = "btf__" "a" ".bpf.o",
              .fails = true, .prog_name = "q" },
        }; int y;"#;
        let kernel = Case {
            name: "kernel".to_owned(),
            object: "test_core_reloc_kernel".to_owned(),
            target: None,
            program: "p".to_owned(),
            fails: false,
        };
        let other = Case {
            name: "probed:a".to_owned(),
            object: "b".to_owned(),
            target: Some("btf__a".to_owned()),
            program: "q".to_owned(),
            fails: true,
        };
        assert_eq!(cases(text), [kernel, other]);
        assert_eq!(cases(""), []);
    }
}
