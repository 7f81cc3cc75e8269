//! Ten environments pay from one ledger in DynamoDB and create on one chain, each with an engine of its own, and each is killed
//! at random while thousands of requests of five requesters come in. What the chain says at the end is what the books say.
//!
//! `SEED=…` repeats a run's choices; the kernel's scheduling stays its own.

mod books;
mod hurried;
#[expect(dead_code, reason = "credentials are the whole binary's")]
#[path = "../../../../crates/ledger-dynamodb/tests/server/mod.rs"]
mod server;
mod slots;
mod town;
mod worker;

use std::{process::ExitCode, sync::Arc, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use session_builder::embedded::EmbeddedChain;
use session_chain::CommitmentConfig;
use session_ledger::{Ledger, Limits};
use session_ledger_dynamodb::DynamoDbLedger;
use session_tests::rooms::{Room, Test, conclude, trials};
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_sdk::signature::{Keypair, Signer};
use tokio::time::Instant;

use self::{
    books::compare,
    hurried::Pace,
    server::Server,
    slots::Slots,
    town::Town,
    worker::{Place, SIZE_BYTES, Worker},
};

const REQUESTS: usize = 2_000;
/// Accounts that the budget of an hour is good for, and the part of it that one requester may have: together they may have more
/// than there is.
const ACCOUNTS_PER_HOUR: u64 = 600;
const ACCOUNTS_PER_REQUESTER: u64 = 180;
/// As much of a transaction's fees as an account bears if it is alone in it.
const FEE_LAMPORTS: u64 = 5_000;
/// Blockhashes last for 150 of them, and what a dead one had signed and not sent is waited for.
const SLOT_TIME: Duration = Duration::from_millis(60);
/// How long the books may take to be in order once all is created.
const ORDER_LIMIT: Duration = Duration::from_mins(2);

const NAME: &str = "killed";

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, 1, trials(NAME, ALL)).exit_code(),
};

const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        ten_killed_environments_spend_what_one_may_and_the_books_are_the_chains;
];

/// Serves requests in place of the tests, where this process was started to be one of the environments.
pub(crate) fn environment() -> Option<ExitCode> {
    let worker = Worker::from_environment()?;
    // One thread, whose clock can be turned.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(worker.run());
    Some(ExitCode::SUCCESS)
}

async fn ten_killed_environments_spend_what_one_may_and_the_books_are_the_chains() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(session_clock::random);
    println!("SEED={seed}");
    let began = Instant::now();
    let (server, wallet) = (Server::start(), Keypair::new());
    let chain = EmbeddedChain::start_with_slots_of(SLOT_TIME, vec![wallet.pubkey()]).await;
    let chain = chain.unwrap();
    let rpc = RpcClient::new_with_commitment(chain.endpoint().http, CommitmentConfig::confirmed());
    let rent = rpc
        .get_minimum_balance_for_rent_exemption(usize::try_from(SIZE_BYTES).unwrap())
        .await
        .unwrap();
    let place = Place {
        endpoint: chain.endpoint(),
        table: server.table().await,
        wallet: wallet.insecure_clone(),
        limits: Limits {
            lamports_per_hour: Some(ACCOUNTS_PER_HOUR * (rent + FEE_LAMPORTS)),
            lamports_per_requester_per_hour: Some(ACCOUNTS_PER_REQUESTER * (rent + FEE_LAMPORTS)),
        },
        pace: Pace::from_now(),
    };
    let before = rpc.get_balance(&wallet.pubkey()).await.unwrap();
    let slots = Slots::watch(chain.endpoint().http);

    let town = Arc::new(Town::new(place.clone(), REQUESTS));
    let killed = town.serve(&mut StdRng::seed_from_u64(seed)).await;
    let ledger = DynamoDbLedger::connect(place.table.clone(), place.limits)
        .await
        .unwrap();
    println!(
        "{REQUESTS} created after {:?}, killed {killed} times; {} transactions are undecided",
        began.elapsed(),
        ledger.open().await.unwrap().len()
    );
    put_in_order(&town, &ledger).await;
    println!("decided after {:?}", began.elapsed());
    let after = rpc.get_balance(&wallet.pubkey()).await.unwrap();
    compare(&rpc, &place, &ledger, before - after, &slots.seen().await).await;
    println!("all of it took {:?}", began.elapsed());
    chain.stop().unwrap();
}

/// One that is left alone finds out what became of what the dead had sent or held.
async fn put_in_order(town: &Town, ledger: &DynamoDbLedger) {
    let mut last = town.start();
    last.ready().await;
    let until = Instant::now() + ORDER_LIMIT;
    while !ledger.open().await.unwrap().is_empty() {
        assert!(Instant::now() < until, "{:?}", ledger.open().await.unwrap());
        last.turn_the_clock().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    last.kill().await;
}
