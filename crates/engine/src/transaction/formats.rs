//! Which transaction format to use: what the setting says, and where it leaves it open what the cluster takes.

use tokio::time::Instant;

use session_chain::{ChainError, Cluster, RpcPool};
use solana_pubkey::Pubkey;

use crate::config::TransactionVersion;
use crate::transaction::message::WireFormat;

/// The format in use.
pub(crate) struct Formats {
    setting: TransactionVersion,
    cluster: Cluster,
}

impl Formats {
    /// Asks the cluster where the setting leaves it open.
    pub(crate) async fn detect(
        setting: TransactionVersion,
        cluster: Cluster,
        pool: &RpcPool,
        payer: &Pubkey,
        deadline: Instant,
    ) -> Result<Self, ChainError> {
        if setting == TransactionVersion::Auto {
            cluster.learn_formats(pool, payer, deadline).await?;
        }
        let formats = Self { setting, cluster };
        tracing::info!(version = ?formats.current(), "transaction version");
        Ok(formats)
    }

    pub(crate) fn current(&self) -> WireFormat {
        match self.setting {
            TransactionVersion::V1 => WireFormat::V1,
            TransactionVersion::Auto if self.cluster.takes_version_1() => WireFormat::V1,
            TransactionVersion::V0 | TransactionVersion::Auto => WireFormat::V0,
        }
    }

    /// An endpoint refused a transaction of this format. Says whether there is another one to try.
    pub(crate) fn fall_back(&self, refused: WireFormat) -> bool {
        let falls_back = refused == WireFormat::V1 && self.setting == TransactionVersion::Auto;
        if falls_back {
            self.cluster.version_1_was_refused();
        }
        falls_back
    }

    /// A transaction of this format landed.
    pub(crate) fn landed(&self, format: WireFormat) {
        if format == WireFormat::V1 {
            self.cluster.version_1_has_landed();
        }
    }
}
