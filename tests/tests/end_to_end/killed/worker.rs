//! One environment: an engine that creates what it is told to on its standard input, and says what became of it.

use std::{sync::Arc, time::Duration};

use session_chain::{CommitmentConfig, Endpoint, RetryPolicy, RpcPool};
use session_engine::{CreationRequest, Disposition, Engine, EngineConfig, SignerPool, TransactionVersion};
use session_ledger::Limits;
use session_ledger_dynamodb::{DynamoDbLedger, DynamoDbLedgerConfig};
use session_tests::creation::request_of;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Keypair;
use tokio::{
    io::{AsyncBufReadExt, BufReader, stdin},
    process::Command,
    time::Instant,
};

use super::hurried::{Hurried, Pace};

/// A session with a short id.
pub(crate) const SIZE_BYTES: u64 = 168;
/// What the worker prints when it can be asked.
pub(crate) const READY: &str = "ready";
/// What it is told to jump ahead by.
pub(crate) const TURN: &str = "turn";
/// How long an invocation may take.
const LIMIT: Duration = Duration::from_secs(10);
/// So far does a clock that is turned jump: over the pause between two looks through the books, and the age at which a
/// hold is anybody's.
const TURNED_BY: Duration = Duration::from_mins(2);

const HTTP: &str = "WORKER_HTTP";
const WS: &str = "WORKER_WS";
const TABLE: &str = "WORKER_TABLE";
const LEDGER: &str = "WORKER_LEDGER";
const WALLET: &str = "WORKER_WALLET";
const PER_HOUR: &str = "WORKER_PER_HOUR";
const PER_REQUESTER: &str = "WORKER_PER_REQUESTER";
const PACE: &str = "WORKER_PACE";

/// What all environments share.
pub(crate) struct Place {
    pub(crate) endpoint: Endpoint,
    pub(crate) table: DynamoDbLedgerConfig,
    pub(crate) wallet: Keypair,
    pub(crate) limits: Limits,
    pub(crate) pace: Pace,
}

impl Clone for Place {
    fn clone(&self) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            table: self.table.clone(),
            wallet: self.wallet.insecure_clone(),
            limits: self.limits,
            pace: self.pace,
        }
    }
}

impl Place {
    /// A process in this place.
    pub(crate) fn command(&self) -> Command {
        let limit = |limit: Option<u64>| limit.unwrap().to_string();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .env(HTTP, &self.endpoint.http)
            .env(WS, &self.endpoint.ws)
            .env(TABLE, &self.table.table)
            .env(LEDGER, self.table.endpoint_url.as_deref().unwrap())
            .env(WALLET, self.wallet.to_base58_string())
            .env(PER_HOUR, limit(self.limits.lamports_per_hour))
            .env(PER_REQUESTER, limit(self.limits.lamports_per_requester_per_hour))
            .env(PACE, self.pace.text());
        command
    }

    fn from_environment() -> Option<Self> {
        let variable = |name| std::env::var(name).ok();
        let number = |name| variable(name)?.parse::<u64>().ok();
        Some(Self {
            endpoint: Endpoint {
                http: variable(HTTP)?,
                ws: variable(WS)?,
            },
            table: DynamoDbLedgerConfig {
                table: variable(TABLE)?,
                endpoint_url: variable(LEDGER),
                region: None,
            },
            wallet: Keypair::from_base58_string(&variable(WALLET)?),
            limits: Limits {
                lamports_per_hour: number(PER_HOUR),
                lamports_per_requester_per_hour: number(PER_REQUESTER),
            },
            pace: Pace::read(&variable(PACE)?)?,
        })
    }
}

/// Who asks for an account: of ten, one of five requesters asks for three, and another for one.
pub(crate) fn requester(number: usize) -> Pubkey {
    const OF_TEN: [u8; 10] = [1, 1, 1, 2, 2, 3, 3, 4, 4, 5];
    Pubkey::new_from_array([OF_TEN[number % OF_TEN.len()]; 32])
}

/// The request with a number.
pub(crate) fn request(number: usize) -> CreationRequest {
    CreationRequest {
        requester: Some(requester(number)),
        asked_at_slot: Some(1),
        ..request_of(
            Pubkey::new_from_array([77; 32]),
            format!("session-{number:05}"),
            SIZE_BYTES,
        )
    }
}

pub(crate) struct Worker(Place);

impl Worker {
    pub(crate) fn from_environment() -> Option<Self> {
        Place::from_environment().map(Self)
    }

    /// Works until killed, or until whoever would do that is gone.
    pub(crate) async fn run(self) {
        let engine = self.engine().await;
        println!("{READY}");
        let mut lines = BufReader::new(stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if line == TURN {
                tokio::time::pause();
                tokio::time::advance(TURNED_BY).await;
                tokio::time::resume();
                continue;
            }
            let numbers: Vec<usize> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            serve(&engine, &numbers).await;
        }
    }

    async fn engine(self) -> Engine {
        let place = self.0;
        let (retry, timeout) = (RetryPolicy::default(), Duration::from_secs(5));
        let pool = RpcPool::new(vec![place.endpoint], CommitmentConfig::confirmed(), retry, timeout);
        let ledger = DynamoDbLedger::connect(place.table, place.limits).await.unwrap();
        let ledger = Hurried {
            ledger: Arc::new(ledger),
            pace: place.pace,
        };
        let config = EngineConfig {
            // The clients of this test read transactions of this format.
            transaction_version: TransactionVersion::V0,
            ..EngineConfig::default()
        };
        let signers = SignerPool::of_keypairs(vec![place.wallet]).unwrap();
        Engine::start(config, pool.unwrap(), signers, Arc::new(ledger))
            .await
            .unwrap()
    }
}

/// Creates, and says of each request whether it is done.
async fn serve(engine: &Engine, numbers: &[usize]) {
    let requests = numbers.iter().map(|number| request(*number)).collect();
    let answers = engine.create_batch(requests, Instant::now() + LIMIT).await;
    let said = numbers.iter().zip(answers).map(|(number, answer)| match answer {
        Ok(_) => format!("{number}:done"),
        Err(error) => {
            assert!(
                !matches!(error.disposition(), Disposition::DeadLetter),
                "{number} can never be created: {error}"
            );
            format!("{number}:{}", error.reason_code())
        }
    });
    println!("{}", said.collect::<Vec<_>>().join(" "));
}
