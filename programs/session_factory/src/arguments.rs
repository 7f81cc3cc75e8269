//! The arguments of a session request.

use borsh_bytes::{Reader, Strings};
use pinocchio::address::MAX_SEED_LEN;

use crate::error::FactoryError;

/// Discriminator, owner and string length of an initialised session account.
const SESSION_HEAD: u64 = 8 + 32 + 4;

/// Storage that a session gets for each namespace.
const BYTES_PER_NAMESPACE: u64 = 256;

/// What somebody asks for. Strings and lists are slices of the instruction's data.
pub(crate) struct SessionRequest<'a> {
    pub(crate) owner: &'a [u8; 32],
    pub(crate) eval_program: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) namespaces: Strings<'a>,
    pub(crate) shard_address: &'a [u8; 32],
}

impl<'a> SessionRequest<'a> {
    /// Reads the arguments in the IDL's order, and nothing after them.
    pub(crate) fn read(arguments: &'a [u8]) -> Result<Self, FactoryError> {
        let mut reader = Reader::new(arguments);
        let request = Self {
            owner: reader.array()?,
            eval_program: reader.array()?,
            session_id: reader.string()?,
            namespaces: reader.strings()?,
            shard_address: reader.array()?,
        };
        reader.finish()?;
        if request.session_id.len() > MAX_SEED_LEN {
            return Err(FactoryError::SessionIdTooLong);
        }
        Ok(request)
    }

    /// Bytes of the session's account: its head, the namespaces in Borsh, and storage for each namespace. It may
    /// be more than an account can have: whoever creates accounts has to refuse that.
    pub(crate) fn account_size(&self) -> u64 {
        let text = self.session_id.len() as u64 + self.namespaces.borsh.len() as u64;
        SESSION_HEAD + text + u64::from(self.namespaces.count) * BYTES_PER_NAMESPACE
    }
}
