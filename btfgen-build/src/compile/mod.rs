//! Compile: C sources to objects, with clang for the BPF target. Build scripts may call it before generating.

mod depfile;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use btfgen_core::files;

use crate::cargo::Script;
use crate::config::{ConfigError, paths};
use crate::error::{Cause, Error, ErrorKind};

/// Compiles `src/bpf/*.bpf.c` to `$OUT_DIR/*.bpf.o` and returns the objects' paths, sorted.
///
/// This is `Compile::new().compile()`; see [`Compile`] for what can be set.
///
/// # Errors
/// When there is no source, no clang, or clang fails on a source; the error then has clang's output.
///
/// ```no_run
/// btfgen_build::compile().unwrap_or_else(|error| error.exit());
/// ```
pub fn compile() -> Result<Vec<PathBuf>, Error> {
    Compile::new().compile()
}

/// How to compile eBPF sources.
///
/// Each source is compiled with `-g -O2` for `bpfel` or `bpfeb`, by the byte order of cargo's target. The macro of the
/// target's architecture is defined, such as `__TARGET_ARCH_x86`. The headers of libbpf are not part of this crate: set
/// their folder with [`include`](Self::include).
///
/// Clang is the one named by [`clang`](Self::clang), else by the environment variable `BPF_CLANG` or
/// `CC_bpf`, else `clang` or the newest `clang-N`. `BPF_CFLAGS` adds flags. `CFLAGS` has no effect, since
/// it is meant for the host's compiler.
///
/// ```no_run
/// // build.rs
/// use btfgen_build::Compile;
///
/// let objects = Compile::new()
///     .source("bpf/**/*.c")
///     .include("bpf/include")
///     .flag("-Wall")
///     .clang("clang-19")
///     .strip(false)
///     .compile()
///     .unwrap_or_else(|error| error.exit());
///
/// // A tool that is no build script.
/// Compile::new().source("agent.bpf.c").out_dir("objects").cargo_metadata(false).compile()?;
/// # Ok::<(), btfgen_build::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Compile {
    sources: Vec<String>,
    includes: Vec<PathBuf>,
    flags: Vec<OsString>,
    clang: Option<PathBuf>,
    out_dir: Option<PathBuf>,
    strip: bool,
    metadata: bool,
}

/// Why sources cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompileError {
    /// No clang was found.
    #[error("no clang found (tried {}); {HOW_TO_GET_CLANG}", tried.join(", "))]
    NoClang {
        /// The names tried.
        tried: Vec<String>,
    },
    /// The compiler is not clang.
    #[error("{} is not clang; {HOW_TO_GET_CLANG}", path.display())]
    NotClang {
        /// The compiler.
        path: PathBuf,
    },
    /// This clang was built without the BPF target, as Apple's is.
    #[error("{} has no BPF target; {HOW_TO_GET_CLANG}", path.display())]
    NoTarget {
        /// The compiler.
        path: PathBuf,
    },
    /// A program could not be run.
    #[error("cannot run {}", path.display())]
    Run {
        /// The program.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Clang failed on a source.
    #[error("clang failed on {}: {status}\n{stderr}{hint}", file.display())]
    Failed {
        /// The source.
        file: PathBuf,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// Its standard error.
        stderr: String,
        /// What to do, or nothing.
        hint: &'static str,
    },
    /// Two sources would become the same object.
    #[error("{} and {} would both become {name}", first.display(), second.display())]
    SameName {
        /// The object's name.
        name: String,
        /// One source.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
}

const HOW_TO_GET_CLANG: &str = "get it with `apt-get install clang llvm` (Debian, Ubuntu), `dnf install clang \
     llvm` (Fedora), `apk add clang llvm` (Alpine) or `brew install llvm` (macOS), or name one in BPF_CLANG";

/// What to do if clang does not find libbpf's headers.
const HOW_TO_GET_HEADERS: &str = "\nget libbpf's headers with `apt-get install libbpf-dev` (Debian, Ubuntu), `dnf install libbpf-devel` \
     (Fedora) or `apk add libbpf-dev` (Alpine), or name their folder with Compile::include; a direct dependency on libbpf-sys has it in \
     DEP_BPF_INCLUDE";

/// What to do if the default glob over sources matches nothing.
const SOURCES_HINT: &str = "; name sources *.bpf.c, or set others with Compile::source";

impl Default for Compile {
    fn default() -> Self {
        Self {
            sources: Vec::new(),
            includes: Vec::new(),
            flags: Vec::new(),
            clang: None,
            out_dir: None,
            strip: true,
            metadata: true,
        }
    }
}

impl Cause for CompileError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Compile
    }
}

