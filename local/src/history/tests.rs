//! What is told of money adds up, and a history that cannot be kept is nobody else's matter.

use std::{sync::Arc, time::Duration};

use session_events::PdaComputedEvent;
use session_ledger::{Fate, HoldAnswer, HoldId, HoldRequest, InMemoryLedger, Member, Rent, SentTransaction, Spending};
use session_message::{Message, Origin, Source};
use session_queue::{InMemoryConfig, InMemoryQueue, Queue, SendEntry};
use session_store::{ChapterKind, FILE, Store};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::OffsetDateTime;

use super::*;

const SETTINGS: HistorySettings = HistorySettings {
    // The event of these tests is of 1970.
    keep: Some(Duration::from_hours(24 * 365 * 100)),
    entries_max: 1_000,
};

fn message() -> Message {
    let event = PdaComputedEvent {
        expected_pda: Pubkey::new_from_array([9; 32]),
        expected_size: 168,
        expected_owner: Pubkey::default(),
        session_id: String::from("a session"),
        owner: Pubkey::default(),
        eval_program: Pubkey::default(),
        shard_address: Pubkey::default(),
        namespaces: Vec::new(),
        compute_slot: 7,
    };
    let source = Source {
        signature: Some(String::from("5sig")),
        slot: 7,
        event_index: 0,
        program_id: Pubkey::default(),
        observed_at: OffsetDateTime::UNIX_EPOCH,
        origin: Origin::Live,
        requester: None,
    };
    Message::new(event, source)
}

async fn queue(store: &Store) -> Arc<dyn Queue> {
    let config = |name: &str| InMemoryConfig {
        name: name.to_owned(),
        visibility_timeout: Duration::from_secs(30),
        capacity: 10,
    };
    let letters = InMemoryQueue::dead_letters(config("letters"), Arc::new(store.clone()));
    Arc::new(InMemoryQueue::new(config("queue"), Arc::new(letters.await.unwrap()), 5))
}

async fn is_sent(queue: &dyn Queue) -> bool {
    let entry = SendEntry {
        body: message().to_json().unwrap(),
        attributes: [].into(),
        delay: Duration::ZERO,
    };
    let outcome = queue.send_batch(vec![entry]).await.unwrap();
    matches!(outcome.entries.as_slice(), [Ok(_)])
}

#[tokio::test]
async fn a_history_that_cannot_be_written_changes_nothing() {
    let recorder = session_telemetry::prometheus().unwrap();
    let metrics = recorder.handle();
    let lost = |reason: &str, count: u32| {
        let counted = format!("history_entries_lost_total{{reason=\"{reason}\"}} {count}\n");
        assert!(metrics.render().contains(&counted), "{counted} in {}", metrics.render());
    };
    // The keeper runs on this test's thread.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let history = History::start(&store, SETTINGS).unwrap();
    let told = history.historian().queue(queue(&store).await);
    let pda = message().event.expected_pda;

    assert!(is_sent(told.as_ref()).await);
    let kinds = |chapters: Vec<Chapter>| -> Vec<ChapterKind> { chapters.iter().map(|chapter| chapter.kind).collect() };
    let read = history.historian().told().await.history(pda, 10).await.unwrap();
    assert_eq!(kinds(read), [ChapterKind::Event, ChapterKind::Message]);

    let beside = rusqlite::Connection::open(folder.path().join(FILE)).unwrap();
    beside
        .execute_batch("ALTER TABLE histories RENAME TO elsewhere")
        .unwrap();
    assert!(is_sent(told.as_ref()).await, "no table to write to");
    history.historian().told().await;
    lost("store", 2);
    beside
        .execute_batch("ALTER TABLE elsewhere RENAME TO histories")
        .unwrap();
    assert!(is_sent(told.as_ref()).await);
    let read = history.historian().told().await.history(pda, 10).await.unwrap();
    let twice = [ChapterKind::Event, ChapterKind::Message, ChapterKind::Message];
    assert_eq!(kinds(read), twice, "of three messages one is lost, and nothing else");

    let historian = history.historian().clone();
    history.end().await;
    assert!(is_sent(told.as_ref()).await, "nobody writes any more");
    historian.told().await;
    lost("full", 2);
}

