//! The rounds of one batch: read, plan, land, and read again until every request has its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use session_chain::replies::read_accounts;
use session_chain::{ChainError, Cluster};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;

use crate::batch::error::{CreationError, Failure};
use crate::batch::open::OpenRequests;
use crate::delivery::attempt::{Attempt, Sent};
use crate::delivery::sending::{Fate, Signed};
use crate::delivery::statuses::Landing;
use crate::flights::Answer;
use crate::request::claim::CreationRequest;
use crate::shared::Shared;
use crate::transaction::cost::SIGNATURE_FEE_LAMPORTS;
use crate::transaction::fault::{Consequences, consequences};
use crate::transaction::message::Terms;
use crate::transaction::plan::{Group, Rules, plan};

/// Rounds before an open request's last trouble is its answer. Halving 32 creations down to one takes six.
const MAX_ROUNDS: u32 = 10;
/// Pause after a round in which nothing landed; doubled every time.
const FRUITLESS_PAUSE: Duration = Duration::from_millis(50);

/// The requests of one call.
pub(crate) struct Batch<'e> {
    shared: &'e Shared,
    deadline: Instant,
    open: OpenRequests<'e>,
    /// A node must have reached this slot to be asked.
    min_slot: Option<u64>,
    max_creations: usize,
    /// Not to be used again: no node knows it, or a transaction with it is in a block already, and the same
    /// creations with the same blockhash would be that same transaction.
    stale_blockhash: Option<Hash>,
}

/// A transaction of an earlier attempt, and the open PDAs that it may create.
type Resumed = (Arc<Signed>, Vec<Pubkey>);

impl<'e> Batch<'e> {
    /// A batch of requests with distinct PDAs.
    pub(crate) fn new(shared: &'e Shared, requests: Vec<CreationRequest>, deadline: Instant) -> Self {
        Self {
            shared,
            deadline,
            open: OpenRequests::new(shared, requests),
            min_slot: None,
            max_creations: usize::MAX,
            stale_blockhash: None,
        }
    }

    /// Every request with its answer.
    pub(crate) async fn run(mut self) -> Vec<(CreationRequest, Answer)> {
        let mut pause = FRUITLESS_PAUSE;
        for round in 0..=MAX_ROUNDS {
            if let Err(error) = self.read().await {
                self.open.give_up(error);
            }
            if self.open.is_empty() || round == MAX_ROUNDS || Instant::now() >= self.deadline {
                break;
            }
            if !self.create_missing().await && !self.open.is_empty() {
                tokio::time::sleep_until((Instant::now() + pause).min(self.deadline).into()).await;
                pause *= 2;
            }
        }
        self.open.into_answers()
    }

    /// Reads every open address, and the wallets with them. Answers what exists.
    async fn read(&mut self) -> Result<(), ChainError> {
        let mut addresses = self.open.pdas();
        if addresses.is_empty() {
            return Ok(());
        }
        let pdas = addresses.len();
        addresses.extend(self.shared.signers.addresses());
        // The price of storage at the same slot: nobody is refused or charged by an older one.
        addresses.extend(Cluster::FACTS);
        let reading = read_accounts(&self.shared.pool, &addresses, self.min_slot, Some(self.deadline)).await?;
        self.shared.cluster.note(&addresses, &reading);
        let (accounts, others) = reading.accounts.split_at(pdas);
        for (payer, account) in self.shared.signers.payers().iter().zip(others) {
            let lamports = account.as_ref().map_or(0, |account| account.lamports);
            payer.wallet().read(reading.slot, lamports, Instant::now());
        }
        for (pda, account) in addresses.into_iter().zip(accounts) {
            if let Some(blockhash) = self.open.judge(&pda, account.as_ref()) {
                self.stale_blockhash = Some(blockhash);
            }
        }
        Ok(())
    }

    /// Follows what is out already, and sends what is missing. Says whether anything landed.
    async fn create_missing(&mut self) -> bool {
        let out = self.take_unsettled();
        let followed: Vec<Pubkey> = out.iter().flat_map(|(_, pdas)| pdas.clone()).collect();
        let rules = self.rules();
        let groups = plan(self.open.admit(&followed), rules);
        let (shared, deadline, stale) = (self.shared, self.deadline, self.stale_blockhash);
        let attempts = groups
            .into_iter()
            .map(|group| Attempt::make(shared, group, rules, stale, deadline));
        let resumed = out.into_iter().map(|resumed| async move {
            let fate = shared.sender.resume(&resumed.0, deadline).await;
            (resumed, fate)
        });
        let (attempts, resumed) = join(join_all(attempts), join_all(resumed)).await;
        let mut any_landed = false;
        for (resumed, fate) in resumed {
            any_landed |= self.apply_resumed(&resumed, &fate);
        }
        for attempt in attempts {
            any_landed |= self.apply(attempt, rules);
        }
        any_landed
    }

