//! The routes named as the commands give the commands' bytes.

use std::fs;

use crate::server::{Server, btfgen, bytes, hub, kernel, kernels, minimized, object};

#[test]
fn kernels_are_those_of_hub_list() {
    let server = Server::start("");
    assert_eq!(server.get("/api/v1/kernels").ok(), btfgen(&[&"hub", &"list", &hub(), &"--json"]));
}

#[test]
fn a_forecast_is_the_json_of_the_report() {
    let server = Server::start("");
    let (one, two) = (object("el/requirements"), object("el/opensnoop"));
    let report = btfgen(&[&"report", &"--hub", &hub(), &one, &two, &"--format", &"json"]);
    let parts = [
        ("object", Some("requirements.o"), &bytes("el/requirements")[..]),
        ("object", Some("opensnoop.o"), &bytes("el/opensnoop")[..]),
    ];
    assert_eq!(server.post_form("/api/v1/forecast", &parts).ok(), report);

    // One object as it is, and parameters in the query.
    let options = [
        "--include=debian/12/**",
        "--include=debian/13/x86_64/*",
        "--exclude=**/*cloud*",
        "--arch=x86_64",
        "--kernel=debian/12/**",
        "--program=with_*",
        "--optional=optional",
        "--target=with_settings=vfs_read",
        "--btf=own",
    ];
    let hub = hub();
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"report", &"--hub", &hub, &one, &"--format", &"json"];
    args.extend(options.iter().map(|option| option as &dyn AsRef<std::ffi::OsStr>));
    let report = btfgen(&args);
    let query: Vec<String> = options
        .iter()
        .map(|option| {
            option.trim_start_matches("--").replacen("settings=", "settings%3D", 1).replace('+', "%2B")
        })
        .collect();
    let target = format!("/api/v1/forecast?name=requirements.o&{}", query.join("&"));
    assert_eq!(server.post(&target, &bytes("el/requirements")).ok(), report);

    // The same in a form.
    let mut parts = vec![("object", Some("requirements.o"), bytes("el/requirements"))];
    for option in options {
        let (name, value) = option.trim_start_matches("--").split_once('=').unwrap();
        parts.push((name, None, value.into()));
    }
    let parts: Vec<_> = parts.iter().map(|(name, file, bytes)| (*name, *file, &bytes[..])).collect();
    assert_eq!(server.post_form("/api/v1/forecast", &parts).ok(), report);
}

#[test]
fn a_program_is_as_its_objects() {
    let server = Server::start("");
    let mut program = object::write::Object::new(
        object::BinaryFormat::Elf,
        object::Architecture::X86_64,
        object::Endianness::Little,
    );
    let section = program.add_section(Vec::new(), b".bpf.objs".to_vec(), object::SectionKind::Data);
    program.append_section_data(section, &bytes("el/opensnoop"), 1);
    let forecast = |object: &[u8]| server.post("/api/v1/forecast?name=opensnoop", object).ok();
    assert_eq!(forecast(&program.write().unwrap()), forecast(&bytes("el/opensnoop")));
}

#[test]
fn minimized_btf_is_that_of_the_command() {
    let server = Server::start("");
    for kernel in kernels("debian/12/x86_64/6.1.0-5").iter().take(2) {
        let (id, build_id) = (kernel["kernel"].as_str().unwrap(), kernel["build_id"].as_str().unwrap());
        let expect = minimized(id, &["el/opensnoop", "el/tcpconnect"]);
        let parts = [
            ("object", Some("a"), &bytes("el/opensnoop")[..]),
            ("object", Some("b"), &bytes("el/tcpconnect")[..]),
        ];
        let answer = server.post_form(&format!("/api/v1/minimize?kernel={id}"), &parts);
        let release = id.rsplit('/').next().unwrap();
        let file = format!("attachment; filename=\"{release}.btf\"");
        assert_eq!(answer.header("content-disposition"), Some(file.as_str()));
        assert_eq!(answer.ok(), expect);
        let answer = server.post_form(&format!("/api/v1/minimize?build_id={build_id}"), &parts);
        assert_eq!(answer.ok(), expect);
    }
}

