//! libbpf as a judge: the result of each relocation of an object against a target BTF.

use std::collections::BTreeMap;
use std::ffi::CString;

use crate::elf::{ElfError, Insn, ObjectFile};
use crate::ffi;

/// `BPF_CORE_TYPE_ID_TARGET`: its value is a type id of the target BTF.
pub const TYPE_ID_TARGET: u32 = 7;

/// Why libbpf cannot judge an object.
#[derive(Debug, thiserror::Error)]
pub enum LibbpfError {
    /// The object is unreadable.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// libbpf rejects the local or the target BTF.
    #[error("libbpf rejects a btf: {error}: {log}")]
    Btf {
        /// The errno.
        error: std::io::Error,
        /// What libbpf printed.
        log: String,
    },
}

/// The programs to be loaded.
#[derive(Clone, Debug)]
pub enum Selection<'a> {
    /// All of them, as `bpf_object__load` does by default.
    All,
    /// Only these names; the others have autoload switched off. Subprograms are always relocated.
    Only(&'a [&'a str]),
}

impl Selection<'_> {
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(&name),
        }
    }
}

/// The value of one relocation: `struct bpf_core_relo_res` without the type ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Value expected in the instruction.
    pub orig: u64,
    /// Value patched in.
    pub new: u64,
    /// Whether the instruction is replaced by an invalid one.
    pub poison: bool,
    /// Whether `orig` is compared with the instruction.
    pub validate: bool,
    /// Whether a load or store of another size poisons.
    pub fail_memsz_adjust: bool,
    /// Size of the local field in bytes.
    pub orig_size: u32,
    /// Size of the target's field in bytes.
    pub new_size: u32,
}

/// The outcome of one relocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instruction was patched.
    Resolved(Value),
    /// Resolving failed with this errno: ambiguity, a spec out of bounds, recursion too deep.
    Unresolvable(i32),
    /// Resolved, but the instruction cannot be patched with the value, with this errno.
    Unpatchable(Value, i32),
}

/// One relocation with its outcome.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Function that contains the instruction.
    pub function: String,
    /// Section name.
    pub section: String,
    /// Number within the section.
    pub number: usize,
    /// Relocation kind.
    pub kind: u32,
    /// The outcome.
    pub outcome: Outcome,
    /// The target spec in libbpf's format; empty if no candidate matched.
    pub target_spec: String,
}

impl Judged {
    /// The outcome with the type id of a `TYPE_ID_TARGET` replaced by 1.
    pub fn comparable(&self) -> Outcome {
        match self.outcome {
            Outcome::Resolved(value) if self.kind == TYPE_ID_TARGET => {
                Outcome::Resolved(Value { new: u64::from(value.new != 0), ..value })
            }
            other => other,
        }
    }
}

/// The results of relocating an object.
#[derive(Clone, Debug)]
pub struct Results {
    /// Relocations in libbpf's order, up to and including the first failure.
    pub relocations: Vec<Judged>,
    /// Functions' instructions as patched so far.
    pub functions: BTreeMap<String, Vec<Insn>>,
    /// What libbpf printed, warnings and above.
    pub log: String,
}

impl Results {
    /// The relocation at which libbpf stopped.
    pub fn failure(&self) -> Option<&Judged> {
        self.relocations.iter().find(|judged| !matches!(judged.outcome, Outcome::Resolved(_)))
    }

    /// Number of poisoned relocations.
    pub fn poisoned(&self) -> usize {
        let poisons = |judged: &&Judged| matches!(judged.outcome, Outcome::Resolved(value) if value.poison);
        self.relocations.iter().filter(poisons).count()
    }

    /// Differences between the results of the same selection of the same object, one per line.
    ///
    /// The ids of `TYPE_ID_TARGET` are not compared.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.relocations.len() != other.relocations.len() {
            lines.push(format!("stops after {} and {}", self.relocations.len(), other.relocations.len()));
        }
        for (a, b) in self.relocations.iter().zip(&other.relocations) {
            if a.comparable() != b.comparable() {
                lines.push(format!(
                    "{} {}#{} kind {}: {:?} `{}` and {:?} `{}`",
                    a.function,
                    a.section,
                    a.number,
                    a.kind,
                    a.outcome,
                    a.target_spec,
                    b.outcome,
                    b.target_spec
                ));
            }
        }
        lines
    }
}

