//! Asks whoever sits there before something is changed.

use std::io::IsTerminal;

use anyhow::Result;
use session_builder::screen::Screen;

/// Whether anybody could answer.
pub(crate) fn somebody_is_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Asks, and says whether to go on.
///
/// # Errors
/// The answer cannot be read.
pub(crate) async fn agreed(screen: &Screen, question: &str) -> Result<bool> {
    screen.print(&format!("{question} Go on? [y/N]"));
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await??;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
