//! Tests of collecting: the same hub with any number of threads, bad sources reported and skipped.

use std::fs;
use std::path::Path;

use super::*;
use crate::import::source::Source;
use crate::import::testing::btf;
use btfgen_core::btf::Endian;
use tempfile::TempDir;

/// Writes hub trees of `<folder>/<release>` with the BTF that has this many structs; `None` writes invalid bytes.
fn trees(folder: &TempDir, files: &[(&str, Option<u32>)]) -> Vec<SourceKernel> {
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
        .flat_map(|tree| Source::at(&folder.path().join(tree)).unwrap().kernels(None).unwrap())
        .collect()
}

/// Collects into `hub`; returns each kernel's outcome as a line, in the order of the calls.
fn collect(
    hub: &mut HubBuilder,
    kernels: &[SourceKernel],
    threads: usize,
    wants: &(dyn Fn(&KernelId) -> bool + Sync),
) -> Vec<String> {
    let mut lines = Vec::new();
    let options = ReadOptions { wants, ..ReadOptions::default() };
    read_kernels(kernels, &options, threads, |source, result| {
        let release = Path::new(&source.label).file_stem().unwrap().to_str().unwrap();
        let outcome = match result {
            Ok(Some(kernel)) => {
                assert_eq!(kernel.id.release(), release);
                match kernel.add_to(hub) {
                    Ok(()) => "added",
                    Err(HubFileError::Conflict { .. }) => "conflict",
                    Err(error) => panic!("{error}"),
                }
            }
            Ok(None) => "unwanted",
            Err(error) => {
                assert!(error.to_string().ends_with("is not BTF, or is malformed"), "{error}");
                "bad"
            }
        };
        lines.push(format!("{release} {outcome}"));
        Ok::<(), ()>(())
    })
    .unwrap();
    lines
}

fn releases(hub: &HubBuilder) -> Vec<String> {
    let file = HubFile::open(hub.finish(1).unwrap()).unwrap();
    file.kernels().iter().map(|kernel| kernel.id.release().to_owned()).collect()
}

#[test]
fn one_bad_source_does_not_affect_others() {
    let folder = tempfile::tempdir().unwrap();
    let kernels = trees(&folder, &[("a/1", Some(5)), ("a/2", None), ("a/3", Some(6)), ("a/4", Some(5))]);
    for threads in [0, 1, 3, 100] {
        let mut hub = HubBuilder::new();
        let lines = collect(&mut hub, &kernels, threads, &|id| id.release() != "4");
        assert_eq!(lines, ["1 added", "2 bad", "3 added", "4 unwanted"]);
        assert_eq!(releases(&hub), ["1", "3"]);
    }
}

#[test]
fn the_first_of_different_kernels_with_one_id_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let kernels = trees(
        &folder,
        &[("a/1", Some(5)), ("b/1", Some(6)), ("b/2", Some(7)), ("c/1", Some(5)), ("d/1", Some(6))],
    );
    let mut alone = HubBuilder::new();
    collect(&mut alone, &kernels[..1], 1, &|_| true);
    collect(&mut alone, &kernels[2..3], 1, &|_| true);
    let expect = alone.finish(1).unwrap();
    for threads in [1, 2, 5] {
        let mut hub = HubBuilder::new();
        let lines = collect(&mut hub, &kernels, threads, &|_| true);
        assert_eq!(lines, ["1 added", "1 conflict", "2 added", "1 added", "1 conflict"]);
        assert!(hub.finish(1).unwrap() == expect, "{threads} threads");
    }
}

#[test]
fn an_error_of_the_caller_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..50).map(|number| format!("a/{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), Some(1))).collect();
    let kernels = trees(&folder, &files);
    let mut calls = 0;
    let result = read_kernels(&kernels, &ReadOptions::default(), 3, |_, _| {
        calls += 1;
        if calls == 2 { Err("full") } else { Ok(()) }
    });
    assert_eq!((result, calls), (Err("full"), 2));
}

#[test]
fn adds_wanted_kernels_of_a_hub_file() {
    let folder = tempfile::tempdir().unwrap();
    let kernels = trees(&folder, &[("a/1", Some(5)), ("a/2", Some(6)), ("a/3", Some(7))]);
    let mut source = HubBuilder::new();
    collect(&mut source, &kernels, 2, &|_| true);
    let path = folder.path().join("kernels.hub");
    fs::write(&path, source.finish(1).unwrap()).unwrap();
    assert_eq!(Source::at(&path).unwrap(), Source::Hub(path.clone()));

    // The hub already has another kernel 1: it stays, and the difference is reported.
    let other = trees(&folder, &[("b/1", Some(8))]);
    let mut hub = HubBuilder::new();
    collect(&mut hub, &other, 1, &|_| true);
    let file = HubFile::open(source.finish(1).unwrap()).unwrap();
    let errors = add_hub_file(&mut hub, &file, &|id| id.release() != "3").unwrap();
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(
        matches!(&errors[..], [error] if error.starts_with("kernel debian/12/x86_64/1 is different in ")),
        "{errors:?}"
    );
    assert_eq!(releases(&hub), ["1", "2"]);
    let mut expect = HubBuilder::new();
    collect(&mut expect, &[&other[..], &kernels[1..2]].concat(), 1, &|_| true);
    assert!(hub.finish(1).unwrap() == expect.finish(1).unwrap());

    let mut bytes = source.finish(1).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = HubFile::open(bytes).unwrap();
    assert!(add_hub_file(&mut hub, &damaged, &|_| true).is_err());
    assert_eq!(releases(&hub), ["1", "2"]);
}
