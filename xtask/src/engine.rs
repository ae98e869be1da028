//! Engine: what the tasks use of the packages under test.

pub(crate) use btfgen::import::ImportError;
pub(crate) use btfgen::import::codec::Codec;
pub(crate) use btfgen::import::package::{PackagedKernel, read_kernel};
pub(crate) use btfgen::import::paragraph;
pub(crate) use btfgen::import::source::{Kernel, ReadOptions, Source};
pub(crate) use btfgen_core::btf::{Btf, BtfError, Endian, Kind, RawType, StrOffset, TypeId};
pub(crate) use btfgen_core::files::{list, read_btf};
pub(crate) use btfgen_core::hub::KernelFilter;
pub(crate) use btfgen_core::hub::file::{HubBuilder, HubFile, KernelSource};
pub(crate) use btfgen_core::pipeline::{minimize, read_objects};
pub(crate) use btfgen_core::resolve::Roots;
pub(crate) use btfgen_runtime::{KernelId, hub_arch};

/// The cargo options that build the command `btfgen`.
pub(crate) const BTFGEN: [&str; 4] = ["--package", "btfgen", "--bin", "btfgen"];

/// Each library with each choice of features that a user may make; the tests run with all of them.
pub(crate) const FEATURES: &[(&str, &[&str])] = &[
    ("btfgen-core", &["", "packed", "html"]),
    ("btfgen-build", &["", "packed", "html"]),
    ("btfgen-runtime", &["", "include-dir", "provider"]),
    ("btfgen", &[""]),
];

/// Names the hub to a build script, in place of the one in `btfgen.toml`.
pub(crate) const HUB_VARIABLE: &str = "BTFGEN_HUB";
