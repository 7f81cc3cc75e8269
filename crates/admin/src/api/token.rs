//! The token of whoever may change something: it is in a file that only the service's user can read.

use std::{
    fmt::{self, Write as _},
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

/// The token's file in the state folder.
pub const TOKEN_FILE: &str = "admin-token";
/// As many random bytes as nobody guesses.
const LENGTH_BYTES: usize = 32;
/// Nobody else may read it.
const OWNER_ONLY: u32 = 0o600;

/// The token. It never shows itself.
#[derive(Clone)]
pub struct Token(String);

/// The token cannot be made, kept or read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: the token of the API cannot be {action}: {source}", path = .path.display())]
pub struct TokenError {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

impl Token {
    /// Makes a new one, and keeps it where only this user can read it.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn create(folder: &Path) -> Result<Self, TokenError> {
        let path = folder.join(TOKEN_FILE);
        let failed = |source| TokenError {
            path: path.clone(),
            action: "kept",
            source,
        };
        let token = random().map_err(failed)?;
        fs::create_dir_all(folder).map_err(failed)?;
        // A file of an earlier run may have another mode; a new one has this.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(OWNER_ONLY)
            .open(&path)
            .map_err(failed)?;
        file.write_all(token.as_bytes()).map_err(failed)?;
        Ok(Self(token))
    }

    /// The token of the service that runs with this state folder.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(folder: &Path) -> Result<Self, TokenError> {
        let path = folder.join(TOKEN_FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Self(text.trim().to_owned())),
            Err(source) => Err(TokenError {
                path,
                action: "read",
                source,
            }),
        }
    }

    /// What a request shows in its `Authorization` header.
    #[must_use]
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether a request shows it. Digests are compared, so that the time tells nothing of where they differ.
    pub(crate) fn is_shown(&self, authorization: &[u8]) -> bool {
        Sha256::digest(authorization) == Sha256::digest(self.bearer())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(withheld)")
    }
}

fn random() -> io::Result<String> {
    let mut bytes = [0; LENGTH_BYTES];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    }))
}
