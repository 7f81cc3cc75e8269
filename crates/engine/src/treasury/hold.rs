//! One hold for one signed transaction: from the wallet and the ledger together, settled once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics::counter;
use session_ledger::{
    Fate, Hold as Entry, HoldAnswer, HoldId, HoldRequest, Ledger, LedgerError, Member, Refusal, SentTransaction,
    Settlement, WalletReading,
};
use session_telemetry::names;
use solana_pubkey::Pubkey;

use crate::treasury::promises::Promises;
use crate::treasury::signer::{Payer, SignerPool};

/// Tries at one change of the books, and the pause between two.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(100);

/// Wallets and books.
#[derive(Clone)]
pub(crate) struct Treasury {
    pub(crate) signers: SignerPool,
    ledger: Arc<dyn Ledger>,
    reserve_lamports: u64,
    pub(crate) promises: Arc<Promises>,
}

/// Everything that one transaction can cost, set aside until its fate is known. Its wallet counts as busy meanwhile.
///
/// Dropped without a settlement it stays in the books: whoever finds out what became of the transaction settles it.
#[derive(Debug)]
#[must_use = "held money is nobody's until the hold is settled"]
pub(crate) struct Hold {
    id: HoldId,
    signers: SignerPool,
    payer: usize,
}

/// The answer to a request for money.
pub(crate) enum Asked {
    Held {
        hold: Hold,
        /// The newest slot in which one of the accounts was created before.
        created_before: Option<u64>,
    },
    /// Nothing is held, and this stands against it.
    Refused(Vec<Refusal>),
}

impl Treasury {
    pub(crate) fn new(signers: SignerPool, ledger: Arc<dyn Ledger>, reserve_lamports: u64) -> Self {
        Self {
            signers,
            ledger,
            reserve_lamports,
            promises: Arc::default(),
        }
    }

    /// Holds the rent of `members` and `fee_lamports` in the least busy wallet that has them; only in `wallet` if one is
    /// named.
    pub(crate) async fn hold(
        &self,
        members: &[Member],
        fee_lamports: u64,
        wallet: Option<Pubkey>,
    ) -> Result<Asked, LedgerError> {
        let mut poorest_answer = Vec::new();
        for payer in self.signers.by_business(wallet) {
            let request = self.request(members, fee_lamports, payer);
            let id = request.id;
            match insist(|| self.ledger.hold(request.clone(), session_clock::now())).await? {
                HoldAnswer::Held { created_before } => {
                    return Ok(Asked::Held {
                        hold: Hold::of(id, &self.signers, payer),
                        created_before,
                    });
                }
                HoldAnswer::Refused(refusals) if refusals.iter().all(is_of_the_wallet) => {
                    poorest_answer = fuller(poorest_answer, refusals);
                }
                // Another wallet would be told the same.
                HoldAnswer::Refused(refusals) => {
                    return Ok(Asked::Refused(
                        refusals
                            .into_iter()
                            .filter(|refusal| !is_of_the_wallet(refusal))
                            .collect(),
                    ));
                }
            }
        }
        Ok(Asked::Refused(poorest_answer))
    }

    /// Writes down the transaction of a hold. Only then may it be sent.
    pub(crate) async fn attach(&self, hold: &Hold, sent: SentTransaction) -> Result<(), LedgerError> {
        insist(|| self.ledger.attach(hold.id, sent, session_clock::now())).await
    }

    /// The transaction's fate is known. Books that cannot be reached keep the hold, and whoever looks through them later
    /// settles it.
    pub(crate) async fn settle(&self, hold: impl Held, fate: Fate) {
        let (id, outcome) = (hold.id(), outcome(&fate));
        match insist(|| self.ledger.settle(id, fate.clone(), session_clock::now())).await {
            Ok(Settlement::Now { .. }) => {
                counter!(names::TRANSACTIONS_SETTLED_TOTAL, "outcome" => outcome).increment(1);
            }
            Ok(Settlement::Before(before)) => tracing::info!(%id, ?before, "a hold was settled by somebody else"),
            Err(error) => tracing::error!(%id, %error, outcome, "a hold stays in the books; a later look settles it"),
        }
    }

    /// The undecided hold of a name.
    pub(crate) async fn open_entry(&self, id: HoldId) -> Result<Option<Entry>, LedgerError> {
        insist(|| self.ledger.open_hold(id)).await
    }

    /// All undecided holds.
    pub(crate) async fn open_entries(&self) -> Result<Vec<Entry>, LedgerError> {
        insist(|| self.ledger.open()).await
    }

    fn request(&self, members: &[Member], fee_lamports: u64, payer: usize) -> HoldRequest {
        let payer = &self.signers.payers()[payer];
        let reading = *payer.wallet();
        HoldRequest {
            id: HoldId::random(),
            wallet: payer.address,
            members: members.to_vec(),
            fee_lamports,
            wallet_reading: Some(WalletReading {
                balance_lamports: reading.balance(),
                slot: reading.slot(),
                reserve_lamports: self.reserve_lamports,
            }),
        }
    }
}

impl Hold {
    fn of(id: HoldId, signers: &SignerPool, payer: usize) -> Self {
        signers.payers()[payer].in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            signers: signers.clone(),
            payer,
        }
    }

    /// The wallet that pays.
    pub(crate) fn payer(&self) -> &Payer {
        &self.signers.payers()[self.payer]
    }
}

