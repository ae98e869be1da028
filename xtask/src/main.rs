//! Every task of the project, one verb each.
fn main() {}
