//! Pahole: the BTF of a `vmlinux` on disk; without BTF, `pahole` encodes it from DWARF, as BTFHub does.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use btfgen_core::hub::ShipsBtf;

use super::error::ImportError;
use super::image::{ImageBtf, Vmlinux, read_vmlinux};
use super::scan;

/// The BTF of an ELF `vmlinux` on disk: its own, else what `pahole` encodes.
///
/// # Errors
/// [`ImportError::NeedsPahole`] when it has only DWARF and `pahole` is not installed.
pub(crate) fn vmlinux_btf(vmlinux: &Path) -> Result<ImageBtf, ImportError> {
    let file = File::open(vmlinux).map_err(ImportError::read(vmlinux.display().to_string()))?;
    let Vmlinux { btf, has_dwarf, build_id } = read_vmlinux(file)?;
    let (btf, ships_btf) = match btf {
        Some(btf) => (btf, ShipsBtf::Yes),
        None if has_dwarf => (encode("pahole", vmlinux)?, ShipsBtf::No),
        None => return Err(ImportError::NoBtf { format: "ELF file", kernel: None }),
    };
    Ok(ImageBtf { btf, build_id, ships_btf, attachability: None })
}

/// Runs `pahole --btf_encode_detached=<out> <vmlinux>`.
fn encode(program: &str, vmlinux: &Path) -> Result<Vec<u8>, ImportError> {
    let folder = tempfile::tempdir().map_err(ImportError::read("the folder for pahole's output"))?;
    let out = folder.path().join("vmlinux.btf");
    let mut option = std::ffi::OsString::from("--btf_encode_detached=");
    option.push(&out);
    let run = Command::new(program).arg(option).arg(vmlinux).stdin(Stdio::null()).output();
    let output = match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ImportError::NeedsPahole),
        Err(error) => return Err(ImportError::Pahole { message: error.to_string() }),
        Ok(output) => output,
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    let failed = |what: &str| ImportError::Pahole {
        message: match stderr.trim() {
            "" => what.to_owned(),
            stderr => format!("{what}: {}", stderr.chars().take(1000).collect::<String>()),
        },
    };
    if !output.status.success() {
        return Err(failed(&output.status.to_string()));
    }
    let bytes = fs::read(&out).map_err(|_| failed("it wrote no BTF"))?;
    match scan::btf_at_start(&bytes) {
        Some(btf) => Ok(btf.to_vec()),
        None => Err(failed("its output is not BTF")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::import::testing::{btf, elf};
    use btfgen_core::btf::Endian;

    /// A stand-in for pahole that runs `script` with the output's path in `$out`.
    fn stand_in(folder: &tempfile::TempDir, script: &str) -> String {
        let program = folder.path().join("pahole");
        fs::write(&program, format!("#!/bin/sh\nout=${{1#--btf_encode_detached=}}\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        program.to_str().unwrap().to_owned()
    }

    #[test]
    fn takes_what_pahole_writes_or_reports_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let vmlinux = folder.path().join("vmlinux");
        let btf = btf(Endian::Little, 5);
        fs::write(&vmlinux, &btf).unwrap();
        let got = encode(&stand_in(&folder, "cp \"$2\" \"$out\""), &vmlinux).unwrap();
        assert!(got == btf);
        let check = |script: &str, expect: &str| {
            let error = encode(&stand_in(&folder, script), &vmlinux).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check("echo no DWARF here >&2; exit 3", "pahole failed: exit status: 3: no DWARF here");
        check("exit 0", "pahole failed: it wrote no BTF");
        check("echo x > \"$out\"", "pahole failed: its output is not BTF");
    }

    #[test]
    fn error_says_how_to_get_pahole() {
        let folder = tempfile::tempdir().unwrap();
        let vmlinux = folder.path().join("vmlinux");
        fs::write(&vmlinux, elf(Endian::Little, &[(".debug_info", b"dwarf")])).unwrap();
        let error = encode("/nonexistent/pahole", &vmlinux).unwrap_err().to_string();
        assert!(error.contains("install pahole"), "{error}");
        assert!(error.contains("--btf_encode_detached"), "{error}");
    }

    #[test]
    fn needs_no_pahole_for_a_kernel_with_btf() {
        let folder = tempfile::tempdir().unwrap();
        let vmlinux = folder.path().join("vmlinux");
        let btf = btf(Endian::Big, 5);
        fs::write(&vmlinux, elf(Endian::Big, &[(".BTF", &btf), (".debug_info", b"dwarf")])).unwrap();
        assert!(vmlinux_btf(&vmlinux).unwrap().btf == btf);
    }
}
