//! Functions of a kernel, by name: what kprobes, trampolines and kfunc calls refer to.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::btf::{Btf, BtfError, Kind, NameReader, RawType, TypeId};
use crate::memo::Memo;

/// Most parameters of a function with a trampoline (the kernel's `MAX_BPF_FUNC_ARGS`).
const MAX_PARAMS: usize = 12;
/// Largest parameter in bytes of a function with a trampoline (`btf_distill_func_proto`).
const MAX_PARAM_LEN: u32 = 16;
/// Bytes of an argument word.
const WORD: u32 = 8;
/// Most argument words of a function with a trampoline.
pub(super) const MAX_WORDS: u8 = MAX_PARAMS as u8 * (MAX_PARAM_LEN / WORD) as u8;
/// The declaration tag of a kfunc, which pahole adds since version 1.26.
const KFUNC_TAG: &[u8] = b"bpf_kfunc";

/// A function of a kernel's BTF. Functions of different kernels that are equal are stored once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Function {
    /// Its name.
    pub name: Arc<[u8]>,
    /// The module that it belongs to; none for the kernel itself.
    pub module: Option<Arc<str>>,
    /// Number of 8-byte words that its arguments take. None if no kernel makes a trampoline for it (`btf_distill_func_proto`):
    /// it is variadic, has over 12 parameters, one over 16 bytes, or returns a struct.
    pub argument_words: Option<u8>,
    /// Whether it has the declaration tag `bpf_kfunc`.
    pub is_kfunc: bool,
}

/// The named functions of a BTF itself, without those of its base; each once, ascending.
///
/// # Errors
/// When a name is out of range.
pub(super) fn functions_of(btf: &Btf<'_>, module: Option<&Arc<str>>) -> Result<BTreeSet<Function>, BtfError> {
    let mut names = NameReader::new(btf);
    let mut kfuncs = BTreeSet::new();
    for tag in btf.types().filter(|ty| ty.kind == Kind::DeclTag && ty.component().is_none()) {
        if names.name(tag.name_off)? == KFUNC_TAG {
            kfuncs.insert(tag.target());
        }
    }
    // Most functions share their prototype with others.
    let mut words: Memo<TypeId, Option<u8>> = Memo::default();
    let mut functions = BTreeSet::new();
    for func in btf.types().filter(|ty| ty.kind == Kind::Func) {
        let name = names.name(func.name_off)?;
        if !name.is_empty() {
            functions.insert(Function {
                name: name.into(),
                module: module.cloned(),
                argument_words: *words.entry(func.target()).or_insert_with(|| argument_words(btf, &func)),
                is_kfunc: kfuncs.contains(&func.id),
            });
        }
    }
    Ok(functions)
}

fn argument_words(btf: &Btf<'_>, func: &RawType<'_>) -> Option<u8> {
    let proto = btf.get(func.target()).filter(|proto| proto.kind == Kind::FuncProto)?;
    let resolved = |id| btf.skip_mods_and_typedefs(id).ok().flatten();
    if proto.target() != TypeId::VOID {
        let result = resolved(proto.target())?;
        if matches!(result.kind, Kind::Struct | Kind::Union) {
            return None;
        }
        size(&result)?;
    }
    let mut words = 0;
    for (index, param) in proto.params().enumerate() {
        // A variadic function's last parameter is `void`.
        let len = size(&resolved(param.ty)?).filter(|&len| len <= MAX_PARAM_LEN)?;
        if index >= MAX_PARAMS {
            return None;
        }
        words += len.div_ceil(WORD);
    }
    u8::try_from(words).ok()
}

/// The size of an argument in bytes, as the kernel's `__get_type_size` has it.
fn size(ty: &RawType<'_>) -> Option<u32> {
    match ty.kind {
        Kind::Ptr => Some(WORD),
        Kind::Int | Kind::Enum | Kind::Enum64 | Kind::Struct | Kind::Union => Some(ty.size()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btf::testing::{record, wide};
    use crate::btf::{Endian, Member, Writer};

    #[test]
    fn kfuncs_have_a_tag_for_the_whole_declaration() {
        let strings = b"\0one\0two\0three\0bpf_kfunc\0other\0";
        let [one, two, three, kfunc, other] = [1, 5, 9, 15, 25];
        let func = |name| record(name, 12, 0, 1, &[]);
        let tag = |name, func, component: u32| record(name, 17, 0, func, &[component]);
        let records = [
            record(0, 13, 0, 0, &[]),
            func(one),
            func(two),
            func(three),
            tag(kfunc, 2, u32::MAX),
            tag(other, 3, u32::MAX),
            tag(kfunc, 4, 0),
        ];
        for endian in [Endian::Little, Endian::Big] {
            let bytes = wide(endian, &records, &[], strings);
            let functions = functions_of(&Btf::parse(&bytes).unwrap(), None).unwrap();
            let kfuncs = functions.iter().filter(|function| function.is_kfunc);
            assert_eq!(kfuncs.map(|function| &*function.name).collect::<Vec<_>>(), [b"one"]);
            assert_eq!(functions.len(), 3);
        }
    }

    #[test]
    fn counts_argument_words() {
        let mut out = Writer::new(Endian::Little);
        let int = out.int(b"int", 4, 1, 0, 32).unwrap();
        let wide = out.int(b"__int128", 16, 1, 0, 128).unwrap();
        let pointer = out.reference(Kind::Ptr, b"", int).unwrap();
        let constant = out.reference(Kind::Const, b"", pointer).unwrap();
        let alias = out.reference(Kind::Typedef, b"alias", constant).unwrap();
        let array = out.array(int, int, 4).unwrap();
        let float = out.float(b"double", 8).unwrap();
        let looped = TypeId(out.next_id().0);
        out.reference(Kind::Const, b"", looped).unwrap();
        let mut composite = |size| {
            let members = [Member::new(b"a".as_slice(), int, 0)];
            out.composite(Kind::Struct, format!("s{size}").as_bytes(), size, members.into_iter()).unwrap()
        };
        let [empty, pair, large] = [0, 12, 24].map(&mut composite);
        let void = TypeId::VOID;
        let cases: [(TypeId, &[TypeId], Option<u8>); 16] = [
            (void, &[], Some(0)),
            (int, &[int, alias, pointer], Some(3)),
            (alias, &[wide], Some(2)),
            (void, &[int, pair, int], Some(4)),
            (void, &[empty, int], Some(1)),
            (void, &[int; 12], Some(12)),
            (void, &[pair; 12], Some(24)),
            (void, &[int; 13], None),
            (void, &[int, large], None),
            (void, &[int, void], None),
            (pair, &[int], None),
            (void, &[array], None),
            (void, &[float], None),
            (void, &[looped], None),
            (looped, &[], None),
            (void, &[TypeId(9999)], None),
        ];
        for (result, params, expect) in cases {
            let mut out = out.clone();
            let proto = out.func_proto(result, params.iter().copied()).unwrap();
            out.reference(Kind::Func, b"f", proto).unwrap();
            // A function whose target is no prototype.
            out.reference(Kind::Func, b"odd", int).unwrap();
            let bytes = out.finish().unwrap();
            let functions = functions_of(&Btf::parse(&bytes).unwrap(), None).unwrap();
            let words: Vec<_> = functions.iter().map(|function| function.argument_words).collect();
            assert_eq!(words, [expect, None], "{result} {params:?}");
        }
    }
}
