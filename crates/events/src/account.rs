//! The factory's accounts on chain: `SessionEntry` per session and `SessionFactoryState`.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{base58, bounded, discriminator::Discriminator};

/// The factory's record of one session (IDL account `SessionEntry`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionEntry {
    /// The session's address.
    #[serde(with = "base58")]
    pub session_address: Pubkey,
    /// The session's owner.
    #[serde(with = "base58")]
    pub owner: Pubkey,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_program: Pubkey,
    /// Program of the session's shard.
    #[serde(with = "base58")]
    pub shard_address: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Namespaces that the session may use.
    #[borsh(deserialize_with = "bounded::strings")]
    pub namespaces: Vec<String>,
    /// Where the session stands.
    pub status: SessionStatus,
    /// Where it stands if everything goes well.
    pub optimistic_state: SessionState,
    /// Unix seconds.
    pub created_at: i64,
    /// Unix seconds.
    pub last_updated: i64,
    /// Unix seconds.
    pub activated_at: Option<i64>,
    /// Unix seconds.
    pub optimistic_state_set_at: i64,
    /// Bump of the entry's own address.
    pub bump: u8,
}

impl SessionEntry {
    /// First eight bytes of the account's data (IDL).
    pub const DISCRIMINATOR: Discriminator = [219, 102, 139, 251, 220, 105, 108, 219];

    /// Bytes that the program allocates after the entry and never uses.
    pub const SPARE_BYTES: usize = 64;

    /// Reads an account's data. Bytes after the entry are the allocation's rest and are left alone.
    ///
    /// # Errors
    /// [`AccountError`] if the data is too short, another account's, or not a `SessionEntry` by its fields.
    pub fn decode(data: &[u8]) -> Result<Self, AccountError> {
        decode("SessionEntry", Self::DISCRIMINATOR, data)
    }

    /// The account's data as the program writes it, the spare bytes included.
    ///
    /// # Errors
    /// Borsh's, if a text or a list is longer than a `u32` can say.
    pub fn to_data(&self) -> Result<Vec<u8>, borsh::io::Error> {
        let mut data = encode(Self::DISCRIMINATOR, self)?;
        // The account has room for the time of an activation from the start.
        let unused = if self.activated_at.is_none() {
            size_of::<i64>()
        } else {
            0
        };
        data.resize(data.len() + unused + Self::SPARE_BYTES, 0);
        Ok(data)
    }
}

/// The factory's own state (IDL account `SessionFactoryState`).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionFactoryState {
    /// Who may update sessions.
    #[serde(with = "base58")]
    pub authority: Pubkey,
    /// Sessions ever requested.
    pub total_sessions: u64,
    /// Sessions active now.
    pub active_sessions: u64,
    /// Version of this layout.
    pub version: u8,
    /// Bump of the state's own address.
    pub bump: u8,
    /// Kept free by the program.
    #[serde(rename = "_reserved")]
    pub reserved: [u8; 32],
}

impl SessionFactoryState {
    /// First eight bytes of the account's data (IDL).
    pub const DISCRIMINATOR: Discriminator = [149, 96, 162, 212, 231, 134, 35, 32];

    /// Reads an account's data. Bytes after the state are the allocation's rest and are left alone.
    ///
    /// # Errors
    /// [`AccountError`] if the data is too short, another account's, or not a `SessionFactoryState` by its fields.
    pub fn decode(data: &[u8]) -> Result<Self, AccountError> {
        decode("SessionFactoryState", Self::DISCRIMINATOR, data)
    }

    /// The account's data as the program writes it.
    ///
    /// # Errors
    /// None: its fields have fixed sizes.
    pub fn to_data(&self) -> Result<Vec<u8>, borsh::io::Error> {
        encode(Self::DISCRIMINATOR, self)
    }
}

/// Where a session stands (IDL type `SessionStatus`; one byte on the wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub enum SessionStatus {
    /// Asked for; its account may not exist yet.
    Requested,
    /// Its account exists.
    Created,
    /// In use.
    Active,
    /// Over.
    Closed,
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where a session stands optimistically (IDL type `SessionState`; one byte on the wire).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub enum SessionState {
    /// Not yet in use.
    Pending,
    /// In use.
    Active,
    /// Over.
    Closed,
}

/// Why an account's data could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// Not even a discriminator.
    #[error("{account}: {length} bytes of data, expected at least the 8 of its discriminator")]
    TooShort {
        /// IDL name of the expected account.
        account: &'static str,
        /// Bytes that there were.
        length: usize,
    },
    /// Another kind of account.
    #[error("{account}: discriminator {found:?}, expected {expected:?}")]
    WrongDiscriminator {
        /// IDL name of the expected account.
        account: &'static str,
        /// The first eight bytes.
        found: Discriminator,
        /// What they should have been.
        expected: Discriminator,
    },
    /// The right discriminator over fields that do not decode.
    #[error("{account}: {detail} ({length} bytes of data)")]
    Malformed {
        /// IDL name of the expected account.
        account: &'static str,
        /// Bytes that there were.
        length: usize,
        /// What Borsh says.
        detail: String,
    },
}

fn encode(discriminator: Discriminator, fields: &impl BorshSerialize) -> Result<Vec<u8>, borsh::io::Error> {
    let mut data = discriminator.to_vec();
    borsh::to_writer(&mut data, fields)?;
    Ok(data)
}

fn decode<T: BorshDeserialize>(account: &'static str, expected: Discriminator, data: &[u8]) -> Result<T, AccountError> {
    let length = data.len();
    let Some((found, mut fields)) = data.split_first_chunk() else {
        return Err(AccountError::TooShort { account, length });
    };
    if *found != expected {
        return Err(AccountError::WrongDiscriminator {
            account,
            found: *found,
            expected,
        });
    }
    T::deserialize(&mut fields).map_err(|error| AccountError::Malformed {
        account,
        length,
        detail: error.to_string(),
    })
}
