//! Tests of collecting: the same hub in any order of reading, bad offers told of and left out.

use std::fs;
use std::path::Path;

use super::*;
use crate::import::source::Source;
use crate::import::temp::TempFolder;
use crate::import::testing::btf;
use btfgen_core::btf::Endian;
use btfgen_core::hub::file::HubFile;

/// Writes hub trees of `<folder>/<release>` with the BTF that has this many structs; none for what is no BTF.
fn trees(folder: &TempFolder, files: &[(&str, Option<u32>)]) -> Vec<Offer> {
    for (path, structs) in files {
        let (tree, release) = path.split_once('/').unwrap();
        let dir = folder.path().join(tree).join("debian/12/x86_64");
        fs::create_dir_all(&dir).unwrap();
        let bytes = structs.map_or(b"no BTF".to_vec(), |structs| btf(Endian::Little, structs));
        fs::write(dir.join(format!("{release}.btf")), bytes).unwrap();
    }
    let mut roots: Vec<&str> = files.iter().map(|(path, _)| path.split_once('/').unwrap().0).collect();
    roots.dedup();
    roots
        .iter()
        .flat_map(|tree| Source::at(&folder.path().join(tree)).unwrap().offers(None).unwrap())
        .collect()
}

/// Collects into `hub`; returns the fates as lines, sorted, and the conflicts.
fn collect(
    hub: &mut HubBuilder,
    offers: &[Offer],
    threads: usize,
    kernel: &(dyn Fn(&KernelId) -> bool + Sync),
) -> (Vec<String>, Vec<Conflict>) {
    let lines = Mutex::new(Vec::new());
    let done = |offer: &Offer, fate: &Fate| {
        let release = Path::new(&offer.label).file_stem().unwrap().to_str().unwrap();
        let word = match fate {
            Fate::Read(id) => {
                assert_eq!(id.release(), release);
                "read"
            }
            Fate::Skipped => "skipped",
            Fate::Bad(error) => {
                assert!(error.to_string().ends_with("is no BTF, or a damaged one"), "{error}");
                "bad"
            }
        };
        lines.lock().unwrap().push(format!("{release} {word}"));
    };
    let collector = Collector { wanted: Wanted { kernel, modules: false }, threads, done: &done };
    let conflicts = collector.collect(hub, offers).unwrap();
    let mut lines = lines.into_inner().unwrap();
    lines.sort();
    (lines, conflicts)
}

fn ids(hub: &HubBuilder) -> Vec<String> {
    let file = HubFile::open(hub.finish(1).unwrap()).unwrap();
    file.kernels().iter().map(|kernel| kernel.id.release().to_owned()).collect()
}

#[test]
fn one_bad_source_costs_no_other() {
    let folder = TempFolder::new().unwrap();
    let offers = trees(&folder, &[("a/1", Some(5)), ("a/2", None), ("a/3", Some(6)), ("a/4", Some(5))]);
    for threads in [0, 1, 3, 100] {
        let mut hub = HubBuilder::new();
        let (lines, conflicts) = collect(&mut hub, &offers, threads, &|id| id.release() != "4");
        assert_eq!(lines, ["1 read", "2 bad", "3 read", "4 skipped"]);
        assert_eq!(conflicts, []);
        assert_eq!(ids(&hub), ["1", "3"]);
        // Again: nothing is read twice.
        let (lines, _) = collect(&mut hub, &offers, threads, &|_| true);
        assert_eq!(lines, ["1 skipped", "2 bad", "3 skipped", "4 read"]);
        assert_eq!(ids(&hub), ["1", "3", "4"]);
    }
}

#[test]
fn the_first_of_different_kernels_of_one_id_is_taken() {
    let folder = TempFolder::new().unwrap();
    let offers = trees(
        &folder,
        &[("a/1", Some(5)), ("b/1", Some(6)), ("b/2", Some(7)), ("c/1", Some(5)), ("d/1", Some(6))],
    );
    let mut alone = HubBuilder::new();
    collect(&mut alone, &offers[..1], 1, &|_| true);
    collect(&mut alone, &offers[2..3], 1, &|_| true);
    let expect = alone.finish(1).unwrap();
    for threads in [1, 2, 5] {
        let mut hub = HubBuilder::new();
        let (lines, conflicts) = collect(&mut hub, &offers, threads, &|_| true);
        assert_eq!(lines, ["1 read", "1 read", "1 read", "1 read", "2 read"]);
        let pairs: Vec<_> = conflicts.iter().map(|c| (c.kernel.release(), &c.taken, &c.left)).collect();
        let label = |number: usize| &offers[number].label;
        assert_eq!(pairs, [("1", label(0), label(1)), ("1", label(0), label(4))]);
        assert!(hub.finish(1).unwrap() == expect, "{threads} threads");
    }
}

#[test]
fn takes_wanted_kernels_of_a_hub_file() {
    let folder = TempFolder::new().unwrap();
    let offers = trees(&folder, &[("a/1", Some(5)), ("a/2", Some(6)), ("a/3", Some(7))]);
    let mut source = HubBuilder::new();
    collect(&mut source, &offers, 2, &|_| true);
    let path = folder.path().join("kernels.hub");
    fs::write(&path, source.finish(1).unwrap()).unwrap();
    assert_eq!(Source::at(&path).unwrap(), Source::Hub(path.clone()));

    // The hub has another kernel 1 already: it stays.
    let other = trees(&folder, &[("b/1", Some(8))]);
    let mut hub = HubBuilder::new();
    collect(&mut hub, &other, 1, &|_| true);
    let kernel = |id: &KernelId| id.release() != "3";
    let collector = Collector {
        wanted: Wanted { kernel: &kernel, modules: false },
        threads: 1,
        done: &|_, _| unreachable!("a hub file has no offers"),
    };
    assert_eq!(collector.add_hub(&mut hub, &path).unwrap(), 1);
    assert_eq!(ids(&hub), ["1", "2"]);
    let mut expect = HubBuilder::new();
    collect(&mut expect, &[&other[..], &offers[1..2]].concat(), 1, &|_| true);
    assert!(hub.finish(1).unwrap() == expect.finish(1).unwrap());

    fs::write(&path, b"\x89BTFHUB\n and no more").unwrap();
    assert!(collector.add_hub(&mut hub, &path).is_err());
    assert_eq!(ids(&hub), ["1", "2"]);
}
