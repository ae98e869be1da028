//! Inputs: the same kernels as raw files, as `.btf.tar.xz` and as one hub file, and the sets of objects.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use btfgen_core::KernelId;
use btfgen_core::hub::file::{HubBuilder, HubFile};
use btfgen_core::pipeline::read_objects;
use btfgen_core::resolve::Roots;

use super::process::cores;
use crate::shell::{self, Outcome};
use crate::{files, fixtures};

/// Kernels in three forms, in a folder that later runs find again.
pub(super) struct Inputs {
    folder: PathBuf,
    pub(super) ids: Vec<KernelId>,
}

impl Inputs {
    /// The first kernels of this machine's architecture in a hub tree, or else in the example's hub file.
    ///
    /// Those of a hub file lack functions and variables, so that bpftool has less to read than it would.
    pub(super) fn new(scratch: &Path, tree: Option<&Path>, count: usize) -> Outcome<Self> {
        let ours = |id: &&KernelId| id.arch() == files::hub_arch();
        let mut builder = HubBuilder::new();
        let mut sources = Vec::new();
        if let Some(tree) = tree {
            let listing = btfgen_core::files::list(tree)?;
            for entry in listing.kernels.into_iter().filter(|entry| ours(&&entry.id)).take(count) {
                builder.add_btf(&entry.id, "", &btfgen_core::files::read_btf(&entry.path)?, &[])?;
                sources.push((entry.id, entry.path));
            }
        } else {
            let path = example_hub();
            let file = HubFile::open(fs::read(&path)?)?;
            builder.add_hub(&file)?;
            let all = file.kernels().iter().map(|record| &record.id);
            sources.extend(all.clone().filter(ours).take(count).map(|id| (id.clone(), path.clone())));
            for id in all.filter(|id| !sources.iter().any(|(ours, _)| ours == *id)) {
                builder.remove(id);
            }
        }
        if sources.is_empty() {
            return Err("the hub holds no kernel of this architecture".into());
        }
        let hub = builder.finish(19)?;
        let mut hasher = DefaultHasher::new();
        (&hub, tree).hash(&mut hasher);
        let folder = scratch.join(format!("inputs-{:016x}", hasher.finish()));
        if !folder.is_dir() {
            eprintln!("bench: writing {} kernels to {}", sources.len(), folder.display());
            forget_others(scratch)?;
            let unfinished = scratch.join("unfinished");
            files::empty_folder(&unfinished)?;
            write(&unfinished, &hub, &sources)?;
            fs::rename(&unfinished, &folder)?;
        }
        Ok(Self { folder, ids: sources.into_iter().map(|(id, _)| id).collect() })
    }

    /// The hub file.
    pub(super) fn hub(&self) -> PathBuf {
        self.folder.join("kernels.hub")
    }

    /// The hub tree of raw files.
    pub(super) fn raw(&self) -> PathBuf {
        self.folder.join("raw")
    }

    /// A kernel's raw file.
    pub(super) fn raw_file(&self, id: &KernelId) -> PathBuf {
        self.raw().join(format!("{id}.btf"))
    }

    /// The hub tree of `.btf.tar.xz` files, as BTFHub's archive has them.
    pub(super) fn packed(&self) -> PathBuf {
        self.folder.join("packed")
    }

    /// A kernel's `.btf.tar.xz` file.
    pub(super) fn packed_file(&self, id: &KernelId) -> PathBuf {
        self.packed().join(format!("{id}.btf.tar.xz"))
    }

    /// Reads every file, so that all are in the page cache.
    pub(super) fn warm_up(&self) -> Outcome {
        for id in &self.ids {
            fs::read(self.raw_file(id))?;
            fs::read(self.packed_file(id))?;
        }
        fs::read(self.hub())?;
        Ok(())
    }
}

/// The hub file that the example commits.
pub(super) fn example_hub() -> PathBuf {
    shell::root().join("example-app/kernels.hub")
}

