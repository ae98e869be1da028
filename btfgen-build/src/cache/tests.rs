//! Tests: the cache comes back as it was written, or not at all.

use super::*;
use crate::report::{KernelReport, ObjectReport, Piece, Problem, Resolution, Round, Unresolved, Verdict};

fn text(text: &str) -> Arc<str> {
    text.into()
}

fn known() -> Known {
    let resolution = |verdicts: Vec<Option<Verdict>>, start| {
        let rounds = vec![Round { start: 0, verdicts: vec![None] }, Round { start, verdicts }];
        Arc::new(Resolution { rounds })
    };
    let one = resolution(vec![Some(Verdict::Value(u64::MAX)), None, Some(Verdict::Misread(8, 4))], 7);
    let two = resolution(vec![Some(Verdict::Poison(text("no x"))), Some(Verdict::Refused(text("two")))], 1);
    let piece = |section, unresolved: &[(u32, bool, &str)]| {
        let unresolved = unresolved.iter().map(|&(relocation, reached, reason)| Unresolved {
            relocation,
            reached,
            reason: text(reason),
        });
        Arc::new(Piece { section, object: 1, unresolved: unresolved.collect() })
    };
    let (first, second) =
        (piece(0, &[(3, true, "no x"), (4, false, "two")]), piece(9, &[(90, true, "no x")]));
    let made = |bytes: &[u8]| Ok(Blob::Made(bytes.into()));
    let finding = |bytes, verdicts: &[&Arc<Resolution>], unresolved: &[&Arc<Piece>]| Finding {
        bytes,
        verdicts: verdicts.iter().map(|it| Arc::clone(it)).collect(),
        unresolved: unresolved.iter().map(|it| Arc::clone(it)).collect(),
    };
    let id = |text: &str| text.parse().unwrap();
    Known {
        context: 7,
        sections: vec![1, u64::MAX],
        findings: BTreeMap::from([
            (1, finding(made(b"minimized"), &[&one, &two], &[&first, &second])),
            (9, finding(made(b"minimized"), &[&one, &one], &[&second])),
            (10, finding(made(b"more"), &[], &[])),
            (u64::MAX, finding(Err("of another byte order".to_owned()), &[], &[])),
        ]),
        listing: Some(Listing {
            hub: 5,
            kernels: vec![(id("debian/12/x86_64/6.1"), 1), (id("debian/12/s390x/6.1"), u64::MAX)],
            idle: vec!["ubuntu/**".to_owned()],
        }),
    }
}

fn given() -> Given {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    let unreadable = Arc::new(Problem::Unreadable { reason: "cut off".to_owned() });
    let relocation = Arc::new(Problem::Relocation {
        object: "a.o".to_owned(),
        program: "p".to_owned(),
        place: "kprobe/p #3".to_owned(),
        spec: "<byte_off> struct a.x".to_owned(),
        line: None,
        text: Some("x".to_owned()),
        reason: "no x".to_owned(),
    });
    let kernel = |id: &str, blob, problems: &[&Arc<Problem>], guarded| KernelReport {
        id: id.parse().unwrap(),
        blob,
        problems: problems.iter().map(|it| Arc::clone(it)).collect(),
        guarded,
    };
    let report = Report {
        objects: vec![ObjectReport {
            name: "a.o".to_owned(),
            relocations: 3,
            type_ids: 1,
            failures: owned(&["p: relocation #1: no spec"]),
            needs_kernel_btf: owned(&["fentry program f", "iterator i"]),
        }],
        kernels: vec![
            kernel("d/1/x86_64/1", Some(0), &[&relocation, &unreadable], 2),
            kernel("d/1/x86_64/2", None, &[], 0),
        ],
        blobs: 1,
        blob_bytes: 300,
        archive_bytes: 200,
        from_cache: 2,
        idle_excludes: owned(&["ubuntu/**"]),
        hub_notes: owned(&["not a kernel: readme"]),
    };
    Given { inputs: Some(3), archive: Written { from: 2, len: 300, hash: 4 }, blobs: vec![8, 9], report }
}

fn cache(bytes: &[u8]) -> Cache {
    Cache(wire::Parts::of(Arc::new(bytes.to_vec())))
}

fn encode(given: &Given, known: &Known) -> Vec<u8> {
    write::file(given, &write::encode(known)).unwrap()
}

fn encoded() -> Vec<u8> {
    encode(&given(), &known())
}

/// Whether all minimized BTFs of what is known are sound.
fn blobs_are_sound(known: &Known) -> bool {
    known.findings.values().flat_map(|finding| &finding.bytes).all(|blob| blob.bytes().is_some())
}

#[test]
fn comes_back() {
    let without_inputs = Given { inputs: None, report: Report::default(), ..given() };
    for (given, known) in [
        (given(), known()),
        (without_inputs, Known::default()),
        (given(), Known { listing: None, sections: Vec::new(), ..known() }),
    ] {
        let bytes = encode(&given, &known);
        let read = cache(&bytes);
        let inputs = given.inputs.unwrap_or_default();
        assert_eq!(read.given(inputs), given.inputs.map(|_| given.clone()));
        assert_eq!(read.given(inputs + 1), None);
        assert_eq!(read.archive(), Some(given.archive));
        assert_eq!(read.known(), known);
        // Also with minimized BTFs that are still in the file.
        assert_eq!(encode(&given, &read.known()), bytes);
    }
}

#[test]
fn what_is_wrong_is_not_taken() {
    let (bytes, given, known) = (encoded(), given(), known());
    for len in 0..bytes.len() {
        let cut = cache(&bytes[..len]);
        assert_eq!((cut.given(3), cut.known()), (None, Known::default()), "cut to {len}");
    }
    assert_eq!(cache(&[bytes.as_slice(), &[0]].concat()).known(), Known::default());
    for at in 0..bytes.len() {
        for mask in [1, 0x10, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= mask;
            let read = cache(&damaged);
            assert!(read.given(3).is_none_or(|it| it == given), "byte {at} ^ {mask:#x}");
            let read = read.known();
            let sound = blobs_are_sound(&read);
            assert!(read == Known::default() || (read == known) == sound, "byte {at} ^ {mask:#x}");
            let is_known = read != Known::default();
            assert!(cache(&damaged).given(3).is_none() || !is_known || !sound, "byte {at} ^ {mask:#x}");
        }
    }
}

/// The checksums are right, the content is anything.
#[test]
fn any_content_is_a_cache_or_none() {
    let bytes = encoded();
    let parts = wire::Parts::of(Arc::new(bytes.clone())).unwrap();
    let parts_of = [Part::Made, Part::Report, Part::Known].map(|part| parts.part(part).unwrap().0);
    let blobs = &bytes[parts.blobs().1..];
    let longest = parts_of.iter().map(|part| part.len()).max().unwrap();
    for value in [0, 1, 2, 0x7f, 0x80, 0xff] {
        for at in 0..longest {
            let changed = parts_of.map(|part| {
                let mut part = part.to_vec();
                if let Some(byte) = part.get_mut(at) {
                    *byte = value;
                }
                wire::Sealed::new(part)
            });
            let read = cache(&[wire::file(changed.each_ref(), blobs.len()).as_slice(), blobs].concat());
            if let Some(given) = read.given(3).filter(|_| blobs_are_sound(&read.known())) {
                let again = cache(&encode(&given, &read.known()));
                assert_eq!((again.given(3), again.known()), (Some(given), read.known()), "byte {at}");
            }
        }
    }
}
