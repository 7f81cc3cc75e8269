//! The example runs as its page says, and the page shows what is compiled.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../../docs/extending.md");
const MAIN: &str = include_str!("../src/main.rs");
const JOURNAL: &str = include_str!("../src/journal.rs");

/// The blocks of Rust that the page shows.
fn shown() -> Vec<&'static str> {
    let blocks = PAGE.split("```rust\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn the_page_shows_what_is_compiled() {
    let [main, handler] = shown()[..] else {
        panic!("the page shows {} blocks of Rust", shown().len())
    };
    assert!(
        MAIN.ends_with(main),
        "docs/extending.md shows another main than src/main.rs"
    );
    assert!(
        JOURNAL.ends_with(handler),
        "docs/extending.md shows another handler than src/journal.rs"
    );
    let body = main.split("async fn main").nth(1).unwrap();
    assert!(body.lines().count() <= 10, "ten lines are promised");
}

#[test]
fn it_serves_on_the_embedded_chain_and_its_handlers_see_the_events() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-handler"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SESSION_BUILDER__") {
            command.env_remove(name);
        }
    }
    let ended = command
        .args(["--sessions", "3", "--rate", "10", "--metrics-port", "0"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (lines, errors) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert!(ended.status.success(), "{lines}{errors}");
    let count = |start: &str| lines.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("PDAComputedEvent slot="), 3, "{lines}{errors}");
    assert_eq!(count("a session was created in slot "), 3, "{lines}{errors}");
    assert_eq!(count("SessionCreatedEvent slot="), 3, "{lines}{errors}");
}
