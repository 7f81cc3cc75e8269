//! An RPC node with any number of session entries, all served but for some: for measuring what a comparison with account state
//! asks for. It counts its requests and bytes.

use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use serde_json::{Value, json};
use session_chain::Endpoint;
use session_events::{
    SessionEntry, SessionFactoryState, SessionState, SessionStatus,
    factory::{SESSION_FACTORY_ID, SessionRequest, entry_address},
    session::SESSION_PROGRAM_ID,
};
use solana_pubkey::Pubkey;

use crate::http_server::{self, HttpServer};

/// Every entry was made long ago: 2024-01-01.
const CREATED_AT: i64 = 1_704_067_200;
const SLOT: u64 = 1_000_000;
/// What all made-up addresses end with, after the number of their entry and what they are of.
const SESSION: u8 = 0xee;
const ENTRY: u8 = 0xaa;

/// What a node has.
#[derive(Debug, Clone, Copy, Default)]
pub struct Holdings {
    /// Entries whose sessions exist.
    pub served: u64,
    /// Entries whose sessions do not exist, with real addresses.
    pub missing: u64,
    /// Optimistic entries.
    pub optimistic: u64,
    /// Whether each listing has accounts that no node should list, and one missing entry's data is none.
    pub with_bad_ones: bool,
}

/// A running node. It stops when dropped. Nobody serves its WebSocket.
pub struct EntriesNode {
    server: HttpServer,
    state: Arc<State>,
}

/// What a node was asked and has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests.
    pub calls: u64,
    /// Bytes of requests and answers.
    pub bytes: u64,
}

struct State {
    holdings: Holdings,
    missing: Vec<Missing>,
    calls: AtomicU64,
    bytes: AtomicU64,
    /// Whether the missing sessions exist meanwhile.
    is_all_served: AtomicBool,
}

struct Missing {
    entry: Pubkey,
    session: Pubkey,
    data: String,
}

impl EntriesNode {
    /// A node that has so much.
    pub async fn start(holdings: Holdings) -> Self {
        let state = Arc::new(State {
            holdings,
            missing: (0..holdings.missing).map(missing).collect(),
            calls: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            is_all_served: AtomicBool::new(false),
        });
        Self {
            server: HttpServer::start(Arc::clone(&state), serve).await,
            state,
        }
    }

    /// Where it answers.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            http: self.server.url(),
            ws: String::from("ws://127.0.0.1:1"),
        }
    }

    /// From now on the missing sessions exist.
    pub fn serve_all(&self) {
        self.state.is_all_served.store(true, Ordering::Relaxed);
    }

    /// What it was asked since this was asked last.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        Traffic {
            calls: self.state.calls.swap(0, Ordering::Relaxed),
            bytes: self.state.bytes.swap(0, Ordering::Relaxed),
        }
    }
}

async fn serve(request: Request<Incoming>, state: Arc<State>) -> Response<Full<Bytes>> {
    let body = http_server::body(request).await;
    let call: Value = serde_json::from_slice(&body).unwrap();
    let result = state.answer(call["method"].as_str().unwrap(), &call["params"]);
    let answer = format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{result}}}", call["id"]);
    state.calls.fetch_add(1, Ordering::Relaxed);
    state
        .bytes
        .fetch_add((body.len() + answer.len()) as u64, Ordering::Relaxed);
    Response::new(Full::new(Bytes::from(answer)))
}

impl State {
    fn answer(&self, method: &str, parameters: &Value) -> String {
        match method {
            "getGenesisHash" => json!(Pubkey::new_from_array([7; 32]).to_string()).to_string(),
            "getSlot" => SLOT.to_string(),
            "getFirstAvailableBlock" => String::from("0"),
            "getSignaturesForAddress" => String::from("[]"),
            "getAccountInfo" => in_context(&self.factory_state()),
            "getProgramAccounts" => {
                let filter = parameters[1]["filters"][0]["memcmp"]["bytes"].as_str().unwrap();
                let filter = bs58::decode(filter).into_vec().unwrap();
                in_context(&self.list(&filter[SessionEntry::DISCRIMINATOR.len()..]))
            }
            "getMultipleAccounts" => {
                let addresses = parameters[0].as_array().unwrap();
                let addresses = addresses
                    .iter()
                    .map(|address| address.as_str().unwrap().parse().unwrap());
                let accounts: Vec<String> = addresses.map(|address| self.account(&address)).collect();
                in_context(&format!("[{}]", accounts.join(",")))
            }
            method => panic!("{method} is not asked by a comparison"),
        }
    }

