//! When an instruction is executed.

use pinocchio::{
    error::ProgramError,
    sysvars::{Sysvar, clock::Clock},
};

/// A slot and its time.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) slot: u64,
    /// Unix seconds.
    pub(crate) unix_timestamp: i64,
}

impl Moment {
    /// Now, by the clock of the chain.
    pub(crate) fn now() -> Result<Self, ProgramError> {
        let clock = Clock::get()?;
        Ok(Self {
            slot: clock.slot,
            unix_timestamp: clock.unix_timestamp,
        })
    }
}
