//! An HTTP proxy in front of an RPC server that spoils chosen requests by their method. In front of an SQS server the
//! methods are SQS's actions.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_LENGTH, HOST},
};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use session_chain::Endpoint;
use solana_message::VersionedMessage;
use solana_sdk::signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use tokio::sync::watch;

use crate::{
    http_server::{self, HttpServer, json_response},
    wait,
};

/// What happens to a request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is served, and its answer never arrives.
    LoseAnswer,
    /// It is not served: an HTTP status, with `Retry-After` in seconds where there is one.
    Status(u16, Option<u64>),
    /// It is not served: an HTTP status, and this body.
    Reply(u16, Value),
    /// It is not served: a JSON-RPC error.
    Error(i64, Value),
    /// It is not served: this JSON-RPC result.
    Result(Value),
    /// It is served, and whatever entries the answer lists are null: a node that has seen nothing of it all.
    Blind,
    /// A transaction is accepted, signature and all, and goes nowhere.
    Swallow,
    /// It is served once the gate opens.
    Hold(Gate),
}

/// Every method.
pub const ANY: &str = "*";

/// Names the action of a request in SQS's protocol, after the protocol's own name.
const SQS_ACTION: &str = "x-amz-target";

/// Holds requests back until a test opens it.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn closed() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    async fn pass(&self) {
        // The sender lives as long as the gate.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// A running proxy. It stops when dropped.
pub struct FaultProxy {
    server: HttpServer,
    websocket: String,
    state: Arc<State>,
}

struct State {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    script: Mutex<Script>,
}

#[derive(Default)]
struct Script {
    faults: HashMap<String, VecDeque<Fault>>,
    lasting: HashMap<String, Fault>,
    /// What happens to every request of any method.
    everything: Option<Fault>,
    particular: Vec<Particular>,
    requests: HashMap<String, u64>,
    /// Texts of answers, and what the proxy makes of them.
    rewrites: Vec<(String, String)>,
    /// Transactions that nobody knows of.
    hidden: Vec<Signature>,
    /// Transactions that offer less for a compute unit, in micro-lamports, go nowhere.
    least_price: Option<u64>,
    /// What every transaction offered when it was sent for the first time.
    offers: Vec<Offer>,
}

/// A fault of the requests whose parameters hold a text.
struct Particular {
    method: String,
    text: String,
    fault: Fault,
}

