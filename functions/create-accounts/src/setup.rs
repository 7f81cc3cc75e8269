//! From the settings to the parts that the handler is made of; the Lambda binary and the local runner both start here.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use session_chain::ChainError;
use session_config::{BatchEncoding, Settings, SignerKind, TransactionVersion};
use session_engine::{
    AccountRole, Argument, BatchShape, EngineConfig, InstructionShape, MarkCreated, Policy, SignerError, SignerPool,
    SignerSource,
};
use session_ledger::Limits;
use session_ledger_dynamodb::{DynamoDbLedger, DynamoDbLedgerConfig, DynamoDbLedgerError};
use session_queue::VisibilityBackoff;
use solana_pubkey::Pubkey;
use zeroize::Zeroizing;

use crate::handler::HandlerConfig;

/// Kept free of the invocation's deadline for dead letters, visibility changes and the answer.
const DEADLINE_MARGIN: Duration = Duration::from_millis(500);

/// The settings do not make a service.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An endpoint is unusable.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A key is unusable.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The shared ledger cannot be addressed.
    #[error(transparent)]
    Ledger(#[from] DynamoDbLedgerError),
    /// There is no key on purpose.
    #[error(
        "signer.kind is none: nothing here can sign, so nothing can be paid for; give the service a key by [signer]"
    )]
    NoKey,
    /// The variable that should hold the key is not set.
    #[error("the environment variable {name} (signer.environment_variable) is not set; it must hold the wallet's key")]
    NoKeyInEnvironment {
        /// The variable.
        name: String,
    },
}

/// The wallets that pay.
///
/// # Errors
/// [`SetupError`] names the source of the key that cannot be used.
pub async fn signers(settings: &Settings) -> Result<SignerPool, SetupError> {
    let signer = &settings.signer;
    let main = match signer.kind {
        SignerKind::KeypairFile => SignerSource::KeypairFile(settings.service.keypair_path.clone()),
        SignerKind::Environment => {
            let name = signer.environment_variable.clone();
            let key = std::env::var(&name).map_err(|_| SetupError::NoKeyInEnvironment { name })?;
            SignerSource::Secret(Zeroizing::new(key))
        }
        SignerKind::AwsKms => SignerSource::AwsKms {
            key_id: signer.kms_key_id.clone().unwrap_or_default(),
            public_key: signer.kms_public_key.clone().unwrap_or_default(),
            region: signer.kms_region.clone(),
        },
        SignerKind::None => return Err(SetupError::NoKey),
    };
    let others = signer
        .fee_payer_keypair_paths
        .iter()
        .map(|path: &PathBuf| SignerSource::KeypairFile(path.clone()));
    Ok(SignerPool::open(std::iter::once(main).chain(others).collect()).await?)
}

/// The addresses of the wallets that pay, for whoever only looks: those of the keys, or, where no key is, those that are watched.
///
/// # Errors
/// [`SetupError`] names the source of the key that cannot be used.
pub async fn wallet_addresses(settings: &Settings) -> Result<Vec<Pubkey>, SetupError> {
    if settings.signer.kind == SignerKind::None {
        return Ok(settings.monitoring.wallet_addresses.clone());
    }
    Ok(signers(settings).await?.addresses())
}

/// The owner program's instruction that creates an account.
#[must_use]
pub fn instruction_shape(settings: &Settings) -> InstructionShape {
    let creation = &settings.creation;
    InstructionShape {
        name: creation.instruction_name.clone(),
        accounts: creation
            .account_order
            .iter()
            .filter_map(|name| account_role(name))
            .collect(),
        arguments: creation
            .argument_order
            .iter()
            .filter_map(|name| argument(name))
            .collect(),
        batch: creation.batch_instruction_name.clone().map(|name| BatchShape {
            name,
            encoding: match creation.batch_encoding {
                BatchEncoding::Packed => session_engine::BatchEncoding::Packed,
                BatchEncoding::Borsh => session_engine::BatchEncoding::Borsh,
            },
        }),
    }
}

/// The engine's configuration. The first wallet is the factory's authority where entries are marked as created.
#[must_use]
pub fn engine_config(settings: &Settings, signers: &SignerPool) -> EngineConfig {
    let creation = &settings.creation;
    let authority = signers.addresses().first().copied();
    EngineConfig {
        policy: policy(settings),
        instruction: instruction_shape(settings),
        transaction_version: match creation.transaction_version {
            TransactionVersion::Auto => session_engine::TransactionVersion::Auto,
            TransactionVersion::V1 => session_engine::TransactionVersion::V1,
            TransactionVersion::V0 => session_engine::TransactionVersion::V0,
        },
        mark_created: authority
            .filter(|_| creation.mark_created)
            .map(|authority| MarkCreated {
                factory: settings.service.program_id,
                authority,
            }),
        transactions_in_flight_max: settings.service.max_concurrent_creations,
        rebroadcast_interval: creation.rebroadcast_interval,
        ..EngineConfig::default()
    }
}

/// The limits on what is spent in any hour.
#[must_use]
pub fn spending_limits(settings: &Settings) -> Limits {
    let policy = &settings.policy;
    Limits {
        lamports_per_hour: policy.lamports_per_hour,
        // The settings hold one of the two at most.
        lamports_per_requester_per_hour: policy
            .lamports_per_requester_per_hour
            .or(policy.lamports_per_owner_per_hour),
    }
}

/// The ledger that all processes share, where one is configured. Sends no request yet.
///
/// # Errors
/// [`SetupError::Ledger`] where its table cannot be addressed.
pub async fn shared_ledger(settings: &Settings) -> Result<Option<DynamoDbLedger>, SetupError> {
    let ledger = &settings.ledger;
    let Some(table) = &ledger.table else {
        return Ok(None);
    };
    let config = DynamoDbLedgerConfig {
        table: table.clone(),
        endpoint_url: ledger.endpoint_url.clone(),
        region: ledger.region.clone(),
    };
    Ok(Some(DynamoDbLedger::connect(config, spending_limits(settings)).await?))
}

/// The rules on what may be created, and on what the wallets keep.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let policy = &settings.policy;
    Policy {
        allowed_owner_programs: policy.allowed_owner_programs.iter().copied().collect::<BTreeSet<_>>(),
        max_account_size: policy.size_max_bytes,
        wallet_reserve_lamports: policy.wallet_reserve_lamports,
        wallet_low_lamports: policy.wallet_low_lamports,
        max_priority_fee_lamports: policy.priority_fee_cap_lamports,
    }
}

/// The words are checked when the settings are read; see `creation.account_order`.
fn account_role(name: &str) -> Option<AccountRole> {
    match name {
        "payer" => Some(AccountRole::Payer),
        "session" => Some(AccountRole::Session),
        "system_program" => Some(AccountRole::SystemProgram),
        _ => None,
    }
}

/// The words are checked when the settings are read; see `creation.argument_order`.
fn argument(name: &str) -> Option<Argument> {
    match name {
        "owner" => Some(Argument::Owner),
        "session_id" => Some(Argument::SessionId),
        "size" => Some(Argument::Size),
        _ => None,
    }
}

/// How the handler treats the messages of its queue.
#[must_use]
pub fn handler_config(settings: &Settings) -> HandlerConfig {
    HandlerConfig {
        max_receive_count: settings.queue.max_receive_count,
        visibility_backoff: VisibilityBackoff::new(settings.queue.retry_waits.clone()),
        deferral_max: settings.queue.deferral_max,
        deadline_margin: DEADLINE_MARGIN,
    }
}
