//! The wallets that pay, several of them in a pool.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use solana_keychain::{MemorySigner, Signer, SolanaSigner};
use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use solana_transaction::versioned::VersionedTransaction;

use crate::batch::error::{Deferral, Failure};
use crate::treasury::signer_source::{SignerError, SignerSource};
use crate::treasury::wallet::{ChargeId, Wallet};

/// The wallets of an engine. Transactions go to the one with the fewest in flight.
#[derive(Clone, Debug)]
pub struct SignerPool {
    payers: Arc<[Payer]>,
}

/// One wallet.
pub(crate) struct Payer {
    signer: Signer,
    pub(crate) address: Pubkey,
    in_flight: AtomicUsize,
    wallet: Mutex<Wallet>,
}

/// A wallet chosen for one transaction, busy until this is dropped. The lamports set aside stay so until they have
/// landed, are given back, or can't land any more.
pub(crate) struct Paying<'a> {
    pub(crate) payer: &'a Payer,
    charge: ChargeId,
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

    /// Lamports that can leave all wallets together.
    pub(crate) fn spendable(&self, reserve: u64) -> u64 {
        let spendable = |payer: &Payer| payer.wallet().available().saturating_sub(reserve);
        self.payers.iter().map(spendable).fold(0, u64::saturating_add)
    }

    /// Sets `lamports` aside in the least busy wallet that stays above `reserve`; only in `wallet` if one is named.
    pub(crate) fn choose(&self, lamports: u64, reserve: u64, wallet: Option<Pubkey>) -> Result<Paying<'_>, Deferral> {
        let mut candidates: Vec<&Payer> = self
            .payers
            .iter()
            .filter(|payer| wallet.is_none_or(|wallet| wallet == payer.address))
            .collect();
        candidates.sort_by_key(|payer| payer.in_flight.load(Ordering::Relaxed));
        let mut refusal = Deferral::WalletReserve {
            available: 0,
            requested: lamports,
            reserve,
        };
        for payer in candidates {
            match payer.wallet().charge(lamports, reserve, Instant::now()) {
                Ok(charge) => {
                    payer.in_flight.fetch_add(1, Ordering::Relaxed);
                    return Ok(Paying { payer, charge });
                }
                Err(error) => refusal = fuller(refusal, error),
            }
        }
        Err(refusal)
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

    /// Signs as the only signer.
    pub(crate) async fn sign(&self, message: VersionedMessage) -> Result<VersionedTransaction, Failure> {
        let signature = self
            .signer
            .sign_message(&message.serialize())
            .await
            .map_err(|error| Failure::Signing {
                payer: self.address,
                reason: error.to_string(),
            })?;
        Ok(VersionedTransaction {
            signatures: vec![signature],
            message,
        })
    }
}

impl Paying<'_> {
    /// The transaction landed in `slot`, and its lamports are gone.
    pub(crate) fn landed(self, slot: u64) {
        self.payer.wallet().landed(self.charge, slot);
    }

    /// The transaction cannot land any more.
    pub(crate) fn refund(self) {
        self.payer.wallet().refund(self.charge);
    }
}

impl Drop for Paying<'_> {
    fn drop(&mut self) {
        self.payer.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Payer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Payer({})", self.address)
    }
}

fn fuller(one: Deferral, other: Deferral) -> Deferral {
    match (&one, &other) {
        (Deferral::WalletReserve { available: a, .. }, Deferral::WalletReserve { available: b, .. }) if a > b => one,
        _ => other,
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

    #[test]
    fn the_least_busy_wallet_that_can_pay_is_chosen() {
        let pool = SignerPool::of_keypairs(vec![Keypair::new(), Keypair::new()]).unwrap();
        for (payer, lamports) in pool.payers().iter().zip([1_000, 500]) {
            payer.wallet().read(1, lamports, Instant::now());
        }
        let first = pool.choose(300, 100, None).unwrap();
        let second = pool.choose(300, 100, None).unwrap();
        assert_ne!(first.payer.address, second.payer.address);
        let third = pool.choose(300, 100, None).unwrap();
        assert_eq!(
            third.payer.address,
            pool.addresses()[0],
            "the other one has too little left"
        );
        let refused = pool.choose(900, 100, None).err();
        assert_eq!(
            refused,
            Some(Deferral::WalletReserve {
                available: 400,
                requested: 900,
                reserve: 100
            })
        );
    }
}
