//! Fixtures: objects to look at, one of them with hostile names.

use std::fs;
use std::path::PathBuf;

use crate::shell::{self, Outcome};

/// The object that the hostile one is made of, a program's name in it, and one of the same length that ends a script.
const OBJECT: &str = "requirements.o";
const NAME: &str = "with_early_return";
pub(super) const HOSTILE_NAME: &str = "</script><i>1</i>";

/// An object's file name.
pub(super) const HOSTILE_FILE: &str = "<img src=x onerror=document.title=1>.o";

/// The path of an object.
pub(super) fn fixture(name: &str) -> PathBuf {
    shell::root().join("testdata/objects/el").join(name)
}

/// An object with a program named [`HOSTILE_NAME`].
pub(super) fn hostile_object() -> Outcome<Vec<u8>> {
    Ok(replace(&fs::read(fixture(OBJECT))?, NAME.as_bytes(), HOSTILE_NAME.as_bytes()))
}

/// Replaces each occurrence by bytes of the same length.
pub(super) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(from.len()).position(|own| own == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
