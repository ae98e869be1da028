//! Tests of the hub file on small kernels: laws of merging, damage, and both byte orders.

use btfgen_runtime::KernelId;

use super::column::{Column, Columns, Table};
use super::*;
use crate::btf::testing::{record, sizes_of};
use crate::btf::{self, Btf, Endian, Enumerator, Kind, TypeId, Writer};
use crate::object::Object;
use crate::resolve::{RootKind, Roots};
use crate::types::{Copier, Interner, Type, TypeRef, Types};

/// A pseudorandom sequence, the same in every run.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

type Members<'m> = &'m [btf::Member<&'m [u8]>];

fn member(name: &[u8], ty: TypeId, bit_offset: u32) -> btf::Member<&[u8]> {
    btf::Member::new(name, ty, bit_offset)
}

/// A kernel's BTF that shares most types with those of other versions.
fn btf(endian: Endian, version: u32) -> Vec<u8> {
    let mut out = Writer::new(endian);
    let long = out.int(b"long unsigned int", 8, 0, 0, 64).unwrap();
    let int = out.int(b"int", 4, 1, 0, 32).unwrap();
    out.float(b"double", 8).unwrap();
    let array = out.array(int, int, 4 + version).unwrap();
    let composite = |out: &mut Writer, kind, name: &[u8], size, members: Members<'_>| {
        out.composite(kind, name, size, members.iter().copied()).unwrap()
    };
    let forward = out.forward(b"opaque", version % 2 == 1).unwrap();
    let pointer = out.reference(Kind::Ptr, b"", forward).unwrap();
    let inner = composite(&mut out, Kind::Union, b"", 8, &[member(b"a", int, 0), member(b"b", long, 0)]);
    let task_id = TypeId(out.next_id().0 + 1);
    let task_pointer = out.reference(Kind::Ptr, b"", task_id).unwrap();
    composite(
        &mut out,
        Kind::Struct,
        b"task_struct",
        64 + 8 * version,
        &[
            member(b"state", long, 0),
            member(b"", inner, 64),
            btf::Member { bitfield_size: 1 + version as u8, ..member(b"flag", int, 128) },
            member(b"parent", task_pointer, 192),
            member(b"opaque", pointer, 256),
            member(b"numbers", array, 320),
        ],
    );
    // Two definitions of one name, whose order of ids is not that of content in every other version.
    let mut twins: [(u32, &[u8]); 2] = [(8, b"x"), (4, b"y")];
    twins.rotate_left(version as usize % 2);
    for (size, name) in twins {
        composite(&mut out, Kind::Struct, b"twin", size, &[member(name, int, 0)]);
    }
    composite(&mut out, Kind::Struct, b"twin___flavor", 12, &[member(b"z", int, 64)]);
    if version.is_multiple_of(3) {
        // The same definition under two ids: that its member is const is not looked at.
        let constant = out.reference(Kind::Const, b"", int).unwrap();
        for ty in [int, constant] {
            composite(&mut out, Kind::Struct, b"twice", 4, &[member(b"n", ty, 0)]);
        }
    }
    let proto = out.func_proto(int, [task_pointer, long].into_iter()).unwrap();
    let callback = out.reference(Kind::Ptr, b"", proto).unwrap();
    out.reference(Kind::Typedef, b"callback_t", callback).unwrap();
    let own = format!("function_{}", version % 4);
    for name in ["first", "second", &own] {
        out.reference(Kind::Func, name.as_bytes(), proto).unwrap();
    }
    let value = |name: &'static [u8], value| Enumerator { name, value };
    let values: [Enumerator<&[u8]>; 3] =
        [value(b"ONE", 1), value(b"TWO", 2 + u64::from(version)), value(b"MINUS", u64::MAX)];
    out.enumeration(b"numbers", 4, true, false, values.iter().copied()).unwrap();
    out.enumeration(b"wide", 8, false, true, values.iter().copied()).unwrap();
    out.finish().unwrap()
}

pub(super) fn id(number: usize) -> KernelId {
    let arch = if number % 4 == 3 { "s390x" } else { "x86_64" };
    format!("debian/12/{arch}/6.1.0-{number}-generic").parse().unwrap()
}

pub(super) fn kernel(number: usize) -> Vec<u8> {
    btf(if number % 4 == 3 { Endian::Big } else { Endian::Little }, number as u32 / 2)
}

