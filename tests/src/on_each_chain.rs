//! Runs scenarios on the embedded chain, and those that are about the chain on the real validator as well.
//!
//! A machine without `solana-test-validator` shows the validator's tests as ignored.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use tokio::{runtime::Runtime, time::Instant};

use crate::chain::{TestChain, validator_path};

/// A scenario, which panics where the service does not do what it should.
pub type Scenario = fn(Arc<TestChain>) -> Pin<Box<dyn Future<Output = ()>>>;

/// Where a scenario runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// On the embedded chain alone: what it tries is the service's own, and its faults are made in front of the chain, so that
    /// another chain behind them shows nothing else and takes its time to finality.
    Embedded,
    /// On the embedded chain and on the real validator: what it tries is how a chain behaves.
    EachChain,
}

/// A scenario with its name and where it runs.
pub type Registration = (&'static str, On, Scenario);

/// How many validators the scenarios take: one starts in seconds and runs a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validators {
    /// One for all: the scenarios do not mind each other's sessions.
    Shared,
    /// One for each.
    Each,
}

impl Validators {
    /// Scenarios under way at once. Time is part of what is tested, and what shares a chain shares its time; where each has
    /// its own it mostly waits for finality, and two cores hold a few.
    fn at_a_time(self) -> usize {
        match self {
            Self::Shared => 1,
            Self::Each => 3,
        }
    }

    /// The same on embedded chains, which nobody shares. Who only listens to one has next to nothing to do while it gets on.
    fn embedded_at_a_time(self) -> usize {
        match self {
            Self::Shared => 4,
            Self::Each => 12,
        }
    }
}

/// The one that is shared, while no scenario has it. One that fails does not give it back: what it has left running would
/// serve the next one's sessions.
static SHARED: Mutex<Option<Arc<TestChain>>> = Mutex::new(None);

/// What each test took that ended well.
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());

/// Names scenarios by the functions that they are, under where they run.
#[macro_export]
macro_rules! scenarios {
    ($(on $place:ident: $($module:ident :: $name:ident),+ ;)+) => {
        /// Every scenario, with its name and where it runs.
        pub(crate) const ALL: &[$crate::on_each_chain::Registration] = &[$($((
            stringify!($name),
            $crate::on_each_chain::On::$place,
            |chain| Box::pin($module::$name(chain)),
        )),+),+];
    };
}

/// Runs the scenarios as tests, those on embedded chains first, says how long each took, and ends the process as a test
/// runner does.
pub fn run(scenarios: &'static [Registration], validators: Validators) -> ! {
    let arguments = Arguments::from_args();
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let embedded = scenarios.iter().map(|(name, _, scenario)| {
        let on = Arc::clone(&runtime);
        timed(format!("embedded::{name}"), move || {
            on.block_on(async { scenario(Arc::new(TestChain::embedded().await)).await });
            Ok(())
        })
    });
    let on_each = scenarios.iter().filter(|(_, place, _)| *place == On::EachChain);
    let validator = on_each.map(|(name, _, scenario)| {
        let on = Arc::clone(&runtime);
        let trial = timed(format!("validator::{name}"), move || {
            on.block_on(on_validator(*scenario, validators))
        });
        trial.with_ignored_flag(validator_path().is_none())
    });
    let rounds = [
        (embedded.collect(), validators.embedded_at_a_time()),
        (validator.collect(), validators.at_a_time()),
    ];
    let conclusions = rounds.map(|(trials, at_a_time)| conclude(&arguments, trials, at_a_time));
    // The validator is a child process: it has to go before this process does.
    if let Some(chain) = locked(&SHARED).take() {
        runtime.block_on(chain.shut_down());
    }
    if !arguments.list {
        tell_times();
    }
    for conclusion in &conclusions {
        conclusion.exit_if_failed();
    }
    std::process::exit(0)
}

fn conclude(arguments: &Arguments, trials: Vec<Trial>, at_a_time: usize) -> Conclusion {
    let mut arguments = arguments.clone();
    arguments.test_threads.get_or_insert(at_a_time);
    libtest_mimic::run(&arguments, trials)
}

fn timed(name: String, test: impl FnOnce() -> Result<(), Failed> + Send + 'static) -> Trial {
    Trial::test(name.clone(), move || {
        let began = Instant::now();
        test()?;
        locked(&TOOK).push((began.elapsed(), name));
        Ok(())
    })
}

/// The slowest first.
#[expect(clippy::print_stdout, reason = "it is part of a test runner's output")]
fn tell_times() {
    let mut took = std::mem::take(&mut *locked(&TOOK));
    took.sort_unstable_by(|one, other| other.cmp(one));
    for (took, name) in took {
        println!("{:7.1} s  {name}", took.as_secs_f64());
    }
}

async fn on_validator(scenario: Scenario, validators: Validators) -> Result<(), Failed> {
    let kept = (validators == Validators::Shared)
        .then(|| locked(&SHARED).take())
        .flatten();
    let chain = match kept {
        Some(chain) => chain,
        None => Arc::new(TestChain::validator().await.ok_or("solana-test-validator has gone")?),
    };
    scenario(Arc::clone(&chain)).await;
    match validators {
        Validators::Shared => *locked(&SHARED) = Some(chain),
        Validators::Each => chain.shut_down().await,
    }
    Ok(())
}

fn locked<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
