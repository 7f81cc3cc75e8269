//! What a transaction's failure means for each of its creations. Pure.

use session_chain::TransactionFailure;
use session_events::session::SESSION_PROGRAM_ID;
use solana_pubkey::Pubkey;
use solana_sdk::instruction::InstructionError;
use solana_sdk::transaction::TransactionError;

use crate::transaction::cost::MAX_COMPUTE_UNITS;
use crate::transaction::message::Terms;
use crate::transaction::plan::{Creation, Group, Rules, Step};
use crate::transaction::program_error::{KnownProgram, Meaning, ProgramError};

/// Consequences of a failed transaction. Creations that are not named go on in the next transaction.
#[derive(Debug, Default)]
pub(crate) struct Consequences {
    /// What it means for one creation that is to blame, or for all of them.
    pub(crate) verdicts: Vec<(Pubkey, Verdict)>,
    /// Fewer creations in a transaction from now on.
    pub(crate) max_creations: Option<usize>,
    /// Creations of this program need more compute units than they were given.
    pub(crate) short_of_units: Option<Pubkey>,
    /// The blockhash is not to be used again.
    pub(crate) blockhash_is_stale: bool,
}

/// What a failed transaction means for one of its creations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The account is there, says the program: the next reading tells whether it is the one that was asked for.
    Exists,
    /// The program says no, and will say so again.
    Refused { program: Pubkey, error: ProgramError },
    /// The program failed, and may succeed later.
    Failed { program: Pubkey, error: ProgramError },
    /// The transaction failed, and nobody else can be to blame.
    Transaction(TransactionFailure),
    /// The payer has too little.
    WalletEmpty,
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
            Some((creation, _)) => one(creation, Verdict::Transaction(failure.clone())),
            None => bisect(group, failure),
        },
        TransactionFailure::Unknown(_) => bisect(group, failure),
    }
}

fn known_consequences(error: &TransactionError, group: &Group, terms: Terms, rules: Rules<'_>) -> Consequences {
    let failure = || TransactionFailure::Known(error.clone());
    match error {
        TransactionError::InstructionError(_, error)
            if is_short_of_units(error) && terms.compute_units < MAX_COMPUTE_UNITS =>
        {
            Consequences {
                short_of_units: group.creations.first().map(|creation| creation.request.owner_program),
                ..Consequences::default()
            }
        }
        TransactionError::InstructionError(place, error) => {
            match group.culprit(usize::from(*place), error, terms, rules) {
                Some((creation, step, error)) => blame((creation, step), &error, group, rules),
                None => bisect(group, &failure()),
            }
        }
        TransactionError::BlockhashNotFound => Consequences {
            blockhash_is_stale: true,
            ..Consequences::default()
        },
        // The payer is the transaction's first account.
        TransactionError::InsufficientFundsForFee
        | TransactionError::AccountNotFound
        | TransactionError::InsufficientFundsForRent { account_index: 0 } => all(group, &Verdict::WalletEmpty),
        TransactionError::MaxLoadedAccountsDataSizeExceeded | TransactionError::TooManyAccountLocks => halve(group),
        // They say what is wrong and not with whom: halves tell.
        _ => bisect(group, &failure()),
    }
}

/// The runtime has a name for it, and the VM that runs out of them says only that the program did not come to its end.
fn is_short_of_units(error: &InstructionError) -> bool {
    matches!(
        error,
        InstructionError::ComputationalBudgetExceeded | InstructionError::ProgramFailedToComplete
    )
}

fn blame(
    (creation, step): (&Creation, Step),
    error: &InstructionError,
    group: &Group,
    rules: Rules<'_>,
) -> Consequences {
    let owner_program = creation.request.owner_program;
    let (program, known) = match (step, rules.mark_created) {
        (Step::Mark, Some(mark)) => (mark.factory, KnownProgram::Factory),
        _ if owner_program == SESSION_PROGRAM_ID => (owner_program, KnownProgram::Session),
        _ => (owner_program, KnownProgram::Other),
    };
    let error = ProgramError::new(known, error.clone());
    match error.meaning() {
        Meaning::AlreadyExists => one(creation, Verdict::Exists),
        Meaning::WalletTooLow => all(group, &Verdict::WalletEmpty),
        Meaning::TooMuch if group.creations.len() > 1 => halve(group),
        Meaning::Permanent => one(creation, Verdict::Refused { program, error }),
        Meaning::TooMuch | Meaning::Unknown => one(creation, Verdict::Failed { program, error }),
    }
}

fn one(creation: &Creation, verdict: Verdict) -> Consequences {
    Consequences {
        verdicts: vec![(creation.request.pda, verdict)],
        ..Consequences::default()
    }
}

fn all(group: &Group, verdict: &Verdict) -> Consequences {
    Consequences {
        verdicts: group.pdas().into_iter().map(|pda| (pda, verdict.clone())).collect(),
        ..Consequences::default()
    }
}

fn halve(group: &Group) -> Consequences {
    let half = (group.creations.len() / 2).max(1);
    Consequences {
        max_creations: Some(half),
        ..Consequences::default()
    }
}

/// One creation alone is to blame for what it did; of several nobody is yet.
fn bisect(group: &Group, failure: &TransactionFailure) -> Consequences {
    match &group.creations[..] {
        [alone] => one(alone, Verdict::Transaction(failure.clone())),
        _ => halve(group),
    }
}

#[cfg(test)]
mod tests {
    use session_events::session_address;

    use super::*;
    use crate::request::claim::CreationRequest;
    use crate::transaction::cost::{Start, USUAL_UNITS};
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

    /// What follows for six creations with an instruction each.
    fn after_transaction(error: &TransactionError) -> (Group, Consequences) {
        let singly = InstructionShape {
            batch: None,
            ..InstructionShape::default()
        };
        after_transaction_of(&singly, error)
    }

