//! Whoever pays for a request answers for what it costs the wallet, whatever owner he names and whatever he closes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use create_accounts::{Conclusion, RecordReport};
use session_engine::Outcome;
use session_events::{
    factory::{self, SESSION_FACTORY_ID, SessionRequest, entry_address},
    session::{self, SESSION_PROGRAM_ID, SessionInitialization},
};
use session_ledger::{Limits, Summary, Sums};
use session_listener::{Lasting, ListenerConfig, ReconcileConfig, ReconcileRequest, reconcile};
use session_queue::SendEntry;
use session_store::Reader;
use session_tests::{
    chain::TestChain,
    listening::pool,
    rig::{LIMIT, Rig},
    wait,
};
use solana_pubkey::Pubkey;
use solana_sdk::{
    instruction::Instruction,
    signature::{Keypair, Signature, Signer},
};
use tokio_util::sync::CancellationToken;

/// Lamports of a signature.
const SIGNATURE_FEE: u64 = 5_000;

/// What a requester may spend, in lamports.
struct Limit {
    /// The rent of one session.
    rent: u64,
    /// In an hour.
    limit: u64,
}

/// A service that pays for `sessions` of a size for each requester in an hour, whatever the priority fees.
async fn limited(chain: &Arc<TestChain>, size: u64, sessions: u64) -> (Rig, Limit) {
    let bytes = usize::try_from(size).unwrap();
    let rent = chain.rpc().get_minimum_balance_for_rent_exemption(bytes).await.unwrap();
    // Whoever is one lamport short of a further session has that one refused.
    let limit = sessions * (rent + SIGNATURE_FEE) + rent - 1;
    let rig = Rig::start(Arc::clone(chain), |settings| {
        settings.policy.lamports_per_requester_per_hour = Some(limit);
        settings.policy.priority_fee_cap_lamports = 0;
        settings.listener.reconcile_interval = None;
    })
    .await;
    (rig, Limit { rent, limit })
}

/// What the service's books say, read beside it.
async fn books(rig: &Rig) -> Summary {
    let reader = Reader::open(rig.state_dir()).await.unwrap();
    reader
        .ledger_summary(Limits::default(), session_clock::now())
        .await
        .unwrap()
}

/// The answer to the request that this transaction made.
async fn answer(rig: &Rig, request: Signature) -> RecordReport {
    let signature = request.to_string();
    let is_its = |report: &RecordReport| {
        let message = report.message.as_ref();
        message.is_some_and(|message| message.source.signature.as_deref() == Some(signature.as_str()))
    };
    let answers = |report: &RecordReport| match &report.conclusion {
        // What is still under way is no answer yet.
        Conclusion::Deferred { reason, .. } => reason.code == "requester_budget",
        Conclusion::Retried { .. } => false,
        _ => true,
    };
    let reports = || rig.recorder.reports().into_iter().filter(is_its);
    let answer = wait::until("an answer to a request", 2 * LIMIT, || async {
        reports().find(answers)
    });
    let answered = tokio::time::timeout(LIMIT, answer).await;
    answered.unwrap_or_else(|_| panic!("no answer to {request}: {:#?}", reports().collect::<Vec<_>>()))
}

fn is_created(report: &RecordReport) -> bool {
    matches!(report.conclusion, Conclusion::Verified(Outcome::Created { .. }))
}

fn request_instruction(requester: &Keypair, request: &SessionRequest) -> Instruction {
    factory::request_session_creation(&SESSION_FACTORY_ID, &requester.pubkey(), request).unwrap()
}

