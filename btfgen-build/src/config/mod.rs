//! Configuration: what to read, keep and write, from `btfgen.toml` or from code.

mod emit;
mod error;
mod file;
pub(crate) mod paths;
mod report_form;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use btfgen_core::forecast::{Assumptions, Gate, Require, Unknown, program_glob};
use btfgen_core::hub::KernelFilter;
use btfgen_core::pipeline::{BuildIds, OnFailure, Options, Request};
use btfgen_core::{DEFAULT_LEVEL, files};

use crate::cargo::{self, Script};
use crate::error::Error;

pub use emit::Emit;
pub(crate) use error::ConfigError;
use paths::PathText;
pub use report_form::ReportForm;

/// Environment variable that replaces the hub of `btfgen.toml`, to build for other kernels without changing the file.
const HUB_VARIABLE: &str = "BTFGEN_HUB";

/// What to generate: the objects, the hub, and what to do with them.
///
/// A build script without `btfgen.toml`:
///
/// ```no_run
/// // build.rs
/// use btfgen_build::{BuildIds, Config, Emit, OnFailure, ReportForm, Unknown};
///
/// let report = Config::new()
///     .object("$OUT_DIR/*.bpf.o")
///     .hub("kernels.hub")
///     // All that follows is optional.
///     .include("debian/*/x86_64/*")
///     .exclude("**/*-cloud-*")
///     .require(&["debian/12/**"], &[])
///     .unknown(Unknown::Deny)
///     .optional("*_fentry")
///     .on_failure(OnFailure::Drop)
///     .build_ids(BuildIds::All)
///     .compression_level(19)
///     .emit(Emit::Both)
///     .report(ReportForm::Html) // needs feature `html`
///     .generate()
///     .unwrap_or_else(|error| error.exit());
/// ```
///
/// A tool that is no build script names the architecture and folder, and prints nothing for cargo:
///
/// ```no_run
/// let objects = std::path::Path::new("objects");
/// btfgen_build::Config::new() // or Config::from_file("agent.toml")?
///     .object_file(objects.join("agent.bpf.o"))
///     .hub("kernels.hub")
///     .arch("all")
///     .out_dir("embedded")
///     .cargo_metadata(false)
///     .generate()?;
/// # Ok::<(), btfgen_build::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Folder that relative paths start from; the package's folder unless set.
    base: Option<PathBuf>,
    /// The configuration's own file.
    file: Option<PathBuf>,
    objects: Vec<PathText>,
    hub: Option<PathText>,
    include: Vec<String>,
    exclude: Vec<String>,
    arch: Vec<String>,
    on_failure: OnFailure,
    require: Vec<RequireGlobs>,
    unknown: Unknown,
    optional: Vec<String>,
    targets: BTreeMap<String, String>,
    build_ids: BuildIds,
    level: Option<i32>,
    emit: Emit,
    report: Option<ReportForm>,
    out_dir: Option<PathBuf>,
    silent: bool,
}

/// Globs over kernel ids and over program names.
#[derive(Debug, Clone)]
struct RequireGlobs {
    kernels: Vec<String>,
    programs: Vec<String>,
}