/// Removes the inputs of earlier runs.
fn forget_others(scratch: &Path) -> Outcome {
    for entry in fs::read_dir(scratch)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("inputs-") {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn write(folder: &Path, hub: &[u8], sources: &[(KernelId, PathBuf)]) -> Outcome {
    fs::write(folder.join("kernels.hub"), hub)?;
    let hub = HubFile::open(hub.to_vec())?;
    on_all_cores(sources, |(id, path)| {
        let raw = folder.join("raw").join(format!("{id}.btf"));
        let packed = folder.join("packed").join(format!("{id}.btf.tar.xz"));
        for path in [&raw, &packed] {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
        }
        match path.extension() {
            Some(extension) if extension == "hub" => fs::write(&raw, hub.extract(id)?)?,
            _ => fs::write(&raw, &btfgen_core::files::read_btf(path)?[..])?,
        }
        let mut tar = Command::new("tar");
        tar.arg("-cJf").arg(&packed).arg("-C").arg(raw.parent().unwrap_or(folder));
        shell::read(tar.arg(raw.file_name().unwrap_or_default())).map(drop)
    })
}

/// Does something with each item, on all cores; the first error ends it.
pub(super) fn on_all_cores<T: Sync>(items: &[T], task: impl Fn(&T) -> Outcome + Sync) -> Outcome {
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            task(item).map_err(|error| error.to_string())?;
        }
        Ok(())
    };
    let results: Vec<Result<(), String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err("a thread panicked".into()))).collect()
    });
    Ok(results.into_iter().collect::<Result<(), String>>()?)
}

/// Objects that are packed together.
pub(super) struct Set {
    /// One word, for `--set` and the tables.
    pub(super) name: &'static str,
    /// What it is, with what it asks.
    pub(super) title: String,
    pub(super) objects: Vec<PathBuf>,
}

impl Set {
    fn new(name: &'static str, what: &str, objects: Vec<PathBuf>) -> Outcome<Self> {
        let read = read_objects(&objects)?;
        let roots = Roots::new(&read)?;
        let relocations: usize = read.iter().map(|object| object.relocations().len()).sum();
        let questions: usize = roots.roots().iter().map(|root| root.questions.len()).sum();
        let title = format!(
            "{name}: {what}; {relocations} relocations, {questions} distinct, of {} types",
            roots.roots().len()
        );
        Ok(Self { name, title, objects })
    }

    /// The objects as words of a command.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        self.objects.iter().map(|object| object.display().to_string())
    }
}

/// The objects that a user names.
pub(super) fn given(objects: Vec<PathBuf>) -> Outcome<Vec<Set>> {
    Ok(vec![Set::new("given", "the objects named", objects)?])
}

/// The names of all sets.
pub(super) const SETS: [&str; 6] = ["small", "three", "fifty", "medium", "large", "diverse"];

/// The sets whose archives are weighed; fifty tools only where the compiler is that makes them.
pub(super) fn weighed(scratch: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<Vec<Set>> {
    let mut sets = vec![small()?, three()?];
    if wanted("fifty") {
        match fifty(scratch) {
            Ok(set) => sets.push(set),
            Err(error) => println!("without fifty tools: {error}"),
        }
    }
    sets.extend([large(scratch)?, diverse(scratch)?]);
    sets.retain(|set| wanted(set.name));
    Ok(sets)
}

/// The sets that pack is timed with.
pub(super) fn timed(scratch: &Path) -> Outcome<Vec<Set>> {
    Ok(vec![small()?, medium()?, large(scratch)?, diverse(scratch)?])
}

/// One tool.
fn small() -> Outcome<Set> {
    Set::new("small", "one tool", suite(&["opensnoop"]))
}

/// Three tools, and the fixture that uses all kinds of relocations.
pub(super) fn medium() -> Outcome<Set> {
    Set::new(
        "medium",
        "three tools and a fixture",
        suite(&["opensnoop", "biolatency", "tcpconnect", "kernel"]),
    )
}

/// Three small tools.
pub(super) fn three() -> Outcome<Set> {
    Set::new("three", "three tools", suite(&["opensnoop", "biolatency", "tcpconnect"]))
}

/// Fifty small tools, generated.
fn fifty(scratch: &Path) -> Outcome<Set> {
    let folder = scratch.join("tools");
    fixtures::tools(&folder)?;
    let mut objects: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    objects.sort();
    Set::new("fifty", "fifty generated tools", objects)
}

/// A large agent.
pub(super) fn large(scratch: &Path) -> Outcome<Set> {
    generated(scratch, "large", "a generated agent over the types tracers read", oracle::testdata::tracer())
}

/// The hardest case.
pub(super) fn diverse(scratch: &Path) -> Outcome<Set> {
    generated(scratch, "diverse", "a generated agent over all kinds of types", oracle::testdata::agent())
}

fn generated(scratch: &Path, name: &'static str, what: &str, bytes: Vec<u8>) -> Outcome<Set> {
    let object = scratch.join(format!("{name}.o"));
    fs::write(&object, bytes)?;
    Set::new(name, what, vec![object])
}

fn suite(names: &[&str]) -> Vec<PathBuf> {
    let folder = oracle::testdata::folder().join("objects/el");
    names.iter().map(|name| folder.join(format!("{name}.o"))).collect()
}
