//! The listener against a chain: the same scenarios on the embedded chain and on the real validator.
//!
//! A machine without `solana-test-validator` shows the validator's tests as ignored.

mod listening;

use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};
use session_tests::chain::{TestChain, validator_path};
use tokio::runtime::Runtime;

fn main() {
    let mut arguments = Arguments::from_args();
    // Timing is part of what is tested, and two cores hold one chain at a time.
    arguments.test_threads.get_or_insert(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut trials = Vec::new();
    for (name, scenario) in listening::ALL {
        let on = Arc::clone(&runtime);
        trials.push(Trial::test(format!("embedded::{name}"), move || {
            on.block_on(async { scenario(Arc::new(TestChain::embedded().await)).await });
            Ok(())
        }));
        let on = Arc::clone(&runtime);
        let trial = Trial::test(format!("validator::{name}"), move || {
            let chain = on.block_on(TestChain::validator()).ok_or("solana-test-validator has gone")?;
            on.block_on(async {
                let chain = Arc::new(chain);
                scenario(Arc::clone(&chain)).await;
                chain.shut_down().await;
            });
            Ok(())
        });
        trials.push(trial.with_ignored_flag(validator_path().is_none()));
    }
    libtest_mimic::run(&arguments, trials).exit();
}