impl Config {
    /// An empty configuration. Relative paths start from the package's folder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a `btfgen.toml`. Its relative paths start from its own folder.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or has an unknown or invalid entry; the error has line and column.
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(Self::read(path.into())?)
    }

    /// Adds objects by a glob over files. `$NAME` stands for an environment variable.
    #[must_use]
    pub fn object(mut self, glob: impl Into<String>) -> Self {
        self.objects.push(PathText::Text(glob.into()));
        self
    }

    /// Adds one object by its path, in which `$` and `*` have no special meaning.
    #[must_use]
    pub fn object_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.objects.push(PathText::Path(path.into()));
        self
    }

    /// Sets the hub: a hub tree's folder or a hub file.
    #[must_use]
    pub fn hub(mut self, path: impl Into<PathBuf>) -> Self {
        self.hub = Some(PathText::Path(path.into()));
        self
    }

    /// Adds kernels by a glob over kernel ids; without any, every kernel of the architecture is included.
    #[must_use]
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Excludes kernels by a glob over kernel ids.
    #[must_use]
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Adds an architecture by the hub's name (`x86_64`, `arm64`), or all of them by `all`.
    ///
    /// Without any, it is the architecture that cargo builds for.
    #[must_use]
    pub fn arch(mut self, arch: impl Into<String>) -> Self {
        self.arch.push(arch.into());
        self
    }

    /// Sets whether a BTF is embedded for a kernel that fails a relocation; [`OnFailure::Keep`] unless set.
    #[must_use]
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.on_failure = on_failure;
        self
    }

    /// Requires programs to run on kernels, by globs over kernel ids and over program names: if a program fails there, so does the
    /// build.
    ///
    /// A program that a glob matches is judged alone, even if it is optional. With no program globs, it requires all non-optional
    /// programs and their objects' maps and symbols.
    ///
    /// ```
    /// let config = btfgen_build::Config::new()
    ///     .require(&["debian/12/**", "ubuntu/2*/**"], &[])
    ///     .require(&["debian/11/**"], &["handle_exec", "handle_exit_*"]);
    /// ```
    #[must_use]
    pub fn require(mut self, kernels: &[&str], programs: &[&str]) -> Self {
        let [kernels, programs] =
            [kernels, programs].map(|globs| globs.iter().map(|&it| it.into()).collect());
        self.require.push(RequireGlobs { kernels, programs });
        self
    }

    /// Sets whether a required program passes if it is unknown whether it runs; [`Unknown::Allow`] unless set.
    #[must_use]
    pub fn unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// Adds programs by a glob over their names that need not run everywhere, such as one of two alternatives.
    ///
    /// No warning is about them.
    #[must_use]
    pub fn optional(mut self, glob: impl Into<String>) -> Self {
        self.optional.push(glob.into());
        self
    }

    /// Sets what the loader attaches a program to, as after the slash of a section's name.
    ///
    /// ```
    /// let config = btfgen_build::Config::new().target("on_read", "vfs_read");
    /// ```
    #[must_use]
    pub fn target(mut self, program: impl Into<String>, target: impl Into<String>) -> Self {
        self.targets.insert(program.into(), target.into());
        self
    }

    /// Sets for which kernels the archive has the build id; [`BuildIds::Needed`] unless set.
    #[must_use]
    pub fn build_ids(mut self, build_ids: BuildIds) -> Self {
        self.build_ids = build_ids;
        self
    }

    /// Sets zstd's compression level, 1 to 22; 17 unless set.
    #[must_use]
    pub fn compression_level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    /// Sets what is written; [`Emit::Archive`] unless set.
    #[must_use]
    pub fn emit(mut self, emit: Emit) -> Self {
        self.emit = emit;
        self
    }

    /// Sets in which form the report is written, too; it is not unless set.
    #[must_use]
    pub fn report(mut self, form: ReportForm) -> Self {
        self.report = Some(form);
        self
    }

    /// Sets the folder to write to; `OUT_DIR` unless set.
    #[must_use]
    pub fn out_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(path.into());
        self
    }

    /// Sets whether instructions for cargo are printed; they are by default.
    ///
    /// Without them, `btfgen_runtime::embed!` does not find the archive.
    #[must_use]
    pub fn cargo_metadata(mut self, print: bool) -> Self {
        self.silent = !print;
        self
    }

    fn read(file: PathBuf) -> Result<Self, ConfigError> {
        let text = files::read_to_string(&file).map_err(ConfigError::Read)?;
        Self::parse(&text, file)
    }

    /// Parses a `btfgen.toml`; `file` is its path.
    fn parse(text: &str, file: PathBuf) -> Result<Self, ConfigError> {
        let entries = file::parse(text, &file)?;
        let texts = |globs: Vec<file::Glob>| globs.into_iter().map(file::Glob::into_inner).collect();
        let require = |it: file::Require| RequireGlobs {
            kernels: texts(it.kernels.into_inner()),
            programs: texts(it.programs),
        };
        Ok(Self {
            base: Some(file.parent().map(PathBuf::from).unwrap_or_default()),
            file: Some(file),
            objects: entries.objects.into_iter().map(PathText::Text).collect(),
            hub: Some(PathText::Text(entries.hub)),
            include: texts(entries.include),
            exclude: texts(entries.exclude),
            arch: entries.arch,
            on_failure: entries.on_failure,
            require: entries.require.into_iter().map(require).collect(),
            unknown: entries.unknown,
            optional: texts(entries.optional),
            targets: entries.targets,
            build_ids: entries.build_ids,
            level: entries.level,
            emit: entries.emit,
            report: entries.report,
            ..Self::default()
        })
    }

    /// Whether instructions for cargo are to be printed.
    pub(crate) fn prints_metadata(&self) -> bool {
        !self.silent
    }

    /// The configuration of a build script: `btfgen.toml` in the package's folder. [`HUB_VARIABLE`] replaces its hub.
    pub(crate) fn of_package(script: &mut Script) -> Result<Self, ConfigError> {
        let folder = script.var("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
        let mut config = Self::read(folder.join("btfgen.toml"))?;
        if let Some(hub) = script.var(HUB_VARIABLE).filter(|hub| !hub.is_empty()) {
            config.hub = Some(PathText::Path(hub.into()));
        }
        Ok(config)
    }

    /// Finds the files, and tells cargo to watch them.
    pub(crate) fn resolve(&self, script: &mut Script) -> Result<Plan, Error> {
        if let Some(file) = &self.file {
            script.rerun_if_changed(file);
        }
        let level = self.level.unwrap_or(DEFAULT_LEVEL);
        if !(1..=22).contains(&level) {
            return Err(ConfigError::Level { level }.into());
        }
        if self.report == Some(ReportForm::Html) && !cfg!(feature = "html") {
            return Err(ConfigError::NoHtml.into());
        }
        let base = match &self.base {
            Some(base) => base.clone(),
            None => script.var("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default(),
        };
        let archs = match self.arch.as_slice() {
            [] => cargo::target_arch(script).into_iter().collect(),
            archs => archs.to_vec(),
        };
        let filter = KernelFilter::new(&self.include, &self.exclude, &archs)?;
        let hub = self.hub.as_ref().ok_or(ConfigError::NoHub)?;
        let hub = paths::one(hub, &base, script)?;
        if !hub.exists() {
            return Err(ConfigError::NoSuchHub { path: hub }.into());
        }
        script.rerun_if_changed(&hub);
        let objects = paths::objects(&self.objects, &base, script)?;
        let out_dir = self.out_dir.as_ref().map(|dir| base.join(dir)).or_else(|| script.out_dir());
        let (on_failure, build_ids) = (self.on_failure, self.build_ids);
        let optional = self.optional.iter().map(|glob| program_glob(glob)).collect::<Result<_, _>>()?;
        let assumptions = Assumptions { optional, targets: self.targets.clone(), ..Assumptions::default() };
        let require = self.require.iter().map(|it| Require::new(&it.kernels, &it.programs));
        let gate = Gate { require: require.collect::<Result<_, _>>()?, unknown: self.unknown };
        let forecast = Some(assumptions);
        let options = Options { filter, on_failure, build_ids, forecast, threads: None };
        let request = Request { objects, hub, options };
        Ok(Plan { request, gate, level, emit: self.emit, report: self.report, out_dir })
    }
}

/// A configuration whose files are found and whose globs are parsed.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The inputs. Objects are in the order of their globs, sorted within each, none twice.
    pub(crate) request: Request,
    /// What must run where.
    pub(crate) gate: Gate,
    /// zstd's level.
    pub(crate) level: i32,
    /// What to write.
    pub(crate) emit: Emit,
    /// In which form the report is written.
    pub(crate) report: Option<ReportForm>,
    out_dir: Option<PathBuf>,
}

impl Plan {
    /// The folder to write to.
    pub(crate) fn out_dir(&self) -> Result<&Path, ConfigError> {
        self.out_dir.as_deref().ok_or(ConfigError::NoOutDir)
    }
}

#[cfg(test)]
mod tests;
