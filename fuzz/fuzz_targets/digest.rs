//! Fuzz target `digest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| btfgen_fuzz::run("digest", data));
