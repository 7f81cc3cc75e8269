//! Killed while it redrives five hundred letters, again and again: each is a letter, a message that waits or an account at every
//! moment, and none was paid for twice.

use std::{collections::BTreeSet, path::Path, sync::Arc, time::Duration};

use serde_json::Value;
use session_chain::CommitmentConfig;
use session_events::{PdaComputedEvent, factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID, session_address};
use session_message::{Message, Origin, Source};
use session_queue::{BATCH_ENTRIES_MAX, DeadLetter, InMemoryConfig, InMemoryQueue, Queue, SendEntry};
use session_store::{Reader, Store};
use solana_client::nonblocking::rpc_client::RpcClient;
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use crate::process::{LIMIT, Run, configured_chain, ended};

const LETTERS: usize = 500;
/// How often the service is killed.
const KILLS: usize = 2;
/// Letters whose accounts it has seen by then: some, and not all.
const SERVED_BEFORE_KILL: usize = 20;
/// A session with a short id.
const SIZE_BYTES: u64 = 168;
/// Addresses that the RPC is asked for at once.
const ADDRESSES_MAX: usize = 100;

fn letter(number: usize) -> (Pubkey, SendEntry) {
    let (owner, session_id) = (Pubkey::new_from_array([7; 32]), format!("letter-{number:04}"));
    let pda = session_address(&SESSION_PROGRAM_ID, &owner, &session_id).unwrap().0;
    let event = PdaComputedEvent {
        expected_pda: pda,
        expected_size: SIZE_BYTES,
        expected_owner: SESSION_PROGRAM_ID,
        session_id,
        owner,
        eval_program: Pubkey::default(),
        shard_address: Pubkey::default(),
        namespaces: Vec::new(),
        compute_slot: 1,
    };
    let now = session_clock::now();
    let source = Source {
        signature: None,
        slot: 1,
        event_index: 0,
        program_id: SESSION_FACTORY_ID,
        observed_at: now.into(),
        origin: Origin::Live,
        requester: None,
    };
    let message = Message::new(event, source);
    let why = DeadLetter {
        reason: String::from("rpc_error"),
        sentence: String::from("no node answered"),
        attempts: 5,
        last_signature: None,
        first_at: now,
        last_at: now,
    };
    let mut attributes = message.attributes();
    attributes.extend(why.attributes());
    let entry = SendEntry {
        body: message.to_json().unwrap(),
        attributes,
        delay: Duration::ZERO,
    };
    (pda, entry)
}

/// Fills the store of a service that is not running. Gives the addresses.
async fn seeded(state: &Path) -> BTreeSet<Pubkey> {
    let store = Store::open(state).await.unwrap();
    let config = InMemoryConfig {
        name: String::from("dead-letters"),
        visibility_timeout: Duration::from_mins(1),
        capacity: LETTERS,
    };
    let queue = InMemoryQueue::dead_letters(config, Arc::new(store.clone()))
        .await
        .unwrap();
    let (pdas, entries): (BTreeSet<Pubkey>, Vec<SendEntry>) = (0..LETTERS).map(letter).unzip();
    for batch in entries.chunks(BATCH_ENTRIES_MAX) {
        let sent = queue.send_batch(batch.to_vec()).await.unwrap();
        assert!(sent.entries.iter().all(Result::is_ok), "{sent:?}");
    }
    drop(queue);
    store.close().await;
    pdas
}

/// The sessions whose letters or deferred messages are in the store. A message is deferred where a killed run's transaction
/// may still create its account.
async fn kept(state: &Path) -> BTreeSet<Pubkey> {
    let reader = Reader::open(state).await.unwrap();
    let letters = reader.dead_letters(LETTERS + 1).await.unwrap().into_iter();
    let deferred = reader.deferred(LETTERS + 1).await.unwrap().into_iter();
    let bodies = letters
        .map(|stored| stored.letter.body)
        .chain(deferred.map(|message| message.body));
    bodies
        .map(|body| Message::from_json(&body).unwrap().event.expected_pda)
        .collect()
}

