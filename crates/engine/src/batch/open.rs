//! The requests of a batch that have no answer yet, and the answers of the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::counter;
use session_chain::{AccountState, ChainError};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;

use crate::batch::error::{CreationError, Deferral, Failure, Outcome};
use crate::delivery::sending::Signed;
use crate::flights::Answer;
use crate::request::claim::CreationRequest;
use crate::request::rejection::Rejection;
use crate::shared::Shared;
use crate::transaction::cost::SIGNATURE_FEE_LAMPORTS;
use crate::transaction::plan::Creation;
use crate::verify::standing::{Standing, is_below_minimum, judge};

/// Open requests by their PDAs, and what was answered.
pub(crate) struct OpenRequests<'e> {
    shared: &'e Shared,
    works: BTreeMap<Pubkey, Work>,
    answers: Vec<(CreationRequest, Answer)>,
}

/// An open request.
struct Work {
    creation: Creation,
    /// The account was created by this transaction, and is still to be verified.
    landed: Option<Created>,
    /// A transaction that had created the account before its fork was dropped.
    undone: Option<Signature>,
    /// What went wrong last.
    trouble: Option<Failure>,
    /// Lamports that the budget counts as spent.
    charged: u64,
}

struct Created {
    signed: Arc<Signed>,
    slot: u64,
}

impl<'e> OpenRequests<'e> {
    /// Requests with distinct PDAs. One whose address doesn't follow from its seeds is answered at once.
    pub(crate) fn new(shared: &'e Shared, requests: Vec<CreationRequest>) -> Self {
        let mut open = Self {
            shared,
            works: BTreeMap::new(),
            answers: Vec::with_capacity(requests.len()),
        };
        for request in requests {
            match request.bump() {
                Ok(bump) => {
                    let pda = request.pda;
                    let creation = Creation {
                        request,
                        bump,
                        prefunded: 0,
                    };
                    open.works.insert(
                        pda,
                        Work {
                            creation,
                            landed: None,
                            undone: None,
                            trouble: None,
                            charged: 0,
                        },
                    );
                }
                Err(rejection) => open.answers.push((request, Err(rejection.into()))),
            }
        }
        open
    }

    pub(crate) fn pdas(&self) -> Vec<Pubkey> {
        self.works.keys().copied().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }

    /// Every request with its answer; what is still open has its last trouble.
    pub(crate) fn into_answers(mut self) -> Vec<(CreationRequest, Answer)> {
        for work in self.works.into_values() {
            let error = work.unfinished();
            self.answers.push((work.creation.request, Err(error)));
        }
        self.answers
    }

    /// Answers a request whose account exists, and brings one whose account doesn't up to date. Gives a blockhash that
    /// must not be used again.
    pub(crate) fn judge(&mut self, pda: &Pubkey, account: Option<&AccountState>) -> Option<Hash> {
        let work = self.works.get_mut(pda)?;
        match judge(&work.creation.request, account) {
            Standing::Missing { prefunded } => {
                work.creation.prefunded = prefunded;
                let created = work.landed.take()?;
                return self.undo(pda, &created.signed);
            }
            Standing::Verified => {
                if account.is_some_and(|account| is_below_minimum(account, self.shared.cluster.rent())) {
                    counter!("accounts_below_rent_minimum_total").increment(1);
                }
                let outcome = work.landed.take().map_or(Outcome::AlreadyExisted, Created::outcome);
                self.answer(pda, Ok(outcome));
            }
            Standing::Mismatched(mismatch) => self.answer(pda, Err(Rejection::AccountMismatch(mismatch).into())),
        }
        None
    }

    /// A confirmed account is gone: its fork was dropped. The same transaction can land on the other fork, so it is
    /// followed again; if it has landed there and the account is still missing, only another transaction helps.
    fn undo(&mut self, pda: &Pubkey, signed: &Arc<Signed>) -> Option<Hash> {
        let work = self.works.get_mut(pda)?;
        tracing::warn!(%pda, signature = %signed.signature, "a confirmed account is gone again");
        work.trouble = Some(Failure::Vanished(signed.signature));
        if work.undone.replace(signed.signature) == Some(signed.signature) {
            self.refund(pda, 0);
            return Some(signed.blockhash());
        }
        self.shared.unsettled.remember([*pda], signed);
        None
    }