fn build(numbers: &[usize]) -> Vec<u8> {
    let mut builder = HubBuilder::new();
    for &number in numbers {
        builder.add_btf(&KernelSource::new(&id(number), "a test", &kernel(number))).unwrap();
    }
    builder.finish(3).unwrap()
}

pub(super) fn merge(files: &[&[u8]]) -> Vec<u8> {
    let mut builder = HubBuilder::new();
    for file in files {
        builder.add_hub(&HubFile::open(file.to_vec()).unwrap()).unwrap();
    }
    builder.finish(3).unwrap()
}

/// All named definitions of a BTF in the order of their ids, interned.
fn listing(types: &mut Types, bytes: &[u8]) -> Vec<(RootKind, TypeRef)> {
    let btf = Btf::parse(bytes).unwrap();
    let mut interner = Interner::new(&btf);
    let named = btf.types().filter(|raw| raw.name_off != btf::StrOffset::EMPTY);
    let mut list: Vec<_> = named
        .filter_map(|raw| Some((RootKind::of(raw.kind)?, interner.root(types, raw.id).unwrap())))
        .collect();
    // Only the order among definitions of one kind and essential name matters.
    list.sort_by_key(|&(kind, ty)| (kind, types.names().essential(types.name_of(ty))));
    list
}

#[test]
fn extracts_what_was_added() {
    let numbers: Vec<usize> = (0..12).collect();
    let hub = HubFile::open(build(&numbers)).unwrap();
    for number in numbers {
        let mut types = Types::new();
        let raw = kernel(number);
        let extracted = hub.extract(&id(number)).unwrap();
        assert_eq!(listing(&mut types, &extracted), listing(&mut types, &raw), "kernel {number}");
        let (before, after) = (Btf::parse(&raw).unwrap(), Btf::parse(&extracted).unwrap());
        assert_eq!(after.data_model(), before.data_model());
        let record = &hub.kernels()[hub.find(&id(number)).unwrap()];
        assert_eq!((record.model, record.size), (before.data_model(), raw.len() as u64));
        assert_eq!(record.provenance, "a test");
    }
    assert!(matches!(hub.extract(&id(99)), Err(HubFileError::NoKernel { .. })));
}

#[test]
fn records_modules() {
    let base = kernel(0);
    let parsed = Btf::parse(&base).unwrap();
    // A split BTF's ids and string offsets continue those of its base.
    let mut module = Writer::new(Endian::Little);
    module.int(b"module_int", 2, 0, 0, 16).unwrap();
    let mut module = module.finish().unwrap();
    let strings = u32::from_le_bytes(base[20..24].try_into().unwrap());
    let name = u32::from_le_bytes(module[24..28].try_into().unwrap());
    module[24..28].copy_from_slice(&(name + strings).to_le_bytes());
    assert_eq!(Btf::parse_split(&module, &parsed).unwrap().types().count(), 1);

    let mut builder = HubBuilder::new();
    let module = ModuleSource { name: "module", btf: &module };
    builder.add_btf(&KernelSource { modules: &[module], ..KernelSource::new(&id(0), "", &base) }).unwrap();
    let hub = HubFile::open(builder.finish(3).unwrap()).unwrap();
    assert_eq!(hub.kernels()[0].size, (base.len() + module.btf.len()) as u64);
    let mut types = Types::new();
    let listing = listing(&mut types, &hub.extract(&id(0)).unwrap());
    assert!(listing.iter().any(|&(_, ty)| types.names().get(types.name_of(ty)) == b"module_int"));
}

#[test]
fn bytes_depend_on_the_kernels_alone() {
    let mut numbers: Vec<usize> = (0..10).collect();
    let expect = build(&numbers);
    let mut random = Numbers(1);
    for _ in 0..20 {
        for place in (1..numbers.len()).rev() {
            numbers.swap(place, random.below(place + 1));
        }
        assert_eq!(build(&numbers), expect, "{numbers:?}");
    }
}

