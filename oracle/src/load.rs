//! libbpf on the running kernel: loads and attaches each program of an object alone.

use std::ffi::{CStr, CString};
use std::fmt;
use std::io;

use libbpf_sys as sys;

use crate::ffi;
use crate::opened;

/// What became of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The program; none if libbpf does not open the object.
    pub program: Option<String>,
    /// How far libbpf got.
    pub step: Step,
    /// The errno; 0 without an error.
    pub errno: i32,
    /// The line of the log that says why; empty without an error.
    pub why: String,
}

/// How far libbpf got with a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `bpf_object__open_mem` failed.
    NotOpened,
    /// `bpf_object__load` failed.
    NotLoaded,
    /// `bpf_program__attach` failed.
    NotAttached,
    /// Loaded; the loader attaches it, because its section names no target, or one outside the kernel.
    Loaded,
    /// Loaded and attached.
    Attached,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotOpened => "not-opened",
            Self::NotLoaded => "not-loaded",
            Self::NotAttached => "not-attached",
            Self::Loaded => "loaded",
            Self::Attached => "attached",
        })
    }
}

struct Object(*mut sys::bpf_object);

impl Drop for Object {
    fn drop(&mut self) {
        // SAFETY: the object came from `bpf_object__open_mem` and is closed once.
        unsafe { sys::bpf_object__close(self.0) }
    }
}

/// Loads and attaches each program of an object, in a new `bpf_object` with all others off. `btf` is libbpf's
/// `btf_custom_path`. Programs of struct_ops maps are loaded with their maps, whichever program is on.
pub fn each_program(object: &[u8], btf: Option<&CStr>) -> Vec<Trial> {
    let Some(opened) = opened::open(object) else {
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or_default();
        return vec![Trial { program: None, step: Step::NotOpened, errno, why: why(&ffi::log_text()) }];
    };
    let trial = |program: opened::Program| {
        ffi::start_log(false);
        let (step, errno) = match run(object, btf, &program) {
            Ok(step) => (step, 0),
            Err((step, errno)) => (step, errno),
        };
        let why = if errno == 0 { String::new() } else { why(&ffi::log_text()) };
        Trial { program: Some(program.name), step, errno, why }
    };
    opened.programs.into_iter().map(trial).collect()
}

fn run(object: &[u8], btf: Option<&CStr>, program: &opened::Program) -> Result<Step, (Step, i32)> {
    let opts = sys::bpf_object_open_opts {
        sz: size_of::<sys::bpf_object_open_opts>() as u64,
        object_name: c"trial".as_ptr(),
        btf_custom_path: btf.map_or(std::ptr::null(), CStr::as_ptr),
        ..Default::default()
    };
    let name = CString::new(&*program.name).map_err(|_| (Step::NotOpened, 0))?;
    // SAFETY: the bytes and the options outlive the call; libbpf copies what it keeps.
    let raw =
        unsafe { sys::bpf_object__open_mem(object.as_ptr().cast(), object.len() as u64, &raw const opts) };
    if raw.is_null() {
        return Err((Step::NotOpened, io::Error::last_os_error().raw_os_error().unwrap_or_default()));
    }
    let object = Object(raw);
    // SAFETY: the object is open and not loaded, and its programs live as long as it.
    let raw = unsafe {
        let mut program = sys::bpf_object__next_program(object.0, std::ptr::null_mut());
        while !program.is_null() {
            sys::bpf_program__set_autoload(
                program,
                CStr::from_ptr(sys::bpf_program__name(program)) == &*name,
            );
            program = sys::bpf_object__next_program(object.0, program);
        }
        sys::bpf_object__find_program_by_name(object.0, name.as_ptr())
    };
    // SAFETY: the object is open.
    let err = unsafe { sys::bpf_object__load(object.0) };
    if err != 0 {
        return Err((Step::NotLoaded, -err));
    }
    let in_user_space = ["uprobe", "uretprobe", "usdt"].iter().any(|it| program.section.starts_with(it));
    if in_user_space {
        return Ok(Step::Loaded);
    }
    ffi::start_log(false);
    // SAFETY: the program is loaded; the link is destroyed once, before its program.
    unsafe {
        let link = sys::bpf_program__attach(raw);
        if !link.is_null() {
            sys::bpf_link__destroy(link);
            return Ok(Step::Attached);
        }
    }
    match io::Error::last_os_error().raw_os_error().unwrap_or_default() {
        // libbpf prints nothing if there is nothing that it attaches to.
        EOPNOTSUPP if ffi::log_text().is_empty() => Ok(Step::Loaded),
        errno => Err((Step::NotAttached, errno)),
    }
}

