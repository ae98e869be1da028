//! Tests of answers on small kernels.

use std::collections::BTreeMap;

use btfgen_runtime::KernelId;

use super::answer::Answer;
use super::features::Judge;
use super::kernels::Kernels;
use super::{Deployment, Verdict};
use crate::btf::{self, Endian, Kind, TypeId, Writer};
use crate::facts::Facts;
use crate::hub::file::{HubBuilder, HubFile, KernelSource};
use crate::hub::{AttachTable, Attachability, ShipsBtf};
use crate::requirements::{
    Attach, Extern, ExternKind, Helper, InstructionSet, Map, MapKind, Program, SectionDef,
};

/// What a kernel has.
#[derive(Clone, Default)]
struct Kernel {
    /// x86_64 if empty.
    arch: &'static str,
    release: &'static str,
    helpers: &'static [&'static str],
    functions: &'static [(&'static str, usize)],
    typedefs: &'static [&'static str],
    attachability: Option<&'static [(&'static str, Attachability)]>,
    ships_btf: ShipsBtf,
}

impl Kernel {
    fn btf(&self) -> Vec<u8> {
        let mut out = Writer::new(Endian::Little);
        let int = out.int(b"int", 4, 1, 0, 32).unwrap();
        let helper = |name: &&'static str| {
            let value = Helper::named(&format!("bpf_{name}")).map_or(0, |helper| helper.0.into());
            (format!("BPF_FUNC_{name}"), value)
        };
        let mut enumerations = BTreeMap::new();
        let mut helpers: Vec<(String, u64)> = self.helpers.iter().map(helper).collect();
        helpers.push(("__BPF_FUNC_MAX_ID".to_owned(), Helper::named("bpf_loop").map_or(0, |it| it.0.into())));
        enumerations.insert("bpf_func_id", helpers);
        enumerations.insert("bpf_map_type", vec![("BPF_MAP_TYPE_HASH".to_owned(), 1)]);
        for (name, values) in &enumerations {
            let values =
                values.iter().map(|(name, value)| btf::Enumerator { name: name.as_bytes(), value: *value });
            out.enumeration(name.as_bytes(), 4, false, false, values).unwrap();
        }
        let pointer = out.reference(Kind::Ptr, b"", int).unwrap();
        for name in self.typedefs {
            out.reference(Kind::Typedef, name.as_bytes(), pointer).unwrap();
        }
        for &(name, arguments) in self.functions {
            let proto = out.func_proto(TypeId::VOID, vec![int; arguments].into_iter()).unwrap();
            out.reference(Kind::Func, name.as_bytes(), proto).unwrap();
        }
        out.finish().unwrap()
    }
}

