//! The saved cursor never goes back, is never somebody else's, and "never saved" is no slot.

use super::*;

const GENESIS: &str = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d";

fn program() -> Pubkey {
    Pubkey::new_from_array([9; 32])
}

fn mark(slot: u64) -> Mark {
    Mark {
        slot,
        signature: Some(Signature::from([slot.to_be_bytes()[7]; 64])),
    }
}

#[tokio::test]
async fn what_was_saved_is_read_from_a_folder_and_from_an_object_store() {
    let folder = tempfile::tempdir().unwrap();
    for store in [CursorStore::folder(folder.path()).unwrap(), CursorStore::in_memory()] {
        let mut cursor = store.of(&program(), GENESIS);
        assert_eq!(cursor.load().await.unwrap(), None, "never saved is no slot");
        for slot in [7, 8] {
            assert_eq!(cursor.advance(mark(slot)).await.unwrap(), mark(slot));
        }
        assert_eq!(store.of(&program(), GENESIS).load().await.unwrap(), Some(mark(8)));
        let other = Pubkey::new_from_array([8; 32]);
        assert_eq!(
            store.of(&other, GENESIS).load().await.unwrap(),
            None,
            "each program has its own"
        );
    }
}

#[tokio::test]
async fn of_two_listeners_the_cursor_that_is_further_stays() {
    let store = CursorStore::in_memory();
    let (mut one, mut other) = (store.of(&program(), GENESIS), store.of(&program(), GENESIS));
    one.advance(mark(5)).await.unwrap();
    assert_eq!(
        other.advance(mark(9)).await.unwrap(),
        mark(9),
        "it is ahead of what it did not know"
    );
    assert_eq!(one.advance(mark(6)).await.unwrap(), mark(9), "what is saved is further");
    assert_eq!(store.of(&program(), GENESIS).load().await.unwrap(), Some(mark(9)));
}

#[tokio::test]
async fn a_cursor_of_another_cluster_or_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = CursorStore::folder(folder.path()).unwrap();
    store.of(&program(), "elsewhere").advance(mark(5)).await.unwrap();
    let file = |genesis: &str| folder.path().join(format!("cursor-{}-{genesis}.json", program()));
    std::fs::copy(file("elsewhere"), file(GENESIS)).unwrap();
    let refused = store.of(&program(), GENESIS).load().await;
    assert!(
        matches!(
            refused,
            Err(CursorError::Foreign {
                field: "genesis_hash",
                ..
            })
        ),
        "{refused:?}"
    );

    let newer = std::fs::read_to_string(file("elsewhere"))
        .unwrap()
        .replace("\"version\": 1", "\"version\": 2");
    std::fs::write(file("elsewhere"), newer).unwrap();
    let refused = store.of(&program(), "elsewhere").load().await;
    assert!(
        matches!(refused, Err(CursorError::Version { found: 2, .. })),
        "{refused:?}"
    );

    std::fs::write(file(GENESIS), b"{\"version\": 1,").unwrap();
    let refused = store.of(&program(), GENESIS).load().await;
    assert!(matches!(refused, Err(CursorError::Malformed { .. })), "{refused:?}");
}
