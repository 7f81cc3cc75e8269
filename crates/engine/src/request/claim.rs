//! From a claim on chain to a request that may be served. Pure.

use session_events::{PdaComputedEvent, PdaError, session_address};
use solana_pubkey::{MAX_SEED_LEN, Pubkey};

use crate::request::policy::Policy;
use crate::request::rejection::Rejection;

/// An account to create; its address follows from its seeds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CreationRequest {
    /// The account's address.
    pub pda: Pubkey,
    /// The program that will own it.
    pub owner_program: Pubkey,
    /// The session's owner, a seed of the address.
    pub session_owner: Pubkey,
    /// The session's id, a seed of the address: 32 bytes at most.
    pub session_id: String,
    /// Bytes of data.
    pub size: u64,
    /// Who answers for the spending, where that is known: the fee payer of the transaction that asks.
    pub requester: Option<Pubkey>,
    /// The slot of the event that asks, where that is known.
    pub asked_at_slot: Option<u64>,
}

/// Checks a claim against the policy and re-derives its address.
///
/// # Errors
/// The rule that it breaks, with the number and the limit. Such a claim can never succeed.
pub fn validate(event: &PdaComputedEvent, policy: &Policy) -> Result<CreationRequest, Rejection> {
    let request = CreationRequest {
        pda: event.expected_pda,
        owner_program: event.expected_owner,
        session_owner: event.owner,
        session_id: event.session_id.clone(),
        size: event.expected_size,
        requester: None,
        asked_at_slot: None,
    };
    request.bump()?;
    if event.expected_size > policy.max_account_size {
        return Err(Rejection::SizeOverLimit {
            size: event.expected_size,
            limit: policy.max_account_size,
        });
    }
    if !policy.allowed_owner_programs.contains(&event.expected_owner) {
        return Err(Rejection::OwnerProgramNotAllowed {
            program: event.expected_owner,
            allowed: policy.allowed_owner_programs.len(),
        });
    }
    Ok(request)
}

impl CreationRequest {
    /// Whose budget the account counts against: the requester's, else that of the session's owner, which is only claimed.
    #[must_use]
    pub fn answerable(&self) -> Pubkey {
        self.requester.unwrap_or(self.session_owner)
    }

    /// Whether `other` asks for the same account, whoever asks and when.
    pub(crate) fn is_for_the_same_account(&self, other: &Self) -> bool {
        (self.pda, self.owner_program, self.size) == (other.pda, other.owner_program, other.size)
    }

    /// The bump of the address.
    ///
    /// # Errors
    /// [`Rejection`] if the address does not follow from the seeds.
    pub(crate) fn bump(&self) -> Result<u8, Rejection> {
        let derived = session_address(&self.owner_program, &self.session_owner, &self.session_id);
        match derived {
            Ok((derived, bump)) if derived == self.pda => Ok(bump),
            Ok((derived, _)) => Err(Rejection::AddressMismatch {
                expected: self.pda,
                derived,
            }),
            Err(PdaError::SessionIdTooLong { length, .. }) => Err(Rejection::SessionIdTooLong {
                length,
                limit: MAX_SEED_LEN,
            }),
            Err(PdaError::NoAddress { program }) => Err(Rejection::NoAddress { program }),
        }
    }
}

#[cfg(test)]
mod tests {
    use session_events::session::SESSION_PROGRAM_ID;

    use super::*;

    fn event() -> PdaComputedEvent {
        let owner = Pubkey::new_from_array([3; 32]);
        let (expected_pda, _) = session_address(&SESSION_PROGRAM_ID, &owner, "a session").unwrap();
        PdaComputedEvent {
            expected_pda,
            expected_size: 512,
            expected_owner: SESSION_PROGRAM_ID,
            session_id: "a session".to_owned(),
            owner,
            eval_program: Pubkey::default(),
            shard_address: SESSION_PROGRAM_ID,
            namespaces: Vec::new(),
            compute_slot: 7,
        }
    }

    #[test]
    fn a_claim_that_keeps_the_rules_is_a_request() {
        let request = validate(&event(), &Policy::default()).unwrap();
        assert_eq!(request.pda, event().expected_pda);
        assert_eq!(request.size, 512);
    }

    #[test]
    fn an_address_that_does_not_follow_from_the_seeds_is_refused() {
        let claimed = Pubkey::new_from_array([9; 32]);
        let forged = PdaComputedEvent {
            expected_pda: claimed,
            ..event()
        };
        assert_eq!(
            validate(&forged, &Policy::default()),
            Err(Rejection::AddressMismatch {
                expected: claimed,
                derived: event().expected_pda
            })
        );
    }

    #[test]
    fn an_id_that_is_no_seed_is_refused_with_its_length() {
        let long = PdaComputedEvent {
            session_id: "x".repeat(33),
            ..event()
        };
        assert_eq!(
            validate(&long, &Policy::default()),
            Err(Rejection::SessionIdTooLong { length: 33, limit: 32 })
        );
    }

    #[test]
    fn the_size_limit_is_the_last_size_that_passes() {
        let policy = Policy {
            max_account_size: 1_000,
            ..Policy::default()
        };
        assert!(
            validate(
                &PdaComputedEvent {
                    expected_size: 1_000,
                    ..event()
                },
                &policy
            )
            .is_ok()
        );
        assert_eq!(
            validate(
                &PdaComputedEvent {
                    expected_size: 1_001,
                    ..event()
                },
                &policy
            ),
            Err(Rejection::SizeOverLimit {
                size: 1_001,
                limit: 1_000
            })
        );
    }

    #[test]
    fn a_program_outside_the_list_is_refused() {
        let policy = Policy {
            allowed_owner_programs: std::iter::empty().collect(),
            ..Policy::default()
        };
        assert_eq!(
            validate(&event(), &policy),
            Err(Rejection::OwnerProgramNotAllowed {
                program: SESSION_PROGRAM_ID,
                allowed: 0
            })
        );
    }
}