/// Asks about each kernel, and names its verdict.
fn verdicts(kernels: &[Kernel], ask: impl Fn(&Judge<'_>) -> Vec<Answer>) -> Vec<Verdict> {
    let mut builder = HubBuilder::new();
    for (number, kernel) in kernels.iter().enumerate() {
        let arch = if kernel.arch.is_empty() { "x86_64" } else { kernel.arch };
        let id: KernelId = format!("debian/{number}/{arch}/{}", kernel.release).parse().unwrap();
        let table = kernel.attachability.map(|symbols| -> AttachTable {
            symbols.iter().map(|&(name, attachability)| (name.into(), attachability)).collect()
        });
        let (btf, ships_btf) = (kernel.btf(), kernel.ships_btf);
        let source =
            KernelSource { ships_btf, attachability: table.as_ref(), ..KernelSource::new(&id, "", &btf) };
        builder.add_btf(&source).unwrap();
    }
    let hub = HubFile::open(builder.finish(1).unwrap()).unwrap();
    let judge = Judge { facts: Facts::new(&hub).unwrap(), kernels: Kernels::new(&hub, Deployment::Either) };
    let answers = ask(&judge);
    let verdict = |kernel: usize| {
        let doubts = answers.iter().flat_map(|answer| &answer.doubts);
        doubts
            .filter(|doubt| doubt.kernels.contains(kernel))
            .map(|doubt| doubt.verdict)
            .max()
            .unwrap_or_default()
    };
    (0..kernels.len()).map(verdict).collect()
}

fn program(section: &str) -> Program {
    Program::new("program", section)
}

fn target(section: &'static str) -> impl Fn(&Judge<'_>) -> Vec<Answer> {
    move |judge| judge.target(&program(section))
}

use Verdict::{Fails, Likely, Runs, Unknown};

#[test]
fn helpers() {
    let kernels = [
        Kernel { release: "5.4.0", helpers: &["probe_read", "ktime_get_ns"], ..Kernel::default() },
        Kernel { release: "6.1.0", helpers: &["probe_read_kernel", "ktime_get_ns"], ..Kernel::default() },
    ];
    let check = |helper: &str, section: &str, expect: [Verdict; 2]| {
        let helper = Helper::named(helper).unwrap();
        let got = verdicts(&kernels, |judge| vec![judge.helper(helper, &program(section))]);
        assert_eq!(got, expect, "{helper:?} in {section}");
    };
    check("bpf_ktime_get_ns", "kprobe", [Runs, Runs]);
    // libbpf replaces it.
    check("bpf_probe_read_kernel", "kprobe", [Runs, Runs]);
    // The number of the enumerator that marks the end is no helper's.
    check("bpf_loop", "kprobe", [Fails, Fails]);
    check("bpf_xdp_adjust_head", "kprobe", [Fails, Fails]);
    check("bpf_ktime_get_ns", "freplace", [Runs, Runs]);
}

#[test]
fn functions_of_kprobes_and_trampolines() {
    use Attachability::{No, TraceOnly, Yes};
    let has = Kernel { release: "6.1.0", functions: &[("f", 2), ("g", 7)], ..Kernel::default() };
    let with = |attachability| Kernel { attachability: Some(attachability), ..has.clone() };
    let kernels = [
        has.clone(),
        with(&[("f", Yes), ("g", Yes)]),
        with(&[("f", TraceOnly), ("g", Yes)]),
        with(&[("f", No), ("g", Yes)]),
        Kernel { release: "6.6.0", functions: &[("g", 7)], ..Kernel::default() },
        Kernel { release: "6.1.0", ..Kernel::default() },
    ];
    let check = |section: &'static str, expect: [Verdict; 6]| {
        assert_eq!(verdicts(&kernels, target(section)), expect, "{section}");
    };
    // Before 6.7 a kernel may take the first of several symbols.
    check("kprobe/f", [Likely, Runs, Unknown, Fails, Fails, Unknown]);
    check("kretprobe/f", [Likely, Runs, Unknown, Fails, Fails, Unknown]);
    check("kprobe/f+4", [Unknown, Unknown, Unknown, Fails, Fails, Unknown]);
    check("kprobe/f.isra.0", [Unknown; 6]);
    check("fentry/f", [Likely, Runs, Likely, Fails, Fails, Unknown]);
    // Seven words of arguments, before and since 6.6.
    check("fentry/g", [Unknown, Unknown, Unknown, Unknown, Likely, Unknown]);
    check("fentry", [Unknown; 6]);
    check("kprobe", [Runs; 6]);
    check("uprobe//bin/bash:readline", [Runs; 6]);
    check("uretprobe/readline", [Runs; 6]);
    check("tracepoint/sched_switch", [Fails; 6]);
}

#[test]
fn tracepoints() {
    let kernels = [
        Kernel {
            release: "6.1.0",
            typedefs: &["btf_trace_sched_switch", "btf_trace_fork", "btf_trace_pelt_tp"],
            functions: &[
                ("__x64_sys_bpf", 1),
                ("__x64_sys_openat", 1),
                ("__do_sys_sync", 1),
                ("bpf_lsm_file_open", 1),
                ("bpf_lsm_getprocattr", 4),
                ("bpf_iter_task", 1),
            ],
            ..Kernel::default()
        },
        Kernel { release: "4.18.0", functions: &[("trace_event_raw_event_fork", 1)], ..Kernel::default() },
    ];
    let check = |section: &'static str, expect: [Verdict; 2]| {
        assert_eq!(verdicts(&kernels, target(section)), expect, "{section}");
    };
    check("raw_tp/fork", [Runs, Likely]);
    check("tp/sched/fork", [Runs, Likely]);
    check("tp_btf/exit", [Fails, Unknown]);
    check("tp/sched/pelt_tp", [Unknown, Unknown]);
    check("lsm/file_open", [Runs, Fails]);
    check("lsm.s/file_open", [Unknown, Fails]);
    check("lsm/getprocattr", [Unknown, Fails]);
    // These kernels have no enum bpf_link_type.
    check("iter/task", [Unknown, Fails]);
    check("kprobe/__x64_sys_sync", [Likely, Fails]);
    check("ksyscall/openat", [Likely, Fails]);
}

