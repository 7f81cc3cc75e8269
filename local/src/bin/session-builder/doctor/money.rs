//! Keys, wallets, and what they can pay for.

use std::sync::Arc;

use create_accounts::{SetupError, instruction_shape};
use session_chain::{RpcClient, RpcPool};
use session_config::{Settings, SignerKind};
use session_engine::rehearse;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::{Fault, Finding, PATIENCE, fault, found};

/// A session with a short id and no namespaces.
const SMALL_SESSION_BYTES: usize = 168;
/// What the runtime takes for a signature (Solana, "Transaction fees").
const SIGNATURE_FEE_LAMPORTS: u64 = 5_000;

/// Whether there are keys that can sign, or others have them and it is known whose money they spend.
pub(super) fn keys(settings: &Settings, wallets: Result<&Vec<Pubkey>, &SetupError>) -> Result<String, Fault> {
    let wallets = wallets.map_err(|error| {
        let remedy = match settings.signer.kind {
            SignerKind::KeypairFile => {
                let path = settings.service.keypair_path.display();
                format!(
                    "solana-keygen new --no-bip39-passphrase -o {path} && chmod 600 {path}, or set service.keypair_path or [signer]"
                )
            }
            SignerKind::Environment => format!(
                "put the key, base58 or a JSON array of 64 numbers, into the variable {}",
                settings.signer.environment_variable
            ),
            SignerKind::AwsKms => String::from("mend signer.kms_key_id and signer.kms_public_key"),
            SignerKind::None => String::from("set signer.kind to where the key is"),
        };
        fault(error, remedy)
    })?;
    let addresses: Vec<String> = wallets.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(", ");
    match settings.signer.kind {
        SignerKind::None if addresses.is_empty() => Err(fault(
            "signer.kind is none, and no wallet is named",
            "name the addresses of those that pay in monitoring.wallet_addresses",
        )),
        SignerKind::None => Ok(format!("none here: whoever has them signs for {addresses}")),
        SignerKind::KeypairFile | SignerKind::Environment | SignerKind::AwsKms => Ok(format!("{addresses} can sign")),
    }
}

/// For how many sessions the wallets are good at today's price of storage.
pub(super) async fn wallet(settings: &Settings, pool: &RpcPool, wallets: &[Pubkey]) -> Result<String, Fault> {
    let deadline = Some(Instant::now() + PATIENCE);
    let unanswered = |error| fault(error, "mend the RPC first");
    let ask = |client: Arc<RpcClient>| async move {
        client.get_minimum_balance_for_rent_exemption(SMALL_SESSION_BYTES).await
    };
    let rent = pool.call("getMinimumBalanceForRentExemption", deadline, ask).await;
    let session = rent.map_err(unanswered)? + SIGNATURE_FEE_LAMPORTS;
    let reserve = settings.policy.wallet_reserve_lamports;
    let mut sessions = 0;
    for &address in wallets {
        let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
        let balance = pool.call("getBalance", deadline, ask).await.map_err(unanswered)?;
        sessions += balance.saturating_sub(reserve) / session;
    }
    let address = wallets.first().copied().unwrap_or_default();
    if sessions == 0 {
        return Err(fault(
            format!(
                "wallet {address} has too little above its reserve of {reserve} lamports for a session of {session}"
            ),
            format!("solana transfer {address} 1 --allow-unfunded-recipient, or lower policy.wallet_reserve_lamports"),
        ));
    }
    Ok(format!(
        "good for {sessions} small sessions of {session} lamports at today's price of storage"
    ))
}

/// Whether each program carries out the configured instruction, as a node simulates it.
pub(super) async fn instruction(settings: &Settings, pool: &RpcPool, wallets: &[Pubkey]) -> Vec<Finding> {
    let shape = instruction_shape(settings);
    let payer = wallets.first().copied().unwrap_or_default();
    let mut findings = Vec::new();
    for program in &settings.policy.allowed_owner_programs {
        let rehearsed = rehearse(pool, &shape, *program, payer, Instant::now() + PATIENCE).await;
        let told = rehearsed
            .map(|()| format!("{program} carries out {}", shape.name))
            .map_err(|error| {
                let remedy = "set creation.instruction_name, creation.account_order and creation.argument_order to what \
                    the program has (docs/integration.md), and fund the wallet";
                fault(error, remedy)
            });
        findings.push(found("instruction", told));
    }
    findings
}
