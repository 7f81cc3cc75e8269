//! Where the wallets' keys come from: a keypair file, a secret, or AWS KMS.

use std::fmt;
use std::path::{Path, PathBuf};

use solana_keychain::Signer;
use solana_pubkey::Pubkey;
use thiserror::Error;
use zeroize::Zeroizing;

/// Where a key is. Never prints the key.
#[derive(Clone)]
pub enum SignerSource {
    /// A Solana keypair file, readable by its owner alone.
    KeypairFile(PathBuf),
    /// A key from the environment or a secret store: base58, or a JSON array of 64 bytes.
    Secret(Zeroizing<String>),
    /// An Ed25519 key of AWS KMS (`ECC_NIST_EDWARDS25519`), which never leaves it.
    AwsKms {
        /// Key id or ARN.
        key_id: String,
        /// The key's address, base58.
        public_key: String,
        /// The key's region; the environment's where it is absent.
        region: Option<String>,
    },
}

/// Why a key cannot be used.
#[derive(Debug, Error)]
pub enum SignerError {
    /// No source is given.
    #[error("no signer is configured; give at least one")]
    None,
    /// The file cannot be read.
    #[error("keypair file {}: {error}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Others may read the file.
    #[error("keypair file {} can be read by others (mode {mode:03o}); run chmod 600 on it, or mount it for a group of this process alone (mode 0440, owned by root)", .path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is not one. Says which source, never what is in it.
    #[error("the key of {origin} cannot be used: {error}")]
    Unusable {
        /// The source.
        origin: String,
        /// The key library's words, which hold no key material.
        error: solana_keychain::SignerError,
    },
    /// One key twice would be one wallet with two balances.
    #[error("wallet {wallet} is configured twice")]
    Duplicate {
        /// The wallet.
        wallet: Pubkey,
    },
}

impl SignerSource {
    /// The signer that the source holds.
    pub(crate) async fn open(self) -> Result<Signer, SignerError> {
        let origin = self.to_string();
        let opened = match self {
            Self::KeypairFile(path) => {
                check_permissions(&path)?;
                Signer::from_memory_file(&path.to_string_lossy())
            }
            // Whatever put it into the environment may have ended the line.
            Self::Secret(secret) => Signer::from_memory(secret.trim()),
            Self::AwsKms {
                key_id,
                public_key,
                region,
            } => Signer::from_aws_kms(key_id, public_key, region).await,
        };
        opened.map_err(|error| SignerError::Unusable { origin, error })
    }
}

impl fmt::Display for SignerSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeypairFile(path) => write!(formatter, "keypair file {}", path.display()),
            Self::Secret(_) => formatter.write_str("the configured secret"),
            Self::AwsKms { key_id, .. } => write!(formatter, "AWS KMS key {key_id}"),
        }
    }
}

impl fmt::Debug for SignerSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SignerSource({self})")
    }
}

#[cfg(unix)]
fn check_permissions(path: &Path) -> Result<(), SignerError> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let metadata = std::fs::metadata(path).map_err(|error| SignerError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    let group_and_others = mode & 0o077;
    // A secret that Kubernetes mounts belongs to root, and to a group that it has given to this process for just that
    // (`fsGroup`): mode 0440, which nobody in a pod can change. Nobody but root can make such a file, so whoever made it
    // chose its readers.
    let mounted = group_and_others == 0o040 && metadata.uid() == 0 && own_groups().contains(&metadata.gid());
    if group_and_others == 0 || mounted {
        Ok(())
    } else {
        Err(SignerError::ReadableByOthers {
            path: path.to_owned(),
            mode,
        })
    }
}

/// The groups of this process, where the system tells them.
#[cfg(unix)]
fn own_groups() -> Vec<u32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let groups = status
        .lines()
        .filter_map(|line| line.strip_prefix("Groups:").or(line.strip_prefix("Gid:")));
    groups
        .flat_map(str::split_whitespace)
        .filter_map(|group| group.parse().ok())
        .collect()
}

#[cfg(not(unix))]
fn check_permissions(path: &Path) -> Result<(), SignerError> {
    std::fs::metadata(path)
        .map(|_| ())
        .map_err(|error| SignerError::Unreadable {
            path: path.to_owned(),
            error,
        })
}

#[cfg(test)]
mod tests {
    use solana_sdk::signature::Keypair;

    use super::*;
    use crate::treasury::signer::SignerPool;

    /// A keypair file with these permission bits.
    #[cfg(unix)]
    fn keypair_file(mode: u32) -> (tempfile::TempDir, PathBuf, Pubkey) {
        use std::os::unix::fs::PermissionsExt;

        let keypair = Keypair::new();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wallet.json");
        let bytes: Vec<String> = keypair.to_bytes().iter().map(ToString::to_string).collect();
        std::fs::write(&path, format!("[{}]", bytes.join(","))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, path, solana_sdk::signature::Signer::pubkey(&keypair))
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_keypair_file_is_read_only_if_nobody_else_can_read_it() {
        let (_folder, path, address) = keypair_file(0o600);
        let pool = SignerPool::open(vec![SignerSource::KeypairFile(path)]).await.unwrap();
        assert_eq!(pool.addresses(), [address]);

        // What only the group may read is another matter where root is the owner, as whoever runs the tests may be.
        for mode in [0o660, 0o604, 0o644, 0o666] {
            let (_folder, path, _) = keypair_file(mode);
            let error = SignerPool::open(vec![SignerSource::KeypairFile(path)])
                .await
                .unwrap_err();
            assert!(
                matches!(error, SignerError::ReadableByOthers { mode: found, .. } if found == mode),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn a_secret_opens_and_is_never_shown() {
        let secret = Keypair::new().to_base58_string();
        let source = SignerSource::Secret(Zeroizing::new(secret.clone()));
        assert!(!format!("{source} {source:?}").contains(&secret));
        let pool = SignerPool::open(vec![source]).await.unwrap();
        assert!(!format!("{pool:?}").contains(&secret));

        let broken = SignerSource::Secret(Zeroizing::new(secret[1..].to_owned()));
        let error = SignerPool::open(vec![broken]).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret[1..]));
    }
}
