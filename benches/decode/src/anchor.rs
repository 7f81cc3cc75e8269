//! anchor-client's way through a transaction's logs, by its public `Execution`, `handle_program_log` and
//! `handle_system_log`, driven as its own (private) event loop drives them.

use std::{hint::black_box, sync::LazyLock};

use anchor_client::{Execution, handle_program_log, handle_system_log};
use anchor_lang::prelude::*;
use session_events::factory::SESSION_FACTORY_ID;

/// The event by anchor's own derive.
#[event]
pub struct PDAComputedEvent {
    pub expected_pda: Pubkey,
    pub expected_size: u64,
    pub expected_owner: Pubkey,
    pub session_id: String,
    pub owner: Pubkey,
    pub eval_program: Pubkey,
    pub shard_address: Pubkey,
    pub namespaces: Vec<String>,
    pub compute_slot: u64,
}

static FACTORY: LazyLock<String> = LazyLock::new(|| SESSION_FACTORY_ID.to_string());

/// `PDAComputedEvent`s in one transaction's logs.
pub fn requests(lines: &[String]) -> usize {
    let mut rest = black_box(lines);
    let Ok(mut execution) = Execution::new(&mut rest) else {
        return 0;
    };
    let mut found = 0;
    let mut lines = rest.iter().peekable();
    while let Some(line) = lines.next() {
        let Some(program) = execution.try_program() else {
            enter_instruction(&mut execution, line);
            continue;
        };
        let (event, called, returned) = if program == *FACTORY {
            match handle_program_log::<PDAComputedEvent>(&FACTORY, line) {
                Ok(handled) => handled,
                Err(_) => return found,
            }
        } else {
            let (called, returned) = handle_system_log(&FACTORY, line);
            (None, called, returned)
        };
        found += usize::from(black_box(event).is_some());
        if let Some(called) = called {
            execution.push(called);
        }
        if returned {
            execution.pop();
            if let Some(next) = lines.peek() {
                enter_instruction(&mut execution, next);
            }
        }
    }
    found
}

/// A top-level instruction begins. Anchor finds it by a regular expression; matching the line's end by hand, as here, only makes
/// anchor look faster.
fn enter_instruction(execution: &mut Execution, line: &str) {
    let program = line
        .strip_prefix("Program ")
        .and_then(|line| line.strip_suffix(" invoke [1]"));
    if let Some(program) = program.filter(|program| !program.contains(' ')) {
        execution.push(program.to_owned());
    }
}
