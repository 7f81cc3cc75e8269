//! Requests by upstream's own instruction data, served to the last byte.

use std::{collections::BTreeMap, fmt::Write as _, path::Path, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use create_accounts::Conclusion;
use serde_json::Value;
use session_engine::Outcome;
use session_events::{
    factory::{Arguments as _, SessionRequest},
    session::SESSION_PROGRAM_ID,
    session_address,
};
use session_tests::{chain::TestChain, rig::Rig};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signer;

/// Most bytes of a request that fit one transaction beside its addresses and signature.
const REQUEST_BYTES_MAX: usize = 800;

/// The requests that Anchor encoded from upstream's own struct, with an id that can have an address and as many
/// namespaces as are allowed and fit a transaction.
fn as_upstream_encodes_them() -> Vec<SessionRequest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/events/tests/vectors/upstream.json");
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let requests = vectors["instructions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["instruction"] == "request_session_creation")
        .map(|vector| BASE64_STANDARD.decode(vector["data"].as_str().unwrap()).unwrap());
    let mut numbered = (0_u32..).zip(requests);
    let valid: Vec<_> = numbered
        .by_ref()
        .map(|(number, data)| with_valid_id(SessionRequest::from_data(&data).unwrap().unwrap(), number))
        .collect();
    assert_eq!(valid.len(), 20);
    valid
}

fn with_valid_id(mut request: SessionRequest, number: u32) -> SessionRequest {
    // As much of the id as fits beside the number that tells it from the chain's other sessions.
    while request.session_id.len() > 26 {
        request.session_id.pop();
    }
    write!(request.session_id, "#{number}").unwrap();
    request.namespaces.truncate(10);
    while request.to_data().unwrap().len() > REQUEST_BYTES_MAX {
        request.namespaces.pop();
    }
    for address in [
        &mut request.owner,
        &mut request.eval_program,
        &mut request.shard_address,
    ] {
        if *address == Pubkey::default() {
            *address = Pubkey::new_unique();
        }
    }
    request
}

/// Requests whose accounts have these sizes, worked out by hand.
fn of_known_sizes(chain: &TestChain) -> [(SessionRequest, u64); 4] {
    let long = |count: usize| vec!["namespace-0001"; count];
    [
        ("known1", Vec::new(), 168),
        ("known-2", vec!["default"], 184),
        ("known-session", long(10), 360),
        ("0123456789abcdef0123456789abcdef", vec!["games"], 208),
    ]
    .map(|(session_id, namespaces, size)| {
        let request = SessionRequest {
            owner: chain.payer().pubkey(),
            eval_program: Pubkey::new_unique(),
            session_id: session_id.to_owned(),
            namespaces: namespaces.into_iter().map(ToOwned::to_owned).collect(),
            shard_address: Pubkey::new_unique(),
        };
        (request, size)
    })
}

pub(crate) async fn requests_as_upstream_encodes_them_are_served_with_upstreams_sizes(chain: Arc<TestChain>) {
    let rig = Rig::start(Arc::clone(&chain), |_| {}).await;
    let mut wanted = BTreeMap::new();
    for (request, size) in of_known_sizes(&chain) {
        assert_eq!(request.expected_size(), size);
        wanted.insert(request.session_id.clone(), request);
    }
    wanted.extend(
        as_upstream_encodes_them()
            .into_iter()
            .map(|request| (request.session_id.clone(), request)),
    );
    for request in wanted.values() {
        chain.send(&[chain.request_instruction(request)]).await.unwrap();
    }
    for report in rig.recorder.verified(wanted.len()).await {
        let event = &report.message.as_ref().unwrap().event;
        let request = wanted.remove(&event.session_id);
        let request = request.unwrap_or_else(|| panic!("each session is verified once, and not this: {report:?}"));
        assert!(
            matches!(report.conclusion, Conclusion::Verified(Outcome::Created { .. })),
            "{report:?}"
        );
        assert_eq!(event.expected_owner, SESSION_PROGRAM_ID, "whatever the shard");
        let (address, _) = session_address(&SESSION_PROGRAM_ID, &request.owner, &request.session_id).unwrap();
        assert_eq!(event.expected_pda, address);
        assert_eq!(event.expected_size, request.expected_size());
        chain.assert_created(event).await;
        println!("{:>4} bytes: {:?}", event.expected_size, request.session_id);
    }
    assert!(wanted.is_empty(), "{:?}", wanted.keys());
    rig.pipeline.drain().await;
}
