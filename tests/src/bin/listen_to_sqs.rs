//! A listener in a process of its own, so that a test can kill it: settings from the environment, messages to SQS.

use session_chain::rpc_pool;
use session_config::{Overrides, Settings};
use session_listener::{Lasting, Listener, ListenerConfig, sqs_queue};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let settings = Settings::load(None, &Overrides::default())?;
    let queue = std::sync::Arc::new(sqs_queue(&settings).await?);
    let config = ListenerConfig {
        watermark_interval: std::time::Duration::from_millis(100),
        listing_margin_slots: 1,
        ..ListenerConfig::from_settings(&settings)?
    };
    let lasting = Lasting::from_settings(&settings).await?;
    let listener = Listener::new(config, rpc_pool(&settings)?, queue, lasting, Vec::new())?;
    Ok(listener.run(CancellationToken::new()).await?)
}
