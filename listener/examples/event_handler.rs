//! A handler of one's own: prints every session that is queued on chain. `Listener::new` takes any number of handlers.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use session_events::Event;
use session_listener::{CursorStore, EventBody, EventHandler, Listener, ListenerConfig, ObservedEvent};

struct PrintQueued;

#[async_trait]
impl EventHandler for PrintQueued {
    fn name(&self) -> &'static str {
        "print_queued"
    }

    fn wants(&self, event_name: &str) -> bool {
        event_name == "SessionQueuedEvent"
    }

    async fn handle(&self, event: &ObservedEvent) -> Result<(), Box<dyn Error + Send + Sync>> {
        if let EventBody::Known(Event::SessionQueued(queued)) = &event.body {
            println!("{} waits in place {}", queued.session_id(), queued.queue_position());
        }
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = session_config::Settings::load(None, &session_config::Overrides::default())?;
    let config = ListenerConfig::from_settings(&settings)?;
    let cursors = CursorStore::from_settings(&settings)?;
    let pool = session_listener::rpc_pool(&settings)?;
    let queue = session_listener::sqs_queue(&settings).await?;
    let listener = Listener::new(config, pool, Arc::new(queue), cursors, vec![Arc::new(PrintQueued)])?;
    Ok(listener.run(tokio_util::sync::CancellationToken::new()).await?)
}
