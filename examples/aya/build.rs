//! Compiles `src/bpf/*.bpf.c` and embeds the BTF that it needs on each kernel of the hub.

fn main() {
    btfgen_build::compile().unwrap_or_else(|error| error.exit());
    btfgen_build::generate().unwrap_or_else(|error| error.exit());
}
