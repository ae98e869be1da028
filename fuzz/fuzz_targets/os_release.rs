//! Fuzz target `os_release`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| btfgen_fuzz::run("os_release", data));
