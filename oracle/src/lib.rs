//! Judges of CO-RE relocations, for the tests of this workspace.
//!
//! - [`libbpf`]: libbpf itself. [`libbpf::relocations`] calls its relocation functions directly: without privileges,
//!   for objects and targets of either byte order.
//! - [`distill`]: libbpf's `btf__distill_base` and `btf__relocate`.
//! - [`prepare`]: libbpf through its public API, `bpf_object__prepare`, which needs the right to use bpf(2).
//! - [`opened`]: libbpf through its public API, `bpf_object__open_mem`: programs, maps, section names; without privileges.
//! - [`load`]: libbpf on the running kernel: loads and attaches programs, with the same right.
//! - [`aya`]: aya-obj, for the relocation kinds that it implements.
//! - [`kernel`]: the running kernel, which accepts valid BTF only, with the same right.
//! - [`bpftool`]: `bpftool gen min_core_btf`, if it is installed.
//!
//! [`elf`] is a second reader of objects, so that a bug in `btfgen-core`'s reader cannot hide from the judges. [`raw`]
//! writes BTFs and [`forge`] writes objects that no compiler would. [`testdata`] finds the committed fixtures.

#[cfg(feature = "judges")]
pub mod aya;
#[cfg(feature = "judges")]
pub mod bpftool;
#[cfg(feature = "judges")]
pub mod distill;
#[cfg(feature = "judges")]
pub mod dump;
pub mod elf;
#[cfg(feature = "judges")]
mod ffi;
pub mod forge;
#[cfg(feature = "judges")]
pub mod kernel;
#[cfg(feature = "judges")]
pub mod libbpf;
#[cfg(feature = "judges")]
pub mod load;
#[cfg(feature = "judges")]
pub mod opened;
#[cfg(feature = "judges")]
pub mod prepare;
pub mod raw;
pub mod testdata;
