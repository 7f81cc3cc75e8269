//! A transaction as the node tells it: logs, and the instructions that were executed.

use session_events::ExecutedInstruction;
use solana_pubkey::Pubkey;
use solana_transaction_status_client_types::{
    EncodedConfirmedTransactionWithStatusMeta, UiCompiledInstruction, UiInstruction, UiTransactionStatusMeta,
    option_serializer::OptionSerializer,
};

/// Why a transaction's instructions cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InstructionsError {
    #[error("the node gives no execution record of the transaction")]
    NoMeta,
    #[error("the transaction itself does not decode")]
    Undecodable,
    #[error("account {index} is named, and there are {accounts}")]
    NoSuchAccount { index: u8, accounts: usize },
    #[error("an inner instruction's data is not base58")]
    BadData,
    #[error("a loaded address is no address: {0:?}")]
    BadAddress(String),
    #[error("an inner instruction is not in the compiled form")]
    Parsed,
}

/// Whether the transaction failed; one without a record of its execution counts as failed only if it says so.
pub(crate) fn failed(transaction: &EncodedConfirmedTransactionWithStatusMeta) -> bool {
    transaction
        .transaction
        .meta
        .as_ref()
        .is_some_and(|meta| meta.err.is_some())
}

/// The logs, unless the node keeps none.
pub(crate) fn logs(transaction: &EncodedConfirmedTransactionWithStatusMeta) -> Option<&[String]> {
    match &transaction.transaction.meta.as_ref()?.log_messages {
        OptionSerializer::Some(lines) => Some(lines),
        OptionSerializer::None | OptionSerializer::Skip => None,
    }
}

/// All instructions in the order of execution, each of the transaction's own followed by its inner ones.
pub(crate) fn executed_instructions(
    transaction: &EncodedConfirmedTransactionWithStatusMeta,
) -> Result<Vec<ExecutedInstruction>, InstructionsError> {
    let meta = transaction.transaction.meta.as_ref().ok_or(InstructionsError::NoMeta)?;
    let decoded = transaction
        .transaction
        .transaction
        .decode()
        .ok_or(InstructionsError::Undecodable)?;
    let mut accounts = decoded.message.static_account_keys().to_vec();
    accounts.extend(loaded_addresses(meta)?);
    let accounts = Accounts(accounts);
    let mut executed = Vec::new();
    for (index, instruction) in decoded.message.instructions().iter().enumerate() {
        executed.push(ExecutedInstruction {
            program: accounts.at(instruction.program_id_index)?,
            accounts: accounts.all(&instruction.accounts)?,
            data: instruction.data.clone(),
            stack_height: Some(1),
        });
        for inner in inner_instructions(meta, index) {
            executed.push(accounts.inner(inner)?);
        }
    }
    Ok(executed)
}

fn inner_instructions(meta: &UiTransactionStatusMeta, index: usize) -> impl Iterator<Item = &UiInstruction> {
    let groups = match &meta.inner_instructions {
        OptionSerializer::Some(groups) => groups.as_slice(),
        OptionSerializer::None | OptionSerializer::Skip => &[],
    };
    groups
        .iter()
        .filter(move |group| usize::from(group.index) == index)
        .flat_map(|group| &group.instructions)
}

/// Addresses from lookup tables: the writable ones, then the others, as instructions count them.
fn loaded_addresses(meta: &UiTransactionStatusMeta) -> Result<Vec<Pubkey>, InstructionsError> {
    let OptionSerializer::Some(loaded) = &meta.loaded_addresses else {
        return Ok(Vec::new());
    };
    let parse = |text: &String| text.parse().map_err(|_| InstructionsError::BadAddress(text.clone()));
    loaded.writable.iter().chain(&loaded.readonly).map(parse).collect()
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

    fn inner(&self, instruction: &UiInstruction) -> Result<ExecutedInstruction, InstructionsError> {
        let UiInstruction::Compiled(UiCompiledInstruction {
            program_id_index,
            accounts,
            data,
            stack_height,
        }) = instruction
        else {
            return Err(InstructionsError::Parsed);
        };
        Ok(ExecutedInstruction {
            program: self.at(*program_id_index)?,
            accounts: self.all(accounts)?,
            data: bs58::decode(data).into_vec().map_err(|_| InstructionsError::BadData)?,
            stack_height: *stack_height,
        })
    }
}
