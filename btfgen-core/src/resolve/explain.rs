//! Explanations: why no candidate matches a relocation, for messages.

use super::format::describe_root;
use super::local::{Accessor, LocalSpec};
use super::member::{Mismatch, Rejection, RejectionReason, match_fields};
use super::reads::Reads;
use crate::btf::DataModel;
use crate::object::RelocationKind;
use crate::types::{Name, Type, TypeRef, Types};

/// Limit on the candidates that are explained one by one.
const MAX_EXPLAINED: usize = 4;

/// Explains why no candidate matches: there is none, or what each one lacks.
pub fn explain_mismatch(
    types: &Types,
    local: &LocalSpec,
    model: DataModel,
    candidates: &[TypeRef],
) -> String {
    if candidates.is_empty() {
        return format!("the kernel has no {}", essential_root(types, local.root));
    }
    let mut reasons: Vec<String> = Vec::new();
    for &candidate in candidates {
        let reason = format!("{} {}", describe_root(types, candidate), lack(types, local, model, candidate));
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
    let more = reasons.len().saturating_sub(MAX_EXPLAINED);
    reasons.truncate(MAX_EXPLAINED);
    if more > 0 {
        reasons.push(format!("{more} more do not match"));
    }
    reasons.join(", ")
}

/// The local root's kind and essential name.
fn essential_root(types: &Types, root: TypeRef) -> String {
    let names = types.names();
    let name = types.name_of(root);
    let described = describe_root(types, root);
    let kind = described.split(' ').next().unwrap_or_default();
    format!("{kind} {}", names.text(names.essential(name)))
}

/// What one candidate lacks, as a predicate.
fn lack(types: &Types, local: &LocalSpec, model: DataModel, candidate: TypeRef) -> String {
    let names = types.names();
    if local.kind.is_field_based() {
        return match match_fields(types, &mut Reads::default(), model, local, candidate) {
            Err(Mismatch::Rejected(rejection)) => describe(types, local, &rejection),
            Ok(_) => "was pruned by an earlier relocation with the same root type".to_owned(),
            Err(Mismatch::Failure(failure)) => failure.to_string(),
        };
    }
    if local.kind.is_enumval_based() {
        let name = local.accessors.first().map_or(Name::EMPTY, |accessor| accessor.name);
        return format!("has no enumerator {}", names.text(names.essential(name)));
    }
    match local.kind {
        RelocationKind::TypeMatches => "does not match the local definition".to_owned(),
        _ => "is not compatible".to_owned(),
    }
}

fn describe(types: &Types, local: &LocalSpec, rejection: &Rejection) -> String {
    let path = path(types, &local.accessors[..rejection.step]);
    let accessor = local.accessors[rejection.step];
    let name = types.names().text(accessor.name);
    let within = if path.is_empty() { String::new() } else { format!(" in {path}") };
    match rejection.reason {
        RejectionReason::Missing => format!("has no member {name}{within}"),
        RejectionReason::Incompatible => {
            let wanted = types.members(accessor.ty).get(accessor.index as usize).map(|member| member.ty);
            let wanted = wanted.map_or_else(String::new, |ty| format!(" with {}", shape(types, ty)));
            format!("has a member {name}{within} that is not compatible{wanted}")
        }
        RejectionReason::NoArray => format!("has no array{within}"),
        RejectionReason::OutOfRange(len) => {
            format!("has an array of only {len} elements{within}, too few for index {}", accessor.index)
        }
    }
}

fn path(types: &Types, accessors: &[Accessor]) -> String {
    let mut path = String::new();
    for (level, accessor) in accessors.iter().enumerate() {
        if accessor.name != Name::EMPTY {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&types.names().text(accessor.name));
        } else if level > 0 {
            path.push_str(&format!("[{}]", accessor.index));
        }
    }
    path
}

fn shape(types: &Types, ty: TypeRef) -> String {
    match types.get(ty) {
        Type::Ptr { .. } => "a pointer".to_owned(),
        Type::Array { element, .. } => format!("an array of {}", shape(types, element)),
        Type::Int { .. } => format!("the integer {}", types.names().text(types.name_of(ty))),
        _ => describe_root(types, ty),
    }
}
