//! Tests with a mirror on a local port.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::engine::HubFile;
use btfgen_core::hub::ShipsBtf;
use btfgen_runtime::BuildId;

/// A mirror of `files` by path; the first answer for a path that ends with `breaks` is cut in the middle.
struct Mirror {
    url: String,
    /// Path and bytes sent of each answer, in the order of the requests.
    log: Log,
}

/// None while an answer is being sent.
type Log = Arc<Mutex<Vec<(String, Option<usize>)>>>;

impl Mirror {
    fn new(files: BTreeMap<String, Vec<u8>>, breaks: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/debian", listener.local_addr().unwrap());
        let log = Log::default();
        let shared = Arc::clone(&log);
        let files = Arc::new(files);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (files, log) = (Arc::clone(&files), Arc::clone(&shared));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    while let Some(path) = request(&stream) {
                        let (at, first) = {
                            let mut log = log.lock().unwrap();
                            let first = !log.iter().any(|(known, _)| *known == path);
                            log.push((path.clone(), None));
                            (log.len() - 1, first)
                        };
                        let cut = first && path.ends_with(breaks);
                        let sent = answer(&mut stream, files.get(&path), cut);
                        log.lock().unwrap()[at].1 = Some(sent);
                        if cut {
                            break;
                        }
                    }
                });
            }
        });
        Self { url, log }
    }

    /// Bytes sent in each answer for a path, after all have ended.
    fn sent(&self, name: &str) -> Vec<usize> {
        loop {
            let log = self.log.lock().unwrap();
            let sent = log.iter().filter(|(path, _)| path.ends_with(name)).map(|(_, sent)| *sent);
            if let Some(sent) = sent.collect() {
                return sent;
            }
            drop(log);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The path that a client requests.
fn request(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    lines.find(|line| line.as_ref().is_ok_and(String::is_empty))?.ok()?;
    Some(first.split(' ').nth(1)?.trim_start_matches("/debian/").to_owned())
}

/// Sends until the client closes; returns the number of bytes sent.
fn answer(stream: &mut TcpStream, body: Option<&Vec<u8>>, cut: bool) -> usize {
    let (status, body) = match body {
        Some(body) => ("200 OK", body.as_slice()),
        None => ("404 Not Found", [].as_slice()),
    };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    if stream.write_all(head.as_bytes()).is_err() {
        return 0;
    }
    let body = if cut { &body[..body.len() / 2] } else { body };
    let mut sent = 0;
    for chunk in body.chunks(64 << 10) {
        if stream.write_all(chunk).is_err() {
            break;
        }
        sent += chunk.len();
    }
    sent
}

const BUILD_ID: [u8; BuildId::LEN] = [7; BuildId::LEN];

/// A BTF of one int, with a name that only a kernel's BTF has.
fn btf() -> Vec<u8> {
    let mut out = vec![0x9f, 0xeb, 1, 0];
    let words = [24, 0, 16, 16, 17, 1, 1 << 24, 4, 32];
    out.extend(words.iter().flat_map(|word: &u32| word.to_le_bytes()));
    out.extend(b"\0int\0task_struct\0");
    out
}

/// A kernel in memory: the note of its build id, and its BTF.
fn image() -> Vec<u8> {
    let mut out: Vec<u8> = [4, BuildId::LEN as u32, 3].iter().flat_map(|word| word.to_le_bytes()).collect();
    out.extend(b"GNU\0");
    out.extend(BUILD_ID);
    out.extend(btf());
    out
}

/// A package with an image at a path, and 40 MB after it.
fn deb(path: &str, image: &[u8]) -> Vec<u8> {
    let tar = |files: &[(&str, &[u8])]| {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, data) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            builder.append_data(&mut header, path, *data).unwrap();
        }
        builder.into_inner().unwrap()
    };
    let control = tar(&[("control", b"Package: linux\nVersion: 6.1.1-1\nArchitecture: amd64\n")]);
    let rest = vec![0; 40_000_000];
    let data = tar(&[(path, image), ("lib/rest", &rest)]);
    let mut out = b"!<arch>\n".to_vec();
    for (name, data) in [("control.tar", control), ("data.tar", data)] {
        out.extend(format!("{name:<16}{:<32}{:<10}`\n", 0, data.len()).bytes());
        out.extend(data);
    }
    out
}

