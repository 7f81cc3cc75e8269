//! How `dead-letters redrive` reaches a running service whose queue is in its memory: a request in the service's state
//! folder, and an answer beside it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use session_queue::{Redriven, redrive};
use tokio::{
    fs,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use crate::queues::Queues;

const REQUEST: &str = "redrive-request";
const ANSWER: &str = "redrive-answer";
/// How often either side looks for the other's file.
const POLL: Duration = Duration::from_millis(500);
/// A running service answers within a poll and the time that its disk takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The request did not reach a running service.
#[derive(Debug, thiserror::Error)]
pub enum RedriveRequestError {
    /// The state folder.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody took the request.
    #[error("no service with the state folder {0} answers; start it, and it takes the request at once")]
    NoAnswer(PathBuf),
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> RedriveRequestError + '_ {
    |source| RedriveRequestError::File {
        path: path.to_owned(),
        source,
    }
}

/// Asks the running service to redrive up to `limit` dead letters, and waits for its answer.
///
/// # Errors
/// [`RedriveRequestError`].
pub async fn submit(state_dir: &Path, limit: usize) -> Result<String, RedriveRequestError> {
    let (request, answer) = (state_dir.join(REQUEST), state_dir.join(ANSWER));
    remove(&answer).await?;
    fs::create_dir_all(state_dir).await.map_err(file(state_dir))?;
    fs::write(&request, limit.to_string()).await.map_err(file(&request))?;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match fs::read_to_string(&answer).await {
            Ok(text) => {
                remove(&answer).await?;
                return Ok(text);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => sleep(POLL).await,
            Err(error) => return Err(file(&answer)(error)),
        }
    }
    Err(RedriveRequestError::NoAnswer(state_dir.to_owned()))
}

/// Takes requests until stopped.
pub(crate) async fn serve(state_dir: PathBuf, queues: Queues, stop: CancellationToken) {
    while stop.run_until_cancelled(sleep(POLL)).await.is_some() {
        if let Err(error) = take(&state_dir, &queues).await {
            tracing::error!(%error, "redrive request not served");
        }
    }
}

/// What a redrive did, with the reasons of what stayed.
#[must_use]
pub fn told(redriven: &Redriven) -> String {
    let Redriven { moved, refused } = redriven;
    let reasons = refused
        .iter()
        .map(|(message_id, error)| format!("\nrefused {message_id}: {error}"));
    let reasons: String = reasons.collect();
    format!("moved {moved}  refused {}{reasons}", refused.len())
}

async fn take(state_dir: &Path, queues: &Queues) -> Result<(), RedriveRequestError> {
    let request = state_dir.join(REQUEST);
    let text = match fs::read_to_string(&request).await {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(file(&request)(error)),
    };
    remove(&request).await?;
    let answer = match text.trim().parse() {
        Ok(limit) => match redrive(queues.dead_letters.as_ref(), queues.source.as_ref(), limit).await {
            Ok(redriven) => told(&redriven),
            Err(error) => format!("failed: {error}"),
        },
        Err(_) => format!("failed: {text:?} is no number of dead letters"),
    };
    tracing::warn!(answer, "dead letters redriven");
    // Written aside first, so that it is never read half.
    let (unfinished, path) = (state_dir.join("redrive-answer.tmp"), state_dir.join(ANSWER));
    fs::write(&unfinished, answer).await.map_err(file(&unfinished))?;
    fs::rename(&unfinished, &path).await.map_err(file(&path))
}

async fn remove(path: &Path) -> Result<(), RedriveRequestError> {
    match fs::remove_file(path).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file(path)(error)),
        _ => Ok(()),
    }
}
