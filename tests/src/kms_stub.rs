//! AWS KMS as far as an Ed25519 key needs it: `TrentService.Sign` with a key of its own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// The id of the stub's only key.
pub const KEY_ID: &str = "alias/session-wallet";

/// A running stub. It stops when dropped.
pub struct KmsStub {
    address: SocketAddr,
    key: Arc<Key>,
    stop: CancellationToken,
}

struct Key {
    keypair: Keypair,
    signed: AtomicU64,
}

impl KmsStub {
    /// A stub with a new key.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let key = Arc::new(Key {
            keypair: Keypair::new(),
            signed: AtomicU64::new(0),
        });
        let stop = CancellationToken::new();
        tokio::spawn(accept(listener, Arc::clone(&key), stop.clone()));
        Self { address, key, stop }
    }

    /// The address for `AWS_ENDPOINT_URL_KMS`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The key's address on chain.
    #[must_use]
    pub fn public_key(&self) -> Pubkey {
        self.key.keypair.pubkey()
    }

    /// Messages signed so far.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.key.signed.load(Ordering::Relaxed)
    }
}

impl Drop for KmsStub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(listener: TcpListener, key: Arc<Key>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => {
                let (stream, _) = accepted.unwrap();
                let key = Arc::clone(&key);
                let service = service_fn(move |request| sign(request, Arc::clone(&key)));
                connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        }
    }
}

async fn sign(request: Request<Incoming>, key: Arc<Key>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.headers()["x-amz-target"], "TrentService.Sign");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let asked: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(asked["KeyId"], KEY_ID);
    assert_eq!(asked["MessageType"], "RAW");
    assert_eq!(asked["SigningAlgorithm"], "ED25519_SHA_512");
    let message = STANDARD.decode(asked["Message"].as_str().unwrap()).unwrap();
    let signature = key.keypair.sign_message(&message);
    key.signed.fetch_add(1, Ordering::Relaxed);
    let answer = json!({
        "KeyId": KEY_ID,
        "Signature": STANDARD.encode(signature.as_ref()),
        "SigningAlgorithm": "ED25519_SHA_512",
    });
    let response = Response::builder().header("content-type", "application/x-amz-json-1.1");
    Ok(response.body(Full::new(Bytes::from(answer.to_string()))).unwrap())
}
