//! Path: how long the path of a BTF is valid, and the files for other programs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use btfgen_runtime::{Finder, Host, HostBtf, Source};

/// Debian 12's kernels; see `tests/data/README.md`.
const ARCHIVE: &[u8] = include_bytes!("data/sample.archive");

/// A folder of this test that is empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An unpacked BTF of a host whose kernel has none of its own.
fn unpacked() -> HostBtf {
    let host = Host {
        release: "6.1.0-12-amd64".to_owned(),
        version: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.99-1 (2024-07-15)".to_owned(),
        machine: "x86_64".to_owned(),
        ..Host::default()
    };
    Finder::new().archive(ARCHIVE).root("/nonexistent").host(host).find().unwrap()
}

#[test]
fn a_path_is_valid_until_drop() {
    let btf = unpacked();
    let bytes = btf.bytes().unwrap().to_vec();
    let path = btf.path().unwrap().to_owned();
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(fs::read(&path).unwrap(), bytes));
    });
    let inode = path.metadata().unwrap().ino();
    drop(btf);
    // Another test of this process may have opened a file that has the number now.
    assert_ne!(path.metadata().ok().map(|file| file.ino()), Some(inode));
}

#[test]
fn a_static_path_is_valid_in_threads_and_forks_but_not_in_other_programs() {
    let btf = unpacked();
    let bytes = btf.bytes().unwrap().to_vec();
    let path = btf.into_static().unwrap();
    assert_eq!(std::thread::spawn(move || fs::read(path)).join().unwrap().unwrap(), bytes);

    // The child reads the path before exec, and the program that it executes does not have the file.
    let mut command = Command::new("test");
    command.arg("-e").arg(path);
    let expect = bytes.len() as u64;
    let read = move || {
        let is_whole = fs::File::open(path)?.metadata()?.len() == expect;
        if is_whole { Ok(()) } else { Err(ErrorKind::InvalidData.into()) }
    };
    // SAFETY: the closure makes system calls only; it allocates nothing, because the path is short.
    unsafe { command.pre_exec(read) };
    assert_eq!(command.status().unwrap().code(), Some(1));
    assert_eq!(fs::read(path).unwrap(), bytes);
}

#[test]
fn a_program_that_is_executed_reads_the_written_file() {
    let folder = folder("write-to");
    let path = folder.join("kernel.btf");
    let btf = unpacked();
    let old = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path).unwrap();
    assert!(btf.write_to(&path).unwrap());
    assert_eq!(old.metadata().unwrap().len(), 0, "the file was not replaced as a whole");
    let output = Command::new("cat").arg(&path).output().unwrap();
    assert_eq!(Some(output.stdout.as_slice()), btf.bytes());
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o133, 0, "{mode:o}");
    assert_eq!(mode & 0o600, 0o600, "{mode:o}");

    // All writers succeed, and a reader sees a whole file at any time.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert!(btf.write_to(&path).unwrap());
                    assert_eq!(fs::read(&path).ok().as_deref(), btf.bytes());
                }
            });
        }
    });
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a temporary file is left");

    let missing = btf.write_to(folder.join("missing/kernel.btf")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(btf.write_to(&folder).is_err());
}

#[test]
fn the_kernel_s_own_btf_is_not_written_and_an_older_file_is_removed() {
    let folder = folder("own-btf");
    fs::create_dir_all(folder.join("sys/kernel/btf")).unwrap();
    let mut own = vec![0x9f, 0xeb, 1, 0, 24, 0, 0, 0];
    own.resize(24, 0);
    fs::write(folder.join("sys/kernel/btf/vmlinux"), own).unwrap();
    let btf = Finder::new().root(&folder).skip(Source::Override).find().unwrap();
    assert_eq!(btf.source(), Source::Sysfs);
    let path = folder.join("kernel.btf");
    for old in [true, false] {
        if old {
            assert!(unpacked().write_to(&path).unwrap());
        }
        assert!(!btf.write_to(&path).unwrap());
        assert!(!path.exists());
    }
    assert_eq!(btf.into_static(), None);
}

#[test]
fn a_file_of_the_machine_is_its_own_path() {
    let file = folder("machine").join("kernel.btf");
    unpacked().write_to(&file).unwrap();
    let btf = Finder::new().override_file(&file).find().unwrap();
    assert_eq!(btf.path(), Some(file.as_path()));
    assert_eq!(btf.into_static(), Some(file.as_path()));
}
