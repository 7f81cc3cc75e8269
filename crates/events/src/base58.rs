//! Serde for addresses as base58 text: what people, explorers and the queue console read.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};
use solana_pubkey::Pubkey;

pub(crate) fn serialize<S: Serializer>(address: &Pubkey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Pubkey, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse()
        .map_err(|error| D::Error::custom(format!("address {text:?}: {error}")))
}
