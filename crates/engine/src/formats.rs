//! Which transaction format the cluster takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use session_chain::{ChainError, RpcClient, RpcPool};
use solana_client::rpc_config::RpcSimulateTransactionConfig;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;

use crate::account::{RECENT, read_accounts};
use crate::config::TransactionVersion;
use crate::message::{Terms, WireFormat};

/// Activates version-1 transactions (SIMD-0385).
const VERSION_1_FEATURE: Pubkey = Pubkey::from_str_const("txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL");

/// The owner of feature accounts.
const FEATURE_PROGRAM: Pubkey = Pubkey::from_str_const("Feature111111111111111111111111111111111111");

/// First byte of an activated feature's account: an optional slot that is there.
const ACTIVATED: u8 = 1;

/// The format in use; only ever goes back from version 1 to version 0.
pub(crate) struct Formats {
    version_1: AtomicBool,
    may_fall_back: bool,
}

impl Formats {
    /// Settles on a format, by asking the cluster where the setting leaves it open.
    pub(crate) async fn detect(
        setting: TransactionVersion,
        pool: &RpcPool,
        payer: &Pubkey,
        deadline: Instant,
    ) -> Result<Self, ChainError> {
        let version_1 = match setting {
            TransactionVersion::V1 => true,
            TransactionVersion::V0 => false,
            TransactionVersion::Auto => takes_version_1(pool, payer, deadline).await?,
        };
        tracing::info!(version = u8::from(version_1), "transaction version");
        let may_fall_back = setting == TransactionVersion::Auto;
        Ok(Self {
            version_1: AtomicBool::new(version_1),
            may_fall_back,
        })
    }

    pub(crate) fn current(&self) -> WireFormat {
        if self.version_1.load(Ordering::Relaxed) {
            WireFormat::V1
        } else {
            WireFormat::V0
        }
    }

    /// An endpoint refused a version-1 transaction. Says whether there is another format to try.
    pub(crate) fn fall_back(&self, refused: WireFormat) -> bool {
        if refused == WireFormat::V1 && self.may_fall_back {
            if self.version_1.swap(false, Ordering::Relaxed) {
                tracing::warn!("an endpoint refuses version-1 transactions; using version 0 from now on");
            }
            return true;
        }
        false
    }
}

/// Asks the feature's account; a cluster that hides it (test validators do) is asked to simulate one.
async fn takes_version_1(pool: &RpcPool, payer: &Pubkey, deadline: Instant) -> Result<bool, ChainError> {
    let reading = read_accounts(pool, &[VERSION_1_FEATURE], None, Some(deadline)).await?;
    match reading.accounts.first() {
        Some(Some(feature)) if feature.owner == FEATURE_PROGRAM => Ok(feature.data.first() == Some(&ACTIVATED)),
        _ => simulates_version_1(pool, payer, deadline).await,
    }
}

async fn simulates_version_1(pool: &RpcPool, payer: &Pubkey, deadline: Instant) -> Result<bool, ChainError> {
    let nothing = solana_system_interface::instruction::transfer(payer, payer, 0);
    let terms = Terms {
        compute_units: 1_000,
        priority_fee_lamports: 0,
    };
    let Ok(message) = WireFormat::V1.compile(payer, &[nothing], Hash::default(), terms) else {
        return Ok(false);
    };
    let transaction = VersionedTransaction {
        signatures: vec![Signature::default()],
        message,
    };
    let config = RpcSimulateTransactionConfig {
        sig_verify: false,
        replace_recent_blockhash: true,
        commitment: Some(RECENT),
        ..RpcSimulateTransactionConfig::default()
    };
    let (transaction, config) = (&transaction, &config);
    let simulate = |client: Arc<RpcClient>| async move {
        client
            .simulate_transaction_with_config(transaction, config.clone())
            .await
    };
    match pool.call("simulateTransaction", Some(deadline), simulate).await {
        Ok(response) => {
            let error = response.value.err.map(TransactionError::from);
            Ok(!matches!(
                error,
                Some(TransactionError::UnsupportedVersion | TransactionError::SanitizeFailure)
            ))
        }
        // A node that can't read the transaction says that the request is wrong.
        Err(ChainError::Rpc { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
