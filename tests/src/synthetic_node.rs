//! An RPC node with a long history of session requests that never happened: for measuring what a listener needs to read it.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use serde_json::{Value, json};
use session_chain::Endpoint;
use session_events::{PdaComputedEvent, factory::SESSION_FACTORY_ID, session::SESSION_PROGRAM_ID};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use tokio::time::Instant;

use crate::{
    hostile::event_bytes,
    http_server::{self, HttpServer, json_response},
    ports::free_port,
};

const FIRST_SLOT: u64 = 10;
/// Slots after the last transaction of a history that is over.
const QUIET_SLOTS: u64 = 100;
/// Slots between a confirmed one and the last that is finalized.
const FINALITY_SLOTS: u64 = 32;

/// A running node. It stops when dropped.
pub struct SyntheticNode {
    server: HttpServer,
    chain: Arc<SyntheticChain>,
}

/// What nodes tell of. Several of them can tell of the same.
#[derive(Debug)]
pub struct SyntheticChain {
    transactions: u64,
    per_slot: u64,
    /// Since when it grows, and how long each slot takes; `None`: it is over.
    growth: Option<(Instant, Duration)>,
}

impl SyntheticChain {
    /// A history of so many transactions, each with one request, which is over and final.
    #[must_use]
    pub fn over(transactions: u64) -> Arc<Self> {
        Arc::new(Self {
            transactions,
            per_slot: 4,
            growth: None,
        })
    }

    /// One that begins now, and goes on without transactions when they are all there.
    #[must_use]
    pub fn growing(transactions: u64, per_slot: u64, slot_time: Duration) -> Arc<Self> {
        Arc::new(Self {
            transactions,
            per_slot,
            growth: Some((Instant::now(), slot_time)),
        })
    }

    /// The newest confirmed slot.
    #[must_use]
    pub fn tip(&self) -> u64 {
        match self.growth {
            None => self.last_slot() + QUIET_SLOTS,
            Some((since, slot_time)) => {
                let slots = since.elapsed().as_micros() / slot_time.as_micros();
                FIRST_SLOT + u64::try_from(slots).unwrap()
            }
        }
    }

    /// The slot of the last transaction.
    #[must_use]
    pub fn last_slot(&self) -> u64 {
        self.slot_of(self.transactions - 1)
    }

    /// The sessions that its transactions ask for.
    #[must_use]
    pub fn session_ids(&self) -> Vec<String> {
        (0..self.transactions).map(session_id).collect()
    }

    fn finalized(&self) -> u64 {
        match self.growth {
            None => self.tip(),
            Some(_) => self.tip().saturating_sub(FINALITY_SLOTS),
        }
    }

    /// Transactions that are confirmed.
    fn confirmed(&self) -> u64 {
        let slots = (self.tip() + 1).saturating_sub(FIRST_SLOT);
        self.transactions.min(slots * self.per_slot)
    }

    fn slot_of(&self, number: u64) -> u64 {
        FIRST_SLOT + number / self.per_slot
    }

    fn list(&self, config: &Value) -> Value {
        let confirmed = self.confirmed();
        let newest = config["before"].as_str().map_or(confirmed, number_of);
        let limit = config["limit"].as_u64().unwrap();
        let entry = |number: u64| {
            json!({"signature": signature_of(number).to_string(), "slot": self.slot_of(number), "err": null,
                "memo": null, "blockTime": null, "confirmationStatus": "confirmed"})
        };
        (newest.saturating_sub(limit)..newest).rev().map(entry).collect()
    }

    fn transaction(&self, number: u64) -> Value {
        if number >= self.confirmed() {
            return Value::Null;
        }
        let (factory, slot) = (SESSION_FACTORY_ID, self.slot_of(number));
        let event = STANDARD.encode(event_bytes(&event(number, slot)));
        let logs = [
            format!("Program {factory} invoke [1]"),
            format!("Program data: {event}"),
            format!("Program {factory} consumed 1000 of 200000 compute units"),
            format!("Program {factory} success"),
        ];
        json!({"slot": slot, "blockTime": null, "version": 0, "transaction": ["", "base64"], "meta": {
            "err": null, "status": {"Ok": null}, "fee": 5000, "preBalances": [], "postBalances": [],
            "innerInstructions": [], "logMessages": logs, "preTokenBalances": [], "postTokenBalances": [], "rewards": []}})
    }
}

impl SyntheticNode {
    /// A node whose history has so many transactions, each with one request.
    pub async fn start(transactions: u64) -> Self {
        Self::of(&SyntheticChain::over(transactions)).await
    }

    /// A node of this chain.
    pub async fn of(chain: &Arc<SyntheticChain>) -> Self {
        Self {
            server: HttpServer::start(Arc::clone(chain), serve).await,
            chain: Arc::clone(chain),
        }
    }

    /// Where it answers; nobody serves its WebSocket.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.server.url(),
            ws: format!("ws://127.0.0.1:{}", free_port()),
        }
    }

    /// What it tells of.
    #[must_use]
    pub fn chain(&self) -> &SyntheticChain {
        &self.chain
    }
}

async fn serve(request: Request<Incoming>, chain: Arc<SyntheticChain>) -> Response<Full<Bytes>> {
    let call: Value = serde_json::from_slice(&http_server::body(request).await).unwrap();
    let parameters = &call["params"];
    let result = match call["method"].as_str().unwrap() {
        "getGenesisHash" => json!(Pubkey::new_from_array([7; 32]).to_string()),
        "getSlot" if parameters[0]["commitment"] == "finalized" => json!(chain.finalized()),
        "getSlot" => json!(chain.tip()),
        "getFirstAvailableBlock" => json!(0),
        "getSignatureStatuses" => json!({"context": {"slot": 1}, "value": [{"slot": 1}]}),
        "getSignaturesForAddress" => chain.list(&parameters[1]),
        "getTransaction" => chain.transaction(number_of(parameters[0].as_str().unwrap())),
        method => panic!("{method} is not asked by a listener that only lists"),
    };
    json_response(&json!({"jsonrpc": "2.0", "id": call["id"], "result": result}))
}

fn signature_of(number: u64) -> Signature {
    let mut bytes = [1; 64];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Signature::from(bytes)
}

fn number_of(signature: &str) -> u64 {
    let signature: Signature = signature.parse().unwrap();
    u64::from_be_bytes(*signature.as_ref().first_chunk().unwrap())
}

fn session_id(number: u64) -> String {
    format!("synthetic-{number}")
}

fn event(number: u64, compute_slot: u64) -> PdaComputedEvent {
    // Nobody derives the address here: it only has to be another one each time.
    let mut address = [3; 32];
    address[..8].copy_from_slice(&number.to_be_bytes());
    PdaComputedEvent {
        expected_pda: Pubkey::new_from_array(address),
        expected_size: 1_000,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: session_id(number),
        owner: Pubkey::new_from_array([5; 32]),
        eval_program: Pubkey::new_from_array([6; 32]),
        shard_address: SESSION_PROGRAM_ID,
        namespaces: vec!["namespace".to_owned()],
        compute_slot,
    }
}
