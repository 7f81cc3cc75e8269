//! Names for the numbers that programs fail with.

use std::fmt;

use solana_sdk::instruction::InstructionError;

/// Why an instruction failed, with its number's name where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramError {
    program: KnownProgram,
    error: InstructionError,
}

/// Whose numbers an error's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownProgram {
    /// The program `session` that this project ships.
    Session,
    /// `session_factory`.
    Factory,
    /// Another owner program: only the framework's and the system program's numbers are known.
    Other,
}

/// What a failed creation means for the ones around it and for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The account is there already: reading it decides.
    AlreadyExists,
    /// The payer has too little.
    WalletTooLow,
    /// There was too much in the transaction.
    TooMuch,
    /// The program will say the same again.
    Permanent,
    /// Anything else may pass.
    Unknown,
}

/// Codes of the system program (`SystemError`), which reach us through a CPI under the caller's name.
const SYSTEM_ACCOUNT_ALREADY_IN_USE: u32 = 0;
pub(crate) const SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS: u32 = 1;

/// Numbers of programs begin here (programs/README.md; Anchor's convention).
pub(crate) const FIRST_OWN_CODE: u32 = 6_000;

/// Errors of the program `session`, from 6000 (programs/README.md).
const SESSION_ERRORS: [&str; 20] = [
    "UnknownInstruction",
    "MalformedArguments",
    "MissingAccount",
    "PayerNotSigner",
    "PayerNotWritable",
    "SessionNotWritable",
    "WrongSystemProgram",
    "SessionIdTooLong",
    "WrongSessionAddress",
    "SizeTooLarge",
    "SessionExists",
    "SessionMissing",
    "SessionTooSmall",
    "SessionInitialized",
    "UnexpectedAccount",
    "OwnerNotSigner",
    "WrongOwner",
    "OwnerNotWritable",
    "InvalidEvalProgram",
    "SessionNotInitialized",
];
const SESSION_ID_TOO_LONG: u32 = 6_007;
const WRONG_SESSION_ADDRESS: u32 = 6_008;
const SIZE_TOO_LARGE: u32 = 6_009;
const SESSION_EXISTS: u32 = 6_010;

/// Errors of `session_factory`, from 6000 (its IDL). What Anchor checks for it has Anchor's numbers.
const FACTORY_ERRORS: [&str; 17] = [
    "InvalidOwner",
    "InvalidEvalProgram",
    "InvalidSessionId",
    "TooManyNamespaces",
    "InvalidShard",
    "NotAuthorized",
    "InvalidReservationId",
    "InvalidReservationDuration",
    "InvalidReservationConfig",
    "ReservationExpired",
    "ReservationAlreadyUsed",
    "QueueFull",
    "InvalidDeadline",
    "InvalidQueueIndex",
    "InitDeadlinePassed",
    "SessionMismatch",
    "SessionAlreadyActive",
];

impl ProgramError {
    pub(crate) fn new(program: KnownProgram, error: InstructionError) -> Self {
        Self { program, error }
    }

    /// The number's name, where the error is a number and the name is known.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        let InstructionError::Custom(code) = self.error else {
            return None;
        };
        let own = code
            .checked_sub(FIRST_OWN_CODE)
            .and_then(|place| usize::try_from(place).ok());
        match (own, self.program) {
            (Some(place), KnownProgram::Session) => SESSION_ERRORS.get(place).copied(),
            (Some(place), KnownProgram::Factory) => FACTORY_ERRORS.get(place).copied(),
            _ => shared_name(code),
        }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        match (&self.error, self.program) {
            (InstructionError::Custom(SESSION_EXISTS), KnownProgram::Session) => Meaning::AlreadyExists,
            (
                InstructionError::Custom(SESSION_ID_TOO_LONG | WRONG_SESSION_ADDRESS | SIZE_TOO_LARGE),
                KnownProgram::Session,
            ) => Meaning::Permanent,
            (error, _) => shared_meaning(error),
        }
    }
}

fn shared_meaning(error: &InstructionError) -> Meaning {
    match error {
        InstructionError::Custom(SYSTEM_ACCOUNT_ALREADY_IN_USE) | InstructionError::AccountAlreadyInitialized => {
            Meaning::AlreadyExists
        }
        InstructionError::Custom(SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS) | InstructionError::InsufficientFunds => {
            Meaning::WalletTooLow
        }
        InstructionError::ComputationalBudgetExceeded
        | InstructionError::MaxInstructionTraceLengthExceeded
        | InstructionError::MaxAccountsDataAllocationsExceeded => Meaning::TooMuch,
        InstructionError::InvalidSeeds
        | InstructionError::MaxSeedLengthExceeded
        | InstructionError::UnsupportedProgramId => Meaning::Permanent,
        _ => Meaning::Unknown,
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.name()) {
            (InstructionError::Custom(code), Some(name)) => write!(formatter, "{name} ({code})"),
            (InstructionError::Custom(code), None) => write!(formatter, "its own error {code}"),
            (error, _) => error.fmt(formatter),
        }
    }
}

