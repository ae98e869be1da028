//! Fuzz targets by name: the bodies that the tests of btfgen run on stable.
//!
//! ```text
//! cargo install cargo-fuzz
//! cargo +nightly fuzz run resolve fuzz/corpus/resolve testdata/fuzz/resolve
//! ```
//!
//! An input that is trouble goes to `testdata/fuzz/<target>/` with the mending of it, and is a test from then on.

#[path = "../../btfgen/tests/hostile/bodies.rs"]
mod bodies;
#[path = "../../btfgen-core/tests/common/elf.rs"]
mod elf;

/// Runs the fuzz target of that name.
///
/// # Panics
/// When the input is trouble, or there is no such target.
pub fn run(name: &str, data: &[u8]) {
    let target = bodies::TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.expect("a fuzz target of that name");
    body(data);
}
