//! Whether what is at an address is the account that was asked for (`docs/invariants.md`, 5). Pure.

use session_chain::{AccountState, RentRate};
use session_events::session::is_initialised_as;

use crate::request::claim::CreationRequest;
use crate::verify::mismatch::Mismatch;

/// What is at the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing, or lamports that somebody sent beforehand: the account is still to be created.
    Missing {
        /// Lamports already there (they don't make it exist).
        prefunded: u64,
    },
    /// An account of the right program that nobody has used, and that somebody has made too short: it can be grown.
    Short {
        /// Lamports already there.
        lamports: u64,
        /// What is wrong with it as it is.
        mismatch: Mismatch,
    },
    /// The account that was asked for. It may be longer: whoever has created it has paid for that.
    Verified,
    /// Something else.
    Mismatched(Mismatch),
}

/// Compares what is on chain with what was asked for. The address was re-derived when the request was validated.
pub(crate) fn judge(request: &CreationRequest, account: Option<&AccountState>) -> Standing {
    let Some(account) = account else {
        return Standing::Missing { prefunded: 0 };
    };
    if account.owner == solana_system_interface::program::ID && account.data.is_empty() && !account.executable {
        return Standing::Missing {
            prefunded: account.lamports,
        };
    }
    match compare(request, account) {
        Ok(()) => Standing::Verified,
        Err(mismatch @ Mismatch::Length { .. }) if is_zeroed(&account.data) => Standing::Short {
            lamports: account.lamports,
            mismatch,
        },
        Err(mismatch) => Standing::Mismatched(mismatch),
    }
}

fn compare(request: &CreationRequest, account: &AccountState) -> Result<(), Mismatch> {
    if account.owner != request.owner_program {
        return Err(Mismatch::Owner {
            expected: request.owner_program,
            found: account.owner,
        });
    }
    if account.executable {
        return Err(Mismatch::Executable);
    }
    let found = account.data.len() as u64;
    if found < request.size {
        return Err(Mismatch::Length {
            expected: request.size,
            found,
        });
    }
    if is_zeroed(&account.data) || is_same_session(request, &account.data) {
        return Ok(());
    }
    let beginning = account.data.iter().take(16).copied().collect();
    Err(Mismatch::Content { beginning })
}

/// Whether the account holds less than its length requires today. The runtime let it be created at the rate of its slot,
/// and rates change in both directions: that is worth counting, and no reason to refuse it.
pub(crate) fn is_below_minimum(account: &AccountState, rent: RentRate) -> bool {
    account.lamports < rent.exempt_minimum(account.data.len() as u64)
}

fn is_zeroed(data: &[u8]) -> bool {
    data.iter().all(|byte| *byte == 0)
}

fn is_same_session(request: &CreationRequest, data: &[u8]) -> bool {
    is_initialised_as(data, &request.session_owner, &request.session_id)
}

#[cfg(test)]
mod tests {
    use session_events::session::SESSION_STATE;
    use solana_pubkey::Pubkey;

    use super::*;

    fn request() -> CreationRequest {
        CreationRequest {
            pda: Pubkey::new_from_array([1; 32]),
            owner_program: Pubkey::new_from_array([2; 32]),
            session_owner: Pubkey::new_from_array([3; 32]),
            session_id: "id".to_owned(),
            size: 100,
            requester: None,
            asked_at_slot: None,
        }
    }

    fn created() -> AccountState {
        AccountState {
            lamports: 1_000,
            owner: request().owner_program,
            executable: false,
            data: vec![0; 100],
        }
    }

    fn judged(account: &AccountState) -> Standing {
        judge(&request(), Some(account))
    }

    #[test]
    fn nothing_and_lamports_alone_are_no_account() {
        assert_eq!(judge(&request(), None), Standing::Missing { prefunded: 0 });
        let griefed = AccountState {
            lamports: 5,
            owner: solana_system_interface::program::ID,
            executable: false,
            data: Vec::new(),
        };
        assert_eq!(judged(&griefed), Standing::Missing { prefunded: 5 });
    }

    #[test]
    fn zeroes_and_the_same_session_are_verified() {
        assert_eq!(judged(&created()), Standing::Verified);
        let mut initialised = created();
        let beginning = [&SESSION_STATE[..], &[3; 32], &[8; 32], &[2, 0, 0, 0], b"id", &[77]].concat();
        initialised.data[..beginning.len()].copy_from_slice(&beginning);
        assert_eq!(judged(&initialised), Standing::Verified);
    }

    #[test]
    fn an_account_that_is_too_short_and_unused_can_be_grown_and_a_longer_one_is_verified() {
        for length in [0, 99] {
            let short = AccountState {
                data: vec![0; length],
                ..created()
            };
            let Standing::Short { lamports, mismatch } = judged(&short) else {
                panic!("{length} bytes: {:?}", judged(&short))
            };
            assert_eq!((lamports, mismatch.reason_code()), (1_000, "length_mismatch"));
        }
        let longer = AccountState {
            data: vec![0; 10_240],
            ..created()
        };
        assert_eq!(judged(&longer), Standing::Verified);
    }

    #[test]
    fn every_difference_is_named() {
        let other = Pubkey::new_from_array([8; 32]);
        let cases = [
            (
                AccountState {
                    owner: other,
                    ..created()
                },
                "owner_mismatch",
            ),
            (
                AccountState {
                    data: vec![1; 99],
                    ..created()
                },
                "length_mismatch",
            ),
            (
                AccountState {
                    executable: true,
                    ..created()
                },
                "executable_account",
            ),
            (
                AccountState {
                    data: vec![1; 100],
                    ..created()
                },
                "content_mismatch",
            ),
        ];
        for (account, code) in cases {
            let Standing::Mismatched(mismatch) = judged(&account) else {
                panic!("{code} was not seen")
            };
            assert_eq!(mismatch.reason_code(), code);
        }
    }

    #[test]
    fn an_account_below_todays_minimum_is_verified_and_seen() {
        let rate_of_its_slot = RentRate::new(5);
        let account = AccountState {
            lamports: rate_of_its_slot.exempt_minimum(100),
            ..created()
        };
        assert_eq!(judged(&account), Standing::Verified);
        assert!(!is_below_minimum(&account, rate_of_its_slot));
        assert!(is_below_minimum(&account, RentRate::new(6)));
    }

    #[test]
    fn another_session_of_the_same_program_is_a_mismatch() {
        let mut initialised = created();
        let beginning = [&SESSION_STATE[..], &[3; 32], &[8; 32], &[2, 0, 0, 0], b"ie"].concat();
        initialised.data[..beginning.len()].copy_from_slice(&beginning);
        assert!(matches!(
            judged(&initialised),
            Standing::Mismatched(Mismatch::Content { .. })
        ));
    }
}
