//! An instruction of the factory that is to be spoilt, and the order in which its flaws are found.

use session_events::factory::SESSION_FACTORY_ID;
use solana_sdk::{
    account::Account,
    instruction::{AccountMeta, Instruction},
    pubkey::Pubkey,
    signature::Keypair,
};

use crate::svm::Svm;

/// An instruction before it is sent. Nobody in it pays the transaction's fee, so that every flag can be unset.
pub(crate) struct Attempt<A> {
    pub(crate) arguments: A,
    pub(crate) encode: fn(&A) -> Vec<u8>,
    pub(crate) accounts: Vec<AccountMeta>,
    pub(crate) wallet: Keypair,
    /// Bytes in the place of the arguments'.
    pub(crate) data: Option<Vec<u8>>,
}

/// A way to spoil an attempt, and the code with which it is refused.
pub(crate) type Flaw<A> = (u32, fn(&mut Svm, &mut Attempt<A>));

impl<A> Attempt<A> {
    /// The instruction, with `wallet` in the role of whoever signs it.
    pub(crate) fn new(arguments: A, encode: fn(&A) -> Vec<u8>, accounts: Vec<AccountMeta>, wallet: Keypair) -> Self {
        Self {
            arguments,
            encode,
            accounts,
            wallet,
            data: None,
        }
    }

    /// The code with which it is refused.
    pub(crate) fn refusal(self, svm: &mut Svm) -> u32 {
        let (instruction, wallet) = self.into_instruction();
        svm.refusal(instruction, &signers(wallet.as_ref()))
    }

    /// The instruction, and the wallet if it has to sign.
    pub(crate) fn into_instruction(self) -> (Instruction, Option<Keypair>) {
        let data = self.data.unwrap_or_else(|| (self.encode)(&self.arguments));
        let signs = self.accounts.iter().any(|account| account.is_signer);
        let instruction = Instruction {
            program_id: SESSION_FACTORY_ID,
            accounts: self.accounts,
            data,
        };
        (instruction, signs.then_some(self.wallet))
    }
}

fn signers(wallet: Option<&Keypair>) -> Vec<&Keypair> {
    wallet.into_iter().collect()
}

/// Fails unless each flaw is refused by its code: alone, and with all the flaws after it in the list, which are looked
/// for later.
pub(crate) fn assert_order<A>(new: fn(&mut Svm) -> Attempt<A>, flaws: &[Flaw<A>]) {
    for (place, (code, spoil)) in flaws.iter().enumerate() {
        let mut svm = Svm::with_factory();
        let mut alone = new(&mut svm);
        spoil(&mut svm, &mut alone);
        assert_eq!(alone.refusal(&mut svm), *code, "flaw {place} alone");

        let mut svm = Svm::with_factory();
        let mut with_all_after = new(&mut svm);
        for (_, spoil) in flaws[place..].iter().rev() {
            spoil(&mut svm, &mut with_all_after);
        }
        assert_eq!(
            with_all_after.refusal(&mut svm),
            *code,
            "flaw {place} before those after it"
        );
    }
}

/// Puts at a new address what another account holds, but for what `change` does to it.
pub(crate) fn copy_of(svm: &mut Svm, original: &Pubkey, change: impl FnOnce(&mut Account)) -> Pubkey {
    let mut copy = svm.account(original).unwrap();
    change(&mut copy);
    let address = Pubkey::new_unique();
    svm.chain.set_account(address, copy).unwrap();
    address
}

/// A wallet that can pay for everything.
pub(crate) fn wallet(svm: &mut Svm) -> Keypair {
    svm.wallet(10_000_000_000)
}
