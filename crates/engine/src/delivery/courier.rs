//! The task of one delivery: makes the transaction, then does what its life asks for, until the hold is settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::gauge;
use session_chain::replies::{AccountState, SignatureStatus, StatusReply, signature_statuses_everywhere};
use session_chain::{Cluster, RpcPool};
use session_ledger::{Fate as BookedFate, Hold as LedgerHold, HoldId, LedgerError, Member, SentTransaction};
use session_telemetry::names;
use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::delivery::blockhash::{Blockhashes, Unusable};
use crate::delivery::life::{Effect, Event, Fate, Life};
use crate::delivery::read_back::ReadBack;
use crate::delivery::registry::{Ending, Entry, Registry, Running, Unmade};
use crate::delivery::sender::{self, Signed};
use crate::delivery::statuses::{Landing, Statuses};
use crate::treasury::hold::{Asked, Held, Hold, Treasury};
use crate::treasury::market::{FeeMarket, Offer};

/// Slots between two broadcasts, where they are shorter than the configured pause.
const REBROADCAST_SLOTS: u32 = 5;
/// A blockhash lives so many blocks: a first send that has not succeeded by then never will.
const BLOCKHASH_SLOTS: u32 = 150;
/// Between two tries at a reading.
const READ_PAUSE: Duration = Duration::from_millis(250);
/// A landed transaction whose accounts nobody can read for so long is settled by its status alone.
const READ_PATIENCE: Duration = Duration::from_mins(1);

/// What every delivery needs.
#[derive(Clone)]
pub(crate) struct Courier {
    pub(crate) pool: RpcPool,
    pub(crate) cluster: Cluster,
    pub(crate) treasury: Treasury,
    pub(crate) market: FeeMarket,
    pub(crate) blockhashes: Arc<Blockhashes>,
    pub(crate) statuses: Statuses,
    pub(crate) read_back: ReadBack,
    pub(crate) registry: Registry,
    pub(crate) rebroadcast_interval: Duration,
    /// Room for one transaction more: what is under way at once is what loads the RPC.
    pub(crate) room: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Puts a message together for a payer and a blockhash, or says why it can't.
pub(crate) type Compile = Box<dyn FnOnce(&Pubkey, Hash) -> Result<VersionedMessage, String> + Send>;

/// A transaction to be made and delivered.
pub(crate) struct Order {
    /// The accounts that it creates.
    pub(crate) members: Vec<Member>,
    /// Lamports of all its fees.
    pub(crate) fee_lamports: u64,
    /// The price of its compute units.
    pub(crate) offer: Offer,
    /// The only wallet that may pay, where one is named.
    pub(crate) wallet: Option<Pubkey>,
    /// A blockhash that must not be used.
    pub(crate) not: Option<Hash>,
    /// Nobody waits for a blockhash any longer.
    pub(crate) deadline: Instant,
    /// Puts the message together for a payer and a blockhash.
    pub(crate) compile: Compile,
}

/// A transaction on its way, and its money.
struct Parcel {
    signature: Signature,
    last_valid_block_height: u64,
    /// Absent where another process has made it.
    offer: Option<Offer>,
    /// Absent where another process signed it: it can be followed, and not sent.
    signed: Option<Signed>,
    pdas: Vec<Pubkey>,
}

/// What was seen of a transaction so far.
#[derive(Default)]
struct Seen {
    /// Where the chain's decision will come.
    decided: Option<oneshot::Receiver<Landing>>,
    /// What was read at its addresses last.
    accounts: HashMap<Pubkey, Option<AccountState>>,
}

impl Courier {
    /// Makes a transaction and delivers it, in a task of its own.
    pub(crate) fn deliver(&self, order: Order) -> Running {
        let pdas = order.members.iter().map(|member| member.pda).collect();
        let (entry, running) = self.registry.enter(pdas);
        let courier = self.clone();
        self.tasks.spawn(async move {
            let room = timeout_at(order.deadline, Arc::clone(&courier.room).acquire_owned()).await;
            let Ok(Ok(room)) = room else {
                return entry.end(Ending::Unmade(Unmade::NoRoom));
            };
            let under_way = UnderWay::begin(room);
            match courier.make(order).await {
                Ok((parcel, hold)) => courier.see_through(Life::Signed, parcel, hold, entry).await,
                Err(ending) => entry.end(ending),
            }
            drop(under_way);
        });
        running
    }

    /// Follows a transaction that another process has out, or gives up a hold for which nothing was sent. `None` where
    /// nothing is open any more, or too young to be given up.
    pub(crate) async fn adopt(&self, id: HoldId) -> Result<Option<Running>, LedgerError> {
        let Some(open) = self.treasury.open_entry(id).await? else {
            return Ok(None);
        };
        self.adopt_entry(open).await
    }

