//! Handlers of users' own.

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use session_listener::{EventHandler, ListenerConfig, ObservedEvent};
use session_tests::{
    chain::TestChain,
    listening::{Collector, LIMIT, Listening, pool, quick_config},
    wait,
};

use super::events::request;

/// Remembers the names of what it is given.
#[derive(Default)]
struct Witness(Mutex<Vec<String>>);

#[async_trait]
impl EventHandler for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    fn wants(&self, event_name: &str) -> bool {
        event_name != "SessionCreatedEvent"
    }

    async fn handle(&self, event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.lock().unwrap().push(event.name().to_owned());
        Ok(())
    }
}

/// Panics at first, and fails ever after.
struct Troublemaker(Mutex<u64>);

#[async_trait]
impl EventHandler for Troublemaker {
    fn name(&self) -> &'static str {
        "troublemaker"
    }

    fn wants(&self, _event_name: &str) -> bool {
        true
    }

    async fn handle(&self, event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        let number = {
            let mut seen = self.0.lock().unwrap();
            *seen += 1;
            *seen
        };
        assert!(number > 1, "as the test wants, at {}", event.name());
        Err("as the test wants".into())
    }
}

/// Never comes back from its first event.
struct Blocker;

#[async_trait]
impl EventHandler for Blocker {
    fn name(&self) -> &'static str {
        "blocker"
    }

    fn wants(&self, _event_name: &str) -> bool {
        true
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what a handler must not do is what is tried here"
    )]
    async fn handle(&self, _event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

/// Panics when it is asked what it wants.
struct Undecided;

#[async_trait]
impl EventHandler for Undecided {
    fn name(&self) -> &'static str {
        "undecided"
    }

    fn wants(&self, event_name: &str) -> bool {
        panic!("as the test wants, at {event_name}")
    }

    async fn handle(&self, _event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

pub(crate) async fn a_failing_handler_harms_nobody(chain: Arc<TestChain>) {
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let (witness, troublemaker) = (Arc::new(Witness::default()), Arc::new(Troublemaker(Mutex::new(0))));
    let config = ListenerConfig {
        // The blocker is not waited for any longer at the end.
        drain_limit: Duration::from_secs(2),
        handler_time_limit: Duration::from_millis(100),
        ..quick_config()
    };
    let mut listening = Listening::start_with(
        config,
        pool(chain.endpoint()),
        collector.queue(),
        folder.path(),
        vec![
            Arc::new(Undecided),
            Arc::new(Blocker),
            troublemaker.clone(),
            witness.clone(),
        ],
    );
    listening.connected().await;
    let sessions = request(&chain, 2).await;
    chain.reserve_session("later").await;
    collector.all_of(&sessions).await;
    wait::until_true("all events", LIMIT, || async {
        let seen = witness.0.lock().unwrap().clone();
        let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
        count("PDAComputedEvent") == 2 && count("SessionReservedEvent") == 1
    })
    .await;
    // Two sessions are two events each, and the reservation is the fifth.
    wait::until_true("the other handler's events", LIMIT, || async {
        *troublemaker.0.lock().unwrap() == 5
    })
    .await;
    listening.stop().await.unwrap();
    assert!(!witness.0.lock().unwrap().contains(&"SessionCreatedEvent".to_owned()));
}
