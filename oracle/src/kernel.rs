//! The running kernel as a judge: whether it accepts a BTF (`btf_parse` in `kernel/bpf/btf.c`).

use std::ffi::{c_char, c_void};
use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd};

use libbpf_sys as sys;

/// Why a BTF is not valid.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBtf {
    /// libbpf rejects it.
    #[error("libbpf rejects the BTF: {0}")]
    Libbpf(io::Error),
    /// The kernel rejects it.
    #[error("the kernel rejects the BTF: {error}: {log}")]
    Kernel {
        /// The errno.
        error: io::Error,
        /// The end of what the kernel printed.
        log: String,
    },
}

struct Btf(*mut sys::btf);

impl Drop for Btf {
    fn drop(&mut self) {
        // SAFETY: the BTF came from `btf__new` and is freed once.
        unsafe { sys::btf__free(self.0) }
    }
}

/// Loads a BTF of either byte order, which requires the right to use bpf(2).
///
/// # Errors
/// When libbpf or the kernel rejects it.
pub fn load_btf(bytes: &[u8]) -> Result<(), InvalidBtf> {
    // SAFETY: `bytes` is valid for its length, which libbpf copies.
    let btf = Btf(unsafe { sys::btf__new(bytes.as_ptr().cast::<c_void>(), bytes.len() as u32) });
    if btf.0.is_null() {
        return Err(InvalidBtf::Libbpf(io::Error::last_os_error()));
    }
    let native = if cfg!(target_endian = "big") { sys::BTF_BIG_ENDIAN } else { sys::BTF_LITTLE_ENDIAN };
    let mut len = 0;
    // SAFETY: the BTF is alive; libbpf owns the bytes that it returns.
    let data = unsafe {
        sys::btf__set_endianness(btf.0, native);
        sys::btf__raw_data(btf.0, &raw mut len)
    };
    if data.is_null() {
        return Err(InvalidBtf::Libbpf(io::Error::last_os_error()));
    }
    // SAFETY: `data` has `len` bytes, and no options are passed.
    let fd = unsafe { sys::bpf_btf_load(data, len.into(), std::ptr::null_mut()) };
    if fd >= 0 {
        // SAFETY: the descriptor is new and belongs to nobody else.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        return Ok(());
    }
    let error = io::Error::from_raw_os_error(-fd);
    // The log may be long, so it is requested only for a BTF that is rejected.
    let mut log = vec![0u8; 16 << 20];
    let mut options = sys::bpf_btf_load_opts {
        sz: size_of::<sys::bpf_btf_load_opts>() as u64,
        log_buf: log.as_mut_ptr().cast::<c_char>(),
        log_level: 1,
        log_size: log.len() as u32,
        ..Default::default()
    };
    // SAFETY: as above; `log` outlives the call.
    unsafe { sys::bpf_btf_load(data, len.into(), &raw mut options) };
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]);
    let last: Vec<&str> = log.trim_end().rsplit('\n').take(3).collect();
    Err(InvalidBtf::Kernel { error, log: last.into_iter().rev().collect::<Vec<_>>().join("; ") })
}
