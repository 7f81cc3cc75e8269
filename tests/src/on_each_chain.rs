//! Runs the same scenarios on the embedded chain and on the real validator.
//!
//! A machine without `solana-test-validator` shows the validator's tests as ignored.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Runtime;

use crate::chain::{TestChain, validator_path};

/// A scenario, which panics where the service does not do what it should.
pub type Scenario = fn(Arc<TestChain>) -> Pin<Box<dyn Future<Output = ()>>>;

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
}

/// The one that is shared, while no scenario has it. One that fails does not give it back: what it has left running would
/// serve the next one's sessions.
static SHARED: Mutex<Option<Arc<TestChain>>> = Mutex::new(None);

/// Names scenarios by the functions that they are.
#[macro_export]
macro_rules! scenarios {
    ($($module:ident :: $name:ident),+ $(,)?) => {
        /// Every scenario, with its name.
        pub(crate) const ALL: &[(&str, $crate::on_each_chain::Scenario)] =
            &[$((stringify!($name), |chain| Box::pin($module::$name(chain)))),+];
    };
}

/// Runs the scenarios as tests, and ends the process as a test runner does.
pub fn run(scenarios: &'static [(&'static str, Scenario)], validators: Validators) -> ! {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(validators.at_a_time());
    let runtime = Arc::new(Runtime::new().expect("a runtime"));
    let mut trials = Vec::new();
    for (name, scenario) in scenarios {
        let on = Arc::clone(&runtime);
        trials.push(Trial::test(format!("embedded::{name}"), move || {
            on.block_on(async { scenario(Arc::new(TestChain::embedded().await)).await });
            Ok(())
        }));
        let on = Arc::clone(&runtime);
        let trial = Trial::test(format!("validator::{name}"), move || {
            on.block_on(on_validator(*scenario, validators))
        });
        trials.push(trial.with_ignored_flag(validator_path().is_none()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The validator is a child process: it has to go before this process does.
    if let Some(chain) = shared().take() {
        runtime.block_on(chain.shut_down());
    }
    conclusion.exit()
}

async fn on_validator(scenario: Scenario, validators: Validators) -> Result<(), Failed> {
    let kept = (validators == Validators::Shared).then(|| shared().take()).flatten();
    let chain = match kept {
        Some(chain) => chain,
        None => Arc::new(TestChain::validator().await.ok_or("solana-test-validator has gone")?),
    };
    scenario(Arc::clone(&chain)).await;
    match validators {
        Validators::Shared => *shared() = Some(chain),
        Validators::Each => chain.shut_down().await,
    }
    Ok(())
}

fn shared() -> MutexGuard<'static, Option<Arc<TestChain>>> {
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}
