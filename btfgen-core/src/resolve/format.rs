//! Specs as text, in the format of libbpf's `bpf_core_format_spec`, without type ids.

use std::fmt::Write;

use super::local::LocalSpec;
use crate::types::{Composite, Name, Type, TypeRef, Types};

/// A root type's kind and name, such as `struct task_struct`.
pub(super) fn describe_root(types: &Types, root: TypeRef) -> String {
    let kind = match types.get(root) {
        Type::Void => return "void".to_owned(),
        Type::Composite { kind: Composite::Struct, .. } | Type::Named { kind: Composite::Struct, .. } => {
            "struct"
        }
        Type::Composite { kind: Composite::Union, .. } | Type::Named { kind: Composite::Union, .. } => {
            "union"
        }
        Type::Int { .. } => "int",
        Type::Float { .. } => "float",
        Type::Ptr { .. } => "ptr",
        Type::Array { .. } => "array",
        Type::Enum { wide: false, .. } => "enum",
        Type::Enum { wide: true, .. } => "enum64",
        Type::Fwd { .. } => "fwd",
        Type::Typedef { .. } => "typedef",
        Type::FuncProto { .. } => "func_proto",
        Type::Opaque { .. } => "unknown",
    };
    let name = types.name_of(root);
    let text = if name == Name::EMPTY { "<anon>".into() } else { types.names().text(name) };
    format!("{kind} {text}")
}

/// A relocation's spec, such as `struct task_struct.__state (0:1 @ offset 24)`.
pub fn describe_spec(types: &Types, spec: &LocalSpec) -> String {
    let mut text = describe_root(types, spec.root);
    if spec.kind.is_type_based() {
        return text;
    }
    let names = types.names();
    if spec.kind.is_enumval_based() {
        if let Some(accessor) = spec.accessors.first() {
            let value = types.enumerators(accessor.ty).get(accessor.index as usize).map(|it| it.value);
            let signed = matches!(types.get(accessor.ty), Type::Enum { signed: true, .. });
            let value = value.unwrap_or_default();
            let wide = matches!(types.get(accessor.ty), Type::Enum { wide: true, .. });
            let value = match (signed, wide) {
                (true, _) => value.cast_signed().to_string(),
                (false, true) => value.to_string(),
                (false, false) => (value as u32).to_string(),
            };
            _ = write!(text, "::{} = {value}", names.text(accessor.name));
        }
        return text;
    }
    for (level, accessor) in spec.accessors.iter().enumerate() {
        if accessor.name != Name::EMPTY {
            _ = write!(text, ".{}", names.text(accessor.name));
        } else if level > 0 || accessor.index > 0 {
            _ = write!(text, "[{}]", accessor.index);
        }
    }
    let raw: Vec<String> = spec.raw.iter().map(u32::to_string).collect();
    _ = write!(text, " ({} @ offset {}", raw.join(":"), spec.bit_offset / 8);
    if !spec.bit_offset.is_multiple_of(8) {
        _ = write!(text, ".{}", spec.bit_offset % 8);
    }
    text.push(')');
    text
}
