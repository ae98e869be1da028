//! Fixtures: compiles `testdata/bpf` to objects and `testdata/targets` to BTF, and checks that the committed ones agree.
//!
//! ```text
//! testdata/bpf/<name>.bpf.c    ->  testdata/objects/{el,eb}/<name>.o
//! testdata/targets/<name>.c    ->  testdata/targets/{el,eb}/<name>.btf
//! a kernel of testdata         ->  testdata/objects/{agent,tracer}.o.zst, as large as a security agent's
//! ```
//!
//! A target's `#if UNIT == n` parts are compiled one by one and joined without deduplication.

mod generate;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ::oracle::elf::ObjectFile;
use ::oracle::raw::Btf;

use crate::shell::{self, Outcome};

/// The one release of clang whose output is committed: another one's differs. Debian 12 and 13 have it.
const CLANG: &str = "19";

/// Names of the folders and of clang's targets.
const BYTE_ORDERS: [&str; 2] = ["el", "eb"];

/// The kernel, of those of the test suites, whose types generated programs read.
const KERNEL: &str = "testdata/kernels/debian/12/x86_64/6.1.0-50-amd64.btf.tar.xz";

/// Number of small tools that `--tools` writes.
const TOOLS: u64 = 50;

/// `cargo xtask fixtures` rebuilds the committed files, `--check` compares with them, and `--tools <FOLDER>` writes the
/// objects of fifty small generated tools.
pub(crate) fn run(args: &[String]) -> Outcome {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        [flag, folder] if flag == "--tools" => return tools(Path::new(folder)),
        _ => return Err("takes --check or --tools <FOLDER>".into()),
    };
    let testdata = shell::root().join("testdata");
    let scratch = shell::root().join("target/fixtures");
    fs::create_dir_all(&scratch)?;
    let tools = Tools::find()?;
    let mut built = build(&tools, &scratch)?;
    for (name, shape) in [("agent", &generate::AGENT), ("tracer", &generate::TRACER)] {
        let object = generated(&tools, shape, name)?;
        built.insert(format!("objects/{name}.o.zst").into(), zstd::encode_all(&object[..], 19)?);
    }
    let mut differ = Vec::new();
    for (path, bytes) in &built {
        let committed = testdata.join(path);
        if fs::read(&committed).is_ok_and(|old| same(path, &old, bytes)) {
            continue;
        }
        differ.push(path.display().to_string());
        if !check {
            fs::create_dir_all(committed.parent().unwrap_or(&testdata))?;
            fs::write(&committed, bytes)?;
        }
    }
    match (check, differ.is_empty()) {
        (_, true) => eprintln!("fixtures: all {} agree with what is committed", built.len()),
        (false, false) => eprintln!("fixtures: wrote {}", differ.join(", ")),
        (true, false) => return Err(format!("not as committed: {}", differ.join(", ")).into()),
    }
    Ok(())
}

/// Packed files are compared by content: another release of zstd packs otherwise.
fn same(path: &Path, old: &[u8], new: &[u8]) -> bool {
    old == new
        || path.extension().is_some_and(|extension| extension == "zst")
            && zstd::decode_all(old).is_ok_and(|old| zstd::decode_all(new).is_ok_and(|new| old == new))
}

/// Writes the objects of fifty small generated tools.
pub(crate) fn tools(folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    let tools = Tools::find()?;
    for number in 1..=TOOLS {
        let object = generated(&tools, &generate::tool(number), &format!("tool-{number:02}"))?;
        fs::write(folder.join(format!("tool-{number:02}.o")), object)?;
    }
    eprintln!("fixtures: wrote {TOOLS} tools to {}", folder.display());
    Ok(())
}

/// Generates a program's source from the kernel and compiles it.
fn generated(tools: &Tools, shape: &generate::Shape, name: &str) -> Outcome<Vec<u8>> {
    let btf = btfgen_core::files::read_btf(&shell::root().join(KERNEL))?;
    let text = generate::source(&btfgen_core::btf::Btf::parse(&btf)?, shape)?;
    let folder = shell::root().join("target/fixtures/generated");
    fs::create_dir_all(&folder)?;
    let (source, object) = (folder.join(format!("{name}.bpf.c")), folder.join(format!("{name}.o")));
    fs::write(&source, text)?;
    tools.compile(
        &folder,
        Path::new(&format!("{name}.bpf.c")),
        "el",
        &["-I../../../testdata/bpf".into()],
        &object,
    )?;
    Ok(fs::read(object)?)
}

