//! An RPC node with a long history of session requests that never happened: for measuring what a listener needs to read it.

use std::sync::Arc;

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

use crate::{
    hostile::event_bytes,
    http_server::{self, HttpServer, json_response},
    ports::free_port,
};

/// Transactions of one slot.
const PER_SLOT: u64 = 4;
const FIRST_SLOT: u64 = 10;
/// Slots after the last transaction.
const QUIET_SLOTS: u64 = 100;

/// A running node. It stops when dropped.
pub struct SyntheticNode {
    server: HttpServer,
}

impl SyntheticNode {
    /// A node whose history has so many transactions, each with one request.
    pub async fn start(transactions: u64) -> Self {
        Self {
            server: HttpServer::start(Arc::new(transactions), serve).await,
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
}

async fn serve(request: Request<Incoming>, transactions: Arc<u64>) -> Response<Full<Bytes>> {
    let transactions = *transactions;
    let call: Value = serde_json::from_slice(&http_server::body(request).await).unwrap();
    let result = match call["method"].as_str().unwrap() {
        "getGenesisHash" => json!(Pubkey::new_from_array([7; 32]).to_string()),
        "getSlot" => json!(slot_of(transactions) + QUIET_SLOTS),
        "getFirstAvailableBlock" => json!(0),
        "getSignatureStatuses" => json!({"context": {"slot": 1}, "value": [{"slot": 1}]}),
        "getSignaturesForAddress" => list(&call["params"][1], transactions),
        "getTransaction" => transaction(number_of(call["params"][0].as_str().unwrap())),
        method => panic!("{method} is not asked by a listener that only lists"),
    };
    json_response(&json!({"jsonrpc": "2.0", "id": call["id"], "result": result}))
}

fn slot_of(number: u64) -> u64 {
    FIRST_SLOT + number / PER_SLOT
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

fn list(config: &Value, transactions: u64) -> Value {
    let newest = config["before"].as_str().map_or(transactions, number_of);
    let limit = config["limit"].as_u64().unwrap();
    let entry = |number: u64| {
        json!({"signature": signature_of(number).to_string(), "slot": slot_of(number), "err": null, "memo": null,
            "blockTime": null, "confirmationStatus": "confirmed"})
    };
    (newest.saturating_sub(limit)..newest).rev().map(entry).collect()
}

fn transaction(number: u64) -> Value {
    let factory = SESSION_FACTORY_ID;
    let event = STANDARD.encode(event_bytes(&event(number)));
    let logs = [
        format!("Program {factory} invoke [1]"),
        format!("Program data: {event}"),
        format!("Program {factory} consumed 1000 of 200000 compute units"),
        format!("Program {factory} success"),
    ];
    json!({"slot": slot_of(number), "blockTime": null, "version": 0, "transaction": ["", "base64"], "meta": {
        "err": null, "status": {"Ok": null}, "fee": 5000, "preBalances": [], "postBalances": [],
        "innerInstructions": [], "logMessages": logs, "preTokenBalances": [], "postTokenBalances": [], "rewards": []}})
}

fn event(number: u64) -> PdaComputedEvent {
    // Nobody derives the address here: it only has to be another one each time.
    let mut address = [3; 32];
    address[..8].copy_from_slice(&number.to_be_bytes());
    PdaComputedEvent {
        expected_pda: Pubkey::new_from_array(address),
        expected_size: 1_000,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: format!("synthetic-{number}"),
        owner: Pubkey::new_from_array([5; 32]),
        eval_program: Pubkey::new_from_array([6; 32]),
        shard_address: SESSION_PROGRAM_ID,
        namespaces: vec!["namespace".to_owned()],
        compute_slot: slot_of(number),
    }
}
