//! Stock: which kernels the mirrors offer, and their images and BTFs, kept for the next run.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use btfgen_core::KernelId;

use crate::corpus::{self, Plan};
use crate::shell::Outcome;

/// How long what the mirrors offered is believed without asking again.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder with what was read from the mirrors.
pub(super) struct Stock {
    folder: PathBuf,
    agent: ureq::Agent,
    plan: Plan,
}

/// The files of a kernel.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) image: PathBuf,
    pub(super) btf: PathBuf,
}

impl Stock {
    /// Asks the mirrors what they offer, unless that was done lately.
    pub(super) fn open(folder: PathBuf) -> Outcome<Self> {
        let agent = corpus::agent();
        let list = folder.join("offers.tsv");
        let kept = read_plan(&list).ok();
        let fresh = list
            .metadata()
            .and_then(|list| list.modified())
            .is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < FRESH));
        let plan = match kept {
            Some(plan) if fresh => plan,
            kept => {
                eprintln!("asking the mirrors for kernels");
                match (corpus::plan(&agent, &corpus::mirrors()?, &["amd64"]), kept) {
                    (Ok(plan), _) if !plan.is_empty() => {
                        corpus::write(&list, text(&plan).as_bytes())?;
                        plan
                    }
                    (answer, Some(kept)) => {
                        let why =
                            answer.err().map_or("they offer none".to_owned(), |error| error.to_string());
                        eprintln!("{why}; going by what they offered before");
                        kept
                    }
                    (Ok(_), None) => return Err("the mirrors offer no kernel".into()),
                    (Err(error), None) => return Err(error.to_string().into()),
                }
            }
        };
        Ok(Self { folder, agent, plan })
    }

    /// The kernels on offer.
    pub(super) fn offered(&self) -> Vec<KernelId> {
        self.plan.keys().cloned().collect()
    }

    /// A kernel's files, read from its package if they are not there yet.
    pub(super) fn files(&self, id: &KernelId) -> Outcome<Files> {
        let folder = self.folder.join(id.as_str());
        let files = Files { image: folder.join("vmlinuz"), btf: folder.join("btf") };
        if files.image.exists() && files.btf.exists() {
            return Ok(files);
        }
        eprintln!("reading the package of {id}");
        let at = |error: Box<dyn Error + Send + Sync>| format!("{id}: {error}");
        let urls = self.plan.get(id).map(Vec::as_slice).unwrap_or_default();
        let kernel = corpus::first_image(&self.agent, id, urls).map_err(at)?;
        let btf = kernel.btf().map_err(|error| at(error.into()))?;
        corpus::write(&files.image, &kernel.image)?;
        corpus::write(&files.btf, &btf)?;
        Ok(files)
    }
}

/// A line a kernel: its id and the URLs of its packages.
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
    fn offers_are_kept() {
        let urls = |of: &[&str]| of.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let plan = Plan::from([
            (
                "debian/12/x86_64/6.1.0-9-amd64".parse().unwrap(),
                urls(&["http://a.example/1", "http://a.example/2"]),
            ),
            ("debian/13/x86_64/7.0.4+deb13-amd64".parse().unwrap(), urls(&["http://a.example/3"])),
        ]);
        let list = std::env::temp_dir().join(format!("xtask-offers-{}", std::process::id()));
        fs::write(&list, text(&plan)).unwrap();
        assert_eq!(read_plan(&list).unwrap(), plan);
        fs::write(&list, "no kernel id\thttp://a.example\n").unwrap();
        assert!(read_plan(&list).is_err());
        fs::remove_file(list).unwrap();
    }
}
