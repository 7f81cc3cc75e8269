//! The HTTP server under the pages: as many connections as it can hold, none of them for ever. Where there is no room
//! for one more, the oldest has to go: whoever sits on connections keeps nobody out.

use std::{
    collections::VecDeque,
    io,
    net::{IpAddr, SocketAddr},
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    limits::{ACCEPT_PAUSE, CONNECTION_LIMIT, CONNECTIONS_MAX, DRAIN_LIMIT, HEADER_READ_LIMIT},
    pages::Pages,
};

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
    let routes = pages.routes();
    let tasks = TaskTracker::new();
    let mut open = Open::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _peer)) => {
                let end = open.one_more(&stop);
                tasks.spawn(answer(stream, routes.clone(), end));
            }
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    tasks.close();
    // Ends within DRAIN_LIMIT: each connection sees the token.
    tasks.wait().await;
}

/// The ends of the open connections, the oldest first.
#[derive(Default)]
struct Open(VecDeque<CancellationToken>);

impl Open {
    /// Room for one more: the token that ends it.
    fn one_more(&mut self, stop: &CancellationToken) -> CancellationToken {
        // A connection that has ended has cancelled its token.
        self.0.retain(|end| !end.is_cancelled());
        while self.0.len() >= CONNECTIONS_MAX {
            if let Some(oldest) = self.0.pop_front() {
                oldest.cancel();
            }
        }
        let end = stop.child_token();
        self.0.push_back(end.clone());
        end
    }
}

async fn answer(stream: TcpStream, routes: Router, end: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_LIMIT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    tokio::pin!(connection);
    let ending = async {
        // Either way the connection has had its time.
        let _ = end.run_until_cancelled(sleep(CONNECTION_LIMIT)).await;
    };
    let served = tokio::select! {
        served = connection.as_mut() => Some(served),
        () = ending => {
            connection.as_mut().graceful_shutdown();
            timeout(DRAIN_LIMIT, connection.as_mut()).await.ok()
        }
    };
    end.cancel();
    match served {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::debug!(%error, "connection ended"),
        None => tracing::debug!("connection cut in the middle of an answer"),
    }
}
