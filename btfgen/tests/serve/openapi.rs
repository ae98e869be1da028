//! The OpenAPI file describes what a running server answers.

use serde_json::{Value, json};

use crate::server::{Answer, Server, bytes, kernel, object};

/// A server and its own description.
struct Described {
    server: Server,
    document: Value,
}

impl Described {
    /// Asserts that an answer is as described for a path.
    fn check(&self, path: &str, method: &str, status: u16, answer: &Answer) {
        assert_eq!(answer.status, status, "{path}: {}", String::from_utf8_lossy(&answer.body));
        let mut response = &self.document["paths"][path][method]["responses"][status.to_string()];
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        assert!(response.is_object(), "{method} {path}: status {status} is not described");
        let headers = response["headers"].as_object().into_iter().flatten();
        for (name, header) in headers {
            let value = answer.header(name).unwrap_or_else(|| panic!("{path} has no {name}"));
            let is_number = header["schema"]["type"] == "integer";
            let value = if is_number { json!(value.parse::<u64>().unwrap()) } else { json!(value) };
            self.validate(&header["schema"], &value);
        }
        let Some(contents) = response["content"].as_object() else { return };
        let content_type = answer.header("content-type").unwrap().split(';').next().unwrap();
        let content = contents.get(content_type);
        let content = content.unwrap_or_else(|| panic!("{path}: {content_type} is not described"));
        match content_type {
            "application/json" => self.validate(&content["schema"], &answer.json()),
            "application/octet-stream" => {}
            _ => self.validate(&content["schema"], &json!(answer.text())),
        }
    }

    fn validate(&self, schema: &Value, value: &Value) {
        let mut root = schema.clone();
        // References are from the document's root.
        root["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&root).unwrap();
        let errors: Vec<String> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
}

#[test]
fn answers_are_as_described() {
    let server = Server::start(&format!("--object {}", object("el/opensnoop").display()));
    let document = server.get("/api/v1/openapi.json").json();
    let described = Described { server, document };
    let server = &described.server;
    let id = kernel("debian/12/x86_64/");
    let four = {
        let parts: Vec<&str> = id.split('/').collect();
        format!(
            "distribution={}&distribution_version={}&arch={}&kernel_version={}",
            parts[0], parts[1], parts[2], parts[3]
        )
    };
    let object = bytes("el/requirements");
    let form = [("bpf", Some("x"), &object[..])];
    let get = |path: &str, target: &str, status| described.check(path, "get", status, &server.get(target));
    let post = |path: &str, query: &str, status| {
        described.check(path, "post", status, &server.post(&format!("{path}?{query}"), &object));
    };

    for path in
        ["/", "/healthz", "/metrics", "/list", "/api/v1/openapi.json", "/api/v1/kernels", "/api/v1/list"]
    {
        get(path, path, 200);
    }
    for file in ["site.css", "site.js", "report.css", "report.js"] {
        get("/assets/{file}", &format!("/assets/{file}"), 200);
    }
    get("/assets/{file}", "/assets/x", 404);
    get("/api/v1/btf/{kernel}", &format!("/api/v1/btf/{id}"), 200);
    get("/api/v1/btf/{kernel}", &format!("/api/v1/btf/{id}?x=1"), 400);
    get("/api/v1/btf/{kernel}", "/api/v1/btf/a/b/c/d", 404);
    get("/api/v1/btf", &format!("/api/v1/btf?kernel={id}"), 200);
    get("/api/v1/btf", "/api/v1/btf", 400);
    get("/api/v1/download", &format!("/api/v1/download?{four}"), 200);
    get("/api/v1/download", "/api/v1/download", 400);
    post("/api/v1/forecast", "", 200);
    post("/api/v1/forecast", "kernel=**/*-cloud-*&btf=embedded", 200);
    post("/api/v1/forecast", "x=1", 400);
    post("/api/v1/forecast", "arch=mips", 404);
    post("/api/v1/minimize", &format!("kernel={id}"), 200);
    post("/api/v1/minimize", "", 400);
    post("/api/v1/pack", "", 200);
    for path in ["/api/v1/customize", "/generate"] {
        let query = format!("{path}?{four}&kernel_name={id}");
        described.check(path, "post", 200, &server.post_form(&query, &form));
        described.check(path, "post", 400, &server.post_form(path, &form));
    }
    let wrong = server.request("POST", "/api/v1/pack", "", b"x");
    described.check("/api/v1/pack", "post", 415, &wrong);
    described.check("/api/v1/pack", "post", 422, &server.post("/api/v1/pack", b"x"));
}

#[test]
fn the_busy_server_answers_as_described() {
    // A request that is worked on, and none that waits.
    let server = Server::start("--jobs 1 --queue 0 --max-body 1");
    let document = server.get("/api/v1/openapi.json").json();
    let described = Described { server, document };
    let (server, object) = (&described.server, bytes("el/requirements"));
    let large = server.post("/api/v1/pack", &vec![0; (1 << 20) + 1]);
    described.check("/api/v1/pack", "post", 413, &large);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let clients: Vec<_> =
            (0..8).map(|_| scope.spawn(|| server.post("/api/v1/forecast", &object))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let of = |status| answers.iter().filter(move |answer| answer.status == status);
    assert!(of(200).count() > 0 && of(503).count() > 0);
    assert_eq!(of(200).count() + of(503).count(), 8);
    of(503).for_each(|answer| described.check("/api/v1/forecast", "post", 503, answer));
}
