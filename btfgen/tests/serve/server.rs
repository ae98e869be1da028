//! Server: a running `btfgen serve`, and a client that does as it is told.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

/// A running server, ended when dropped.
pub(crate) struct Server {
    process: Child,
    address: String,
    folder: TempDir,
}

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

/// A part of a form: the field, the name of the file if it is one, and the content.
pub(crate) type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

impl Server {
    /// Starts a server on the kernels of [`hub`].
    pub(crate) fn start(options: &str) -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--hub"])
            .arg(hub())
            .args(options.split_whitespace());
        command.stdout(Stdio::piped()).stderr(File::create(folder.path().join("log")).unwrap());
        let mut process = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").map(str::to_owned);
        let log = || fs::read_to_string(folder.path().join("log")).unwrap();
        let address = address.unwrap_or_else(|| panic!("{line}{}", log()));
        Self { process, address, folder }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.address).unwrap()
    }

    /// Sends bytes as they are; returns what comes until the server closes the connection.
    pub(crate) fn send(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The server may have closed it already.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// Sends a request with these further header lines.
    pub(crate) fn request(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            self.address,
            body.len()
        );
        Answer::parse(&self.send(&[head.as_bytes(), body].concat()))
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.request("GET", target, "", b"")
    }

    /// Sends the bytes of one object.
    pub(crate) fn post(&self, target: &str, object: &[u8]) -> Answer {
        self.request("POST", target, "Content-Type: application/octet-stream\r\n", object)
    }

    /// Sends a form.
    pub(crate) fn post_form(&self, target: &str, parts: &[Part<'_>]) -> Answer {
        let mut body = Vec::new();
        for (field, file, content) in parts {
            let file = file.map_or_else(String::new, |file| format!("; filename=\"{file}\""));
            let head = format!("--XyZ\r\nContent-Disposition: form-data; name=\"{field}\"{file}\r\n\r\n");
            body.extend([head.as_bytes(), content, b"\r\n"].concat());
        }
        body.extend(b"--XyZ--\r\n");
        self.request("POST", target, "Content-Type: multipart/form-data; boundary=XyZ\r\n", &body)
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// Ends the server as a service manager does; returns whether it succeeded.
    pub(crate) fn terminate(&mut self) -> bool {
        assert!(Command::new("kill").arg(self.process.id().to_string()).status().unwrap().success());
        self.process.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts success; returns the body.
    pub(crate) fn ok(self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body
    }

    /// Asserts a failure with a reason as JSON.
    pub(crate) fn fails(&self, status: u16, expect: &str) {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        let error = self.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(expect), "{error:?} without {expect:?}");
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Runs the command, which must succeed; returns its standard output.
pub(crate) fn btfgen(args: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_btfgen"))
        .args(args.iter().map(|arg| arg.as_ref()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A part of the example's hub file: a few kernels of both byte orders.
pub(crate) fn hub() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve.hub");
        let _ = fs::remove_file(&file);
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command.arg("vendor").arg(repository().join("example-app/kernels.hub")).arg("-o").arg(&file);
        for include in
            ["debian/12/x86_64/6.1.0-5*", "debian/13/x86_64/6.12.117+deb13-*", "debian/13/s390x/6.12.*"]
        {
            command.args(["--include", include]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        file
    })
}

/// The kernels of the hub whose ids begin so, as `btfgen hub list --json` has them.
pub(crate) fn kernels(prefix: &str) -> Vec<Value> {
    let list = btfgen(&[&"hub", &"list", &hub(), &"--json"]);
    let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
    let kernels = list.into_iter().filter(|kernel| kernel["kernel"].as_str().unwrap().starts_with(prefix));
    let kernels: Vec<Value> = kernels.collect();
    assert!(!kernels.is_empty(), "{prefix}");
    kernels
}

/// The id of the first of them.
pub(crate) fn kernel(prefix: &str) -> String {
    kernels(prefix)[0]["kernel"].as_str().unwrap().to_owned()
}

/// The path of a fixture, such as `el/opensnoop`.
pub(crate) fn object(name: &str) -> PathBuf {
    repository().join(format!("testdata/objects/{name}.o"))
}

pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(object(name)).unwrap()
}

/// What `btfgen hub extract` and `btfgen minimize` make of a kernel for fixtures.
pub(crate) fn minimized(kernel: &str, names: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (btf, output) = (folder.path().join("btf"), folder.path().join("min"));
    btfgen(&[&"hub", &"extract", &hub(), &kernel, &"-o", &btf]);
    let objects: Vec<PathBuf> = names.iter().map(|name| object(name)).collect();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"minimize", &btf, &"-o", &output];
    args.extend(objects.iter().map(|object| object as &dyn AsRef<std::ffi::OsStr>));
    btfgen(&args);
    fs::read(output).unwrap()
}
