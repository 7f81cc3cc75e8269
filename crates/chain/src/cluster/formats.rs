//! Whether the cluster takes transactions of version 1 (SIMD-0385), and when to try again after it did not.

use std::time::Duration;

use solana_message::v1::TransactionConfig;
use solana_message::{VersionedMessage, v1};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::Instant;

use crate::replies::{AccountState, Simulation, simulate, simulate_everywhere};
use crate::{ChainError, CommitmentConfig, RpcPool, TransactionFailure};

/// Activates version-1 transactions.
pub(super) const VERSION_1_FEATURE: Pubkey = Pubkey::from_str_const("txv1aq4pp281K9um3tnPgkfX8UqtFT6wcVW3hNezGLL");

/// The owner of feature accounts.
const FEATURE_PROGRAM: Pubkey = Pubkey::from_str_const("Feature111111111111111111111111111111111111");

/// First byte of an activated feature's account: an optional slot that is there.
const ACTIVATED: u8 = 1;

/// After the first refusal the format is left alone for so long; doubled by every further one.
const FIRST_REST: Duration = Duration::from_secs(30);
const LONGEST_REST: Duration = Duration::from_hours(1);

/// What a probe may use; it moves nothing.
const PROBE_COMPUTE_UNITS: u32 = 1_000;

/// What is believed of one format. Pure: time is passed in.
#[derive(Debug, Default)]
pub(super) struct FormatBelief {
    takes: Option<bool>,
    refusals: u32,
    resting_until: Option<Instant>,
}

impl FormatBelief {
    pub(super) fn is_known(&self) -> bool {
        self.takes.is_some()
    }

    /// The cluster said so itself. That an endpoint refuses what the cluster takes is remembered all the same.
    pub(super) fn learn(&mut self, takes: bool) {
        self.takes = Some(takes);
    }

    /// A transaction of this format landed: whatever was refused before is forgotten.
    pub(super) fn taken(&mut self) {
        *self = Self {
            takes: Some(true),
            ..Self::default()
        };
    }

    /// Somebody refused it. Says for how long it is left alone.
    pub(super) fn refused(&mut self, now: Instant) -> Duration {
        // Several transactions that were out together are one refusal.
        if self.resting_until.is_none_or(|until| until <= now) {
            self.refusals = self.refusals.saturating_add(1);
        }
        let doublings = self.refusals.saturating_sub(1).min(16);
        let rest = FIRST_REST.saturating_mul(1 << doublings).min(LONGEST_REST);
        self.resting_until = Some(now + rest);
        rest
    }

    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.takes == Some(true) && self.resting_until.is_none_or(|until| until <= now)
    }
}

/// What the feature's account says; `None` where the cluster hides it.
pub(super) fn version_1_by_feature(feature: Option<&AccountState>) -> Option<bool> {
    feature
        .filter(|feature| feature.owner == FEATURE_PROGRAM)
        .map(|feature| feature.data.first() == Some(&ACTIVATED))
}

pub(super) async fn version_1_by_simulation(
    pool: &RpcPool,
    payer: &Pubkey,
    deadline: Instant,
) -> Result<bool, ChainError> {
    let Some(probe) = probe(payer) else {
        return Ok(false);
    };
    taken(simulate(pool, &probe, CommitmentConfig::confirmed(), Some(deadline)).await)
}

/// Whether each endpoint takes transactions of version 1, in order of preference, by having it simulate one that moves
/// nothing.
///
/// # Errors
/// [`ChainError::InvalidRequest`] where that transaction cannot be written.
pub async fn version_1_everywhere(
    pool: &RpcPool,
    payer: &Pubkey,
    deadline: Instant,
) -> Result<Vec<Result<bool, ChainError>>, ChainError> {
    let Some(probe) = probe(payer) else {
        return Ok(Vec::new());
    };
    let answers = simulate_everywhere(pool, &probe, CommitmentConfig::confirmed(), Some(deadline)).await?;
    Ok(answers.into_iter().map(taken).collect())
}

/// A transaction of version 1 that moves nothing.
fn probe(payer: &Pubkey) -> Option<VersionedTransaction> {
    let nothing = solana_system_interface::instruction::transfer(payer, payer, 0);
    let config = TransactionConfig::empty().with_compute_unit_limit(PROBE_COMPUTE_UNITS);
    let message = v1::Message::try_compile_with_config(payer, &[nothing], Hash::default(), config).ok()?;
    Some(VersionedTransaction {
        signatures: vec![Signature::default()],
        message: VersionedMessage::V1(message),
    })
}

/// What a probe's simulation says of the format, whatever else it says.
fn taken(simulation: Result<Simulation, ChainError>) -> Result<bool, ChainError> {
    match simulation {
        Ok(simulation) => Ok(!matches!(
            simulation.failure,
            Some(TransactionFailure::Known(
                TransactionError::UnsupportedVersion | TransactionError::SanitizeFailure
            ))
        )),
        // A node that can't read the transaction says that the request is wrong.
        Err(ChainError::Rpc { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_not_for_ever_and_each_one_counts_for_longer() {
        let start = Instant::now();
        let mut belief = FormatBelief::default();
        assert!(!belief.may_try(start), "nothing is known yet");
        belief.learn(true);
        assert!(belief.may_try(start));
        assert_eq!(belief.refused(start), FIRST_REST);
        assert_eq!(belief.refused(start), FIRST_REST, "they were out together");
        assert!(!belief.may_try(start));
        belief.learn(true);
        assert!(!belief.may_try(start), "an endpoint refuses what the cluster takes");
        let later = start + FIRST_REST;
        assert!(belief.may_try(later));
        assert_eq!(belief.refused(later), FIRST_REST * 2);
        assert!(belief.may_try(later + FIRST_REST * 2));
        belief.taken();
        assert_eq!(belief.refused(later), FIRST_REST);
    }

    #[test]
    fn a_cluster_that_activates_the_format_later_is_believed_then() {
        let now = Instant::now();
        let mut belief = FormatBelief::default();
        belief.learn(false);
        assert!(!belief.may_try(now));
        belief.learn(true);
        assert!(belief.may_try(now));
    }

    #[test]
    fn a_feature_is_active_hidden_or_pending() {
        let feature = |owner, data: &[u8]| AccountState {
            lamports: 1,
            owner,
            executable: false,
            data: data.to_vec(),
        };
        assert_eq!(version_1_by_feature(None), None);
        assert_eq!(version_1_by_feature(Some(&feature(Pubkey::default(), &[1]))), None);
        assert_eq!(
            version_1_by_feature(Some(&feature(FEATURE_PROGRAM, &[1, 7]))),
            Some(true)
        );
        assert_eq!(version_1_by_feature(Some(&feature(FEATURE_PROGRAM, &[0]))), Some(false));
    }
}