const EOPNOTSUPP: i32 = 95;

/// The line of libbpf's log that says why a program did not load or attach, after the word `verifier` or `libbpf`.
fn why(log: &str) -> String {
    let verifier = log.rsplit_once("BEGIN PROG LOAD LOG --\n").map_or("", |(_, rest)| rest);
    let verifier = verifier.split("libbpf: ").next().unwrap_or_default();
    // Newer verifiers explain their last line below it.
    let verifier = verifier.split("\nVerification failed: ").next().unwrap_or_default();
    let is_reason = |line: &&str| !STATISTICS.iter().any(|start| line.is_empty() || line.starts_with(start));
    if let Some(line) = verifier.lines().map(str::trim).rfind(is_reason) {
        return format!("verifier: {line}");
    }
    let mut libbpf = log.lines().filter_map(|line| line.strip_prefix("libbpf: "));
    let line = libbpf.rfind(|line| !CONSEQUENCES.iter().any(|text| line.contains(text)));
    format!("libbpf: {}", line.unwrap_or_default())
}

/// What the verifier prints after the line that says why.
const STATISTICS: [&str; 4] = ["-- END PROG LOAD LOG", "processed ", "stack depth ", "verification time "];

/// What libbpf prints after the line that says why.
const CONSEQUENCES: [&str; 4] = [
    "failed to load object ",
    ": failed to load: ",
    ": failed to prepare load attributes: ",
    " PROG LOAD LOG --",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_says_why() {
        let check = |log: &str, expect: &str| assert_eq!(why(log), expect, "{log}");
        check("", "libbpf: ");
        check(
            "libbpf: prog 'a': BPF program load failed: -EINVAL\nlibbpf: prog 'a': -- BEGIN PROG LOAD LOG --\n\
             0: (85) call bpf_loop#181\nunknown func bpf_loop#181\nprocessed 5 insns (limit 1000000)\n\
             -- END PROG LOAD LOG --\nlibbpf: prog 'a': failed to load: -EINVAL\nlibbpf: failed to load object 'trial'\n",
            "verifier: unknown func bpf_loop#181",
        );
        check(
            "libbpf: prog 'a': failed to find kernel BTF type ID of 'b': -ESRCH\n\
             libbpf: prog 'a': failed to prepare load attributes: -ESRCH\nlibbpf: prog 'a': failed to load: -ESRCH\n\
             libbpf: failed to load object 'trial'\n",
            "libbpf: prog 'a': failed to find kernel BTF type ID of 'b': -ESRCH",
        );
        check(
            "libbpf: map 'a': failed to create: -EINVAL\nlibbpf: failed to load object 'trial'\n",
            "libbpf: map 'a': failed to create: -EINVAL",
        );
        check(
            "libbpf: prog 'a': -- BEGIN PROG LOAD LOG --\n5: (85) call bpf_d_path#147\n\
             program of this type cannot use helper bpf_d_path#147\n\nVerification failed: Policy\n\nSuggestion:\n  Use\n\
             -- END PROG LOAD LOG --\n",
            "verifier: program of this type cannot use helper bpf_d_path#147",
        );
        // An empty log of the verifier.
        check(
            "libbpf: prog 'a': BPF program load failed: -EINVAL\nlibbpf: prog 'a': -- BEGIN PROG LOAD LOG --\n\
             processed 0 insns (limit 1000000)\n-- END PROG LOAD LOG --\nlibbpf: prog 'a': failed to load: -EINVAL\n",
            "libbpf: prog 'a': BPF program load failed: -EINVAL",
        );
    }
}
