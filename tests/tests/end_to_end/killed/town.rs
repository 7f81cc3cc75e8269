//! Whoever hands requests to the environments, as a queue does: what is not acknowledged is delivered again, now and then
//! twice at once. And kills them.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::worker::{Place, READY, TURN};

const ENVIRONMENTS: usize = 10;
/// Requests that come in in a second, until all are there.
const REQUESTS_PER_SECOND: u32 = 100;
const BATCH_MAX: usize = 40;
/// How often a batch takes requests that others have at the same time.
const TWICE: f64 = 0.1;
/// How long an environment lives.
const LIFE_MS: std::ops::Range<u64> = 500..15_000;
/// How long it is before it asks for more where nothing could be done.
const PAUSE: Duration = Duration::from_secs(1);
/// How long all of it may take.
const LIMIT: Duration = Duration::from_mins(8);

pub(crate) struct Town {
    place: Place,
    count: usize,
    began: Instant,
    requests: Mutex<Requests>,
    killed: AtomicUsize,
}

#[derive(Default)]
struct Requests {
    done: BTreeSet<usize>,
    /// By how many each is being served.
    taken: BTreeMap<usize, usize>,
    /// What stood against requests, and how often.
    reasons: BTreeMap<String, usize>,
}

/// A process.
pub(crate) struct Environment {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Environment {
    /// Waits until it can be asked. `false` where it ended before.
    pub(crate) async fn ready(&mut self) -> bool {
        self.lines.next_line().await.unwrap().as_deref() == Some(READY)
    }

    pub(crate) async fn turn_the_clock(&mut self) {
        self.say(TURN).await;
    }

    async fn say(&mut self, line: &str) {
        // One that has just ended is seen to have when it is asked for an answer.
        let _ = self.input.write_all(format!("{line}\n").as_bytes()).await;
    }

    /// What it answers; nothing where it has ended.
    async fn ask(&mut self, batch: &[usize]) -> Option<String> {
        let numbers: Vec<String> = batch.iter().map(ToString::to_string).collect();
        self.say(&numbers.join(" ")).await;
        self.lines.next_line().await.unwrap()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Town {
    pub(crate) fn new(place: Place, count: usize) -> Self {
        Self {
            place,
            count,
            began: Instant::now(),
            requests: Mutex::default(),
            killed: AtomicUsize::new(0),
        }
    }

    /// A new process.
    pub(crate) fn start(&self) -> Environment {
        let mut child = self
            .place
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Environment {
            child,
            input,
            lines: BufReader::new(output).lines(),
        }
    }

    /// Has everything created. Gives how many processes were killed over it.
    pub(crate) async fn serve(self: &Arc<Self>, random: &mut StdRng) -> usize {
        let mut environments = JoinSet::new();
        for _ in 0..ENVIRONMENTS {
            let (town, random) = (Arc::clone(self), StdRng::seed_from_u64(random.random()));
            environments.spawn(async move { town.keep_one(random).await });
        }
        let all = async { while environments.join_next().await.transpose().unwrap().is_some() {} };
        let ended = timeout(LIMIT, all).await;
        let requests = self.requests.lock().unwrap();
        assert!(ended.is_ok(), "{} done; {:?}", requests.done.len(), requests.reasons);
        println!("what stood against requests: {:?}", requests.reasons);
        self.killed.load(Ordering::Relaxed)
    }

    /// One environment after the other, each killed in the middle of whatever it does.
    async fn keep_one(&self, mut random: StdRng) {
        while !self.is_done() {
            let mut environment = self.start();
            let life = Duration::from_millis(random.random_range(LIFE_MS));
            // Killed at its start as well: while it connects, or before it has said anything.
            let _ = timeout(life, self.employ(&mut environment, &mut random)).await;
            environment.kill().await;
            self.killed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn employ(&self, environment: &mut Environment, random: &mut StdRng) {
        if !environment.ready().await {
            return;
        }
        while !self.is_done() {
            let batch = self.take(random);
            // Given back however this ends.
            let _taken = Taken {
                town: self,
                batch: &batch,
            };
            let said = if batch.is_empty() {
                Some(String::new())
            } else {
                environment.ask(&batch).await
            };
            let Some(said) = said else { return };
            if !self.note(&said) {
                sleep(PAUSE).await;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.requests.lock().unwrap().done.len() == self.count
    }

    /// Some of the requests that have come in and are not acknowledged.
    fn take(&self, random: &mut StdRng) -> Vec<usize> {
        let arrived = self.began.elapsed().as_secs_f64() * f64::from(REQUESTS_PER_SECOND);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of a test, times a hundred"
        )]
        let arrived = (arrived as usize).min(self.count);
        let (others_too, batch) = (random.random_bool(TWICE), random.random_range(1..=BATCH_MAX));
        let mut requests = self.requests.lock().unwrap();
        let waiting: Vec<usize> = (0..arrived)
            .filter(|number| !requests.done.contains(number))
            .filter(|number| others_too || !requests.taken.contains_key(number))
            .collect();
        let batch: Vec<usize> = waiting.choose_multiple(random, batch).copied().collect();
        for number in &batch {
            *requests.taken.entry(*number).or_default() += 1;
        }
        batch
    }

    /// Writes down what was done. Says whether anything was.
    fn note(&self, said: &str) -> bool {
        let mut requests = self.requests.lock().unwrap();
        let mut any = false;
        for (number, outcome) in said.split_whitespace().map(|word| word.split_once(':').unwrap()) {
            if outcome == "done" {
                requests.done.insert(number.parse().unwrap());
                any = true;
            } else {
                *requests.reasons.entry(outcome.to_owned()).or_default() += 1;
            }
        }
        any
    }
}

/// Requests that somebody serves.
struct Taken<'town> {
    town: &'town Town,
    batch: &'town [usize],
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut requests = self.town.requests.lock().unwrap();
        for number in self.batch {
            let left = requests.taken.get_mut(number).unwrap();
            *left -= 1;
            if *left == 0 {
                requests.taken.remove(number);
            }
        }
    }
}
