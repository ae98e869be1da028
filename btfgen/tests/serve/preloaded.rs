//! Preloaded objects: what a program gets that asks for its kernel's BTF.

use btfgen_runtime::ObjectDigest;
use sha2::{Digest, Sha256};

use crate::server::{Server, bytes, kernel, kernels, minimized, object};

#[test]
fn btf_is_minimized_for_all_objects_of_the_byte_order() {
    let names = ["el/opensnoop", "el/tcpconnect", "eb/opensnoop"];
    let options: Vec<String> =
        names.iter().map(|name| format!("--object {}", object(name).display())).collect();
    let server = Server::start(&options.join(" "));
    let digests = names.map(|name| ObjectDigest::of(&bytes(name)).unwrap());
    let [first, second, big] = &digests;

    let little = &kernels("debian/13/x86_64/")[0];
    let (id, build_id) = (little["kernel"].as_str().unwrap(), little["build_id"].as_str().unwrap());
    let expect = minimized(id, &names[..2]);
    let id = id.replace('+', "%2B");
    for target in [
        format!("/{id}"),
        format!("/{id}?digest={first}"),
        format!("/{id}?digest={second}&digest={first}"),
        format!("?build_id={build_id}"),
        format!("?build_id={build_id}&digest={first}"),
        format!("?kernel={id}"),
        // The build id counts first, whatever the kernel is called.
        format!("/{id}?build_id={build_id}"),
        format!("/custom/mine/x86_64/6.1?build_id={build_id}"),
    ] {
        assert_eq!(server.get(&format!("/api/v1/btf{target}")).ok(), expect, "{target}");
    }
    let id_big = kernel("debian/13/s390x/");
    let answer = server.get(&format!("/api/v1/btf/{}?digest={big}", id_big.replace('+', "%2B")));
    assert_eq!(answer.ok(), minimized(&id_big, &names[2..]));

    let check = |target: String, status, expect: &str| {
        server.get(&format!("/api/v1/btf{target}")).fails(status, expect);
    };
    check(format!("/{id}?digest=0123456789abcdef"), 404, "has digest 0123456789abcdef");
    check(format!("/{id}?digest={big}"), 404, &format!("has digest {big}"));
    check(format!("/{id}?digest=1"), 400, "digest \"1\": not 16 hexadecimal digits");
    check("/debian/12/x86_64/nope".to_owned(), 404, "no kernel debian/12/x86_64/nope");
    check("/nope".to_owned(), 400, "nope");
    check(format!("?build_id={:040}", 1), 404, "no kernel with build id");
    check(format!("/{id}?build_id={:040}", 1), 404, &format!("has build id {build_id}, not 0000"));
    check(String::new(), 400, "one of the parameters kernel and build_id is needed");
}

#[test]
fn an_answer_has_its_hash_and_is_not_sent_twice() {
    let server = Server::start(&format!("--object {}", object("el/opensnoop").display()));
    let target = format!("/api/v1/btf/{}", kernel("debian/12/x86_64/"));
    let answer = server.get(&target);
    let hex: String = Sha256::digest(&answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
    let etag = answer.header("etag").unwrap();
    assert_eq!(etag, format!("\"{hex}\""));
    assert!(answer.header("repr-digest").unwrap().starts_with("sha-256=:"));
    assert_eq!(answer.header("cache-control"), Some("no-cache"));
    let again = server.request("GET", &target, &format!("If-None-Match: {etag}\r\n"), b"");
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = server.request("HEAD", &target, "", b"");
    assert_eq!((head.status, head.header("etag")), (200, Some(etag)));
}

#[test]
fn without_objects_it_says_so() {
    let server = Server::start("");
    server.get(&format!("/api/v1/btf/{}", kernel("debian/12/x86_64/"))).fails(404, "no object is preloaded");
}
