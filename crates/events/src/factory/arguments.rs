//! The arguments of the factory's instructions, in the order in which they are written.

use borsh::{BorshDeserialize, BorshSerialize};
use solana_pubkey::Pubkey;

use super::{
    CREATE_OPTIMISTIC_SESSION, EMERGENCY_RESET_SESSION, MANUAL_INITIALIZE_SESSION, REQUEST_SESSION_CREATION,
    RESERVE_SESSION, UPDATE_SESSION_STATUS, session_size,
};
use crate::{
    PdaComputedEvent, PdaError, SessionConfiguration, SessionEntry, SessionStatus, bounded,
    discriminator::Discriminator, session_address,
};

/// Arguments that follow a discriminator in an instruction's data.
pub trait Arguments: BorshDeserialize + BorshSerialize {
    /// First eight bytes of the data.
    const DISCRIMINATOR: Discriminator;

    /// The arguments in an instruction's data, or `None` if it is another instruction. Bytes after the last argument are left
    /// alone, as the program leaves them.
    ///
    /// # Errors
    /// Borsh's, if the arguments do not decode.
    #[must_use]
    fn from_data(mut data: &[u8]) -> Option<Result<Self, borsh::io::Error>> {
        data = data.strip_prefix(&Self::DISCRIMINATOR)?;
        Some(Self::deserialize(&mut data))
    }

    /// The instruction's data.
    ///
    /// # Errors
    /// Borsh's, if a text or a list is longer than a `u32` can say.
    fn to_data(&self) -> Result<Vec<u8>, borsh::io::Error> {
        let mut data = Self::DISCRIMINATOR.to_vec();
        borsh::to_writer(&mut data, self)?;
        Ok(data)
    }
}

/// Arguments of `request_session_creation`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionRequest {
    /// The session's owner: a seed of its address.
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    pub eval_program: Pubkey,
    /// The session's name: a seed of its address.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Program of the session's shard.
    pub shard_address: Pubkey,
}

impl Arguments for SessionRequest {
    const DISCRIMINATOR: Discriminator = REQUEST_SESSION_CREATION;
}

impl SessionRequest {
    /// Bytes of account data that the factory asks for with these arguments.
    #[must_use]
    pub fn expected_size(&self) -> u64 {
        session_size(&self.session_id, &self.namespaces)
    }

    /// The `PDAComputedEvent` that the factory emits for these arguments in `compute_slot`: the account belongs to
    /// `session_program`, whatever the shard is.
    ///
    /// # Errors
    /// [`PdaError`] if the session can have no address, in which case the runtime refuses the request too.
    pub fn expected_event(self, session_program: &Pubkey, compute_slot: u64) -> Result<PdaComputedEvent, PdaError> {
        let (expected_pda, _) = session_address(session_program, &self.owner, &self.session_id)?;
        Ok(PdaComputedEvent {
            expected_pda,
            expected_size: self.expected_size(),
            expected_owner: *session_program,
            session_id: self.session_id,
            owner: self.owner,
            eval_program: self.eval_program,
            shard_address: self.shard_address,
            namespaces: self.namespaces,
            compute_slot,
        })
    }
}

/// What was once asked for, as the factory's own record keeps it.
impl From<SessionEntry> for SessionRequest {
    fn from(entry: SessionEntry) -> Self {
        Self {
            owner: entry.owner,
            eval_program: entry.eval_program,
            session_id: entry.session_id,
            namespaces: entry.namespaces,
            shard_address: entry.shard_address,
        }
    }
}

/// Arguments of `create_optimistic_session`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OptimisticRequest {
    /// The session's owner.
    pub owner: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
}

impl Arguments for OptimisticRequest {
    const DISCRIMINATOR: Discriminator = CREATE_OPTIMISTIC_SESSION;
}

impl OptimisticRequest {
    /// The `PDAComputedEvent` that the factory emits for these arguments in `compute_slot`; it asks for no account.
    #[must_use]
    pub fn expected_event(self, session_program: &Pubkey, compute_slot: u64) -> PdaComputedEvent {
        PdaComputedEvent {
            expected_pda: Pubkey::default(),
            expected_size: session_size(&self.session_id, &[]),
            expected_owner: *session_program,
            session_id: self.session_id,
            owner: self.owner,
            eval_program: Pubkey::default(),
            shard_address: Pubkey::default(),
            namespaces: Vec::new(),
            compute_slot,
        }
    }
}

/// Arguments of `update_session_status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct StatusUpdate {
    /// The status that the entry gets.
    pub new_status: SessionStatus,
}

impl Arguments for StatusUpdate {
    const DISCRIMINATOR: Discriminator = UPDATE_SESSION_STATUS;
}

/// Arguments of `reserve_session`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ReservationRequest {
    /// Name of the reservation.
    #[borsh(deserialize_with = "bounded::string")]
    pub reservation_id: String,
    /// Name of the session.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// For whom the session is reserved.
    pub session_owner: Pubkey,
    /// Template that the session will follow; either this or `custom_config`.
    #[borsh(deserialize_with = "bounded::optional_string")]
    pub template_id: Option<String>,
    /// Configuration in place of a template's.
    pub custom_config: Option<SessionConfiguration>,
    /// Hours until the reservation ends.
    pub reservation_duration_hours: u64,
}

impl Arguments for ReservationRequest {
    const DISCRIMINATOR: Discriminator = RESERVE_SESSION;
}

/// Arguments of `manual_initialize_session`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ManualInitialization {
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Whether the session is made active at once.
    pub force_activation: bool,
}

impl Arguments for ManualInitialization {
    const DISCRIMINATOR: Discriminator = MANUAL_INITIALIZE_SESSION;
}

/// Arguments of `emergency_reset_session`.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EmergencyReset {
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// The status that the entry gets.
    pub reset_to_status: SessionStatus,
}

impl Arguments for EmergencyReset {
    const DISCRIMINATOR: Discriminator = EMERGENCY_RESET_SESSION;
}
