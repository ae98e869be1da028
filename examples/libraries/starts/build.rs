//! Compiles `src/bpf/*.bpf.c` and writes this library's archive.

fn main() {
    let headers = std::env::var_os("DEP_BPF_INCLUDE").unwrap_or_default();
    btfgen_build::Compile::new().include(headers).compile().unwrap_or_else(|error| error.exit());
    btfgen_build::generate().unwrap_or_else(|error| error.exit());
}
