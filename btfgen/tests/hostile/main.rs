//! Hostile input: the fuzz targets' bodies on damaged fixtures, on kept inputs and on shapes made to be slow.
//!
//! `BTFGEN_FUZZ_SECONDS=60 cargo test --test hostile` looks for new inputs, with other random numbers in each run.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
#[path = "../../../btfgen-core/tests/common/elf.rs"]
mod elf;
mod meter;
mod scale;
mod seeds;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bodies::TARGETS;
use meter::measure;

#[global_allocator]
static METER: meter::Meter = meter::Meter;

/// Memory allowed for any input, in bytes, in addition to 20 times its length.
const MEMORY: usize = 64 << 20;

/// Damaged inputs for each target when no time is given.
const ROUNDS: u64 = 400;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

/// Runs a body and returns its fault, if any.
fn fault(body: fn(&[u8]), input: &[u8]) -> Option<String> {
    let mut panic = None;
    let counts = measure(|| panic = catch_unwind(AssertUnwindSafe(|| body(input))).err());
    if let Some(panic) = panic {
        let text = panic.downcast_ref::<String>().cloned();
        return Some(
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default(),
        );
    }
    let allowed = MEMORY + 20 * input.len();
    (counts.peak > allowed).then(|| format!("{} bytes of memory for {} of input", counts.peak, input.len()))
}

/// Inputs that failed once pass now.
#[test]
fn kept_inputs() {
    for &(name, body) in TARGETS {
        let Ok(entries) = fs::read_dir(testdata().join("fuzz").join(name)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert_eq!(fault(body, &input), None, "{}", path.display());
        }
    }
}

/// Undamaged fixtures pass, so a failure of a damaged one comes from the damage.
#[test]
fn undamaged_fixtures() {
    for &(name, body) in TARGETS {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name}");
        for (number, seed) in seeds.iter().enumerate() {
            assert_eq!(fault(body, seed), None, "{name}: seed {number}");
        }
    }
}

/// They take no more memory than other inputs of their length.
#[test]
fn decompression_bombs() {
    for bomb in seeds::bombs() {
        assert!(bomb.len() < 1 << 17);
        assert_eq!(fault(bodies::codec, &bomb), None, "form {}", bomb[0]);
    }
}

#[test]
fn damaged_fixtures() {
    let seconds: u64 = std::env::var("BTFGEN_FUZZ_SECONDS").map_or(0, |text| text.parse().unwrap());
    let first = if seconds == 0 { 0 } else { std::process::id().into() };
    let mut found = Vec::new();
    for &(name, body) in TARGETS {
        let seeds = seeds::of(name);
        let mut random = fastrand::Rng::with_seed(first);
        let start = Instant::now();
        let mut rounds = 0;
        while rounds < ROUNDS || start.elapsed() < Duration::from_secs(seconds) / TARGETS.len() as u32 {
            rounds += 1;
            let input = seeds::damaged(&mut random, &seeds);
            if let Some(fault) = fault(body, &input) {
                let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz").join(name);
                fs::create_dir_all(&folder).unwrap();
                let file = folder.join(format!("{first}-{rounds}"));
                fs::write(&file, &input).unwrap();
                found.push(format!("{name}: {fault}: kept as {}", file.display()));
                break;
            }
        }
    }
    assert!(found.is_empty(), "{}\nmove them to testdata/fuzz/<target>/ when fixed", found.join("\n"));
}