    /// The same for a hold that was found in the books.
    pub(crate) async fn adopt_entry(&self, open: LedgerHold) -> Result<Option<Running>, LedgerError> {
        let Some(sent) = open.sent else {
            if open.age(session_clock::now()) > self.cluster.slots(BLOCKHASH_SLOTS) {
                self.treasury.settle(open.id, BookedFate::Abandoned).await;
            }
            return Ok(None);
        };
        let pdas: Vec<Pubkey> = open.members.iter().map(|member| member.pda).collect();
        if let Some(running) = pdas.iter().find_map(|pda| self.registry.of(pda)) {
            return Ok(Some(running));
        }
        let (entry, running) = self.registry.enter(pdas.clone());
        let parcel = Parcel {
            signature: sent.signature,
            last_valid_block_height: sent.last_valid_block_height,
            offer: None,
            signed: None,
            pdas,
        };
        entry.signed(parcel.signature);
        let courier = self.clone();
        self.tasks
            .spawn(async move { courier.see_through(Life::Out, parcel, open.id, entry).await });
        Ok(Some(running))
    }

    /// Holds the money, signs, and writes the signature down. What fails gives the money back.
    async fn make(&self, order: Order) -> Result<(Parcel, Hold), Ending> {
        let ledger = |error| Ending::Unmade(Unmade::Ledger(Arc::new(error)));
        let asked = self
            .treasury
            .hold(&order.members, order.fee_lamports, order.wallet)
            .await;
        let (hold, created_before) = match asked.map_err(ledger)? {
            Asked::Held { hold, created_before } => (hold, created_before),
            Asked::Refused(refusals) => return Err(Ending::NoMoney(refusals)),
        };
        let pdas = order.members.iter().map(|member| member.pda).collect();
        let offer = order.offer;
        let signed = match self.sign(order, &hold, created_before).await {
            Ok(signed) => signed,
            Err(unmade) => {
                self.treasury.settle(hold, BookedFate::Abandoned).await;
                return Err(Ending::Unmade(unmade));
            }
        };
        let sent = SentTransaction {
            signature: signed.signature,
            last_valid_block_height: signed.last_valid_block_height,
        };
        // Without the books' word nothing is sent, and the hold is given up by whoever finds it without a signature.
        self.treasury.attach(&hold, sent).await.map_err(ledger)?;
        let parcel = Parcel {
            signature: signed.signature,
            last_valid_block_height: signed.last_valid_block_height,
            offer: Some(offer),
            signed: Some(signed),
            pdas,
        };
        Ok((parcel, hold))
    }

    /// Signs with a blockhash that is younger than `created_before`: the same accounts with the same blockhash would be
    /// the transaction that created them then, and the chain would say of it that it has landed.
    async fn sign(&self, order: Order, hold: &Hold, created_before: Option<u64>) -> Result<Signed, Unmade> {
        let unusable = Unusable {
            hash: order.not,
            up_to_slot: created_before,
        };
        let recent = self.blockhashes.recent(unusable, order.deadline).await;
        let blockhash = recent.map_err(Unmade::NoBlockhash)?;
        let payer = hold.payer();
        let message = (order.compile)(&payer.address, blockhash.hash).map_err(Unmade::Compilation)?;
        let signed = payer.sign(message).await;
        let transaction = signed.map_err(|unsigned| Unmade::Unsigned {
            payer: payer.address,
            unsigned,
        })?;
        Signed::new(transaction, blockhash).ok_or_else(|| Unmade::Compilation("it has no signature".to_owned()))
    }

    /// Does what the transaction's life asks for, to its end.
    async fn see_through(&self, mut life: Life, parcel: Parcel, hold: impl Held, entry: Entry) {
        entry.signed(parcel.signature);
        let mut seen = Seen::default();
        let first = if life == Life::Signed {
            Event::Start
        } else {
            Event::Broadcast
        };
        let mut effect = life.on(first);
        let fate = loop {
            let event = match effect {
                Effect::Settle(fate) => break Some(fate),
                Effect::Leave => break None,
                effect => tokio::select! {
                    biased;
                    () = self.stop.cancelled() => Event::Stopped,
                    event = self.do_it(&effect, &parcel, &mut seen) => event,
                },
            };
            effect = life.on(event);
        };
        let Parcel {
            signature,
            signed,
            offer,
            ..
        } = parcel;
        let Some(fate) = fate else {
            return entry.end(Ending::Left { signature });
        };
        match (&fate, offer) {
            (Fate::Landed { .. } | Fate::Closed { .. }, Some(offer)) => self.market.landed(offer, Instant::now()),
            (Fate::Expired, Some(offer)) => self.market.expired(offer, Instant::now()),
            _ => {}
        }
        self.treasury.settle(hold, fate.in_the_books()).await;
        entry.end(Ending::Decided {
            signature,
            blockhash: signed.map(|signed| signed.blockhash()),
            fate,
            accounts: seen.accounts,
        });
    }

