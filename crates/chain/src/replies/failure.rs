//! Why a transaction failed, in the words of nodes that may be newer than this client.

use std::fmt;

use serde_json::Value;
use solana_sdk::transaction::TransactionError;
use solana_transaction_status_client_types::UiTransactionError;

/// Why a transaction failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionFailure {
    /// By a name that this client knows.
    Known(TransactionError),
    /// An instruction failed by a name that this client does not know.
    Instruction {
        /// The instruction's place in the transaction, from 0.
        index: u8,
        /// What the node said, as JSON.
        error: String,
    },
    /// The transaction failed by a name that this client does not know.
    Unknown(String),
}

impl TransactionFailure {
    /// Reads an `err` that is not null.
    pub(crate) fn read(err: &Value) -> Self {
        if let Ok(error) = serde_json::from_value::<UiTransactionError>(err.clone()) {
            return Self::Known(error.into());
        }
        let place = err.get("InstructionError").and_then(Value::as_array);
        match place.map(Vec::as_slice) {
            Some([index, error]) => match index.as_u64().and_then(|index| u8::try_from(index).ok()) {
                Some(index) => Self::Instruction {
                    index,
                    error: error.to_string(),
                },
                None => Self::Unknown(err.to_string()),
            },
            _ => Self::Unknown(err.to_string()),
        }
    }

    /// Whether the transaction cannot have run: it is in a block, and its payer could not pay for it (SIMD-0290). It
    /// took no fee.
    #[must_use]
    pub fn is_without_execution(&self) -> bool {
        matches!(
            self,
            Self::Known(
                TransactionError::AccountNotFound
                    | TransactionError::InsufficientFundsForFee
                    | TransactionError::InvalidAccountForFee
            )
        )
    }
}

impl From<TransactionError> for TransactionFailure {
    fn from(error: TransactionError) -> Self {
        Self::Known(error)
    }
}

impl fmt::Display for TransactionFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(error) => error.fmt(formatter),
            Self::Instruction { index, error } => write!(formatter, "Error processing Instruction {index}: {error}"),
            Self::Unknown(error) => formatter.write_str(error),
        }
    }
}

impl std::error::Error for TransactionFailure {}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use solana_sdk::instruction::InstructionError;

    use super::*;

    #[test]
    fn known_names_are_known_and_new_ones_keep_their_words_and_their_place() {
        let custom = TransactionError::InstructionError(2, InstructionError::Custom(6_010));
        assert_eq!(
            TransactionFailure::read(&json!({"InstructionError": [2, {"Custom": 6_010}]})),
            TransactionFailure::Known(custom)
        );
        assert_eq!(
            TransactionFailure::read(&json!({"InstructionError": [3, "OfNextYear"]})),
            TransactionFailure::Instruction {
                index: 3,
                error: "\"OfNextYear\"".to_owned()
            }
        );
        assert_eq!(
            TransactionFailure::read(&json!({"OfNextYear": {"account_index": 1}})),
            TransactionFailure::Unknown("{\"OfNextYear\":{\"account_index\":1}}".to_owned())
        );
    }
}
