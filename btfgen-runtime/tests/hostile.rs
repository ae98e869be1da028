//! Hostile: whatever bytes and words come in, there is a result, and it is a right one.

mod common;

use btfgen_runtime::{Archive, Catalog, Host, KernelId, OsRelease, select, wire};
use common::{Ids, hub, id, kernel_host};
use proptest::prelude::*;

const ARCHIVE: &[u8] = include_bytes!("data/sample.archive");

fn sample() -> Vec<(KernelId, Vec<u8>)> {
    let archive = Archive::open(ARCHIVE).expect("the sample archive");
    let blob = |kernel: &KernelId| archive.get(kernel).expect("a sound archive").expect("an entry");
    archive.kernels().map(|kernel| (kernel.clone(), blob(&kernel))).collect()
}

#[test]
fn every_cut_and_every_flip_of_an_archive_is_an_error_or_harmless() {
    let sample = sample();
    assert_eq!(sample.len(), 3);
    for len in 0..ARCHIVE.len() {
        assert!(Archive::open(&ARCHIVE[..len]).is_err(), "cut to {len}");
    }
    for at in 0..ARCHIVE.len() {
        for mask in 1..=255u8 {
            let mut damaged = ARCHIVE.to_vec();
            damaged[at] ^= mask;
            let Ok(archive) = Archive::open(&damaged) else { continue };
            for (kernel, blob) in &sample {
                match archive.get(kernel) {
                    Ok(got) => assert_eq!(got.as_ref(), Some(blob), "byte {at} ^ {mask:#x}"),
                    Err(error) => assert!(error.to_string().starts_with("archive of minimized btfs: ")),
                }
            }
        }
    }
}

/// A zstd frame as an archive stores it.
fn frame(raw: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::bulk::Compressor::new(3).expect("an encoder");
    encoder.include_checksum(true).expect("a parameter");
    encoder.include_contentsize(false).expect("a parameter");
    encoder.compress(raw).expect("a frame").split_off(4)
}

/// An archive of one raw index: well-formed frames around whatever the index says.
fn with_index(index: &[u8], groups: &[u8]) -> Vec<u8> {
    let frame = frame(index);
    let mut out = [wire::MAGIC.as_slice(), &[wire::VERSION]].concat();
    wire::push_varint(&mut out, index.len() as u32);
    wire::push_varint(&mut out, frame.len() as u32);
    out.extend_from_slice(&frame);
    out.extend_from_slice(groups);
    out
}

/// An archive of so many kernels, each with a BTF of its own, whose one group has whatever bytes.
fn with_group(group: &[u8], btfs: u8) -> Vec<u8> {
    let frame = frame(group);
    let mut index = Vec::new();
    for value in [0, 1, group.len() as u32, frame.len() as u32, btfs.into(), 1] {
        wire::push_varint(&mut index, value);
    }
    index.extend_from_slice(b"d/v/a/\x01\0");
    index.push(btfs);
    // Both the releases and the BTFs' numbers are 0, 1, 2 and so on: as differences a 0, then +1.
    for _ in 0..2 {
        index.extend((0..btfs).map(|at| if at == 0 { 0 } else { 2 }));
    }
    with_index(&index, &frame)
}

/// A group of columns.
fn group(byte_order: u8, columns: &[&[u8]; wire::COLUMNS]) -> Vec<u8> {
    let mut group = vec![byte_order];
    for column in columns {
        wire::push_varint(&mut group, column.len() as u32);
        group.extend_from_slice(column);
    }
    group
}

