//! The listing of an address, page by page, and what its pages are worth.

use std::sync::Arc;

use futures::future;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use session_chain::{ClientError, CommitmentConfig, EndpointLabel, RpcClient};
use solana_client::{rpc_config::RpcSignaturesForAddressConfig, rpc_request::RpcRequest};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::{
    decode::listed::Listed,
    decode::wire::{Fate, InContext, ListedTransaction},
    source::{
        agreement::{self, Agreed, Listing},
        evidence::{self, Subject},
        pager::{Beyond, FULL_PAGE, Page, Pages},
        rpc::{HistoryError, ProgramHistory, transaction_parameters},
    },
};

impl ProgramHistory {
    /// The transactions of an address, by nodes that have reached `min_context_slot`.
    pub(crate) fn pages_of(&self, address: Pubkey, min_context_slot: u64) -> AddressPages {
        AddressPages {
            history: self.clone(),
            address,
            min_context_slot,
        }
    }

    /// What two endpoints prove together of the time after `floor`, if any two do. Whoever is contradicted on the way is counted.
    pub(crate) async fn agreed(&self, floor: u64, margin: u64) -> Option<Agreed> {
        let parameters = self.pages_of(self.program_id, floor).parameters(None, FULL_PAGE);
        let answers = self.pool.on_each("getSignaturesForAddress", None, |client| {
            let parameters = parameters.clone();
            async move {
                let tip = client.get_slot().await?;
                let entries: Vec<ListedTransaction> =
                    client.send(RpcRequest::GetSignaturesForAddress, parameters).await?;
                Ok((tip, entries))
            }
        });
        let listings: Vec<Listing> = self
            .labelled(answers.await)
            .filter_map(|(endpoint, answer)| {
                let (tip, entries) = answer.ok()?;
                listing(endpoint, tip, &entries)
            })
            .collect();
        let told: Vec<_> = listings
            .iter()
            .map(|listing| (listing.endpoint.clone(), listing.tip))
            .collect();
        let tip = self.believed_tip(&told)?;
        for (endpoint, subject, how) in agreement::contradicted(floor, margin, tip, &listings) {
            evidence::disagrees(&endpoint, subject, &how);
        }
        agreement::agreed(floor, margin, &listings)
    }
}

/// What an endpoint lists, if it can be read.
fn listing(endpoint: EndpointLabel, tip: u64, entries: &[ListedTransaction]) -> Option<Listing> {
    let entries: Vec<Listed> = entries.iter().map(listed).collect::<Result<_, _>>().ok()?;
    // However short, a page may end anywhere.
    let whole_after = entries.last().map_or(0, |oldest| oldest.slot);
    Some(Listing {
        endpoint,
        tip,
        whole_after,
        entries,
    })
}

/// `getSignaturesForAddress`, page by page.
pub(crate) struct AddressPages {
    history: ProgramHistory,
    address: Pubkey,
    min_context_slot: u64,
}

impl AddressPages {
    fn parameters(&self, before: Option<Signature>, limit: usize) -> Value {
        let config = RpcSignaturesForAddressConfig {
            before: before.map(|signature| signature.to_string()),
            until: None,
            limit: Some(limit),
            commitment: Some(self.history.pool.commitment()),
            min_context_slot: Some(self.min_context_slot),
        };
        json!([self.address.to_string(), config])
    }
}

impl Pages for AddressPages {
    type Error = HistoryError;

    /// One node tells how far it has finalized, and then what it lists: the one is no evidence for another's listing.
    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Page, HistoryError> {
        let parameters = self.parameters(before, limit);
        let ask = |client: Arc<RpcClient>| {
            let parameters = parameters.clone();
            async move {
                let finalized = client.get_slot_with_commitment(CommitmentConfig::finalized()).await?;
                let entries = client.send(RpcRequest::GetSignaturesForAddress, parameters).await?;
                Ok((finalized, entries))
            }
        };
        let answer = self.history.pool.call("getSignaturesForAddress", None, ask).await?;
        if self.history.check_slot(answer.0).is_ok() {
            return page(answer, None);
        }
        // Whoever tells an absurd slot proves nothing by it: the others are asked for the same page.
        let (mut believed, mut absurdity) = (None, None);
        for (label, answer) in self
            .history
            .labelled(self.history.pool.on_each("getSignaturesForAddress", None, ask).await)
        {
            let Ok(answer) = answer else { continue };
            match self.history.check_slot(answer.0) {
                Ok(()) => {
                    believed.get_or_insert(answer);
                }
                Err(absurd) => {
                    evidence::disagrees(&label, Subject::Tip, &format!("it has finalized {absurd}"));
                    absurdity.get_or_insert((label, absurd));
                }
            }
        }
        match (believed, absurdity) {
            (Some(answer), _) => page(answer, None),
            (None, Some((endpoint, absurd))) => Err(HistoryError::AbsurdTip { endpoint, absurd }),
            (None, None) => Err(HistoryError::NotYetProven {
                detail: "an endpoint has finalized a slot that cannot be, and no endpoint answers now".to_owned(),
            }),
        }
    }

