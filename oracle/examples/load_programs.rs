//! Loads and attaches each program of a folder's objects alone, in a guest of `cargo xtask kernels`.
//!
//! Arguments: the folder, the word for the mode, and for the mode without the kernel's BTF a minimized BTF. The output is a line
//! for each program: object, program (`-` if libbpf does not open the object), mode, step, errno and the log's line, tab-separated.

use std::error::Error;
use std::ffi::CString;
use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use oracle::load::each_program;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (folder, mode, btf) = match &arguments[..] {
        [folder, mode] => (folder, mode, None),
        [folder, mode, btf] => (folder, mode, Some(CString::new(btf.as_str())?)),
        _ => return Err("expected: FOLDER MODE [BTF]".into()),
    };
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    paths.sort();
    for path in paths {
        let object = path.file_name().unwrap_or_default().display();
        for trial in each_program(&fs::read(&path)?, btf.as_deref()) {
            let program = trial.program.as_deref().unwrap_or("-");
            let why = trial.why.replace(char::is_control, " ");
            // The console may print lines of the kernel between two writes.
            let line = format!("{object}\t{program}\t{mode}\t{}\t{}\t{why}\n", trial.step, trial.errno);
            io::stdout().write_all(line.as_bytes())?;
        }
    }
    Ok(())
}
