//! Dead letters outlive the process, whatever the crash left in their folder.

use std::{collections::BTreeSet, fs, time::Duration};

use session_queue::{DeadLetterJournal, Letter, Queue};

use crate::queues::{
    CAPACITY, MAX_RECEIVE_COUNT, dead_letters_in, delete, entry, exhaust, queues, receive, request, send, send_entry,
};

#[tokio::test(start_paused = true)]
async fn dead_letters_are_the_same_after_a_restart() {
    let queues = queues();
    let sent = send(&queues.source, "moved").await;
    exhaust(&queues.source).await;
    assert_eq!(receive(&queues.source).await, None);
    send_entry(&queues.dead_letters, entry("sent")).await.unwrap();
    drop((queues.source, queues.dead_letters));

    let (reopened, faults) = dead_letters_in(queues.folder.path(), CAPACITY);
    assert!(faults.is_empty());
    let letters = reopened.receive(request(10, Duration::ZERO)).await.unwrap();
    let bodies: BTreeSet<&str> = letters.iter().map(|letter| letter.body.as_str()).collect();
    assert_eq!(bodies, ["moved", "sent"].into());
    let moved = letters.iter().find(|letter| letter.body == "moved").unwrap();
    assert_eq!(moved.message_id, sent.message_id);
    assert_eq!(moved.receive_count, MAX_RECEIVE_COUNT + 1);
    assert_eq!(moved.attributes, entry("").attributes);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_dead_letter_stays_deleted() {
    let queues = queues();
    send_entry(&queues.dead_letters, entry("a")).await.unwrap();
    let handle = receive(&queues.dead_letters).await.unwrap().receipt_handle;
    delete(&queues.dead_letters, &handle).await.unwrap();
    let (reopened, _) = dead_letters_in(queues.folder.path(), CAPACITY);
    assert_eq!(reopened.depth().await.unwrap().total(), 0);
    assert_eq!(fs::read_dir(queues.folder.path()).unwrap().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_a_crash_tore_is_no_letter_and_no_fault() {
    let queues = queues();
    fs::write(queues.folder.path().join("torn.tmp"), r#"{"message_id":"torn","sent_"#).unwrap();
    let (reopened, faults) = dead_letters_in(queues.folder.path(), CAPACITY);
    assert!(faults.is_empty());
    assert_eq!(reopened.depth().await.unwrap().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_no_letter_is_named_and_kept_and_hides_no_other() {
    let queues = queues();
    send_entry(&queues.dead_letters, entry("a")).await.unwrap();
    let path = queues.folder.path().join("broken.json");
    fs::write(&path, "{}").unwrap();
    let (reopened, faults) = dead_letters_in(queues.folder.path(), CAPACITY);
    assert_eq!(faults.iter().map(|fault| &fault.path).collect::<Vec<_>>(), [&path]);
    assert!(faults[0].to_string().contains("message_id"), "{}", faults[0]);
    assert_eq!(reopened.depth().await.unwrap().visible, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}");
}

#[tokio::test(start_paused = true)]
async fn a_person_can_read_a_letter() {
    let queues = queues();
    let id = send_entry(&queues.dead_letters, entry("the body"))
        .await
        .unwrap()
        .message_id;
    let file = queues.folder.path().join(format!("{id}.json"));
    let letter: Letter = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(
        (letter.message_id.as_str(), letter.body.as_str()),
        (id.as_str(), "the body")
    );
    let (all, _) = DeadLetterJournal::open(queues.folder.path())
        .unwrap()
        .read_all()
        .unwrap();
    assert_eq!(all, [letter]);
}
