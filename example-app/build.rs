//! Compiles the eBPF program and embeds, for each vendored kernel, the BTF that it needs there.

fn main() {
    // libbpf's headers come with libbpf-sys; cargo tells its dependents where they lie.
    let headers = std::env::var_os("DEP_BPF_INCLUDE").unwrap_or_default();
    let compile = btfgen_build::Compile::new().include(headers).flag("-Wall").flag("-Wextra").flag("-Werror");
    compile.compile().unwrap_or_else(|e| e.exit());

    btfgen_build::generate().unwrap_or_else(|e| e.exit());
}