struct Tools {
    clang: PathBuf,
    strip: PathBuf,
}

impl Tools {
    fn find() -> Outcome<Self> {
        let find = |name: &str| {
            let suffixed = format!("{name}-{CLANG}");
            let program = if shell::on_path(&suffixed) { suffixed } else { name.to_owned() };
            let version = shell::read(Command::new(&program).arg("--version")).unwrap_or_default();
            if version.contains(&format!("version {CLANG}.")) {
                return Ok(PathBuf::from(program));
            }
            Err(format!("needs {name} {CLANG} (on Debian: apt-get install clang-{CLANG} llvm-{CLANG})"))
        };
        Ok(Self { clang: find("clang")?, strip: find("llvm-strip")? })
    }

    /// Compiles for eBPF with BTF and without DWARF; nothing of this machine gets into the object.
    fn compile(
        &self,
        folder: &Path,
        source: &Path,
        byte_order: &str,
        flags: &[String],
        object: &Path,
    ) -> Outcome {
        let mut clang = Command::new(&self.clang);
        clang.current_dir(folder).args(["-target", &format!("bpf{byte_order}"), "-g", "-O2", "-Qn"]);
        clang.args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]);
        // Line info names the source by this folder and the path below.
        clang.args(["-fdebug-compilation-dir=.", "-c"]).args(flags).arg(source).arg("-o").arg(object);
        quietly(&mut clang)?;
        quietly(Command::new(&self.strip).arg("-g").arg(object))
    }
}

fn quietly(command: &mut Command) -> Outcome {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let program = command.get_program().display();
    Err(format!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// All fixtures by their path in `testdata`.
fn build(tools: &Tools, scratch: &Path) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
    let mut built = BTreeMap::new();
    for byte_order in BYTE_ORDERS {
        for source in sources("testdata/bpf", ".bpf.c")? {
            let object = scratch.join(format!("{}.{byte_order}.o", source.name));
            tools.compile(&shell::root(), &source.path, byte_order, &[], &object)?;
            let path = Path::new("objects").join(byte_order).join(source.name + ".o");
            built.insert(path, fs::read(object)?);
        }
        for source in sources("testdata/targets", ".c")? {
            let bytes = join_units(tools, &source, byte_order, scratch)?;
            let path = Path::new("targets").join(byte_order).join(source.name + ".btf");
            built.insert(path, bytes);
        }
    }
    Ok(built)
}

struct Source {
    name: String,
    /// From the workspace's root, as line info shows it.
    path: PathBuf,
}

fn sources(folder: &str, suffix: &str) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(shell::root().join(folder))? {
        let file = entry?.file_name();
        if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(suffix)) {
            sources.push(Source { name: name.to_owned(), path: Path::new(folder).join(&file) });
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}

fn join_units(tools: &Tools, source: &Source, byte_order: &str, scratch: &Path) -> Outcome<Vec<u8>> {
    let text = fs::read_to_string(shell::root().join(&source.path))?;
    let units = (1..).take_while(|unit| text.contains(&format!("#if UNIT == {unit}\n"))).count();
    let mut joined = Btf::default();
    for unit in 1..=units {
        let object = scratch.join(format!("{}.{unit}.{byte_order}.o", source.name));
        let flags = [format!("-DUNIT={unit}")];
        tools.compile(&shell::root(), &source.path, byte_order, &flags, &object)?;
        let object = ObjectFile::parse(&fs::read(object)?)?;
        joined.append(&Btf::parse(&object.btf)?);
    }
    if joined.is_empty() {
        return Err(format!("{}: no `#if UNIT == 1`", source.path.display()).into());
    }
    Ok(joined.to_bytes(byte_order == "eb"))
}
