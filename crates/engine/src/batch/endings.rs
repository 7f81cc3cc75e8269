//! What follows from a delivery's end for the requests that waited for it.

use std::sync::Arc;

use session_chain::replies::read_accounts_surely;
use session_ledger::Refusal as NoMoney;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;

use crate::batch::deferral::Deferral;
use crate::batch::error::{CreationError, Failure};
use crate::batch::launch::Own;
use crate::batch::serve::{Batch, Ended};
use crate::batch::translate;
use crate::delivery::courier::is_there;
use crate::delivery::life::{Fate, Refusal};
use crate::delivery::registry::Ending;
use crate::transaction::cost::SIGNATURE_FEE_LAMPORTS;
use crate::transaction::fault::{Consequences, Verdict, consequences};
use crate::treasury::leave_out::leave_out;

impl Batch<'_> {
    /// Draws the consequences of a delivery's end. Says whether it landed.
    pub(super) async fn take(&mut self, ended: Ended) -> bool {
        let Ended { running, own, ending } = ended;
        let pdas = self.open.throw_back(&running);
        let Some(ending) = ending else { return false };
        match &*ending {
            Ending::Decided {
                signature,
                blockhash,
                fate,
                accounts,
            } => {
                let rent = self.means.cluster.rent();
                match fate {
                    Fate::Landed { slot } => {
                        self.min_slot = self.min_slot.max(Some(*slot));
                        if let Some(own) = &own {
                            self.means.formats.landed(own.rules.format);
                        }
                        for pda in &pdas {
                            match accounts.get(pda) {
                                Some(account) => {
                                    self.open.judge(pda, account.as_ref(), Some((*signature, *slot)), rent);
                                }
                                None => self
                                    .open
                                    .answer(pda, Err(CreationError::no_time_left(Some(*signature)))),
                            }
                        }
                        return true;
                    }
                    Fate::Closed { slot } => {
                        self.min_slot = self.min_slot.max(Some(*slot));
                        for pda in &pdas {
                            self.open.judge(
                                pda,
                                accounts.get(pda).and_then(Option::as_ref),
                                Some((*signature, *slot)),
                                rent,
                            );
                            // Whatever is still open was created, and is gone.
                            let (signature, slot) = (*signature, *slot);
                            self.open.answer(pda, Err(CreationError::Closed { signature, slot }));
                        }
                        return true;
                    }
                    Fate::Failed { slot, failure } => {
                        tracing::info!(%signature, slot, %failure, "a transaction failed on chain");
                        self.min_slot = self.min_slot.max(Some(*slot));
                        self.stale_blockhash = *blockhash;
                        if let Some(own) = own {
                            self.blame(
                                consequences(failure, &own.group, own.terms, own.rules.as_rules()),
                                *blockhash,
                            );
                        }
                    }
                    Fate::NotExecuted { slot } => {
                        tracing::warn!(%signature, slot, "a transaction is in a block and did not run: its payer could not pay");
                        self.min_slot = self.min_slot.max(Some(*slot));
                        self.come_to_nothing(&pdas, *blockhash, Failure::NotExecuted(*signature));
                    }
                    Fate::Expired => self.come_to_nothing(&pdas, *blockhash, Failure::Expired(*signature)),
                    Fate::Refused(refusal) => self.refused(&pdas, own, refusal, *blockhash),
                }
            }
            Ending::Left { signature } => {
                for pda in &pdas {
                    self.open
                        .answer(pda, Err(CreationError::no_time_left(Some(*signature))));
                }
            }
            Ending::NoMoney(refusals) => self.no_money(own, refusals).await,
            Ending::Unmade(unmade) => {
                let error = translate::unmade(unmade, self.means.pool.rests_for());
                for pda in &pdas {
                    self.open.answer(pda, Err(error.clone()));
                }
            }
        }
        false
    }

    fn come_to_nothing(&mut self, pdas: &[Pubkey], blockhash: Option<Hash>, trouble: Failure) {
        self.stale_blockhash = blockhash;
        let trouble = CreationError::failed(trouble);
        for pda in pdas {
            self.open.trouble(pda, trouble.clone());
        }
    }

    fn refused(&mut self, pdas: &[Pubkey], own: Option<Own>, refusal: &Refusal, blockhash: Option<Hash>) {
        match (refusal, own) {
            (Refusal::Simulation(failure), Some(own)) => {
                tracing::debug!(%failure, "the simulation refused a transaction");
                self.blame(
                    consequences(failure, &own.group, own.terms, own.rules.as_rules()),
                    blockhash,
                );
            }
            (Refusal::Format, Some(own)) => {
                if !self.means.formats.fall_back(own.rules.format) {
                    let refused = Failure::Compilation("no endpoint takes its version".to_owned());
                    for pda in pdas {
                        self.open.answer(pda, Err(CreationError::failed(refused.clone())));
                    }
                }
            }
            (Refusal::NotSent(error), _) => {
                let error = CreationError::of_chain(error, self.means.pool.rests_for());
                for pda in pdas {
                    self.open.answer(pda, Err(error.clone()));
                }
            }
            // Who is to blame is known to whoever ordered it; here the next reading decides.
            (Refusal::Simulation(_) | Refusal::Format, None) => {}
        }
    }

    fn blame(&mut self, consequences: Consequences, blockhash: Option<Hash>) {
        if consequences.blockhash_is_stale {
            self.stale_blockhash = blockhash;
        }
        if let Some(program) = consequences.short_of_units {
            self.raises += 1;
            self.means.units.doubt(&program);
        }
        if let Some(max_creations) = consequences.max_creations {
            self.max_creations = self.max_creations.min(max_creations);
        }
        for (pda, verdict) in consequences.verdicts {
            match verdict {
                Verdict::Exists => self.open.mark_said_to_exist(&pda),
                Verdict::Refused { program, error } => {
                    self.open
                        .answer(&pda, Err(CreationError::RefusedByProgram { program, error }));
                }
                Verdict::Failed { program, error } => {
                    let failure = Failure::Program { program, error };
                    self.open.answer(&pda, Err(CreationError::failed(failure)));
                }
                Verdict::Transaction(failure) => {
                    self.open
                        .answer(&pda, Err(CreationError::failed(Failure::Transaction(failure))));
                }
                Verdict::WalletEmpty => self.open.answer(&pda, Err(Deferral::WalletEmpty.into())),
            }
        }
    }

    /// Answers those who stay behind; the others go on. What another process has out is followed to its end.
    async fn no_money(&mut self, own: Option<Own>, refusals: &[NoMoney]) {
        let Some(own) = own else { return };
        let fee = SIGNATURE_FEE_LAMPORTS.saturating_add(own.rules.format.charged_priority_fee(own.terms));
        let share = fee / u64::try_from(own.members.len()).unwrap_or(u64::MAX).max(1);
        for (pda, refusal) in leave_out(&own.members, fee, refusals) {
            let member = own.members.iter().find(|member| member.pda == pda);
            let lamports = member.map_or(share, |member| member.rent_lamports.saturating_add(share));
            let no_money = translate::no_money(&refusal, lamports, &self.means.courier.treasury.promises);
            if let NoMoney::CreatedBefore { slot, .. } = &refusal {
                self.gone_or_there(pda, *slot, no_money).await;
            } else if let NoMoney::Busy { hold, .. } = &refusal {
                match self.means.courier.adopt(*hold).await {
                    // Joined by its address before the next reading.
                    Ok(_) => self.open.trouble(&pda, no_money),
                    Err(error) => self.open.answer(&pda, Err(translate::ledger(&Arc::new(error)))),
                }
            } else {
                self.open.answer(&pda, Err(no_money));
            }
        }
    }

    /// The books say that an account was created for this request in `slot`, and one node that nothing is there: it is gone
    /// only if no endpoint that has reached the slot has it.
    async fn gone_or_there(&mut self, pda: Pubkey, slot: u64, gone: CreationError) {
        let deadline = Some(self.deadline);
        let reading = read_accounts_surely(&self.means.pool, &[pda], Some(slot), deadline, |_| true).await;
        match reading {
            Ok(reading) => {
                let account = reading.accounts.first().and_then(Option::as_ref);
                if account.is_some_and(is_there) {
                    self.open.judge(&pda, account, None, self.means.cluster.rent());
                }
                // Whatever is still open was created, and is gone.
                self.open.answer(&pda, Err(gone));
            }
            Err(error) => {
                let error = CreationError::of_chain(&Arc::new(error), self.means.pool.rests_for());
                self.open.answer(&pda, Err(error));
            }
        }
    }
}
