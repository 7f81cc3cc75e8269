//! A handler with a type of its own: prints a line for everything that happens to sessions.

use session_builder::{Event, EventBody, EventHandler, HandlerError, ObservedEvent, async_trait};

/// Prints events.
pub(crate) struct Journal;

#[async_trait]
impl EventHandler for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn wants(&self, event_name: &str) -> bool {
        event_name != "QueueProcessedEvent"
    }

    async fn handle(&self, event: &ObservedEvent) -> Result<(), HandlerError> {
        let (name, slot) = (event.name(), event.slot);
        match &event.body {
            EventBody::Known(Event::PdaComputed(wanted)) => {
                println!("{name} slot={slot} pda={}", wanted.expected_pda);
            }
            EventBody::Known(_) | EventBody::Declared { .. } => println!("{name} slot={slot}"),
        }
        Ok(())
    }
}
