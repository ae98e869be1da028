//! Generates minimized BTFs for eBPF objects and embeds them: the build half of btfgen.
#![warn(missing_docs)]

pub mod archive;
