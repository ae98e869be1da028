//! Tests of unpacking: every form, and every way to be refused.

use std::io::Write;

use super::*;

const BTF: &[u8] = b"\x9f\xeb\x01\0 not parsed here";

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 6);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn one() -> Vec<u8> {
    tar(&[("5.4.0-84-generic.btf", BTF)])
}

/// An error and its causes on one line.
fn words(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", words(source)))
}

#[test]
fn splits_names() {
    let check = |name: &str, expect: Option<(&str, Form)>| assert_eq!(Form::split(name), expect, "{name}");
    check("5.4.0-84-generic.btf", Some(("5.4.0-84-generic", Form::Plain)));
    check("5.4.0-84-generic.btf.tar.xz", Some(("5.4.0-84-generic", Form::TarXz)));
    check("a.btf.xz", Some(("a", Form::Xz)));
    check("a.btf.gz", Some(("a", Form::Gz)));
    check("a.btf.tar.gz", Some(("a", Form::TarGz)));
    check("a.btf.zst", Some(("a", Form::Zst)));
    check("a.btf.tar.zst", Some(("a", Form::TarZst)));
    check("a.btf.tar", Some(("a", Form::Tar)));
    check("a.btf.btf", Some(("a.btf", Form::Plain)));
    check("a.btf.bz2", None);
    check("a.tar.xz", None);
    check("README.md", None);
}

#[test]
fn unpacks_every_form() {
    let check = |bytes: &[u8], form| assert_eq!(unpack(bytes, form).unwrap(), BTF, "{form:?}");
    check(&one(), Form::Tar);
    check(&xz(BTF), Form::Xz);
    check(&xz(&one()), Form::TarXz);
    check(&gz(BTF), Form::Gz);
    check(&gz(&one()), Form::TarGz);
    check(&zst(BTF), Form::Zst);
    check(&zst(&one()), Form::TarZst);
    let (start, end) = BTF.split_at(7);
    check(&[xz(start), xz(end)].concat(), Form::Xz);
    check(&[gz(start), gz(end)].concat(), Form::Gz);
    check(&[zst(start), zst(end)].concat(), Form::Zst);
}

#[test]
fn finds_the_member() {
    let check = |members: &[(&str, &[u8])]| assert_eq!(unpack(&tar(members), Form::Tar).unwrap(), BTF);
    check(&[("README", b"x"), ("./lib/a.btf", BTF), ("a.btf.sha256", b"y")]);
    // Longer than the name field of a ustar header, so stored as a member of its own.
    check(&[(&format!("{}/a.btf", "long/".repeat(40)), BTF)]);
}

#[test]
fn refuses() {
    let check = |bytes: &[u8], form, expect: &str| {
        let error = words(&unpack_within(bytes, form, 1 << 16).unwrap_err());
        assert!(error.contains(expect), "{error:?} without {expect:?}");
    };
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 5].to_vec();
    let damaged = |mut bytes: Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        bytes
    };
    check(b"no xz at all", Form::Xz, "not a readable xz stream: ");
    check(b"", Form::Xz, "not a readable xz stream: ");
    check(b"no xz at all", Form::TarXz, "not a readable xz stream: ");
    check(b"no gzip at all", Form::Gz, "not a readable gzip stream: ");
    check(b"", Form::Gz, "not a readable gzip stream: ");
    check(b"no zstd at all", Form::Zst, "not a readable zstd stream: ");
    check(&cut(xz(BTF)), Form::Xz, "not a readable xz stream: ");
    check(&cut(xz(&one())), Form::TarXz, "not a readable xz stream: ");
    check(&cut(gz(BTF)), Form::Gz, "not a readable gzip stream: ");
    check(&cut(gz(&one())), Form::TarGz, "not a readable gzip stream: ");
    check(&cut(zst(BTF)), Form::Zst, "not a readable zstd stream: ");
    check(&damaged(xz(&one())), Form::TarXz, "not a readable xz stream: ");
    check(&damaged(gz(BTF)), Form::Gz, "not a readable gzip stream: ");
    check(
        &xz(&tar(&[("README", b"x")])),
        Form::TarXz,
        "no member *.btf in the tar archive, only [\"README\"]",
    );
    check(&xz(&tar(&[])), Form::TarXz, "no member *.btf");
    check(
        &tar(&[("a.btf", BTF), ("b.btf", BTF)]),
        Form::Tar,
        "two members *.btf in the tar archive: \"a.btf\"",
    );
    check(&one()[..512 + 10], Form::Tar, "member \"5.4.0-84-generic.btf\": not a readable tar stream: ");
    check(&[b'x'; 1024], Form::Tar, "not a readable tar stream: ");
    let long = vec![0; 1 << 20];
    for (bytes, form) in [(xz(&long), Form::Xz), (gz(&long), Form::Gz), (zst(&long), Form::Zst)] {
        check(&bytes, form, "expands to more than 65536 bytes");
    }
    let long = tar(&[("a.btf", &long)]);
    check(&xz(&long), Form::TarXz, "member \"a.btf\": expands to more than 65536 bytes");
    check(&long, Form::Tar, "member \"a.btf\": expands to more than 65536 bytes");
}

#[test]
fn refuses_endless_expansion() {
    // 64 MiB of zeros in one xz stream, and several such streams in a row: less than 128 KiB.
    let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap().repeat(5);
    assert!(bomb.len() < 1 << 17);
    assert!(matches!(unpack(&bomb, Form::Xz), Err(CodecError::TooLong { .. })));
    // After the member.
    let mut behind = xz(&one());
    behind.extend(&bomb);
    assert!(matches!(unpack_within(&behind, Form::TarXz, 1 << 20), Err(CodecError::TooLong { .. })));
}

#[test]
fn damage_gives_an_error_or_bytes_within_the_limit() {
    const LIMIT: u64 = 1 << 12;
    let packed = [
        (one(), Form::Tar),
        (xz(&one()), Form::TarXz),
        (gz(&one()), Form::TarGz),
        (zst(&one()), Form::TarZst),
        (tar(&[(&format!("{}/a.btf", "long/".repeat(40)), BTF)]), Form::Tar),
    ];
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let (mut good, mut bad) = (0, 0);
    for (bytes, form) in packed {
        for _ in 0..400 {
            let mut bytes = bytes.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = [0, 1, 0x7f, 0xff, b'0', b'7', b'L', b'x'][random(8)];
            }
            bytes.truncate(bytes.len().saturating_sub(random(8) * random(64)));
            match unpack_within(&bytes, form, LIMIT) {
                Ok(btf) => {
                    assert!(btf.len() as u64 <= LIMIT);
                    good += 1;
                }
                Err(_) => bad += 1,
            }
        }
    }
    // Most of a tar archive is padding, where damage has no effect.
    assert!(good > 100 && bad > 500, "{good} {bad}");
}

#[test]
fn refuses_dictionaries_beyond_the_limit() {
    // The encoder would need gigabytes, so the header of a small stream is changed to ask for a dictionary of 1 GiB.
    let mut header = xz(BTF);
    // Block header: size, flags, filter id 0x21, properties size 1, dictionary size code; then its CRC32.
    assert_eq!(header[12..16], [2, 0, 0x21, 1]);
    header[16] = 36;
    let mut crc = flate2::Crc::new();
    crc.update(&header[12..20]);
    header[20..24].copy_from_slice(&crc.sum().to_le_bytes());
    let error = words(&unpack(&header, Form::Xz).unwrap_err());
    assert!(error.contains("xz") && error.contains("memory"), "{error}");
}
