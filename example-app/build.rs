//! Compiles the eBPF program and embeds the BTF that it needs on each kernel of the hub.

fn main() {
    // libbpf's headers come with libbpf-sys; cargo passes their folder to the build scripts of its dependents.
    let headers = std::env::var_os("DEP_BPF_INCLUDE").unwrap_or_default();
    let compile = btfgen_build::Compile::new().include(headers).flag("-Wall").flag("-Wextra").flag("-Werror");
    compile.compile().unwrap_or_else(|e| e.exit());

    btfgen_build::generate().unwrap_or_else(|e| e.exit());
}
