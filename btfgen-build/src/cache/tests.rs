//! Tests: the cache comes back as it was written, or not at all.

use super::*;

fn known() -> Known {
    let reason: Arc<str> = "struct a has no x".into();
    let finding = |bytes: Result<&[u8], &str>, unresolved: &[(usize, usize, bool, bool)]| Finding {
        bytes: bytes.map(Into::into).map_err(str::to_owned),
        unresolved: unresolved
            .iter()
            .map(|&(object, relocation, lasting, reached)| {
                let reason = Arc::clone(&reason);
                Unresolved { object, relocation, lasting, reason, reached }
            })
            .collect(),
    };
    let id = |text: &str| text.parse().unwrap();
    Known {
        context: 7,
        code: 8,
        findings: BTreeMap::from([
            (1, finding(Ok(b"minimized"), &[(0, 3, true, false), (1, 0, false, true)])),
            (9, finding(Ok(b"minimized"), &[(0, 1, true, true)])),
            (u64::MAX, finding(Err("of another byte order"), &[])),
        ]),
        listing: Some(Listing {
            hub: 5,
            kernels: vec![(id("debian/12/x86_64/6.1"), 1), (id("debian/12/s390x/6.1"), u64::MAX)],
            idle: vec!["ubuntu/**".to_owned()],
        }),
        archive: Some(Written { from: 2, len: 300, hash: 4 }),
    }
}

#[test]
fn comes_back() {
    for known in [known(), Known::default(), Known { listing: None, ..known() }] {
        assert_eq!(wire::decode(&wire::encode(&known)), Some(known));
    }
}

#[test]
fn is_nothing_once_a_byte_is_wrong() {
    let bytes = wire::encode(&known());
    for len in 0..bytes.len() {
        assert_eq!(wire::decode(&bytes[..len]), None, "cut to {len}");
    }
    assert_eq!(wire::decode(&[bytes.as_slice(), &[0]].concat()), None);
    for at in 0..bytes.len() {
        for mask in 1..=255 {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            assert_eq!(wire::decode(&damaged), None, "byte {at} ^ {mask:#x}");
        }
    }
}

/// The checksum is right, the content is anything.
#[test]
fn any_content_is_a_cache_or_none() {
    let content = &wire::encode(&known())[wire::MAGIC.len() + 8..];
    for at in 0..content.len() {
        for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
            let mut content = content.to_vec();
            content[at] = value;
            let hash = hash_bytes(&content).to_le_bytes();
            if let Some(known) = wire::decode(&[wire::MAGIC, &hash, &content].concat()) {
                assert_eq!(wire::decode(&wire::encode(&known)), Some(known), "byte {at}");
            }
        }
    }
}