    fn rules(&self) -> Rules<'e> {
        Rules {
            format: self.shared.formats.current(),
            shape: &self.shared.config.instruction,
            mark_created: self.shared.config.mark_created,
            max_creations: self.max_creations,
        }
    }

    /// Transactions of earlier attempts whose fate is open.
    fn take_unsettled(&self) -> Vec<Resumed> {
        let mut out: HashMap<Signature, Resumed> = HashMap::new();
        for pda in self.open.pdas() {
            if let Some(signed) = self.shared.unsettled.find(&pda) {
                out.entry(signed.signature)
                    .or_insert_with(|| (signed, Vec::new()))
                    .1
                    .push(pda);
            }
        }
        out.into_values().collect()
    }

    /// Draws the consequences of what became of a group. Says whether it landed.
    fn apply(&mut self, attempt: Attempt, rules: Rules<'_>) -> bool {
        let Attempt { group, terms, fate } = attempt;
        match fate {
            Ok(sent) => self.apply_fate(sent, &group, terms, rules),
            Err(error) => {
                self.open.fail_all(&group.pdas(), &error);
                false
            }
        }
    }

    fn apply_fate(&mut self, sent: Sent, group: &Group, terms: Terms, rules: Rules<'_>) -> bool {
        let Sent { signed, fate } = sent;
        let (signature, blockhash) = (signed.signature, signed.blockhash());
        let pdas = group.pdas();
        let share = |lamports: u64| lamports.div_ceil(pdas.len().max(1) as u64);
        match fate {
            Fate::Decided(Landing::Landed { slot }) => {
                self.min_slot = self.min_slot.max(Some(slot));
                self.shared.formats.landed(rules.format);
                self.open.land(&pdas, &signed, slot);
                return true;
            }
            Fate::Decided(Landing::Failed { slot, error }) => {
                tracing::info!(%signature, slot, %error, "a transaction failed on chain");
                self.min_slot = self.min_slot.max(Some(slot));
                self.stale_blockhash = Some(blockhash);
                self.open.refund_all(&pdas, share(SIGNATURE_FEE_LAMPORTS));
                self.take(consequences(&error, group, terms, rules), blockhash);
            }
            Fate::Refused(error) => {
                tracing::debug!(%signature, %error, "the simulation refused a transaction");
                self.open.refund_all(&pdas, 0);
                self.take(consequences(&error, group, terms, rules), blockhash);
            }
            Fate::FormatRefused if self.shared.formats.fall_back(rules.format) => self.open.refund_all(&pdas, 0),
            Fate::FormatRefused => {
                let refused = Failure::Compilation("no endpoint takes its version".to_owned());
                self.open.fail_all(&pdas, &CreationError::failed(refused));
            }
            Fate::Decided(Landing::Expired) => {
                self.stale_blockhash = Some(blockhash);
                self.open.expire(&pdas, signature);
            }
            Fate::Decided(Landing::NotExecuted { slot }) => {
                tracing::warn!(%signature, slot, "a transaction is in a block and did not run: its payer could not pay");
                self.min_slot = self.min_slot.max(Some(slot));
                self.stale_blockhash = Some(blockhash);
                self.open.not_executed(&pdas, signature);
            }
            Fate::NotSent(error) => self.open.fail_all(&pdas, &error.into()),
            Fate::Unknown => self.open.leave(&pdas, signature),
        }
        false
    }

    /// The same for a transaction of an earlier attempt: who is to blame for its failure is not known any more, and
    /// the next round finds out.
    fn apply_resumed(&mut self, (signed, pdas): &Resumed, fate: &Fate) -> bool {
        let Fate::Decided(landing) = fate else {
            self.open.leave(pdas, signed.signature);
            return false;
        };
        self.shared.unsettled.forget(signed);
        match landing {
            Landing::Landed { slot } => {
                self.min_slot = self.min_slot.max(Some(*slot));
                self.open.land(pdas, signed, *slot);
            }
            Landing::Failed { slot, .. } => {
                self.min_slot = self.min_slot.max(Some(*slot));
                self.stale_blockhash = Some(signed.blockhash());
                self.open.refund_all(pdas, 0);
            }
            Landing::Expired => {
                self.stale_blockhash = Some(signed.blockhash());
                self.open.expire(pdas, signed.signature);
            }
            Landing::NotExecuted { slot } => {
                self.min_slot = self.min_slot.max(Some(*slot));
                self.stale_blockhash = Some(signed.blockhash());
                self.open.not_executed(pdas, signed.signature);
            }
        }
        matches!(landing, Landing::Landed { .. })
    }

    fn take(&mut self, consequences: Consequences, blockhash: Hash) {
        if consequences.blockhash_is_stale {
            self.stale_blockhash = Some(blockhash);
        }
        if let Some(max_creations) = consequences.max_creations {
            self.max_creations = self.max_creations.min(max_creations);
        }
        for (pda, trouble) in consequences.troubles {
            self.open.trouble(&pda, trouble);
        }
        for (pda, error) in consequences.answers {
            self.open.answer(&pda, Err(error));
        }
    }
}
