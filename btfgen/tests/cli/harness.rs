//! Harness: a folder for files, and the command run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A test's own folder, removed when dropped.
pub(crate) struct Folder(TempDir);

/// The outcome of a run of the command.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file and its parent folders; returns its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.0.path().join(name)).unwrap()
    }

    /// The names in the folder, sorted: the command leaves no other files.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs the command in the folder with the words of a line as arguments.
    pub(crate) fn run(&self, line: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_btfgen"));
        command.args(line.split_whitespace()).current_dir(self.0.path());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Run { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs the command, which must succeed without output on standard error; returns its standard output.
    pub(crate) fn done(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "btfgen {line}\n{}", run.stdout);
        run.stdout
    }

    /// Runs the command, which must fail with this code, print nothing, and report something that contains `expect`.
    pub(crate) fn fails(&self, line: &str, code: i32, expect: &str) {
        let run = self.run(line);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "btfgen {line}\n{}", run.stderr);
        assert!(run.stderr.contains(expect), "btfgen {line}\n{} without {expect:?}", run.stderr);
    }
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The hub tree of the test suites: three kernels.
pub(crate) fn hub() -> PathBuf {
    repository().join("testdata/kernels")
}

/// The BTF file of one of them.
pub(crate) fn kernel(id: &str) -> PathBuf {
    hub().join(format!("{id}.btf.tar.xz"))
}

/// A little-endian object of the fixtures.
pub(crate) fn object(name: &str) -> PathBuf {
    repository().join(format!("testdata/objects/el/{name}.o"))
}

/// A BTF with one type of that name.
pub(crate) fn btf(name: &str) -> Vec<u8> {
    let mut writer = btfgen_core::btf::Writer::new(btfgen_core::btf::Endian::Little);
    writer.float(name.as_bytes(), 4).unwrap();
    writer.finish().unwrap()
}
