//! What a Lambda function costs: from exec to its first request for work, its memory then, its size as a zip, and for one
//! that creates accounts its memory while it does. Beside the smallest function there is, built in the same run.
//!
//! ```text
//! cargo lambda build --release --package hello-world --package create-accounts --lambda-dir target/lambda
//! cargo run -p session-tests --example startup_benchmark -- target/lambda/hello-world target/lambda/create-accounts
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark stops at the first thing that is not as it should be"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use session_tests::{chain::TestChain, lambda::Lambda, rig::Rig};
use tokio::time::Instant;

/// Starts of each function; the median counts.
const RUNS: usize = 31;
const LIMIT: Duration = Duration::from_secs(10);
/// Accounts that are created while the memory is watched, ten in every invocation.
const ACCOUNTS: usize = 300;

/// What one start showed.
struct Start {
    ready: Duration,
    memory_kib: u64,
}

/// What a function is.
struct Measured {
    name: String,
    binary: PathBuf,
    ready_ms: f64,
    memory_mb: f64,
    zip_mb: f64,
}

fn main() {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [floor, function] = folders.as_slice() else {
        panic!("name two folders with a bootstrap in each: the smallest function's, and create-accounts'");
    };
    let (floor, function) = (measure(floor), measure(function));
    let head = ["", "ready, ms", "memory then, MB", "zip, MB"];
    println!("{:<20} {:>16} {:>16} {:>16}", head[0], head[1], head[2], head[3]);
    for Measured {
        name,
        ready_ms,
        memory_mb,
        zip_mb,
        ..
    } in [&floor, &function]
    {
        println!("{name:<20} {ready_ms:>16.1} {memory_mb:>16.1} {zip_mb:>16.1}");
    }
    println!(
        "{:<20} {:>15.1}x {:>15.1}x {:>15.1}x",
        "ratio",
        function.ready_ms / floor.ready_ms,
        function.memory_mb / floor.memory_mb,
        function.zip_mb / floor.zip_mb
    );
    let creating = megabytes(
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(peak_while_creating(&function.binary)),
    );
    println!(
        "{} while it creates {ACCOUNTS} accounts: {creating:.1} MB, {:.1}x the other's at its start",
        function.name,
        creating / floor.memory_mb
    );
}

fn measure(folder: &Path) -> Measured {
    let binary = folder.join("bootstrap");
    let mut starts: Vec<Start> = (0..RUNS).map(|_| start(&binary)).collect();
    starts.sort_by_key(|start| start.ready);
    let median = &starts[RUNS / 2];
    Measured {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        ready_ms: median.ready.as_secs_f64() * 1_000.0,
        memory_mb: megabytes(starts.iter().map(|start| start.memory_kib).max().unwrap()),
        zip_mb: zip_mb(&binary),
        binary,
    }
}

fn megabytes(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1_024.0
}

/// The most memory, in KiB, that the function has while it creates accounts on the embedded chain.
async fn peak_while_creating(binary: &Path) -> u64 {
    let chain = Arc::new(TestChain::embedded().await);
    let wallet = chain.wallet(100_000_000_000).await;
    let endpoint = chain.endpoint();
    let environment = [
        ("SESSION_BUILDER__RPC__URL", endpoint.http),
        ("SESSION_BUILDER__RPC__WS_URL", endpoint.ws),
        ("SESSION_BUILDER__SIGNER__KIND", String::from("environment")),
        ("SESSION_BUILDER_KEYPAIR", wallet.to_base58_string()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value));
    let lambda = Lambda::start(binary, environment.into()).await;
    let rig = Rig::start(Arc::clone(&chain), |settings| {
        settings.service.function_url = Some(lambda.url());
    })
    .await;
    for _ in 0..ACCOUNTS / 10 {
        futures::future::join_all((0..10).map(|_| chain.request_session())).await;
    }
    rig.recorder.verified(ACCOUNTS).await;
    let peak = lambda.peak_memory_kib();
    rig.pipeline.drain().await;
    lambda.stop().await;
    peak
}

/// Starts a function against a runtime API of its own, and stops it once it asks for work.
fn start(binary: &Path) -> Start {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, asks) = sync_channel(1);
    // It ends with the process: the function's last connection is one to wait on.
    thread::spawn(move || runtime_api(&listener, &asked));
    let started = Instant::now();
    let mut function = Command::new(binary)
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "benchmark")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the function starts");
    let ready = first_request(&asks, &mut function) - started;
    let memory_kib = session_tests::lambda::peak_memory_kib(function.id());
    function.kill().unwrap();
    function.wait().unwrap();
    Start { ready, memory_kib }
}

fn first_request(asks: &Receiver<Instant>, function: &mut Child) -> Instant {
    asks.recv_timeout(LIMIT).unwrap_or_else(|_| {
        let status = function.try_wait().unwrap();
        let _ = function.kill();
        panic!("the function never asked for work; it ended with {status:?}")
    })
}

/// As much of Lambda's runtime and extensions APIs as a start needs.
fn runtime_api(listener: &TcpListener, asked: &SyncSender<Instant>) {
    for stream in listener.incoming() {
        let (stream, asked) = (stream.unwrap(), asked.clone());
        thread::spawn(move || serve(&stream, &asked));
    }
}

fn serve(stream: &TcpStream, asked: &SyncSender<Instant>) {
    let mut reader = BufReader::new(stream);
    let mut stream = stream;
    while let Some(path) = request(&mut reader) {
        if path.ends_with("/runtime/invocation/next") {
            // No work comes.
            let _ = asked.try_send(Instant::now());
        } else if path.ends_with("/extension/register") {
            let body = r#"{"functionName":"benchmark","functionVersion":"1","handler":"bootstrap"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nlambda-extension-identifier: 1\r\n";
            write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    }
}

/// The path of the next request on a connection, its body read; `None` at the connection's end.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|bytes| *bytes > 0)?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    Some(path)
}

/// The binary as the `bootstrap` of a zip, which is what Lambda is given.
fn zip_mb(binary: &Path) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(binary, folder.path().join("bootstrap")).unwrap();
    let zipped = Command::new("python3")
        .args(["-m", "zipfile", "-c", "function.zip", "bootstrap"])
        .current_dir(folder.path())
        .status()
        .expect("python3 makes the zip");
    assert!(zipped.success());
    let bytes = fs::metadata(folder.path().join("function.zip")).unwrap().len();
    f64::from(u32::try_from(bytes).unwrap()) / 1_000_000.0
}
