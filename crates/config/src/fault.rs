//! What is wrong with a configuration: all of it, each with its key, its value and the reason.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The key, such as `rpc.commitment`.
    pub key: String,
    /// The value as given; withheld where it may hold a secret.
    pub value: String,
    /// Where it was given.
    pub origin: String,
    /// Why it is refused.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            value,
            origin,
            reason,
        } = self;
        write!(formatter, "{key} = {value} (from {origin}): {reason}")
    }
}

/// A configuration that is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is no TOML. The line itself is not shown: it may hold a secret.
    #[error("{path}, line {line}: {reason}", path = .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The layers cannot be merged.
    #[error("the configuration cannot be read: {0}")]
    Layers(#[from] config::ConfigError),
    /// Everything that is wrong with what was read.
    #[error("the configuration is refused:\n{}", lines(.0))]
    Invalid(Vec<Fault>),
}

fn lines(faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    lines.join("\n")
}

/// Refuses a file that is no TOML before a parser whose error would quote the line gets to read it.
pub(crate) fn check_syntax(path: &Path) -> Result<(), ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::File {
        path: path.to_owned(),
        source,
    })?;
    let Err(error) = text.parse::<toml::Table>() else {
        return Ok(());
    };
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    Err(ConfigError::Syntax {
        path: path.to_owned(),
        line,
        reason: error.message().to_owned(),
    })
}
