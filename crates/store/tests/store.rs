//! One owner, readers beside it, and a file that is checked before it is trusted.
use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    time::{Duration, SystemTime},
};

use session_queue::{Deferred, Letter, MessageId, MessageStore};
use session_store::{Chapter, ChapterKind, FILE, Keep, Reader, Store, StoreError};
use solana_pubkey::Pubkey;

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(500_000)
}

fn letter(id: &str) -> Letter {
    Letter {
        message_id: MessageId::new(id.to_owned()),
        sent_at: now(),
        receive_count: 2,
        attributes: [(String::from("slot"), String::from("7"))].into(),
        body: format!("the body of {id}"),
    }
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_whose_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path()).await.unwrap();
    let refused = Store::open(folder.path()).await.unwrap_err();
    let pid = std::process::id();
    assert!(
        matches!(&refused, StoreError::Owned { pid: Some(owner), .. } if *owner == pid),
        "{refused}"
    );
    assert!(refused.to_string().contains(&format!("process {pid}")), "{refused}");
    first.close().await;
    Store::open(folder.path()).await.unwrap();
}

#[tokio::test]
async fn a_reader_sees_what_the_owner_commits_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Reader::open(folder.path()).await.unwrap_err();
    assert!(matches!(missing, StoreError::NoStore { .. }), "{missing}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "looking makes nothing");

    let owner = Store::open(folder.path()).await.unwrap();
    let reader = Reader::open(folder.path()).await.unwrap();
    assert_eq!(reader.dead_letter_depth().await.unwrap(), 0);
    owner.put_letter(letter("a")).await.unwrap();
    let seen = reader.dead_letters(10).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!((&seen[0].letter, seen[0].redriven_at), (&letter("a"), None));
}

#[tokio::test]
async fn a_damaged_file_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for number in 0..200 {
        store.put_letter(letter(&format!("letter {number}"))).await.unwrap();
    }
    store.close().await;
    let path = folder.path().join(FILE);
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    // Every page but the first is overwritten.
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xa5; bytes.len() - 4_096]).unwrap();
    drop(file);
    let damaged = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");

    fs::write(&path, "this is no database at all, and has never been one").unwrap();
    let damaged = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(damaged, StoreError::Damaged { .. }), "{damaged}");
}

#[tokio::test]
async fn letters_are_marked_while_they_are_under_way_and_no_longer_than_their_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    store.put_letter(letter("a")).await.unwrap();
    let id = letter("a").message_id;
    store.mark_redriven(&id, Some(now())).await.unwrap();
    assert_eq!(store.dead_letters(1).await.unwrap()[0].redriven_at, Some(now()));
    store.close().await;

    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.dead_letters(1).await.unwrap()[0].redriven_at, None);
    store.remove_letter(&id).await.unwrap();
    store.remove_letter(&id).await.unwrap();
    assert_eq!(store.dead_letter_depth().await.unwrap(), 0);
}

#[tokio::test]
async fn deferred_messages_come_by_their_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let message = |number: u64| Deferred {
        message_id: MessageId::new(number.to_string()),
        sent_at: now(),
        due_at: now() + Duration::from_secs(number),
        attributes: [(String::from("attempts"), number.to_string())].into(),
        body: number.to_string(),
    };
    store
        .put_deferred(vec![message(3), message(1), message(2)])
        .await
        .unwrap();
    let at = |seconds| now() + Duration::from_secs(seconds);
    assert_eq!(store.due(at(2), 10).await.unwrap(), [message(1), message(2)]);
    assert_eq!(store.due(at(3), 1).await.unwrap(), [message(1)]);
    assert_eq!(store.next_due(at(2)).await.unwrap(), Some(at(3)));
    assert_eq!(store.next_due(at(3)).await.unwrap(), None);
    store.remove_deferred(&message(1).message_id).await.unwrap();
    assert_eq!(store.deferred(10).await.unwrap(), [message(2), message(3)]);
    assert_eq!(store.deferred_depth().await.unwrap(), 2);
}

