//! What a source of transactions has to offer: the transactions, and statements of which slots they are complete.

use crate::{
    checkpoint::watermark::Mark,
    decode::listed::Listed,
    source::{rpc::HistoryError, statement::Statement},
};

/// Where the program's transactions come from.
///
/// Beside the transactions a source makes [`Statement`]s, "everything up to slot S was delivered, because …", and nothing else
/// moves the watermark: a transaction that was delivered proves that it happened, and its absence proves nothing. Whoever
/// states it has to know it, and to say how.
///
/// The source over JSON-RPC ([`RpcSource`](crate::source::rpc_walk::RpcSource)) knows it by finality, or by two endpoints that
/// agree. A source over a Yellowstone gRPC stream would have to state the same by other means:
///
/// - It subscribes to the program's transactions *and* to block metadata, both at the walk's commitment, with `from_slot` set to
///   the slot after the mark. A server that cannot replay from that slot answers so (its buffer begins later): that is no
///   walk but an error, and the gap is filled over JSON-RPC before the stream's statements count.
/// - A slot is complete once its block metadata has come, with as many transactions of the program delivered for it as its
///   entries hold, and the metadata's parent slot is one that is complete already: a chain of parents down to the mark leaves no
///   slot out. Slots between parent and child were skipped and are complete with the child.
/// - Messages of a slot may come before, after and without its metadata, and twice after a reconnection; the order of the
///   stream proves nothing.
/// - A slot that is dead or not on the chain of parents of a finalized one states nothing, however complete it is: what was
///   delivered of it has been taken in, is never covered by a statement, and is looked at as any transaction that a fork took away.
/// - A ping that is answered shows life, and no completeness: silence up to the next metadata is silence.
pub(crate) trait Source: Send + Sync {
    /// A walk of it.
    type Walk: Walk;

    /// Begins a walk over everything after the mark.
    ///
    /// # Errors
    /// [`HistoryError`] where no endpoint has reached the mark.
    fn after(&self, mark: Mark) -> impl Future<Output = Result<Self::Walk, HistoryError>> + Send;
}

/// A walk from a mark to the tip, oldest first.
pub(crate) trait Walk: Send {
    /// What comes next. Can be called again after an error: nothing is left out.
    ///
    /// # Errors
    /// [`HistoryError`] says whether waiting helps.
    fn next(&mut self) -> impl Future<Output = Result<Delivery, HistoryError>> + Send;
}

/// What a walk brings.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// Nothing yet; it goes on.
    Nothing,
    /// Transactions, of which those of slots up to `complete` are all that there are since the ones before. Later ones come
    /// again in another walk.
    Transactions { listed: Vec<Listed>, complete: u64 },
    /// The end of the walk, and what it proves.
    End(Statement),
}
