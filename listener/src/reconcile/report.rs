//! What a comparison found.

use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

/// Sessions and entries that a report names; of more it tells the number alone.
const NAMED_MAX: usize = 10_000;

/// What a comparison found. The entries are those that follow, in sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Whether it only looked.
    pub dry_run: bool,
    /// Entries of the factory.
    pub entries: u64,
    /// Sessions that an earlier comparison has found served, and that were not asked for again.
    pub remembered: u64,
    /// Accounts that look like entries and do not decode.
    pub malformed: Named<String>,
    /// Optimistic sessions, which ask for no account.
    pub optimistic: u64,
    /// Whether there may be more of those: where they are many, nobody reads them.
    pub optimistic_left_out: bool,
    /// Sessions whose account exists.
    pub existing: u64,
    /// Requests that are so new that their event is probably under way.
    pub young: u64,
    /// Requests that were queued a short while ago.
    pub covered: u64,
    /// Sessions without an account whose address does not follow from the session program.
    pub underivable: Named<UnderivableSession>,
    /// Sessions that were queued, or would have been.
    pub queued: Named<MissedSession>,
    /// Shards that could not be compared; the others were.
    pub failed_shards: u64,
}

/// Some things by name, and the number of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T> {
    /// The first of them.
    pub first: Vec<T>,
    /// All of them.
    pub count: u64,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            count: 0,
        }
    }
}

impl<T> Named<T> {
    pub(crate) fn push(&mut self, named: T) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(named);
        }
    }
}

/// A session that was requested and not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedSession {
    /// Its address.
    pub address: Pubkey,
    /// Its name.
    pub session_id: String,
    /// The transaction that requested it, if it was found.
    pub signature: Option<Signature>,
    /// Bytes of its account: as the factory logged, or as its rules have it for the entry.
    pub size_bytes: u64,
}

/// A session that cannot be created by what its entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderivableSession {
    /// The entry's address.
    pub entry: Pubkey,
    /// The session's address, which follows from none of the seeds.
    pub address: Pubkey,
    /// Its name.
    pub session_id: String,
}

/// How to compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReconcileRequest {
    /// Look, and queue nothing.
    pub dry_run: bool,
    /// Ask for everything again, whatever was found served before.
    pub full: bool,
}
