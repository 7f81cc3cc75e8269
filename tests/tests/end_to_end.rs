//! The whole service against a chain.

mod scenarios;

use session_tests::on_each_chain::{Validators, run};

fn main() {
    run(scenarios::ALL, Validators::Shared);
}
