//! What is written to the output folder.

/// What is written to the output folder.
///
/// [`Config`](crate::Config) has an example.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Emit {
    /// `btfgen.archive`, for `btfgen_runtime::embed!()`.
    #[default]
    Archive,
    /// `btfgen-tree/<distro>/<version>/<arch>/<release>.btf`, for `include_dir!`.
    Tree,
    /// Both.
    Both,
}