#[test]
fn merging_is_a_union_of_sets() {
    let mut random = Numbers(2);
    let mut some = || -> Vec<usize> { (0..10).filter(|_| random.below(2) == 0).collect() };
    for _ in 0..30 {
        let (a, b, c) = (some(), some(), some());
        let (x, y, z) = (build(&a), build(&b), build(&c));
        assert_eq!(merge(&[&x, &y]), merge(&[&y, &x]), "commutative: {a:?} {b:?}");
        assert_eq!(merge(&[&merge(&[&x, &y]), &z]), merge(&[&x, &merge(&[&y, &z])]), "{a:?} {b:?} {c:?}");
        assert_eq!(merge(&[&x, &x]), x, "idempotent: {a:?}");
        let mut union = [a, b].concat();
        union.sort_unstable();
        union.dedup();
        assert_eq!(merge(&[&x, &y]), build(&union));

        let mut left = HubBuilder::new();
        left.add_hub(&HubFile::open(x).unwrap()).unwrap();
        let mut right = HubBuilder::new();
        right.add_hub(&HubFile::open(y).unwrap()).unwrap();
        assert!(left.merge(right).is_empty());
        assert_eq!(left.finish(3).unwrap(), build(&union));
    }
}

#[test]
fn types_of_a_removed_kernel_are_gone() {
    let mut builder = HubBuilder::new();
    for number in 0..6 {
        builder.add_btf(&KernelSource::new(&id(number), "a test", &kernel(number))).unwrap();
    }
    assert!(builder.remove(&id(5)));
    assert!(!builder.remove(&id(5)));
    assert_eq!(builder.finish(3).unwrap(), build(&[0, 1, 2, 3, 4]));
    for number in 0..5 {
        assert!(builder.remove(&id(number)));
    }
    let empty = builder.finish(3).unwrap();
    assert_eq!(empty, HubBuilder::new().finish(3).unwrap());
    let hub = HubFile::open(empty).unwrap();
    hub.check().unwrap();
    assert!(hub.kernels().is_empty());
}

#[test]
fn one_id_cannot_be_two_kernels() {
    let mut builder = HubBuilder::new();
    builder.add_btf(&KernelSource::new(&id(0), "second place", &kernel(0))).unwrap();
    builder.add_btf(&KernelSource::new(&id(0), "first place", &kernel(0))).unwrap();
    let error = builder.add_btf(&KernelSource::new(&id(0), "another", &kernel(5))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel debian/12/x86_64/6.1.0-0-generic is different in \"first place\" and \"another\"; \
         give one of them another kernel id, or start a new hub file"
    );
    let hub = HubFile::open(builder.finish(3).unwrap()).unwrap();
    assert_eq!(hub.kernels().len(), 1);
    // Of two places, the one that comes first, whichever was added first.
    assert_eq!(hub.kernels()[0].provenance, "first place");
}

#[test]
fn a_bad_btf_adds_nothing() {
    let mut builder = HubBuilder::new();
    let error = builder.add_btf(&KernelSource::new(&id(0), "", b"not a BTF")).unwrap_err();
    assert!(matches!(error, HubFileError::Btf { .. }));
    let mut looped = Writer::new(Endian::Little);
    looped.composite(Kind::Struct, b"s", 4, [member(b"s", TypeId(1), 0)].into_iter()).unwrap();
    builder.add_btf(&KernelSource::new(&id(0), "", &looped.finish().unwrap())).unwrap_err();
    assert!(builder.is_empty());
}

#[test]
fn damage_is_an_error() {
    let file = build(&[0, 1, 2, 3]);
    let opens = |bytes: Vec<u8>| HubFile::open(bytes).and_then(|hub| hub.decoded().map(|_| ()));
    opens(file.clone()).unwrap();
    for len in 0..file.len() {
        assert!(opens(file[..len].to_vec()).is_err(), "cut to {len} bytes");
    }
    for at in 0..file.len() {
        let mut bytes = file.clone();
        bytes[at] ^= 1 << (at % 8);
        assert!(opens(bytes).is_err(), "byte {at} changed");
    }
    assert!(opens([file.as_slice(), b"x"].concat()).is_err());
    let message = |bytes: &[u8]| HubFile::open(bytes.to_vec()).map(|_| ()).unwrap_err().to_string();
    assert_eq!(message(b"BTFHUB"), "not a hub file; make one with \"btfgen vendor\"");
    assert!(message(b"version https://git-lfs.github.com/spec/v1\noid sha256:").contains("git lfs pull"));
    let mut newer = file.clone();
    newer[8] = 9;
    assert_eq!(message(&newer), "hub file of version 9; this program reads version 1");
}

