//! Who waits for an account, since when and why, and when one was verified last: what shows whether users are served.
//! Sees messages pass and records end; changes nothing of either.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use create_accounts::{Conclusion, Reason, RecordReport};
use session_admin::{Check, CheckFailure, Evidence, Health, often};
use session_engine::Engine;
use session_listener::Passing;
use session_queue::{Queue, ReceivedMessage};
use solana_pubkey::Pubkey;
use tokio::time::Instant;

/// As many are remembered; while so many wait, one more makes no difference to the verdict.
const KEPT_MAX: usize = 100_000;
/// How long the chain may take to simulate a creation.
const REHEARSAL_LIMIT: Duration = Duration::from_secs(5);
/// The attribute that tells messages for one account from others (`docs/contract.md`, "The queue's message").
const PDA: &str = "pda";

/// Whose fault it is that somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// What was asked for cannot be, or not now: nobody else waits for it.
    Request,
    /// A program says no. It may do so to one request, or to all.
    Program,
    /// The service, or what it stands on.
    Service,
}

impl Blame {
    fn of(code: &str) -> Self {
        match code {
            "bad_body"
            | "session_id_too_long"
            | "no_address"
            | "address_mismatch"
            | "size_over_limit"
            | "owner_program_not_allowed"
            | "owner_mismatch"
            | "length_mismatch"
            | "content_mismatch"
            | "executable_account"
            | "account_closed"
            | "requester_budget"
            | "account_busy" => Self::Request,
            "refused_by_program" | "program_failed" | "transaction_failed" | "given_up" => Self::Program,
            _ => Self::Service,
        }
    }
}

/// The accounts that somebody waits for. Clones share it.
#[derive(Clone)]
pub(crate) struct Unserved {
    book: Arc<Mutex<Book>>,
    patience: Duration,
}

#[derive(Default)]
struct Book {
    /// By the account's address, or the message's id where it names none.
    waiting: HashMap<String, Waiting>,
    verified_at: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Waiting {
    since: Instant,
    /// What stood against it last.
    reason: Option<(Blame, String)>,
    /// It became a dead letter: nobody tries any more, and nobody was served.
    is_given_up: bool,
}

/// What the book says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Served,
    /// Nobody was, for this reason. Whether anybody could be now is to be asked where `in_doubt`.
    Unserved {
        reason: String,
        in_doubt: bool,
    },
}

impl Unserved {
    /// A book in which whoever waits for longer than `patience`, while nobody is served, is not being served.
    pub(crate) fn new(patience: Duration) -> Self {
        Self {
            book: Arc::default(),
            patience,
        }
    }

    /// A record has ended in one invocation.
    pub(crate) fn concluded(&self, report: &RecordReport) {
        let address = report
            .message
            .as_ref()
            .map(|message| message.event.expected_pda.to_string());
        let mut book = self.book();
        match &report.conclusion {
            Conclusion::Verified(_) => {
                book.verified_at = Some(Instant::now());
                // Who was given up before it can be redriven now; that is the operator's, and no sign of an outage.
                book.waiting.retain(|_, waiting| !waiting.is_given_up);
                book.forget(address.as_deref(), &report.message_id);
            }
            Conclusion::Skipped | Conclusion::Closed(_) => book.forget(address.as_deref(), &report.message_id),
            Conclusion::DeadLettered(reason) if Blame::of(reason.code) == Blame::Request => {
                book.forget(address.as_deref(), &report.message_id);
            }
            Conclusion::DeadLettered(reason) => book.stands(address.as_deref(), &report.message_id, reason, true),
            Conclusion::Retried { reason, .. } | Conclusion::Deferred { reason, .. } => {
                book.stands(address.as_deref(), &report.message_id, reason, false);
            }
        }
    }

    /// Nothing is queued: whoever waited was served elsewhere.
    fn nothing_is_queued(&self) {
        self.book().waiting.retain(|_, waiting| waiting.is_given_up);
    }

    /// Somebody could be served now: who was given up is the operator's.
    fn could_be_served(&self) {
        self.book().waiting.retain(|_, waiting| !waiting.is_given_up);
    }

    fn served_lately(&self) -> Option<Duration> {
        let ago = self.book().verified_at?.elapsed();
        (ago < self.patience).then_some(ago)
    }

