//! The first eight bytes by which Anchor tells events, accounts and instructions apart.

use sha2::{Digest, Sha256};

/// `sha256(namespace:name)[..8]`, unless an IDL says otherwise.
pub type Discriminator = [u8; 8];

/// Anchor's default: `anchor_discriminator("global", "create_session_account")` is the discriminator of that
/// instruction, `"account"` and `"event"` are the other namespaces.
#[must_use]
pub fn anchor_discriminator(namespace: &str, name: &str) -> Discriminator {
    let digest = Sha256::new()
        .chain_update(namespace)
        .chain_update(":")
        .chain_update(name)
        .finalize();
    let mut discriminator = Discriminator::default();
    discriminator.copy_from_slice(&digest[..8]);
    discriminator
}
