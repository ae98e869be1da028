//! Tests: what is written reads back, whatever the order, and damage never passes for a BTF.

use super::*;

fn id(text: &str) -> KernelId {
    text.parse().unwrap()
}

/// Twelve kernels of three series with five distinct blobs.
fn sample() -> (Vec<(KernelId, usize)>, Vec<Vec<u8>>) {
    let blobs: Vec<Vec<u8>> = (0..5u32)
        .map(|n| (0..300u32).flat_map(|i| ((i * i) ^ (n * (i / 40))).to_le_bytes()).collect())
        .collect();
    let mut entries = Vec::new();
    for n in 0..6 {
        entries.push((id(&format!("debian/12/x86_64/6.1.0-{}-amd64", n + 8)), n / 2));
    }
    for n in 0..4 {
        entries.push((id(&format!("debian/12/x86_64/6.1.0-{}-cloud-amd64", n * 3)), n / 2 + 1));
    }
    entries.push((id("ubuntu/20.04/arm64/5.4.0-084-generic"), 3));
    entries.push((id("centos/7/x86_64/3.10.0-1160.el7.x86_64"), 4));
    (entries, blobs)
}

#[test]
fn reads_back_and_does_not_depend_on_the_order() {
    let (mut entries, mut blobs) = sample();
    let bytes = write(&entries, &blobs, [7; 16], 19).unwrap();
    let archive = Archive::open(&bytes).unwrap();
    archive.verify().unwrap();
    assert_eq!((archive.len(), archive.blob_count(), archive.group_count()), (12, 5, 1));
    assert_eq!(archive.objects_digest(), [7; 16]);
    for (kernel, number) in &entries {
        assert_eq!(archive.get(kernel).unwrap().as_ref(), Some(&blobs[*number]), "{kernel}");
    }
    assert_eq!(archive.get(&id("debian/12/x86_64/6.1.0-14-amd64")).unwrap(), None);
    let (a, b) = (id("debian/12/x86_64/6.1.0-10-amd64"), id("debian/12/x86_64/6.1.0-3-cloud-amd64"));
    assert_eq!(archive.blob_of(&a), archive.blob_of(&b));

    entries.reverse();
    blobs.push(blobs[4].clone());
    entries[0] = (entries[0].0.clone(), 5);
    assert_eq!(write(&entries, &blobs, [7; 16], 19).unwrap(), bytes);
}

#[test]
fn refuses_what_no_reader_would_take() {
    let (entries, blobs) = sample();
    let twice = [entries.clone(), entries[..1].to_vec()].concat();
    assert!(matches!(write(&twice, &blobs, [0; 16], 3), Err(ArchiveError::Duplicate { .. })));
    assert!(matches!(
        write(&entries, &blobs[..2], [0; 16], 3),
        Err(ArchiveError::NoSuchBlob { blob: 2, .. })
    ));
    let empty = [vec![], vec![1], vec![2], vec![3], vec![4]];
    assert!(matches!(write(&entries, &empty, [0; 16], 3), Err(ArchiveError::BlobSize { len: 0, .. })));
    let none = write(&[], &[], [1; 16], 19).unwrap();
    assert_eq!(Archive::open(&none).unwrap().len(), 0);
}

#[test]
fn large_blobs_are_cut_into_groups() {
    let blobs: Vec<Vec<u8>> = (0..7u8).map(|n| vec![n + 1; 100_000 + usize::from(n) * 60_000]).collect();
    let entries: Vec<_> = (0..7).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
    let bytes = write(&entries, &blobs, [0; 16], 3).unwrap();
    let archive = Archive::open(&bytes).unwrap();
    assert_eq!(archive.group_count(), 7);
    archive.verify().unwrap();
    for (kernel, number) in &entries {
        assert_eq!(archive.get(kernel).unwrap().as_ref(), Some(&blobs[*number]));
    }
}

