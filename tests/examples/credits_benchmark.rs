//! What an idle listener costs in an hour, beside one that lists every five seconds and asks for its slot each time: both are
//! the shipped binary, on the embedded chain. `cargo run --package session-tests --example credits_benchmark -- 10` measures ten
//! minutes; `cargo build --workspace` before makes the binary.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops at the first thing that is not as it should be, and prints what it finds"
)]

use std::{collections::BTreeMap, path::Path, process::ExitCode, time::Duration};

use session_tests::{
    chain::TestChain,
    http,
    listener_process::ListenerProcess,
    sqs_server::{QueueAttributes, QueuePair, SqsServer, main_with_credentials},
};
use solana_sdk::signature::Signer;
use tokio::time::sleep;

/// What a start costs is not what an hour costs: by then a stream is known to be complete.
const START: Duration = Duration::from_secs(45);
const MINUTES: u64 = 10;

fn main() -> ExitCode {
    main_with_credentials(|| {
        let minutes = std::env::args()
            .nth(1)
            .map_or(MINUTES, |minutes| minutes.parse().unwrap());
        tokio::runtime::Runtime::new().unwrap().block_on(measure(minutes));
        ExitCode::SUCCESS
    })
}

async fn measure(minutes: u64) {
    let chain = TestChain::embedded().await;
    // A program without any transaction is another matter: nothing proves that there is none.
    chain.request_session().await;
    let server = SqsServer::start().await;
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let queues = [
        server.create(QueueAttributes::RECEIVED_ONCE).await,
        server.create(QueueAttributes::RECEIVED_ONCE).await,
    ];
    // What is finalized is no matter of the stream's slots, so that the newest slot is asked for.
    let often = [
        ("LISTENER__LISTING_INTERVAL_COMPLETE_SECS", "5"),
        ("RPC__COMMITMENT", "finalized"),
    ];
    let rarely = [("LISTENER__LISTING_INTERVAL_COMPLETE_SECS", "60")];
    let before = start(&chain, &queues[0], first.path(), &often).await;
    let now = start(&chain, &queues[1], second.path(), &rarely).await;
    sleep(START).await;
    let begun = [spent(&before).await, spent(&now).await];
    sleep(Duration::from_mins(minutes)).await;
    let ended = [spent(&before).await, spent(&now).await];
    println!("idle for {minutes} min, extrapolated to an hour, in credits by the prices of config.toml:");
    let names = ["a listing every 5 s", "as it is"];
    let mut per_hour = [0, 0];
    for index in 0..names.len() {
        println!("  {}:", names[index]);
        for (method, credits) in &ended[index] {
            let hour = (credits - begun[index].get(method).copied().unwrap_or(0)) * 60 / minutes;
            per_hour[index] += hour;
            println!("    {method}: {hour}");
        }
    }
    // One for each listing, which costs ten and the finalized slot of whoever lists.
    let listings = (ended[0]["getSignaturesForAddress"] - begun[0]["getSignaturesForAddress"]) / 10;
    let asked = listings * 60 / minutes;
    println!("  the newest slot, which the stream tells now, was asked for as well: {asked}");
    let before_per_hour = per_hour[0] + asked;
    let percent = 100 * per_hour[1] / before_per_hour.max(1);
    println!(
        "  in all: {before_per_hour} before, {} now, which is {percent} %",
        per_hour[1]
    );
    before.kill().await;
    now.kill().await;
    server.stop().await;
}

/// Credits by method.
async fn spent(listener: &ListenerProcess) -> BTreeMap<String, u64> {
    let page = http::get(listener.address(), "/metrics").await.body;
    let series = page.lines().filter_map(|line| {
        let (method, credits) = line.strip_prefix("rpc_credits_total{method=\"")?.split_once("\"} ")?;
        Some((method.to_owned(), credits.parse().unwrap()))
    });
    series.collect()
}

async fn start(chain: &TestChain, queues: &QueuePair, state: &Path, settings: &[(&str, &str)]) -> ListenerProcess {
    let (endpoint, wallet) = (chain.endpoint(), chain.payer().pubkey().to_string());
    let common = [
        ("RPC__URL", endpoint.http.as_str()),
        ("RPC__WS_URL", &endpoint.ws),
        ("LISTENER__START", "genesis"),
        ("QUEUE__KIND", "sqs"),
        ("QUEUE__URL", &queues.url),
        ("QUEUE__DEAD_LETTER_URL", &queues.dead_letter_url),
        ("QUEUE__ENDPOINT_URL", &queues.endpoint_url),
        ("MONITORING__HEALTH_CHECK_INTERVAL_SECS", "30"),
        ("MONITORING__WALLET_ADDRESSES", &wallet),
    ];
    let environment: Vec<(String, String)> = common
        .iter()
        .chain(settings)
        .map(|(key, value)| (format!("SESSION_BUILDER__{key}"), (*value).to_owned()))
        .collect();
    ListenerProcess::start(&environment, state).await
}
