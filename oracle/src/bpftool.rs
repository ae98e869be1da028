//! `bpftool gen min_core_btf` as a judge, where it is installed and works.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;

/// Why bpftool does not minimize a BTF.
#[derive(Debug, thiserror::Error)]
pub enum BpftoolError {
    /// It cannot be run, or its files cannot be written.
    #[error("cannot run bpftool")]
    Io(#[from] std::io::Error),
    /// It ran and failed.
    #[error("bpftool failed: {0}")]
    Failed(String),
}

/// Finds bpftool in `PATH` and the folders of system tools.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("bpftool")).find(|program| program.is_file())
}

/// The BTF of `target` that bpftool minimizes for the given objects.
///
/// # Errors
/// When bpftool is missing or fails, as it does on some objects that libbpf relocates.
pub fn min_core_btf(target: &[u8], objects: &[&[u8]]) -> Result<Vec<u8>, BpftoolError> {
    let program = find().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
    let folder = tempfile::tempdir()?;
    let (input, output) = (folder.path().join("target.btf"), folder.path().join("min.btf"));
    std::fs::write(&input, target)?;
    let mut arguments = vec![input.into_os_string(), output.clone().into_os_string()];
    for (number, object) in objects.iter().enumerate() {
        let path = folder.path().join(format!("{number}.o"));
        std::fs::write(&path, object)?;
        arguments.push(path.into_os_string());
    }
    run(
        &program,
        ["gen", "min_core_btf"].map(OsStr::new).into_iter().chain(arguments.iter().map(AsRef::as_ref)),
    )?;
    Ok(std::fs::read(output)?)
}

/// The output of `bpftool btf dump file` for a BTF, one line per type.
///
/// # Errors
/// When bpftool is missing or rejects the BTF.
pub fn dump(btf: &[u8]) -> Result<String, BpftoolError> {
    let program = find().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("dumped.btf");
    std::fs::write(&input, btf)?;
    run(&program, ["btf", "dump", "file"].map(OsStr::new).into_iter().chain([input.as_os_str()]))
}

fn run<'a>(
    program: &std::path::Path,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> Result<String, BpftoolError> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(BpftoolError::Failed(format!("{}: {}", output.status, errors.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
