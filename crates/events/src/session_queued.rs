//! `SessionQueuedEvent`: one discriminator, and two layouts behind it.
//!
//! The program declares one layout, the service's schema another. Nothing in the bytes says which it is, so the layout counts
//! that the bytes end with exactly.

use borsh::{
    BorshDeserialize, BorshSerialize,
    io::{Error, ErrorKind, Read, Result, Write},
};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{base58, bounded};

/// A session waits to be initialised (event `SessionQueuedEvent`), in the layout in which it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SessionQueuedEvent {
    /// As the program declares it.
    Request(QueuedRequest),
    /// As the service's schema has it.
    Session(Box<QueuedSession>),
}

/// A session in the on-chain queue, as the program declares `SessionQueuedEvent`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct QueuedRequest {
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Place in the on-chain queue.
    pub queue_position: u64,
    /// Name of the request.
    #[borsh(deserialize_with = "bounded::string")]
    pub request_id: String,
    /// When it was queued, unix seconds.
    pub timestamp: u64,
    /// Seconds that the queue is expected to take.
    pub estimated_processing_time: u64,
    /// Sessions in the on-chain queue.
    pub queue_size: u64,
    /// The factory, as text.
    #[borsh(deserialize_with = "bounded::string")]
    pub factory_address: String,
    /// Who queued it, as text.
    #[borsh(deserialize_with = "bounded::string")]
    pub creator: String,
}

/// A session in the on-chain queue, as the service's schema has `SessionQueuedEvent`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct QueuedSession {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_pda: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_program: Pubkey,
    /// Program of the session's shard.
    #[serde(with = "base58")]
    pub shard_address: Pubkey,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Who queued it.
    #[serde(with = "base58")]
    pub queued_by: Pubkey,
    /// Unix seconds.
    pub queued_at: i64,
    /// Until when it must be initialised, unix seconds.
    pub deadline: i64,
    /// Place in the on-chain queue.
    pub queue_position: u64,
}

impl SessionQueuedEvent {
    /// The session's name.
    #[must_use]
    pub fn session_id(&self) -> &str {
        match self {
            Self::Request(request) => &request.session_id,
            Self::Session(session) => &session.session_id,
        }
    }

    /// Place in the on-chain queue.
    #[must_use]
    pub fn queue_position(&self) -> u64 {
        match self {
            Self::Request(request) => request.queue_position,
            Self::Session(session) => session.queue_position,
        }
    }
}

impl From<QueuedRequest> for SessionQueuedEvent {
    fn from(request: QueuedRequest) -> Self {
        Self::Request(request)
    }
}

impl From<QueuedSession> for SessionQueuedEvent {
    fn from(session: QueuedSession) -> Self {
        Self::Session(Box::new(session))
    }
}

impl BorshSerialize for SessionQueuedEvent {
    fn serialize<W: Write>(&self, writer: &mut W) -> Result<()> {
        match self {
            Self::Request(request) => BorshSerialize::serialize(request, writer),
            Self::Session(session) => BorshSerialize::serialize(session, writer),
        }
    }
}

impl BorshDeserialize for SessionQueuedEvent {
    /// Reads to the end, since the end is what tells the layouts apart.
    fn deserialize_reader<R: Read>(reader: &mut R) -> Result<Self> {
        let mut bytes = Vec::new();
        reader.read_to_end(&mut bytes)?;
        let not_request = match exactly(&bytes) {
            Ok(request) => return Ok(Self::Request(request)),
            Err(fault) => fault,
        };
        exactly(&bytes)
            .map(|session| Self::Session(Box::new(session)))
            .map_err(|not_session| {
                let detail =
                    format!("neither in the program's layout ({not_request}) nor in the schema's ({not_session})");
                Error::new(ErrorKind::InvalidData, detail)
            })
    }
}

/// Reads a layout that has to end where the bytes do.
fn exactly<T: BorshDeserialize>(mut bytes: &[u8]) -> Result<T> {
    let fields = T::deserialize(&mut bytes)?;
    if bytes.is_empty() {
        return Ok(fields);
    }
    let detail = format!("{} bytes after its last field", bytes.len());
    Err(Error::new(ErrorKind::InvalidData, detail))
}