#[test]
fn fills_a_tree_from_a_mirror() {
    let mut index = String::new();
    let mut files = BTreeMap::new();
    for (release, image) in [
        ("6.1.0-1-amd64", Some(image())),
        ("6.1.0-2-amd64", None),
        ("6.1.0-3-amd64", Some(vec![7; 1000])),
        ("6.1.0-4-amd64", Some(image())),
    ] {
        let path = format!("pool/linux-image-{release}.deb");
        index += &format!("Package: linux-image-{release}\nSize: 40000000\nFilename: {path}\n\n");
        if let Some(image) = image {
            files.insert(path, deb(&format!("boot/vmlinuz-{release}"), &image));
        }
    }
    // Of this kernel the debug package is read, not the image.
    let without_btf = "Package: linux-image-6.1.0-50-s390x\nSize: 40000000\nFilename: pool/image.deb\n\n\
                       Package: linux-image-6.1.0-50-s390x-dbg\nSize: 40000000\nFilename: pool/dbg.deb\n\n";
    files.insert("pool/dbg.deb".to_owned(), deb("usr/lib/debug/boot/vmlinux-6.1.0-50-s390x", &image()));
    for (arch, index) in [("amd64", index.as_str()), ("s390x", without_btf)] {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
        xz.write_all(index.as_bytes()).unwrap();
        files.insert(format!("dists/bookworm/main/binary-{arch}/Packages.xz"), xz.finish().unwrap());
    }
    // The connection is lost in the middle of the index.
    let mirror = Mirror::new(files, "bookworm/main/binary-amd64/Packages.xz");
    let mirrors = Mirrors { main: mirror.url.clone(), security: None };

    let tree = tempfile::tempdir().unwrap();
    let tally = fill(&agent(), &mirrors, tree.path(), &KernelFilter::default()).unwrap();
    assert_eq!(tally, Tally { offered: 5, kept: 0, read: 3, without_btf: 1, gone: 1, failed: 0 });
    assert_eq!(mirror.sent("bookworm/main/binary-amd64/Packages.xz").len(), 2);
    for release in ["6.1.0-1-amd64", "6.1.0-4-amd64"] {
        let packed = fs::read(tree.path().join(format!("debian/12/x86_64/{release}.btf.zst"))).unwrap();
        assert_eq!(zstd::bulk::decompress(&packed, 1000).unwrap(), btf());
        let sent = mirror.sent(&format!("{release}.deb"));
        assert!(sent.len() == 1 && sent[0] < 20_000_000, "{sent:?}");
    }
    assert_eq!(fs::read_dir(tree.path().join("debian/12/x86_64")).unwrap().count(), 4);
    assert_eq!((mirror.sent("image.deb").len(), mirror.sent("dbg.deb").len()), (0, 1));
    assert!(tree.path().join("debian/12/s390x/6.1.0-50-s390x.hub").exists());

    let tally = fill(&agent(), &mirrors, tree.path(), &KernelFilter::default()).unwrap();
    assert_eq!(tally, Tally { offered: 5, kept: 3, read: 0, without_btf: 1, gone: 1, failed: 0 });
    assert_eq!(mirror.sent("6.1.0-1-amd64.deb").len(), 1);

    let file = tree.path().join("kernels.hub");
    let filter = KernelFilter::new(&["**"], &["debian/*/*/6.1.0-4-*", "debian/*/s390x/*"], &[]).unwrap();
    hub::pack(tree.path(), &filter, &file).unwrap();
    let hub = HubFile::open(fs::read(&file).unwrap()).unwrap();
    let [kernel] = hub.kernels() else { panic!("{:?}", hub.kernels()) };
    assert_eq!(
        (kernel.id.release(), kernel.provenance.as_str()),
        ("6.1.0-1-amd64", "linux_6.1.1-1_amd64.deb")
    );
    assert_eq!(kernel.build_id, Some(BuildId::from_bytes(BUILD_ID)));
    assert_eq!(kernel.ships_btf, ShipsBtf::Yes);
}