/// A hold, by whatever of it is known here: another process's is a name.
pub(crate) trait Held: Send {
    fn id(&self) -> HoldId;
}

impl Held for Hold {
    fn id(&self) -> HoldId {
        self.id
    }
}

impl Held for HoldId {
    fn id(&self) -> HoldId {
        *self
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.payer().in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Every change of the books may be asked for again: it counts once.
async fn insist<T, F, Fut>(operation: F) -> Result<T, LedgerError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, LedgerError>>,
{
    let mut tries = 1;
    loop {
        match operation().await {
            Err(error) if error.is_retryable() && tries < TRIES => {
                tracing::debug!(%error, tries, "the books did not answer");
                tokio::time::sleep(PAUSE * tries).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}

fn is_of_the_wallet(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::WalletReserve { .. } | Refusal::StaleReading { .. })
}

/// Of two wallets' answers the one of the wallet that has more.
fn fuller(one: Vec<Refusal>, other: Vec<Refusal>) -> Vec<Refusal> {
    let available = |refusals: &[Refusal]| {
        refusals.iter().find_map(|refusal| match refusal {
            Refusal::WalletReserve { available, .. } => Some(*available),
            _ => None,
        })
    };
    if available(&one) > available(&other) {
        one
    } else {
        other
    }
}

/// Name of a fate in metrics.
fn outcome(fate: &Fate) -> &'static str {
    match fate {
        Fate::Landed { .. } => "landed",
        Fate::Failed { .. } => "failed",
        Fate::Expired => "expired",
        Fate::Refused => "refused",
        Fate::Abandoned => "abandoned",
    }
}

#[cfg(test)]
mod tests {
    use session_ledger::{InMemoryLedger, Limits};
    use solana_sdk::signature::{Keypair, Signature};

    use super::*;

    fn member(seed: u8, rent_lamports: u64) -> Member {
        Member {
            pda: Pubkey::new_from_array([seed; 32]),
            requester: Pubkey::new_from_array([9; 32]),
            rent_lamports,
            asked_at_slot: None,
        }
    }

    fn treasury(balances: &[u64], limit: Option<u64>) -> (Treasury, Arc<InMemoryLedger>) {
        let signers = SignerPool::of_keypairs(balances.iter().map(|_| Keypair::new()).collect()).unwrap();
        for (payer, lamports) in signers.payers().iter().zip(balances) {
            payer.wallet().read(1, *lamports);
        }
        let limits = Limits {
            lamports_per_hour: limit,
            ..Limits::default()
        };
        let ledger = Arc::new(InMemoryLedger::new(limits));
        (Treasury::new(signers, ledger.clone(), 100), ledger)
    }

    async fn held(treasury: &Treasury, seed: u8, rent: u64) -> Hold {
        match treasury.hold(&[member(seed, rent)], 5, None).await.unwrap() {
            Asked::Held { hold, .. } => hold,
            Asked::Refused(refusals) => panic!("{refusals:?}"),
        }
    }

    #[tokio::test]
    async fn the_least_busy_wallet_that_can_pay_pays_and_the_fullest_refusal_is_told() {
        let (treasury, _) = treasury(&[1_000, 500], None);
        let first = held(&treasury, 1, 295).await;
        let second = held(&treasury, 2, 295).await;
        assert_ne!(first.payer().address, second.payer().address);
        let third = held(&treasury, 3, 295).await;
        assert_eq!(
            third.payer().address,
            treasury.signers.addresses()[0],
            "the other one has too little left"
        );
        let Asked::Refused(refusals) = treasury.hold(&[member(4, 895)], 5, None).await.unwrap() else {
            panic!("there is no such money")
        };
        assert!(matches!(
            refusals[..],
            [Refusal::WalletReserve {
                available: 400,
                requested: 900,
                reserve: 100,
                ..
            }]
        ));
    }

    #[tokio::test]
    async fn what_no_single_wallet_has_is_refused_however_much_they_have_together() {
        let (treasury, _) = treasury(&[1_000, 1_000, 1_000], None);
        let Asked::Refused(refusals) = treasury.hold(&[member(1, 2_000)], 5, None).await.unwrap() else {
            panic!("no wallet has it")
        };
        assert!(
            matches!(refusals[..], [Refusal::WalletReserve { available: 1_000, .. }]),
            "{refusals:?}"
        );
    }

    #[tokio::test]
    async fn fees_are_held_against_the_budget_and_a_settled_hold_frees_what_was_not_spent() {
        let (treasury, ledger) = treasury(&[10_000], Some(1_000));
        let hold = held(&treasury, 1, 995).await;
        assert!(matches!(
            treasury.hold(&[member(2, 1)], 0, None).await.unwrap(),
            Asked::Refused(refusals) if matches!(refusals[..], [Refusal::Budget { spent: 1_000, .. }])
        ));
        let sent = SentTransaction {
            signature: Signature::from([1; 64]),
            last_valid_block_height: 1,
        };
        treasury.attach(&hold, sent).await.unwrap();
        let failed = Fate::Failed {
            slot: 2,
            fee_lamports: None,
        };
        treasury.settle(hold, failed).await;
        let sums = ledger.summary(session_clock::now()).await.unwrap();
        assert_eq!((sums.total.held_lamports, sums.total.spent_lamports()), (0, 5));
        drop(held(&treasury, 3, 990).await);
    }
}