#[test]
fn syscalls_of_each_architecture() {
    let kernel = |arch, functions| Kernel { arch, release: "6.1.0", functions, ..Kernel::default() };
    let kernels = [
        kernel(
            "x86_64",
            &[("__x64_sys_bpf", 1), ("__x64_sys_openat", 1), ("__se_sys_openat", 4), ("__do_sys_sync", 0)],
        ),
        kernel("x86", &[("__ia32_sys_bpf", 1), ("__ia32_sys_openat", 1), ("__do_sys_sync", 0)]),
        // An alias for syscalls with arguments.
        kernel(
            "s390x",
            &[
                ("__se_sys_bpf", 1),
                ("__se_sys_openat", 1),
                ("__s390x_sys_getpid", 0),
                ("__s390x_sys_sync", 0),
            ],
        ),
        kernel("s390x", &[("__s390x_sys_bpf", 1), ("__s390x_sys_openat", 1), ("__s390x_sys_sync", 0)]),
        kernel("arm", &[("__se_sys_bpf", 3), ("__se_sys_openat", 4), ("sys_sync", 0)]),
        kernel("ppc64le", &[("sys_bpf", 1), ("sys_openat", 1), ("sys_sync", 0)]),
    ];
    let check = |section: &'static str, expect: [Verdict; 6]| {
        assert_eq!(verdicts(&kernels, target(section)), expect, "{section}");
    };
    check("ksyscall/openat", [Likely, Likely, Likely, Likely, Likely, Fails]);
    check("ksyscall/sync", [Likely, Likely, Likely, Likely, Fails, Fails]);
    check("kprobe/__x64_sys_sync", [Likely, Fails, Fails, Fails, Fails, Fails]);
    check("kprobe/__ia32_sys_sync", [Fails, Likely, Fails, Fails, Fails, Fails]);
    check("kprobe/__s390x_sys_openat", [Fails, Fails, Likely, Likely, Fails, Fails]);
    // Of a syscall that the kernel is built without, there is a stub in place of a function.
    check("kprobe/__s390x_sys_mbind", [Fails, Fails, Unknown, Unknown, Fails, Fails]);
    check("kprobe/sys_mbind", [Fails, Fails, Fails, Fails, Unknown, Unknown]);
    check("ksyscall/mbind", [Fails, Fails, Unknown, Unknown, Fails, Fails]);
    check("fentry/sys_mbind", [Fails; 6]);
    // Where a syscall has no wrapper, this is an alias, which BTF does not list.
    check("kprobe/sys_openat", [Fails, Fails, Fails, Fails, Likely, Likely]);
    check("kprobe/sys_sync", [Fails, Fails, Fails, Fails, Likely, Likely]);
}

#[test]
fn externs_and_maps() {
    let kernels = [
        Kernel { release: "6.1.0", functions: &[("bpf_task_acquire", 1)], ..Kernel::default() },
        Kernel { release: "6.1.0", functions: &[("f", 1)], ..Kernel::default() },
    ];
    let check = |name: &str, kind, expect: [Verdict; 2]| {
        let own = Extern { name: name.to_owned(), kind, weak: false };
        assert_eq!(verdicts(&kernels, |judge| vec![judge.external(&own)]), expect, "{name}");
    };
    check("bpf_task_acquire", ExternKind::Kfunc, [Likely, Fails]);
    check("bpf_task_acquire___flavor", ExternKind::Kfunc, [Likely, Fails]);
    check("f", ExternKind::Kfunc, [Fails, Unknown]);
    check("f", ExternKind::Ksym, [Unknown, Runs]);
    check("CONFIG_HZ", ExternKind::Kconfig, [Unknown, Unknown]);
    check("LINUX_KERNEL_VERSION", ExternKind::Kconfig, [Runs, Runs]);
    let map = |map_type| Map {
        name: "m".to_owned(),
        kind: MapKind { map_type, flags: 0 },
        inner: None,
        section: ".maps".to_owned(),
        struct_ops: None,
    };
    assert_eq!(verdicts(&kernels, |judge| judge.map(&map(1))), [Runs, Runs]);
    assert_eq!(verdicts(&kernels, |judge| judge.map(&map(27))), [Fails, Fails]);
}

#[test]
fn what_versions_and_functions_tell() {
    let kernels = [
        Kernel { release: "5.10.0", functions: &[("check_xadd", 3)], ..Kernel::default() },
        Kernel { release: "5.10.0", functions: &[("check_atomic", 3)], ..Kernel::default() },
        Kernel { release: "5.10.0", ..Kernel::default() },
        Kernel { release: "5.12.0", ships_btf: ShipsBtf::Yes, ..Kernel::default() },
    ];
    let check = |set, expect: [Verdict; 4]| {
        assert_eq!(verdicts(&kernels, |judge| vec![judge.instruction_set(set)]), expect, "{set:?}");
    };
    check(InstructionSet::Atomics, [Fails, Runs, Unknown, Runs]);
    check(InstructionSet::Jump32, [Runs; 4]);
    check(InstructionSet::LongJump, [Unknown; 4]);
    check(InstructionSet::KfuncCall, [Fails; 4]);
    let own_btf = |judge: &Judge<'_>| vec![judge.own_btf("a test")];
    assert_eq!(verdicts(&kernels, own_btf), [Unknown, Unknown, Unknown, Runs]);
}

#[test]
fn every_way_of_attaching_is_answered() {
    let kernel = [Kernel { release: "6.1.0", ..Kernel::default() }];
    for def in crate::requirements::SECTION_DEFS.iter().filter(|def| def.attach.is_some()) {
        let section = format!("{}/a/b:c:d", def.section.trim_end_matches('+'));
        let answers = verdicts(&kernel, |judge| judge.target(&program(&section)));
        let is_user = matches!(def.attach, Some(Attach::Uprobe | Attach::Usdt));
        assert_eq!(answers[0] == Runs, is_user, "{section}");
        assert!(SectionDef::find(&section).is_some());
    }
}
