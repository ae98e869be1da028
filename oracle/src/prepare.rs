//! libbpf's public API as a judge: `bpf_object__open_mem`, `bpf_object__prepare`, `bpf_program__insns`.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use libbpf_sys as sys;

use crate::elf::Insn;
use crate::ffi;
use crate::libbpf::Selection;

/// Why libbpf did not prepare the object.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The target BTF cannot be written to a file.
    #[error("cannot write the target BTF to a temporary file")]
    Io(#[from] std::io::Error),
    /// `bpf_object__open_mem` failed.
    #[error("libbpf cannot open the object: {error}: {log}")]
    Open {
        /// The errno.
        error: std::io::Error,
        /// What libbpf printed.
        log: String,
    },
    /// `bpf_object__prepare` failed.
    #[error("libbpf cannot prepare the object: {error}: {log}")]
    Prepare {
        /// The errno.
        error: std::io::Error,
        /// What libbpf printed.
        log: String,
    },
}

/// Whether this process may load eBPF programs, as [`relocate_object`] requires.
pub fn may_load_programs() -> bool {
    // SAFETY: loads a trivial program; no memory is passed.
    unsafe { sys::libbpf_probe_bpf_prog_type(sys::BPF_PROG_TYPE_SOCKET_FILTER, std::ptr::null()) == 1 }
}

struct Opened(*mut sys::bpf_object);

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: the object came from `bpf_object__open_mem` and is closed once.
        unsafe { sys::bpf_object__close(self.0) }
    }
}

/// The relocated instructions of each selected program, from `bpf_object__prepare` with `btf_custom_path`.
///
/// File descriptors in loads of map addresses differ from run to run, so they are zeroed. libbpf appends subprograms to
/// the programs that call them.
///
/// # Errors
/// When libbpf cannot open or prepare the object: missing privileges, a relocation that fails, a program type that
/// the running kernel lacks.
pub fn relocate_object(
    object: &[u8],
    target: &[u8],
    selection: &Selection<'_>,
) -> Result<BTreeMap<String, Vec<Insn>>, PrepareError> {
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(target)?;
    let path = CString::new(file.path().as_os_str().as_bytes()).map_err(std::io::Error::from)?;
    ffi::start_log(false);
    let opts = sys::bpf_object_open_opts {
        sz: size_of::<sys::bpf_object_open_opts>() as u64,
        object_name: c"judged".as_ptr(),
        btf_custom_path: path.as_ptr(),
        ..Default::default()
    };
    // SAFETY: the bytes and the options outlive the call; libbpf copies what it keeps.
    let raw =
        unsafe { sys::bpf_object__open_mem(object.as_ptr().cast(), object.len() as u64, &raw const opts) };
    if raw.is_null() {
        return Err(PrepareError::Open { error: std::io::Error::last_os_error(), log: ffi::log_text() });
    }
    let opened = Opened(raw);
    for program in programs(&opened) {
        // SAFETY: the program belongs to the opened object.
        unsafe { sys::bpf_program__set_autoload(program, selection.contains(&name_of(program))) };
    }
    // SAFETY: the object is open and not yet prepared.
    let err = unsafe { sys::bpf_object__prepare(opened.0) };
    if err != 0 {
        return Err(PrepareError::Prepare {
            error: std::io::Error::from_raw_os_error(-err),
            log: ffi::log_text(),
        });
    }
    let mut relocated = BTreeMap::new();
    for program in programs(&opened) {
        let name = name_of(program);
        if selection.contains(&name) {
            relocated.insert(name, insns_of(program));
        }
    }
    Ok(relocated)
}

fn programs(object: &Opened) -> Vec<*mut sys::bpf_program> {
    let next = |previous| {
        // SAFETY: the object is open, and `previous` is null or one of its programs.
        let program = unsafe { sys::bpf_object__next_program(object.0, previous) };
        (!program.is_null()).then_some(program)
    };
    std::iter::successors(next(std::ptr::null_mut()), |&previous| next(previous)).collect()
}

fn name_of(program: *mut sys::bpf_program) -> String {
    // SAFETY: the program is alive, and its name is a terminated string that lives as long.
    let name = unsafe { CStr::from_ptr(sys::bpf_program__name(program)) };
    name.to_string_lossy().into_owned()
}

fn insns_of(program: *mut sys::bpf_program) -> Vec<Insn> {
    // SAFETY: the program is alive.
    let (insns, count) = unsafe { (sys::bpf_program__insns(program), sys::bpf_program__insn_cnt(program)) };
    if insns.is_null() {
        return Vec::new();
    }
    // SAFETY: libbpf returns `count` instructions at `insns`, and `Insn` has the layout of `struct bpf_insn`.
    let insns = unsafe { std::slice::from_raw_parts(insns.cast::<Insn>(), count as usize) };
    let mut insns = insns.to_vec();
    for insn in &mut insns {
        let map = matches!(u32::from(insn.regs >> 4), sys::BPF_PSEUDO_MAP_FD | sys::BPF_PSEUDO_MAP_VALUE);
        if insn.code == 0x18 && map {
            insn.imm = 0;
        }
    }
    insns
}
