//! A closure as a handler of events.

use std::error::Error;

use async_trait::async_trait;
use session_listener::{EventHandler, ObservedEvent};

/// Whatever went wrong in a handler, for the log.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// What is done for events of one name.
pub(super) struct OnEvent<F> {
    event_name: String,
    handle: F,
}

impl<F> OnEvent<F> {
    pub(super) fn new(event_name: &str, handle: F) -> Self {
        Self {
            event_name: event_name.to_owned(),
            handle,
        }
    }
}

#[async_trait]
impl<F, Fut> EventHandler for OnEvent<F>
where
    F: Fn(ObservedEvent) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<(), HandlerError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.event_name
    }

    fn wants(&self, event_name: &str) -> bool {
        event_name == self.event_name
    }

    async fn handle(&self, event: &ObservedEvent) -> Result<(), HandlerError> {
        (self.handle)(event.clone()).await
    }
}
