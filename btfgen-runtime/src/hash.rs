//! Hash: 64-bit FNV-1a, which tells one thing from another where nobody gains by making them look alike.

/// A running hash.
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }

    #[inline(never)]
    pub(crate) fn word(&mut self, word: u64) {
        word.to_le_bytes().into_iter().for_each(|byte| self.byte(byte));
    }

    pub(crate) fn finish(self) -> u64 {
        self.0
    }
}

/// 16 hexadecimal digits.
#[inline(never)]
pub(crate) fn hexadecimal(hash: u64) -> String {
    let mut digits = String::with_capacity(16);
    for nibble in (0..16).rev() {
        let digit = (hash >> (4 * nibble)) as u8 & 15;
        digits.push(char::from(if digit < 10 { b'0' + digit } else { b'a' - 10 + digit }));
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_fnv_1a() {
        let check = |text: &str, expect: &str| {
            let mut hash = Fnv::new();
            text.bytes().for_each(|byte| hash.byte(byte));
            assert_eq!(hexadecimal(hash.finish()), expect, "{text}");
        };
        check("", "cbf29ce484222325");
        check("a", "af63dc4c8601ec8c");
        check("foobar", "85944171f73967e8");
    }
}
