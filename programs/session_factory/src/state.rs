//! The factory's own account, `SessionFactoryState`.

use borsh_bytes::{Malformed, Reader, Writer};
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::anchor::{self, Accounts, AnchorError};

/// Seed of the state's address.
pub(crate) const STATE_SEED: &[u8] = b"session_factory";

/// Discriminator, authority, two counters, version, bump, 32 reserved bytes.
pub(crate) const STATE_SIZE: usize = 8 + 32 + 8 + 8 + 1 + 1 + RESERVED;

const RESERVED: usize = 32;
const STATE_VERSION: u8 = 1;
const STATE_ACCOUNT: [u8; 8] = [149, 96, 162, 212, 231, 134, 35, 32];

/// The state's fields but for the reserved ones, which stay zero.
pub(crate) struct State {
    pub(crate) authority: [u8; 32],
    total_sessions: u64,
    active_sessions: u64,
    pub(crate) version: u8,
    bump: u8,
}

/// The state with the account that holds it.
pub(crate) struct StateAccount<'a> {
    pub(crate) account: &'a mut AccountView,
    pub(crate) state: State,
}

impl State {
    /// A new factory's.
    pub(crate) fn new(authority: &Address, bump: u8) -> Self {
        Self {
            authority: authority.to_bytes(),
            total_sessions: 0,
            active_sessions: 0,
            version: STATE_VERSION,
            bump,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            authority: *reader.array()?,
            total_sessions: reader.u64()?,
            active_sessions: reader.u64()?,
            version: reader.u8()?,
            bump: reader.u8()?,
        })
    }

    /// Counts a session that was requested.
    pub(crate) fn count_session(&mut self) {
        self.total_sessions = self.total_sessions.saturating_add(1);
    }

    /// Counts a session that has become active.
    pub(crate) fn count_activation(&mut self) {
        self.active_sessions = self.active_sessions.saturating_add(1);
    }

    /// Counts a session that is active no more. Anybody may set a session's status, so this can be one that was never
    /// counted.
    pub(crate) fn count_deactivation(&mut self) {
        self.active_sessions = self.active_sessions.saturating_sub(1);
    }

    /// Writes the state to `account`.
    pub(crate) fn store(&self, account: &mut AccountView) -> ProgramResult {
        let mut bytes = Writer::with_capacity(STATE_SIZE);
        bytes
            .put(&STATE_ACCOUNT)
            .put(&self.authority)
            .put(&self.total_sessions.to_le_bytes())
            .put(&self.active_sessions.to_le_bytes())
            .put(&[self.version, self.bump])
            .put(&[0; RESERVED]);
        let mut data = account.try_borrow_mut()?;
        let destination = data.get_mut(..STATE_SIZE).ok_or(AnchorError::AccountDidNotSerialize)?;
        destination.copy_from_slice(bytes.as_slice());
        Ok(())
    }
}

impl<'a> StateAccount<'a> {
    /// The next of `accounts`, which holds the state of a factory.
    pub(crate) fn take(accounts: &mut Accounts<'a>, program_id: &Address) -> Result<Self, ProgramError> {
        let account = accounts.owned(program_id, STATE_ACCOUNT)?;
        let state = {
            let data = account.try_borrow()?;
            let mut reader = Reader::new(data.get(STATE_ACCOUNT.len()..).unwrap_or_default());
            State::read(&mut reader).map_err(|_| AnchorError::AccountDidNotDeserialize)?
        };
        Ok(Self { account, state })
    }

    /// The constraint `seeds`.
    pub(crate) fn require_address(&self, program_id: &Address) -> Result<(), AnchorError> {
        anchor::require_address(self.account, &[STATE_SEED, &[self.state.bump]], program_id)
    }

    /// The constraints `seeds` and `mut`.
    pub(crate) fn require_writable_state(&self, program_id: &Address) -> Result<(), AnchorError> {
        self.require_address(program_id)?;
        anchor::require_writable(self.account)
    }

    /// Writes the state back.
    pub(crate) fn store(self) -> ProgramResult {
        self.state.store(self.account)
    }
}
