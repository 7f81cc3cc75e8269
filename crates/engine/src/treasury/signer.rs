//! The wallets that pay, several of them in a pool.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use solana_keychain::{MemorySigner, Signer, SolanaSigner};
use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_transaction::versioned::VersionedTransaction;
use thiserror::Error;
use tokio::time::timeout;

use crate::treasury::signer_source::{SignerError, SignerSource};
use crate::treasury::wallet::Wallet;

/// A key in another place than this process, AWS KMS's for example, has so long to sign.
const SIGNING_LIMIT: Duration = Duration::from_secs(5);

/// The wallets of an engine. Transactions go to the one with the fewest in flight.
#[derive(Clone, Debug)]
pub struct SignerPool {
    payers: Arc<[Payer]>,
}

/// One wallet.
pub(crate) struct Payer {
    signer: Signer,
    pub(crate) address: Pubkey,
    pub(crate) in_flight: AtomicUsize,
    wallet: Mutex<Wallet>,
}

impl SignerPool {
    /// Opens every source.
    ///
    /// # Errors
    /// [`SignerError`] names the source and what is wrong with it.
    pub async fn open(sources: Vec<SignerSource>) -> Result<Self, SignerError> {
        let mut signers = Vec::with_capacity(sources.len());
        for source in sources {
            signers.push(source.open().await?);
        }
        Self::of(signers)
    }

    /// A pool of keys that are in memory already.
    ///
    /// # Errors
    /// [`SignerError::None`], [`SignerError::Duplicate`].
    pub fn of_keypairs(keypairs: Vec<Keypair>) -> Result<Self, SignerError> {
        Self::of(
            keypairs
                .into_iter()
                .map(|keypair| Signer::Memory(MemorySigner::new(keypair)))
                .collect(),
        )
    }

    /// The wallets' addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<Pubkey> {
        self.payers.iter().map(|payer| payer.address).collect()
    }

    /// A pool of signers.
    ///
    /// # Errors
    /// [`SignerError::None`], [`SignerError::Duplicate`].
    pub fn of(signers: Vec<Signer>) -> Result<Self, SignerError> {
        if signers.is_empty() {
            return Err(SignerError::None);
        }
        let payers: Arc<[Payer]> = signers.into_iter().map(Payer::new).collect();
        for (index, payer) in payers.iter().enumerate() {
            if payers[..index].iter().any(|earlier| earlier.address == payer.address) {
                return Err(SignerError::Duplicate { wallet: payer.address });
            }
        }
        Ok(Self { payers })
    }

    pub(crate) fn payers(&self) -> &[Payer] {
        &self.payers
    }

    /// The wallets by how many transactions they pay for just now, the least busy first; only `wallet` if one is named.
    pub(crate) fn by_business(&self, wallet: Option<Pubkey>) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.payers.len())
            .filter(|place| wallet.is_none_or(|wallet| wallet == self.payers[*place].address))
            .collect();
        places.sort_by_key(|place| self.payers[*place].in_flight.load(Ordering::Relaxed));
        places
    }
}

impl Payer {
    fn new(signer: Signer) -> Self {
        let address = signer.pubkey();
        Self {
            signer,
            address,
            in_flight: AtomicUsize::new(0),
            wallet: Mutex::default(),
        }
    }

    /// The wallet's numbers. They are never left half changed, so a poisoned lock is as good as any.
    pub(crate) fn wallet(&self) -> MutexGuard<'_, Wallet> {
        self.wallet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Signs as the only signer, within [`SIGNING_LIMIT`].
    pub(crate) async fn sign(&self, message: VersionedMessage) -> Result<VersionedTransaction, Unsigned> {
        let bytes = message.serialize();
        let signing = timeout(SIGNING_LIMIT, self.signer.sign_message(&bytes)).await;
        let signature = signing.map_err(|_elapsed| Unsigned::Silent)??;
        Ok(VersionedTransaction {
            signatures: vec![signature],
            message,
        })
    }
}

/// Why there is no signature.
#[derive(Debug, Error)]
pub(crate) enum Unsigned {
    #[error("the key has not answered within {} s", SIGNING_LIMIT.as_secs())]
    Silent,
    #[error("{0}")]
    Key(#[from] solana_keychain::SignerError),
}

impl Unsigned {
    /// Whether the key was not reached, rather than that it said no. The library has one error for whatever went wrong
    /// with a key in another place, and a key that refuses a transfer of ours refuses them all: no attempt of a message
    /// cures either.
    pub(crate) fn is_outage(&self) -> bool {
        use solana_keychain::SignerError as Key;
        matches!(
            self,
            Self::Silent
                | Self::Key(Key::RemoteApiError { .. } | Key::HttpError(_) | Key::NotAvailable(_) | Key::IoError(_))
        )
    }
}

impl fmt::Debug for Payer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Payer({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_wallet_and_the_same_wallet_twice_are_refused() {
        assert!(matches!(SignerPool::open(Vec::new()).await, Err(SignerError::None)));
        let keypair = Keypair::new();
        let twice = vec![keypair.insecure_clone(), keypair];
        assert!(matches!(
            SignerPool::of_keypairs(twice),
            Err(SignerError::Duplicate { .. })
        ));
    }
}