/// Changes with valid checksums, as a hostile writer makes them: nothing panics or takes long.
#[test]
fn hostile_columns_are_refused_or_read() {
    let file = build(&(0..8).collect::<Vec<_>>());
    let table = Table::open(&file).unwrap();
    let columns = table.unpack(&file, |_| true).unwrap();
    let object = concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/objects/el/fields.o");
    let object = Object::parse("fields.o", &std::fs::read(object).unwrap()).unwrap();
    let roots = Roots::new(&[object]).unwrap();
    let mut random = Numbers(3);
    let mut read = 0;
    for _ in 0..1500 {
        let mut out = Columns::new();
        let hit = random.below(Column::ALL.len());
        for &column in Column::ALL {
            out.raw(column).extend_from_slice(columns.raw(column));
        }
        let raw = out.raw(Column::ALL[hit]);
        for _ in 0..=random.below(2) {
            match (random.below(4), raw.len()) {
                (_, 0) | (0, _) => raw.push(random.below(256) as u8),
                (1, len) => raw.truncate(random.below(len)),
                (_, len) => raw[random.below(len)] = random.below(256) as u8,
            }
        }
        let Ok(hub) = HubFile::open(out.finish(1).unwrap()) else { continue };
        let mut builder = HubBuilder::new();
        if builder.add_hub(&hub).is_ok() {
            read += 1;
            builder.finish(1).unwrap();
        }
        for record in hub.kernels() {
            let _ = hub.extract(&record.id);
        }
        let all: Vec<usize> = (0..hub.kernels().len()).collect();
        let _ = hub.view(&mut roots.types().clone(), &roots, &all);
        if let Ok(hub) = hub.decoded() {
            hub.functions(b"first").iter().for_each(|function| assert!(function.kernels.len() <= all.len()));
        }
    }
    assert!(read > 20, "only {read} changed files were read");
}

/// Few bytes that expand to many: the limits of the layout hold.
#[test]
fn endless_expansion_is_refused() {
    let file = build(&[0, 1]);
    let table = Table::open(&file).unwrap();
    let check = |change: &dyn Fn(&mut Columns), expect: &str| {
        let mut out = Columns::new();
        let columns = table.unpack(&file, |_| true).unwrap();
        for &column in Column::ALL {
            out.raw(column).extend_from_slice(columns.raw(column));
        }
        change(&mut out);
        let opened = HubFile::open(out.finish(1).unwrap()).and_then(|hub| hub.decoded().map(|_| ()));
        assert_eq!(opened.unwrap_err().to_string(), expect);
    };
    let huge = "too many";
    check(
        &|out| {
            // Each function's name is the one before.
            *out.raw(Column::FunctionTail) = [vec![b'a'; 1 << 16], vec![0; 1 << 14]].concat();
            out.raw(Column::FunctionShared).clear();
            out.uint(Column::FunctionShared, 0);
            (1..1 << 14).for_each(|_| out.uint(Column::FunctionShared, 1 << 16));
        },
        &format!("{huge} bytes of names for a hub file"),
    );
    check(
        &|out| *out.raw(Column::FunctionShape) = vec![26; 4],
        "malformed hub file: invalid argument words in column function-shape",
    );
    check(
        &|out| out.raw(Column::KernelFacts).push(3),
        "malformed hub file: invalid flags in column kernel-facts",
    );
    check(
        &|out| {
            out.raw(Column::Counts).clear();
            out.uint(Column::Counts, 1 << 40);
        },
        &format!("{huge} definitions for a hub file"),
    );
    check(
        &|out| {
            // Each name begins with the whole of the one before.
            *out.raw(Column::NameTail) = [vec![b'a'; 1 << 16], vec![0; 1 << 14]].concat();
            out.raw(Column::NameShared).clear();
            out.uint(Column::NameShared, 0);
            (1..1 << 14).for_each(|_| out.uint(Column::NameShared, 1 << 16));
        },
        &format!("{huge} bytes of names for a hub file"),
    );
    check(
        &|out| {
            out.raw(Column::Orders).clear();
            for _ in 0..1 << 11 {
                out.uint(Column::Orders, 4000);
                (0..4000).for_each(|_| out.int(Column::Orders, 0));
                out.uint(Column::Orders, 0);
            }
        },
        &format!("{huge} orders for a hub file"),
    );
    check(
        &|out| {
            out.uint(Column::Repeated, 0);
            out.uint(Column::Repeated, 0);
        },
        "malformed hub file: invalid types in column repeated",
    );
}