/// Ten blobs of 100 KB that do not compress, in two families that differ little inside.
#[test]
fn alike_groups_are_stored_as_differences() {
    let family = |seed: u32| {
        let mut state = seed;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()
        };
        (0..25_000).flat_map(|_| next()).collect::<Vec<u8>>()
    };
    let blobs: Vec<Vec<u8>> = (0..10u8)
        .map(|n| {
            let mut blob = family(1 + u32::from(n % 2));
            blob[usize::from(n) * 1000] ^= 0xff;
            blob
        })
        .collect();
    let entries: Vec<_> = (0..10).map(|n| (id(&format!("a/1/b/{n}")), n)).collect();
    let bytes = write(&entries, &blobs, [0; 16], 19).unwrap();
    assert!(bytes.len() < 202_000, "{} bytes", bytes.len());
    let archive = Archive::open(&bytes).unwrap();
    archive.verify().unwrap();
    for (kernel, number) in &entries {
        assert_eq!(archive.get(kernel).unwrap().as_ref(), Some(&blobs[*number]));
    }
    let mut shuffled = entries.clone();
    shuffled.rotate_left(3);
    assert_eq!(write(&shuffled, &blobs, [0; 16], 19).unwrap(), bytes);
    // Damage in a base is noticed in what is built on it.
    let mut damaged = bytes.clone();
    let at = damaged.len() - 150_000;
    damaged[at] ^= 1;
    let archive = Archive::open(&damaged).unwrap();
    let broken = entries.iter().filter(|(kernel, _)| archive.get(kernel).is_err()).count();
    assert_eq!(broken, 5);
}

/// Every kernel of the damaged archive either has the right BTF or an error; ids are never invented.
fn check_damaged(bytes: &[u8], entries: &[(KernelId, usize)], blobs: &[Vec<u8>]) {
    let Ok(archive) = Archive::open(bytes) else { return };
    assert_eq!(archive.kernels().count(), entries.len());
    for (kernel, number) in entries {
        match archive.get(kernel) {
            Ok(Some(blob)) => assert_eq!(&blob, &blobs[*number]),
            Ok(None) => panic!("{kernel} is gone without an error"),
            Err(_) => {}
        }
    }
}

#[test]
fn damage_is_an_error_or_harmless() {
    let (entries, blobs) = sample();
    let bytes = write(&entries, &blobs, [7; 16], 19).unwrap();
    for len in 0..bytes.len() {
        let cut = &bytes[..len];
        let opened = Archive::open(cut);
        assert!(opened.is_err(), "an archive cut to {len} bytes of {} opens", bytes.len());
    }
    for at in 0..bytes.len() {
        for mask in [1, 16, 128, 255] {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            check_damaged(&damaged, &entries, &blobs);
        }
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Archive::open(&longer).is_err());
}

#[test]
fn tree_writes_what_changed_and_removes_what_is_gone() {
    let dir = std::env::temp_dir().join(format!("btfgen-tree-{}", std::process::id()));
    let (entries, blobs) = sample();
    assert_eq!(write_tree(&dir, &entries, &blobs).unwrap(), 12);
    assert_eq!(write_tree(&dir, &entries, &blobs).unwrap(), 0);
    let file = dir.join("debian/12/x86_64/6.1.0-9-amd64.btf");
    assert_eq!(std::fs::read(&file).unwrap(), blobs[0]);
    std::fs::write(dir.join("notes.txt"), "kept").unwrap();
    assert_eq!(write_tree(&dir, &entries[..2], &blobs).unwrap(), 10);
    assert!(file.exists() && !dir.join("ubuntu").exists() && dir.join("notes.txt").exists());
    std::fs::remove_dir_all(&dir).unwrap();
}

/// The archive that btfgen-runtime's tests read, so that a change of the layout is noticed there.
#[test]
fn writes_the_sample_of_the_runtime_s_tests() {
    let btf = |mark: u8| {
        let words = [24u32, 0, 0, 0, 4].into_iter().flat_map(u32::to_le_bytes);
        let bytes: Vec<u8> = [0x9f, 0xeb, 1, 0].into_iter().chain(words).chain([0, b'k', mark, 0]).collect();
        bytes
    };
    let entries = [(10, 0), (12, 0), (13, 1)]
        .map(|(number, blob)| (id(&format!("debian/12/x86_64/6.1.0-{number}-amd64")), blob));
    let bytes = write(&entries, &[btf(b'A'), btf(b'B')], [0; 16], 19).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../btfgen-runtime/tests/data/sample.archive");
    #[expect(clippy::disallowed_methods, reason = "a test's own switch, no build script's")]
    let bless = std::env::var_os("BTFGEN_BLESS").is_some();
    if bless {
        std::fs::write(path, &bytes).unwrap();
    }
    assert_eq!(std::fs::read(path).unwrap(), bytes);
}