    async fn page_beyond_empty(
        &self,
        before: Option<Signature>,
        limit: usize,
        floor_slot: u64,
    ) -> Result<Beyond, HistoryError> {
        let parameters = self.parameters(before, limit);
        let commitment = self.history.pool.commitment();
        let answers = self.history.pool.on_each("getSignaturesForAddress", None, |client| {
            let parameters = parameters.clone();
            async move {
                let finalized = client.get_slot_with_commitment(CommitmentConfig::finalized()).await?;
                let entries: Vec<ListedTransaction> =
                    client.send(RpcRequest::GetSignaturesForAddress, parameters).await?;
                let beginning = if entries.is_empty() {
                    Some(beginning(&client, before, commitment).await?)
                } else {
                    None
                };
                Ok((finalized, entries, beginning))
            }
        });
        let (mut found, mut proven, mut empty, mut reasons) = (None, None, Vec::new(), Vec::new());
        let (mut pruned, mut forgotten) = (false, false);
        for (label, answer) in self.history.labelled(answers.await) {
            match answer {
                Ok((finalized, entries, None)) => {
                    found.get_or_insert((finalized, entries));
                }
                Ok((finalized, entries, Some(beginning))) => {
                    match beginning.proves_nothing_after(floor_slot) {
                        Ok(()) => {
                            proven.get_or_insert(((finalized, entries), beginning.first_available));
                        }
                        Err(doubt) => {
                            pruned |= matches!(doubt, Doubt::Pruned { .. });
                            forgotten |= matches!(doubt, Doubt::UnknownBefore);
                            reasons.push(format!("{label} {doubt}"));
                        }
                    }
                    empty.push(label);
                }
                Err(error) => reasons.push(format!("{label}: {error}")),
            }
        }
        if let Some(answer) = found {
            for label in &empty {
                evidence::disagrees(
                    label,
                    Subject::History,
                    "it lists nothing where another endpoint lists transactions",
                );
            }
            return page(answer, None).map(Beyond::Page);
        }
        match proven {
            Some((answer, first_available)) => page(answer, Some(first_available)).map(Beyond::Page),
            // What is pruned stays pruned; a node that is asked again may have caught up or be reached.
            None if pruned => Err(HistoryError::UnprovenEnd {
                detail: reasons.join("; "),
            }),
            None if forgotten => {
                tracing::warn!(
                    ?before,
                    "nobody knows any more what was listed: the walk goes on from what was listed after it"
                );
                Ok(Beyond::Forgotten)
            }
            None => Err(HistoryError::NotYetProven {
                detail: reasons.join("; "),
            }),
        }
    }
}

/// Why a listing of nothing is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Doubt {
    /// It lags, or is not the node that listed the transaction.
    #[error("does not know the transaction before which it lists nothing")]
    UnknownBefore,
    /// Its history begins too late.
    #[error("has no history before slot {first_available}, and slot {floor_slot} was the last that is listed")]
    Pruned { first_available: u64, floor_slot: u64 },
}

/// What a node that lists nothing says about its history.
struct Beginning {
    /// The first slot that it has.
    first_available: u64,
    /// Whether it knows the transaction before which it lists nothing.
    knows_before: bool,
}

impl Beginning {
    /// Whether a listing of nothing means that nothing happened after the slot.
    fn proves_nothing_after(&self, floor_slot: u64) -> Result<(), Doubt> {
        if !self.knows_before {
            return Err(Doubt::UnknownBefore);
        }
        // From the genesis on means from what the endpoints still have, and each of them was asked.
        let first_available = self.first_available;
        if floor_slot > 0 && first_available > floor_slot.saturating_add(1) {
            return Err(Doubt::Pruned {
                first_available,
                floor_slot,
            });
        }
        Ok(())
    }
}

async fn beginning(
    client: &RpcClient,
    before: Option<Signature>,
    commitment: CommitmentConfig,
) -> Result<Beginning, ClientError> {
    let known = async {
        match before {
            None => Ok(true),
            Some(signature) => knows(client, signature, commitment).await,
        }
    };
    let (first_available, knows_before) = future::try_join(client.get_first_available_block(), known).await?;
    Ok(Beginning {
        first_available,
        knows_before,
    })
}

/// Whether the node has a transaction, in its statuses or in its blocks: for what was just confirmed, one of the two may
/// still be missing.
async fn knows(client: &RpcClient, signature: Signature, commitment: CommitmentConfig) -> Result<bool, ClientError> {
    let parameters = json!([[signature.to_string()], {"searchTransactionHistory": true}]);
    let statuses: InContext<Vec<Option<IgnoredAny>>> =
        client.send(RpcRequest::GetSignatureStatuses, parameters).await?;
    if statuses.value.first().is_some_and(Option::is_some) {
        return Ok(true);
    }
    let parameters = transaction_parameters(&signature, commitment);
    let transaction: Option<IgnoredAny> = client.send(RpcRequest::GetTransaction, parameters).await?;
    Ok(transaction.is_some())
}

fn page(
    (finalized, entries): (u64, Vec<ListedTransaction>),
    first_available: Option<u64>,
) -> Result<Page, HistoryError> {
    Ok(Page {
        entries: entries.iter().map(listed).collect::<Result<_, _>>()?,
        finalized,
        first_available,
    })
}

fn listed(entry: &ListedTransaction) -> Result<Listed, HistoryError> {
    let signature = entry.signature.parse().map_err(|_| HistoryError::BadSignature {
        signature: entry.signature.clone(),
    })?;
    Ok(Listed {
        signature,
        slot: entry.slot,
        failed: entry.err == Fate::Failed,
    })
}
