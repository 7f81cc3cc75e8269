//! One comparison: over all shards, or, where nothing was requested since the last one, over what that one has left.

use session_chain::CommitmentConfig;
use session_events::SessionEntry;
use session_telemetry::Quoted;
use solana_pubkey::Pubkey;
use time::OffsetDateTime;

use crate::{
    error::ReconcileError,
    reconcile::{
        accounts::{ACCOUNTS_MAX, AccountBytes, ListedEntry},
        comparison::Reconciliation,
        report::{ReconcileReport, ReconcileRequest, UnderivableSession},
        request::{Candidate, missed_session},
        served::{Known, LastPass},
        shards::{Shard, Shards},
    },
};

/// However quiet the factory is, all entries are listed once in so long.
const LISTED_EVERY: time::Duration = time::Duration::days(1);
/// Where that takes hundreds of calls, a busy factory's are listed no more often than this: events have their own way.
const LISTED_AGAIN_AFTER: time::Duration = time::Duration::hours(1);
/// What a comparison has left. If it is more, the next one lists everything.
const PENDING_MAX: usize = 10_000;
/// So many shards fail one after the other only if nobody answers.
const FAILURES_MAX: u32 = 3;

/// A comparison under way.
pub(crate) struct Pass<'a> {
    of: &'a Reconciliation,
    request: ReconcileRequest,
    /// Nobody waits for it.
    at_leisure: bool,
    pub(crate) report: ReconcileReport,
    /// Entries whose sessions are not known to be served for good.
    pending: Vec<Pubkey>,
    too_many_pending: bool,
    served: u64,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(of: &'a Reconciliation, request: ReconcileRequest) -> Self {
        Self {
            of,
            request,
            at_leisure: false,
            report: ReconcileReport {
                dry_run: request.dry_run,
                ..ReconcileReport::default()
            },
            pending: Vec::new(),
            too_many_pending: false,
            served: 0,
        }
    }

    /// One of those that come regularly.
    pub(crate) fn at_leisure(of: &'a Reconciliation) -> Self {
        Self {
            at_leisure: true,
            ..Self::new(of, ReconcileRequest::default())
        }
    }

    pub(crate) async fn run(&mut self) -> Result<(), ReconcileError> {
        let requested = self.of.stoppable(self.of.accounts.requested()).await?;
        let last = if self.request.full {
            None
        } else {
            self.of.served.last().await
        };
        match last {
            Some(last) if self.is_enough(&last, requested) => self.what_was_left(last).await,
            last => self.everything(requested, last.map(|last| last.entries)).await,
        }
    }

    /// Whether only what the last comparison has left can be missing, or need be found by this one.
    fn is_enough(&self, last: &LastPass, requested: Option<u64>) -> bool {
        let age = session_clock::now_utc() - last.listed_at;
        let nothing_new = requested.is_some() && last.requested == requested;
        let dear = !Shards::of(requested, Some(last.entries)).is_only_one();
        (nothing_new && age < LISTED_EVERY) || (self.at_leisure && dear && age < LISTED_AGAIN_AFTER)
    }

    /// Looks only at what was not served then.
    async fn what_was_left(&mut self, last: LastPass) -> Result<(), ReconcileError> {
        (self.report.entries, self.report.remembered, self.served) = (last.served, last.served, last.served);
        let pending: Vec<Pubkey> = last.pending.iter().filter_map(|address| address.parse().ok()).collect();
        let mut entries = Vec::new();
        for addresses in pending.chunks(ACCOUNTS_MAX) {
            let (_, data) = self.of.stoppable(self.of.accounts.data(addresses, None)).await?;
            for (address, data) in addresses.iter().zip(data) {
                // Closed since: there is nothing left to be served.
                let Some(data) = data else { continue };
                self.report.entries += 1;
                let Some(entry) = self.decoded(*address, &data) else {
                    self.leave(std::iter::once(*address));
                    continue;
                };
                entries.push(ListedEntry {
                    address: *address,
                    session: entry.session_address,
                });
            }
        }
        self.served += self.compare(&entries, None).await?.len() as u64;
        self.keep(last.requested, last.listed_at).await;
        Ok(())
    }

    async fn everything(&mut self, requested: Option<u64>, entries: Option<u64>) -> Result<(), ReconcileError> {
        let listed_at = session_clock::now_utc();
        let (mut shards, mut failures) = (Shards::of(requested, entries), 0);
        while let Some(shard) = shards.next() {
            match self.shard(&shard).await {
                Ok(entries) => {
                    failures = 0;
                    shards.saw(entries);
                }
                Err(ReconcileError::Stopped) => return Err(ReconcileError::Stopped),
                Err(error) => {
                    failures += 1;
                    self.report.failed_shards += 1;
                    tracing::warn!(%error, shard = shard.name(), "a shard of the factory's accounts is not compared");
                    if failures >= FAILURES_MAX || shards.is_only_one() {
                        return Err(error);
                    }
                }
            }
        }
        self.report.optimistic_left_out = shards.skipped_optimistic();
        if self.report.failed_shards == 0 {
            self.keep(requested, listed_at).await;
        }
        Ok(())
    }

    /// Compares one shard. Answers how many of its entries are of sessions with an address.
    async fn shard(&mut self, shard: &Shard) -> Result<u64, ReconcileError> {
        let name = shard.name();
        let known = if self.request.full {
            Known::default()
        } else {
            self.of.served.of_shard(&name).await
        };
        let listing = self.of.stoppable(self.of.accounts.list(shard)).await?;
        for named in listing.malformed {
            self.report.entries += 1;
            self.of
                .tell_once(&named, "an account of the factory begins as an entry and is none");
            self.report.malformed.push(named);
        }
        let (mut served, mut unknown) = (Vec::new(), Vec::new());
        let mut with_address = 0;
        for entry in listing.entries {
            self.report.entries += 1;
            if entry.session == Pubkey::default() {
                self.report.optimistic += 1;
                continue;
            }
            with_address += 1;
            if known.has(&entry.session) {
                self.report.remembered += 1;
                served.push(entry.session);
            } else {
                unknown.push(entry);
            }
        }
        served.extend(self.compare(&unknown, Some(listing.slot)).await?);
        // What is not listed any more is forgotten.
        let now_known = Known::of(served.iter());
        self.served += now_known.len();
        if !self.request.dry_run && now_known != known {
            self.of.served.keep_shard(&name, &now_known).await;
        }
        Ok(with_address)
    }

    /// Compares entries with their sessions. Answers the sessions that are served for good.
    async fn compare(&mut self, entries: &[ListedEntry], slot: Option<u64>) -> Result<Vec<Pubkey>, ReconcileError> {
        let mut served = Vec::new();
        for entries in entries.chunks(ACCOUNTS_MAX) {
            // Existence first: what exists needs neither to be read nor derived.
            let rest = self.absent(entries, CommitmentConfig::finalized(), None).await?;
            let is_there = |entry: &&ListedEntry| !rest.contains(entry);
            served.extend(entries.iter().filter(is_there).map(|entry| entry.session));
            // What was made a moment ago is there, and may still be taken back.
            self.leave(rest.iter().map(|entry| entry.address));
            let rest = self.absent(&rest, self.of.accounts.pool.commitment(), slot).await?;
            self.report.existing += (entries.len() - rest.len()) as u64;
            self.missing(&rest, slot).await?;
        }
        Ok(served)
    }

    /// Those of the entries whose session does not exist.
    async fn absent(
        &self,
        entries: &[ListedEntry],
        commitment: CommitmentConfig,
        slot: Option<u64>,
    ) -> Result<Vec<ListedEntry>, ReconcileError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let sessions: Vec<Pubkey> = entries.iter().map(|entry| entry.session).collect();
        let exist = self.of.accounts.exist(&sessions, commitment, slot);
        let exist = self.of.stoppable(exist).await?;
        let absent = entries.iter().zip(exist).filter(|(_, exists)| !exists);
        Ok(absent.map(|(entry, _)| *entry).collect())
    }

    /// Reads the entries whose sessions are missing, and has those queued that should exist by now.
    async fn missing(&mut self, entries: &[ListedEntry], slot: Option<u64>) -> Result<(), ReconcileError> {
        if entries.is_empty() {
            return Ok(());
        }
        let addresses: Vec<Pubkey> = entries.iter().map(|entry| entry.address).collect();
        let (slot, data) = self.of.stoppable(self.of.accounts.data(&addresses, slot)).await?;
        for (address, data) in addresses.iter().zip(data) {
            let Some(data) = data else { continue };
            let Some(entry) = self.decoded(*address, &data) else {
                continue;
            };
            let candidate = Candidate {
                entry_address: *address,
                entry,
            };
            if self.of.is_young(&candidate.entry) {
                self.report.young += 1;
            } else if self.of.is_covered(&candidate.entry) {
                self.report.covered += 1;
            } else {
                self.queue(candidate, slot).await?;
            }
        }
        Ok(())
    }

    /// Queues a session that does not exist, unless it only looks or the session cannot be derived.
    async fn queue(&mut self, candidate: Candidate, slot: u64) -> Result<(), ReconcileError> {
        let Some(event) = self.of.requests.event(&candidate, slot).await? else {
            let Candidate { entry_address, entry } = candidate;
            let what = format!(
                "the session {} of entry {entry_address}, id {}, has no account, and its address does not follow from the session program",
                entry.session_address,
                Quoted(&entry.session_id),
            );
            self.of.tell_once(&entry_address.to_string(), &what);
            self.report.underivable.push(UnderivableSession {
                entry: entry_address,
                address: entry.session_address,
                session_id: entry.session_id,
            });
            return Ok(());
        };
        self.report.queued.push(missed_session(&event));
        if self.request.dry_run {
            Ok(())
        } else {
            self.of.requests.queue(event).await
        }
    }

    /// An entry, unless its data cannot be read, which is reported and harms no other.
    fn decoded(&mut self, address: Pubkey, data: &AccountBytes) -> Option<SessionEntry> {
        let why = match &data.0 {
            None => "its data is not base64".to_owned(),
            Some(data) => match SessionEntry::decode(data) {
                Ok(entry) => return Some(entry),
                Err(error) => error.to_string(),
            },
        };
        let address = address.to_string();
        self.of
            .tell_once(&address, &format!("an entry of the factory cannot be read: {why}"));
        self.report.malformed.push(address);
        None
    }

    /// Leaves entries to the next comparison.
    fn leave(&mut self, entries: impl ExactSizeIterator<Item = Pubkey>) {
        let room = PENDING_MAX.saturating_sub(self.pending.len());
        self.too_many_pending |= entries.len() > room;
        self.pending.extend(entries.take(room));
    }

    /// Remembers what the next comparison has to look at if nothing is requested meanwhile.
    async fn keep(&self, requested: Option<u64>, listed_at: OffsetDateTime) {
        if self.request.dry_run || self.too_many_pending {
            return;
        }
        let last = LastPass {
            requested,
            listed_at,
            entries: self.report.entries,
            served: self.served,
            pending: self.pending.iter().map(ToString::to_string).collect(),
        };
        self.of.served.keep_last(&last).await;
    }
}