pub(crate) async fn made_up_owners_do_not_escape_their_requester_s_budget(chain: Arc<TestChain>) {
    const PAID: u64 = 3;
    let request = || SessionRequest {
        owner: Pubkey::new_unique(),
        namespaces: Vec::new(),
        session_id: chain
            .session_request()
            .session_id
            .chars()
            .chain("_".repeat(32).chars())
            .take(32)
            .collect(),
        ..chain.session_request()
    };
    let (rig, Limit { limit, .. }) = limited(&chain, request().expected_size(), PAID).await;
    let (greedy, modest) = (chain.wallet(1_000_000_000).await, chain.wallet(1_000_000_000).await);
    let mut created: BTreeMap<Pubkey, u64> = BTreeMap::new();
    for requester in [
        &greedy, &greedy, &greedy, &greedy, &greedy, &greedy, &greedy, &greedy, &modest, &modest,
    ] {
        let signature = chain
            .send_as(requester, &[request_instruction(requester, &request())])
            .await
            .unwrap();
        let report = answer(&rig, signature).await;
        *created.entry(requester.pubkey()).or_default() += u64::from(is_created(&report));
    }
    assert_eq!(
        created[&greedy.pubkey()],
        PAID,
        "eight owners were made up, and one has signed"
    );
    assert_eq!(created[&modest.pubkey()], 2, "others are served");
    let requesters = books(&rig).await.requesters;
    assert_eq!(requesters.len(), 2, "{requesters:?}");
    assert!(requesters[&greedy.pubkey()].spent_lamports() <= limit, "{requesters:?}");
    assert_eq!(rig.pipeline.dead_letters().depth().await.unwrap().total(), 0);
    rig.pipeline.drain().await;
}

/// Somebody who lives on the wallet: the same session, over and over.
struct Looper<'a> {
    chain: &'a TestChain,
    wallet: Keypair,
    request: SessionRequest,
    requested: u64,
}

impl<'a> Looper<'a> {
    async fn new(chain: &'a TestChain) -> Self {
        let wallet = chain.wallet(1_000_000_000).await;
        let request = SessionRequest {
            owner: wallet.pubkey(),
            ..chain.session_request()
        };
        Self {
            chain,
            wallet,
            request,
            requested: 0,
        }
    }

    /// Requests the session; its entry, if there is one, goes first.
    async fn request(&mut self) -> Signature {
        let request = request_instruction(&self.wallet, &self.request);
        let instructions = if self.requested == 0 {
            vec![request]
        } else {
            vec![self.close_entry(), request]
        };
        self.requested += 1;
        self.chain.send_as(&self.wallet, &instructions).await.unwrap()
    }

    fn close_entry(&self) -> Instruction {
        let owner = self.wallet.pubkey();
        let (entry, _) = entry_address(&SESSION_FACTORY_ID, &owner, &self.request.session_id).unwrap();
        factory::close_session(&SESSION_FACTORY_ID, &owner, &entry, &owner).unwrap()
    }

    /// Makes a session of the account that was created, ends it, and keeps the rent. Gives the slot.
    async fn close(&self) {
        let SessionRequest {
            owner,
            eval_program,
            session_id,
            namespaces,
            ..
        } = self.request.clone();
        let initialization = SessionInitialization {
            owner,
            eval_program,
            session_id: session_id.clone(),
            namespaces,
        };
        let initialize = session::initialize_session(&SESSION_PROGRAM_ID, &initialization).unwrap();
        let close = session::close_session(&SESSION_PROGRAM_ID, &owner, &session_id).unwrap();
        self.chain.send_as(&self.wallet, &[initialize, close]).await.unwrap();
        // A request is younger than what it asks for anew only in a later slot.
        let slot = self.chain.rpc().get_slot().await.unwrap();
        wait::until_true("the next slot", LIMIT, || async {
            self.chain.rpc().get_slot().await.is_ok_and(|now| now > slot)
        })
        .await;
    }

    async fn balance(&self) -> u64 {
        self.chain.rpc().get_balance(&self.wallet.pubkey()).await.unwrap()
    }
}

