//! What production is built from: without the feature `demo` no part of the embedded chain is in the tree.

#![allow(
    clippy::expect_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{collections::BTreeSet, process::Command};

/// The packages that the binary is built from, by `cargo tree`. Builds nothing.
fn packages(features: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--locked", "--offline", "--package", "session-builder"])
        .args(["--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_embedded_chain_is_the_demos_alone() {
    let (with, without) = (packages(&[]), packages(&["--no-default-features"]));
    let of_the_chain = |packages: &BTreeSet<String>| packages.iter().any(|name| name.starts_with("surfpool"));
    assert!(of_the_chain(&with), "the demo has its chain");
    assert!(!of_the_chain(&without), "and nobody else has: {without:#?}");
    assert!(
        without.is_subset(&with) && with.len() - without.len() > 200,
        "the feature saves what it is for: {} packages, {} without it",
        with.len(),
        without.len()
    );
}