    fn factory_state(&self) -> String {
        let Holdings {
            served,
            missing,
            optimistic,
            ..
        } = self.holdings;
        let state = SessionFactoryState {
            authority: Pubkey::new_from_array([9; 32]),
            total_sessions: served + missing + optimistic,
            active_sessions: 0,
            version: 1,
            bump: 255,
            reserved: [0; 32],
        };
        account(&SESSION_FACTORY_ID, &STANDARD.encode(state.to_data().unwrap()))
    }

    /// The entries of a shard, with their sessions' addresses.
    fn list(&self, prefix: &[u8]) -> String {
        let mut listed = String::from("[");
        let mut add = |address: &str, session: &[u8]| {
            if listed.len() > 1 {
                listed.push(',');
            }
            let account = account(&SESSION_FACTORY_ID, &STANDARD.encode(session));
            write!(listed, "{{\"account\":{account},\"pubkey\":\"{address}\"}}").unwrap();
        };
        let first = prefix.first().map_or(0, |byte| u64::from(*byte));
        let step = if prefix.is_empty() { 1 } else { 256 };
        for number in (first..self.holdings.served).step_by(step) {
            let session = made_up(SESSION, number);
            if session.as_ref().starts_with(prefix) {
                add(&made_up(ENTRY, number).to_string(), session.as_ref());
            }
        }
        for missing in &self.missing {
            if missing.session.as_ref().starts_with(prefix) {
                add(&missing.entry.to_string(), missing.session.as_ref());
            }
        }
        if prefix.iter().all(|byte| *byte == 0) {
            for number in 0..self.holdings.optimistic {
                add(&made_up(ENTRY, u64::from(u32::MAX) - number).to_string(), &[0; 32]);
            }
        }
        if self.holdings.with_bad_ones {
            add("no address", &[1; 32]);
            add(&made_up(ENTRY, first).to_string(), &[1; 7]);
            listed.push_str(",{\"pubkey\":17}");
        }
        listed.push(']');
        listed
    }

    fn account(&self, address: &Pubkey) -> String {
        if address.as_ref()[8..].iter().all(|byte| *byte == SESSION) {
            return account(&SESSION_PROGRAM_ID, "");
        }
        for (number, missing) in self.missing.iter().enumerate() {
            if missing.session == *address && self.is_all_served.load(Ordering::Relaxed) {
                return account(&SESSION_PROGRAM_ID, "");
            }
            if missing.entry == *address {
                let is_bad = self.holdings.with_bad_ones && number == 0;
                return account(&SESSION_FACTORY_ID, if is_bad { "AAAA" } else { &missing.data });
            }
        }
        String::from("null")
    }
}

fn in_context(value: &str) -> String {
    format!("{{\"context\":{{\"apiVersion\":\"3.0.0\",\"slot\":{SLOT}}},\"value\":{value}}}")
}

fn account(owner: &Pubkey, data: &str) -> String {
    format!(
        "{{\"data\":[\"{data}\",\"base64\"],\"executable\":false,\"lamports\":3000000,\"owner\":\"{owner}\",\"rentEpoch\":18446744073709551615,\"space\":343}}"
    )
}

/// An address that tells its number; numbers are spread evenly over the first byte.
fn made_up(of: u8, number: u64) -> Pubkey {
    let mut address = [of; 32];
    address[..8].copy_from_slice(&number.to_le_bytes());
    Pubkey::new_from_array(address)
}

fn missing(number: u64) -> Missing {
    let request = SessionRequest {
        owner: Pubkey::new_from_array([5; 32]),
        eval_program: Pubkey::new_from_array([6; 32]),
        session_id: format!("missing-{number}"),
        namespaces: vec![String::from("namespace")],
        shard_address: Pubkey::new_from_array([8; 32]),
    };
    let event = request.clone().expected_event(&SESSION_PROGRAM_ID, SLOT).unwrap();
    let (entry, bump) = entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id).unwrap();
    let data = SessionEntry {
        session_address: event.expected_pda,
        owner: request.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        session_id: request.session_id,
        namespaces: request.namespaces,
        status: SessionStatus::Requested,
        optimistic_state: SessionState::Pending,
        created_at: CREATED_AT,
        last_updated: CREATED_AT,
        activated_at: None,
        optimistic_state_set_at: CREATED_AT,
        bump,
    };
    Missing {
        entry,
        session: event.expected_pda,
        data: STANDARD.encode(data.to_data().unwrap()),
    }
}
