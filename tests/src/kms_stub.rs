//! AWS KMS as far as an Ed25519 key needs it: `TrentService.Sign` with a key of its own.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{self, HeaderValue},
};
use serde_json::{Value, json};
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio::sync::watch;

use crate::http_server::{self, HttpServer, json_response};

/// The id of the stub's only key.
pub const KEY_ID: &str = "alias/session-wallet";

/// A running stub. It stops when dropped.
pub struct KmsStub {
    server: HttpServer,
    key: Arc<Key>,
}

struct Key {
    keypair: Keypair,
    signed: AtomicU64,
    answers: watch::Sender<bool>,
}

impl KmsStub {
    /// A stub with a new key.
    pub async fn start() -> Self {
        let key = Arc::new(Key {
            keypair: Keypair::new(),
            signed: AtomicU64::new(0),
            answers: watch::Sender::new(true),
        });
        let server = HttpServer::start(Arc::clone(&key), sign).await;
        Self { server, key }
    }

    /// The address for `AWS_ENDPOINT_URL_KMS`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// The key's address on chain.
    #[must_use]
    pub fn public_key(&self) -> Pubkey {
        self.key.keypair.pubkey()
    }

    /// From now on it takes requests and says nothing, or answers again.
    pub fn answer(&self, answers: bool) {
        self.key.answers.send_replace(answers);
    }

    /// Messages signed so far.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.key.signed.load(Ordering::Relaxed)
    }
}

async fn sign(request: Request<Incoming>, key: Arc<Key>) -> Response<Full<Bytes>> {
    assert_eq!(request.headers()["x-amz-target"], "TrentService.Sign");
    let asked: Value = serde_json::from_slice(&http_server::body(request).await).unwrap();
    assert_eq!(asked["KeyId"], KEY_ID);
    assert_eq!(asked["MessageType"], "RAW");
    assert_eq!(asked["SigningAlgorithm"], "ED25519_SHA_512");
    // The sender lives as long as the stub.
    let _ = key.answers.subscribe().wait_for(|answers| *answers).await;
    let message = STANDARD.decode(asked["Message"].as_str().unwrap()).unwrap();
    let signature = key.keypair.sign_message(&message);
    key.signed.fetch_add(1, Ordering::Relaxed);
    let mut response = json_response(&json!({
        "KeyId": KEY_ID,
        "Signature": STANDARD.encode(signature.as_ref()),
        "SigningAlgorithm": "ED25519_SHA_512",
    }));
    let content_type = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
