//! Looking through the books for transactions that some process left behind: what became of them is found out here.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::delivery::courier::Courier;

/// Between two looks. A process that ended left its transactions undecided for about the life of a blockhash at most.
const PAUSE: Duration = Duration::from_secs(30);
/// A hold this young belongs to somebody who is about to decide it.
const YOUNG: Duration = Duration::from_mins(1);
/// Transactions taken over by one look.
const AT_ONCE: usize = 20;

/// Looks through the books again and again, until `stop`.
pub(crate) async fn run(courier: Courier, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        if let Err(error) = look(&courier).await {
            tracing::warn!(%error, "the books could not be looked through for transactions left behind");
        }
    }
}

async fn look(courier: &Courier) -> Result<(), session_ledger::LedgerError> {
    let now = session_clock::now();
    let open = courier.treasury.open_entries().await?;
    let left = open.into_iter().filter(|hold| hold.age(now) > YOUNG).take(AT_ONCE);
    for hold in left {
        let id = hold.id;
        if courier.adopt_entry(hold).await?.is_some() {
            tracing::debug!(%id, "an undecided transaction of the books is followed");
        }
    }
    Ok(())
}