    fn verdict(&self) -> Verdict {
        if self.served_lately().is_some() {
            return Verdict::Served;
        }
        let book = self.book();
        let is_due = |waiting: &&Waiting| waiting.is_given_up || waiting.since.elapsed() >= self.patience;
        let blames = |waiting: &Waiting| waiting.reason.as_ref().map_or(Blame::Service, |(blame, _)| *blame);
        let counts = |waiting: &&Waiting| blames(waiting) != Blame::Request;
        let unserved: Vec<&Waiting> = book.waiting.values().filter(is_due).filter(counts).collect();
        let Some(oldest) = unserved.iter().min_by_key(|waiting| waiting.since) else {
            return Verdict::Served;
        };
        let certain = |waiting: &&&Waiting| !waiting.is_given_up && blames(waiting) == Blame::Service;
        let stands = unserved.iter().find(certain).unwrap_or(oldest);
        let why = stands.reason.as_ref().map_or_else(
            || String::from("no attempt has ended yet"),
            |(_, sentence)| format!("the last attempt ended with {sentence}"),
        );
        let last = book.verified_at.map_or_else(
            || String::from("none was verified since the start"),
            |at| format!("none was verified for {} s", at.elapsed().as_secs()),
        );
        Verdict::Unserved {
            reason: format!(
                "{} sessions wait for their accounts, the oldest for {} s, and {last}; {why}",
                unserved.len(),
                oldest.since.elapsed().as_secs()
            ),
            in_doubt: !unserved.iter().any(|waiting| certain(&waiting)),
        }
    }

    /// The book is never left half changed, so a poisoned lock is as good as any.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn forget(&mut self, address: Option<&str>, message_id: &str) {
        if let Some(address) = address {
            self.waiting.remove(address);
        }
        self.waiting.remove(message_id);
    }

    fn enter(&mut self, key: &str) {
        if self.waiting.len() < KEPT_MAX || self.waiting.contains_key(key) {
            let waiting = self.waiting.entry(key.to_owned()).or_insert_with(|| Waiting {
                since: Instant::now(),
                reason: None,
                is_given_up: false,
            });
            // It is tried again, where it had been given up.
            waiting.is_given_up = false;
        }
    }

    fn stands(&mut self, address: Option<&str>, message_id: &str, reason: &Reason, is_given_up: bool) {
        let key = address.unwrap_or(message_id);
        self.enter(key);
        if let Some(waiting) = self.waiting.get_mut(key) {
            waiting.reason = Some((Blame::of(reason.code), format!("{}: {}", reason.code, reason.sentence)));
            waiting.is_given_up = is_given_up;
        }
    }
}

impl Passing for Unserved {
    fn enters(&self, attributes: &BTreeMap<String, String>) {
        if let Some(address) = attributes.get(PDA) {
            self.book().enter(address);
        }
    }

    fn turned_away(&self, attributes: &BTreeMap<String, String>) {
        // The listener keeps it and tries again, and the queue's own check says why; but somebody waits all the same.
        self.enters(attributes);
    }

    fn received(&self, message: &ReceivedMessage) {
        let key = message
            .attributes
            .get(PDA)
            .map_or(message.message_id.as_str(), String::as_str);
        self.book().enter(key);
    }
}

impl Evidence for Unserved {
    fn of_service(&self) -> Option<String> {
        let ago = self.served_lately()?;
        Some(format!("accounts are verified, the last one {} s ago", ago.as_secs()))
    }
}

/// Accounts get verified, if anybody wants one.
pub(crate) struct Accounts {
    pub(crate) unserved: Unserved,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) engine: Arc<Engine>,
    /// The program whose sessions are created.
    pub(crate) owner_program: Pubkey,
}

impl Accounts {
    /// Whether nothing is queued, so that who seems to wait was served by another process.
    async fn is_empty(&self) -> bool {
        let depth = self.queue.depth().await;
        depth.is_ok_and(|depth| depth.total() == 0 && depth.deferred == 0)
    }
}

#[async_trait]
impl Check for Accounts {
    fn name(&self) -> &'static str {
        "accounts"
    }

    fn every(&self, configured: Duration) -> Duration {
        often(configured)
    }

    async fn check(&self) -> Result<Health, CheckFailure> {
        if self.unserved.verdict() == Verdict::Served {
            return Ok(Health::Good);
        }
        if self.is_empty().await {
            self.unserved.nothing_is_queued();
        }
        let Verdict::Unserved { reason, in_doubt } = self.unserved.verdict() else {
            return Ok(Health::Good);
        };
        if !in_doubt {
            return Err(CheckFailure::new(reason));
        }
        // A program may refuse one request, or all of them; who was given up may be the last whom the outage hit.
        let deadline = tokio::time::Instant::now() + REHEARSAL_LIMIT;
        match self.engine.rehearse(self.owner_program, deadline).await {
            Ok(()) => {
                self.unserved.could_be_served();
                Ok(Health::Degraded(format!(
                    "{reason}; another session could be created now"
                )))
            }
            Err(error) => Err(CheckFailure::new(format!("{reason}; nobody could be served: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests;
