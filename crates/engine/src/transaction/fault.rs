//! What a transaction's failure means for each of its creations. Pure.

use session_chain::TransactionFailure;
use session_events::session::SESSION_PROGRAM_ID;
use solana_pubkey::Pubkey;
use solana_sdk::instruction::InstructionError;
use solana_sdk::transaction::TransactionError;

use crate::batch::error::{CreationError, Deferral, Failure};
use crate::request::rejection::Rejection;
use crate::transaction::message::Terms;
use crate::transaction::plan::{Creation, Group, Rules, Step};
use crate::transaction::program_error::{KnownProgram, Meaning, ProgramError};

/// Consequences of a failed transaction. Creations that are not named go on in the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Consequences {
    /// The answer for one creation that is to blame, or for all of them.
    pub(crate) answers: Vec<(Pubkey, CreationError)>,
    /// Creations that stay open, and the trouble they had.
    pub(crate) troubles: Vec<(Pubkey, Failure)>,
    /// Fewer creations in a transaction from now on.
    pub(crate) max_creations: Option<usize>,
    /// The blockhash is not to be used again.
    pub(crate) blockhash_is_stale: bool,
}

/// Finds out who is to blame for `error` and what becomes of whom.
pub(crate) fn consequences(
    failure: &TransactionFailure,
    group: &Group,
    terms: Terms,
    rules: Rules<'_>,
) -> Consequences {
    match failure {
        TransactionFailure::Known(error) => known_consequences(error, group, terms, rules),
        TransactionFailure::Instruction { index, .. } => match group.creation_at(usize::from(*index), terms, rules) {
            Some((creation, _)) => Consequences {
                answers: vec![(
                    creation.request.pda,
                    CreationError::failed(Failure::Transaction(failure.clone())),
                )],
                ..Consequences::default()
            },
            None => halve(group),
        },
        TransactionFailure::Unknown(_) => {
            for_all(group, || CreationError::failed(Failure::Transaction(failure.clone())))
        }
    }
}

fn known_consequences(error: &TransactionError, group: &Group, terms: Terms, rules: Rules<'_>) -> Consequences {
    match error {
        TransactionError::InstructionError(place, error) => {
            match group.creation_at(usize::from(*place), terms, rules) {
                Some((creation, step)) => blame((creation, step), error, group, rules),
                None => halve(group),
            }
        }
        TransactionError::BlockhashNotFound => Consequences {
            blockhash_is_stale: true,
            ..Consequences::default()
        },
        TransactionError::InsufficientFundsForFee
        | TransactionError::AccountNotFound
        | TransactionError::InsufficientFundsForRent { .. } => for_all(group, || Deferral::WalletEmpty.into()),
        TransactionError::MaxLoadedAccountsDataSizeExceeded | TransactionError::TooManyAccountLocks => halve(group),
        error => for_all(group, || {
            CreationError::failed(Failure::Transaction(error.clone().into()))
        }),
    }
}

fn blame(
    (creation, step): (&Creation, Step),
    error: &InstructionError,
    group: &Group,
    rules: Rules<'_>,
) -> Consequences {
    let pda = creation.request.pda;
    let owner_program = creation.request.owner_program;
    let (program, known) = match (step, rules.mark_created) {
        (Step::Mark, Some(mark)) => (mark.factory, KnownProgram::Factory),
        _ if owner_program == SESSION_PROGRAM_ID => (owner_program, KnownProgram::Session),
        _ => (owner_program, KnownProgram::Other),
    };
    let error = ProgramError::new(known, error.clone());
    match error.meaning() {
        // The next reading says whether the account is the one that was asked for.
        Meaning::AlreadyExists => Consequences {
            troubles: vec![(pda, Failure::Program { program, error })],
            ..Consequences::default()
        },
        Meaning::WalletTooLow => for_all(group, || Deferral::WalletEmpty.into()),
        Meaning::TooMuch if group.creations.len() > 1 => halve(group),
        Meaning::Permanent => {
            let rejection = Rejection::RefusedByProgram { program, error };
            Consequences {
                answers: vec![(pda, rejection.into())],
                ..Consequences::default()
            }
        }
        Meaning::TooMuch | Meaning::Unknown => {
            let failure = CreationError::failed(Failure::Program { program, error });
            Consequences {
                answers: vec![(pda, failure)],
                ..Consequences::default()
            }
        }
    }
}

