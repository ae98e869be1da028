//! The command `btfgen`, run as users run it: what it prints, what it writes, how it exits.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod action;
mod archive;
mod fleet;
mod harness;
mod hub;
mod inspect;
mod minimize;
mod pack;
mod report;
mod select;
mod vendor;
