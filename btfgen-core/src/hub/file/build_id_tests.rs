//! Tests of what hub files record of sources: build ids, defects and facts, and the laws of merging them.

use btfgen_runtime::BuildId;

use super::column::{Column, Columns, Table};
use super::tests::{Numbers, id, kernel, merge};
use super::*;
use crate::btf::{Endian, Writer};
use crate::hub::{AttachTable, Attachability, Defect, Defects, ShipsBtf};

/// The build id of a test kernel.
fn build_id(number: usize) -> BuildId {
    BuildId::from_bytes([number as u8; BuildId::LEN])
}

/// A source of a test kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct TestSource {
    number: usize,
    build_id: Option<BuildId>,
    provenance: &'static str,
    ships_btf: ShipsBtf,
    /// The attachability of the functions `first` and `second`, if the source tells.
    attachability: Option<[Attachability; 2]>,
}

impl TestSource {
    const NEW: Self =
        Self { number: 0, build_id: None, provenance: "", ships_btf: ShipsBtf::Unknown, attachability: None };

    fn add_to(self, builder: &mut HubBuilder) -> Result<(), HubFileError> {
        let (id, btf) = (id(self.number), kernel(self.number));
        let names = [b"first".to_vec(), b"second".to_vec()];
        let table: Option<AttachTable> = self.attachability.map(|all| names.into_iter().zip(all).collect());
        let source = KernelSource::new(&id, self.provenance, &btf);
        let Self { build_id, ships_btf, .. } = self;
        builder.add_btf(&KernelSource { build_id, ships_btf, attachability: table.as_ref(), ..source })
    }
}

fn build(sources: &[TestSource]) -> Vec<u8> {
    let mut builder = HubBuilder::new();
    sources.iter().for_each(|source| source.add_to(&mut builder).unwrap());
    builder.finish(3).unwrap()
}

