//! Serve: `btfgen serve` with many clients, damaged uploads and slow clients, on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::commands::Bench;
use super::process;
use crate::engine::{Endian, HubFile};
use crate::files;
use crate::shell::Outcome;
use crate::table::{Alignment, table};

const CLIENTS: usize = 64;
const DAMAGED_UPLOADS: usize = 10_000;
const DAMAGING_CLIENTS: usize = 16;
/// Slow clients of each kind.
const SLOW_CLIENTS: usize = 20;
/// A slow client must be cut off within this time.
const PATIENCE: Duration = Duration::from_secs(60);
const OCTETS: &str = "application/octet-stream";

/// A running server.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(bench: &Bench, objects: &[&Path]) -> Outcome<Self> {
        let mut command = Command::new(&bench.btfgen);
        command.args(["serve", "--listen", "127.0.0.1:0", "--hub"]).arg(files::example_hub());
        command.args(objects.iter().flat_map(|object| [Path::new("--object"), *object]));
        let log = fs::File::create(log(bench))?;
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn()?;
        let mut line = String::new();
        let stdout = process.stdout.take().ok_or("the server has no standard output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://").ok_or("the server does not listen")?;
        Ok(Self { address: address.to_owned(), process })
    }

    fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Resident memory in bytes.
    fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes: u64 = line.split_whitespace().next().ok_or("no VmRSS")?.parse()?;
        Ok(kilobytes * 1024)
    }

    /// The number of open connections, this one included.
    fn connections(&self) -> Outcome<usize> {
        let text = agent().get(self.url("/metrics")).call()?.body_mut().read_to_string()?;
        let line = text.lines().find_map(|line| line.strip_prefix("btfgen_connections "));
        Ok(line.ok_or("no btfgen_connections")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn log(bench: &Bench) -> std::path::PathBuf {
    bench.scratch.join("serve.log")
}

/// A client that takes every status as an answer.
fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    config.build().into()
}

/// Runs all parts against one server; `time` is that of the load.
pub(super) fn measure(bench: &Bench, time: Duration) -> Outcome {
    let folder = oracle::testdata::folder().join("objects/el");
    let objects = ["opensnoop.o", "requirements.o", "kernel.o"].map(|name| folder.join(name));
    let server = Server::start(bench, &[&objects[0], &objects[2]])?;
    println!("\nbtfgen serve on the example's hub file, after its start: {}", megabytes(server.memory()?));
    load(&server, &objects.each_ref().map(|path| path.as_path()), time)?;
    damaged(&server, &fs::read(&objects[1])?)?;
    slow(&server)?;
    let log = fs::read_to_string(log(bench))?;
    match log.lines().find(|line| line.contains("panicked")) {
        Some(line) => Err(format!("the server panicked: {line}").into()),
        None => Ok(()),
    }
}

/// A request of the load.
struct Request {
    route: &'static str,
    target: String,
    body: Option<Vec<u8>>,
}

/// Many clients, each of which sends its next request when it has an answer.
fn load(server: &Server, objects: &[&Path; 3], time: Duration) -> Outcome {
    let [small, programs, _] = objects;
    let hub = HubFile::open(fs::read(files::example_hub())?)?;
    // The objects are little-endian.
    let kernels = hub.kernels().iter().filter(|record| record.model.endian == Endian::Little);
    let ids: Vec<String> = kernels.map(|record| record.id.to_string().replace('+', "%2B")).collect();
    let (small, programs) = (fs::read(small)?, fs::read(programs)?);
    let request = |number: usize| {
        let id = &ids[number * 7919 % ids.len()];
        let (route, target, body) = match number % 16 {
            0 => ("POST forecast", "/api/v1/forecast".to_owned(), Some(&programs)),
            1 => ("POST pack", "/api/v1/pack?include=debian/12/**".to_owned(), Some(&small)),
            2..5 => ("POST minimize", format!("/api/v1/minimize?kernel={id}"), Some(&small)),
            5 => ("GET kernels", "/api/v1/kernels".to_owned(), None),
            6 => ("GET list", "/api/v1/list".to_owned(), None),
            7 => ("GET /", "/".to_owned(), None),
            _ => ("GET btf", format!("/api/v1/btf/{id}"), None),
        };
        Request { route, target, body: body.cloned() }
    };
    let (stop, peak, next) = (AtomicBool::new(false), AtomicU64::new(0), AtomicUsize::new(0));
    let client = || -> Outcome<BTreeMap<&'static str, Vec<Duration>>> {
        let agent = agent();
        let mut times: BTreeMap<_, Vec<Duration>> = BTreeMap::new();
        while !stop.load(Ordering::Relaxed) {
            let Request { route, target, body } = request(next.fetch_add(1, Ordering::Relaxed));
            let start = Instant::now();
            let url = server.url(&target);
            let mut response = match &body {
                Some(body) => agent.post(url).content_type(OCTETS).send(&body[..])?,
                None => agent.get(url).call()?,
            };
            let answer = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
            if response.status() != 200 {
                let text = String::from_utf8_lossy(&answer).into_owned();
                return Err(format!("{route}: status {}: {text}", response.status()).into());
            }
            times.entry(route).or_default().push(start.elapsed());
        }
        Ok(times)
    };
    let start = Instant::now();
    let outcomes: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        while start.elapsed() < time && !clients.iter().any(thread::ScopedJoinHandle::is_finished) {
            peak.fetch_max(server.memory().unwrap_or(0), Ordering::Relaxed);
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
        clients
            .into_iter()
            .map(|client| client.join().unwrap_or_else(|_| Err("a client panicked".into())))
            .collect()
    });
    let seconds = start.elapsed().as_secs_f64();
    let mut all: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for times in outcomes {
        times?.into_iter().for_each(|(route, times)| all.entry(route).or_default().extend(times));
    }
    let count: usize = all.values().map(Vec::len).sum();
    println!(
        "{CLIENTS} clients for {seconds:.0} s: {count} requests without an error, {:.0} a second; memory at most {}, after it {}",
        count as f64 / seconds,
        megabytes(peak.into_inner()),
        megabytes(server.memory()?)
    );
    let rows = all.into_iter().map(|(route, mut times)| {
        times.sort_unstable();
        let at = |part: usize| process::time(times[(times.len() - 1) * part / 100]);
        vec![route.to_owned(), times.len().to_string(), at(50), at(99), at(100)]
    });
    print!(
        "{}",
        table(&["", "requests", "p50", "p99", "longest"], &rows.collect::<Vec<_>>(), Alignment::Right)
    );
    Ok(())
}