    /// The creations that the budget and the wallets allow; the others get the refusal as their answer.
    pub(crate) fn admit(&mut self, except: &[Pubkey]) -> Vec<Creation> {
        let reserve = self.shared.policy().wallet_reserve_lamports;
        let mut spendable = self.shared.signers.spendable(reserve);
        let mut admitted = Vec::new();
        let mut refused = Vec::new();
        for (pda, work) in self.works.iter_mut().filter(|(pda, _)| !except.contains(pda)) {
            match work.charge(self.shared, &mut spendable) {
                Ok(()) => admitted.push(work.creation.clone()),
                Err(deferral) => refused.push((*pda, deferral)),
            }
        }
        for (pda, deferral) in refused {
            self.answer(&pda, Err(deferral.into()));
        }
        admitted
    }

    /// The accounts were created, and are to be verified.
    pub(crate) fn land(&mut self, pdas: &[Pubkey], signed: &Arc<Signed>, slot: u64) {
        for pda in pdas {
            if let Some(work) = self.works.get_mut(pda) {
                work.landed = Some(Created {
                    signed: Arc::clone(signed),
                    slot,
                });
            }
        }
    }

    /// The transaction may still land: its lamports stay charged, and the next attempt looks for it.
    pub(crate) fn leave(&mut self, pdas: &[Pubkey], signature: Signature) {
        for pda in pdas {
            self.answer(pda, Err(CreationError::no_time_left(Some(signature))));
        }
    }

    /// The transaction was never in a block: its lamports are free, and the requests stay open.
    pub(crate) fn expire(&mut self, pdas: &[Pubkey], signature: Signature) {
        self.refund_all(pdas, 0);
        for pda in pdas {
            self.trouble(pda, Failure::Expired(signature));
        }
    }

    /// The transaction is in a block and did not run: its lamports are free, and the requests stay open.
    pub(crate) fn not_executed(&mut self, pdas: &[Pubkey], signature: Signature) {
        self.refund_all(pdas, 0);
        for pda in pdas {
            self.trouble(pda, Failure::NotExecuted(signature));
        }
    }

    /// What went wrong with a request that stays open.
    pub(crate) fn trouble(&mut self, pda: &Pubkey, trouble: Failure) {
        if let Some(work) = self.works.get_mut(pda) {
            work.trouble = Some(trouble);
        }
    }

    /// The same answer for all, whose lamports are free.
    pub(crate) fn fail_all(&mut self, pdas: &[Pubkey], error: &CreationError) {
        self.refund_all(pdas, 0);
        for pda in pdas {
            self.answer(pda, Err(error.clone()));
        }
    }

    /// The chain can't be read: everything open has that as its answer.
    pub(crate) fn give_up(&mut self, error: ChainError) {
        let error = Arc::new(error);
        tracing::warn!(%error, open = self.works.len(), "the chain cannot be read");
        for pda in self.pdas() {
            self.answer(&pda, Err(CreationError::from_shared(&error)));
        }
    }

    pub(crate) fn answer(&mut self, pda: &Pubkey, answer: Answer) {
        if let Some(work) = self.works.remove(pda) {
            self.answers.push((work.creation.request, answer));
        }
    }

    /// Gives the budget back what was not spent: for each all but `kept`.
    pub(crate) fn refund_all(&mut self, pdas: &[Pubkey], kept: u64) {
        for pda in pdas {
            self.refund(pda, kept);
        }
    }

    fn refund(&mut self, pda: &Pubkey, kept: u64) {
        if let Some(work) = self.works.get_mut(pda) {
            let unspent = std::mem::take(&mut work.charged).saturating_sub(kept);
            self.shared.refund(&work.creation.request.session_owner, unspent);
        }
    }
}

impl Work {
    fn charge(&mut self, shared: &Shared, spendable: &mut u64) -> Result<(), Deferral> {
        let lamports = self
            .creation
            .rent_due(shared.cluster.rent())
            .saturating_add(SIGNATURE_FEE_LAMPORTS);
        shared.charge(&self.creation.request.session_owner, lamports, spendable)?;
        self.charged = lamports;
        Ok(())
    }

    fn unfinished(&self) -> CreationError {
        match (&self.trouble, &self.landed) {
            (_, Some(created)) => CreationError::no_time_left(Some(created.signed.signature)),
            (Some(trouble), None) => CreationError::failed(trouble.clone()),
            (None, None) => CreationError::no_time_left(None),
        }
    }
}

impl Created {
    fn outcome(self) -> Outcome {
        Outcome::Created {
            signature: self.signed.signature,
            slot: self.slot,
        }
    }
}
