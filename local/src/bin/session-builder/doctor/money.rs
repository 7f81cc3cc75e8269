//! Keys, wallets, and what they can pay for.

use std::sync::Arc;

use create_accounts::{SetupError, engine_config};
use session_chain::{RpcClient, RpcPool};
use session_config::{Settings, SignerKind};
use session_engine::{SignerPool, rehearse};
use tokio::time::Instant;

use super::{Fault, Finding, PATIENCE, fault, found};

/// A session with a short id and no namespaces.
const SMALL_SESSION_BYTES: usize = 168;
/// What the runtime takes for a signature (Solana, "Transaction fees").
const SIGNATURE_FEE_LAMPORTS: u64 = 5_000;

/// Whether there are keys that can sign.
pub(super) fn keys(settings: &Settings, keys: Result<&SignerPool, &SetupError>) -> Result<String, Fault> {
    let signers = keys.map_err(|error| {
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
        };
        fault(error, remedy)
    })?;
    let addresses: Vec<String> = signers.addresses().iter().map(ToString::to_string).collect();
    Ok(format!("{} can sign", addresses.join(", ")))
}

/// For how many sessions the wallets are good at today's price of storage.
pub(super) async fn wallet(settings: &Settings, pool: &RpcPool, signers: &SignerPool) -> Result<String, Fault> {
    let deadline = Some(Instant::now() + PATIENCE);
    let unanswered = |error| fault(error, "mend the RPC first");
    let ask = |client: Arc<RpcClient>| async move {
        client.get_minimum_balance_for_rent_exemption(SMALL_SESSION_BYTES).await
    };
    let rent = pool.call("getMinimumBalanceForRentExemption", deadline, ask).await;
    let session = rent.map_err(unanswered)? + SIGNATURE_FEE_LAMPORTS;
    let reserve = settings.policy.wallet_reserve_lamports;
    let mut sessions = 0;
    for address in signers.addresses() {
        let ask = move |client: Arc<RpcClient>| async move { client.get_balance(&address).await };
        let balance = pool.call("getBalance", deadline, ask).await.map_err(unanswered)?;
        sessions += balance.saturating_sub(reserve) / session;
    }
    let address = signers.addresses().first().copied().unwrap_or_default();
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
pub(super) async fn instruction(settings: &Settings, pool: &RpcPool, signers: &SignerPool) -> Vec<Finding> {
    let shape = engine_config(settings, signers).instruction;
    let payer = signers.addresses().first().copied().unwrap_or_default();
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