    fn after_transaction_of(shape: &InstructionShape, error: &TransactionError) -> (Group, Consequences) {
        after_transaction_on(shape, error, TERMS)
    }

    fn after_transaction_on(shape: &InstructionShape, error: &TransactionError, terms: Terms) -> (Group, Consequences) {
        let rules = Rules {
            format: WireFormat::V1,
            shape,
            mark_created: None,
            base_units: USUAL_UNITS,
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
                requester: None,
                asked_at_slot: None,
            };
            Creation {
                request,
                bump,
                start: Start::Nothing,
                prefunded: 0,
            }
        };
        let group = plan((0..6).map(creation).collect(), rules).remove(0);
        let consequences = consequences(&error.clone().into(), &group, terms, rules);
        (group, consequences)
    }

    #[test]
    fn only_the_creation_to_blame_is_judged() {
        let (group, consequences) = after(2, InstructionError::Custom(6_009));
        let [(pda, verdict)] = &consequences.verdicts[..] else {
            panic!("{consequences:?}")
        };
        assert_eq!(*pda, group.pdas()[2]);
        assert!(matches!(verdict, Verdict::Refused { .. }));

        let (group, consequences) = after(4, InstructionError::Custom(77));
        let [(pda, verdict)] = &consequences.verdicts[..] else {
            panic!("{consequences:?}")
        };
        assert_eq!(*pda, group.pdas()[4]);
        assert!(matches!(verdict, Verdict::Failed { .. }));
    }

    #[test]
    fn a_member_of_an_instruction_for_many_is_judged_like_any_other() {
        let many = InstructionShape::default();
        let error = |code| TransactionError::InstructionError(0, InstructionError::Custom(code));
        let (group, consequences) = after_transaction_of(&many, &error(6_009_004));
        let [(pda, Verdict::Refused { error: refused, .. })] = &consequences.verdicts[..] else {
            panic!("{consequences:?}")
        };
        assert_eq!(*pda, group.pdas()[4]);
        assert_eq!(refused.to_string(), "SizeTooLarge (6009)");

        let (group, consequences) = after_transaction_of(&many, &error(6_010_001));
        assert_eq!(consequences.verdicts[0].0, group.pdas()[1]);
        assert!(matches!(consequences.verdicts[0].1, Verdict::Exists));

        let (group, consequences) = after_transaction_of(&many, &error(1));
        assert_eq!(
            consequences.verdicts.len(),
            group.creations.len(),
            "an empty wallet is everybody's"
        );

        let (_, consequences) = after_transaction_of(&many, &error(101));
        assert_eq!(
            consequences.max_creations,
            Some(3),
            "a program that has no such instruction gets one each in the end"
        );
    }

    #[test]
    fn an_account_that_exists_is_looked_at_again() {
        let (group, consequences) = after(5, InstructionError::Custom(6_010));
        assert_eq!(consequences.verdicts[0].0, group.pdas()[5]);
        assert!(matches!(consequences.verdicts[0].1, Verdict::Exists));
    }

    #[test]
    fn too_much_in_one_transaction_halves_the_next_and_blames_nobody() {
        let (_, consequences) = after(3, InstructionError::MaxInstructionTraceLengthExceeded);
        assert_eq!(consequences.max_creations, Some(3));
        assert!(consequences.verdicts.is_empty());
    }

    #[test]
    fn too_few_compute_units_are_raised_and_neither_blamed_nor_halved() {
        for error in [
            InstructionError::ComputationalBudgetExceeded,
            InstructionError::ProgramFailedToComplete,
        ] {
            let (_, consequences) = after(3, error.clone());
            assert_eq!(consequences.short_of_units, Some(SESSION_PROGRAM_ID));
            assert!(consequences.verdicts.is_empty() && consequences.max_creations.is_none());
            // With all that there are, it is somebody's own.
            let most = Terms {
                compute_units: MAX_COMPUTE_UNITS,
                ..TERMS
            };
            let shape = InstructionShape {
                batch: None,
                ..InstructionShape::default()
            };
            let failed = TransactionError::InstructionError(3, error);
            let (_, consequences) = after_transaction_on(&shape, &failed, most);
            assert_eq!(consequences.short_of_units, None);
        }
    }

    #[test]
    fn an_error_that_names_nobody_is_bisected_down_to_one() {
        let (_, consequences) = after_transaction(&TransactionError::ProgramAccountNotFound);
        assert_eq!(consequences.max_creations, Some(3));
        assert!(consequences.verdicts.is_empty());
        let unknown = TransactionFailure::Unknown("OfNextYear".to_owned());
        let (mut group, _) = after_transaction(&TransactionError::AccountInUse);
        group.creations.truncate(1);
        let consequences = bisect(&group, &unknown);
        assert_eq!(
            consequences.verdicts,
            [(group.pdas()[0], Verdict::Transaction(unknown))]
        );
    }

    #[test]
    fn an_empty_wallet_is_everybodys() {
        for error in [
            TransactionError::InsufficientFundsForFee,
            TransactionError::InsufficientFundsForRent { account_index: 0 },
            TransactionError::InstructionError(1, InstructionError::Custom(1)),
        ] {
            let (group, consequences) = after_transaction(&error);
            assert_eq!(consequences.verdicts.len(), group.creations.len());
            assert!(
                consequences
                    .verdicts
                    .iter()
                    .all(|(_, verdict)| *verdict == Verdict::WalletEmpty)
            );
        }
    }

    #[test]
    fn an_unknown_blockhash_is_not_used_again() {
        let (_, consequences) = after_transaction(&TransactionError::BlockhashNotFound);
        assert!(consequences.blockhash_is_stale && consequences.verdicts.is_empty());
    }
}
