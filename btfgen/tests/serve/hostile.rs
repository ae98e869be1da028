//! Hostile clients and files: the server answers or cuts them off, and serves the next one.

use std::io::{Read, Write};

use crate::server::{Server, bytes};

/// The server still works, and nothing in it panicked.
fn is_well(server: &Server) {
    server.post("/api/v1/forecast?kernel=debian/12/**", &bytes("el/opensnoop")).ok();
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");
}

/// The status of an answer, if there is one.
fn status(answer: &[u8]) -> Option<u16> {
    let line = String::from_utf8_lossy(answer.get(..12)?).into_owned();
    line.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

#[test]
fn malformed_requests() {
    let server = Server::start("");
    // Each is refused, or the connection closed.
    let check = |request: &[u8]| {
        let status = status(&server.send(request));
        let request = String::from_utf8_lossy(&request[..request.len().min(200)]);
        assert!(
            status.is_none_or(|status| (400..500).contains(&status) || status == 505),
            "{status:?} to {request}"
        );
    };
    let flood = |count: usize| {
        let headers: String =
            (0..count).map(|number| format!("X-{number}: {}\r\n", "y".repeat(100))).collect();
        format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n").into_bytes()
    };
    check(&flood(65));
    check(&flood(10_000));
    check(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000)).as_bytes());
    check(format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(1 << 20)).as_bytes());
    check(b"\x00\x01\x02\r\n\r\n");
    check(b"GET / HTTP/9.9\r\n\r\n");
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    check(b"POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n");
    check(b"POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n");
    let chunked = "POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n\
                   Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    check(format!("{chunked}zz\r\nx").as_bytes());
    check(format!("{chunked}ffffffffffffffff\r\nx").as_bytes());
    check(format!("{chunked}1\r\nx\r\n0\r\n\r\n").as_bytes());
    for length in ["99999999999999999999", "18446744073709551615", "9223372036854775807", "67108865"] {
        let request = format!(
            "POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\n\
             Connection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        check(request.as_bytes());
    }
    is_well(&server);
}

#[test]
fn malformed_forms() {
    let server = Server::start("");
    let object = bytes("el/opensnoop");
    let head = b"--XyZ\r\nContent-Disposition: form-data; name=\"object\"; filename=\"a.o\"\r\n\r\n";
    let form = [head, &object[..], b"\r\n--XyZ--\r\n"].concat();
    let post = |body: &[u8]| {
        server.request("POST", "/api/v1/pack", "Content-Type: multipart/form-data; boundary=XyZ\r\n", body)
    };
    assert_eq!(post(&form).status, 200);
    for length in [0, 1, 5, 40, head.len(), head.len() + 10, form.len() - 12, form.len() - 5] {
        let answer = post(&form[..length]);
        assert_eq!(answer.status, 400, "{length}: {}", answer.text());
    }
    for kind in
        ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other"]
    {
        let answer = server.request("POST", "/api/v1/pack", &format!("Content-Type: {kind}\r\n"), &form);
        assert_eq!(answer.status, 400, "{kind}: {}", answer.text());
    }
    let long = format!("Content-Disposition: form-data; name=\"x\"; filename=\"{}\"", "y".repeat(100_000));
    let long = [b"--XyZ\r\n", long.as_bytes(), b"\r\n\r\nx\r\n--XyZ--\r\n"].concat();
    assert!([400, 422].contains(&post(&long).status));
    is_well(&server);
}

#[test]
fn damaged_objects_get_a_reason() {
    let server = Server::start("");
    let mut random = fastrand::Rng::with_seed(1);
    let objects = [bytes("el/requirements"), bytes("el/kernel"), bytes("eb/opensnoop")];
    for turn in 0..300 {
        let mut object = objects[turn % objects.len()].clone();
        match turn % 4 {
            0 => object.truncate(random.usize(1..object.len())),
            1 => {
                let from = random.usize(0..64);
                object.iter_mut().skip(from).step_by(7).take(9).for_each(|byte| *byte ^= 0xff);
            }
            _ => (0..8).for_each(|_| {
                let at = random.usize(0..object.len());
                object[at] = random.u8(..);
            }),
        }
        let target = ["/api/v1/forecast", "/api/v1/pack"][turn % 2];
        let answer = server.post(&format!("{target}?include=debian/12/x86_64/6.1.0-5*-cloud-amd64"), &object);
        match answer.status {
            200 => {}
            422 => assert!(answer.json()["error"].as_str().unwrap().len() > 10),
            other => panic!("{other} in turn {turn}: {}", answer.text()),
        }
    }
    is_well(&server);
}

#[test]
fn clients_that_send_too_slowly_are_cut_off() {
    let server = Server::start("");
    let heads = [
        // Headers that do not end, a body that does not come, and a connection without a request.
        "GET / HTTP/1.1\r\nHost: x\r\n",
        "POST /api/v1/pack HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\nx",
        "",
    ];
    let streams = heads.map(|head| {
        let mut stream = server.connect();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    });
    let answers = streams.map(|mut stream| {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        status(&answer)
    });
    assert_eq!(answers[1], Some(408));
    assert!(answers[0].is_none_or(|status| status == 408));
    is_well(&server);
}

#[test]
fn it_ends_with_open_connections_and_answers_what_it_was_asked() {
    let mut server = Server::start("");
    let idle = server.connect();
    let (sent, is_sent) = std::sync::mpsc::channel();
    let object = bytes("el/requirements");
    let mut busy = server.connect();
    let client = std::thread::spawn(move || {
        let head = format!(
            "POST /api/v1/forecast HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            object.len()
        );
        busy.write_all(&[head.as_bytes(), &object].concat()).unwrap();
        sent.send(()).unwrap();
        let mut answer = Vec::new();
        busy.read_to_end(&mut answer).unwrap();
        answer
    });
    is_sent.recv().unwrap();
    // The request is accepted when one that came later has its answer.
    server.get("/healthz").ok();
    assert!(server.terminate());
    assert_eq!(status(&client.join().unwrap()), Some(200));
    drop(idle);
}
