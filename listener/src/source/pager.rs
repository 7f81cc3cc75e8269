//! Walks the program's transactions from an old mark to the tip, oldest first, in bounded memory.
//!
//! `getSignaturesForAddress` lists newest first, so the way back has to be walked before anything can be processed. Of
//! the pages on that way only their boundaries are kept, and every page is asked for again when its turn comes; of
//! very many boundaries every second one is dropped, which costs more requests and no memory.
//!
//! The end of a page is never taken for the end of history, however short the page: a walk has reached its mark when
//! it sees the mark's own transaction or one of its slots, or when it is proven that there is nothing
//! in between: an empty page alone is what a node answers, too, that has pruned its history or never heard of a signature.

use solana_sdk::signature::Signature;

use crate::{checkpoint::watermark::Mark, decode::listed::Listed};

/// Entries of a first look: mostly there is little new, and nothing beyond the mark should be asked for.
const FIRST_PAGE: usize = 64;
/// Most entries that a node lists at once (Solana RPC, `getSignaturesForAddress`).
pub(crate) const FULL_PAGE: usize = 1_000;
/// Most boundaries that are kept: 4,096 pages are four million transactions.
const BOUNDARIES_MAX: usize = 4_096;

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// The newest first.
    pub(crate) entries: Vec<Listed>,
    /// The last slot that the node had finalized before it was asked for the page.
    pub(crate) finalized: u64,
    /// Of an empty page that is proof: the first slot of which anything can be had.
    pub(crate) first_available: Option<u64>,
}

/// Where pages come from.
pub(crate) trait Pages {
    type Error;

    /// Up to `limit` transactions older than `before`.
    fn page(&self, before: Option<Signature>, limit: usize) -> impl Future<Output = Result<Page, Self::Error>> + Send;

    /// The same after one node has listed nothing, which proves nothing: every node is asked.
    fn page_beyond_empty(
        &self,
        before: Option<Signature>,
        limit: usize,
        floor_slot: u64,
    ) -> impl Future<Output = Result<Beyond, Self::Error>> + Send;
}

/// What every node together lists beyond a page that was empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// This; an empty page is proof that nothing happened between the floor and `before`.
    Page(Page),
    /// Nobody knows `before` any more: a fork has dropped it since it was listed, or whoever listed it does not answer now.
    Forgotten,
}

/// Why a walk cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError<E> {
    /// The nodes do not list any more what they have listed before.
    #[error(
        "the nodes list nothing before {oldest:?}, and not the transaction {expected} after slot {slot}, which was listed before"
    )]
    HistoryEnds {
        /// The oldest transaction that was listed.
        oldest: Option<Box<Signature>>,
        /// What must have come.
        expected: Box<Signature>,
        slot: u64,
    },
    /// A page that cannot be true.
    #[error("a listing has slot {slot} after slot {before}, which is not newest first")]
    Disordered {
        /// The slot that is too high.
        slot: u64,
        /// The slot in front of it.
        before: u64,
    },
    #[error(transparent)]
    Page(Box<E>),
}

/// A walk towards the tip. Every segment that it gives ends where the next one begins.
#[derive(Debug)]
pub(crate) struct Pager {
    /// Where it begins.
    mark: Mark,
    floor_slot: u64,
    edge: Edge,
    /// What pages are asked before, the tip (`None`) at the bottom and the oldest boundary on top.
    boundaries: Vec<Option<Signature>>,
    /// The last slot that every node had finalized of whose pages something was given.
    finalized: u64,
    /// The first slot of which anything can be had, where the walk has reached the beginning of history.
    first_available: u64,
}

/// What one page has brought.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing yet: the way back goes on, or it has ended where history does.
    Back,
    /// The next transactions, oldest first.
    Segment(Vec<Listed>),
    /// The walk is at its end.
    Tip,
}

/// What shows that a page reaches down to what was walked already.
#[derive(Debug, Clone, Copy)]
enum Edge {
    /// Nothing but a slot under the floor, or the beginning of history.
    Floor,
    /// This transaction, which was walked before.
    After(Signature),
    /// This transaction, which is the next to be walked.
    From(Signature),
}

impl Pager {
    /// A walk over everything after `mark`.
    pub(crate) fn after(mark: Mark) -> Self {
        Self {
            mark,
            floor_slot: mark.slot,
            edge: mark.signature.map_or(Edge::Floor, Edge::After),
            boundaries: vec![None],
            finalized: u64::MAX,
            first_available: 0,
        }
    }

