//! Bindings of `shim/shim.c`.

use std::ffi::{c_char, c_int, c_void};

use crate::elf::Insn;

#[repr(C)]
pub(crate) struct Run {
    _private: [u8; 0],
}

#[repr(C)]
pub(crate) struct CoreRelo {
    pub(crate) insn_off: u32,
    pub(crate) type_id: u32,
    pub(crate) access_str_off: u32,
    pub(crate) kind: u32,
}

#[repr(C)]
pub(crate) struct RawResult {
    pub(crate) err: i32,
    pub(crate) at_patch: u8,
    pub(crate) poison: u8,
    pub(crate) validate: u8,
    pub(crate) fail_memsz_adjust: u8,
    pub(crate) orig_val: u64,
    pub(crate) new_val: u64,
    pub(crate) orig_sz: u32,
    pub(crate) new_sz: u32,
    pub(crate) target_spec: [u8; 256],
}

unsafe extern "C" {
    pub(crate) fn oracle_log_start(debug: bool);
    pub(crate) fn oracle_log_text(len: *mut usize) -> *const c_char;
    pub(crate) fn oracle_run_new(
        local: *const c_void,
        local_len: u32,
        target: *const c_void,
        target_len: u32,
        big_endian: bool,
        out: *mut *mut Run,
    ) -> c_int;
    pub(crate) fn oracle_run_add_module(run: *mut Run, split: *const c_void, len: u32) -> c_int;
    pub(crate) fn oracle_run_forget(run: *mut Run);
    pub(crate) fn oracle_run_free(run: *mut Run);
    pub(crate) fn oracle_run_relocate(
        run: *mut Run,
        prog: *const c_char,
        relo: *const CoreRelo,
        number: c_int,
        insn: *mut Insn,
        insn_idx: c_int,
        out: *mut RawResult,
    );
}

/// Starts collecting what libbpf prints on this thread.
pub(crate) fn start_log(debug: bool) {
    // SAFETY: sets libbpf's print function, which is an atomic exchange, and thread-local state of the shim.
    unsafe { oracle_log_start(debug) }
}

/// What libbpf printed on this thread since [`start_log`].
pub(crate) fn log_text() -> String {
    let mut len = 0;
    // SAFETY: `len` is valid for writes.
    let text = unsafe { oracle_log_text(&raw mut len) };
    if text.is_null() || len == 0 {
        return String::new();
    }
    // SAFETY: the shim keeps `len` initialized bytes at `text` until this thread logs again.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), len) };
    String::from_utf8_lossy(bytes).into_owned()
}