/// One object judged against one target BTF, for any number of selections.
pub struct Judge<'a> {
    object: &'a ObjectFile,
    /// None without relocations: libbpf then reads neither BTF.
    run: Option<Run>,
}

impl<'a> Judge<'a> {
    /// Parses the local and the target BTF with libbpf.
    ///
    /// # Errors
    /// When libbpf rejects one of them.
    pub fn new(object: &'a ObjectFile, target: &[u8]) -> Result<Self, LibbpfError> {
        ffi::start_log(false);
        let relocates = !object.relocations.is_empty();
        let run = relocates.then(|| Run::new(&object.btf, target, object.big_endian)).transpose()?;
        Ok(Self { object, run })
    }

    /// Adds a loaded module's BTF, split over the target.
    ///
    /// # Errors
    /// When libbpf rejects it.
    pub fn add_module(&mut self, split: &[u8]) -> Result<(), LibbpfError> {
        ffi::start_log(false);
        self.run.as_mut().map_or(Ok(()), |run| run.add_module(split))
    }

    /// Resolves and patches relocations as `bpf_object__load` does: in order, finding the candidates of each local type
    /// once, pruning them, and stopping at the first failure.
    pub fn relocations(&mut self, selection: &Selection<'_>) -> Results {
        self.judge(selection, false)
    }

    /// Resolves every relocation alone, with unpruned candidates, and continues after failures.
    pub fn isolated(&mut self) -> Results {
        self.judge(&Selection::All, true)
    }

    /// Removes programs at which libbpf stops until none is left; returns the remaining programs and their results.
    pub fn without_failing_programs(&mut self) -> (Vec<String>, Results) {
        let mut left = self.object.program_names();
        loop {
            let names: Vec<&str> = left.iter().map(String::as_str).collect();
            let results = self.relocations(&Selection::Only(&names));
            let failing = results.failure().map(|failure| failure.function.clone());
            let before = left.len();
            left.retain(|name| Some(name) != failing.as_ref());
            // A failure in a subprogram: no program can be removed.
            if left.len() == before {
                return (left, results);
            }
        }
    }

    fn judge(&mut self, selection: &Selection<'_>, isolated: bool) -> Results {
        ffi::start_log(false);
        let functions = self.object.functions.iter().map(|f| (f.name.clone(), f.insns.clone())).collect();
        let mut results = Results { relocations: Vec::new(), functions, log: String::new() };
        let Some(run) = &mut self.run else { return results };
        run.forget();
        for relocation in &self.object.relocations {
            // libbpf skips relocations of weak functions that the linker dropped.
            let found = self.object.function_at(&relocation.section, relocation.insn);
            let Some(function) = found.map(|index| &self.object.functions[index]) else { continue };
            if !function.subprogram && !selection.contains(&function.name) {
                continue;
            }
            if isolated {
                run.forget();
            }
            let insns = results.functions.entry(function.name.clone()).or_default();
            let at = relocation.insn - function.start;
            let (outcome, target_spec) = run.relocate(&function.name, relocation, insns, at);
            results.relocations.push(Judged {
                function: function.name.clone(),
                section: relocation.section.clone(),
                number: relocation.number,
                kind: relocation.kind,
                outcome,
                target_spec,
            });
            if !isolated && !matches!(outcome, Outcome::Resolved(_)) {
                break;
            }
        }
        results.log = ffi::log_text();
        results
    }
}

/// As [`Judge::relocations`], for one selection.
///
/// # Errors
/// When the object is unreadable or libbpf rejects one of the BTFs.
pub fn relocations(object: &[u8], target: &[u8], selection: &Selection<'_>) -> Result<Results, LibbpfError> {
    Ok(Judge::new(&ObjectFile::parse(object)?, target)?.relocations(selection))
}

