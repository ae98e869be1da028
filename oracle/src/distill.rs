//! Distilled bases as libbpf makes and relocates them: `btf__distill_base`, `btf__relocate`.

use std::io::Error;
use std::ptr;

use libbpf_sys as sys;

use crate::ffi;

/// A split BTF and its distilled base: the sections `.BTF` and `.BTF.base` of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distilled {
    /// The split BTF.
    pub split: Vec<u8>,
    /// Its base.
    pub base: Vec<u8>,
}

/// Distills the base of a split BTF over `kernel`, as pahole does for modules from outside the kernel's tree.
///
/// # Errors
/// When libbpf rejects a BTF or cannot distill.
pub fn distill(split: &[u8], kernel: &[u8]) -> Result<Distilled, Error> {
    ffi::start_log(false);
    let kernel = Owned::new(kernel, None)?;
    let split = Owned::new(split, Some(&kernel))?;
    let (mut new_base, mut new_split) = (ptr::null_mut(), ptr::null_mut());
    // SAFETY: `split` is alive with its base, and both results are valid for writes.
    let err = unsafe { sys::btf__distill_base(split.0, &raw mut new_base, &raw mut new_split) };
    if err != 0 {
        return Err(Error::from_raw_os_error(-err));
    }
    // Dropped in the reverse order, the split BTF before its base.
    let (new_base, new_split) = (Owned(new_base), Owned(new_split));
    Ok(Distilled { split: new_split.bytes()?, base: new_base.bytes()? })
}

/// Replaces the distilled base of a split BTF by `kernel`, as the kernel does when it loads a module.
///
/// # Errors
/// When libbpf rejects a BTF, or finds no single type of `kernel` that fits a type of the base.
pub fn relocate(module: &Distilled, kernel: &[u8]) -> Result<Vec<u8>, Error> {
    ffi::start_log(false);
    let kernel = Owned::new(kernel, None)?;
    let base = Owned::new(&module.base, None)?;
    let split = Owned::new(&module.split, Some(&base))?;
    // SAFETY: all three are alive; libbpf replaces the reference to `base` by one to `kernel`.
    let err = unsafe { sys::btf__relocate(split.0, kernel.0) };
    if err != 0 {
        return Err(Error::from_raw_os_error(-err));
    }
    split.bytes()
}

/// Owner of a `struct btf`.
struct Owned(*mut sys::btf);

impl Owned {
    fn new(bytes: &[u8], base: Option<&Self>) -> Result<Self, Error> {
        let len = u32::try_from(bytes.len()).map_err(Error::other)?;
        let base = base.map_or(ptr::null_mut(), |base| base.0);
        // SAFETY: the pointer is valid for its length (libbpf copies), and the base outlives the split BTF.
        let btf = unsafe { sys::btf__new_split(bytes.as_ptr().cast(), len, base) };
        if btf.is_null() { Err(Error::last_os_error()) } else { Ok(Self(btf)) }
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        let mut len = 0;
        // SAFETY: the BTF is alive, and `len` is valid for writes.
        let bytes = unsafe { sys::btf__raw_data(self.0, &raw mut len) };
        if bytes.is_null() {
            return Err(Error::last_os_error());
        }
        // SAFETY: libbpf keeps `len` bytes there until the BTF changes or is freed.
        Ok(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len as usize) }.to_vec())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it came from libbpf and is freed once.
        unsafe { sys::btf__free(self.0) }
    }
}
