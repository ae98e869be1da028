//! Hash: 64-bit FNV-1a, which detects accidental differences; it does not resist deliberate collisions.

/// The FNV-1a hash of bytes.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        let check = |text: &str, expect: &str| {
            assert_eq!(format!("{:016x}", fnv1a(text.as_bytes())), expect, "{text}");
        };
        check("", "cbf29ce484222325");
        check("a", "af63dc4c8601ec8c");
        check("foobar", "85944171f73967e8");
    }
}
