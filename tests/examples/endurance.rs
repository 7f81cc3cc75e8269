//! A service that serves 20 sessions a second for ten minutes: whether its memory is flat and how soon `/health` answers,
//! alone and beside 64 connections that say nothing. The service is the shipped binary and the chain the real validator's
//! process, so that what grows over there is the service's own. With `embedded` the chain is in this process; it goes over
//! all of its transactions wherever somebody asks for one, and stands still for that the longer, the more there are.
//! `cargo build --workspace --bins` before makes the binary; then
//! `cargo run --package session-tests --example endurance -- MINUTES SESSIONS_A_SECOND [embedded]`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement stops at the first thing that is not as it should be, and prints what it finds"
)]

use std::{
    fs::Permissions,
    io::{BufRead, BufReader},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use session_builder::traffic::{Traffic, TrafficPlan};
use session_tests::{binaries::built, chain::TestChain, http};
use solana_sdk::signature::Keypair;
use tokio::{net::TcpStream, time::Instant};
use tokio_util::sync::CancellationToken;

const MINUTES: u64 = 10;
const PER_SECOND: f64 = 20.0;
/// Between two samples.
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// Requests of `/health` in one sample, alone and again beside the idle connections; the slowest counts.
const PROBES: usize = 5;
const IDLE_CONNECTIONS: usize = 64;
/// What the service promises.
const HEALTH_MAX: Duration = Duration::from_millis(100);
/// Growth over the second half that counts as flat, by the line through its samples: what the allocator keeps of a surge. The
/// longer the run, the less a session may leave behind for it: some 350 bytes in ten minutes, 60 in an hour.
const GROWTH_MAX_KIB: f64 = 2_048.0;
/// What the service may spend: 400 SOL, in lamports.
const FUNDS_LAMPORTS: u64 = 400_000_000_000;
/// The last requests are served by then.
const LAST_SERVED: Duration = Duration::from_secs(30);

/// The running service.
struct Service {
    child: Child,
    address: SocketAddr,
    verified: Arc<AtomicU64>,
    _state: tempfile::TempDir,
}

/// What one look showed.
struct Sample {
    at: Duration,
    /// All of it.
    resident_kib: u64,
    /// The part of it that is no file's: what the process keeps.
    anonymous_kib: u64,
    verified: u64,
    alone: Duration,
    beside_idle: Duration,
}

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let minutes = arguments.next().map_or(MINUTES, |minutes| minutes.parse().unwrap());
    let rate = arguments.next().map_or(PER_SECOND, |rate| rate.parse().unwrap());
    let chain = match arguments.next().as_deref() {
        None => TestChain::validator().await.expect("solana-test-validator"),
        Some("embedded") => TestChain::embedded().await,
        Some(other) => panic!("{other:?} is no chain"),
    };
    let wallet = chain.wallet(FUNDS_LAMPORTS).await;
    let traffic = Traffic::new(chain.endpoint().http, chain.payer().insecure_clone());
    let mut service = Service::start(&chain, &wallet);
    let stop = CancellationToken::new();
    let plan = TrafficPlan {
        sessions: None,
        rate_per_second: rate,
    };
    let requesting = tokio::spawn(traffic.run(plan, stop.clone()));
    let samples = service.watched_for(Duration::from_secs(minutes * 60)).await;
    stop.cancel();
    let requested = requesting.await.unwrap();
    let last = Instant::now();
    while service.verified.load(Ordering::SeqCst) < requested && last.elapsed() < LAST_SERVED {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let verified = service.verified.load(Ordering::SeqCst);
    println!("requested {requested}, verified {verified}");
    service.stop();
    chain.shut_down().await;
    if judge(&samples) && verified == requested {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Service {
    /// Starts the binary on the chain and waits until it listens.
    fn start(chain: &TestChain, wallet: &Keypair) -> Self {
        let state = tempfile::tempdir().unwrap();
        let keypair = state.path().join("keypair.json");
        std::fs::write(&keypair, format!("{:?}", wallet.to_bytes())).unwrap();
        std::fs::set_permissions(&keypair, Permissions::from_mode(0o600)).unwrap();
        let mut child = Command::new(built("session-builder"))
            .args(["run", "--metrics-port", "0", "--log-level", "warn"])
            .envs(settings(chain, state.path(), &keypair))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let verified = Arc::new(AtomicU64::new(0));
        let (lines, counted) = (
            BufReader::new(child.stdout.take().unwrap()).lines(),
            Arc::clone(&verified),
        );
        let (told, heard) = mpsc::channel();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if line.starts_with("verified ") {
                    counted.fetch_add(1, Ordering::SeqCst);
                } else {
                    // Nobody listens any more once the service runs.
                    let _ = told.send(line);
                }
            }
        });
        let mut address = None;
        for line in &heard {
            if let Some(rest) = line.strip_prefix("endpoints http://") {
                address = rest.split('/').next().map(|address| address.parse().unwrap());
            }
            if line.starts_with("listening ") {
                break;
            }
        }
        Self {
            child,
            address: address.unwrap(),
            verified,
            _state: state,
        }
    }

    async fn watched_for(&self, time: Duration) -> Vec<Sample> {
        println!(
            "{:>6} {:>12} {:>13} {:>10} {:>18} {:>24}",
            "s", "resident KiB", "anonymous KiB", "verified", "/health alone, ms", "beside 64 idle ones, ms"
        );
        let begun = Instant::now();
        let mut samples = Vec::new();
        let mut ticks = tokio::time::interval(SAMPLE_EVERY);
        while begun.elapsed() < time {
            ticks.tick().await;
            let sample = self.sample(begun).await;
            println!(
                "{:>6} {:>12} {:>13} {:>10} {:>18.1} {:>24.1}",
                sample.at.as_secs(),
                sample.resident_kib,
                sample.anonymous_kib,
                sample.verified,
                sample.alone.as_secs_f64() * 1e3,
                sample.beside_idle.as_secs_f64() * 1e3
            );
            samples.push(sample);
        }
        samples
    }

    async fn sample(&self, begun: Instant) -> Sample {
        let alone = self.slowest_health().await;
        let mut idle = Vec::new();
        for _ in 0..IDLE_CONNECTIONS {
            idle.push(TcpStream::connect(self.address).await.unwrap());
        }
        let beside_idle = self.slowest_health().await;
        drop(idle);
        Sample {
            at: begun.elapsed(),
            resident_kib: kib_of(self.child.id(), "VmRSS:"),
            anonymous_kib: kib_of(self.child.id(), "RssAnon:"),
            verified: self.verified.load(Ordering::SeqCst),
            alone,
            beside_idle,
        }
    }

    async fn slowest_health(&self) -> Duration {
        let mut slowest = Duration::ZERO;
        for _ in 0..PROBES {
            slowest = slowest.max(http::get(self.address, "/health").await.elapsed);
        }
        slowest
    }

    fn stop(&mut self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success() && self.child.wait().unwrap().success());
    }
}

