//! Fetch: asks a `btfgen serve` for the BTF of a kernel that is not embedded.

use std::error::Error;
use std::time::Duration;

use btfgen_runtime::{ProvidedBtf, Wanted};

/// Time limit of the whole request. A program that starts at boot must not wait for a server that is down.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The BTF of the host's kernel from a server. Why the server does not have it is in the error.
pub(crate) fn fetch(server: &str, wanted: &Wanted<'_>) -> Result<ProvidedBtf, Box<dyn Error>> {
    let url = format!("{}/api/v1/btf", server.trim_end_matches('/'));
    let mut request =
        ureq::get(url).config().timeout_global(Some(TIMEOUT)).http_status_as_error(false).build();
    if let Some(kernel) = &wanted.kernel {
        request = request.query("kernel", kernel.as_str());
    }
    if let Some(build_id) = wanted.host.build_id {
        request = request.query("build_id", build_id.to_string());
    }
    for digest in &wanted.objects {
        request = request.query("digest", digest.to_string());
    }
    let mut response = request.call()?;
    if !response.status().is_success() {
        let reason = response.body_mut().read_to_string()?;
        return Err(format!("{}: {}", response.status(), reason.trim()).into());
    }
    let sha256 = response.headers().get("etag").and_then(|tag| parse_sha256(tag.to_str().ok()?));
    let sha256 = sha256.ok_or("the response has no SHA-256 in its ETag; is this a btfgen serve?")?;
    Ok(ProvidedBtf::new(response.body_mut().read_to_vec()?).sha256(sha256))
}

/// The hash in an ETag, which is quoted.
fn parse_sha256(tag: &str) -> Option<[u8; 32]> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, index) in hash.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&digits[index..index + 2], 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_hash() {
        let check = |tag: &str, expect: Option<[u8; 32]>| assert_eq!(parse_sha256(tag), expect, "{tag}");
        check(&format!("\"{}\"", "0a".repeat(32)), Some([10; 32]));
        check(&"0a".repeat(32), None);
        check(&format!("\"{}\"", "0a".repeat(31)), None);
        check(&format!("\"{}\"", "xy".repeat(32)), None);
        check("\"", None);
    }
}
