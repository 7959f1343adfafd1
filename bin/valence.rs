//! Placeholder until its run function exists.
fn main() {}
