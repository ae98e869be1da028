//! `btfgen serve`, run as users run it and asked over HTTP. What it answers is what the commands print and write.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![cfg(feature = "serve")]

mod api;
mod hostile;
mod online;
mod openapi;
mod preloaded;
mod server;
