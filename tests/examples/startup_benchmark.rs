//! How fast Lambda functions are ready: from exec to the first request for work, with the memory then and the size as
//! a zip. Further functions are shown as ratios to the first.
//!
//! ```text
//! cargo build --release -p hello-world -p create-accounts
//! cargo run -p session-tests --example startup_benchmark -- target/release/hello-world target/release/create-accounts
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
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// Starts of each function; the median counts.
const RUNS: usize = 31;
const LIMIT: Duration = Duration::from_secs(10);

/// What one start showed.
struct Start {
    ready: Duration,
    memory_kib: u64,
}

/// What a function is.
struct Measured {
    name: String,
    ready_ms: f64,
    memory_mb: f64,
    zip_mb: f64,
}

fn main() {
    let binaries: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    assert!(
        !binaries.is_empty(),
        "name the functions' binaries, the one to compare with first"
    );
    let measured: Vec<Measured> = binaries.iter().map(|binary| measure(binary)).collect();
    println!("{:<20} {:>12} {:>12} {:>12}", "", "ready, ms", "memory, MB", "zip, MB");
    for function in &measured {
        let Measured {
            name,
            ready_ms,
            memory_mb,
            zip_mb,
        } = function;
        println!("{name:<20} {ready_ms:>12.1} {memory_mb:>12.1} {zip_mb:>12.1}");
    }
    for function in &measured[1..] {
        let first = &measured[0];
        println!(
            "{:<20} {:>11.1}x {:>11.1}x {:>11.1}x",
            format!("  by {}", first.name),
            function.ready_ms / first.ready_ms,
            function.memory_mb / first.memory_mb,
            function.zip_mb / first.zip_mb
        );
    }
}

fn measure(binary: &Path) -> Measured {
    let mut starts: Vec<Start> = (0..RUNS).map(|_| start(binary)).collect();
    starts.sort_by_key(|start| start.ready);
    let median = &starts[RUNS / 2];
    let memory_kib = starts.iter().map(|start| start.memory_kib).max().unwrap();
    Measured {
        name: binary.file_name().unwrap().to_string_lossy().into_owned(),
        ready_ms: median.ready.as_secs_f64() * 1_000.0,
        memory_mb: f64::from(u32::try_from(memory_kib).unwrap()) / 1_024.0,
        zip_mb: zip_mb(binary),
    }
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
    let memory_kib = peak_memory_kib(function.id());
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

/// The most memory that a process has had so far (`VmHWM`, proc(5)).
fn peak_memory_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
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