pub(crate) async fn who_requests_closes_and_requests_again_is_stopped_at_the_budget(chain: Arc<TestChain>) {
    const PAID: u64 = 20;
    // A validator takes some seconds for a round, and shows the same after fewer.
    let (rounds, paid) = if chain.as_embedded().is_some() {
        (200, PAID)
    } else {
        (20, 4)
    };
    let mut looper = Looper::new(&chain).await;
    let (rig, Limit { rent, limit }) = limited(&chain, looper.request.expected_size(), paid).await;
    let before = rig.balance().await;
    let own_before = looper.balance().await;
    let (mut created, mut deferred, mut others) = (0_u64, 0_u64, Vec::new());
    for round in 0..rounds {
        let signature = looper.request().await;
        if round % 10 == 9 {
            // Somebody else, meanwhile: each with a wallet of his own.
            let other = chain.wallet(100_000_000).await;
            let request = chain.session_request();
            others.push(
                chain
                    .send_as(&other, &[request_instruction(&other, &request)])
                    .await
                    .unwrap(),
            );
        }
        let report = answer(&rig, signature).await;
        match &report.conclusion {
            Conclusion::Verified(Outcome::Created { .. }) => {
                created += 1;
                looper.close().await;
            }
            Conclusion::Deferred { .. } => deferred += 1,
            other => panic!("round {round}: {other:?}"),
        }
    }
    assert_eq!((created, deferred), (paid, rounds - paid));
    for other in &others {
        assert!(is_created(&answer(&rig, *other).await), "others are served meanwhile");
    }

    let summary = books(&rig).await;
    let sums = &summary.requesters[&looper.wallet.pubkey()];
    let Sums {
        lost_lamports,
        fee_lamports,
        locked_lamports,
        held_lamports,
        ..
    } = *sums;
    assert_eq!(
        (lost_lamports, locked_lamports, held_lamports),
        (created * rent, 0, 0),
        "{sums:?}"
    );
    assert!(sums.spent_lamports() <= limit, "{sums:?}");
    assert!(
        sums.spent_lamports() + rent + SIGNATURE_FEE > limit,
        "no more would have fitted: {sums:?}"
    );
    assert_eq!(
        summary.total.spent_lamports(),
        before - rig.balance().await,
        "the books are the wallet's, to the lamport"
    );
    assert_eq!(rig.pipeline.dead_letters().depth().await.unwrap().total(), 0);
    println!(
        "{rounds} requests of one requester: {created} created, {deferred} deferred; the wallet lost {} lamports of rent and {fee_lamports} of fees to it (budget {limit}), and the requester has {} lamports more; {} others served meanwhile",
        lost_lamports,
        i128::from(looper.balance().await) - i128::from(own_before),
        others.len()
    );
    rig.pipeline.drain().await;
}

pub(crate) async fn a_closed_session_is_paid_for_once_whoever_finds_it_missing(chain: Arc<TestChain>) {
    let mut looper = Looper::new(&chain).await;
    let (rig, _) = limited(&chain, looper.request.expected_size(), 10).await;
    let first = answer(&rig, looper.request().await).await;
    assert!(is_created(&first), "{first:?}");
    looper.close().await;
    let balance = rig.balance().await;

    // Its event once more, as a queue that delivers at least once may have it.
    let message = first.message.clone().unwrap();
    let again = SendEntry {
        body: message.to_json().unwrap(),
        attributes: BTreeMap::new(),
        delay: Duration::ZERO,
    };
    rig.pipeline.queue().send_batch(vec![again]).await.unwrap();
    let letter = rig.dead_letter().await;
    assert_eq!(letter.attributes["reason"], "account_closed", "{letter:?}");
    assert_eq!(rig.balance().await, balance);

    // A validator that is shared has the sessions of other scenarios, which a comparison would have served here.
    if chain.as_embedded().is_some() {
        compare_twice(&chain, &rig).await;
        assert_eq!(rig.balance().await, balance, "it was paid for once");
        let summary = books(&rig).await;
        assert_eq!(summary.total.locked_lamports, 0, "{summary:?}");
        assert!(summary.total.lost_lamports > 0, "{summary:?}");
    }
    rig.pipeline.drain().await;
}

/// A comparison finds the entry without its session, and so does the next one.
async fn compare_twice(chain: &TestChain, rig: &Rig) {
    let config = ListenerConfig {
        reconcile: ReconcileConfig {
            interval: None,
            min_age: Duration::ZERO,
            ..ReconcileConfig::default()
        },
        ..ListenerConfig::default()
    };
    let lasting = Lasting::in_memory();
    let compare = || {
        reconcile(
            &config,
            pool(chain.endpoint()),
            Arc::clone(rig.pipeline.queue()),
            &lasting,
            ReconcileRequest {
                dry_run: false,
                full: true,
            },
            CancellationToken::new(),
        )
    };
    for round in 1..=2 {
        assert_eq!(compare().await.unwrap().queued.first.len(), 1);
        wait::until_true("the comparison's message is concluded", LIMIT, || async {
            let closed = |report: &&RecordReport| matches!(report.conclusion, Conclusion::Closed(_));
            rig.recorder.reports().iter().filter(closed).count() == round
        })
        .await;
    }
}
