//! Package index: the kernels on the mirrors, with their images and BTFs, cached for the next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::corpus::{self, Plan};
use crate::engine::KernelId;
use crate::files;
use crate::shell::Outcome;

/// How long a cached list of kernels is used.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// The kernels on the mirrors, and a folder with the files read so far.
pub(super) struct PackageIndex {
    folder: PathBuf,
    agent: ureq::Agent,
    plan: Plan,
}

/// The files of a kernel.
#[derive(Debug, Clone)]
pub(super) struct KernelFiles {
    pub(super) image: PathBuf,
    pub(super) btf: PathBuf,
}

impl PackageIndex {
    /// Reads the cached list, or the mirrors' if it is old.
    pub(super) fn open(folder: PathBuf) -> Outcome<Self> {
        let agent = corpus::agent();
        let list = folder.join("offers.tsv");
        let age = list.metadata().and_then(|list| list.modified()).ok().and_then(|time| time.elapsed().ok());
        let cached = read_plan(&list);
        let plan = match cached {
            Ok(plan) if age.is_some_and(|age| age < FRESH) => plan,
            cached => match (Self::ask(&agent), cached) {
                (Ok(plan), _) => {
                    files::write(&list, text(&plan).as_bytes())?;
                    plan
                }
                (Err(error), Ok(cached)) => {
                    eprintln!("{error}; using the list of the last run");
                    cached
                }
                (Err(error), Err(_)) => return Err(error),
            },
        };
        Ok(Self { folder, agent, plan })
    }

    fn ask(agent: &ureq::Agent) -> Outcome<Plan> {
        eprintln!("reading the mirrors' package indexes");
        let plan = corpus::plan(agent, &corpus::mirrors()?, &["amd64"])?;
        if plan.is_empty() { Err("the mirrors have no kernel".into()) } else { Ok(plan) }
    }

    /// The kernels on the mirrors.
    pub(super) fn offered(&self) -> Vec<KernelId> {
        self.plan.keys().cloned().collect()
    }

    /// A kernel's files, read from its package unless they are cached.
    pub(super) fn files(&self, id: &KernelId) -> Outcome<KernelFiles> {
        let folder = self.folder.join(id.as_str());
        let files = KernelFiles { image: folder.join("vmlinuz"), btf: folder.join("btf") };
        if files.image.exists() && files.btf.exists() {
            return Ok(files);
        }
        eprintln!("reading the package of {id}");
        let urls = self.plan.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = corpus::kernel(&self.agent, id, urls).map_err(|error| format!("{id}: {error}"))?;
        let (kernel, _) = found.ok_or_else(|| format!("{id}: in the index, but gone from the mirror"))?;
        let btf = kernel.btf().map_err(|error| format!("{id}: {error}"))?;
        files::write(&files.image, &kernel.image)?;
        files::write(&files.btf, &btf)?;
        Ok(files)
    }

    /// A kernel's whole package, unless it is cached.
    pub(super) fn package(&self, id: &KernelId) -> Outcome<PathBuf> {
        let package = self.folder.join(id.as_str()).join("package.deb");
        if !package.exists() {
            eprintln!("reading the whole package of {id}");
            let urls = self.plan.get(id).map(Vec::as_slice).unwrap_or_default();
            let bytes = corpus::package(&self.agent, urls)?;
            files::write(&package, &bytes.ok_or_else(|| format!("{id}: gone from the mirror"))?)?;
        }
        Ok(package)
    }
}

/// One line for each kernel: its id and the URLs of its packages.
fn text(plan: &Plan) -> String {
    plan.iter().map(|(id, urls)| format!("{id}\t{}\n", urls.join("\t"))).collect()
}

fn read_plan(list: &Path) -> Outcome<Plan> {
    let parse = |line: &str| -> Outcome<(KernelId, Vec<String>)> {
        let mut fields = line.split('\t');
        let id = fields.next().unwrap_or_default().parse()?;
        Ok((id, fields.map(str::to_owned).collect()))
    };
    fs::read_to_string(list)?.lines().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_cached() {
        let urls = |of: &[&str]| of.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let plan = Plan::from([
            (
                "debian/12/x86_64/6.1.0-9-amd64".parse().unwrap(),
                urls(&["http://a.example/1", "http://a.example/2"]),
            ),
            ("debian/13/x86_64/7.0.4+deb13-amd64".parse().unwrap(), urls(&["http://a.example/3"])),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("offers.tsv");
        fs::write(&list, text(&plan)).unwrap();
        assert_eq!(read_plan(&list).unwrap(), plan);
        fs::write(&list, "no kernel id\thttp://a.example\n").unwrap();
        assert!(read_plan(&list).is_err());
    }
}