impl Compile {
    /// Compiles `src/bpf/*.bpf.c`, unless other sources are set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds sources by a glob over files. Relative ones start from the package's folder, and `$NAME` stands
    /// for an environment variable.
    #[must_use]
    pub fn source(mut self, glob: impl Into<String>) -> Self {
        self.sources.push(glob.into());
        self
    }

    /// Adds a folder to look for headers in, such as that of `bpf/bpf_helpers.h`.
    #[must_use]
    pub fn include(mut self, folder: impl Into<PathBuf>) -> Self {
        self.includes.push(folder.into());
        self
    }

    /// Adds a flag for clang, after this crate's own.
    #[must_use]
    pub fn flag(mut self, flag: impl Into<OsString>) -> Self {
        self.flags.push(flag.into());
        self
    }

    /// Sets the clang to run.
    #[must_use]
    pub fn clang(mut self, path: impl Into<PathBuf>) -> Self {
        self.clang = Some(path.into());
        self
    }

    /// Sets the folder to write to; `OUT_DIR` unless set.
    #[must_use]
    pub fn out_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(path.into());
        self
    }

    /// Sets whether DWARF is removed if there is an `llvm-strip`; it is by default. BTF stays.
    #[must_use]
    pub fn strip(mut self, strip: bool) -> Self {
        self.strip = strip;
        self
    }

    /// Sets whether instructions for cargo are printed; they are by default.
    #[must_use]
    pub fn cargo_metadata(mut self, print: bool) -> Self {
        self.metadata = print;
        self
    }

    /// Compiles, and returns the objects' paths in the order of their sources, sorted within a glob.
    ///
    /// An object that would not change is not written. Objects of earlier calls in `OUT_DIR` whose source is gone are
    /// removed.
    ///
    /// # Errors
    /// When there is no source, no clang, or clang fails on a source; the error then has clang's output.
    pub fn compile(&self) -> Result<Vec<PathBuf>, Error> {
        let mut script = Script::new();
        let objects = self.run(&mut script)?;
        if self.metadata {
            script.print();
        }
        Ok(objects)
    }

    fn run(&self, script: &mut Script) -> Result<Vec<PathBuf>, Error> {
        let base = script.var("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let out_dir = self.out_dir.as_ref().map(|dir| base.join(dir)).or_else(|| script.out_dir());
        let out_dir = out_dir.ok_or(ConfigError::NoOutDir)?;
        let default = ["src/bpf/*.bpf.c".to_owned()];
        let (globs, hint) =
            if self.sources.is_empty() { (&default[..], SOURCES_HINT) } else { (&self.sources[..], "") };
        let mut sources = Vec::new();
        for glob in globs {
            sources.extend(paths::glob_files(glob, hint, &base, script)?);
        }
        let names = object_names(&sources)?;
        let tools = self.tools(script)?;
        let flags = self.flags(&base, script);
        files::create_dir_all(&out_dir)?;
        if self.out_dir.is_none() {
            remove_objects_without_source(&out_dir, &base)?;
        }
        let mut objects = Vec::new();
        for (source, name) in sources.iter().zip(names) {
            let object = out_dir.join(name);
            self.compile_one(&tools, &flags, &base, source, &object, script)?;
            objects.push(object);
        }
        Ok(objects)
    }

    /// All flags except input and output.
    fn flags(&self, base: &Path, script: &mut Script) -> Vec<OsString> {
        let arch = script.var("CARGO_CFG_TARGET_ARCH").and_then(|arch| arch.into_string().ok());
        let arch = arch.as_deref().unwrap_or(std::env::consts::ARCH);
        let endian = script.var("CARGO_CFG_TARGET_ENDIAN");
        let big = endian.map_or(cfg!(target_endian = "big"), |endian| endian == "big");
        let mut flags: Vec<OsString> = ["-g", "-O2"].map(OsString::from).into();
        flags.push(if big { "--target=bpfeb" } else { "--target=bpfel" }.into());
        flags.push(format!("-D__TARGET_ARCH_{}", target_arch_macro(arch)).into());
        // Line info contains the sources' paths, which must not depend on the package's location.
        if !base.as_os_str().is_empty() {
            let mut map = OsString::from("-fdebug-prefix-map=");
            map.push(base);
            map.push("=.");
            flags.push(map);
        }
        for include in &self.includes {
            flags.extend([OsStr::new("-I").into(), base.join(include).into()]);
        }
        // `<linux/types.h>` includes `<asm/types.h>`, which Debian stores in a folder of the host's target.
        let multiarch = Path::new("/usr/include").join(format!("{arch}-linux-gnu"));
        if multiarch.is_dir() {
            flags.extend(["-idirafter".into(), multiarch.into()]);
        }
        flags.extend(self.flags.iter().cloned());
        let more = script.var("BPF_CFLAGS").unwrap_or_default();
        flags.extend(more.to_string_lossy().split_ascii_whitespace().map(OsString::from));
        flags
    }

    /// Compiles one source.
    fn compile_one(
        &self,
        tools: &Tools,
        flags: &[OsString],
        base: &Path,
        source: &Path,
        object: &Path,
        script: &mut Script,
    ) -> Result<(), Error> {
        let (built, depfile) = (object.with_extension("o.new"), object.with_extension("o.d"));
        // Not `cc::Tool::to_command`, which adds `CFLAGS`.
        let mut command = Command::new(tools.clang.path());
        command.env("LC_ALL", "C");
        // For line info, clang reads the sources by their mapped, relative paths.
        if !base.as_os_str().is_empty() {
            command.current_dir(base);
        }
        command.args(flags).arg("-MD").arg("-MF").arg(&depfile).arg("-c").arg(source).arg("-o").arg(&built);
        let Output { status, stderr, .. } = run(&mut command)?;
        let stderr = String::from_utf8_lossy(&stderr).trim_end().to_owned();
        if !status.success() {
            if stderr.contains("No available targets are compatible") {
                return Err(CompileError::NoTarget { path: tools.clang.path().to_owned() }.into());
            }
            let no_headers = stderr.contains("'bpf/") && stderr.contains("file not found");
            let hint = if no_headers { HOW_TO_GET_HEADERS } else { "" };
            return Err(CompileError::Failed { file: source.to_owned(), status, stderr, hint }.into());
        }
        script.warning(&stderr);
        if self.strip {
            strip(&tools.strips, &built, script)?;
        }
        files::write_if_changed(object, &files::read(&built)?)?;
        files::remove_file(&built)?;
        for input in depfile::inputs(&files::read(&depfile)?) {
            script.rerun_if_changed(&base.join(input));
        }
        Ok(())
    }

    fn tools(&self, script: &mut Script) -> Result<Tools, CompileError> {
        let named = match &self.clang {
            Some(path) => Some(path.clone()),
            None => ["BPF_CLANG", "CC_bpf"]
                .into_iter()
                .find_map(|name| script.var(name).filter(|value| !value.is_empty()).map(PathBuf::from)),
        };
        let names = match named {
            Some(path) => vec![path],
            None => {
                let numbered = (11..=25).rev().map(|number| PathBuf::from(format!("clang-{number}")));
                [PathBuf::from("clang")].into_iter().chain(numbered).collect()
            }
        };
        for name in &names {
            match run(Command::new(name).arg("--version")) {
                Ok(_) => return Tools::of(name),
                Err(CompileError::Run { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let shown = names.iter().take(2).map(|name| name.display().to_string());
        Err(CompileError::NoClang { tried: shown.collect() })
    }
}

/// The programs to run.
struct Tools {
    clang: cc::Tool,
    /// Names to try for llvm-strip, best first.
    strips: Vec<PathBuf>,
}

impl Tools {
    /// Asks crate cc which compiler this is.
    fn of(clang: &Path) -> Result<Self, CompileError> {
        const TRIPLE: &str = "bpfel-unknown-none";
        let mut build = cc::Build::new();
        build.compiler(clang).target(TRIPLE).host(TRIPLE).opt_level(2);
        build.cargo_metadata(false).no_default_flags(true);
        let tool = build.try_get_compiler().ok().filter(cc::Tool::is_like_clang);
        let tool = tool.ok_or_else(|| CompileError::NotClang { path: clang.to_owned() })?;
        let name = clang.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let version = name.strip_prefix("clang").unwrap_or_default();
        let strips = [format!("llvm-strip{version}"), "llvm-strip".to_owned()];
        let same_folder = strips.iter().map(|name| clang.with_file_name(name));
        Ok(Self { strips: same_folder.chain(strips.iter().map(PathBuf::from)).collect(), clang: tool })
    }
}

fn run(command: &mut Command) -> Result<Output, CompileError> {
    command.output().map_err(|source| CompileError::Run { path: command.get_program().into(), source })
}

/// Removes DWARF with the first of these programs that exists. If none exists, the object stays larger.
fn strip(programs: &[PathBuf], object: &Path, script: &mut Script) -> Result<(), CompileError> {
    for program in programs {
        match run(Command::new(program).arg("-g").arg(object)) {
            Ok(output) => {
                script.warning(&String::from_utf8_lossy(&output.stderr));
                return Ok(());
            }
            Err(CompileError::Run { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Removes the objects of earlier calls whose source was deleted or renamed, which a glob over objects would still match.
fn remove_objects_without_source(out_dir: &Path, base: &Path) -> Result<(), Error> {
    for name in files::read_dir(out_dir)? {
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(".bpf.o.d")) else { continue };
        let depfile = out_dir.join(&name);
        // Clang names the source first.
        let inputs = depfile::inputs(&files::read(&depfile)?);
        if inputs.first().is_some_and(|source| !base.join(source).exists()) {
            files::remove_file_if_present(&out_dir.join(format!("{stem}.bpf.o")))?;
            files::remove_file(&depfile)?;
        }
    }
    Ok(())
}

/// The objects' names, such as `a.bpf.o` for `a.bpf.c` and `a.c`.
fn object_names(sources: &[PathBuf]) -> Result<Vec<String>, CompileError> {
    let mut names: Vec<String> = Vec::new();
    for source in sources {
        let stem = source.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}.bpf.o", stem.strip_suffix(".bpf").unwrap_or(&stem));
        if let Some(first) = names.iter().position(|other| *other == name) {
            let (first, second) = (sources[first].clone(), source.clone());
            return Err(CompileError::SameName { name, first, second });
        }
        names.push(name);
    }
    Ok(names)
}

/// The name of an architecture in libbpf's `bpf_tracing.h`, from rustc's name.
fn target_arch_macro(rustc: &str) -> &str {
    match rustc {
        "x86" | "x86_64" => "x86",
        "aarch64" => "arm64",
        "powerpc" | "powerpc64" => "powerpc",
        "s390x" => "s390",
        "riscv32" | "riscv64" => "riscv",
        "loongarch64" => "loongarch",
        "mips" | "mips64" => "mips",
        "sparc" | "sparc64" => "sparc",
        other => other,
    }
}

#[cfg(test)]
mod tests;
