//! The command `btfgen` as a library, for the project's own tasks and fuzz targets. Not a stable API.
#![doc(hidden)]

pub mod import;
