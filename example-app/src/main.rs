//! execwatch.
fn main() {}
