//! Fixtures: compiles `testdata/bpf` to objects and `testdata/targets` to BTF, and checks that the committed ones agree.
//!
//!     testdata/bpf/<name>.bpf.c    ->  testdata/objects/{el,eb}/<name>.o
//!     testdata/targets/<name>.c    ->  testdata/targets/{el,eb}/<name>.btf
//!
//! A target's `#if UNIT == n` parts are compiled one by one and joined without deduplication.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use oracle::elf::ObjectFile;
use oracle::raw::Btf;

use crate::shell::{self, Outcome};

/// The one release of clang whose output is committed: another one's differs. Debian 12 and 13 have it.
const CLANG: &str = "19";

/// Names of the folders and of clang's targets.
const BYTE_ORDERS: [&str; 2] = ["el", "eb"];

/// `cargo xtask fixtures` rebuilds the committed files, `cargo xtask fixtures --check` compares with them.
pub(crate) fn run(args: &[String]) -> Outcome {
    let check = match args {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("takes nothing but --check".into()),
    };
    let testdata = shell::root().join("testdata");
    let scratch = shell::root().join("target/fixtures");
    fs::create_dir_all(&scratch)?;
    let built = build(&Tools::find()?, &testdata, &scratch)?;
    let mut differ = Vec::new();
    for (path, bytes) in &built {
        let committed = testdata.join(path);
        if fs::read(&committed).is_ok_and(|old| old == *bytes) {
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
    fn compile(&self, source: &Path, byte_order: &str, defines: &[String], object: &Path) -> Outcome {
        let folder = source.parent().and_then(Path::parent).ok_or("a source without a folder")?;
        let mut clang = Command::new(&self.clang);
        clang.current_dir(folder).args(["-target", &format!("bpf{byte_order}"), "-g", "-O2", "-Qn"]);
        clang.args(["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]);
        clang.args(["-fdebug-compilation-dir=testdata", "-c"]).args(defines);
        // The source's path stays relative, since it is written into the line info.
        clang.arg(source.strip_prefix(folder)?).arg("-o").arg(object);
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
fn build(tools: &Tools, testdata: &Path, scratch: &Path) -> Outcome<BTreeMap<PathBuf, Vec<u8>>> {
    let mut built = BTreeMap::new();
    for byte_order in BYTE_ORDERS {
        for source in sources(&testdata.join("bpf"), ".bpf.c")? {
            let object = scratch.join(format!("{}.{byte_order}.o", source.name));
            tools.compile(&source.path, byte_order, &[], &object)?;
            let path = Path::new("objects").join(byte_order).join(source.name + ".o");
            built.insert(path, fs::read(object)?);
        }
        for source in sources(&testdata.join("targets"), ".c")? {
            let bytes = join_units(tools, &source, byte_order, scratch)?;
            let path = Path::new("targets").join(byte_order).join(source.name + ".btf");
            built.insert(path, bytes);
        }
    }
    Ok(built)
}

struct Source {
    name: String,
    path: PathBuf,
}

fn sources(folder: &Path, suffix: &str) -> Outcome<Vec<Source>> {
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(suffix));
        if let Some(name) = name {
            sources.push(Source { name: name.to_owned(), path: path.clone() });
        }
    }
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sources)
}

fn join_units(tools: &Tools, source: &Source, byte_order: &str, scratch: &Path) -> Outcome<Vec<u8>> {
    let text = fs::read_to_string(&source.path)?;
    let units = (1..).take_while(|unit| text.contains(&format!("#if UNIT == {unit}\n"))).count();
    let mut joined = Btf::default();
    for unit in 1..=units {
        let object = scratch.join(format!("{}.{unit}.{byte_order}.o", source.name));
        tools.compile(&source.path, byte_order, &[format!("-DUNIT={unit}")], &object)?;
        let object = ObjectFile::parse(&fs::read(object)?)?;
        joined.append(&Btf::parse(&object.btf)?);
    }
    if joined.is_empty() {
        return Err(format!("{}: no `#if UNIT == 1`", source.path.display()).into());
    }
    Ok(joined.to_bytes(byte_order == "eb"))
}
