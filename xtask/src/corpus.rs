//! Corpus: `cargo xtask corpus` collects the BTF of every kernel that Debian's mirror offers.

mod mirror;

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use btfgen_build::KernelId;
use btfgen_build::vendor::VendorError;
use btfgen_build::vendor::codec::Codec;
use btfgen_build::vendor::package;
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

const USAGE: &str = "usage: cargo xtask corpus --tree <DIR>";

/// Fills a hub tree with one `<kernel id>.btf.zst` per kernel; those that are there already are kept.
pub(crate) fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let tree = match args {
        [option, tree] if option == "--tree" => PathBuf::from(tree),
        _ => return Err(USAGE.into()),
    };
    let started = Instant::now();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(900)))
        .build()
        .into();
    let mirrors = Mirrors::find(&mirror::apt_sources(Path::new("/etc/apt"))?)
        .ok_or("the apt sources of this machine name no Debian mirror")?;
    let plan = plan(&agent, &mirrors).map_err(|error| -> Box<dyn Error> { error })?;
    let todo: VecDeque<_> = plan.iter().filter(|(id, _)| !file(&tree, id).exists()).collect();
    eprintln!("{} kernels are offered, {} of them to be read", plan.len(), todo.len());
    let tally = collect(&agent, &tree, todo);
    eprintln!(
        "{} kernels read in {:.0} s, {} without BTF, {} gone from the mirror, {} failed",
        tally.read,
        started.elapsed().as_secs_f64(),
        tally.bare,
        tally.gone,
        tally.failed
    );
    if tally.failed == 0 { Ok(()) } else { Err(format!("{} kernels yielded no BTF", tally.failed).into()) }
}

/// Every kernel that the mirrors offer, with the URLs of the packages that hold it, the best first.
type Plan = BTreeMap<KernelId, Vec<String>>;

fn plan(agent: &ureq::Agent, mirrors: &Mirrors) -> Outcome<Plan> {
    let mut plan = Plan::new();
    for suite in mirrors.suites() {
        for arch in ARCHES {
            let url = format!("{}/dists/{}/main/binary-{arch}/Packages.xz", suite.mirror, suite.name);
            let Some(index) = retry(|| index(agent, &url))? else { continue };
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
        Err(error) => Err(format!("{url}: {error}").into()),
    }
}

#[derive(Default)]
struct Tally {
    read: usize,
    /// Built without BTF.
    bare: usize,
    /// In an index whose packages have been deleted.
    gone: usize,
    failed: usize,
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
                    let done = first(urls, |url| retry(|| kernel(agent, tree, id, url)));
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

/// Reads one package as far as its image and writes the BTF into the tree.
fn kernel(agent: &ureq::Agent, tree: &Path, id: &KernelId, url: &str) -> Outcome<Option<Done>> {
    let Some(body) = get(agent, url)? else { return Ok(None) };
    let mut body = Counted { inner: body, read: 0 };
    let kernel = package::read_kernel(&mut body).map_err(|error| format!("{url}: {error}"))?;
    let read = body.read;
    // Nobody wants the rest.
    drop(body);
    if kernel.release != id.release() {
        return Err(format!("the image in it is of release {}", kernel.release).into());
    }
    let btf = match kernel.btf() {
        Err(VendorError::NoBtf { .. }) => return Ok(Some(Done::Bare)),
        answer => answer?,
    };
    write(&file(tree, id), &zstd::bulk::compress(&btf, LEVEL)?)?;
    Ok(Some(Done::Written { btf: btf.len(), read }))
}

/// Where a kernel lies in the tree.
fn file(tree: &Path, id: &KernelId) -> PathBuf {
    tree.join(format!("{id}.btf.zst"))
}

/// Writes under a temporary name first, so that an interrupted run leaves no half file.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}

/// Tries again after a growing pause.
fn retry<T>(mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let mut pause = Duration::from_secs(1);
    for _ in 1..TRIES {
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) => eprintln!("{error}; trying again"),
        }
        thread::sleep(pause);
        pause *= 3;
    }
    attempt()
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
