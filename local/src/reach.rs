//! Before anything begins: whether the cluster answers, and whether the programs that the settings name are there. Says
//! what keeps it while it waits, by the settings that would mend it.

use std::{fmt, time::Duration};

use session_chain::{
    ChainError, RpcPool,
    replies::{Deployment, deployments},
    rpc_pool,
};
use session_config::Settings;
use session_telemetry::{Escaped, in_full};
use solana_pubkey::Pubkey;
use tokio::time::{Instant, interval_at, sleep};

/// How long a cluster may be silent at the start. Whoever supervises the process starts it again.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How long it may be silent before somebody is told.
const TOLD_FIRST: Duration = Duration::from_secs(2);
/// And how often then.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// The first try takes no longer, so that there is a reason to be told; each further one may take twice as long.
const FIRST_PATIENCE: Duration = Duration::from_millis(1_500);
/// Between two tries, beside the pauses of a try itself.
const PAUSE: Duration = Duration::from_millis(500);

/// Why nothing can begin on this cluster.
#[derive(Debug, thiserror::Error)]
pub enum ReachError {
    /// Nobody answers.
    #[error(
        "no RPC endpoint answered within {} s: {endpoints}{}; is the node running, are the address and its key right? \
         `session-builder doctor` looks at each", .limit.as_secs(), because(.last.as_ref())
    )]
    Silent {
        /// The endpoints by their settings.
        endpoints: String,
        /// How long was waited.
        limit: Duration,
        /// What the last try said.
        last: Option<ChainError>,
    },
    /// The cluster answers, and not with what was asked; or nobody waits for one that does not.
    #[error("{endpoints}: the cluster cannot be asked: {source}; `session-builder doctor` looks at each endpoint")]
    Chain {
        /// The endpoints by their settings.
        endpoints: String,
        /// What it says.
        source: ChainError,
    },
    /// Nothing is at a program's address.
    #[error(
        "{key}: no program is at {address} on the cluster of {endpoints}; deploy it there, set {key} to the program \
         that is, or mend the endpoint"
    )]
    NoProgram {
        /// The setting.
        key: &'static str,
        /// What it says.
        address: Pubkey,
        /// The endpoints by their settings.
        endpoints: String,
    },
    /// Something else is.
    #[error("{key}: what is at {address} is an account and no program; set {key} to the program")]
    NotExecutable {
        /// The setting.
        key: &'static str,
        /// What it says.
        address: Pubkey,
    },
}

impl ReachError {
    /// Whether a setting is wrong, rather than nobody there.
    #[must_use]
    pub fn is_misconfigured(&self) -> bool {
        matches!(self, Self::NoProgram { .. } | Self::NotExecutable { .. })
            || matches!(
                self,
                Self::Chain {
                    source: ChainError::WrongCluster { .. },
                    ..
                }
            )
    }

    /// What somebody has said who was asked once, or that he has said nothing.
    #[must_use]
    pub fn of(settings: &Settings, source: ChainError) -> Self {
        Self::Chain {
            endpoints: endpoints(settings),
            source,
        }
    }

    /// Whether nobody answers.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        match self {
            Self::Silent { .. } => true,
            Self::Chain { source, .. } => is_silence(source),
            Self::NoProgram { .. } | Self::NotExecutable { .. } => false,
        }
    }
}

/// Whether no node has answered.
#[must_use]
pub fn is_silence(error: &ChainError) -> bool {
    match error {
        ChainError::Unavailable { .. } | ChainError::TimedOut { .. } | ChainError::Resting { .. } => true,
        ChainError::DeadlineReached { last, .. } => last.as_deref().is_none_or(is_silence),
        _ => false,
    }
}

/// Waits until the cluster answers, [`LIMIT`] at most, and looks whether the factory and the program of its sessions are
/// there, by every endpoint's word. `told` hears what keeps it.
///
/// # Errors
/// [`ReachError`].
pub async fn reach(settings: &Settings, told: impl Fn(&str)) -> Result<(), ReachError> {
    let pool = answers(settings, Instant::now() + LIMIT, told).await?;
    programs(settings, &pool).await
}

