//! Runs scenarios on the embedded chain, and those that are about the chain on the real validator as well.
//!
//! A machine without `solana-test-validator` shows the validator's tests as ignored.

use std::{
    pin::Pin,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libtest_mimic::{Arguments, Failed};
use tokio::runtime::Runtime;

use crate::{
    chain::{TestChain, validator_path},
    rooms::{conclude, timed},
};

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
    /// One for all: the scenarios do not mind each other's sessions. They have it in turn: time is part of what is tested, and
    /// what shares a chain shares its time.
    Shared,
    /// One for each, so many at a time: it mostly waits for finality, and two cores hold a few.
    Each(usize),
}

/// The one that is shared, while no scenario has it. One that fails does not give it back: what it has left running would
/// serve the next one's sessions.
static SHARED: Mutex<Option<Arc<TestChain>>> = Mutex::new(None);

/// Names scenarios by the functions that they are, under where they run.
#[macro_export]
macro_rules! scenarios {
    ($(on $place:ident: $($module:ident :: $name:ident),+ ;)+) => {
        /// Every scenario, with its name and where it runs.
        const ALL: &[$crate::on_each_chain::Registration] = &[$($((
            stringify!($name),
            $crate::on_each_chain::On::$place,
            |chain| Box::pin($module::$name(chain)),
        )),+),+];
    };
}

/// Runs every scenario as a room's tests, each on an embedded chain of its own, so many at a time.
#[must_use]
pub fn on_embedded(arguments: Arguments, room: &str, scenarios: &[Registration], at_a_time: usize) -> ExitCode {
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let trials = scenarios.iter().map(|&(name, _, scenario)| {
        let on = Arc::clone(&runtime);
        timed(format!("{room}::{name}"), move || {
            on.block_on(async { scenario(Arc::new(TestChain::embedded().await)).await });
            Ok(())
        })
    });
    conclude(arguments, at_a_time, trials.collect()).exit_code()
}

/// Runs the scenarios that are about the chain as a room's tests, on the real validator.
#[must_use]
pub fn on_validator(arguments: Arguments, room: &str, scenarios: &[Registration], validators: Validators) -> ExitCode {
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let on_each = scenarios.iter().filter(|(_, place, _)| *place == On::EachChain);
    let trials = on_each.map(|&(name, _, scenario)| {
        let on = Arc::clone(&runtime);
        let trial = timed(format!("{room}::{name}"), move || {
            on.block_on(try_on(scenario, validators))
        });
        trial.with_ignored_flag(validator_path().is_none())
    });
    let at_a_time = match validators {
        Validators::Shared => 1,
        Validators::Each(at_a_time) => at_a_time,
    };
    let conclusion = conclude(arguments, at_a_time, trials.collect());
    // The validator is a child process: it has to go before this process does.
    if let Some(chain) = shared().take() {
        runtime.block_on(chain.shut_down());
    }
    conclusion.exit_code()
}

async fn try_on(scenario: Scenario, validators: Validators) -> Result<(), Failed> {
    let kept = (validators == Validators::Shared).then(|| shared().take()).flatten();
    let chain = match kept {
        Some(chain) => chain,
        None => Arc::new(TestChain::validator().await.ok_or("solana-test-validator has gone")?),
    };
    scenario(Arc::clone(&chain)).await;
    match validators {
        Validators::Shared => *shared() = Some(chain),
        Validators::Each(_) => chain.shut_down().await,
    }
    Ok(())
}

fn shared() -> MutexGuard<'static, Option<Arc<TestChain>>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}
