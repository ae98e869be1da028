//! Fuzz target `hub_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| btfgen_fuzz::run("hub_file", data));