    /// Asks for one page. Can be called again after an error: where pages contradict each other, as those of two nodes do of
    /// which one is behind, the walk begins anew.
    pub(crate) async fn step<P: Pages>(&mut self, pages: &P) -> Result<Step, WalkError<P::Error>> {
        let step = self.one_page(pages).await;
        if let Err(WalkError::HistoryEnds { .. } | WalkError::Disordered { .. }) = &step {
            *self = Self::after(self.mark);
        }
        step
    }

    async fn one_page<P: Pages>(&mut self, pages: &P) -> Result<Step, WalkError<P::Error>> {
        let Some(&before) = self.boundaries.last() else {
            return Ok(Step::Tip);
        };
        let limit = if before.is_none() { FIRST_PAGE } else { FULL_PAGE };
        let failed = |error| WalkError::Page(Box::new(error));
        let mut answer = pages.page(before, limit).await.map_err(failed)?;
        if answer.entries.is_empty() {
            let beyond = pages.page_beyond_empty(before, limit, self.floor_slot);
            answer = match beyond.await.map_err(failed)? {
                Beyond::Page(page) => page,
                Beyond::Forgotten => return Ok(self.step_forward(before)),
            };
        }
        let Page {
            entries: mut page,
            finalized,
            first_available,
        } = answer;
        check_order(&page)?;
        if page.is_empty() {
            self.end_of_history(before)?;
            self.finalized = self.finalized.min(finalized);
            self.first_available = first_available.unwrap_or(0);
            return Ok(Step::Back);
        }
        let Some(new) = self.reach(&page) else {
            self.go_back(page.last().map(|oldest| oldest.signature));
            return Ok(Step::Back);
        };
        self.finalized = self.finalized.min(finalized);
        self.walked_up_to(before);
        page.truncate(new);
        page.reverse();
        Ok(Step::Segment(page))
    }

    /// The last slot that every node had finalized whose pages were walked so far.
    pub(crate) fn finalized(&self) -> u64 {
        self.finalized
    }

    /// The first slot of which anything can be had, where the walk has reached the beginning of history; else 0.
    pub(crate) fn first_available(&self) -> u64 {
        self.first_available
    }

    /// How many of the page's transactions are new, if the page reaches down to the old ones.
    fn reach(&self, page: &[Listed]) -> Option<usize> {
        page.iter().enumerate().find_map(|(index, listed)| match self.edge {
            Edge::After(signature) if listed.signature == signature => Some(index),
            Edge::From(signature) if listed.signature == signature => Some(index + 1),
            _ => (listed.slot <= self.floor_slot).then_some(index),
        })
    }

    fn go_back(&mut self, oldest: Option<Signature>) {
        self.boundaries.push(oldest);
        if self.boundaries.len() > BOUNDARIES_MAX {
            let mut index = 0;
            // The tip stays, and so does the newest boundary of each pair.
            self.boundaries.retain(|_| {
                index += 1;
                index % 2 == 1
            });
        }
    }

    /// Whatever is listed before a boundary that is gone is listed before the next newer one as well. The tip is always there.
    fn step_forward(&mut self, before: Option<Signature>) -> Step {
        if before.is_some() {
            self.boundaries.pop();
        }
        Step::Back
    }

    /// Everything older than `before` is walked, and `before` itself comes next.
    fn walked_up_to(&mut self, before: Option<Signature>) {
        self.boundaries.pop();
        if let Some(next) = before {
            self.edge = Edge::From(next);
        }
    }

    /// It is proven that nothing happened between the floor and `before`: fine, unless something was listed there before.
    fn end_of_history<E>(&mut self, before: Option<Signature>) -> Result<(), WalkError<E>> {
        if let Edge::From(expected) = self.edge {
            return Err(WalkError::HistoryEnds {
                oldest: before.map(Box::new),
                expected: Box::new(expected),
                slot: self.floor_slot,
            });
        }
        self.walked_up_to(before);
        Ok(())
    }
}

fn check_order<E>(page: &[Listed]) -> Result<(), WalkError<E>> {
    let rising = page.windows(2).find(|pair| pair[1].slot > pair[0].slot);
    rising.map_or(Ok(()), |pair| {
        Err(WalkError::Disordered {
            slot: pair[1].slot,
            before: pair[0].slot,
        })
    })
}

#[cfg(test)]
mod tests;
