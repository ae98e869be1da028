//! Runs the program that `cargo xtask kernels` compiles to read types of kernel modules, in a guest.
//!
//! Arguments: the object, the archive, and a file that the program reads the inode of. The BTF is the kernel's own, to which
//! libbpf adds the loaded modules' BTF, or if that is hidden the archive's. The output is the source of the BTF and the values.

use std::error::Error;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;

use btfgen_runtime::Finder;
use libbpf_sys as sys;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [object, archive, file] = &arguments[..] else { return Err("expected: OBJECT ARCHIVE FILE".into()) };
    let (object, archive, file) = (fs::read(object)?, fs::read(archive)?, File::open(file)?);
    let btf = Finder::new().archive(&archive).for_object(&object).find()?;
    println!("{}", btf.source());
    let path = btf.path().map(|path| CString::new(path.as_os_str().as_bytes())).transpose()?;
    println!("{:?}", run(&object, path.as_ref(), u64::try_from(file.as_raw_fd())?)?);
    Ok(())
}

/// Loads the object, runs its program once on this thread, and returns its values.
fn run(object: &[u8], btf: Option<&CString>, fd: u64) -> Result<Vec<u64>, Box<dyn Error>> {
    let opts = sys::bpf_object_open_opts {
        sz: size_of::<sys::bpf_object_open_opts>() as u64,
        object_name: c"modules".as_ptr(),
        btf_custom_path: btf.map_or(std::ptr::null(), |path| path.as_ptr()),
        ..Default::default()
    };
    // SAFETY: the bytes and the options outlive the call; libbpf copies what it keeps.
    let object =
        unsafe { sys::bpf_object__open_mem(object.as_ptr().cast(), object.len() as u64, &raw const opts) };
    if object.is_null() {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: the object is open and not yet loaded; it stays open to the end of the process.
    check(unsafe { sys::bpf_object__load(object) })?;
    // SAFETY: the object is loaded.
    let (map, program) = unsafe {
        (
            sys::bpf_object__find_map_by_name(object, c".bss".as_ptr()),
            sys::bpf_object__next_program(object, std::ptr::null_mut()),
        )
    };
    let mut len = 0;
    // SAFETY: libbpf accepts a null map. The result is the map's memory, which the program writes.
    let values = unsafe { sys::bpf_map__initial_value(map, &raw mut len) }.cast::<u64>();
    if values.is_null() || program.is_null() {
        return Err("the object has no variables or no program".into());
    }
    // SAFETY: the memory has `len` bytes, and begins at a page.
    unsafe { values.write_volatile(fd) };
    let mut opts =
        sys::bpf_test_run_opts { sz: size_of::<sys::bpf_test_run_opts>() as u64, ..Default::default() };
    // SAFETY: the program is loaded, and the options outlive the call.
    check(unsafe { sys::bpf_prog_test_run_opts(sys::bpf_program__fd(program), &raw mut opts) })?;
    // SAFETY: as above; the program has ended.
    Ok((0..len as usize / size_of::<u64>())
        .map(|index| unsafe { values.add(index).read_volatile() })
        .collect())
}

fn check(err: i32) -> io::Result<()> {
    if err == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(-err)) }
}