/// A pool whose endpoints are of one cluster that answers. Every try has a new one, which remembers no failures: a node
/// that comes up is found at once.
async fn answers(settings: &Settings, until: Instant, told: impl Fn(&str)) -> Result<RpcPool, ReachError> {
    let mut telling = interval_at(Instant::now() + TOLD_FIRST, TOLD_EVERY);
    let (mut last, mut patience) = (None, FIRST_PATIENCE);
    loop {
        let pool = rpc_pool(settings).map_err(|error| ReachError::of(settings, error))?;
        let mut asking = Box::pin(pool.verify_cluster(Some(until.min(Instant::now() + patience))));
        let answer = loop {
            tokio::select! {
                answer = &mut asking => break answer,
                _ = telling.tick() => told(&waiting(settings, last.as_ref(), until)),
            }
        };
        drop(asking);
        match answer {
            Ok(_) => return Ok(pool),
            Err(error @ ChainError::WrongCluster { .. }) => return Err(ReachError::of(settings, error)),
            Err(error) => last = Some(telling_of(error, last)),
        }
        if Instant::now() + PAUSE >= until {
            return Err(ReachError::Silent {
                endpoints: endpoints(settings),
                limit: LIMIT,
                last,
            });
        }
        patience *= 2;
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = telling.tick() => told(&waiting(settings, last.as_ref(), until)),
        }
    }
}

/// That nobody may be asked for a while says nothing; why does.
fn telling_of(error: ChainError, last: Option<ChainError>) -> ChainError {
    match (error, last) {
        (ChainError::Resting { .. } | ChainError::DeadlineReached { last: None, .. }, Some(last)) => last,
        (ChainError::DeadlineReached { last: Some(error), .. }, last) => telling_of(*error, last),
        (error, _) => error,
    }
}

fn waiting(settings: &Settings, last: Option<&ChainError>, until: Instant) -> String {
    let left = until.saturating_duration_since(Instant::now()).as_secs();
    format!(
        "still waiting for {}{}; is the node running, are the address and its key right? {left} s more, then this ends",
        endpoints(settings),
        because(last)
    )
}

fn because(last: Option<&ChainError>) -> String {
    match last {
        Some(error) => format!(" ({})", Escaped(in_full(error))),
        None => String::from(" (no answer)"),
    }
}

/// The endpoints by their settings, without secrets.
#[must_use]
pub fn endpoints(settings: &Settings) -> String {
    let mut all = format!("rpc.url = {}", settings.rpc.url);
    for (index, url) in settings.rpc.fallback_urls.iter().enumerate() {
        let separator = if index == 0 { "; rpc.fallback_urls = " } else { ", " };
        // Writing to a text cannot fail.
        let _ = fmt::Write::write_fmt(&mut all, format_args!("{separator}{url}"));
    }
    all
}

async fn programs(settings: &Settings, pool: &RpcPool) -> Result<(), ReachError> {
    let service = &settings.service;
    let named = [
        ("service.program_id", service.program_id),
        ("service.session_program_id", service.session_program_id),
    ];
    let addresses = named.map(|(_, address)| address);
    let deadline = Some(Instant::now() + LIMIT);
    let found = deployments(pool, &addresses, deadline).await;
    let found = found.map_err(|error| ReachError::of(settings, error))?;
    for ((key, address), deployment) in named.into_iter().zip(found) {
        match deployment {
            Deployment::Program => {}
            Deployment::NotExecutable => return Err(ReachError::NotExecutable { key, address }),
            Deployment::Missing => {
                return Err(ReachError::NoProgram {
                    key,
                    address,
                    endpoints: endpoints(settings),
                });
            }
        }
    }
    Ok(())
}
