//! A node that lies in one of the ways in which nodes do, made by rewriting a real node's answers.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use session_chain::Endpoint;

use crate::{
    http_server::{self, HttpServer, json_response},
    ports::free_port,
};

/// How a node lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// It is so many slots behind, and doesn't mind which slot a request asks for.
    Lags(u64),
    /// It lists two transactions at a time, and nothing before any of them, as if it had never heard of them.
    ListsNothingBefore,
    /// Every third transaction is null.
    NullEveryThird,
    /// It has the last so many slots and no older.
    Prunes(u64),
    /// Its index of addresses is so many slots late.
    LateIndex(u64),
    /// It tells a slot that no chain has reached.
    AbsurdSlot,
}

/// A running node. It stops when dropped. Nobody serves its WebSocket.
pub struct LyingNode {
    server: HttpServer,
}

struct State {
    upstream: Endpoint,
    client: Client<HttpConnector, Full<Bytes>>,
    lie: Mutex<Lie>,
    transactions: AtomicU64,
}

impl LyingNode {
    /// A node in front of `upstream`.
    pub async fn start(upstream: Endpoint, lie: Lie) -> Self {
        let state = Arc::new(State {
            upstream,
            client: Client::builder(TokioExecutor::new()).build_http(),
            lie: Mutex::new(lie),
            transactions: AtomicU64::new(0),
        });
        Self {
            server: HttpServer::start(state, serve).await,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.server.url(),
            ws: format!("ws://127.0.0.1:{}", free_port()),
        }
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let call = serde_json::from_slice(&http_server::body(request).await).unwrap();
    json_response(&state.answer(&call).await)
}

impl State {
    async fn answer(&self, call: &Value) -> Value {
        let lie = *self.lie.lock().unwrap();
        let method = call["method"].as_str().unwrap();
        let told = |result: Value| json!({"jsonrpc": "2.0", "id": call["id"], "result": result});
        match (lie, method) {
            (Lie::AbsurdSlot, "getSlot") => told(json!(1_000_000_000_000_u64)),
            (Lie::Lags(slots), "getSlot") => {
                let slot = self.ask(call).await["result"].as_u64().unwrap();
                told(json!(slot.saturating_sub(slots)))
            }
            (Lie::Lags(slots) | Lie::LateIndex(slots), "getSignaturesForAddress") => {
                let newest = self.tip().await.saturating_sub(slots);
                self.list(call, usize::MAX, |slot| slot <= newest).await
            }
            (Lie::Prunes(slots), "getSignaturesForAddress") => {
                let oldest = self.tip().await.saturating_sub(slots);
                self.list(call, usize::MAX, |slot| slot >= oldest).await
            }
            (Lie::Prunes(slots), "getFirstAvailableBlock") => told(json!(self.tip().await.saturating_sub(slots))),
            (Lie::ListsNothingBefore, "getSignaturesForAddress") if call["params"][1]["before"].is_string() => {
                told(json!([]))
            }
            (Lie::ListsNothingBefore, "getSignaturesForAddress") => self.list(call, 2, |_| true).await,
            (Lie::ListsNothingBefore, "getSignatureStatuses") => told(json!({"context": {"slot": 1}, "value": [null]})),
            (Lie::NullEveryThird, "getTransaction")
                if self.transactions.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) =>
            {
                told(Value::Null)
            }
            _ => self.ask(call).await,
        }
    }

    async fn tip(&self) -> u64 {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "getSlot", "params": [{"commitment": "confirmed"}]});
        self.ask(&call).await["result"].as_u64().unwrap()
    }

    async fn list(&self, call: &Value, page_max: usize, shows: impl Fn(u64) -> bool) -> Value {
        let mut call = call.clone();
        call["params"][1].as_object_mut().unwrap().remove("minContextSlot");
        let mut answer = self.ask(&call).await;
        if let Some(entries) = answer["result"].as_array_mut() {
            entries.retain(|entry| entry["slot"].as_u64().is_some_and(&shows));
            entries.truncate(page_max);
        }
        answer
    }

    async fn ask(&self, call: &Value) -> Value {
        let request = Request::post(&self.upstream.http)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(call.to_string())))
            .unwrap();
        let response = self.client.request(request).await.unwrap();
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }
}