/// The keeper has this test's thread, and so nothing is written while the test tells.
#[tokio::test]
async fn what_a_full_keeper_cannot_take_is_counted_and_what_it_took_is_written() {
    const TOO_MANY: usize = 7;
    let recorder = session_telemetry::prometheus().unwrap();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let settings = HistorySettings {
        entries_max: 10 * WAITING_MAX as u64,
        ..SETTINGS
    };
    let history = History::start(&store, settings).unwrap();
    let pda = Pubkey::new_from_array([9; 32]);
    for _ in 0..WAITING_MAX + TOO_MANY {
        history.historian().tell(purged(pda, "letter", session_clock::now()));
    }
    let counted = format!("history_entries_lost_total{{reason=\"full\"}} {TOO_MANY}\n");
    assert!(metrics.render().contains(&counted), "{}", metrics.render());
    // There is room again.
    let told = history.historian().told().await.history(pda, u32::MAX).await.unwrap();
    assert_eq!(told.len(), WAITING_MAX);
    history.historian().tell(purged(pda, "letter", session_clock::now()));
    let told = history.historian().told().await.history(pda, u32::MAX).await.unwrap();
    assert_eq!(told.len(), WAITING_MAX + 1);
    assert!(metrics.render().contains(&counted), "{}", metrics.render());
    history.end().await;
}

fn member(number: u8) -> Member {
    Member {
        pda: Pubkey::new_from_array([number; 32]),
        requester: Pubkey::default(),
        rent_lamports: 1_000,
        asked_at_slot: Some(1),
    }
}

#[tokio::test]
async fn what_is_told_of_a_transaction_adds_up_whoever_decides_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let history = History::start(&store, SETTINGS).unwrap();
    let books = Arc::new(InMemoryLedger::default());
    // Two processes on one ledger: the second one decides what the first one sent.
    let [first, second] = [(); 2].map(|()| history.historian().ledger(books.clone()));
    let members: Vec<Member> = (1..=3).map(member).collect();
    let now = session_clock::now();
    let id = HoldId::from_random(1);
    let request = HoldRequest {
        id,
        wallet: Pubkey::default(),
        members: members.clone(),
        fee_lamports: 50,
        wallet_reading: None,
    };
    let held = first.hold(request, now).await.unwrap();
    assert!(matches!(held, HoldAnswer::Held { .. }), "{held:?}");
    let sent = SentTransaction {
        signature: Signature::from([7; 64]),
        last_valid_block_height: 9,
    };
    first.attach(id, sent, now).await.unwrap();
    let rent = |member: &Member| Rent {
        pda: member.pda,
        lamports: 900,
    };
    let landed = Fate::Landed {
        slot: 8,
        spent: Some(Spending {
            fee_lamports: 20,
            rents: members.iter().map(rent).collect(),
        }),
    };
    second.settle(id, landed.clone(), now).await.unwrap();
    // Decided already: not told again.
    first.settle(id, landed, now).await.unwrap();

    let told = history.historian().told().await;
    let sessions = told.sessions_of(&sent.signature.to_string(), 10).await.unwrap();
    assert_eq!(sessions, members.iter().map(|member| member.pda).collect::<Vec<_>>());
    let mut fees = Vec::new();
    for pda in sessions {
        let chapters = told.history(pda, 10).await.unwrap();
        let outcomes: Vec<&str> = chapters
            .iter()
            .filter_map(|chapter| chapter.detail["outcome"].as_str())
            .collect();
        assert_eq!(outcomes, ["signed", "landed"]);
        assert_eq!(chapters[1].detail["rent_lamports"], 900);
        fees.push(chapters[1].detail["fee_lamports"].as_u64().unwrap());
    }
    assert_eq!(fees, [8, 6, 6], "the parts are the whole");
    history.end().await;
}