impl FaultProxy {
    /// A proxy that spoils nothing yet.
    pub async fn start(upstream: &Endpoint) -> Self {
        let state = Arc::new(State {
            upstream: upstream.http.clone(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            script: Mutex::default(),
        });
        Self {
            server: HttpServer::start(Arc::clone(&state), serve).await,
            websocket: upstream.ws.clone(),
            state,
        }
    }

    /// The chain as it is seen through the proxy. `WebSockets` go past it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.server.url(),
            ws: self.websocket.clone(),
        }
    }

    /// Spoils the next request of `method` that no earlier fault is waiting for.
    pub fn spoil_next(&self, method: &str, fault: Fault) {
        self.script()
            .faults
            .entry(method.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// Spoils every request of `method`, or of every method where it is [`ANY`], until [`FaultProxy::heal`].
    pub fn spoil_all(&self, method: &str, fault: Fault) {
        self.script().lasting.insert(method.to_owned(), fault);
    }

    /// Spoils every request until [`FaultProxy::heal`].
    pub fn spoil_everything(&self, fault: Fault) {
        self.script().everything = Some(fault);
    }

    /// Spoils every request of `method` whose parameters hold `text`, such as a signature, until [`FaultProxy::heal`].
    pub fn spoil_particular(&self, method: &str, text: &str, fault: Fault) {
        self.script().particular.push(Particular {
            method: method.to_owned(),
            text: text.to_owned(),
            fault,
        });
    }

    /// Hides one transaction: no broadcast of it arrives, and nobody knows its status. Others are served.
    pub fn hide(&self, signature: &Signature) {
        self.script().hidden.push(*signature);
    }

    /// From now on transactions that offer less for a compute unit, in micro-lamports, are accepted and go nowhere, as in a
    /// cluster whose blocks are full.
    pub fn drop_under(&self, micro_lamports_per_unit: u64) {
        self.script().least_price = Some(micro_lamports_per_unit);
    }

    /// What transactions offered when they were sent for the first time, in their order.
    #[must_use]
    pub fn offers(&self) -> Vec<Offer> {
        self.script().offers.clone()
    }

    /// Writes something else in place of a text in every answer, as gateways do that read and write JSON anew.
    pub fn rewrite(&self, text: &str, other: &str) {
        self.script().rewrites.push((text.to_owned(), other.to_owned()));
    }

    /// From now on nothing is spoilt.
    pub fn heal(&self) {
        let mut script = self.script();
        script.faults.clear();
        script.lasting.clear();
        script.everything = None;
        script.particular.clear();
    }

    /// Requests of `method` that arrived so far.
    #[must_use]
    pub fn requests(&self, method: &str) -> u64 {
        self.script().requests.get(method).copied().unwrap_or(0)
    }

    /// Waits until `count` requests of `method` have arrived.
    pub async fn arrived(&self, method: &str, count: u64) {
        let what = format!("{count} requests of {method}");
        wait::until_true(&what, Duration::from_secs(20), || async {
            self.requests(method) >= count
        })
        .await;
    }

    fn script(&self) -> std::sync::MutexGuard<'_, Script> {
        self.state.script.lock().unwrap()
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let headers = request.headers().clone();
    let body = http_server::body(request).await;
    let call: Value = serde_json::from_slice(&body).unwrap();
    let fault = match action(&headers) {
        Some(action) => state.next_fault(action, &call.to_string()),
        None => state.next_fault(call["method"].as_str().unwrap(), &call["params"].to_string()),
    };
    match fault {
        None if state.hides_sent(&call) || state.is_too_cheap(&call) => {
            json_response(&json!({"jsonrpc": "2.0", "id": call["id"], "result": signature_of(&call).to_string()}))
        }
        None => state.forward(&headers, body).await,
        Some(Fault::Blind) => state.forward_blind(&headers, body).await,
        Some(Fault::LoseAnswer) => {
            state.forward(&headers, body).await;
            std::future::pending().await
        }
        Some(Fault::Status(status, retry_after)) => {
            let mut response = Response::builder().status(status);
            if let Some(seconds) = retry_after {
                response = response.header("retry-after", seconds);
            }
            response.body(Full::default()).unwrap()
        }
        Some(Fault::Reply(status, body)) => {
            let mut response = json_response(&body);
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        }
        Some(Fault::Error(code, data)) => json_response(
            &json!({"jsonrpc": "2.0", "id": call["id"], "error": {"code": code, "message": "spoilt", "data": data}}),
        ),
        Some(Fault::Result(result)) => json_response(&json!({"jsonrpc": "2.0", "id": call["id"], "result": result})),
        Some(Fault::Swallow) => {
            json_response(&json!({"jsonrpc": "2.0", "id": call["id"], "result": signature_of(&call).to_string()}))
        }
        Some(Fault::Hold(gate)) => {
            gate.pass().await;
            state.forward(&headers, body).await
        }
    }
}

/// The action of a request in SQS's protocol.
fn action(headers: &HeaderMap) -> Option<&str> {
    headers.get(SQS_ACTION)?.to_str().ok()?.rsplit('.').next()
}

impl State {
    fn next_fault(&self, method: &str, parameters: &str) -> Option<Fault> {
        let mut script = self.script.lock().unwrap();
        *script.requests.entry(method.to_owned()).or_default() += 1;
        let next = script.faults.get_mut(method).and_then(VecDeque::pop_front);
        let of_this = |particular: &&Particular| particular.method == method && parameters.contains(&particular.text);
        let particular = || script.particular.iter().find(of_this).map(|found| found.fault.clone());
        let lasting = || script.lasting.get(method).or_else(|| script.lasting.get(ANY)).cloned();
        next.or_else(particular)
            .or_else(lasting)
            .or_else(|| script.everything.clone())
    }

    /// Whether a transaction is sent that is hidden.
    fn hides_sent(&self, call: &Value) -> bool {
        let script = self.script.lock().unwrap();
        !script.hidden.is_empty() && call["method"] == "sendTransaction" && script.hidden.contains(&signature_of(call))
    }

    fn rewritten(&self, answer: Bytes) -> Bytes {
        let rewrites = self.script.lock().unwrap().rewrites.clone();
        if rewrites.is_empty() {
            return answer;
        }
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        let rewritten = rewrites
            .iter()
            .fold(answer, |answer, (text, other)| answer.replace(text, other));
        Bytes::from(rewritten)
    }

    /// Whether a transaction is sent that offers too little for its compute units. What is offered is remembered.
    fn is_too_cheap(&self, call: &Value) -> bool {
        let mut script = self.script.lock().unwrap();
        if call["method"] != "sendTransaction" {
            return false;
        }
        let offer = Offer::of(&transaction_of(call));
        if call["params"][1]["skipPreflight"] != true {
            script.offers.push(offer);
        }
        script
            .least_price
            .is_some_and(|least| offer.micro_lamports_per_unit() < least)
    }

    async fn forward_blind(&self, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
        let response = self.forward(headers, body).await;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let mut answer: Value = serde_json::from_slice(&bytes).unwrap();
        for entry in answer["result"]["value"].as_array_mut().into_iter().flatten() {
            *entry = Value::Null;
        }
        json_response(&answer)
    }

    async fn forward(&self, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
        let mut request = Request::post(&self.upstream).body(Full::new(body)).unwrap();
        let passed_on = headers
            .iter()
            .filter(|(name, _)| ![HOST, CONTENT_LENGTH].contains(*name));
        let passed_on = passed_on.map(|(name, value)| (name.clone(), value.clone()));
        request.headers_mut().extend(passed_on);
        match self.client.request(request).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                let bytes = body.collect().await.unwrap().to_bytes();
                let mut response = Response::new(Full::new(self.rewritten(bytes)));
                *response.status_mut() = parts.status;
                response
            }
            Err(_) => Response::builder()
                .status(StatusCode::BAD_GATEWAY)
                .body(Full::default())
                .unwrap(),
        }
    }
}

