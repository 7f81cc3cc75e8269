//! What a function in another process must know to work for this one, as a file for `cargo lambda watch --env-file`.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use session_chain::Endpoint;
use session_config::{QueueKind, Settings};
use solana_sdk::signature::Keypair;

/// Writes the environment of a function that creates accounts on the chain at `endpoint`, paid by `wallet`.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn write(path: &Path, settings: &Settings, endpoint: &Endpoint, wallet: &Keypair) -> std::io::Result<()> {
    let lines: Vec<String> = environment(settings, endpoint, wallet)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    write_private(path, &(lines.join("\n") + "\n"))
}

fn environment(settings: &Settings, endpoint: &Endpoint, wallet: &Keypair) -> Vec<(String, String)> {
    let queue = &settings.queue;
    let timeout = settings.service.function_timeout.as_secs().to_string();
    let mut sections = vec![
        ("RPC__URL", Some(endpoint.http.clone())),
        ("RPC__WS_URL", Some(endpoint.ws.clone())),
        ("SIGNER__KIND", Some(String::from("environment"))),
        ("SERVICE__FUNCTION_TIMEOUT_SECS", Some(timeout)),
    ];
    if queue.kind == QueueKind::Sqs {
        sections.extend([
            ("QUEUE__KIND", Some(String::from("sqs"))),
            ("QUEUE__URL", queue.url.clone()),
            ("QUEUE__DEAD_LETTER_URL", queue.dead_letter_url.clone()),
            ("QUEUE__ENDPOINT_URL", queue.endpoint_url.clone()),
            ("QUEUE__REGION", queue.region.clone()),
        ]);
    }
    let key = (settings.signer.environment_variable.clone(), wallet.to_base58_string());
    sections
        .into_iter()
        .filter_map(|(key, value)| Some((format!("SESSION_BUILDER__{key}"), value?)))
        .chain([key])
        .collect()
}

/// Nobody else may read the key.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    const OWNER_ONLY: u32 = 0o600;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(OWNER_ONLY)
        .open(path)?;
    // The mode above counts for a new file only.
    file.set_permissions(std::fs::Permissions::from_mode(OWNER_ONLY))?;
    file.write_all(text.as_bytes())
}
