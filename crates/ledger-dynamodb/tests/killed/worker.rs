//! One of the processes: holds, signs, sends, and settles what it and others have sent.

use std::{
    collections::BTreeSet,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use session_ledger::{Fate, Hold, HoldAnswer, HoldId, HoldRequest, Ledger, Member, Refusal, SentTransaction};
use session_ledger_dynamodb::{DynamoDbLedger, DynamoDbLedgerConfig};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    LIMITS, RENT_LAMPORTS, REQUESTERS, REQUESTS, Time,
    chain::{Chain, Entry, height},
};

pub(crate) const TABLE: &str = "WORKER_TABLE";
pub(crate) const ENDPOINT: &str = "WORKER_ENDPOINT";
pub(crate) const FOLDER: &str = "WORKER_FOLDER";
pub(crate) const BEGAN: &str = "WORKER_BEGAN";
pub(crate) const SEED: &str = "WORKER_SEED";

/// Blocks for which a transaction may land: ten minutes of the test's time, two seconds of the world's.
const VALID_BLOCKS: u64 = 1_500;
/// A hold without a transaction that is older is given up: whoever took it is dead.
const UNSIGNED_MAX: Duration = Duration::from_mins(15);
const MEMBERS_MAX: usize = 10;

pub(crate) struct Worker {
    config: DynamoDbLedgerConfig,
    folder: PathBuf,
    time: Time,
    seed: u64,
}

/// A worker at work.
struct Work {
    ledger: DynamoDbLedger,
    chain: Chain,
    time: Time,
    random: StdRng,
}

impl Worker {
    pub(crate) fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var(name).ok();
        Some(Self {
            config: DynamoDbLedgerConfig {
                table: variable(TABLE)?,
                endpoint_url: variable(ENDPOINT),
                region: None,
            },
            folder: variable(FOLDER)?.into(),
            time: Time {
                began: UNIX_EPOCH + Duration::from_millis(variable(BEGAN)?.parse().ok()?),
            },
            seed: variable(SEED)?.parse().ok()?,
        })
    }

    /// Works until killed, or until whoever would do that is gone.
    pub(crate) async fn run(self) {
        let parent = parent_id();
        let mut work = Work {
            ledger: DynamoDbLedger::connect(self.config, LIMITS).await.unwrap(),
            chain: Chain::in_folder(Path::new(&self.folder)),
            time: self.time,
            random: StdRng::seed_from_u64(self.seed),
        };
        while parent_id() == parent {
            work.settle_what_is_out().await;
            if !work.create_some().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn requester(number: u64) -> Pubkey {
    Pubkey::new_from_array([u8::try_from(number % REQUESTERS).unwrap() + 1; 32])
}

fn pda(number: u64) -> Pubkey {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Pubkey::new_from_array(bytes)
}

impl Work {
    /// Takes some requests that have no account, and creates theirs. Says whether anything was held.
    async fn create_some(&mut self) -> bool {
        let exists: BTreeSet<Pubkey> = self.created();
        let missing: Vec<u64> = (0..REQUESTS).filter(|number| !exists.contains(&pda(*number))).collect();
        let count = self.random.random_range(1..=MEMBERS_MAX);
        let mut members: Vec<Member> = missing
            .choose_multiple(&mut self.random, count)
            .map(|number| Member {
                pda: pda(*number),
                requester: requester(*number),
                rent_lamports: RENT_LAMPORTS,
                asked_at_slot: Some(1),
            })
            .collect();
        while !members.is_empty() {
            let request = HoldRequest {
                id: HoldId::from_random(self.random.random()),
                wallet: Pubkey::new_from_array([200; 32]),
                members: members.clone(),
                fee_lamports: self.random.random_range(5..30),
                wallet_reading: None,
            };
            match self.ledger.hold(request.clone(), self.time.now()).await {
                Ok(HoldAnswer::Held { .. }) => {
                    self.send(&request).await;
                    return true;
                }
                Ok(HoldAnswer::Refused(refusals)) => leave_out(&mut members, &refusals),
                Err(error) if error.is_retryable() => return false,
                Err(error) => panic!("{error}"),
            }
        }
        false
    }

    /// Signs, sends, and puts the fate in the books: in between it may be killed, and now and then it just forgets.
    async fn send(&mut self, request: &HoldRequest) {
        let mut bytes = [0; 64];
        self.random.fill(&mut bytes[..]);
        let sent = SentTransaction {
            signature: Signature::from(bytes),
            last_valid_block_height: height(self.time.now()) + VALID_BLOCKS,
        };
        if let Err(error) = self.ledger.attach(request.id, sent, self.time.now()).await {
            // Given up by somebody else, or no answer: either way nothing may be sent.
            eprintln!("not sent: {error}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(self.random.random_range(0..100))).await;
        let (dropped, failed) = (self.random.random_bool(0.05), self.random.random_bool(0.1));
        if !dropped {
            let entry = Entry {
                signature: sent.signature.to_string(),
                at_ms: 0,
                failed,
                rent_lamports: RENT_LAMPORTS,
                fee_lamports: request.fee_lamports,
                members: request
                    .members
                    .iter()
                    .map(|member| (member.pda, member.requester))
                    .collect(),
            };
            self.chain.land(entry, sent.last_valid_block_height, || self.time.now());
        }
        if self.random.random_bool(0.8)
            && let Ok(Some(hold)) = self.ledger.open_hold(request.id).await
        {
            self.settle(&hold).await;
        }
    }

    async fn settle_what_is_out(&self) {
        for hold in self.ledger.open().await.unwrap_or_default() {
            self.settle(&hold).await;
        }
    }

    async fn settle(&self, hold: &Hold) {
        let fate = match hold.sent {
            None if hold.age(self.time.now()) > UNSIGNED_MAX => Fate::Abandoned,
            None => return,
            Some(sent) => {
                // The height first: what is in no block at a height that is past can get into none.
                let past = height(self.time.now()) > sent.last_valid_block_height;
                let signature = sent.signature.to_string();
                match self.chain.entries().iter().find(|entry| entry.signature == signature) {
                    Some(Entry { failed: true, .. }) => Fate::Failed {
                        slot: 10,
                        fee_lamports: None,
                    },
                    Some(_) => Fate::Landed { slot: 10, spent: None },
                    None if past => Fate::Expired,
                    None => return,
                }
            }
        };
        // Somebody else may have been faster, which the ledger answers and nobody needs to know.
        let _ = self.ledger.settle(hold.id, fate, self.time.now()).await;
    }

    fn created(&self) -> BTreeSet<Pubkey> {
        let entries = self.chain.entries();
        let landed = entries.iter().filter(|entry| !entry.failed);
        landed
            .flat_map(|entry| entry.members.iter().map(|(pda, _)| *pda))
            .collect()
    }
}

/// Leaves out what stands in the way.
fn leave_out(members: &mut Vec<Member>, refusals: &[Refusal]) {
    for refusal in refusals {
        match refusal {
            Refusal::Busy { pda, .. } | Refusal::CreatedBefore { pda, .. } => {
                members.retain(|member| member.pda != *pda);
            }
            Refusal::RequesterBudget { requester, .. } => members.retain(|member| member.requester != *requester),
            // Fewer may fit.
            _ => drop(members.pop()),
        }
    }
}