/// What a transaction pays for its place in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its priority fee.
    pub lamports: u64,
    /// The compute units that it asks for.
    pub units: u32,
}

impl Offer {
    /// The price of a unit.
    #[must_use]
    pub fn micro_lamports_per_unit(&self) -> u64 {
        self.lamports * 1_000_000 / u64::from(self.units.max(1))
    }

    /// Version 1 says both in its header; older ones offer nothing here.
    fn of(transaction: &VersionedTransaction) -> Self {
        let VersionedMessage::V1(message) = &transaction.message else {
            return Self { lamports: 0, units: 0 };
        };
        Self {
            lamports: message.config.priority_fee.unwrap_or_default(),
            units: message.config.compute_unit_limit.unwrap_or_default(),
        }
    }
}

fn transaction_of(call: &Value) -> VersionedTransaction {
    let bytes = STANDARD.decode(call["params"][0].as_str().unwrap()).unwrap();
    wincode::deserialize(&bytes).unwrap()
}

/// The signature of the transaction in a `sendTransaction` request. Version 1 has its signatures at the end, earlier
/// versions at the beginning, after a count; both have one here.
fn signature_of(call: &Value) -> Signature {
    let transaction = STANDARD.decode(call["params"][0].as_str().unwrap()).unwrap();
    let is_version_1 = transaction[0] == 0x81;
    let bytes = if is_version_1 {
        &transaction[transaction.len() - 64..]
    } else {
        &transaction[1..65]
    };
    Signature::try_from(bytes).unwrap()
}
