//! Benches of the hot paths: reading a BTF, interning, resolving, minimizing, opening a hub file, looking a host up.
//!
//! They use kernels and objects of `testdata`: `cargo bench -p btfgen-core`. `cargo xtask bench` measures whole processes,
//! which is what matters to users.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use btfgen_core::KernelId;
use btfgen_core::archive::{self, Entry};
use btfgen_core::btf::Btf;
use btfgen_core::files;
use btfgen_core::hub::file::{HubBuilder, HubFile, KernelSource};
use btfgen_core::kernel::KernelTypes;
use btfgen_core::minimize::Minimizer;
use btfgen_core::object::Object;
use btfgen_core::report::BlobId;
use btfgen_core::resolve::{Evaluator, Roots};
use btfgen_core::types::{Interner, Types};
use btfgen_runtime::{Archive, Finder, Host, Source};
use criterion::{BatchSize, Criterion};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const KERNELS: [&str; 3] = [
    "debian/11/x86_64/5.10.0-32-amd64",
    "debian/12/x86_64/6.1.0-50-amd64",
    "debian/13/x86_64/6.12.94+deb13-amd64",
];

fn main() -> Outcome {
    let mut criterion = Criterion::default().configure_from_args();
    let kernels = kernels()?;
    let (_, raw) = &kernels[1];
    reading(&mut criterion, raw)?;
    for (name, object) in [("the tools", tools()?), ("the tracer", tracer()?)] {
        resolving(&mut criterion, name, &object, raw)?;
        hub_file(&mut criterion, name, &object, &kernels)?;
    }
    look_up(&mut criterion, &kernels)?;
    criterion.final_summary();
    Ok(())
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn kernels() -> Outcome<Vec<(KernelId, Vec<u8>)>> {
    let kernel = |id: &str| {
        let path = testdata().join("kernels").join(format!("{id}.btf.tar.xz"));
        Ok((id.parse()?, files::read_btf(&path)?.to_vec()))
    };
    KERNELS.into_iter().map(kernel).collect()
}

/// Objects with a few relocations of a few types.
fn tools() -> Outcome<Vec<Object>> {
    let read = |name: &str| {
        let bytes = std::fs::read(testdata().join(format!("objects/el/{name}.o")))?;
        Ok(Object::parse(name, &bytes)?)
    };
    ["opensnoop", "biolatency", "tcpconnect"].into_iter().map(read).collect()
}

/// An object with thousands of relocations of a hundred types.
fn tracer() -> Outcome<Vec<Object>> {
    let packed = std::fs::read(testdata().join("objects/tracer.o.zst"))?;
    Ok(vec![Object::parse("tracer", &zstd::decode_all(&packed[..])?)?])
}

fn reading(criterion: &mut Criterion, raw: &[u8]) -> Outcome {
    criterion.bench_function("read: the types of a BTF", |bencher| {
        bencher.iter(|| Btf::parse(black_box(raw)).map(|btf| btf.types().count()));
    });
    let btf = Btf::parse(raw)?;
    criterion.bench_function("intern: all named types of a BTF", |bencher| {
        bencher.iter(|| {
            let mut types = Types::new();
            let mut interner = Interner::new(&btf);
            for raw in btf.named_types() {
                // Fails for types that are not data.
                let _ = black_box(interner.root(&mut types, raw.id));
            }
            types.len()
        });
    });
    Ok(())
}

fn resolving(criterion: &mut Criterion, name: &str, objects: &[Object], raw: &[u8]) -> Outcome {
    let roots = Roots::new(objects)?;
    let btf = Btf::parse(raw)?;
    criterion.bench_function(&format!("intern: the part of a BTF that {name} reach"), |bencher| {
        let types = || roots.types().clone();
        bencher.iter_batched_ref(
            types,
            |types| KernelTypes::from_btf(types, &roots, &btf).map(|kernel| kernel.candidates.len()),
            BatchSize::LargeInput,
        );
    });
    let mut types = roots.types().clone();
    let kernel = KernelTypes::from_btf(&mut types, &roots, &btf)?;
    let resolve = |evaluator: &mut Evaluator<'_>| {
        for root in roots.ids() {
            for candidate in kernel.candidates(root) {
                black_box(evaluator.get(&types, kernel.model, root, candidate.ty));
            }
        }
    };
    criterion.bench_function(&format!("resolve: the queries of {name}"), |bencher| {
        bencher.iter_batched_ref(|| Evaluator::new(&roots), resolve, BatchSize::LargeInput);
    });
    criterion.bench_function(&format!("emit: what {name} read, reduced, written and verified"), |bencher| {
        let resolved = || {
            let mut minimizer = Minimizer::new(&roots);
            resolve(minimizer.evaluator());
            minimizer
        };
        bencher.iter_batched_ref(
            resolved,
            |minimizer| minimizer.minimize(&types, &kernel).map(|bytes| bytes.len()),
            BatchSize::LargeInput,
        );
    });
    Ok(())
}

fn hub_file(
    criterion: &mut Criterion,
    name: &str,
    objects: &[Object],
    kernels: &[(KernelId, Vec<u8>)],
) -> Outcome {
    let roots = Roots::new(objects)?;
    let mut builder = HubBuilder::new();
    for (id, raw) in kernels {
        builder.add_btf(&KernelSource::new(id, "", raw))?;
    }
    let bytes = builder.finish(19)?;
    let all: Vec<usize> = (0..kernels.len()).collect();
    criterion.bench_function(&format!("hub file: opened, and the view of {name}"), |bencher| {
        bencher.iter_batched_ref(
            || (bytes.clone(), roots.types().clone()),
            |(bytes, types)| {
                let hub = HubFile::open(std::mem::take(bytes))?;
                hub.view(types, &roots, &all).map(|view| view.distinct.len())
            },
            BatchSize::LargeInput,
        );
    });
    Ok(())
}

fn look_up(criterion: &mut Criterion, kernels: &[(KernelId, Vec<u8>)]) -> Outcome {
    let objects = tools()?;
    let roots = Roots::new(&objects)?;
    let mut types = roots.types().clone();
    let mut minimizer = Minimizer::new(&roots);
    let (mut entries, mut blobs) = (Vec::new(), Vec::new());
    for (number, (id, raw)) in kernels.iter().enumerate() {
        let kernel = KernelTypes::from_btf(&mut types, &roots, &Btf::parse(raw)?)?;
        blobs.push(minimizer.minimize(&types, &kernel)?.to_vec());
        entries.push(Entry::new(id.clone(), BlobId(number)));
    }
    let bytes = archive::write(&entries, &blobs, &[], 19)?;
    let (id, _) = &kernels[1];
    criterion.bench_function("archive: opened, and one BTF unpacked", |bencher| {
        bencher.iter(|| {
            Archive::open(black_box(&bytes)).map(|archive| archive.get(id).map(|btf| btf.is_some()))
        });
    });
    let host = Host {
        release: id.release().to_owned(),
        version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-06-20)".to_owned(),
        machine: "x86_64".to_owned(),
        proc_version: None,
        ..Host::current()
    };
    criterion.bench_function("archive: a host's BTF, as a path for libbpf", |bencher| {
        bencher.iter(|| {
            let finder = Finder::new().archive(black_box(&bytes)).host(host.clone());
            let finder = finder.skip(Source::Override).skip(Source::Sysfs).skip(Source::KernelFile);
            finder.find().map(|btf| btf.path().is_some())
        });
    });
    Ok(())
}
