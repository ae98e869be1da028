//! libbpf's public API as a judge: what `bpf_object__open_mem` finds in an object, and which section names it knows.

use std::ffi::{CStr, CString, c_char};

use libbpf_sys as sys;

use crate::ffi;

/// A program as libbpf opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its section, without question mark.
    pub section: String,
    /// The program type and expected attach type.
    pub types: Types,
    /// Whether it is loaded unless the loader says otherwise.
    pub autoload: bool,
}

/// A program type and an expected attach type, by libbpf's names for them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Types {
    /// Such as `tracing`.
    pub program: String,
    /// Such as `trace_fentry`; that of number 0 if there is none.
    pub attach: String,
}

/// A map as libbpf opens it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Map {
    /// Its name.
    pub name: String,
    /// Its type's number.
    pub map_type: u32,
    /// Its flags.
    pub flags: u32,
    /// Whether it holds global data.
    pub internal: bool,
}

/// What libbpf finds in an object.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The programs, in the order of the file.
    pub programs: Vec<Program>,
    /// The maps.
    pub maps: Vec<Map>,
}

/// libbpf's `libbpf_prog_type_by_name`; none if it does not know the section.
///
/// # Panics
/// When the name has a zero byte.
pub fn section(name: &str) -> Option<Types> {
    let name = CString::new(name).expect("a name without zero bytes");
    let (mut program, mut attach) = (0, 0);
    // SAFETY: the name is terminated, and both results are writable.
    let err = unsafe { sys::libbpf_prog_type_by_name(name.as_ptr(), &raw mut program, &raw mut attach) };
    (err == 0).then(|| types(program, attach))
}

/// Opens an object without loading it. None if libbpf refuses it.
pub fn open(object: &[u8]) -> Option<Opened> {
    ffi::start_log(false);
    let opts = sys::bpf_object_open_opts {
        sz: size_of::<sys::bpf_object_open_opts>() as u64,
        object_name: c"opened".as_ptr(),
        ..Default::default()
    };
    // SAFETY: the bytes and the options outlive the call; libbpf copies what it keeps.
    let raw =
        unsafe { sys::bpf_object__open_mem(object.as_ptr().cast(), object.len() as u64, &raw const opts) };
    if raw.is_null() {
        return None;
    }
    let mut opened = Opened { programs: Vec::new(), maps: Vec::new() };
    // SAFETY: the object is open, and each program and map is used before it is closed, once.
    unsafe {
        let mut program = sys::bpf_object__next_program(raw, std::ptr::null_mut());
        while !program.is_null() {
            opened.programs.push(Program {
                name: text(sys::bpf_program__name(program)),
                section: text(sys::bpf_program__section_name(program)),
                types: types(
                    sys::bpf_program__type(program),
                    sys::bpf_program__expected_attach_type(program),
                ),
                autoload: sys::bpf_program__autoload(program),
            });
            program = sys::bpf_object__next_program(raw, program);
        }
        let mut map = sys::bpf_object__next_map(raw, std::ptr::null());
        while !map.is_null() {
            opened.maps.push(Map {
                name: text(sys::bpf_map__name(map)),
                map_type: sys::bpf_map__type(map),
                flags: sys::bpf_map__map_flags(map),
                internal: sys::bpf_map__is_internal(map),
            });
            map = sys::bpf_object__next_map(raw, map);
        }
        sys::bpf_object__close(raw);
    }
    Some(opened)
}

fn types(program: sys::bpf_prog_type, attach: sys::bpf_attach_type) -> Types {
    // SAFETY: libbpf returns null or a constant string.
    unsafe {
        Types {
            program: text(sys::libbpf_bpf_prog_type_str(program)),
            attach: text(sys::libbpf_bpf_attach_type_str(attach)),
        }
    }
}

/// # Safety
/// The pointer is null or that of a terminated string.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
