//! The saved watermark never goes back, is never somebody else's, and "never saved" is no slot.

use std::{
    collections::BTreeMap,
    path::Path as FilePath,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::checkpoint::{
    place::{WatermarkStore, WatermarkStoreError},
    watermarks::{WATERMARKS_FOLDER, Watermarks},
};

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

/// The store of a process, as far as watermarks go.
#[derive(Default)]
struct Records(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl WatermarkStore for Records {
    async fn load(&self, name: &str) -> Result<Option<String>, WatermarkStoreError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn save(&self, name: &str, record: String) -> Result<(), WatermarkStoreError> {
        self.0.lock().unwrap().insert(name.to_owned(), record);
        Ok(())
    }

    async fn remove(&self, name: &str) -> Result<(), WatermarkStoreError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

/// One of each kind, empty.
fn places(folder: &FilePath) -> [Watermarks; 3] {
    let owned = Watermarks::owned(Arc::<Records>::default(), String::from("store"), folder);
    [
        Watermarks::folder(folder).unwrap(),
        Watermarks::in_memory(),
        owned.unwrap(),
    ]
}

#[tokio::test]
async fn what_earlier_versions_kept_in_files_is_gone_on_from_and_left_alone() {
    let state = tempfile::tempdir().unwrap();
    let files = Watermarks::folder(&state.path().join(WATERMARKS_FOLDER)).unwrap();
    of(&files).advance(mark(7)).await.unwrap();
    let owned = Watermarks::owned(Arc::<Records>::default(), String::from("store"), state.path()).unwrap();
    let mut watermark = of(&owned);
    assert_eq!(watermark.load().await.unwrap(), Some(mark(7)));
    assert_eq!(watermark.advance(mark(6)).await.unwrap(), mark(7), "it never goes back");
    assert_eq!(watermark.advance(mark(8)).await.unwrap(), mark(8));
    of(&files).advance(mark(9)).await.unwrap();
    assert_eq!(
        of(&owned).load().await.unwrap(),
        Some(mark(8)),
        "it is the store's from then on"
    );
    watermark.remove().await.unwrap();
    assert_eq!(
        of(&owned).load().await.unwrap(),
        None,
        "and what is forgotten does not come back"
    );
}

#[tokio::test]
async fn what_was_saved_is_read_from_every_kind_of_place() {
    let folder = tempfile::tempdir().unwrap();
    for store in places(folder.path()) {
        let mut watermark = store.of("sessions", &program(), GENESIS);
        assert_eq!(watermark.load().await.unwrap(), None, "never saved is no slot");
        for slot in [7, 8] {
            assert_eq!(watermark.advance(mark(slot)).await.unwrap(), mark(slot));
        }
        assert_eq!(
            store.of("sessions", &program(), GENESIS).load().await.unwrap(),
            Some(mark(8))
        );
        let other = Pubkey::new_from_array([8; 32]);
        assert_eq!(
            store.of("sessions", &other, GENESIS).load().await.unwrap(),
            None,
            "each program has its own"
        );
    }
}

#[tokio::test]
async fn of_two_listeners_the_watermark_that_is_further_stays() {
    let store = Watermarks::in_memory();
    let (mut one, mut other) = (
        store.of("sessions", &program(), GENESIS),
        store.of("sessions", &program(), GENESIS),
    );
    one.advance(mark(5)).await.unwrap();
    assert_eq!(
        other.advance(mark(9)).await.unwrap(),
        mark(9),
        "it is ahead of what it did not know"
    );
    assert_eq!(one.advance(mark(6)).await.unwrap(), mark(9), "what is saved is further");
    assert_eq!(
        one.advance(mark(7)).await.unwrap(),
        mark(9),
        "and stays so, whoever saved it"
    );
    assert_eq!(
        store.of("sessions", &program(), GENESIS).load().await.unwrap(),
        Some(mark(9))
    );
}

#[tokio::test]
async fn a_watermark_of_another_cluster_or_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Watermarks::folder(folder.path()).unwrap();
    store
        .of("sessions", &program(), "elsewhere")
        .advance(mark(5))
        .await
        .unwrap();
    let file = |genesis: &str| {
        folder
            .path()
            .join(format!("cursor-sessions-{}-{genesis}.json", program()))
    };
    std::fs::copy(file("elsewhere"), file(GENESIS)).unwrap();
    let refused = store.of("sessions", &program(), GENESIS).load().await;
    assert!(
        matches!(
            refused,
            Err(WatermarkError::Foreign {
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
    let refused = store.of("sessions", &program(), "elsewhere").load().await;
    assert!(
        matches!(refused, Err(WatermarkError::Version { found: 2, .. })),
        "{refused:?}"
    );

    std::fs::write(file(GENESIS), b"{\"version\": 1,").unwrap();
    let refused = store.of("sessions", &program(), GENESIS).load().await;
    assert!(matches!(refused, Err(WatermarkError::Malformed { .. })), "{refused:?}");
}

#[tokio::test]
async fn of_two_first_starts_the_first_one_decides_for_both() {
    let folder = tempfile::tempdir().unwrap();
    for store in places(folder.path()) {
        let (mut one, mut other) = (of(&store), of(&store));
        assert_eq!((one.load().await.unwrap(), other.load().await.unwrap()), (None, None));
        assert_eq!(one.begin(mark(100)).await.unwrap(), mark(100));
        assert_eq!(
            other.begin(mark(105)).await.unwrap(),
            mark(100),
            "nobody knows what happened from 101 to 105"
        );
    }
}

#[tokio::test]
async fn each_queue_has_its_own_and_goes_on_where_the_only_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Watermarks::folder(folder.path()).unwrap();
    // As it was named when there was one queue.
    store
        .named("cursor", &program(), GENESIS)
        .advance(mark(7))
        .await
        .unwrap();
    let mut one = store.of("one", &program(), GENESIS);
    assert_eq!(one.load().await.unwrap(), Some(mark(7)));
    assert_eq!(one.advance(mark(6)).await.unwrap(), mark(7));
    assert_eq!(one.advance(mark(9)).await.unwrap(), mark(9));
    assert_eq!(
        store.of("other", &program(), GENESIS).load().await.unwrap(),
        Some(mark(7))
    );
    assert_eq!(
        store.of("one", &program(), GENESIS).load().await.unwrap(),
        Some(mark(9))
    );
}

fn of(store: &Watermarks) -> SavedWatermark {
    store.of("sessions", &program(), GENESIS)
}

proptest! {
    /// Whatever several listeners save, read and forget in which order, what is saved never goes back.
    #[test]
    fn what_is_saved_never_goes_back(steps in prop::collection::vec((0_usize..3, 0_u64..20, 0_u8..4), 0..60)) {
        let store = Watermarks::in_memory();
        let all = async {
            let mut watermarks = [of(&store), of(&store), of(&store)];
            let mut last = None;
            for (who, slot, what) in steps {
                let watermark = &mut watermarks[who];
                match what {
                    0 => drop(watermark.load().await.unwrap()),
                    1 => *watermark = of(&store),
                    2 => drop(watermark.begin(mark(slot)).await.unwrap()),
                    _ => assert!(watermark.advance(mark(slot)).await.unwrap().slot >= slot),
                }
                let saved = of(&store).load().await.unwrap().map(|mark| mark.slot);
                assert!(saved >= last, "from {last:?} to {saved:?}");
                last = saved;
            }
        };
        all.now_or_never().expect("memory answers at once");
    }
}

#[tokio::test]
async fn an_operator_sets_it_back_and_not_over_what_a_listener_saved_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    for store in places(folder.path()) {
        let mut listener = of(&store);
        listener.advance(mark(9)).await.unwrap();
        let mut operator = of(&store);
        operator.load().await.unwrap();
        assert!(!operator.provenance().unwrap().by_hand);
        operator.set(mark(5)).await.unwrap();
        assert_eq!(operator.load().await.unwrap(), Some(mark(5)));
        assert!(operator.provenance().unwrap().by_hand);
        let mut restarted = of(&store);
        restarted.load().await.unwrap();
        restarted.advance(mark(6)).await.unwrap();
        restarted.load().await.unwrap();
        assert!(!restarted.provenance().unwrap().by_hand, "settled, and not chosen");
    }
    let store = Watermarks::in_memory();
    let (mut listener, mut operator) = (of(&store), of(&store));
    operator.load().await.unwrap();
    listener.advance(mark(9)).await.unwrap();
    let refused = operator.set(mark(5)).await;
    assert!(matches!(refused, Err(WatermarkError::Moved { .. })), "{refused:?}");
    assert_eq!(listener.load().await.unwrap(), Some(mark(9)));
}
