//! Package index: the kernels on the mirrors, with their images and BTFs, cached for the next run.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::architecture::Architecture;
use crate::corpus::{self, Plan};
use crate::engine::{ImportError, KernelId};
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
    pub(super) types: Types,
}

/// Where a kernel's types are.
#[derive(Debug, Clone)]
pub(super) enum Types {
    /// In the BTF that the kernel ships.
    Btf(PathBuf),
    /// In the debug package of a kernel that is built without BTF.
    DebugPackage(PathBuf),
}

impl PackageIndex {
    /// Reads the cached list of an architecture's kernels, or the mirrors' if it is old.
    pub(super) fn open(folder: PathBuf, architecture: &Architecture) -> Outcome<Self> {
        let agent = corpus::agent();
        let list = folder.join(format!("offers-{}.tsv", architecture.debian));
        let age = list.metadata().and_then(|list| list.modified()).ok().and_then(|time| time.elapsed().ok());
        let cached = read_plan(&list);
        let plan = match cached {
            Ok(plan) if age.is_some_and(|age| age < FRESH) => plan,
            cached => match (Self::ask(&agent, architecture), cached) {
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

    fn ask(agent: &ureq::Agent, Architecture { debian, .. }: &Architecture) -> Outcome<Plan> {
        eprintln!("reading the mirrors' package indexes for {debian}");
        let plan = corpus::plan(agent, &corpus::mirrors()?, &[debian])?;
        if plan.is_empty() {
            Err(format!("the mirrors have no kernel for {debian}").into())
        } else {
            Ok(plan)
        }
    }

    /// The kernels on the mirrors.
    pub(super) fn offered(&self) -> Vec<KernelId> {
        self.plan.keys().cloned().collect()
    }

    /// A kernel's files, read from its package unless they are cached.
    pub(super) fn files(&self, id: &KernelId) -> Outcome<KernelFiles> {
        let folder = self.folder.join(id.as_str());
        let image = folder.join("vmlinuz");
        let btf = folder.join("btf");
        let debug_package = folder.join(format!("linux-image-{}-dbg.deb", id.release()));
        if image.exists() && btf.exists() {
            return Ok(KernelFiles { image, types: Types::Btf(btf) });
        }
        if image.exists() && debug_package.exists() {
            return Ok(KernelFiles { image, types: Types::DebugPackage(debug_package) });
        }
        eprintln!("reading the package of {id}");
        let urls = self.plan.get(id).map(Vec::as_slice).unwrap_or_default();
        let found = corpus::kernel(&self.agent, id, urls).map_err(|error| format!("{id}: {error}"))?;
        let (kernel, _) = found.ok_or_else(|| format!("{id}: in the index, but gone from the mirror"))?;
        files::write(&image, &kernel.image)?;
        match kernel.btf() {
            Ok(bytes) => {
                files::write(&btf, &bytes)?;
                Ok(KernelFiles { image, types: Types::Btf(btf) })
            }
            Err(ImportError::NoBtf { .. }) => {
                let urls: Vec<String> = urls.iter().map(|url| debug_package_url(url)).collect();
                self.download(id, &urls, &debug_package)?;
                Ok(KernelFiles { image, types: Types::DebugPackage(debug_package) })
            }
            Err(error) => Err(format!("{id}: {error}").into()),
        }
    }

    /// A kernel's whole package, unless it is cached.
    pub(super) fn package(&self, id: &KernelId) -> Outcome<PathBuf> {
        let package = self.folder.join(id.as_str()).join("package.deb");
        if !package.exists() {
            self.download(id, self.plan.get(id).map(Vec::as_slice).unwrap_or_default(), &package)?;
        }
        Ok(package)
    }

    /// Writes the first of these packages that exists to a file.
    fn download(&self, id: &KernelId, urls: &[String], file: &Path) -> Outcome {
        eprintln!("reading the whole {} of {id}", file.file_name().unwrap_or_default().display());
        if corpus::package(&self.agent, urls, file)? {
            Ok(())
        } else {
            Err(format!("{id}: gone from the mirror").into())
        }
    }
}

/// The URL of the debug package, next to the package with the image.
fn debug_package_url(image: &str) -> String {
    match image.rsplit_once('/') {
        Some((folder, file)) => format!("{folder}/{}", file.replacen('_', "-dbg_", 1)),
        None => image.to_owned(),
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
    fn debug_packages_are_next_to_images() {
        let check = |image: &str, expect: &str| assert_eq!(debug_package_url(image), expect);
        check(
            "http://a.example/pool_1/linux-image-6.1.0-50-s390x_6.1.176-1_s390x.deb",
            "http://a.example/pool_1/linux-image-6.1.0-50-s390x-dbg_6.1.176-1_s390x.deb",
        );
        check("", "");
    }

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
