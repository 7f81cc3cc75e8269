//! Transactions on the wire: the two formats, and their sizes. Pure.

use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_message::CompileError;
use solana_message::v1::{MAX_TRANSACTION_SIZE, SIGNATURE_SIZE, TransactionConfig};
use solana_message::{VersionedMessage, v0, v1};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;

/// A transaction format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireFormat {
    /// 4,096 bytes; compute limits in its header (SIMD-0385).
    V1,
    /// 1,232 bytes; compute limits by instructions.
    V0,
}

/// A transaction of version 0 fits one IPv6 packet: 1,280 bytes less 48 of headers.
const PACKET_BYTES: usize = 1_232;

/// Most account data that the runtime loads for one transaction. Asking for less gains priority in a full block,
/// but a program of unknown size must fit.
const LOADED_ACCOUNTS_BYTES: u32 = 64 * 1024 * 1024;

/// What a transaction pays and may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) compute_units: u32,
    pub(crate) priority_fee_lamports: u64,
}

impl WireFormat {
    /// Most bytes of a transaction, signatures included.
    pub(crate) fn max_bytes(self) -> usize {
        match self {
            Self::V1 => MAX_TRANSACTION_SIZE,
            Self::V0 => PACKET_BYTES,
        }
    }

    /// Entries of the instruction trace that the format itself needs: version 0 sets its limits by instructions.
    pub(crate) fn own_trace_entries(self) -> usize {
        match self {
            Self::V1 => 0,
            Self::V0 => 2,
        }
    }

    /// Lamports of priority fee that the runtime takes for these terms: version 0 can only name a price, in whole
    /// micro-lamports a unit.
    pub(crate) fn charged_priority_fee(self, terms: Terms) -> u64 {
        match self {
            Self::V1 => terms.priority_fee_lamports,
            Self::V0 => {
                let price = unit_price(terms);
                let lamports = (u128::from(price) * u128::from(terms.compute_units)).div_ceil(1_000_000);
                u64::try_from(lamports).unwrap_or(u64::MAX)
            }
        }
    }

    /// Place of the first of the caller's instructions in a transaction with these terms.
    pub(crate) fn first_instruction(self, terms: Terms) -> usize {
        match self {
            Self::V1 => 0,
            Self::V0 => 1 + usize::from(terms.priority_fee_lamports > 0),
        }
    }

    /// The message of a transaction, ready to be signed.
    pub(crate) fn compile(
        self,
        payer: &Pubkey,
        instructions: &[Instruction],
        blockhash: Hash,
        terms: Terms,
    ) -> Result<VersionedMessage, CompileError> {
        match self {
            Self::V1 => compile_v1(payer, instructions, blockhash, terms).map(VersionedMessage::V1),
            Self::V0 => compile_v0(payer, instructions, blockhash, terms).map(VersionedMessage::V0),
        }
    }
}

/// Bytes of the transaction that `message` becomes once it is signed.
pub(crate) fn transaction_bytes(message: &VersionedMessage) -> usize {
    let signatures = usize::from(message.header().num_required_signatures);
    // Version 1 says in its header how many signatures follow; version 0 has a length byte before them.
    let length_byte = usize::from(!matches!(message, VersionedMessage::V1(_)));
    length_byte + signatures * SIGNATURE_SIZE + message.serialize().len()
}

fn compile_v1(
    payer: &Pubkey,
    instructions: &[Instruction],
    blockhash: Hash,
    terms: Terms,
) -> Result<v1::Message, CompileError> {
    let mut config = TransactionConfig::empty()
        .with_compute_unit_limit(terms.compute_units)
        .with_loaded_accounts_data_size_limit(LOADED_ACCOUNTS_BYTES);
    if terms.priority_fee_lamports > 0 {
        config = config.with_priority_fee(terms.priority_fee_lamports);
    }
    v1::Message::try_compile_with_config(payer, instructions, blockhash, config)
}

/// Micro-lamports a unit, rounded down, so that the product never exceeds the fee that was decided on.
fn unit_price(terms: Terms) -> u64 {
    let price = u128::from(terms.priority_fee_lamports) * 1_000_000 / u128::from(terms.compute_units.max(1));
    u64::try_from(price).unwrap_or(u64::MAX)
}

fn compile_v0(
    payer: &Pubkey,
    instructions: &[Instruction],
    blockhash: Hash,
    terms: Terms,
) -> Result<v0::Message, CompileError> {
    let mut all = vec![ComputeBudgetInstruction::set_compute_unit_limit(terms.compute_units)];
    if terms.priority_fee_lamports > 0 {
        all.push(ComputeBudgetInstruction::set_compute_unit_price(unit_price(terms)));
    }
    all.extend_from_slice(instructions);
    v0::Message::try_compile(payer, &all, &[], blockhash)
}
