//! Files: everything of the engine that touches the file system.

mod archive_tree;
mod btf_file;
mod error;
mod hub_tree;
mod operations;
#[cfg(test)]
mod testing;

pub use archive_tree::{TreeError, write_tree};
pub use btf_file::{Bytes, read_btf};
pub use error::{FileError, HubError, Note};
pub use hub_tree::{Listing, TreeEntry, list};
pub use operations::{
    create_dir_all, read, read_dir, read_to_string, remove_file, remove_file_if_present, write,
    write_if_changed,
};
