//! Programs, and the parts of an object that need the kernel's own BTF, even if a minimized BTF is embedded.

use super::reach::InsnIndex;
use super::references::ElfSection;
use crate::btf::{Btf, BtfError, Kind, shown_name};

/// A program, or a subprogram in `.text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The function's name.
    pub name: String,
    /// Its section, such as `raw_tracepoint/sched_process_exec`.
    pub section: String,
    /// Its offset in the section, in bytes.
    pub offset: u64,
    /// Its size in bytes.
    pub size: u64,
}

/// A part of an object that cannot load on a kernel without BTF of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelBtfNeed {
    /// The program, map or symbol.
    pub name: String,
    /// Its description, such as `fentry program`.
    pub what: &'static str,
}

/// Sections of libbpf's `section_defs` whose programs attach by a BTF id of the kernel.
const SECTIONS: [(&str, &str); 10] = [
    ("fentry", "fentry program"),
    ("fexit", "fexit program"),
    ("fmod_ret", "fmod_ret program"),
    ("fsession", "fsession program"),
    ("freplace", "freplace program"),
    ("lsm", "lsm program"),
    ("lsm_cgroup", "lsm program"),
    ("tp_btf", "tp_btf program"),
    ("iter", "iterator"),
    ("struct_ops", "struct_ops program"),
];

/// The data section of typed kernel symbols.
const KSYMS: &[u8] = b".ksyms";

/// Bytes of a symbol's name that are read: more than a message shows.
const MAX_READ_NAME: usize = 1024;

/// Finds the parts that need the kernel's BTF, by section name and by the types in `.ksyms`.
pub(super) fn kernel_btf_needs(
    programs: &[Program],
    sections: &[ElfSection],
    btf: &Btf<'_>,
) -> Result<Vec<KernelBtfNeed>, BtfError> {
    let mut needs = Vec::new();
    for program in programs {
        if let Some(what) = section_need(&program.section) {
            needs.push(KernelBtfNeed { name: program.name.clone(), what });
        }
    }
    for section in
        sections.iter().filter(|section| matches!(&*section.name, ".struct_ops" | ".struct_ops.link"))
    {
        needs.push(KernelBtfNeed { name: section.name.to_string(), what: "struct_ops map" });
    }
    for datasec in btf.types().filter(|ty| ty.kind == Kind::Datasec) {
        if btf.string_up_to(datasec.name_off, KSYMS.len() + 1)? != KSYMS {
            continue;
        }
        for variable in datasec.variables() {
            let symbol = btf.type_by_id(variable.ty)?;
            let what = match symbol.kind {
                Kind::Func => "kfunc",
                // One that is declared `extern const void` has no type (`bpf_object__collect_externs`).
                Kind::Var if btf.skip_mods_and_typedefs(symbol.target())?.is_some() => "typed ksym",
                _ => continue,
            };
            let name = shown_name(btf.string_up_to(symbol.name_off, MAX_READ_NAME)?).into_owned();
            needs.push(KernelBtfNeed { name, what });
        }
    }
    needs.sort();
    needs.dedup();
    Ok(needs)
}

/// The first instructions of a section's programs and subprograms; `programs` is ordered by section.
pub(super) fn entries(programs: &[Program], section: &str) -> Vec<InsnIndex> {
    let first = programs.partition_point(|program| *program.section < *section);
    let own = programs[first..].iter().take_while(|program| program.section == section);
    own.filter_map(|program| u32::try_from(program.offset).ok().map(InsnIndex::from_offset)).collect()
}

/// The kind of program in a section of that name, if that kind needs the kernel's BTF.
fn section_need(section: &str) -> Option<&'static str> {
    let section = section.strip_prefix('?').unwrap_or(section);
    let kind = section.split('/').next().unwrap_or(section);
    let kind = kind.strip_suffix(".s").unwrap_or(kind);
    let kind = kind.strip_suffix(".multi").unwrap_or(kind);
    SECTIONS.iter().find(|(name, _)| *name == kind).map(|&(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_names_tell_program_kinds() {
        let check =
            |section: &str, expect: Option<&str>| assert_eq!(section_need(section), expect, "{section}");
        check("fentry/do_unlinkat", Some("fentry program"));
        check("?fexit.s/do_unlinkat", Some("fexit program"));
        check("lsm/file_open", Some("lsm program"));
        check("lsm_cgroup/socket_bind", Some("lsm program"));
        check("tp_btf/sched_switch", Some("tp_btf program"));
        check("iter.s/task", Some("iterator"));
        check("struct_ops/init", Some("struct_ops program"));
        check("freplace", Some("freplace program"));
        check("raw_tracepoint/sched_switch", None);
        check("tp/fentry", None);
        check("xdp", None);
        check(".text", None);
    }
}
