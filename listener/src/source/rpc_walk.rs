//! The source over JSON-RPC: walks the listing of one node, and states what finality or a second node proves of it.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    checkpoint::watermark::Mark,
    source::{
        agreement::Agreed,
        listing::AddressPages,
        pager::{Pager, Step},
        rpc::{HistoryError, ProgramHistory},
        statement::{Because, Statement},
        walk::{Delivery, Source, Walk},
    },
};

/// The program's transactions, as RPC nodes list them.
pub(crate) struct RpcSource {
    history: ProgramHistory,
    margin_slots: u64,
    /// When two endpoints may be compared again; `None`: never.
    comparison: Option<Comparisons>,
}

/// How often listings are compared, which costs a listing of each endpoint.
struct Comparisons {
    interval: Duration,
    last: Mutex<Option<Instant>>,
}

impl RpcSource {
    /// A source that states by finality, and where there are several endpoints, now and then by their agreement.
    pub(crate) fn new(history: &ProgramHistory, margin_slots: u64, comparison_interval: Duration) -> Self {
        let several = history.pool.endpoints().len() > 1;
        Self {
            history: history.clone(),
            margin_slots,
            comparison: several.then(|| Comparisons {
                interval: comparison_interval,
                last: Mutex::default(),
            }),
        }
    }
}

impl Comparisons {
    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= self.interval);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

impl Source for RpcSource {
    type Walk = RpcWalk;

    async fn after(&self, mark: Mark) -> Result<RpcWalk, HistoryError> {
        let tip = self.history.tip_beyond(mark.slot).await?;
        Ok(RpcWalk {
            pages: self.history.pages_of(self.history.program_id, tip),
            history: self.history.clone(),
            pager: Pager::after(mark),
            tip,
            margin_slots: self.margin_slots,
            compares: self.comparison.as_ref().is_some_and(Comparisons::is_due),
            unproven: false,
            end: None,
        })
    }
}

/// A walk over one node's listing.
pub(crate) struct RpcWalk {
    history: ProgramHistory,
    pages: AddressPages,
    pager: Pager,
    tip: u64,
    margin_slots: u64,
    /// Whether another endpoint may be asked where finality proves too little.
    compares: bool,
    /// Whether something was delivered that finality does not prove complete.
    unproven: bool,
    /// What was proven, at the end.
    end: Option<Statement>,
}

impl Walk for RpcWalk {
    async fn next(&mut self) -> Result<Delivery, HistoryError> {
        if let Some(statement) = &self.end {
            return Ok(Delivery::End(statement.clone()));
        }
        match self.pager.step(&self.pages).await.map_err(HistoryError::from)? {
            Step::Back => Ok(Delivery::Nothing),
            Step::Segment(mut listed) => {
                // What nothing is stated about yet is delivered, and comes again in a later walk.
                listed.retain(|listed| listed.slot <= self.tip);
                let complete = self.proven().up_to;
                self.unproven |= listed.iter().any(|listed| listed.slot > complete);
                Ok(Delivery::Transactions { listed, complete })
            }
            Step::Tip => Ok(self.finish().await),
        }
    }
}

impl RpcWalk {
    fn proven(&self) -> Statement {
        Statement::of_listing(self.pager.finalized(), self.tip, self.margin_slots)
    }

    async fn finish(&mut self) -> Delivery {
        // Where the walk has come to the beginning of history there is nothing before it.
        let statement = self.proven().or(Statement {
            up_to: self.pager.first_available().saturating_sub(1),
            because: Because::Beginning,
        });
        if self.compares
            && self.unproven
            && let Some(Agreed { listed, statement }) = self.history.agreed(statement.up_to, self.margin_slots).await
        {
            let complete = statement.up_to;
            self.end = Some(statement);
            return Delivery::Transactions { listed, complete };
        }
        self.end = Some(statement.clone());
        Delivery::End(statement)
    }
}
