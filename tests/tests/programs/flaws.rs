//! Flaws that several instructions of the factory have in common, with the codes of Anchor's framework.

use solana_sdk::{instruction::AccountMeta, pubkey::Pubkey};

use crate::{
    attempt::{Attempt, copy_of},
    sessions::state_of_factory,
    svm::{HOSTILE_ID, Svm},
};

/// `AccountNotEnoughKeys`: fewer accounts than `COUNT + 1`.
pub(crate) fn cut<A, const COUNT: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    attempt.accounts.truncate(COUNT);
}

/// `AccountNotSigner`.
pub(crate) fn unsigned<A, const PLACE: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    attempt.accounts[PLACE].is_signer = false;
}

/// `ConstraintMut`. An account that is there twice is writable if either is.
pub(crate) fn read_only<A, const PLACE: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    let address = attempt.accounts[PLACE].pubkey;
    for account in attempt.accounts.iter_mut().filter(|account| account.pubkey == address) {
        account.is_writable = false;
    }
}

/// `InvalidProgramId`.
pub(crate) fn other_program<A, const PLACE: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    attempt.accounts[PLACE].pubkey = HOSTILE_ID;
}

/// `ConstraintSeeds`, where the account is to be created.
pub(crate) fn other_address<A, const PLACE: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    attempt.accounts[PLACE].pubkey = Pubkey::new_unique();
}

/// The system program's `AccountAlreadyInUse`, where the account is to be created.
pub(crate) fn in_use<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    let state = svm.account(&state_of_factory()).unwrap();
    let address = attempt.accounts[PLACE].pubkey;
    // Rich enough for any size, so that nothing is transferred before.
    let account = solana_sdk::account::Account {
        lamports: 1_000_000_000,
        ..state
    };
    svm.chain.set_account(address, account).unwrap();
}

/// `InstructionDidNotDeserialize`: the arguments end too early.
pub(crate) fn short_data<A>(_: &mut Svm, attempt: &mut Attempt<A>) {
    let mut data = (attempt.encode)(&attempt.arguments);
    data.pop();
    attempt.data = Some(data);
}

/// `AccountNotInitialized`: nothing is at the account's address.
pub(crate) fn missing<A, const PLACE: usize>(_: &mut Svm, attempt: &mut Attempt<A>) {
    attempt.accounts[PLACE].pubkey = Pubkey::new_unique();
}

/// `AccountOwnedByWrongProgram`: a perfect copy under another program.
pub(crate) fn foreign<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    replace::<A, PLACE>(svm, attempt, |account| account.owner = HOSTILE_ID);
}

/// `AccountOwnedByWrongProgram`: only lamports are at the address.
pub(crate) fn lamports_alone<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    let address = Pubkey::new_unique();
    svm.fund(&address, 1_000_000_000);
    attempt.accounts[PLACE].pubkey = address;
}

/// `AccountDiscriminatorNotFound`.
pub(crate) fn seven_bytes<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    replace::<A, PLACE>(svm, attempt, |account| account.data.truncate(7));
}

/// `AccountDiscriminatorMismatch`.
pub(crate) fn other_kind<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    replace::<A, PLACE>(svm, attempt, |account| account.data[0] ^= 1);
}

/// `AccountDidNotDeserialize`.
pub(crate) fn undecodable<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    replace::<A, PLACE>(svm, attempt, |account| account.data.truncate(40));
}

/// `ConstraintSeeds`: a perfect copy at another address.
pub(crate) fn elsewhere<A, const PLACE: usize>(svm: &mut Svm, attempt: &mut Attempt<A>) {
    replace::<A, PLACE>(svm, attempt, |_| ());
}

fn replace<A, const PLACE: usize>(
    svm: &mut Svm,
    attempt: &mut Attempt<A>,
    change: impl FnOnce(&mut solana_sdk::account::Account),
) {
    let AccountMeta { pubkey, .. } = &mut attempt.accounts[PLACE];
    // What another flaw has put there already is spoilt as well, where there is anything.
    let original = if svm.account(pubkey).is_some() {
        *pubkey
    } else {
        state_of_factory()
    };
    *pubkey = copy_of(svm, &original, change);
}