/// As [`Judge::isolated`].
///
/// # Errors
/// As [`relocations`].
pub fn isolated(object: &[u8], target: &[u8]) -> Result<Results, LibbpfError> {
    Ok(Judge::new(&ObjectFile::parse(object)?, target)?.isolated())
}

/// Owner of the shim's `struct oracle_run`.
struct Run(*mut ffi::Run);

impl Run {
    fn new(local: &[u8], target: &[u8], big_endian: bool) -> Result<Self, LibbpfError> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut run = std::ptr::null_mut();
        // SAFETY: both pointers are valid for their lengths (libbpf copies), and `run` is valid for writes.
        let err = unsafe {
            ffi::oracle_run_new(
                local.as_ptr().cast(),
                len(local),
                target.as_ptr().cast(),
                len(target),
                big_endian,
                &raw mut run,
            )
        };
        if err != 0 {
            let error = std::io::Error::from_raw_os_error(-err);
            return Err(LibbpfError::Btf { error, log: ffi::log_text() });
        }
        Ok(Self(run))
    }

    fn add_module(&mut self, split: &[u8]) -> Result<(), LibbpfError> {
        let len = u32::try_from(split.len()).unwrap_or(u32::MAX);
        // SAFETY: the run is alive, and the pointer is valid for its length (libbpf copies).
        match unsafe { ffi::oracle_run_add_module(self.0, split.as_ptr().cast(), len) } {
            0 => Ok(()),
            err => {
                let error = std::io::Error::from_raw_os_error(-err);
                Err(LibbpfError::Btf { error, log: ffi::log_text() })
            }
        }
    }

    fn forget(&mut self) {
        // SAFETY: the run is alive until drop.
        unsafe { ffi::oracle_run_forget(self.0) }
    }

    fn relocate(
        &mut self,
        function: &str,
        relocation: &crate::elf::Relocation,
        insns: &mut [Insn],
        at: usize,
    ) -> (Outcome, String) {
        let name = CString::new(function).unwrap_or_default();
        let relo = ffi::CoreRelo {
            insn_off: u32::try_from(relocation.insn * 8).unwrap_or(u32::MAX),
            type_id: relocation.type_id,
            access_str_off: relocation.access_str_off,
            kind: relocation.kind,
        };
        // A pair, since libbpf patches both halves of a 64-bit load.
        let mut pair = [insns[at], insns.get(at + 1).copied().unwrap_or_default()];
        let mut raw = ffi::RawResult {
            err: 0,
            at_patch: 0,
            poison: 0,
            validate: 0,
            fail_memsz_adjust: 0,
            orig_val: 0,
            new_val: 0,
            orig_sz: 0,
            new_sz: 0,
            target_spec: [0; 256],
        };
        let int = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        // SAFETY: the run is alive, the name is terminated, `pair` contains two instructions and `raw` is the shim's
        // `struct oracle_result`.
        unsafe {
            ffi::oracle_run_relocate(
                self.0,
                name.as_ptr(),
                &raw const relo,
                int(relocation.number),
                pair.as_mut_ptr(),
                int(at),
                &raw mut raw,
            );
        }
        insns[at] = pair[0];
        if let Some(second) = insns.get_mut(at + 1) {
            *second = pair[1];
        }
        let value = Value {
            orig: raw.orig_val,
            new: raw.new_val,
            poison: raw.poison != 0,
            validate: raw.validate != 0,
            fail_memsz_adjust: raw.fail_memsz_adjust != 0,
            orig_size: raw.orig_sz,
            new_size: raw.new_sz,
        };
        let outcome = match (raw.err, raw.at_patch != 0) {
            (0, _) => Outcome::Resolved(value),
            (err, false) => Outcome::Unresolvable(-err),
            (err, true) => Outcome::Unpatchable(value, -err),
        };
        let end = raw.target_spec.iter().position(|&b| b == 0).unwrap_or(raw.target_spec.len());
        (outcome, String::from_utf8_lossy(&raw.target_spec[..end]).into_owned())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // SAFETY: the run came from `oracle_run_new` and is freed once.
        unsafe { ffi::oracle_run_free(self.0) }
    }
}
