//! Fuzzes one parser: an entry of `TARGETS` in `btfgen/tests/hostile/bodies.rs`, which the tests of btfgen run too.
//!
//! ```text
//! cargo xtask fuzz resolve --seconds 600
//! ```
//!
//! When you fix a failure, add its input to `testdata/fuzz/<target>/`: the tests then run it too.
#![no_main]

#[path = "../../btfgen/tests/hostile/bodies.rs"]
mod bodies;
#[path = "../../btfgen-core/tests/common/elf.rs"]
mod elf;

use std::sync::LazyLock;

use bodies::TARGETS;

static BODY: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    target.unwrap_or_else(|| panic!("FUZZ_TARGET is {name:?}; set it to one of {}", names.join(", "))).1
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| BODY(data));