#[test]
fn copies_between_stores() {
    let (mut from, mut into) = (Types::new(), Types::new());
    let raw = kernel(1);
    let list = listing(&mut from, &raw);
    into.add(Type::Float { name: crate::types::Name::EMPTY, size: 3 });
    let mut copier = Copier::new(&from);
    let copied: Vec<_> = list.iter().map(|&(kind, ty)| (kind, copier.copy(&mut into, ty).unwrap())).collect();
    let before = into.len();
    assert_eq!(copied, listing(&mut into, &raw));
    assert_eq!(into.len(), before, "interning the same again adds nothing");
}

/// A kernel with a struct that contains a type of the unknown kind 100, and one of more than 65,535 members.
fn future_kernel(endian: Endian, members: u32) -> Vec<u8> {
    let int = record(1, 1, 0, 4, &[0x0100_0020]);
    let new = record(5, 100, 1, 0, &[7]);
    let holder = record(9, 4, 2, 8, &[9, 1, 0, 5, 2, 32]);
    let large: Vec<u32> = (0..members).flat_map(|at| [9, 1, at * 32]).collect();
    let large = record(11, 4, members, members * 4, &large);
    btf::testing::wide(endian, &[int, new, holder, large], &sizes_of(100, 0, 4), b"\0int\0new\0s\0large\0")
}

#[test]
fn keeps_types_of_unknown_kinds() {
    let kernels = [future_kernel(Endian::Little, 1), future_kernel(Endian::Big, 1)];
    let mut builder = HubBuilder::new();
    for (number, kernel) in kernels.iter().enumerate() {
        builder.add_btf(&KernelSource::new(&id(number), "a test", kernel)).unwrap();
    }
    let file = builder.finish(3).unwrap();
    assert_eq!(merge(&[&file, &file]), file);
    let hub = HubFile::open(file.clone()).unwrap();
    let types = &hub.graph().unwrap().types;
    let opaque = |ty: TypeRef| match types.get(ty) {
        Type::Opaque { name, kind } => Some((types.names().get(name), kind)),
        _ => None,
    };
    assert_eq!(types.refs().filter_map(opaque).collect::<Vec<_>>(), [(b"new".as_slice(), 100)]);
    let error = hub.extract(&id(0)).unwrap_err();
    let error = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(error, "type new has kind 100; a BTF for all loaders can have kinds up to 19");
    // Without such a type the file has no number of them.
    let counts =
        |file: &[u8]| Table::open(file).unwrap().unpack(file, |_| true).unwrap().raw(Column::Counts).len();
    assert_eq!((counts(&file), counts(&build(&[0]))), (14, 13));
}

#[test]
fn keeps_types_of_many_members() {
    const MEMBERS: u32 = 0x1_0001;
    let mut builder = HubBuilder::new();
    let mut wide = future_kernel(Endian::Little, MEMBERS);
    builder.add_btf(&KernelSource::new(&id(0), "a test", &wide)).unwrap();
    // A neighbor whose struct is made from the other one's.
    wide = future_kernel(Endian::Little, MEMBERS + 1);
    builder.add_btf(&KernelSource::new(&id(1), "a test", &wide)).unwrap();
    let file = builder.finish(3).unwrap();
    assert_eq!(merge(&[&file]), file);
    let hub = HubFile::open(file).unwrap();
    let types = &hub.graph().unwrap().types;
    let large = types.refs().map(|ty| types.members(ty).len()).filter(|&len| len > 2);
    assert_eq!(large.collect::<Vec<_>>(), [MEMBERS as usize, MEMBERS as usize + 1]);
}

#[test]
fn long_names_are_limited_by_their_uses() {
    let name = [b'x'; 5000];
    let build = |uses: u32| {
        let mut btf = Writer::new(Endian::Little);
        for size in 0..uses {
            btf.float(&name, size).unwrap();
        }
        let mut builder = HubBuilder::new();
        builder.add_btf(&KernelSource::new(&id(0), "a test", &btf.finish().unwrap()))?;
        builder.finish(3)
    };
    let hub = HubFile::open(build(60).unwrap()).unwrap();
    let btf = hub.extract(&id(0)).unwrap();
    assert_eq!(Btf::parse(&btf).unwrap().types().count(), 60);
    assert!(matches!(build(200), Err(HubFileError::Btf { .. })));
}
