//! A creation that nobody asked for, tried on a node and sent nowhere: whether the owner program does what the
//! configuration says of it.

use tokio::time::Instant;

use session_chain::replies::simulate;
use session_chain::{ChainError, RpcPool, TransactionFailure};
use session_events::session_address;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use thiserror::Error;

use crate::request::claim::CreationRequest;
use crate::transaction::instruction::InstructionShape;
use crate::transaction::message::{Terms, WireFormat};

/// No factory gives such an id to a session: it is longer than what people type and within a seed's 32 bytes.
const SESSION_ID: &str = "rehearsal.of.session-builder";
/// Bytes of a small session.
const SIZE: u64 = 168;
/// As many as a transaction may use (Solana, `MAX_COMPUTE_UNIT_LIMIT`).
const COMPUTE_UNITS: u32 = 1_400_000;

/// Why no session of the program could be created now.
#[derive(Debug, Error)]
pub enum RehearsalError {
    /// Nobody simulated it.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The program, or the runtime, says no.
    #[error("program {program} does not carry out {instruction}: {failure}")]
    Refused {
        /// The program.
        program: Pubkey,
        /// The configured instruction.
        instruction: String,
        /// What the node says of the simulation.
        failure: TransactionFailure,
    },
    /// No address follows from the program, or the transaction cannot be put together.
    #[error("no creation by program {program} can be put together: {reason}")]
    Unbuildable {
        /// The program.
        program: Pubkey,
        /// Why not.
        reason: String,
    },
}

/// Has a node simulate the creation of one session by the configured instruction, paid by `payer`. Nothing is signed, sent
/// or spent.
///
/// # Errors
/// [`RehearsalError`]: why none could be created now.
pub async fn rehearse(
    pool: &RpcPool,
    shape: &InstructionShape,
    owner_program: Pubkey,
    payer: Pubkey,
    deadline: Instant,
) -> Result<(), RehearsalError> {
    let unbuildable = |reason: String| RehearsalError::Unbuildable {
        program: owner_program,
        reason,
    };
    let (pda, _) =
        session_address(&owner_program, &payer, SESSION_ID).map_err(|error| unbuildable(error.to_string()))?;
    let request = CreationRequest {
        pda,
        owner_program,
        session_owner: payer,
        session_id: SESSION_ID.to_owned(),
        size: SIZE,
        requester: None,
        asked_at_slot: None,
    };
    let terms = Terms {
        compute_units: COMPUTE_UNITS,
        priority_fee_lamports: 0,
    };
    let instruction = shape.instruction(&payer, &request);
    let message = WireFormat::V0
        .compile(&payer, &[instruction], Hash::default(), terms)
        .map_err(|error| unbuildable(error.to_string()))?;
    let transaction = VersionedTransaction {
        signatures: vec![Signature::default()],
        message,
    };
    let simulation = simulate(pool, &transaction, pool.commitment(), Some(deadline)).await?;
    match simulation.failure {
        None => Ok(()),
        Some(failure) => Err(RehearsalError::Refused {
            program: owner_program,
            instruction: shape.name.clone(),
            failure,
        }),
    }
}
