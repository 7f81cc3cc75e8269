//! Serving one batch: every delivery is followed on its own, and what is thrown back is planned again meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use session_chain::replies::read_accounts;
use session_chain::{ChainError, Cluster, RpcPool};
use session_ledger::{MEMBERS_MAX, Member, Refusal as NoMoney};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;

use crate::batch::deferral::Deferral;
use crate::batch::error::{CreationError, Failure};
use crate::batch::open::{OpenRequests, Stage};
use crate::batch::translate;
use crate::config::EngineConfig;
use crate::delivery::courier::{Courier, Order};
use crate::delivery::life::{Fate, Refusal};
use crate::delivery::registry::{Ending, Running};
use crate::flights::Answer;
use crate::request::claim::CreationRequest;
use crate::transaction::cost::{SIGNATURE_FEE_LAMPORTS, priority_fee};
use crate::transaction::fault::{Consequences, Verdict, consequences};
use crate::transaction::formats::Formats;
use crate::transaction::message::Terms;
use crate::transaction::plan::{Creation, Group, Rules, plan};

/// Pause before what came to nothing is looked at again; doubled every time nothing lands.
const FRUITLESS_PAUSE: Duration = Duration::from_millis(50);
/// Slots that the pause grows to at most.
const FRUITLESS_SLOTS_MAX: u32 = 2;

/// What batches are served with.
pub(crate) struct Means {
    pub(crate) config: Arc<EngineConfig>,
    pub(crate) pool: RpcPool,
    pub(crate) cluster: Cluster,
    pub(crate) formats: Formats,
    pub(crate) courier: Courier,
}

/// The requests of one call.
pub(crate) struct Batch<'m> {
    means: &'m Means,
    deadline: Instant,
    open: OpenRequests,
    under_way: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// A node must have reached this slot to be asked.
    min_slot: Option<u64>,
    max_creations: usize,
    /// Not to be used again: no node knows it, or a transaction with it is in a block already, and the same
    /// creations with the same blockhash would be that same transaction.
    stale_blockhash: Option<Hash>,
    pause: Duration,
}

/// A delivery that has ended.
struct Ended {
    running: Running,
    /// What it carried, where this batch ordered it.
    own: Option<Own>,
    ending: Option<Arc<Ending>>,
}

/// What this batch knows of a delivery that it ordered.
struct Own {
    group: Group,
    members: Vec<Member>,
    terms: Terms,
    rules: OwnRules,
}

/// The rules of a plan, kept for as long as its transaction lives.
#[derive(Clone)]
struct OwnRules {
    config: Arc<EngineConfig>,
    format: crate::transaction::message::WireFormat,
    max_creations: usize,
}

impl<'m> Batch<'m> {
    /// A batch of requests with distinct PDAs.
    pub(crate) fn new(means: &'m Means, requests: Vec<CreationRequest>, deadline: Instant) -> Self {
        Self {
            means,
            deadline,
            open: OpenRequests::new(requests),
            under_way: FuturesUnordered::new(),
            min_slot: None,
            max_creations: usize::MAX,
            stale_blockhash: None,
            pause: FRUITLESS_PAUSE,
        }
    }

    /// Hands over every request with its answer, as soon as there is one.
    pub(crate) async fn run(mut self, mut answered: impl FnMut(CreationRequest, Answer)) {
        let mut hand_over = |open: &mut OpenRequests| {
            for (request, answer) in open.take_answers() {
                answered(request, answer);
            }
        };
        loop {
            self.join();
            if let Err(error) = self.read().await {
                self.give_up(error);
            }
            self.launch();
            hand_over(&mut self.open);
            if self.open.is_empty() || Instant::now() >= self.deadline {
                break;
            }
            let anything_landed = if self.under_way.is_empty() {
                false
            } else {
                self.await_endings().await
            };
            hand_over(&mut self.open);
            self.catch_breath(anything_landed).await;
        }
        self.open.close();
        hand_over(&mut self.open);
    }

    /// Waits with what is under way already for open addresses.
    fn join(&mut self) {
        let registry = &self.means.courier.registry;
        for running in self.open.join(|pda| registry.of(pda)) {
            self.follow(running, None);
        }
    }

    fn follow(&mut self, running: Running, own: Option<Own>) {
        let ended = async move {
            let ending = running.clone().ending().await;
            Ended { running, own, ending }
        };
        self.under_way.push(ended.boxed());
    }

    /// Reads every address that nothing is known of, and the wallets with them. Answers what exists.
    async fn read(&mut self) -> Result<(), ChainError> {
        let mut addresses = self.open.to_read();
        if addresses.is_empty() {
            return Ok(());
        }
        let means = self.means;
        let pdas = addresses.len();
        let signers = &means.courier.treasury.signers;
        addresses.extend(signers.addresses());
        // The price of storage at the same slot: nobody is refused or charged by an older one.
        addresses.extend(Cluster::FACTS);
        let reading = read_accounts(&means.pool, &addresses, self.min_slot, Some(self.deadline)).await?;
        means.cluster.note(&addresses, &reading);
        let (accounts, others) = reading.accounts.split_at(pdas);
        for (payer, account) in signers.payers().iter().zip(others) {
            payer
                .wallet()
                .read(reading.slot, account.as_ref().map_or(0, |account| account.lamports));
        }
        let rent = means.cluster.rent();
        for (pda, account) in addresses.into_iter().zip(accounts) {
            self.open.judge(&pda, account.as_ref(), None, rent);
        }
        Ok(())
    }

