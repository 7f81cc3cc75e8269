//! The always-on listener.
fn main() {}
