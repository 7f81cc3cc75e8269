//! scratch
#![allow(warnings)]
extern crate self as session_builder;
extern crate self as session_tests;
#[path = "engine/chain.rs"]
pub mod chain;
#[path = "../../../tests/src/creation.rs"]
pub mod creation;
#[path = "../../../local/src/embedded.rs"]
pub mod embedded;
#[path = "../../../tests/src/fault_proxy.rs"]
pub mod fault_proxy;
#[path = "../../../tests/src/wait.rs"]
pub mod wait;
mod engine {
    #[path = "../../../../tests/tests/engine/contention.rs"]
    mod contention;
    #[path = "../../../../tests/tests/engine/creation.rs"]
    mod creation;
    #[path = "../../../../tests/tests/engine/faults.rs"]
    mod faults;
    #[path = "../../../../tests/tests/engine/policy.rs"]
    mod policy;
    #[path = "../../../../tests/tests/engine/signers.rs"]
    mod signers;
}
#[path = "engine/bench.rs"]
mod bench;