#[test]
fn an_archive_is_that_of_the_command() {
    let server = Server::start("");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let archive = folder.path().join("archive");
    let check = |options: &[&str]| {
        let (hub, object) = (hub(), object("el/kernel"));
        let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"pack", &"--hub", &hub, &object, &"-o", &archive];
        args.extend(options.iter().map(|option| option as &dyn AsRef<std::ffi::OsStr>));
        btfgen(&args);
        let query = options.join("&").replace("--", "").replace('-', "_");
        let answer = server.post(&format!("/api/v1/pack?{query}"), &bytes("el/kernel"));
        assert_eq!(answer.ok(), fs::read(&archive).unwrap(), "{query}");
    };
    check(&[]);
    check(&["--include=debian/12/**", "--build-ids=all"]);
    check(&["--arch=x86_64", "--on-failure=keep"]);
}

#[test]
fn what_is_wrong_is_told() {
    let server = Server::start("");
    let object = bytes("el/opensnoop");
    let check = |target: &str, status, expect: &str| {
        server.post(&format!("/api/v1/{target}"), &object).fails(status, expect);
    };
    check(
        "forecast?kernels=x",
        400,
        "there is no parameter \"kernels\"; there are include, exclude, arch, kernel",
    );
    check(
        "forecast?include=fedora/**",
        404,
        "include \"fedora/**\" matches no kernel; the hub has debian/12/x86_64",
    );
    check("forecast?include=***", 400, "is not a glob over kernel ids");
    check("forecast?arch=mips", 404, "the hub has no kernel for mips");
    check("forecast?kernel=***", 400, "kernel \"***\": ");
    check("forecast?kernel=fedora/**", 404, "kernel \"fedora/**\" matches no kernel");
    check(
        "forecast?program=nope",
        404,
        "program \"nope\" matches no program; the objects have open_exit, open_enter",
    );
    check("forecast?optional=nope", 404, "optional \"nope\" matches no program");
    check("forecast?target=nope", 400, "target \"nope\": not PROGRAM=TARGET");
    check("forecast?btf=none", 400, "btf \"none\": not one of own, embedded");
    check("minimize", 400, "one of the parameters kernel and build_id is needed");
    check("minimize?kernel=x", 400, "x");
    check(
        "minimize?kernel=debian/12/x86_64/6.1.0-99-amd64",
        404,
        "no kernel debian/12/x86_64/6.1.0-99-amd64; nearest: ",
    );
    check("minimize?build_id=12", 400, "build_id \"12\": ");
    check(&format!("minimize?build_id={:040}", 0), 404, "no kernel with build id 0000");
    let big = kernel("debian/13/s390x/").replace('+', "%2B");
    check(&format!("minimize?kernel={big}"), 422, "object object is little-endian");
    check("pack?on_failure=x", 400, "on_failure \"x\": not one of keep, drop");
    check("nothing", 404, "there is nothing at /api/v1/nothing");
    server
        .post("/api/v1/forecast?name=a.o", b"\x7fELF")
        .fails(422, "cannot read object a.o: not a readable ELF file");
    server.post("/api/v1/forecast", b"").fails(400, "there is no object in the body");
    let program = fs::read(env!("CARGO_BIN_EXE_btfgen")).unwrap();
    server.post("/api/v1/forecast", &program[..1 << 20]).fails(422, "cannot read object");
    let answer = server.get("/api/v1/forecast");
    answer.fails(405, "GET is no method of /api/v1/forecast");
    assert_eq!(answer.header("allow"), Some("POST"));
    let answer = server.request("POST", "/api/v1/forecast", "Content-Type: text/plain\r\n", &object);
    answer.fails(415, "Content-Type is \"text/plain\"");
    server.get("/elsewhere").fails(404, "there is nothing at /elsewhere");
}

#[test]
fn health_metrics_and_headers() {
    let server = Server::start("");
    let answer = server.get("/healthz");
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; "), "{policy}");
    assert_eq!(answer.ok(), b"ok\n");
    server.get("/nothing").fails(404, "");
    let metrics = server.get("/metrics").ok();
    let metrics = String::from_utf8(metrics).unwrap();
    let count = kernels("").len();
    for line in [
        r#"btfgen_requests_total{method="GET",route="/healthz",status="200"} 1"#,
        r#"btfgen_requests_total{method="GET",route="none",status="404"} 1"#,
        r#"btfgen_request_duration_seconds_count{route="/healthz"} 1"#,
        "btfgen_requests_in_flight 1",
        "btfgen_refused_total 0",
        &format!("btfgen_hub_kernels {count}"),
        "# EOF",
    ] {
        assert!(metrics.lines().any(|own| own == line), "{line}\n{metrics}");
    }
}
