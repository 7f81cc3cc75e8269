//! The thread that has the connection.

use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{error::StoreError, owner::Ownership};

/// Jobs that may wait. A caller beyond that waits for room.
const JOBS_MAX: usize = 256;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Sends jobs to the thread, which ends when the last sender is gone.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts the thread. The ownership ends with it, after the connection is closed.
    pub(crate) fn start(connection: Connection, ownership: Option<Ownership>) -> (Self, JoinHandle<()>) {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let thread = thread::spawn(move || work(connection, waiting, ownership));
        (Self { jobs }, thread)
    }

    /// Runs a job on the thread. One that was begun is finished even if nobody waits any more.
    pub(crate) async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have stopped waiting.
            let _ = answer.send(job(connection));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

fn work(mut connection: Connection, mut waiting: mpsc::Receiver<Job>, ownership: Option<Ownership>) {
    while let Some(job) = waiting.blocking_recv() {
        job(&mut connection);
    }
    drop(connection);
    drop(ownership);
}
