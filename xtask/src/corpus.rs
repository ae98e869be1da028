//! Corpus: `cargo xtask corpus` collects the BTF of every kernel that Debian's mirror offers.

mod hub;
mod mirror;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use btfgen::import::VendorError;
use btfgen::import::codec::Codec;
use btfgen::import::package::{self, PackagedKernel};
use btfgen_core::KernelId;
use btfgen_core::hub::KernelFilter;
use mirror::{ARCHES, Mirrors};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Packages read at once: one is downloaded while another's kernel is unpacked.
const JOBS: usize = 2;
/// How often a package or an index is tried.
const TRIES: u32 = 4;
/// Compression level of the files in the tree.
const LEVEL: i32 = 9;
/// Most bytes that a package index unpacks to.
const INDEX_LIMIT: u64 = 1 << 30;

/// In the tree, which package each kernel is from.
const PACKAGES: &str = "packages.tsv";

const USAGE: &str =
    "usage: cargo xtask corpus --tree <DIR> [--hub <FILE>] [--include <GLOB>]... [--exclude <GLOB>]...";

/// What the command line asks for.
struct Job {
    tree: PathBuf,
    hub: Option<PathBuf>,
    filter: KernelFilter,
}

/// Fills a hub tree with one `<kernel id>.btf.zst` per kernel, those that are there already kept, and packs it into a hub
/// file; the globs say which kernels go into that.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let job = job(args)?;
    let started = Instant::now();
    let tally = fill(&agent(), &mirrors()?, &job.tree).map_err(|error| -> Box<dyn Error> { error })?;
    let seconds = started.elapsed().as_secs_f64();
    let Tally { offered, read, bare, gone, failed } = tally;
    eprintln!("{offered} kernels are offered: {read} read now, {} before, {bare} without BTF,", tally.kept());
    eprintln!("{gone} gone from the mirror, {failed} failed, in {seconds:.0} s");
    if let Some(hub) = job.hub {
        let packed = hub::packages(&job.tree.join(PACKAGES))
            .and_then(|packages| hub::pack(&job.tree, &packages, &job.filter, &hub));
        packed.map_err(|error| -> Box<dyn Error> { error })?;
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} packages could not be read").into()) }
}

fn job(args: &[String]) -> Result<Job, Box<dyn Error>> {
    let (mut tree, mut hub, mut include, mut exclude) = (None, None, Vec::new(), Vec::new());
    let mut args = args.iter();
    while let Some(option) = args.next() {
        let value = args.next().ok_or(USAGE)?;
        match option.as_str() {
            "--tree" => tree = Some(value.into()),
            "--hub" => hub = Some(value.into()),
            "--include" => include.push(value),
            "--exclude" => exclude.push(value),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(Job { tree: tree.ok_or(USAGE)?, hub, filter: KernelFilter::new(&include, &exclude, &[])? })
}

/// What asks the mirrors.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(900)))
        .build()
        .into()
}

/// Reads every kernel that the mirrors offer and the tree does not have.
fn fill(agent: &ureq::Agent, mirrors: &Mirrors, tree: &Path) -> Outcome<Tally> {
    let plan = plan(agent, mirrors, &ARCHES)?;
    let todo: VecDeque<_> = plan.iter().filter(|(id, _)| !file(tree, id).exists()).collect();
    eprintln!("{} kernels are offered, {} of them to be read", plan.len(), todo.len());
    Ok(Tally { offered: plan.len(), ..collect(agent, tree, todo) })
}

/// Every kernel that the mirrors offer, with the URLs of the packages that hold it, the best first.
pub(crate) type Plan = BTreeMap<KernelId, Vec<String>>;

/// The mirrors that this machine's apt asks.
pub(crate) fn mirrors() -> Result<Mirrors, Box<dyn Error>> {
    let found = Mirrors::find(&mirror::apt_sources(Path::new("/etc/apt"))?);
    Ok(found.ok_or("the apt sources of this machine name no Debian mirror")?)
}

/// Asks the mirrors for kernels of these of Debian's architectures.
pub(crate) fn plan(agent: &ureq::Agent, mirrors: &Mirrors, arches: &[&str]) -> Outcome<Plan> {
    let mut plan = Plan::new();
    for suite in mirrors.suites() {
        for arch in arches {
            let url = format!("{}/dists/{}/main/binary-{arch}/Packages.xz", suite.mirror, suite.name);
            let Some(index) = retry(&url, || index(agent, &url))? else { continue };
            let Some(archive_arch) = package::arch(arch) else { continue };
            for offer in mirror::offers(&index) {
                let id = KernelId::new("debian", suite.version, archive_arch, &offer.release)?;
                plan.entry(id).or_default().push(format!("{}/{}", suite.mirror, offer.path));
            }
        }
    }
    Ok(plan)
}

/// The text of a package index; none when the mirror does not have it.
fn index(agent: &ureq::Agent, url: &str) -> Outcome<Option<String>> {
    let Some(body) = get(agent, url)? else { return Ok(None) };
    let mut text = String::new();
    Codec::Xz.decoder(body)?.take(INDEX_LIMIT).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// The body of a file on the mirror; none when it is not there.
fn get(agent: &ureq::Agent, url: &str) -> Outcome<Option<impl Read + use<>>> {
    match agent.get(url).call() {
        Ok(response) => Ok(Some(response.into_body().into_reader())),
        Err(ureq::Error::StatusCode(404)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What became of the kernels offered.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    offered: usize,
    read: usize,
    /// Built without BTF.
    bare: usize,
    /// In an index whose packages have been deleted.
    gone: usize,
    failed: usize,
}

impl Tally {
    /// Those that were in the tree before.
    fn kept(&self) -> usize {
        self.offered - self.read - self.bare - self.gone - self.failed
    }
}

/// Reads one package a kernel, several at once.
fn collect(agent: &ureq::Agent, tree: &Path, todo: VecDeque<(&KernelId, &Vec<String>)>) -> Tally {
    let total = todo.len();
    let queue = Mutex::new(todo);
    let tally = Mutex::new(Tally::default());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some((id, urls)) = next() {
                    let started = Instant::now();
                    let done = first(urls, |url| retry(url, || kernel(agent, tree, id, url)));
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    let message = match done {
                        Ok(Some(Done::Written { btf, read })) => {
                            tally.read += 1;
                            let seconds = started.elapsed().as_secs_f64();
                            let (btf, read) = (btf as f64 / 1e6, read as f64 / 1e6);
                            format!("{btf:.1} MB BTF from {read:.1} MB in {seconds:.1} s")
                        }
                        Ok(Some(Done::Bare)) => {
                            tally.bare += 1;
                            "built without BTF".to_owned()
                        }
                        Ok(None) => {
                            tally.gone += 1;
                            "in the index, but gone from the mirror".to_owned()
                        }
                        Err(error) => {
                            tally.failed += 1;
                            error.to_string()
                        }
                    };
                    let count = tally.read + tally.bare + tally.gone + tally.failed;
                    eprintln!("[{count}/{total}] {id}: {message}");
                }
            });
        }
    });
    tally.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// What the first URL gives that is there.