#[tokio::test]
async fn the_quarantine_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for record in ["first", "second"] {
        store
            .put_in_quarantine("program/5sig", record.to_owned(), now())
            .await
            .unwrap();
    }
    store
        .put_in_quarantine("program/6sig", String::from("other"), now())
        .await
        .unwrap();
    store.close().await;

    let store = Store::open(folder.path()).await.unwrap();
    let kept = |key: &str, record: &str| (key.to_owned(), record.to_owned());
    assert_eq!(
        store.quarantine().await.unwrap(),
        [kept("program/5sig", "second"), kept("program/6sig", "other")]
    );
    assert_eq!(
        store.quarantined("program/6sig").await.unwrap().as_deref(),
        Some("other")
    );
    assert!(store.take_from_quarantine("program/5sig").await.unwrap());
    assert!(!store.take_from_quarantine("program/5sig").await.unwrap());
    assert_eq!(store.quarantined("program/5sig").await.unwrap(), None);
}

#[tokio::test]
async fn what_was_found_served_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    for record in [vec![1], vec![0, 255, 7]] {
        store.keep_served("program/shard-00.bin", record).await.unwrap();
    }
    store.close().await;

    let store = Store::open(folder.path()).await.unwrap();
    let kept = store.served("program/shard-00.bin").await.unwrap();
    assert_eq!(kept, Some(vec![0, 255, 7]));
    assert_eq!(store.served("program/shard-01.bin").await.unwrap(), None);
}

fn chapter(pda: Pubkey, seconds: u64, kind: ChapterKind) -> Chapter {
    Chapter {
        pda,
        at: now() + Duration::from_secs(seconds),
        kind,
        session_id: None,
        signature: None,
        detail: serde_json::json!({"slot": seconds}),
    }
}

#[tokio::test]
async fn watermarks_and_histories_outlive_their_process() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let (one, other) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
    let told = vec![
        Chapter {
            session_id: Some(String::from("a session")),
            signature: Some(String::from("5sig")),
            ..chapter(one, 1, ChapterKind::Event)
        },
        Chapter {
            signature: Some(String::from("5sig")),
            ..chapter(other, 2, ChapterKind::Event)
        },
        chapter(one, 3, ChapterKind::Deferral),
    ];
    store.tell(told.clone()).await.unwrap();
    // Read once more, an event is the same event.
    store.tell(told[..2].to_vec()).await.unwrap();
    store
        .save_watermark("listener", String::from("old"), now())
        .await
        .unwrap();
    store
        .save_watermark("listener", String::from("slot 7"), now())
        .await
        .unwrap();
    store.close().await;

    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.watermark("listener").await.unwrap().as_deref(), Some("slot 7"));
    assert_eq!(store.watermark("backfill").await.unwrap(), None);
    for name in ["listener", "backfill"] {
        store.remove_watermark(name).await.unwrap();
        assert_eq!(store.watermark(name).await.unwrap(), None);
    }
    assert_eq!(
        store.history(one, 10).await.unwrap(),
        [told[0].clone(), told[2].clone()]
    );
    assert_eq!(store.history(one, 1).await.unwrap(), [told[2].clone()]);
    assert_eq!(store.sessions_of("a session", 10).await.unwrap(), [one]);
    assert_eq!(store.sessions_of("5sig", 10).await.unwrap(), [one, other]);
    assert_eq!(store.sessions_of("6sig", 10).await.unwrap(), []);
}

#[tokio::test]
async fn histories_are_bounded_by_age_and_number_and_forgotten_a_part_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let pda = Pubkey::new_from_array([1; 32]);
    let told = (0..100).map(|seconds| chapter(pda, seconds, ChapterKind::Attempt));
    store.tell(told.collect()).await.unwrap();
    let at = |seconds| now() + Duration::from_secs(seconds);
    let keep = |seconds, chapters_max| Keep {
        since: at(seconds),
        chapters_max,
    };
    let left = async || {
        let history = store.history(pda, 1_000).await.unwrap();
        (history.len(), history[0].at)
    };
    assert_eq!(store.forget_histories(keep(30, 1_000), 20).await.unwrap(), 20);
    assert_eq!(store.forget_histories(keep(30, 1_000), 20).await.unwrap(), 10);
    assert_eq!(store.forget_histories(keep(30, 1_000), 20).await.unwrap(), 0);
    assert_eq!(left().await, (70, at(30)));
    assert_eq!(store.forget_histories(keep(0, 50), 1_000).await.unwrap(), 20);
    assert_eq!(left().await, (50, at(50)));
}