fn settings(chain: &TestChain, state: &Path, keypair: &Path) -> Vec<(String, String)> {
    let endpoint = chain.endpoint();
    let mut settings = vec![
        ("RPC__URL", endpoint.http),
        ("RPC__WS_URL", endpoint.ws),
        ("SERVICE__KEYPAIR_PATH", keypair.display().to_string()),
        ("SERVICE__STATE_DIR", state.join("state").display().to_string()),
        ("POLICY__LAMPORTS_PER_HOUR", String::from("0")),
    ];
    if chain.as_embedded().is_some() {
        settings.push(("LISTENER__LISTING_INTERVAL_SECS", String::from("60")));
    }
    let settings = settings.into_iter();
    settings
        .map(|(key, value)| (format!("SESSION_BUILDER__{key}"), value))
        .collect()
}

/// By the system's word.
fn kib_of(pid: u32, what: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Prints what the samples say together, and whether it is what was promised.
#[expect(clippy::cast_precision_loss, reason = "kibibytes and counts of minutes")]
fn judge(samples: &[Sample]) -> bool {
    let settled = &samples[samples.len() / 2..];
    let minutes = |sample: &Sample| sample.at.as_secs_f64() / 60.0;
    let kib_a_minute =
        |of: fn(&Sample) -> u64| slope(settled.iter().map(|sample| (minutes(sample), of(sample) as f64)));
    let (resident_kib, anonymous_kib) = (
        kib_a_minute(|sample| sample.resident_kib),
        kib_a_minute(|sample| sample.anonymous_kib),
    );
    // What the system takes back of files is no room for what the process keeps.
    let slope_kib = resident_kib.max(anonymous_kib);
    let per_minute = slope(settled.iter().map(|sample| (minutes(sample), sample.verified as f64)));
    let per_session = slope_kib * 1_024.0 / per_minute.max(1.0);
    let lasted = settled.last().map_or(0.0, minutes) - settled.first().map_or(0.0, minutes);
    let growth_kib = slope_kib * lasted;
    let slowest = |of: fn(&Sample) -> Duration| samples.iter().map(of).max().unwrap_or_default();
    let (alone, beside_idle) = (slowest(|sample| sample.alone), slowest(|sample| sample.beside_idle));
    println!(
        "second half: {resident_kib:.0} KiB a minute, {anonymous_kib:.0} of them anonymous; {growth_kib:.0} KiB in all (at most {GROWTH_MAX_KIB}), at {per_minute:.0} sessions \
         a minute: {per_session:.0} bytes a session"
    );
    println!(
        "/health: slowest {alone:?} alone, {beside_idle:?} beside {IDLE_CONNECTIONS} idle connections (at most {HEALTH_MAX:?})"
    );
    growth_kib <= GROWTH_MAX_KIB && alone <= HEALTH_MAX && beside_idle <= HEALTH_MAX
}

/// Of the line through the points that is nearest to them by least squares.
#[expect(clippy::cast_precision_loss, reason = "a few dozen points")]
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (sum_x, sum_y) = points
        .clone()
        .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (above, below) = points.fold((0.0, 0.0), |(above, below), (x, y)| {
        (above + (x - mean_x) * (y - mean_y), below + (x - mean_x).powi(2))
    });
    if below == 0.0 { 0.0 } else { above / below }
}