/// The accounts that are there, and what they hold together.
async fn accounts(rpc: &RpcClient, pdas: &BTreeSet<Pubkey>) -> (BTreeSet<Pubkey>, u64) {
    let (mut there, mut lamports) = (BTreeSet::new(), 0);
    let pdas: Vec<Pubkey> = pdas.iter().copied().collect();
    for some in pdas.chunks(ADDRESSES_MAX) {
        let answers = rpc.get_multiple_accounts(some).await.unwrap();
        for (pda, account) in some.iter().zip(answers) {
            let Some(account) = account else { continue };
            assert_eq!(
                (account.owner, account.data.len() as u64),
                (SESSION_PROGRAM_ID, SIZE_BYTES)
            );
            there.insert(*pda);
            lamports += account.lamports;
        }
    }
    (there, lamports)
}

async fn wallet(config: &str) -> Value {
    let told = ended(&["wallet", "--json", "--config", config]).await;
    serde_json::from_str(&told.lines.join("\n")).unwrap()
}

/// Redrives all letters, and kills the service when it has served some.
async fn killed_meanwhile(config: &str) {
    let mut run = Run::start(&["--config", config]);
    run.line_of("listening").await;
    let killing = async {
        let mut served = 0;
        while served < SERVED_BEFORE_KILL {
            let line = run.line().await.expect("it goes on");
            served += usize::from(line.starts_with("verified ") || line.starts_with("existed "));
        }
        run.kill().await;
    };
    // What the command says depends on how far it had come.
    let redrive = ["dead-letters", "redrive", "--config", config];
    tokio::join!(ended(&redrive), killing);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_during_a_redrive_of_five_hundred_each_is_kept_or_an_account() {
    let folder = tempfile::tempdir().unwrap();
    let (chain, _traffic, config) = configured_chain(folder.path()).await;
    let state = folder.path().join("state");
    let rpc = RpcClient::new_with_commitment(chain.endpoint().http, CommitmentConfig::confirmed());
    let pdas = seeded(&state).await;
    let before = wallet(&config).await["wallets"][0]["lamports"].as_u64().unwrap();

    for _ in 0..KILLS {
        killed_meanwhile(&config).await;
        let (there, _) = accounts(&rpc, &pdas).await;
        let kept = kept(&state).await;
        println!("killed: {} letters and messages, {} accounts", kept.len(), there.len());
        assert!(!kept.is_empty() && !there.is_empty(), "killed too late or too early");
        assert_eq!(kept.union(&there).count(), LETTERS, "some are neither");
    }

    let mut run = Run::start(&["--config", &config]);
    run.line_of("listening").await;
    let redriven = ended(&["dead-letters", "redrive", "--config", &config]).await;
    assert_eq!(redriven.code, 0, "{}", redriven.errors);
    let deadline = Instant::now() + LIMIT;
    loop {
        let kept = kept(&state).await;
        if kept.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{} are left", kept.len());
        run.line().await.unwrap();
    }
    run.interrupt().await;
    run.rest().await;
    assert!(run.end().await.success());
    all_are_paid_for_once(&rpc, &pdas, &config, before).await;
    chain.stop().unwrap();
}

async fn all_are_paid_for_once(rpc: &RpcClient, pdas: &BTreeSet<Pubkey>, config: &str, before: u64) {
    let (there, rent) = accounts(rpc, pdas).await;
    let missing: Vec<_> = pdas.difference(&there).collect();
    assert!(missing.is_empty(), "neither kept nor there: {missing:?}");
    let told = wallet(config).await;
    let total = &told["ledger"]["total"];
    let sum = |key: &str| total[key].as_u64().unwrap();
    let (locked, fees) = (sum("locked_in_rent_lamports"), sum("spent_on_fees_lamports"));
    let spent = before - told["wallets"][0]["lamports"].as_u64().unwrap();
    let one = rpc.get_minimum_balance_for_rent_exemption(usize::try_from(SIZE_BYTES).unwrap());
    assert_eq!(
        rent,
        LETTERS as u64 * one.await.unwrap(),
        "each holds its rent and no more"
    );
    // What a killed run had out may still be held; of that, what it spent is in the accounts.
    assert!(
        spent >= rent + fees && spent <= locked + fees + sum("held_lamports"),
        "{spent}: {total}"
    );
    println!(
        "spent {spent} lamports, {rent} of them rent of {} accounts",
        there.len()
    );
}
