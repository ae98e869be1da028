//! Tests of facts on small kernels.

use btfgen_runtime::KernelId;

use super::*;
use crate::btf::{self, Endian, Kind, TypeId, Writer};
use crate::hub::file::{HubBuilder, KernelSource, ModuleSource};
use crate::hub::{AttachTable, Attachability};

/// A kernel with helpers up to a number, and functions of so many arguments.
fn kernel(helpers: u64, functions: &[(&str, usize)]) -> Vec<u8> {
    let mut out = Writer::new(Endian::Little);
    let int = out.int(b"int", 4, 1, 0, 32).unwrap();
    let names: Vec<String> = (0..=helpers).map(|helper| format!("BPF_FUNC_{helper}")).collect();
    let values = names.iter().enumerate();
    let values = values.map(|(value, name)| btf::Enumerator { name: name.as_bytes(), value: value as u64 });
    out.enumeration(b"bpf_func_id", 4, false, false, values).unwrap();
    let pointer = out.reference(Kind::Ptr, b"", int).unwrap();
    out.reference(Kind::Typedef, format!("btf_trace_{helpers}").as_bytes(), pointer).unwrap();
    let field = btf::Member::new(b"pid".as_slice(), int, 64 * helpers as u32);
    out.composite(Kind::Struct, b"trace_event_raw_fork", 400, [field].into_iter()).unwrap();
    for &(name, arguments) in functions {
        let proto = out.func_proto(TypeId::VOID, vec![int; arguments].into_iter()).unwrap();
        out.reference(Kind::Func, name.as_bytes(), proto).unwrap();
    }
    out.finish().unwrap()
}

fn id(number: usize) -> KernelId {
    format!("debian/12/x86_64/6.1.0-{number}").parse().unwrap()
}

fn kernels(set: &KernelSet) -> Vec<usize> {
    assert_eq!(set.iter().count(), set.len());
    set.iter().collect()
}

#[test]
fn answers_for_all_kernels_at_once() {
    let mut hub = HubBuilder::new();
    let sources = [
        kernel(5, &[("vfs_read", 4), ("old", 0)]),
        kernel(7, &[("vfs_read", 5), ("new", 1)]),
        kernel(7, &[]),
    ];
    for (number, btf) in sources.iter().enumerate() {
        hub.add_btf(&KernelSource::new(&id(number), "", btf)).unwrap();
    }
    let hub = HubFile::open(hub.finish(1).unwrap()).unwrap();
    let facts = Facts::new(&hub).unwrap();
    let value = |value| kernels(&facts.kernels_with_value("bpf_func_id", value));
    assert_eq!((value(5), value(6), value(8)), (vec![0, 1, 2], vec![1, 2], vec![]));
    let named = |enumeration, name| kernels(&facts.kernels_with_enumerator(enumeration, name));
    assert_eq!(named("bpf_func_id", "BPF_FUNC_7"), [1, 2]);
    assert_eq!(named("bpf_map_type", "BPF_FUNC_7"), [0; 0]);
    let typedef = |name| kernels(&facts.kernels_with(RootKind::Typedef, name));
    assert_eq!((typedef("btf_trace_5"), typedef("btf_trace_6")), (vec![0], vec![]));
    let fields = facts.variants(RootKind::Struct, "trace_event_raw_fork");
    let offsets = fields.iter().map(|it| (facts.types().members(it.ty)[0].bit_offset, kernels(&it.kernels)));
    let mut offsets: Vec<_> = offsets.collect();
    offsets.sort_unstable();
    assert_eq!(offsets, [(320, vec![0]), (448, vec![1, 2])]);

    let function = |name| -> Vec<_> {
        let found = facts.functions(name);
        found.iter().map(|function| (function.argument_words, kernels(&function.kernels))).collect()
    };
    assert_eq!(function("vfs_read"), [(Some(4), vec![0]), (Some(5), vec![1])]);
    assert_eq!(function("old"), [(Some(0), vec![0])]);
    assert_eq!(function("vfs"), []);
    assert_eq!(kernels(facts.kernels_with_functions()), [0, 1]);
    assert!(facts.kernels_with_kfunc_tags().is_empty());
    assert_eq!(facts.functions("new")[0].attachability(1), Attachability::Unknown);
}

#[test]
fn tells_modules_and_attachability() {
    let base = kernel(5, &[("once", 0), ("inlined", 0), ("unsure", 0)]);
    // A split BTF with a function of the same name, which is a string of the kernel's BTF.
    let mut module = Writer::new(Endian::Little);
    module.reference(Kind::Func, b"", TypeId(0)).unwrap();
    let mut module = module.finish().unwrap();
    let strings_len = u32::from_le_bytes(base[20..24].try_into().unwrap()) as usize;
    let name = memchr::memmem::find(&base, b"once\0").unwrap() + strings_len - base.len();
    module[24..28].copy_from_slice(&(name as u32).to_le_bytes());
    let symbols = [("once", Attachability::Yes), ("unsure", Attachability::Unknown)];
    let table: AttachTable = symbols.into_iter().map(|(name, it)| (name.into(), it)).collect();

    let id = id(0);
    let modules = [ModuleSource { name: "ext4", btf: &module }];
    let source = KernelSource { modules: &modules, ..KernelSource::new(&id, "", &base) };
    let mut hub = HubBuilder::new();
    hub.add_btf(&KernelSource { attachability: Some(&table), ..source }).unwrap();
    // The same kernel from a source that knows less.
    hub.add_btf(&source).unwrap();
    let hub = HubFile::open(hub.finish(1).unwrap()).unwrap();
    assert!(hub.kernels()[0].has_modules);
    let facts = Facts::new(&hub).unwrap();
    let attachability = |name: &str| -> Vec<_> {
        let found = facts.functions(name);
        found.iter().map(|function| (function.module, function.attachability(0))).collect()
    };
    assert_eq!(attachability("once"), [(None, Attachability::Yes), (Some("ext4"), Attachability::Unknown)]);
    assert_eq!(attachability("inlined"), [(None, Attachability::No)]);
    assert_eq!(attachability("unsure"), [(None, Attachability::Unknown)]);
}

#[test]
fn patterns_match_names() {
    let check = |name: &str, pattern: &str, expect: bool| {
        assert_eq!(super::glob_match(name.as_bytes(), pattern.as_bytes()), expect, "{name} {pattern}");
    };
    check("tcp_connect", "tcp_*", true);
    check("tcp_connect", "*connect", true);
    check("tcp_connect", "*_c*t", true);
    check("tcp_connect", "tcp_connec?", true);
    check("tcp_connect", "tcp_connect?", false);
    check("tcp_connect", "tcp", false);
    check("tcp_connect", "*x*", false);
    check("", "*", true);
    check("", "", true);
    check("a", "", false);
    check("aaaaaaaaab", "*a*a*a*b", true);
}