    async fn do_it(&self, effect: &Effect, parcel: &Parcel, seen: &mut Seen) -> Event {
        match effect {
            Effect::Send => self.send(parcel).await,
            Effect::Follow => self.follow(parcel, seen).await,
            Effect::Broadcast => self.broadcast(parcel).await,
            Effect::ReadBack { slot } => self.look(parcel, *slot, seen).await,
            Effect::Ask => self.ask(parcel).await,
            Effect::Settle(_) | Effect::Leave => Event::Stopped,
        }
    }

    async fn send(&self, parcel: &Parcel) -> Event {
        match &parcel.signed {
            Some(signed) => sender::send_first(&self.pool, signed, self.within_a_blockhash()).await,
            None => Event::Taken,
        }
    }

    async fn follow(&self, parcel: &Parcel, seen: &mut Seen) -> Event {
        let pause = self.rebroadcast_interval.min(self.cluster.slots(REBROADCAST_SLOTS));
        let decided = match &mut seen.decided {
            Some(decided) => decided,
            none => none.insert(
                self.statuses
                    .watch(parcel.signature, parcel.last_valid_block_height)
                    .await,
            ),
        };
        let landing = tokio::select! {
            biased;
            landing = decided => landing,
            () = tokio::time::sleep(pause) => return Event::BroadcastDue,
        };
        seen.decided = None;
        landing.map_or(Event::Stopped, Event::Decided)
    }

    async fn broadcast(&self, parcel: &Parcel) -> Event {
        if let Some(signed) = &parcel.signed {
            sender::broadcast(&self.pool, signed, self.within_a_blockhash()).await;
        }
        Event::Broadcast
    }

    /// Reads the accounts of a transaction that landed, again and again until they can be read.
    async fn look(&self, parcel: &Parcel, slot: u64, seen: &mut Seen) -> Event {
        let give_up = Instant::now() + READ_PATIENCE;
        while Instant::now() < give_up {
            if let Some(read) = self.read_back.accounts(parcel.pdas.clone(), slot).await {
                let all_there = read.iter().all(|account| account.as_ref().is_some_and(is_there));
                seen.accounts.extend(parcel.pdas.iter().copied().zip(read));
                return Event::ReadBack { all_there };
            }
            tokio::time::sleep(READ_PAUSE).await;
        }
        Event::Unreadable
    }

    /// Asks every endpoint whether the transaction is still in a block, until somebody says so.
    async fn ask(&self, parcel: &Parcel) -> Event {
        loop {
            let asked =
                signature_statuses_everywhere(&self.pool, &[parcel.signature], Some(Instant::now() + READ_PATIENCE))
                    .await;
            match asked.map(|(_, statuses)| statuses.into_iter().next()) {
                Ok(Some(StatusReply::Known(SignatureStatus {
                    level, result: Ok(()), ..
                }))) if level.satisfies(self.pool.commitment()) => {
                    return Event::Asked { still_landed: true };
                }
                Ok(Some(StatusReply::Known(_) | StatusReply::Unknown)) => {
                    tracing::warn!(signature = %parcel.signature, "a landed transaction is in no block any more");
                    return Event::Asked { still_landed: false };
                }
                Ok(Some(StatusReply::Unreadable(_)) | None) | Err(_) => tokio::time::sleep(READ_PAUSE).await,
            }
        }
    }

    fn within_a_blockhash(&self) -> Instant {
        Instant::now() + self.cluster.slots(BLOCKHASH_SLOTS)
    }
}

/// Lamports alone make no account: somebody may have sent them.
pub(crate) fn is_there(account: &AccountState) -> bool {
    account.owner != solana_system_interface::program::ID || !account.data.is_empty()
}

/// The room that a transaction takes from before its money is held until its fate is known; given back when dropped.
struct UnderWay {
    _room: OwnedSemaphorePermit,
}

impl UnderWay {
    fn begin(room: OwnedSemaphorePermit) -> Self {
        gauge!(names::CREATION_TRANSACTIONS_IN_FLIGHT).increment(1.0);
        Self { _room: room }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        gauge!(names::CREATION_TRANSACTIONS_IN_FLIGHT).decrement(1.0);
    }
}
