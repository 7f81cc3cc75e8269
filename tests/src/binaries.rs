//! The workspace's binaries, for tests that run more than their own crate's.

use std::path::PathBuf;

/// A binary that `cargo test --workspace` or `cargo build` has put beside the running test.
///
/// Panics with how to get it where it is missing.
#[must_use]
pub fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // target/debug/deps/test-0123456789abcdef
    let path = test.parent().unwrap().parent().unwrap().join(name);
    assert!(
        path.is_file(),
        "{} is missing; run cargo build --bin {name}",
        path.display()
    );
    path
}
