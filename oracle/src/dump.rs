//! Results as text, one line per relocation, for the committed expectations.

use crate::elf::ObjectFile;
use crate::libbpf::{Judge, Judged, LibbpfError, Outcome, Selection, Value};

/// The thirteen kinds by number, named as libbpf's messages do.
pub const KINDS: [&str; 13] = [
    "byte_off",
    "byte_sz",
    "field_exists",
    "signed",
    "lshift_u64",
    "rshift_u64",
    "local_type_id",
    "target_type_id",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
];

/// libbpf's results for an object and a target: each program alone, all together up to the first failure, and all that
/// are left when the programs at which libbpf stops are removed one after the other.
///
/// # Errors
/// When the object is unreadable or libbpf rejects one of the BTFs.
pub fn dump(object: &[u8], target: &[u8]) -> Result<String, LibbpfError> {
    let object = ObjectFile::parse(object)?;
    let mut judge = Judge::new(&object, target)?;
    let mut text = "[alone]\n".to_owned();
    for name in object.program_names() {
        let results = judge.relocations(&Selection::Only(&[&name]));
        // The relocations of subprograms appear with each program; they are the same, so one time is enough.
        for judged in results.relocations.iter().filter(|judged| judged.function == name) {
            text += &line(judged);
        }
    }
    let names = object.program_names();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    text += "[together]\n";
    text.extend(judge.relocations(&Selection::Only(&names)).relocations.iter().map(line));
    text += "[without failing programs]\n";
    text.extend(judge.without_failing_programs().1.relocations.iter().map(line));
    Ok(text)
}

fn line(judged: &Judged) -> String {
    let kind = KINDS.get(judged.kind as usize).copied().unwrap_or("unknown");
    let outcome = match judged.outcome {
        Outcome::Resolved(value) => show(&value),
        Outcome::Unresolvable(errno) => format!("fails with errno {errno}"),
        Outcome::Unpatchable(value, errno) => format!("{}, does not fit, errno {errno}", show(&value)),
    };
    let spec = if judged.target_spec.is_empty() { "-" } else { &judged.target_spec };
    format!("{} #{} {kind}: {outcome} | {spec}\n", judged.function, judged.number)
}

fn show(value: &Value) -> String {
    let mut text = if value.poison {
        format!("{} -> poison", value.orig)
    } else {
        format!("{} -> {}", value.orig, value.new)
    };
    if (value.orig_size, value.new_size) != (0, 0) {
        text += &format!(", size {} -> {}", value.orig_size, value.new_size);
    }
    if value.fail_memsz_adjust {
        text += ", not for loads";
    }
    if !value.validate {
        text += ", unchecked";
    }
    text
}