#[test]
fn a_group_is_taken_by_the_letter_or_not_at_all() {
    // One slot: a struct "s" of 7 bytes with a member "m" of type 0 at byte 1 (in zigzag 2). The second BTF does not
    // have it; the third, a child of the first, has one whose member and size are a byte further.
    const TEXTS: usize = 0;
    const EDITS: usize = 1;
    const TYPES: usize = 2;
    const PARENTS: usize = 4;
    const TIMELINES: usize = 5;
    const NAMES: usize = 6;
    const COUNTS: usize = 8;
    const INFOS: usize = 9;
    const NUMBERS: usize = 10;
    const HEADS: usize = 12;
    const KINDS: usize = 14;
    let mut sound: [&[u8]; wire::COLUMNS] = [&[]; wire::COLUMNS];
    sound[TEXTS] = b"s\0m\0";
    sound[KINDS] = &[4];
    sound[INFOS] = &[2];
    sound[NAMES] = &[0, 0];
    sound[TYPES] = &[0];
    sound[NUMBERS] = &[2];
    sound[HEADS] = &[7];
    sound[PARENTS] = &[0, 1];
    sound[TIMELINES] = &[2, 1, 1, 0, 0];
    sound[COUNTS] = &[2];
    sound[EDITS] = &[4];
    sound[NUMBERS + 1] = &[2];
    sound[HEADS + 1] = &[0];
    let check = |byte_order: u8, columns: &[&[u8]; wire::COLUMNS], expect: [Option<usize>; 3]| {
        let bytes = with_group(&group(byte_order, columns), 3);
        let archive = Archive::open(&bytes).expect("a sound index");
        let lens: Vec<_> = archive.blobs().map(|blob| blob.ok().map(|blob| blob.len())).collect();
        assert_eq!(lens, expect, "{columns:?}");
        for (number, len) in expect.into_iter().enumerate() {
            assert_eq!(archive.blob(number).ok().map(|blob| blob.len()), len);
        }
    };
    let all = [Some(24 + 24 + 5), Some(24 + 1), Some(24 + 24 + 5)];
    check(wire::LITTLE, &sound, all);
    check(wire::BIG, &sound, all);
    check(2, &sound, [None; 3]);
    let bytes = with_group(&group(wire::LITTLE, &sound), 3);
    let third = Archive::open(&bytes).expect("a sound index").blob(2).expect("a sound group");
    // Name, info (one member, a struct), size; the member's name, type and offset in bits.
    let words = [1u32, 4 << 24 | 1, 8, 3, 0, 16].map(u32::to_le_bytes).concat();
    assert_eq!(third[24..48], words);
    assert_eq!(&third[48..], b"\0s\0m\0");
    // What a column is changed to, and which of the three BTFs can still be had.
    let fault = |column: usize, bytes: &[u8], expect: [Option<usize>; 3]| {
        let mut columns = sound;
        columns[column] = bytes;
        check(wire::LITTLE, &columns, expect);
    };
    fault(TEXTS, b"s\0m", [None; 3]);
    fault(TEXTS, b"s\0", [None, all[1], None]);
    fault(KINDS, &[20], [None; 3]);
    fault(KINDS, &[4, 4], [None; 3]);
    fault(INFOS, &[4], [None; 3]);
    fault(INFOS, &[2, 0], [None; 3]);
    fault(HEADS, &[7, 7], [None; 3]);
    fault(NAMES, &[0], [None; 3]);
    // The empty name, and one that is not there.
    fault(NAMES, &[0, 1], [Some(51), all[1], Some(51)]);
    fault(NAMES, &[0, 100], [None, all[1], None]);
    fault(TYPES, &[1], all);
    fault(TYPES, &[2], [None, all[1], None]);
    fault(NUMBERS, &[], [None; 3]);
    fault(NUMBERS + 1, &[], [None; 3]);
    // A parent before the first, too few and too many.
    fault(PARENTS, &[1, 0], [None; 3]);
    fault(PARENTS, &[0], [None; 3]);
    fault(PARENTS, &[0, 1, 0], [None; 3]);
    // Changes of BTFs and to definitions that are not there.
    fault(TIMELINES, &[2, 1, 1, 1, 0], [None; 3]);
    fault(TIMELINES, &[2, 1, 3, 0, 0], [None; 3]);
    fault(TIMELINES, &[1, 1, 1], [None; 3]);
    // No edit, an insertion without words, an edit too many; a removal; edits behind the last entry.
    fault(COUNTS, &[0], [None; 3]);
    fault(EDITS, &[0], [None; 3]);
    fault(EDITS, &[4, 4], [None; 3]);
    let mut removal = sound;
    removal[EDITS] = &[1];
    removal[NUMBERS + 1] = &[];
    check(wire::LITTLE, &removal, [all[0], all[1], Some(24 + 12 + 3)]);
    // Of what comes to nothing only the BTFs that have it know.
    let beyond = |columns: &[&[u8]; wire::COLUMNS]| {
        let bytes = with_group(&group(wire::LITTLE, columns), 3);
        let archive = Archive::open(&bytes).expect("a sound index");
        let lens = [0, 1, 2].map(|number| archive.blob(number).ok().map(|blob| blob.len()));
        assert_eq!(lens, [all[0], all[1], None]);
        archive.verify().expect_err("one of them is not there");
    };
    removal[EDITS] = &[6];
    beyond(&removal);
    let mut change = sound;
    change[EDITS] = &[9];
    beyond(&change);
}

