//! One transaction: choose who pays, sign, send, follow.

use std::sync::Arc;
use std::time::Instant;

use metrics::counter;
use solana_sdk::hash::Hash;

use crate::batch::error::{CreationError, Failure};
use crate::delivery::blockhash::{Blockhash, RecentError};
use crate::delivery::sending::{Fate, Signed};
use crate::delivery::statuses::Landing;
use crate::shared::Shared;
use crate::transaction::cost::{SIGNATURE_FEE_LAMPORTS, priority_fee};
use crate::transaction::message::Terms;
use crate::transaction::plan::{Group, Rules};
use crate::treasury::signer::Paying;

/// A transaction's creations and what became of it.
pub(crate) struct Attempt {
    pub(crate) group: Group,
    pub(crate) terms: Terms,
    pub(crate) fate: Result<Sent, CreationError>,
}

/// A transaction that was signed, and what became of it.
pub(crate) struct Sent {
    pub(crate) signed: Arc<Signed>,
    pub(crate) fate: Fate,
}

impl Attempt {
    /// Sends `group` and follows it. `stale` is a blockhash that a node didn't know.
    pub(crate) async fn make(
        shared: &Shared,
        group: Group,
        rules: Rules<'_>,
        stale: Option<Hash>,
        deadline: Instant,
    ) -> Self {
        let policy = shared.policy();
        let terms = Terms {
            compute_units: group.compute_units,
            priority_fee_lamports: priority_fee(
                shared.price.micro_lamports_per_unit(),
                group.compute_units,
                policy.max_priority_fee_lamports,
            ),
        };
        let lamports = rent_of(shared, &group).saturating_add(fee(terms));
        let only = rules.mark_created.map(|mark| mark.authority);
        let fate = match shared.signers.choose(lamports, policy.wallet_reserve_lamports, only) {
            Err(deferral) => Err(deferral.into()),
            Ok(paying) => pay(shared, &group, rules, terms, paying, stale, deadline).await,
        };
        Self { group, terms, fate }
    }
}

/// Lamports of fees for a transaction with one signature.
fn fee(terms: Terms) -> u64 {
    SIGNATURE_FEE_LAMPORTS.saturating_add(terms.priority_fee_lamports)
}

fn rent_of(shared: &Shared, group: &Group) -> u64 {
    group
        .creations
        .iter()
        .map(|creation| creation.rent_due(shared.cluster.rent()))
        .fold(0, u64::saturating_add)
}

async fn pay(
    shared: &Shared,
    group: &Group,
    rules: Rules<'_>,
    terms: Terms,
    paying: Paying<'_>,
    stale: Option<Hash>,
    deadline: Instant,
) -> Result<Sent, CreationError> {
    let signed = match sign(shared, group, rules, terms, &paying, stale, deadline).await {
        Ok(signed) => Arc::new(signed),
        Err(error) => {
            paying.refund();
            return Err(error);
        }
    };
    shared
        .unsettled
        .remember(group.creations.iter().map(|creation| creation.request.pda), &signed);
    let fate = shared.sender.send(&signed, deadline).await;
    settle(shared, &signed, &fate, paying);
    Ok(Sent { signed, fate })
}

async fn sign(
    shared: &Shared,
    group: &Group,
    rules: Rules<'_>,
    terms: Terms,
    paying: &Paying<'_>,
    stale: Option<Hash>,
    deadline: Instant,
) -> Result<Signed, CreationError> {
    let blockhash = recent_blockhash(shared, stale, deadline).await?;
    let payer = paying.payer.address;
    let instructions = group.instructions(&payer, rules);
    let message = rules
        .format
        .compile(&payer, &instructions, blockhash.hash, terms)
        .map_err(|error| CreationError::failed(Failure::Compilation(error.to_string())))?;
    let transaction = paying.payer.sign(message).await.map_err(CreationError::failed)?;
    let unsigned = || CreationError::failed(Failure::Compilation("it has no signature".to_owned()));
    Signed::new(transaction, blockhash).ok_or_else(unsigned)
}

async fn recent_blockhash(shared: &Shared, stale: Option<Hash>, deadline: Instant) -> Result<Blockhash, CreationError> {
    shared
        .blockhashes
        .recent(stale, deadline)
        .await
        .map_err(|error| match error {
            RecentError::Chain(error) => CreationError::from_shared(&error),
            RecentError::DeadlineReached | RecentError::Stopped => CreationError::no_time_left(None),
        })
}

/// Brings the wallet and the memory up to date with the transaction's fate.
fn settle(shared: &Shared, signed: &Signed, fate: &Fate, paying: Paying<'_>) {
    let outcome = match fate {
        Fate::Decided(Landing::Landed { slot }) => {
            paying.landed(*slot);
            "landed"
        }
        // It is in a block, did not run and cost nothing.
        Fate::Decided(Landing::NotExecuted { .. }) => {
            paying.refund();
            "not_executed"
        }
        // The fee is gone and the rent is not; the next reading of the balance has both right.
        Fate::Decided(Landing::Failed { .. }) => {
            paying.refund();
            "failed"
        }
        Fate::Decided(Landing::Expired) => {
            paying.refund();
            "expired"
        }
        Fate::Refused(_) | Fate::FormatRefused | Fate::NotSent(_) => {
            paying.refund();
            "refused"
        }
        // The lamports stay set aside: it may still land.
        Fate::Unknown => "unknown",
    };
    counter!("transactions_settled_total", "outcome" => outcome).increment(1);
    if !matches!(fate, Fate::Unknown) {
        shared.unsettled.forget(signed);
    }
}
