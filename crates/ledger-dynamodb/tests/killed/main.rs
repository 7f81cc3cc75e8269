//! Ten processes pay from one ledger, each killed at random while thousands of requests come in. The chain is a file that
//! they all append to under a lock: what is in it has happened, whoever is dead.
//!
//! `SEED=…` repeats a run's choices; the kernel's scheduling stays its own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod chain;
#[path = "../server/mod.rs"]
mod server;
mod worker;

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, ExitCode},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use libtest_mimic::{Arguments, Trial};
use rand::{Rng, SeedableRng, rngs::StdRng};
use session_ledger::{Ledger, Limits};
use session_ledger_dynamodb::{DynamoDbLedger, DynamoDbLedgerConfig};
use solana_pubkey::Pubkey;
use tokio::{runtime::Runtime, time::Instant};

use crate::{
    chain::{Chain, Entry},
    server::{Server, main_with_credentials},
};

const PROCESSES: usize = 10;
const REQUESTS: u64 = 2_000;
const REQUESTERS: u64 = 5;
const RENT_LAMPORTS: u64 = 1_000;
/// For about 300 accounts an hour, and 65 for each requester.
const LIMITS: Limits = Limits {
    lamports_per_hour: Some(300_000),
    lamports_per_requester_per_hour: Some(65_000),
};
/// How much faster than the world's the time of this test goes by: five minutes a second.
const SPEED: u32 = 300;
const HOUR: Duration = Duration::from_hours(1);
/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(8);

/// The time of this test, which all its processes share.
#[derive(Clone, Copy)]
struct Time {
    began: SystemTime,
}

impl Time {
    fn now(self) -> SystemTime {
        let passed = session_clock::now().duration_since(self.began).unwrap_or_default();
        UNIX_EPOCH + Duration::from_hours(500_000) + passed * SPEED
    }
}

fn main() -> ExitCode {
    if let Some(worker) = worker::Worker::from_environment() {
        Runtime::new().unwrap().block_on(worker.run());
        return ExitCode::SUCCESS;
    }
    main_with_credentials(|| {
        let name = "ten_killed_processes_spend_what_one_may_and_the_books_are_right";
        let trial = Trial::test(name, || {
            Runtime::new().unwrap().block_on(run());
            Ok(())
        });
        libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
    })
}

async fn run() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(session_clock::random);
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let server = Server::start();
    let table = server.table().await;
    let folder = tempfile::tempdir().unwrap();
    let chain = Chain::in_folder(folder.path());
    let time = Time {
        began: session_clock::now(),
    };
    let began = Instant::now();
    let start = |number: u64| spawn(&table, folder.path(), time, seed.wrapping_add(number));
    let mut spawned = 0;
    let mut workers: Vec<Child> = Vec::new();
    let mut killed = 0;
    while created(&chain.entries()) < REQUESTS {
        assert!(
            began.elapsed() < LIMIT,
            "{} of {REQUESTS} created",
            created(&chain.entries())
        );
        while workers.len() < PROCESSES {
            spawned += 1;
            workers.push(start(spawned));
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(50..600))).await;
        let mut worker = workers.swap_remove(random.random_range(0..workers.len()));
        worker.kill().unwrap();
        worker.wait().unwrap();
        killed += 1;
    }
    // One that is left alone puts the rest in order: what the dead held, and what they sent.
    for mut worker in workers {
        worker.kill().unwrap();
        worker.wait().unwrap();
    }
    let ledger = DynamoDbLedger::connect(table.clone(), LIMITS).await.unwrap();
    let open = ledger.open().await.unwrap().len();
    let mut last = start(spawned + 1);
    while !ledger.open().await.unwrap().is_empty() {
        assert!(began.elapsed() < LIMIT, "holds are still open");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    last.kill().unwrap();
    last.wait().unwrap();
    println!(
        "killed {killed} processes in {:?}; the dead left {open} holds open",
        began.elapsed()
    );
    check(&ledger, &chain.entries(), time.now()).await;
}

fn spawn(table: &DynamoDbLedgerConfig, folder: &Path, time: Time, seed: u64) -> Child {
    let began = time.began.duration_since(UNIX_EPOCH).unwrap().as_millis();
    Command::new(std::env::current_exe().unwrap())
        .env(worker::TABLE, &table.table)
        .env(worker::ENDPOINT, table.endpoint_url.as_deref().unwrap())
        .env(worker::FOLDER, folder)
        .env(worker::BEGAN, began.to_string())
        .env(worker::SEED, seed.to_string())
        .spawn()
        .unwrap()
}

fn created(entries: &[Entry]) -> u64 {
    entries
        .iter()
        .filter(|entry| !entry.failed)
        .map(|entry| entry.members.len() as u64)
        .sum()
}

/// What the chain says against what the ledger says.
async fn check(ledger: &DynamoDbLedger, entries: &[Entry], now: SystemTime) {
    let mut times_created: BTreeMap<Pubkey, u32> = BTreeMap::new();
    let mut spent: Vec<(u64, u64)> = Vec::new();
    let mut of_requesters: BTreeMap<Pubkey, Vec<(u64, u64)>> = BTreeMap::new();
    for entry in entries {
        spent.push((entry.at_ms, entry.lamports()));
        for (requester, lamports) in entry.shares() {
            of_requesters
                .entry(requester)
                .or_default()
                .push((entry.at_ms, lamports));
        }
        for (pda, _) in entry.members.iter().filter(|_| !entry.failed) {
            *times_created.entry(*pda).or_default() += 1;
        }
    }
    assert_eq!(times_created.len() as u64, REQUESTS);
    assert!(
        times_created.values().all(|times| *times == 1),
        "an account was paid twice"
    );

    let summary = ledger.summary(now).await.unwrap();
    let sum = |spent: &[(u64, u64)]| -> u64 { spent.iter().map(|(_, lamports)| lamports).sum() };
    println!(
        "chain {} lamports, ledger {} lamports, {} transactions, busiest hour {} of {}",
        sum(&spent),
        summary.total.spent_lamports(),
        entries.len(),
        busiest_hour(&spent),
        LIMITS.lamports_per_hour.unwrap(),
    );
    assert_eq!(summary.total.spent_lamports(), sum(&spent));
    assert_eq!((summary.total.held_lamports, summary.open_holds), (0, 0));
    assert!(busiest_hour(&spent) <= LIMITS.lamports_per_hour.unwrap());
    assert_eq!(of_requesters.len() as u64, REQUESTERS);
    for (requester, spent) in &of_requesters {
        let busiest = busiest_hour(spent);
        println!("requester {requester}: {} lamports, busiest hour {busiest}", sum(spent));
        assert_eq!(summary.requesters[requester].spent_lamports(), sum(spent));
        assert!(busiest <= LIMITS.lamports_per_requester_per_hour.unwrap());
    }
}

fn busiest_hour(spent: &[(u64, u64)]) -> u64 {
    let hour = u64::try_from(HOUR.as_millis()).unwrap();
    let from = |start: u64| {
        let within = spent.iter().filter(|(at, _)| *at >= start && *at < start + hour);
        within.map(|(_, lamports)| lamports).sum::<u64>()
    };
    spent.iter().map(|(at, _)| from(*at)).max().unwrap_or(0)
}
