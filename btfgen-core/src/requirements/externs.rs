//! Externs: kernel functions and variables (`.ksyms`) and kernel configuration (`.kconfig`) that the object refers to.

use super::names::name_of;
use crate::btf::{Btf, BtfError, Kind};
use crate::memo::Memo;
use crate::object::Object;

/// What an extern refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExternKind {
    /// A kernel function with a BTF id.
    Kfunc,
    /// A kernel variable with a type, by its BTF id.
    TypedKsym,
    /// A kernel symbol without a type: libbpf looks up its address in `/proc/kallsyms`.
    Ksym,
    /// A value of the kernel's configuration, or of libbpf's own such as `LINUX_KERNEL_VERSION`.
    Kconfig,
}

/// An extern (libbpf's `struct extern_desc`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extern {
    /// Its name, with its flavor.
    pub name: String,
    /// What it refers to.
    pub kind: ExternKind,
    /// Whether it is weak: if it is missing, its address or value is 0. A missing strong one fails the whole object.
    pub weak: bool,
}

/// Finds all externs (`bpf_object__collect_externs`).
pub(super) fn find(object: &Object, btf: &Btf<'_>) -> Result<Vec<Extern>, BtfError> {
    let undefined = object.symbols().iter().filter(|symbol| symbol.section.is_none());
    let weak: Memo<&str, bool> = undefined.map(|symbol| (&*symbol.name, symbol.weak)).collect();
    let mut externs = Vec::new();
    for section in btf.types().filter(|ty| ty.kind == Kind::Datasec) {
        let is_ksyms = match name_of(btf, section.name_off)?.as_str() {
            ".ksyms" => true,
            ".kconfig" => false,
            _ => continue,
        };
        for variable in section.variables() {
            let ty = btf.type_by_id(variable.ty)?;
            let kind = match ty.kind {
                Kind::Func if is_ksyms => ExternKind::Kfunc,
                // One that is declared `extern const void` has no type.
                Kind::Var if is_ksyms => match btf.skip_mods_and_typedefs(ty.target())? {
                    Some(_) => ExternKind::TypedKsym,
                    None => ExternKind::Ksym,
                },
                Kind::Var => ExternKind::Kconfig,
                _ => continue,
            };
            let name = name_of(btf, ty.name_off)?;
            let weak = weak.get(name.as_str()) == Some(&true);
            externs.push(Extern { name, kind, weak });
        }
    }
    Ok(externs)
}