    /// The chain can't be read: whoever waits for a reading has that as the answer.
    fn give_up(&mut self, error: ChainError) {
        let (error, rest) = (Arc::new(error), self.means.pool.rests_for());
        tracing::warn!(%error, "the chain cannot be read");
        for pda in self.open.to_read() {
            self.open.answer(&pda, Err(CreationError::of_chain(&error, rest)));
        }
    }

    /// Orders transactions for everything that is missing. Programs are kept apart: what one of them breaks is its own.
    fn launch(&mut self) {
        let mut creations = self.open.take_missing();
        creations.sort_by_key(|creation| creation.request.owner_program);
        let rules = OwnRules {
            config: Arc::clone(&self.means.config),
            format: self.means.formats.current(),
            // One hold is one change of the books, which have no room for more at once.
            max_creations: self.max_creations.min(MEMBERS_MAX),
        };
        for of_one_program in creations.chunk_by(|one, other| one.request.owner_program == other.request.owner_program)
        {
            for group in plan(of_one_program.to_vec(), rules.as_rules()) {
                self.order(group, &rules);
            }
        }
    }

    fn order(&mut self, group: Group, rules: &OwnRules) {
        let means = self.means;
        let terms = Terms {
            compute_units: group.compute_units,
            priority_fee_lamports: priority_fee(
                means.courier.market.micro_lamports_per_unit(),
                group.compute_units,
                means.config.policy.max_priority_fee_lamports,
            ),
        };
        let members: Vec<Member> = group.creations.iter().map(|creation| self.member(creation)).collect();
        let (to_compile, compile_rules) = (group.clone(), rules.clone());
        let order = Order {
            members: members.clone(),
            fee_lamports: SIGNATURE_FEE_LAMPORTS.saturating_add(rules.format.charged_priority_fee(terms)),
            wallet: rules.config.mark_created.map(|mark| mark.authority),
            not: self.stale_blockhash,
            deadline: self.deadline,
            compile: Box::new(move |payer, blockhash| {
                let rules = compile_rules.as_rules();
                let instructions = to_compile.instructions(payer, rules);
                let compiled = rules.format.compile(payer, &instructions, blockhash, terms);
                compiled.map_err(|error| error.to_string())
            }),
        };
        let running = means.courier.deliver(order);
        self.open.under_way(&group.pdas(), &running);
        let own = Own {
            group,
            members,
            terms,
            rules: rules.clone(),
        };
        self.follow(running, Some(own));
    }

    fn member(&self, creation: &Creation) -> Member {
        Member {
            pda: creation.request.pda,
            requester: creation.request.answerable(),
            rent_lamports: creation.rent_due(self.means.cluster.rent()),
            asked_at_slot: creation.request.asked_at_slot,
        }
    }

    /// Waits for the next delivery that ends, and takes all that have ended by then. Says whether any landed.
    async fn await_endings(&mut self) -> bool {
        let next = tokio::time::timeout_at(self.deadline.into(), self.under_way.next()).await;
        let Ok(Some(first)) = next else { return false };
        let mut ended = vec![first];
        while let Some(Some(another)) = self.under_way.next().now_or_never() {
            ended.push(another);
        }
        let mut any_landed = false;
        for ended in ended {
            any_landed |= self.take(ended).await;
        }
        any_landed
    }

    /// What came to nothing is looked at again a little later, and every time later.
    async fn catch_breath(&mut self, anything_landed: bool) {
        if anything_landed {
            self.pause = FRUITLESS_PAUSE;
            return;
        }
        if self.open.works().all(|(_, work)| matches!(work.stage, Stage::Under(_))) {
            return;
        }
        tokio::time::sleep_until((Instant::now() + self.pause).min(self.deadline).into()).await;
        let longest = self.means.cluster.slots(FRUITLESS_SLOTS_MAX).max(FRUITLESS_PAUSE);
        self.pause = (self.pause * 2).min(longest);
    }

    /// Draws the consequences of a delivery's end. Says whether it landed.
    async fn take(&mut self, ended: Ended) -> bool {
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
        if let Some(max_creations) = consequences.max_creations {
            self.max_creations = self.max_creations.min(max_creations);
        }
        for (pda, verdict) in consequences.verdicts {
            match verdict {
                Verdict::Exists => self.open.said_to_exist(&pda),
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
        for (pda, refusal) in crate::treasury::leave_out::leave_out(&own.members, fee, refusals) {
            if let NoMoney::Busy { hold, .. } = &refusal {
                match self.means.courier.adopt(*hold).await {
                    // Joined by its address before the next reading.
                    Ok(_) => self.open.trouble(&pda, translate::no_money(&refusal)),
                    Err(error) => self.open.answer(&pda, Err(translate::ledger(&Arc::new(error)))),
                }
            } else {
                self.open.answer(&pda, Err(translate::no_money(&refusal)));
            }
        }
    }
}

impl OwnRules {
    fn as_rules(&self) -> Rules<'_> {
        Rules {
            format: self.format,
            shape: &self.config.instruction,
            mark_created: self.config.mark_created,
            max_creations: self.max_creations,
        }
    }
}
