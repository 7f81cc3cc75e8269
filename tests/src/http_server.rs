//! An HTTP server of a test's own: the connection handling that all stand-ins for real servers share.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// A running server. It stops when dropped.
pub(crate) struct HttpServer {
    address: SocketAddr,
    stop: CancellationToken,
}

impl HttpServer {
    /// A server on a port that the system picks, which answers every request by `answer`.
    pub(crate) async fn start<S, F>(state: Arc<S>, answer: fn(Request<Incoming>, Arc<S>) -> F) -> Self
    where
        S: Send + Sync + 'static,
        F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            // Ends every connection when it goes.
            let mut connections = JoinSet::new();
            while let Some(accepted) = stopped.run_until_cancelled(listener.accept()).await {
                let (stream, _) = accepted.unwrap();
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let answering = answer(request, Arc::clone(&state));
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, stop }
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A request's body.
pub(crate) async fn body(request: Request<Incoming>) -> Bytes {
    request.into_body().collect().await.unwrap().to_bytes()
}

/// An answer of JSON.
pub(crate) fn json_response(body: &Value) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(body.to_string())))
}