/// An archive of one series of kernels, all with one BTF; the numbers are given row by row.
fn with_series(template: &[u8], kernels: u8, rows: &[u32]) -> Vec<u8> {
    let frame = frame(b"?");
    let mut index = Vec::new();
    for value in [0, 1, 1, frame.len() as u32, 1, 1] {
        wire::push_varint(&mut index, value);
    }
    index.extend_from_slice(template);
    index.extend_from_slice(&[wire::TEMPLATE_END, kernels]);
    let width = rows.len() / usize::from(kernels);
    for column in 0..width {
        let mut last = 0;
        for row in rows.chunks(width) {
            wire::push_varint(&mut index, wire::delta(last, row[column]));
            last = row[column];
        }
    }
    index.extend((0..kernels).map(|_| 0));
    with_index(&index, &frame)
}

#[test]
fn ids_are_of_the_one_template_that_they_are_split_into() {
    let check = |template: &str, kernels: u8, rows: &[u32], expect: Option<&[&str]>| {
        let bytes = with_series(template.replace('#', "\x01").as_bytes(), kernels, rows);
        let ids = Archive::open(&bytes).ok().map(|archive| {
            for kernel in archive.kernels() {
                assert_eq!(archive.blob_of(&kernel), Some(0), "{kernel}");
                let mut found = Vec::new();
                archive.visit_release(kernel.release(), &mut |id| found.push(id.to_owned()));
                assert_eq!(found, [kernel.to_string()]);
            }
            archive.kernels().map(|kernel| kernel.to_string()).collect::<Vec<_>>()
        });
        assert_eq!(
            ids.as_deref(),
            expect.map(|ids| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>()).as_deref()
        );
    };
    check("d/v/a/r", 1, &[], Some(&["d/v/a/r"]));
    check("d/#/a/#.#-x", 2, &[9, 6, 0, 10, 6, 1], Some(&["d/9/a/6.0-x", "d/10/a/6.1-x"]));
    check("d/#.04/a/007-1234567890-#", 1, &[20, 999_999_999], Some(&["d/20.04/a/007-1234567890-999999999"]));
    // Ten digits, a number that stands as text, two that are one, one after text that it is one with.
    check("d/v/a/#", 1, &[1_000_000_000], None);
    check("d/1/a/#", 1, &[1], None);
    check("d/v/a/##", 1, &[1, 2], None);
    check("d/v/a/0#", 1, &[1], None);
    // Twice the same, descending, no number to tell two apart, no id, too long an id after a fitting one.
    check("d/v/a/#", 2, &[1, 1], None);
    check("d/v/a/#", 2, &[2, 1], None);
    check("d/v/a/r", 2, &[], None);
    check("d/v/#", 1, &[1], None);
    let long = format!("d/v/a/{}#", "r".repeat(KernelId::MAX_LEN - 7));
    check(&long, 1, &[9], Some(&[&long.replace('#', "9")]));
    check(&long, 2, &[9, 10], None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_bytes_are_an_archive_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Archive::open(&bytes);
        let mut headed = [wire::MAGIC.as_slice(), &[wire::VERSION]].concat();
        headed.extend_from_slice(&bytes);
        let _ = Archive::open(&headed);
    }

    /// The index's checksum is right, its content is anything.
    #[test]
    fn any_index_is_an_archive_or_an_error(
        index in proptest::collection::vec(prop_oneof![0u8..6, any::<u8>()], 16..300),
        groups in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let bytes = with_index(&index, &groups);
        if let Ok(archive) = Archive::open(&bytes) {
            let _ = archive.verify();
            for kernel in archive.kernels() {
                let _ = archive.get(&kernel);
            }
        }
    }

    /// The group's checksum is right, its content is anything; mostly small numbers, as in a real one.
    #[test]
    fn any_group_is_a_btf_or_an_error(
        columns in proptest::collection::vec(
            proptest::collection::vec(prop_oneof![8 => 0u8..6, 1 => any::<u8>()], 0..12), wire::COLUMNS),
        byte_order in 0u8..2,
        btfs in 0u8..5,
    ) {
        let columns: Vec<&[u8]> = columns.iter().map(Vec::as_slice).collect();
        let group = group(byte_order, columns.as_slice().try_into().expect("as many columns"));
        if let Ok(archive) = Archive::open(&with_group(&group, btfs)) {
            for blob in archive.blobs().flatten() {
                prop_assert!(blob.len() >= 25 && blob.len() < 24 + 40 * group.len());
            }
        }
    }

    #[test]
    fn ids_come_back_from_template_and_numbers(text in "[a-z0-9.]{1,6}(/[a-z0-9._~+-]{1,20}){3}") {
        let (mut template, mut numbers) = (Vec::new(), Vec::new());
        wire::split(&text, &mut template, &mut numbers);
        let mut numbers = numbers.into_iter();
        let mut back = String::new();
        for byte in template {
            match byte {
                wire::NUMBER => back.push_str(&numbers.next().expect("a number").to_string()),
                other => back.push(char::from(other)),
            }
        }
        prop_assert_eq!(back, text);
    }

    #[test]
    fn any_os_release_parses(text in "\\PC{0,200}|([A-Z_]{1,8}=[\"'\\\\$`a-z0-9 #\n]{0,20}\n){0,8}") {
        let os = OsRelease::parse(&text);
        let _ = (os.get("ID"), os.get("VERSION_ID"));
    }

    /// Words at random, and words of a real kernel that were cut or spliced: an answer is an entry of that release.
    #[test]
    fn any_words_give_an_entry_of_the_release_or_none(
        release in "\\PC{0,40}|[0-9.]{3,8}-[0-9.]{1,6}[a-z0-9._+-]{0,20}",
        version in "\\PC{0,60}|#[0-9]{1,3}(~[0-9.]{3,8})?-Ubuntu.{0,5}|#1 SMP Debian [0-9a-z.~+:-]{0,20}",
        banner in "\\PC{0,100}|Linux version .{0,30}[(].{0,40}[)] [(].{0,40}[)] #.{0,20}",
        signature in "\\PC{0,40}|Ubuntu [0-9.~a-z-]{0,40}",
        os in "(ID=[a-z]{0,8}\n)?(VERSION_ID=[0-9.]{0,6}\n)?",
        at in 0usize..1806,
        cut in 0usize..200,
    ) {
        let ids = Ids { ids: hub().into_iter().skip(at).take(40).chain([id("debian/10/x86_64/4.19.0-17-amd64")]).collect(), one_btf: false };
        let os = Some(OsRelease::parse(&os));
        let made_up = Host {
            release, version, machine: "x86_64".into(),
            proc_version: Some(banner), version_signature: Some(signature),
            os_release: os.clone(), local_os_release: os,
        };
        let mut spliced = kernel_host(&ids.ids[0]);
        let banner = spliced.proc_version.clone().unwrap_or_default();
        spliced.proc_version = Some(banner.chars().take(cut).chain(made_up.version.chars()).collect());
        for host in [made_up, spliced] {
            let _ = host.kernel_id();
            for infer in [false, true] {
                if let Ok(selection) = select(&host, &ids, infer) {
                    prop_assert!(infer || selection.kernel.release() == host.release);
                }
            }
        }
    }
}
