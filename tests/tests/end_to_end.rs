//! The whole service against a chain: the same scenarios on the embedded chain and on the real validator.
//!
//! A machine without `solana-test-validator` shows the validator's tests as ignored.

mod scenarios;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use session_tests::chain::{TestChain, validator_path};
use tokio::{runtime::Runtime, sync::OnceCell};

/// One validator for all its tests: it takes seconds to start and a core to run.
static VALIDATOR: OnceCell<Option<Arc<TestChain>>> = OnceCell::const_new();

fn main() {
    let mut arguments = Arguments::from_args();
    // Latency is part of what is tested, and two cores hold one chain at a time.
    arguments.test_threads.get_or_insert(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut trials = Vec::new();
    for (name, scenario) in scenarios::ALL {
        let on = Arc::clone(&runtime);
        trials.push(Trial::test(format!("embedded::{name}"), move || {
            on.block_on(async { scenario(Arc::new(TestChain::embedded().await)).await });
            Ok(())
        }));
        let on = Arc::clone(&runtime);
        let trial = Trial::test(format!("validator::{name}"), move || {
            let chain = on.block_on(validator()).ok_or("solana-test-validator has gone")?;
            on.block_on(scenario(chain));
            Ok(())
        });
        trials.push(trial.with_ignored_flag(validator_path().is_none()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    // The validator is a child process: it has to go before this process does.
    if let Some(Some(chain)) = VALIDATOR.get() {
        runtime.block_on(chain.shut_down());
    }
    conclusion.exit();
}

async fn validator() -> Option<Arc<TestChain>> {
    VALIDATOR
        .get_or_init(|| async { TestChain::validator().await.map(Arc::new) })
        .await
        .clone()
}
