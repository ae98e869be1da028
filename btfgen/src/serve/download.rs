//! Download: bytes with a file name and their SHA-256.

use axum::body::Bytes;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

/// RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// A file to be stored by the client.
pub(super) struct Download {
    name: String,
    bytes: Bytes,
    sha256: [u8; 32],
}

impl Download {
    pub(super) fn new(name: &str, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._+~-".contains(c);
        let name = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let sha256 = Sha256::digest(&bytes).into();
        Self { name, bytes, sha256 }
    }

    fn etag(&self) -> String {
        format!("\"{}\"", self.sha256.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// The answer for a client that may have these bytes.
    pub(super) fn unless_known(self, request: &HeaderMap) -> Response {
        let etag = self.etag();
        let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
        let is_known = known.is_some_and(|known| {
            known
                .split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == etag)
        });
        match is_known {
            true => (StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response(),
            false => self.into_response(),
        }
    }
}

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        let headers = [
            (CONTENT_TYPE, "application/octet-stream".to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{}\"", self.name)),
            (REPR_DIGEST, format!("sha-256=:{}:", STANDARD.encode(self.sha256))),
            (ETAG, self.etag()),
        ];
        (headers, self.bytes).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn has_the_hash_of_its_bytes() {
        let response = Download::new("6.1.0\"\r\n+x.btf", "abc").into_response();
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("repr-digest"), "sha-256=:ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=:");
        assert_eq!(header("etag"), "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"");
        assert_eq!(header("content-disposition"), "attachment; filename=\"6.1.0___+x.btf\"");
    }

    #[test]
    fn known_bytes_are_not_sent_again() {
        let check = |known: Option<&str>, expect: u16| {
            let mut request = HeaderMap::new();
            if let Some(known) = known {
                request.insert("if-none-match", HeaderValue::from_str(known).unwrap());
            }
            assert_eq!(Download::new("a", "abc").unless_known(&request).status(), expect, "{known:?}");
        };
        let etag = Download::new("a", "abc").etag();
        check(None, 200);
        check(Some("\"other\""), 200);
        check(Some(&etag), 304);
        check(Some(&format!("\"other\", W/{etag}")), 304);
        check(Some("*"), 304);
    }
}
