//! Transactions whose logs the stream has cut: whole ones are fetched, at the rate that a bucket allows.
//!
//! Anybody can have logs cut, at 5,000 lamports a transaction, and a fetch is among the dearest calls that a provider
//! has. Those that find no token yet wait here, claimed; those that find no room either go into quarantine, a thousand in
//! one item, where the same bucket pays for them later. One whose fetch does not bring it whole is given back, and the
//! listing reads it as all others. Nothing is lost either way: what the quarantine has no room for is found in account state.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use metrics::gauge;
use session_telemetry::names;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use crate::{
    checkpoint::{claim::Claim, settles::Settles},
    decode::listed::Listed,
    intake::transactions::Intake,
    patience::Patience,
    quarantine::item::{Finding, ListedTransaction, QuarantineReason, Testimony},
    source::{bucket::Bucket, fetcher::Fetcher, gap::Gap},
};

/// Transactions that are put into quarantine together, and those that may wait for that.
const POSTPONED_TOGETHER: usize = 1_000;
/// How long they are gathered: each item is a request to the place that keeps it.
const GATHER: Duration = Duration::from_secs(5);

/// A transaction whose logs are cut, and whoever has taken it on.
pub(crate) type Cut = (Listed, Claim);

/// Where the fast path leaves them.
pub(crate) struct CutLogs {
    waiting: mpsc::Sender<Cut>,
    /// `None` where account state is not compared, and would not tell of what finds no room in quarantine either.
    postponed: Option<mpsc::Sender<Cut>>,
}

impl CutLogs {
    /// Room for so many that wait for their fetch, and a way on from there if `postpones`.
    pub(crate) fn new(waiting_max: usize, postpones: bool) -> (Self, mpsc::Receiver<Cut>, mpsc::Receiver<Cut>) {
        let (waiting, to_fetch) = mpsc::channel(waiting_max);
        let (postponed, to_postpone) = mpsc::channel(POSTPONED_TOGETHER);
        let postponed = postpones.then_some(postponed);
        (Self { waiting, postponed }, to_fetch, to_postpone)
    }

    /// Never waits: what finds no room anywhere is given back, and the listing reads it.
    pub(crate) fn leave(&self, cut: Cut, gap: &Gap) {
        let Err(refused) = self.waiting.try_send(cut) else {
            return;
        };
        let cut = refused.into_inner();
        let postponed = self.postponed.as_ref();
        if postponed.is_none_or(|postponed| postponed.try_send(cut).is_err()) {
            gap.leave("incomplete_logs");
        }
    }
}

/// The one task that puts into quarantine what finds no room elsewhere.
pub(crate) struct Postponing {
    pub(crate) intake: Arc<Intake>,
    pub(crate) postponed: mpsc::Receiver<Cut>,
    pub(crate) patience: Patience,
}

impl Postponing {
    /// Runs until told to stop. What was not handed over then is given back.
    pub(crate) async fn run(mut self) {
        let patience = self.patience.clone();
        patience.wait(self.postpone_for_ever()).await;
    }

    async fn postpone_for_ever(&mut self) {
        loop {
            let (mut transactions, mut claims) = (Vec::new(), Vec::new());
            let deadline = match self.postponed.recv().await {
                Some(first) => {
                    add(first, &mut transactions, &mut claims);
                    Instant::now() + GATHER
                }
                // The fast path has ended. So that the others go on, this only ends when it is told to.
                None => std::future::pending().await,
            };
            while claims.len() < POSTPONED_TOGETHER
                && let Ok(Some(next)) = timeout_at(deadline, self.postponed.recv()).await
            {
                add(next, &mut transactions, &mut claims);
            }
            let why = "the stream cut its logs, and others of that kind use up what is fetched for now";
            let finding = Finding {
                reason: QuarantineReason::Postponed,
                detail: format!("{} transactions: {why}", transactions.len()),
                evidence: vec![Testimony::now("the stream", "Log truncated")],
            };
            let parking = &self.intake.parking;
            let item = parking.scope.transactions(transactions, finding);
            parking.park(item, Settles::Transactions(claims)).await;
        }
    }
}

fn add((listed, claim): Cut, transactions: &mut Vec<ListedTransaction>, claims: &mut Vec<Claim>) {
    transactions.push(ListedTransaction {
        signature: listed.signature.to_string(),
        slot: listed.slot,
    });
    claims.push(claim);
}

/// The one task that fetches them.
pub(crate) struct TruncatedFetches {
    pub(crate) fetcher: Fetcher,
    pub(crate) waiting: mpsc::Receiver<Cut>,
    pub(crate) bucket: Arc<Bucket>,
    /// Asks for a listing.
    pub(crate) gap: Arc<Gap>,
}

impl TruncatedFetches {
    /// Fetches until told to stop. What still waits then is given back.
    pub(crate) async fn run(self) {
        let Self {
            fetcher,
            waiting,
            bucket,
            gap,
        } = self;
        let paced = stream::unfold((waiting, bucket), |(mut waiting, bucket)| async move {
            show(waiting.len());
            let cut = waiting.recv().await?;
            bucket.take().await;
            Some((cut, (waiting, bucket)))
        });
        let (patience, limit) = (fetcher.patience.clone(), fetcher.fetch_concurrency);
        let fetcher = Arc::new(fetcher);
        let fetches = paced.for_each_concurrent(limit, |(listed, claim)| {
            let (fetcher, gap) = (Arc::clone(&fetcher), Arc::clone(&gap));
            async move {
                // The listing tells what is wrong with it, and tries again.
                if fetcher.take_claimed(listed, claim).await.is_none() {
                    gap.leave("incomplete_logs");
                }
            }
        });
        patience.wait(fetches).await;
        show(0);
    }
}

// Some thousands at most: exact as a float.
#[expect(clippy::cast_precision_loss, reason = "there is a limit")]
fn show(waiting: usize) {
    gauge!(names::LISTENER_INCOMPLETE_LOGS_WAITING).set(waiting as f64);
}
