//! The committed fixtures: objects and synthetic targets.

use std::fs;
use std::path::{Path, PathBuf};

/// Objects whose target is the synthetic `traps`: each program is a special case of resolving.
const TRAPS: [&str; 8] =
    ["ambiguous", "bitfields", "enums", "fields", "flavors", "insns", "pruning", "types"];

/// A committed file, named without its folder and extension.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// Such as `fields`.
    pub name: String,
    /// The file's bytes.
    pub bytes: Vec<u8>,
}

/// The folder `testdata` of the workspace.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// The objects of one byte order, `el` or `eb`, by name.
///
/// # Panics
/// When there are none.
pub fn objects(byte_order: &str) -> Vec<Fixture> {
    read_all(&folder().join("objects").join(byte_order), "o")
}

/// The objects of one byte order whose target is the synthetic `traps`.
///
/// # Panics
/// As [`objects`].
pub fn traps(byte_order: &str) -> Vec<Fixture> {
    objects(byte_order).into_iter().filter(|object| TRAPS.contains(&object.name.as_str())).collect()
}

/// The objects of one byte order whose targets are kernels: tracers, small tools, programs of the usual kinds.
///
/// # Panics
/// As [`objects`].
pub fn tracers(byte_order: &str) -> Vec<Fixture> {
    objects(byte_order).into_iter().filter(|object| !TRAPS.contains(&object.name.as_str())).collect()
}

/// One object of one byte order.
///
/// # Panics
/// When there is no such object.
pub fn object(byte_order: &str, name: &str) -> Vec<u8> {
    let path = folder().join("objects").join(byte_order).join(format!("{name}.o"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A generated object with as many relocations as a large security agent, on hundreds of types: little-endian, more than
/// 200 programs. Its targets are kernels.
///
/// # Panics
/// When it is missing.
pub fn agent() -> Vec<u8> {
    unpacked("agent")
}

/// As [`agent`], on the hundred types that tracers read; most relocations are the same in all programs.
///
/// # Panics
/// As [`agent`].
pub fn tracer() -> Vec<u8> {
    unpacked("tracer")
}

fn unpacked(name: &str) -> Vec<u8> {
    let path = folder().join("objects").join(format!("{name}.o.zst"));
    let packed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    zstd::decode_all(&packed[..]).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The synthetic target BTFs of one byte order, `el` or `eb`, by name.
///
/// # Panics
/// When there are none.
pub fn targets(byte_order: &str) -> Vec<Fixture> {
    read_all(&folder().join("targets").join(byte_order), "btf")
}

/// One synthetic target BTF of one byte order.
///
/// # Panics
/// When there is no such target.
pub fn target(byte_order: &str, name: &str) -> Vec<u8> {
    let path = folder().join("targets").join(byte_order).join(format!("{name}.btf"));
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn read_all(folder: &Path, extension: &str) -> Vec<Fixture> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut fixtures: Vec<Fixture> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            Some(Fixture { name, bytes: fs::read(&path).ok()? })
        })
        .collect();
    fixtures.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!fixtures.is_empty(), "{} has no .{extension} file", folder.display());
    fixtures
}