fn first<T>(urls: &[String], mut read: impl FnMut(&str) -> Outcome<Option<T>>) -> Outcome<Option<T>> {
    for url in urls {
        if let Some(found) = read(url)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

enum Done {
    Written {
        /// Bytes of BTF.
        btf: usize,
        /// Bytes of the package that were read.
        read: u64,
    },
    Bare,
}

/// Reads one package as far as its image, with the number of bytes that took; none when it is gone.
fn image(agent: &ureq::Agent, id: &KernelId, url: &str) -> Outcome<Option<(PackagedKernel, u64)>> {
    let Some(body) = get(agent, url)? else { return Ok(None) };
    let mut body = Counted { inner: body, read: 0 };
    let kernel = package::read_kernel(&mut body)?;
    if kernel.release != id.release() {
        return Err(format!("the image in it is of release {}", kernel.release).into());
    }
    Ok(Some((kernel, body.read)))
}

/// Reads the image of a kernel from the first of these packages that is there.
pub(crate) fn first_image(agent: &ureq::Agent, id: &KernelId, urls: &[String]) -> Outcome<PackagedKernel> {
    let found = first(urls, |url| retry(url, || image(agent, id, url)))?;
    Ok(found.ok_or("in the index, but gone from the mirror")?.0)
}

/// Reads one package as far as its image and writes the BTF into the tree.
fn kernel(agent: &ureq::Agent, tree: &Path, id: &KernelId, url: &str) -> Outcome<Option<Done>> {
    let Some((kernel, read)) = image(agent, id, url)? else { return Ok(None) };
    let btf = match kernel.btf() {
        Err(VendorError::NoBtf { .. }) => return Ok(Some(Done::Bare)),
        answer => answer?,
    };
    write(&file(tree, id), &zstd::bulk::compress(&btf, LEVEL)?)?;
    let line = format!("{id}\t{}\n", kernel.metadata.file_name());
    // One write of a short line to a file opened for appending is whole, whatever other threads do.
    File::options().create(true).append(true).open(tree.join(PACKAGES))?.write_all(line.as_bytes())?;
    Ok(Some(Done::Written { btf: btf.len(), read }))
}

/// Where a kernel lies in the tree.
fn file(tree: &Path, id: &KernelId) -> PathBuf {
    tree.join(format!("{id}.btf.zst"))
}

/// Writes under a temporary name first, so that an interrupted run leaves no half file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// Tries again after a growing pause; the errors name the URL.
fn retry<T>(url: &str, mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let mut pause = Duration::from_secs(1);
    let mut left = TRIES;
    loop {
        left -= 1;
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if left == 0 => return Err(format!("{url}: {}", chain(&*error)).into()),
            Err(error) => eprintln!("{url}: {}; trying again", chain(&*error)),
        }
        thread::sleep(pause);
        pause *= 3;
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buf)?;
        self.read += len as u64;
        Ok(len)
    }
}

#[cfg(test)]
mod tests;
