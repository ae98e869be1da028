//! Judges of CO-RE relocations, for the tests of this workspace.
//!
//! - [`libbpf`]: libbpf itself. [`libbpf::relocations`] asks its relocation functions directly, needs no privileges
//!   and takes objects and targets of either byte order; [`libbpf::relocate_object`] goes the whole way through
//!   `bpf_object__prepare`, which needs the right to use bpf(2).
//! - [`aya`]: aya-obj, for the relocation kinds that it implements.
//! - [`bpftool`]: `bpftool gen min_core_btf`, when it is installed.
//!
//! [`elf`] reads objects on its own, so that a mistake of `btfgen-build`'s reader cannot hide from the judges, and
//! [`raw`] writes BTF and [`forge`] objects by hand. [`testdata`] finds the committed fixtures.

#[cfg(feature = "judges")]
pub mod aya;
#[cfg(feature = "judges")]
pub mod bpftool;
#[cfg(feature = "judges")]
pub mod dump;
pub mod elf;
#[cfg(feature = "judges")]
mod ffi;
pub mod forge;
#[cfg(feature = "judges")]
pub mod libbpf;
pub mod raw;
pub mod testdata;
#[cfg(feature = "judges")]
mod whole;
