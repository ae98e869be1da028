//! The command `btfgen`, run as users run it: what it prints, what it writes, how it exits.

mod archive;
mod harness;
