//! The whole service with handlers of one's own (docs/extending.md).

mod journal;

use std::process::ExitCode;

use session_builder::Service;

#[tokio::main]
async fn main() -> ExitCode {
    Service::from_args()
        .handler(journal::Journal)
        .on("SessionCreatedEvent", |event| async move {
            println!("a session was created in slot {}", event.slot);
            Ok(())
        })
        .run()
        .await
}
