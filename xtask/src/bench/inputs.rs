//! Inputs: the same kernels as raw files, as `.btf.tar.xz` files and as one hub file.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::engine::{HubBuilder, HubFile, KernelId, KernelSource, list, read_btf};
use crate::shell::{self, Outcome};
use crate::{architecture, files, parallel};

/// Kernels in three forms, in a folder that later runs reuse.
pub(super) struct Inputs {
    folder: PathBuf,
    pub(super) ids: Vec<KernelId>,
}

impl Inputs {
    /// The first kernels of this machine's architecture in a hub tree, or else in the example's hub file.
    ///
    /// The hub file's kernels have no functions and variables, so bpftool reads less than usual.
    pub(super) fn new(scratch: &Path, tree: Option<&Path>, count: usize) -> Outcome<Self> {
        let ours = |id: &&KernelId| id.arch() == architecture::native();
        let mut builder = HubBuilder::new();
        let mut sources = Vec::new();
        if let Some(tree) = tree {
            let listing = list(tree)?;
            for entry in listing.kernels.into_iter().filter(|entry| ours(&&entry.id)).take(count) {
                builder.add_btf(&KernelSource::new(&entry.id, "", &read_btf(&entry.path)?))?;
                sources.push((entry.id, entry.path));
            }
        } else {
            let path = files::example_hub();
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
            remove_others(scratch)?;
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

    /// Reads every file into the page cache.
    pub(super) fn warm_up(&self) -> Outcome {
        for id in &self.ids {
            fs::read(self.raw_file(id))?;
            fs::read(self.packed_file(id))?;
        }
        fs::read(self.hub())?;
        Ok(())
    }
}

/// Removes the inputs of earlier runs.
fn remove_others(scratch: &Path) -> Outcome {
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
    let outcomes = parallel::map(parallel::cores(), sources, |(id, path)| {
        let raw = folder.join("raw").join(format!("{id}.btf"));
        let packed = folder.join("packed").join(format!("{id}.btf.tar.xz"));
        for path in [&raw, &packed] {
            fs::create_dir_all(path.parent().unwrap_or(folder))?;
        }
        match path.extension() {
            Some(extension) if extension == "hub" => fs::write(&raw, hub.extract(id)?)?,
            _ => fs::write(&raw, &read_btf(path)?[..])?,
        }
        let mut tar = Command::new("tar");
        tar.arg("-cJf").arg(&packed).arg("-C").arg(raw.parent().unwrap_or(folder));
        shell::read(tar.arg(raw.file_name().unwrap_or_default())).map(drop)
    })?;
    outcomes.into_iter().collect()
}