#[test]
fn merging_keeps_all_that_any_source_tells() {
    let mut random = Numbers(4);
    let attachabilities = [Attachability::Unknown, Attachability::No, Attachability::Yes];
    let mut some = || -> Vec<TestSource> {
        let numbers = (0..8).filter(|_| random.below(2) == 0).collect::<Vec<_>>();
        let sources = numbers.into_iter().map(|number| TestSource {
            number,
            build_id: (random.below(2) == 0).then(|| build_id(number)),
            provenance: ["one", "other"][random.below(2)],
            ships_btf: [ShipsBtf::Unknown, ShipsBtf::No, ShipsBtf::Yes][random.below(3)],
            attachability: (random.below(2) == 0).then(|| [(); 2].map(|()| attachabilities[random.below(3)])),
        });
        sources.collect()
    };
    for _ in 0..30 {
        let (a, b, c) = (some(), some(), some());
        let (x, y, z) = (build(&a), build(&b), build(&c));
        assert_eq!(merge(&[&x, &y]), merge(&[&y, &x]), "commutative: {a:?} {b:?}");
        assert_eq!(merge(&[&merge(&[&x, &y]), &z]), merge(&[&x, &merge(&[&y, &z])]), "{a:?} {b:?} {c:?}");
        assert_eq!(merge(&[&x, &x]), x, "idempotent: {a:?}");
        let hub = HubFile::open(merge(&[&x, &y])).unwrap();
        for record in hub.kernels() {
            let all = [&a[..], &b].concat();
            let sources: Vec<_> = all.iter().filter(|source| id(source.number) == record.id).collect();
            assert_eq!(record.build_id, sources.iter().find_map(|source| source.build_id), "{a:?} {b:?}");
            assert_eq!(record.provenance, sources.iter().map(|source| source.provenance).min().unwrap());
            let ships_btf = sources.iter().map(|source| source.ships_btf).max().unwrap();
            assert_eq!(record.ships_btf, ships_btf, "{a:?} {b:?}");
            let kernel = hub.find(&record.id).unwrap();
            for (index, name) in [b"first".as_slice(), b"second"].into_iter().enumerate() {
                let told = sources.iter().filter_map(|source| Some(source.attachability?[index]));
                let found = hub.decoded().unwrap().functions(name);
                let [function] = found.as_slice() else { panic!("{found:?}") };
                assert!(function.kernels.contains(kernel));
                assert_eq!(function.attachability(kernel), told.max().unwrap_or_default(), "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn a_build_id_is_of_one_kernel_and_a_kernel_of_one_build() {
    let source = |number, byte| TestSource {
        number,
        build_id: Some(build_id(byte)),
        provenance: "a package",
        ..TestSource::NEW
    };
    // Numbers 0 and 1 have the same BTF.
    let same = build(&[source(0, 7), source(1, 7), source(2, 8)]);
    assert_eq!(HubFile::open(same.clone()).unwrap().kernels().len(), 3);
    let mut builder = HubBuilder::new();
    builder.add_hub(&HubFile::open(same.clone()).unwrap()).unwrap();
    let mut check = |source: TestSource, expect: &str| {
        assert_eq!(source.add_to(&mut builder).unwrap_err().to_string(), expect);
        let mut other = HubBuilder::new();
        source.add_to(&mut other).unwrap();
        let errors: Vec<String> = builder.clone().merge(other).iter().map(ToString::to_string).collect();
        assert_eq!(errors, [expect]);
    };
    check(
        source(0, 9),
        "kernel debian/12/x86_64/6.1.0-0-generic has build ids 0707070707070707070707070707070707070707 \
         and 0909090909090909090909090909090909090909; two builds need two kernel ids",
    );
    check(
        source(4, 8),
        "kernels debian/12/x86_64/6.1.0-2-generic and debian/12/x86_64/6.1.0-4-generic have build id \
         0808080808080808080808080808080808080808 and different BTFs; keep one of them",
    );
    assert_eq!(builder.finish(3).unwrap(), same, "nothing was added");
    // A removed kernel has no build id any more.
    assert!(builder.remove(&id(2)));
    source(4, 8).add_to(&mut builder).unwrap();
}

#[test]
fn one_build_id_with_two_sources_is_refused() {
    let source = |number| TestSource { number, build_id: Some(build_id(number)), ..TestSource::NEW };
    let file = build(&[source(0), source(4)]);
    let table = Table::open(&file).unwrap();
    let columns = table.unpack(&file, |_| true).unwrap();
    let mut out = Columns::new();
    for &column in Column::ALL {
        out.raw(column).extend_from_slice(columns.raw(column));
    }
    let hashes = out.raw(Column::Hashes);
    let (first, second) = (32..52, 32 + 52..52 + 52);
    let id = hashes[first].to_vec();
    hashes[second].copy_from_slice(&id);
    let opened = HubFile::open(out.finish(1).unwrap());
    assert_eq!(
        opened.map(|_| ()).unwrap_err().to_string(),
        "malformed hub file: invalid build ids in column hashes"
    );
}

/// A hub file from before facts were stored stays readable, and says that nothing is known.
#[test]
fn without_facts_nothing_is_known() {
    let source = TestSource { ships_btf: ShipsBtf::Yes, ..TestSource::NEW };
    let file = build(&[source]);
    let columns = Table::open(&file).unwrap().unpack(&file, |_| true).unwrap();
    let mut out = Columns::new();
    for &column in Column::ALL.iter().filter(|&&column| column < Column::KernelFacts) {
        out.raw(column).extend_from_slice(columns.raw(column));
    }
    let old = out.finish(3).unwrap();
    let hub = HubFile::open(old.clone()).unwrap();
    assert_eq!(hub.kernels()[0].ships_btf, ShipsBtf::Unknown);
    let summary = hub.function_summary().unwrap();
    assert_eq!((summary.distinct, summary.of_kernels), (0, vec![0]));
    assert!(summary.with_functions.is_empty());
    assert_eq!(merge(&[&old]), old, "the columns stay absent");
    assert_eq!(merge(&[&old, &file]), file);
    assert_eq!(merge(&[&file, &old]), file);
}

#[test]
fn defects_are_kept() {
    let mut bad = Writer::new(Endian::Little);
    bad.enumeration(b"flags", 8, false, false, [].into_iter()).unwrap();
    let (bad, good) = (bad.finish().unwrap(), kernel(1));
    let mut builder = HubBuilder::new();
    builder.add_btf(&KernelSource::new(&id(0), "", &bad)).unwrap();
    let source = TestSource { number: 1, build_id: Some(build_id(1)), ..TestSource::NEW };
    source.add_to(&mut builder).unwrap();
    // A module with no types: only a header, and strings that continue the kernel's.
    let empty = Writer::new(Endian::Little).finish().unwrap();
    let empty = ModuleSource { name: "empty", btf: &empty };
    builder.add_btf(&KernelSource { modules: &[empty], ..KernelSource::new(&id(2), "", &good) }).unwrap();
    let file = builder.finish(3).unwrap();
    assert_eq!(merge(&[&file, &file]), file);
    let hub = HubFile::open(file).unwrap();
    let recorded = |number| &hub.kernels()[hub.find(&id(number)).unwrap()];
    let defects = |number| recorded(number).defects.iter().collect::<Vec<_>>();
    assert_eq!(defects(0), [Defect::CutEnum, Defect::NoTaskStruct]);
    assert_eq!((recorded(1).defects, recorded(1).build_id), (Defects::default(), source.build_id));
    assert_eq!(defects(2), [Defect::EmptyModule]);
}
