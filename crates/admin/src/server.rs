//! The HTTP server under the pages: few connections at once, none of them for ever.

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::pages::Pages;

/// More than an operator, a load balancer and a scraper need together.
const CONNECTIONS_MAX: usize = 64;
/// A client that has not sent its headers by then never will.
const HEADER_READ_LIMIT: Duration = Duration::from_secs(5);
/// The longest that a connection is kept open: one that reads its answers too slowly must not hold its slot for ever.
const CONNECTION_LIMIT: Duration = Duration::from_mins(1);
/// How long a connection that is answering may go on once it has to end.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// How long to wait where a connection cannot be accepted: without file descriptors the next one fails as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The server could not start, or broke.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Usually the port is taken.
    #[error("cannot listen on {address}: {source}; choose another port with --metrics-port")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Listens on an address. Port 0 is any free port.
///
/// # Errors
/// [`AdminError::Bind`].
pub async fn bind(address: IpAddr, port: u16) -> Result<TcpListener, AdminError> {
    let address = SocketAddr::new(address, port);
    TcpListener::bind(address)
        .await
        .map_err(|source| AdminError::Bind { address, source })
}

/// Serves the pages until stopped, then lets the connections that are answering finish.
pub async fn serve(listener: TcpListener, pages: Pages, stop: CancellationToken) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await;
            (slot, listener.accept().await)
        };
        match stop.run_until_cancelled(next).await {
            None => break,
            Some((Ok(slot), Ok((stream, _peer)))) => {
                let (pages, stop) = (pages.clone(), stop.clone());
                connections.spawn(async move {
                    answer(stream, pages, stop).await;
                    drop(slot);
                });
            }
            Some((_, Err(error))) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
            Some((Err(_closed), _)) => break,
        }
    }
    connections.close();
    // Ends within DRAIN_LIMIT: each connection sees the same token.
    connections.wait().await;
}

async fn answer(stream: TcpStream, pages: Pages, stop: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = pages.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ending = async {
        // Either way the connection has had its time.
        let _ = stop.run_until_cancelled(sleep(CONNECTION_LIMIT)).await;
    };
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = ending => {
            connection.as_mut().graceful_shutdown();
            match timeout(DRAIN_LIMIT, connection.as_mut()).await {
                Ok(served) => served,
                Err(_elapsed) => return tracing::debug!("connection cut in the middle of an answer"),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
