//! aya-obj as a judge, for the relocation kinds that it implements.

use std::collections::BTreeMap;

use crate::elf::Insn;

/// Why aya-obj does not relocate an object.
#[derive(Debug, thiserror::Error)]
pub enum AyaError {
    /// It cannot read the object.
    #[error("aya-obj cannot read the object: {0}")]
    Object(String),
    /// It cannot read the target BTF.
    #[error("aya-obj cannot read the target BTF: {0}")]
    Btf(String),
    /// A relocation fails; aya-obj stops at the first one.
    #[error("aya-obj cannot relocate the object: {0}")]
    Relocation(String),
}

/// Relocates all of an object's functions, by name.
///
/// aya-obj differs from libbpf: it cuts a flavor at the first `___`, never matches an enum with an enum64, lacks
/// `TYPE_MATCHES`, prunes no candidates, and computes shift amounts for this machine's byte order.
///
/// # Errors
/// When aya-obj rejects the object, the target BTF or a relocation.
pub fn relocate(object: &[u8], target: &[u8]) -> Result<BTreeMap<String, Vec<Insn>>, AyaError> {
    let mut object = aya_obj::Object::parse(object).map_err(|error| AyaError::Object(chain(&error)))?;
    let target =
        aya_obj::btf::Btf::parse(target, Default::default()).map_err(|error| AyaError::Btf(chain(&error)))?;
    object.relocate_btf(&target).map_err(|error| AyaError::Relocation(chain(&error)))?;
    let functions = object.functions.values().map(|function| {
        let insns = function.instructions.iter().map(|insn| Insn {
            code: insn.code,
            regs: insn.src_reg() << 4 | insn.dst_reg(),
            off: insn.off,
            imm: insn.imm,
        });
        (function.name.clone(), insns.collect())
    });
    Ok(functions.collect())
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
