//! Hash: 64-bit FNV-1a, which guards against mistakes, not against somebody who makes two inputs collide.

/// A running hash.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        let check = |text: &str, expect: &str| {
            let mut hash = Fnv::new();
            hash.bytes(text.as_bytes());
            assert_eq!(format!("{:016x}", hash.finish()), expect, "{text}");
        };
        check("", "cbf29ce484222325");
        check("a", "af63dc4c8601ec8c");
        check("foobar", "85944171f73967e8");
    }
}
