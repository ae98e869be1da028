//! Real kernels in a hub file: minimized BTFs are byte-equal to those from the raw BTFs.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};

use btfgen_core::btf::Btf;
use btfgen_core::hub::file::{HubBuilder, HubFile, KernelSource};
use btfgen_core::kernel::KernelTypes;
use btfgen_core::minimize::Minimizer;
use btfgen_core::object::Object;
use btfgen_core::resolve::Roots;
use btfgen_core::{KernelId, files};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of a folder of `testdata`, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = repository().join("testdata").join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The targets and kernels of `testdata`, and those of a hub tree next to the repository, if there is one.
fn kernels() -> Vec<(KernelId, files::Bytes)> {
    let mut kernels: Vec<(KernelId, files::Bytes)> = Vec::new();
    for order in ["el", "eb"] {
        for path in files(&format!("targets/{order}")) {
            if let Some(name) = path.file_name().unwrap().to_str().unwrap().strip_suffix(".btf") {
                let id = KernelId::new("testdata", "1", order, name).unwrap();
                kernels.push((id, files::read_btf(&path).unwrap()));
            }
        }
    }
    for tree in ["testdata/kernels", "../shared/hub"] {
        let Ok(listing) = files::list(&repository().join(tree)) else { continue };
        for entry in listing.kernels {
            if kernels.iter().all(|(id, _)| *id != entry.id) {
                kernels.push((entry.id, files::read_btf(&entry.path).unwrap()));
            }
        }
    }
    kernels
}

fn objects() -> Vec<Object> {
    let paths = ["el", "eb"].into_iter().flat_map(|order| files(&format!("objects/{order}")));
    paths.map(|path| Object::parse(&path.to_string_lossy(), &fs::read(&path).unwrap()).unwrap()).collect()
}

#[test]
fn kernels_are_the_same_in_a_hub_file() {
    let kernels = kernels();
    let mut builder = HubBuilder::new();
    for (id, raw) in &kernels {
        builder.add_btf(&KernelSource::new(id, "", raw)).unwrap();
    }
    let file = builder.finish(3).unwrap();
    let hub = HubFile::open(file.clone()).unwrap();
    let mut again = HubBuilder::new();
    again.add_hub(&hub).unwrap();
    assert_eq!(again.finish(3).unwrap(), file);

    let objects = objects();
    assert!(kernels.len() > 1 && objects.len() > 1);
    minimized_as_from_raw(&hub, &kernels, &objects);
    // Each object alone on some of them: the targets made for them, and kernels of every series.
    let some: Vec<_> =
        kernels.into_iter().enumerate().filter(|(place, _)| *place < 2 || place % 5 == 0).collect();
    let some: Vec<_> = some.into_iter().map(|(_, kernel)| kernel).collect();
    for object in &objects {
        minimized_as_from_raw(&hub, &some, std::slice::from_ref(object));
    }
    extracted_is_the_same(&hub, &some, &objects);
}

fn minimized_as_from_raw(hub: &HubFile, kernels: &[(KernelId, files::Bytes)], objects: &[Object]) {
    let all: Vec<usize> = kernels.iter().map(|(id, _)| hub.find(id).unwrap()).collect();
    let roots = Roots::new(objects).unwrap();
    let mut types = roots.types().clone();
    let view = hub.view(&mut types, &roots, &all).unwrap();
    let mut through_hub = Minimizer::new(&roots);
    let mut direct = Minimizer::new(&roots);
    for ((id, raw), &distinct) in kernels.iter().zip(&view.kernels) {
        let context = format!("{id} {}", objects[0].name());
        let kernel = &view.distinct[distinct];
        let expect = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(raw).unwrap()).unwrap();
        assert_eq!(*kernel, expect, "{context}");
        assert_eq!(through_hub.minimize(&types, kernel), direct.minimize(&types, &expect), "{context}");
    }
}

fn extracted_is_the_same(hub: &HubFile, kernels: &[(KernelId, files::Bytes)], objects: &[Object]) {
    let roots = Roots::new(objects).unwrap();
    let mut types = roots.types().clone();
    for (id, raw) in kernels {
        let extracted = hub.extract(id).unwrap();
        let expect = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(raw).unwrap()).unwrap();
        let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(&extracted).unwrap()).unwrap();
        assert_eq!(kernel, expect, "{id}");
        // The whole kernel, not only the types that these objects reach.
        let mut again = HubBuilder::new();
        again.add_btf(&KernelSource::new(id, "", &extracted)).unwrap();
        let again = HubFile::open(again.finish(1).unwrap()).unwrap();
        assert!(again.extract(id).unwrap() == extracted, "{id}");
    }
}
