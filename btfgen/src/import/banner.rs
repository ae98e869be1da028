//! Banner: the release of the kernel in an image, from the text of `/proc/version`, which every kernel contains.

use memchr::memmem;

/// First words of `linux_banner` in the kernel's `init/version.c`.
const START: &[u8] = b"Linux version ";
/// Most bytes of a release, `__NEW_UTS_LEN` in the kernel.
const MAX_RELEASE: usize = 64;

/// The release in the first banner of an image; a decompressor has only the format of one.
pub(super) fn release(image: &[u8]) -> Option<&str> {
    memmem::find_iter(image, START).find_map(|start| {
        let rest = image.get(start + START.len()..)?;
        let rest = rest.get(..rest.len().min(MAX_RELEASE + 2))?;
        let release = rest.get(..memmem::find(rest, b" (")?)?;
        let is_release = release.first()?.is_ascii_digit() && release.iter().all(u8::is_ascii_graphic);
        std::str::from_utf8(release).ok().filter(|_| is_release)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_release_or_nothing() {
        let check =
            |image: &str, expect: Option<&str>| assert_eq!(release(image.as_bytes()), expect, "{image:?}");
        let long = "1".repeat(MAX_RELEASE + 1);
        check("", None);
        check("Linux version ", None);
        check("Linux version 6.1.0-50-armmp", None);
        check("\0Linux version 6.1.0-50-armmp (debian) (gcc) # SMP\n\0", Some("6.1.0-50-armmp"));
        check("Linux version %s\n\0Linux version 6.1.0 (a@b) #1", Some("6.1.0"));
        check("Linux version \u{1b}[31m (a@b)", None);
        check("Linux version 6 1 (a@b)", None);
        check("Linux version six (a@b)", None);
        check(&format!("Linux version {long} (a@b)"), None);
        check(&format!("Linux version {} (a@b)", &long[1..]), Some(&long[1..]));
    }
}
