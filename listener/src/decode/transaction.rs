//! A transaction as the node tells it: logs, and the instructions that were executed.

use session_events::ExecutedInstruction;
use solana_pubkey::Pubkey;
use solana_sdk::message::VersionedMessage;
use solana_transaction_status_client_types::{EncodedTransaction, TransactionBinaryEncoding};

use crate::decode::wire::{ConfirmedTransaction, InnerInstruction, Meta};

/// Why a transaction's instructions cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InstructionsError {
    #[error("the transaction itself does not decode")]
    Undecodable,
    #[error("the node gives no inner instructions")]
    NoInnerInstructions,
    #[error("{expected} addresses are loaded from tables, and the node gives {given}")]
    NoLoadedAddresses { expected: usize, given: usize },
    #[error("account {index} is named, and there are {accounts}")]
    NoSuchAccount { index: u8, accounts: usize },
    #[error("inner instructions of instruction {index} are told, and there are {instructions}")]
    NoSuchInstruction { index: usize, instructions: usize },
    #[error("an inner instruction's data is not base58")]
    BadData,
    #[error("a loaded address is no address: {0:?}")]
    BadAddress(String),
}

/// Who paid for the transaction: the first of its accounts.
pub(crate) fn fee_payer(transaction: &ConfirmedTransaction) -> Result<Pubkey, InstructionsError> {
    let message = message(transaction)?;
    let payer = message.static_account_keys().first().copied();
    payer.ok_or(InstructionsError::NoSuchAccount { index: 0, accounts: 0 })
}

fn message(transaction: &ConfirmedTransaction) -> Result<VersionedMessage, InstructionsError> {
    let text = transaction.transaction.0.clone();
    let decoded = text.and_then(|text| EncodedTransaction::Binary(text, TransactionBinaryEncoding::Base64).decode());
    Ok(decoded.ok_or(InstructionsError::Undecodable)?.message)
}

/// All instructions in the order of execution, each of the transaction's own followed by its inner ones.
pub(crate) fn executed_instructions(
    transaction: &ConfirmedTransaction,
    meta: &Meta,
) -> Result<Vec<ExecutedInstruction>, InstructionsError> {
    let message = message(transaction)?;
    let looked_up = message.address_table_lookups().unwrap_or_default().iter();
    let expected = looked_up
        .map(|lookup| lookup.writable_indexes.len() + lookup.readonly_indexes.len())
        .sum();
    let mut accounts = message.static_account_keys().to_vec();
    accounts.extend(loaded_addresses(meta, expected)?);
    let accounts = Accounts(accounts);

    let groups = meta.inner_instructions.as_deref();
    let groups = groups.ok_or(InstructionsError::NoInnerInstructions)?;
    let instructions = message.instructions();
    if let Some(group) = groups.iter().find(|group| group.index >= instructions.len()) {
        return Err(InstructionsError::NoSuchInstruction {
            index: group.index,
            instructions: instructions.len(),
        });
    }
    let mut executed = Vec::new();
    for (index, instruction) in instructions.iter().enumerate() {
        executed.push(ExecutedInstruction {
            program: accounts.at(instruction.program_id_index)?,
            accounts: accounts.all(&instruction.accounts)?,
            data: instruction.data.clone(),
            stack_height: Some(1),
        });
        let called = groups.iter().filter(|group| group.index == index);
        for inner in called.flat_map(|group| &group.instructions) {
            executed.push(accounts.inner(inner)?);
        }
    }
    Ok(executed)
}

/// Addresses from lookup tables: the writable ones, then the others, as instructions count them.
fn loaded_addresses(meta: &Meta, expected: usize) -> Result<Vec<Pubkey>, InstructionsError> {
    let loaded = meta.loaded_addresses.as_ref();
    let texts = loaded
        .into_iter()
        .flat_map(|loaded| loaded.writable.iter().chain(&loaded.readonly));
    let parse = |text: &String| text.parse().map_err(|_| InstructionsError::BadAddress(text.clone()));
    let addresses: Vec<Pubkey> = texts.map(parse).collect::<Result<_, _>>()?;
    if addresses.len() == expected {
        return Ok(addresses);
    }
    Err(InstructionsError::NoLoadedAddresses {
        expected,
        given: addresses.len(),
    })
}

struct Accounts(Vec<Pubkey>);

impl Accounts {
    fn at(&self, index: u8) -> Result<Pubkey, InstructionsError> {
        let account = self.0.get(usize::from(index)).copied();
        account.ok_or(InstructionsError::NoSuchAccount {
            index,
            accounts: self.0.len(),
        })
    }

    fn all(&self, indexes: &[u8]) -> Result<Vec<Pubkey>, InstructionsError> {
        indexes.iter().map(|&index| self.at(index)).collect()
    }

    fn inner(&self, instruction: &InnerInstruction) -> Result<ExecutedInstruction, InstructionsError> {
        let data = bs58::decode(&instruction.data).into_vec();
        Ok(ExecutedInstruction {
            program: self.at(instruction.program_id_index)?,
            accounts: self.all(&instruction.accounts)?,
            data: data.map_err(|_| InstructionsError::BadData)?,
            stack_height: instruction.stack_height,
        })
    }
}
