//! The routes of btfhub-online, asked as its clients ask.

use std::io::Read;

use serde_json::Value;

use crate::server::{Server, btfgen, bytes, hub, kernel, kernels, minimized};

/// The only member of a tar archive: its name and content.
fn only_member(tar: impl Read) -> (String, Vec<u8>) {
    let mut archive = tar::Archive::new(tar);
    let mut members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (entry.path().unwrap().display().to_string(), content)
    });
    let member = members.next().unwrap();
    assert!(members.next().is_none());
    member
}

fn query(kernel: &str) -> String {
    let names = ["distribution", "distribution_version", "arch", "kernel_version"];
    let parts = names
        .iter()
        .zip(kernel.split('/'))
        .map(|(name, part)| format!("{name}={}", part.replace('+', "%2B")));
    parts.collect::<Vec<_>>().join("&")
}

fn extracted(kernel: &str) -> Vec<u8> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("btf");
    btfgen(&[&"hub", &"extract", &hub(), &kernel, &"-o", &file]);
    std::fs::read(file).unwrap()
}

#[test]
fn lists_downloads_and_customizes() {
    let server = Server::start("");
    let ids: Vec<String> = kernels("").iter().map(|own| own["kernel"].as_str().unwrap().to_owned()).collect();
    let list: Vec<Value> = serde_json::from_slice(&server.get("/api/v1/list").ok()).unwrap();
    let part = |own: &Value, name: &str| own[name].as_str().unwrap().to_owned();
    let names = ["distribution", "distribution_version", "arch", "kernel_version"];
    let listed: Vec<String> = list.iter().map(|own| names.map(|name| part(own, name)).join("/")).collect();
    assert_eq!(listed, ids);
    let legacy: Vec<String> = serde_json::from_slice(&server.get("/list").ok()).unwrap();
    assert_eq!(legacy, ids.iter().map(|id| format!("{id}.btf.tar.xz")).collect::<Vec<_>>());

    let id = kernel("debian/13/x86_64/");
    let release = id.rsplit('/').next().unwrap();
    let packed = server.get(&format!("/api/v1/download?{}", query(&id))).ok();
    let member = only_member(liblzma::read::XzDecoder::new(&packed[..]));
    assert_eq!(member, (format!("{release}.btf"), extracted(&id)));

    let object = bytes("el/opensnoop");
    let parts = [("bpf", Some("from_memory"), &object[..])];
    let expect = minimized(&id, &["el/opensnoop"]);
    let packed = server.post_form(&format!("/api/v1/customize?{}", query(&id)), &parts).ok();
    let member = only_member(flate2::read::GzDecoder::new(&packed[..]));
    assert_eq!(member, (format!("{release}.btf"), expect.clone()));
    for name in [id.clone(), format!("{id}.btf.tar.xz"), format!("*{id}*")] {
        let name = name.replace('+', "%2B");
        let answer = server.post_form(&format!("/generate?kernel_name={name}"), &parts);
        let packed = answer.ok();
        let member = only_member(flate2::read::GzDecoder::new(&packed[..]));
        assert_eq!(member, (format!("{id}.btf"), expect.clone()));
    }
}

#[test]
fn errors_are_text_with_the_right_status() {
    let server = Server::start("");
    let id = kernel("debian/12/x86_64/");
    let object = bytes("el/opensnoop");
    let check = |answer: crate::server::Answer, status, expect: &str| {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert!(answer.text().contains(expect), "{}", answer.text());
    };
    let needed = "the parameters are needed: distribution, distribution_version, arch, kernel_version";
    check(server.get("/api/v1/download"), 400, needed);
    check(server.get("/api/v1/download?distribution=debian&arch=x86_64"), 400, needed);
    check(
        server.get(&format!("/api/v1/download?{}", query("debian/12/x86_64/nope"))),
        404,
        "no kernel debian/12/x86_64/nope",
    );
    let customize = format!("/api/v1/customize?{}", query(&id));
    let form = |file: &[u8]| server.post_form(&customize, &[("bpf", Some("x"), file)]);
    check(server.post_form("/api/v1/customize", &[("bpf", Some("x"), &object)]), 400, needed);
    check(
        server.post_form(&customize, &[("other", Some("x"), &object)]),
        400,
        "the form has no file \"bpf\"",
    );
    check(form(b"no object"), 422, "cannot read object x: not a readable ELF file");
    check(form(b""), 400, "there is no object in the body");
    check(
        server.post_form("/generate", &[("bpf", Some("x"), &object)]),
        400,
        "the parameter is needed: kernel_name",
    );
    check(server.post("/generate", &object), 400, "the form has no file \"bpf\"");
    let answer = server.request("POST", &customize, "Content-Type: text/plain\r\n", &object);
    check(answer, 415, "Content-Type is \"text/plain\"");
}