/// Names that hold whichever program was called: the system program's, which come up from a CPI, and Anchor's.
fn shared_name(code: u32) -> Option<&'static str> {
    Some(match code {
        SYSTEM_ACCOUNT_ALREADY_IN_USE => "AccountAlreadyInUse",
        SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS => "ResultWithNegativeLamports",
        2 => "InvalidProgramId",
        3 => "InvalidAccountDataLength",
        4 => "MaxSeedLengthExceeded",
        code => return anchor_name(code),
    })
}

/// Anchor's own errors (`anchor_lang::error::ErrorCode`), those that an instruction of these shapes can meet.
fn anchor_name(code: u32) -> Option<&'static str> {
    Some(match code {
        100 => "InstructionMissing",
        101 => "InstructionFallbackNotFound",
        102 => "InstructionDidNotDeserialize",
        103 => "InstructionDidNotSerialize",
        2_000 => "ConstraintMut",
        2_001 => "ConstraintHasOne",
        2_002 => "ConstraintSigner",
        2_003 => "ConstraintRaw",
        2_004 => "ConstraintOwner",
        2_005 => "ConstraintRentExempt",
        2_006 => "ConstraintSeeds",
        2_007 => "ConstraintExecutable",
        2_011 => "ConstraintClose",
        2_012 => "ConstraintAddress",
        2_013 => "ConstraintZero",
        2_019 => "ConstraintSpace",
        2_500 => "RequireViolated",
        3_000 => "AccountDiscriminatorAlreadySet",
        3_001 => "AccountDiscriminatorNotFound",
        3_002 => "AccountDiscriminatorMismatch",
        3_003 => "AccountDidNotDeserialize",
        3_004 => "AccountDidNotSerialize",
        3_005 => "AccountNotEnoughKeys",
        3_006 => "AccountNotMutable",
        3_007 => "AccountOwnedByWrongProgram",
        3_008 => "InvalidProgramId",
        3_009 => "InvalidProgramExecutable",
        3_010 => "AccountNotSigner",
        3_011 => "AccountNotSystemOwned",
        3_012 => "AccountNotInitialized",
        4_100 => "DeclaredProgramIdMismatch",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn custom(program: KnownProgram, code: u32) -> ProgramError {
        ProgramError::new(program, InstructionError::Custom(code))
    }

    #[test]
    fn numbers_are_named_by_their_program_and_unknown_ones_stay_numbers() {
        assert_eq!(custom(KnownProgram::Other, 0).to_string(), "AccountAlreadyInUse (0)");
        assert_eq!(custom(KnownProgram::Other, 2_006).to_string(), "ConstraintSeeds (2006)");
        assert_eq!(custom(KnownProgram::Session, 6_009).to_string(), "SizeTooLarge (6009)");
        assert_eq!(custom(KnownProgram::Factory, 6_005).to_string(), "NotAuthorized (6005)");
        assert_eq!(custom(KnownProgram::Other, 6_009).to_string(), "its own error 6009");
        let builtin = ProgramError::new(KnownProgram::Other, InstructionError::ComputationalBudgetExceeded);
        assert_eq!(
            builtin.to_string(),
            InstructionError::ComputationalBudgetExceeded.to_string()
        );
    }

    #[test]
    fn what_exists_already_is_told_from_what_can_never_exist() {
        assert_eq!(
            custom(KnownProgram::Session, SESSION_EXISTS).meaning(),
            Meaning::AlreadyExists
        );
        assert_eq!(
            custom(KnownProgram::Session, SIZE_TOO_LARGE).meaning(),
            Meaning::Permanent
        );
        assert_eq!(custom(KnownProgram::Other, SIZE_TOO_LARGE).meaning(), Meaning::Unknown);
        assert_eq!(custom(KnownProgram::Other, 1).meaning(), Meaning::WalletTooLow);
        let trace = InstructionError::MaxInstructionTraceLengthExceeded;
        assert_eq!(
            ProgramError::new(KnownProgram::Session, trace).meaning(),
            Meaning::TooMuch
        );
    }
}
