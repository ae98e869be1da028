//! Download: package indexes and packages from a mirror, each read only as far as needed.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::mirror::{self, Mirrors, Suite};
use crate::engine::{Codec, KernelId, PackagedKernel, hub_arch, read_kernel};
use crate::shell::Outcome;

/// How often a package or an index is tried.
const TRIES: u32 = 4;
/// Maximum size of an unpacked package index, in bytes.
const INDEX_LIMIT: u64 = 1 << 30;

/// Every kernel on the mirrors, with the URLs of its packages, the best first.
pub(crate) type Plan = BTreeMap<KernelId, Vec<String>>;

/// The HTTP client for the mirrors.
pub(crate) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(30)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(900)))
        .build()
        .into()
}

/// The mirrors in this machine's apt sources.
pub(crate) fn mirrors() -> Outcome<Mirrors> {
    let found = Mirrors::find(&mirror::apt_sources(Path::new("/etc/apt"))?);
    Ok(found.ok_or("this machine's apt sources name no Debian mirror: add one below /etc/apt")?)
}

/// Lists the debug packages of the kernels in [`mirror::WITHOUT_BTF`].
pub(super) fn debug_plan(agent: &ureq::Agent, mirrors: &Mirrors) -> Outcome<Plan> {
    let mut plan = Plan::new();
    for suite in mirrors.suites().iter().filter(|suite| suite.version == "12") {
        for (arch, release) in mirror::WITHOUT_BTF {
            let (Some(index), Some(hub_arch)) = (index(agent, suite, arch)?, hub_arch(arch)) else {
                continue;
            };
            let Some(path) = mirror::debug_package(&index, release) else { continue };
            let id = KernelId::new("debian", suite.version, hub_arch, release)?;
            plan.entry(id).or_default().push(format!("{}/{path}", suite.mirror));
        }
    }
    Ok(plan)
}

/// Lists the mirrors' kernels for these of Debian's architectures.
pub(crate) fn plan(agent: &ureq::Agent, mirrors: &Mirrors, arches: &[&str]) -> Outcome<Plan> {
    let mut plan = Plan::new();
    for suite in mirrors.suites() {
        for arch in arches {
            let (Some(index), Some(hub_arch)) = (index(agent, &suite, arch)?, hub_arch(arch)) else {
                continue;
            };
            for offer in mirror::offers(&index) {
                let id = KernelId::new("debian", suite.version, hub_arch, &offer.release)?;
                plan.entry(id).or_default().push(format!("{}/{}", suite.mirror, offer.path));
            }
        }
    }
    Ok(plan)
}

/// Reads the image of a kernel from the first of these packages that exists, with the number of bytes read; none if all are gone.
pub(crate) fn kernel(
    agent: &ureq::Agent,
    id: &KernelId,
    urls: &[String],
) -> Outcome<Option<(PackagedKernel, u64)>> {
    for url in urls {
        if let Some(found) = retry(url, || image(agent, id, url))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Writes the first of these packages that exists to a file; false if all are gone.
pub(crate) fn package(agent: &ureq::Agent, urls: &[String], file: &Path) -> Outcome<bool> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    for url in urls {
        let whole = || -> Outcome<bool> {
            let Some(mut body) = get(agent, url)? else { return Ok(false) };
            let mut package = NamedTempFile::new_in(folder)?;
            io::copy(&mut body, &mut package)?;
            package.persist(file)?;
            Ok(true)
        };
        if retry(url, whole)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Copies the first of these packages that exists to a temporary file; none if all are gone.
pub(super) fn package_file(agent: &ureq::Agent, urls: &[String]) -> Outcome<Option<NamedTempFile>> {
    for url in urls {
        let copied = || -> Outcome<Option<NamedTempFile>> {
            let Some(mut body) = get(agent, url)? else { return Ok(None) };
            let mut file = NamedTempFile::new()?;
            io::copy(&mut body, &mut file)?;
            Ok(Some(file))
        };
        if let Some(file) = retry(url, copied)? {
            return Ok(Some(file));
        }
    }
    Ok(None)
}

/// The text of a suite's package index; none if the mirror does not have it.
fn index(agent: &ureq::Agent, suite: &Suite, arch: &str) -> Outcome<Option<String>> {
    let url = format!("{}/dists/{}/main/binary-{arch}/Packages.xz", suite.mirror, suite.name);
    retry(&url, || {
        let Some(body) = get(agent, &url)? else { return Ok(None) };
        let mut text = String::new();
        Codec::Xz.decoder(body)?.take(INDEX_LIMIT).read_to_string(&mut text)?;
        Ok(Some(text))
    })
}

/// Reads a package up to its image; none if it is gone.
fn image(agent: &ureq::Agent, id: &KernelId, url: &str) -> Outcome<Option<(PackagedKernel, u64)>> {
    let Some(body) = get(agent, url)? else { return Ok(None) };
    let mut body = Counted { inner: body, read: 0 };
    let kernel = read_kernel(&mut body)?;
    if kernel.release != id.release() {
        return Err(format!("its image is of release {}", kernel.release).into());
    }
    Ok(Some((kernel, body.read)))
}

/// The body of a file on the mirror; none if it does not exist.
fn get(agent: &ureq::Agent, url: &str) -> Outcome<Option<impl Read + use<>>> {
    match agent.get(url).call() {
        Ok(response) => Ok(Some(response.into_body().into_reader())),
        Err(ureq::Error::StatusCode(404)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Tries again after a growing pause; errors name the URL.
fn retry<T>(url: &str, mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let mut pause = Duration::from_secs(1);
    let mut tries_left = TRIES;
    loop {
        tries_left -= 1;
        match attempt() {
            Ok(done) => return Ok(done),
            Err(error) if tries_left == 0 => return Err(format!("{url}: {}", chain(&*error)).into()),
            Err(error) => eprintln!("{url}: {}; trying again", chain(&*error)),
        }
        thread::sleep(pause);
        pause *= 3;
    }
}

/// An error and its causes in one line.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Counts the bytes read.
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
