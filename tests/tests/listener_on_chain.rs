//! The listener against a chain: the same scenarios on the embedded chain and on the real validator.

mod listening;

use session_tests::on_each_chain::{Validators, run};

fn main() {
    run(listening::ALL, Validators::Each);
}
