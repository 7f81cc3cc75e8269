//! The nested types of `SessionCreatedEvent`: what the factory attests about a creation.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

use crate::{base58, bounded};

/// The factory's statement about one creation.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionCreationAttestation {
    /// The factory that attests.
    #[serde(with = "base58")]
    pub factory_address: Pubkey,
    /// The session's address.
    #[serde(with = "base58")]
    pub session_address: Pubkey,
    /// The session's name.
    #[borsh(deserialize_with = "bounded::string")]
    pub session_id: String,
    /// Program that evaluates the session's functions.
    #[serde(with = "base58")]
    pub eval_address: Pubkey,
    /// Name of the attestation.
    #[borsh(deserialize_with = "bounded::string")]
    pub attestation_id: String,
    /// What the creation asked for.
    pub creation_parameters: CreationParameters,
    /// Signature over the attestation; a list of 64 numbers in JSON.
    #[serde(with = "signature_bytes")]
    pub verification_signature: [u8; 64],
    /// Block height of the attestation.
    pub attested_at_height: u64,
}

/// What a creation asked for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct CreationParameters {
    /// Template that the session follows.
    #[borsh(deserialize_with = "bounded::optional_string")]
    pub template_id: Option<String>,
    /// Configuration in place of the template's.
    pub custom_config: Option<SessionConfiguration>,
    /// Namespaces that were asked for.
    #[borsh(deserialize_with = "bounded::strings")]
    pub requested_namespaces: Vec<String>,
    /// Anything else, as pairs.
    pub metadata: Vec<MetadataEntry>,
}

/// One pair of a creation's metadata.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct MetadataEntry {
    /// Name of the pair.
    #[borsh(deserialize_with = "bounded::string")]
    pub key: String,
    /// Its value.
    #[borsh(deserialize_with = "bounded::string")]
    pub value: String,
}

/// How a session is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionConfiguration {
    /// Seconds.
    pub max_duration: u64,
    /// What the session may do.
    pub permissions: SessionPermissions,
    /// How it behaves.
    pub settings: SessionSettings,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "the layout is the deployed program's")]
pub struct SessionPermissions {
    /// May execute functions.
    pub can_execute_functions: bool,
    /// May compose functions.
    pub can_compose_functions: bool,
    /// May read other sessions.
    pub can_read_cross_session: bool,
    /// May write other sessions.
    pub can_write_cross_session: bool,
}

/// How a session behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct SessionSettings {
    /// Ends by itself.
    pub auto_expire: bool,
    /// Writes logs.
    pub enable_logging: bool,
    /// Is monitored.
    pub enable_monitoring: bool,
}

/// Serde has no arrays of 64 elements.
mod signature_bytes {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8; 64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 64], D::Error> {
        let bytes = Vec::<u8>::deserialize(deserializer)?;
        <[u8; 64]>::try_from(bytes).map_err(|bytes| D::Error::custom(format!("{} bytes, expected 64", bytes.len())))
    }
}