fn halve(group: &Group) -> Consequences {
    let half = (group.creations.len() / 2).max(1);
    Consequences {
        max_creations: Some(half),
        ..Consequences::default()
    }
}

fn for_all(group: &Group, answer: impl Fn() -> CreationError) -> Consequences {
    let answers = group
        .creations
        .iter()
        .map(|creation| (creation.request.pda, answer()))
        .collect();
    Consequences {
        answers,
        ..Consequences::default()
    }
}

#[cfg(test)]
mod tests {
    use session_events::session_address;

    use super::*;
    use crate::request::claim::CreationRequest;
    use crate::transaction::instruction::InstructionShape;
    use crate::transaction::message::WireFormat;
    use crate::transaction::plan::plan;

    const TERMS: Terms = Terms {
        compute_units: 1,
        priority_fee_lamports: 0,
    };

    fn after(place: u8, error: InstructionError) -> (Group, Consequences) {
        after_transaction(&TransactionError::InstructionError(place, error))
    }

    fn after_transaction(error: &TransactionError) -> (Group, Consequences) {
        let shape = InstructionShape::default();
        let rules = Rules {
            format: WireFormat::V1,
            shape: &shape,
            mark_created: None,
            max_creations: usize::MAX,
        };
        let creation = |seed: u8| {
            let session_owner = Pubkey::new_from_array([seed; 32]);
            let (pda, bump) = session_address(&SESSION_PROGRAM_ID, &session_owner, "s").unwrap();
            let session_id = "s".to_owned();
            let request = CreationRequest {
                pda,
                owner_program: SESSION_PROGRAM_ID,
                session_owner,
                session_id,
                size: 1,
            };
            Creation {
                request,
                bump,
                prefunded: 0,
            }
        };
        let group = plan((0..6).map(creation).collect(), rules).remove(0);
        let consequences = consequences(&error.clone().into(), &group, TERMS, rules);
        (group, consequences)
    }

    #[test]
    fn only_the_creation_to_blame_is_answered() {
        let (group, consequences) = after(2, InstructionError::Custom(6_009));
        let [(pda, error)] = &consequences.answers[..] else {
            panic!("{consequences:?}")
        };
        assert_eq!(*pda, group.pdas()[2]);
        assert_eq!(error.reason_code(), "refused_by_program");

        let (group, consequences) = after(4, InstructionError::Custom(77));
        let [(pda, error)] = &consequences.answers[..] else {
            panic!("{consequences:?}")
        };
        assert_eq!(*pda, group.pdas()[4]);
        assert_eq!(error.reason_code(), "program_failed");
    }

    #[test]
    fn an_account_that_exists_is_looked_at_again() {
        let (group, consequences) = after(5, InstructionError::Custom(6_010));
        assert!(consequences.answers.is_empty());
        assert_eq!(consequences.troubles[0].0, group.pdas()[5]);
    }

    #[test]
    fn too_much_in_one_transaction_halves_the_next_and_blames_nobody() {
        let (_, consequences) = after(3, InstructionError::MaxInstructionTraceLengthExceeded);
        assert_eq!(consequences.max_creations, Some(3));
        assert!(consequences.answers.is_empty());
    }

    #[test]
    fn an_empty_wallet_defers_everybody() {
        for error in [
            TransactionError::InsufficientFundsForFee,
            TransactionError::InstructionError(1, InstructionError::Custom(1)),
        ] {
            let (group, consequences) = after_transaction(&error);
            assert_eq!(consequences.answers.len(), group.creations.len());
            assert!(
                consequences
                    .answers
                    .iter()
                    .all(|(_, error)| error.reason_code() == "wallet_empty")
            );
        }
    }

    #[test]
    fn an_unknown_blockhash_is_not_used_again() {
        let (_, consequences) = after_transaction(&TransactionError::BlockhashNotFound);
        assert!(consequences.blockhash_is_stale && consequences.answers.is_empty());
    }
}
