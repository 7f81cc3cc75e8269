//! The sections of the configuration as types. The meaning of every key stands in `config.toml`.
#![expect(
    missing_docs,
    reason = "config.toml documents every key, with its unit and default, in one place"
)]

use std::{collections::BTreeMap, fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use solana_pubkey::Pubkey;

use crate::rpc_url::RpcUrl;

#[derive(Debug, Clone)]
pub struct Rpc {
    pub url: RpcUrl,
    pub ws_url: Option<RpcUrl>,
    pub fallback_urls: Vec<RpcUrl>,
    pub commitment: Commitment,
    pub request_timeout: Duration,
    pub credits: BTreeMap<String, u64>,
    pub credits_per_hour: Option<u64>,
}

impl Rpc {
    /// The parts of all addresses that may be a key, for whoever keeps them out of logs.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let urls = [&self.url].into_iter().chain(&self.ws_url).chain(&self.fallback_urls);
        urls.flat_map(RpcUrl::secrets).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitment {
    Confirmed,
    Finalized,
}

impl FromStr for Commitment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "confirmed" => Ok(Self::Confirmed),
            "finalized" => Ok(Self::Finalized),
            "processed" => Err(String::from(
                "what was only processed can still vanish with its fork; it must be \"confirmed\" or \"finalized\"",
            )),
            _ => Err(String::from("it must be \"confirmed\" or \"finalized\"")),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Service {
    pub max_concurrent_creations: usize,
    pub max_concurrent_invocations: usize,
    pub keypair_path: PathBuf,
    pub state_dir: PathBuf,
    pub program_id: Pubkey,
    pub session_program_id: Pubkey,
    pub batch_size: usize,
    pub batch_window: Duration,
    pub function_timeout: Duration,
    pub function_url: Option<String>,
}

/// `[history]`
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// For how long what happened to a session's request is kept; `None`: not at all.
    pub keep: Option<Duration>,
    /// How many entries are kept at most.
    pub entries_max: u64,
}

#[derive(Debug, Clone)]
pub struct Retry {
    pub max_retries: u32,
    pub initial_delay: Duration,
    pub max_delay: Duration,
}

#[derive(Debug, Clone)]
pub struct Monitoring {
    pub health_check_interval: Duration,
    pub metrics_port: u16,
    pub bind_address: IpAddr,
    pub enable_prometheus: bool,
    pub wallet_addresses: Vec<Pubkey>,
    /// The deployment whose metrics a listener writes for CloudWatch; `None`: it writes none.
    pub cloudwatch_stack: Option<String>,
    pub log_level: String,
    pub log_format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Clone)]
pub struct Queue {
    pub kind: QueueKind,
    pub url: Option<String>,
    pub dead_letter_url: Option<String>,
    pub endpoint_url: Option<String>,
    pub region: Option<String>,
    pub visibility_timeout: Duration,
    pub max_receive_count: u32,
    pub retry_waits: Vec<Duration>,
    pub deferral_max: Duration,
    pub capacity: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueKind {
    Memory,
    Sqs,
}

#[derive(Debug, Clone)]
pub struct Ledger {
    pub table: Option<String>,
    pub endpoint_url: Option<String>,
    pub region: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Listener {
    pub start: StartAt,
    pub watermark_url: Option<String>,
    pub linger: Duration,
    pub silence_limit: Duration,
    pub completeness_age_max: Duration,
    pub acknowledgement_age_max: Duration,
    pub lease: Option<Duration>,
    pub listing_interval: Duration,
    pub listing_interval_complete: Duration,
    pub truncated_fetches_per_hour: u32,
    pub reconcile_interval: Option<Duration>,
    pub reconcile_calls_per_second: u32,
    pub max_unsettled_events: usize,
    pub max_handler_backlog: usize,
    pub handler_time_limit: Duration,
    pub idl_path: Option<PathBuf>,
}

/// Where a listener without a watermark begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartAt {
    Now,
    Genesis,
    Slot(u64),
    /// A transaction's signature, base58 of 64 bytes: after that transaction.
    Signature(String),
}

impl FromStr for StartAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 64 bytes are 86 to 88 characters of base58.
        let signature = (86..=88).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric());
        match (text, text.parse()) {
            ("now", _) => Ok(Self::Now),
            ("genesis", _) => Ok(Self::Genesis),
            (_, Ok(slot)) => Ok(Self::Slot(slot)),
            _ if signature => Ok(Self::Signature(text.to_owned())),
            _ => Err(String::from("it must be \"now\", \"genesis\", a slot or a signature")),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Creation {
    pub instruction_name: String,
    pub batch_instruction_name: Option<String>,
    pub batch_encoding: BatchEncoding,
    pub account_order: Vec<String>,
    pub argument_order: Vec<String>,
    pub transaction_version: TransactionVersion,
    pub mark_created: bool,
    pub rebroadcast_interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchEncoding {
    Packed,
    Borsh,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionVersion {
    Auto,
    V1,
    V0,
}

#[derive(Debug, Clone)]
pub struct Policy {
    pub allowed_owner_programs: Vec<Pubkey>,
    pub size_max_bytes: u64,
    pub lamports_per_hour: Option<u64>,
    pub lamports_per_owner_per_hour: Option<u64>,
    pub lamports_per_requester_per_hour: Option<u64>,
    pub wallet_reserve_lamports: u64,
    pub wallet_low_lamports: u64,
    pub priority_fee_cap_lamports: u64,
}

#[derive(Debug, Clone)]
pub struct Signer {
    pub kind: SignerKind,
    pub environment_variable: String,
    pub kms_key_id: Option<String>,
    pub kms_public_key: Option<String>,
    pub kms_region: Option<String>,
    pub fee_payer_keypair_paths: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerKind {
    KeypairFile,
    Environment,
    AwsKms,
    /// Nothing here signs: others do, and what is done here is to look and to send messages.
    None,
}

#[derive(Debug, Clone)]
pub struct Alerts {
    /// Nobody is told where there is none.
    pub webhook: Option<Webhook>,
    pub unhealthy_after: Duration,
    pub watermark_after: Duration,
    pub repeat_after: Duration,
}

/// Who is told, and the key that shows who tells.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub url: RpcUrl,
    pub secret: Secret,
}

/// Text that never shows itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: for whoever computes with it, and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("(withheld)")
    }
}

/// A length of time as people write it: `90s`, `15m`, `1h 30m`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait(pub(crate) Duration);

impl FromStr for Wait {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wait =
            humantime::parse_duration(text).map_err(|error| format!("it must be a time such as \"90s\": {error}"))?;
        if wait > WAIT_MAX {
            return Err(String::from("it must be at most 12h, as long as SQS hides a message"));
        }
        Ok(Self(wait))
    }
}

/// What a method costs, as `getTransaction=10`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Price {
    pub(crate) method: String,
    pub(crate) credits: u64,
}

impl FromStr for Price {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .split_once('=')
            .map(|(method, credits)| (method.trim(), credits.trim().parse()));
        match parts {
            Some((method, Ok(credits))) if !method.is_empty() && credits <= PRICE_MAX => Ok(Self {
                method: method.to_owned(),
                credits,
            }),
            _ => Err(format!(
                "it must be a method and its credits, up to {PRICE_MAX}, such as \"getTransaction=10\""
            )),
        }
    }
}

/// No provider charges a fraction of this for a request.
const PRICE_MAX: u64 = 1_000_000;

/// SQS hides a message for 12 h at most.
const WAIT_MAX: Duration = Duration::from_hours(12);
