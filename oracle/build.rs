//! Compiles the C shim against the headers of libbpf-sys's bundled libbpf.
fn main() {
    if std::env::var_os("CARGO_FEATURE_JUDGES").is_none() {
        return;
    }
    println!("cargo::rerun-if-changed=shim/shim.c");
    println!("cargo::rerun-if-env-changed=DEP_BPF_INCLUDE");
    let include = std::env::var_os("DEP_BPF_INCLUDE").expect("libbpf-sys names its include folder");
    cc::Build::new()
        .file("shim/shim.c")
        .include(include)
        .std("gnu11")
        .extra_warnings(true)
        .compile("oracle_shim");
}
