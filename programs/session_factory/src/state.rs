//! The factory's own account, `SessionFactoryState`.

use borsh_bytes::{Reader, Writer};
use pinocchio::{AccountView, Address, ProgramResult, error::ProgramError};

use crate::{accounts, error::FactoryError};

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
    pub(crate) total_sessions: u64,
    pub(crate) active_sessions: u64,
    version: u8,
    bump: u8,
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

    /// Reads the state at its address.
    pub(crate) fn load(account: &AccountView, program_id: &Address) -> Result<Self, ProgramError> {
        accounts::require_address(account, &[STATE_SEED], program_id, FactoryError::WrongStateAddress)?;
        if !account.owned_by(program_id) {
            return Err(FactoryError::StateMissing.into());
        }
        let data = account.try_borrow()?;
        // Only this program writes to the account, and it writes the whole of it at once.
        let mut reader = Reader::new(data.get(STATE_ACCOUNT.len()..).unwrap_or_default());
        Ok(Self::read(&mut reader)?)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FactoryError> {
        Ok(Self {
            authority: *reader.array()?,
            total_sessions: reader.u64()?,
            active_sessions: reader.u64()?,
            version: reader.u8()?,
            bump: reader.u8()?,
        })
    }

    /// Writes the state back.
    pub(crate) fn store(&self, account: &mut AccountView) -> ProgramResult {
        let mut bytes = Writer::with_capacity(STATE_SIZE);
        bytes
            .put(&STATE_ACCOUNT)
            .put(&self.authority)
            .put(&self.total_sessions.to_le_bytes())
            .put(&self.active_sessions.to_le_bytes())
            .put(&[self.version, self.bump])
            .put(&[0; RESERVED]);
        account.try_borrow_mut()?.copy_from_slice(bytes.as_slice());
        Ok(())
    }

    /// Refuses anybody but the authority, who has to have signed.
    pub(crate) fn require_authority(&self, account: &AccountView) -> Result<(), FactoryError> {
        accounts::require_signer(account)?;
        if account.address().as_array() == &self.authority {
            Ok(())
        } else {
            Err(FactoryError::WrongAuthority)
        }
    }
}