/// Uploads that cannot be used; each must get a status of the client's fault and a reason.
fn damaged(server: &Server, object: &[u8]) -> Outcome {
    let before = server.memory()?;
    let (next, statuses) = (AtomicUsize::new(0), std::sync::Mutex::new(BTreeMap::<u16, usize>::new()));
    let client = || -> Outcome {
        let agent = agent();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= DAMAGED_UPLOADS {
                return Ok(());
            }
            let (content_type, body) = damage(object, number);
            let target = ["/api/v1/forecast", "/api/v1/pack?include=debian/12/**"][number % 2];
            let request = agent.post(server.url(target)).content_type(content_type);
            let mut response = request.send(&body[..])?;
            let status = response.status().as_u16();
            let text = response.body_mut().read_to_string()?;
            let reason: serde_json::Value = serde_json::from_str(&text)?;
            let has_reason = reason["error"].as_str().is_some_and(|reason| !reason.is_empty());
            if !(400..500).contains(&status) || !has_reason {
                return Err(format!("damaged upload {number}: status {status}: {text}").into());
            }
            if let Ok(mut statuses) = statuses.lock() {
                *statuses.entry(status).or_default() += 1;
            }
        }
    };
    let start = Instant::now();
    thread::scope(|scope| -> Outcome {
        let clients: Vec<_> = (0..DAMAGING_CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|_| Err("a client panicked".into())))
    })?;
    let statuses = statuses.into_inner()?;
    let statuses: Vec<String> =
        statuses.iter().map(|(status, count)| format!("{count} with {status}")).collect();
    println!(
        "{DAMAGED_UPLOADS} damaged uploads in {}, each with a reason: {}; memory before {}, after {}",
        process::time(start.elapsed()),
        statuses.join(", "),
        megabytes(before),
        megabytes(server.memory()?)
    );
    Ok(())
}

/// A body that is certain to be refused, and its type.
fn damage(object: &[u8], number: usize) -> (&'static str, Vec<u8>) {
    // Spread over the object, the same in each run.
    let at = number * 104_729 % object.len();
    let mut body = object.to_vec();
    match number % 6 {
        // The section headers are at the end.
        0 => body.truncate(at),
        // The file header's magic, class, byte order, type and machine.
        1 => body[[0, 1, 2, 3, 4, 5, 16, 18][at % 8]] ^= 0x55,
        // The offset of the section headers.
        2 => body[40 + at % 7] ^= 0x81,
        // The magic or the version of `.BTF`.
        3 => {
            let btf = body.windows(4).position(|bytes| bytes == [0x9f, 0xeb, 1, 0]).unwrap_or(0);
            body[btf + at % 3] ^= 0x55;
        }
        4 => return ("text/plain", body),
        // A form that ends in the middle.
        _ => {
            let head = b"--b\r\nContent-Disposition: form-data; name=\"object\"; filename=\"a.o\"\r\n\r\n";
            return ("multipart/form-data; boundary=b", [head, &body[..at]].concat());
        }
    }
    (OCTETS, body)
}

/// Clients that send or take nothing more; each kind must be cut off.
fn slow(server: &Server) -> Outcome {
    let body = format!(
        "POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Type: {OCTETS}\r\nContent-Length: 9\r\n\r\nx"
    );
    // More answers than the buffers of a connection take.
    let answers = "GET /api/v1/kernels HTTP/1.1\r\nHost: x\r\n\r\n".repeat(200);
    let kinds = [
        ("headers that do not end", "GET / HTTP/1.1\r\nHost: x\r\n"),
        ("a body that does not come", &body),
        ("answers that are not read", &answers),
    ];
    for (kind, bytes) in kinds {
        wait(server, 1)?;
        let start = Instant::now();
        let connect = |_| {
            let mut stream = TcpStream::connect(&server.address)?;
            stream.write_all(bytes.as_bytes())?;
            Ok(stream)
        };
        let streams = (0..SLOW_CLIENTS).map(connect).collect::<std::io::Result<Vec<_>>>()?;
        wait(server, 1)?;
        println!("{SLOW_CLIENTS} clients with {kind}: all cut off after {}", process::time(start.elapsed()));
        drop(streams);
    }
    Ok(())
}

/// Waits until the server has this number of connections.
fn wait(server: &Server, connections: usize) -> Outcome {
    let start = Instant::now();
    while server.connections()? > connections {
        if start.elapsed() > PATIENCE {
            return Err(format!("slow clients are not cut off after {}", process::time(PATIENCE)).into());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_differs_from_the_object() {
        let object = oracle::testdata::object("el", "requirements");
        for number in 0..600 {
            let (content_type, body) = damage(&object, number);
            assert!(content_type != OCTETS || body != object, "{number}");
        }
    }
}
