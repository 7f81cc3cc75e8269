//! The quarantine as an operator sees it: in the service that runs, or in the places where one would keep it.

use std::path::PathBuf;

use session_admin::{OperationError, QuarantineFilter, Quarantined, Testimony};
use session_config::Settings;
use session_listener::{Lasting, Quarantine, QuarantineContent, QuarantineError, QuarantineItem};
use session_store::{FILE, Reader, Store};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::lasting::{in_store, items_of};

/// The quarantine of a service, or of a configuration.
pub struct Ward {
    place: Quarantine,
    /// The folder of a store that has a quarantine, too, while no service owns it.
    store: Option<PathBuf>,
}

impl Ward {
    /// The quarantine of a service that runs.
    #[must_use]
    pub fn of(place: Quarantine) -> Self {
        Self { place, store: None }
    }

    /// Where the settings have it, for as long as no service runs with them: beside the watermarks, and in the store of this
    /// machine where there is one.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`].
    pub async fn open(settings: &Settings) -> Result<Self, OperationError> {
        let place = Lasting::from_settings(settings).await.map_err(unavailable)?.quarantine;
        let folder = &settings.service.state_dir;
        let has_store = settings.listener.watermark_url.is_none() && folder.join(FILE).is_file();
        Ok(Self {
            place,
            store: has_store.then(|| folder.clone()),
        })
    }

    /// What is meant, the longest there first.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`].
    pub async fn list(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        let mut items = self.place.list().await.map_err(unavailable)?;
        if let Some(folder) = &self.store {
            let reader = Reader::open(folder).await.map_err(unavailable)?;
            items.extend(items_of(&reader).await.map_err(unavailable)?);
            items.sort_by_key(|item| item.first_seen);
        }
        let now = session_clock::now_utc();
        Ok(filter.of(items.into_iter().map(|item| shown(item, now)).collect()))
    }

    /// Has what is meant tried again now. Answers what that is.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`]; what came before is tried again.
    pub async fn retry(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.change(filter, async |place, ids| place.retry(ids).await).await
    }

    /// Takes what is meant out for good. Answers what that is.
    ///
    /// # Errors
    /// [`OperationError::Unavailable`]; what came before is out.
    pub async fn release(&self, filter: &QuarantineFilter) -> Result<Vec<Quarantined>, OperationError> {
        self.change(filter, async |place, ids| place.release(ids).await).await
    }

    async fn change(
        &self,
        filter: &QuarantineFilter,
        operation: impl AsyncFn(&Quarantine, &[String]) -> Result<Vec<QuarantineItem>, QuarantineError>,
    ) -> Result<Vec<Quarantined>, OperationError> {
        let meant = self.list(filter).await?;
        if meant.is_empty() {
            // To name nothing means everything where it is passed on.
            return Ok(meant);
        }
        let ids: Vec<String> = meant.into_iter().map(|item| item.id).collect();
        let mut changed = operation(&self.place, &ids).await.map_err(unavailable)?;
        if let Some(folder) = &self.store {
            let store = Store::open(folder).await.map_err(unavailable)?;
            let in_store = in_store(&store);
            let in_it = operation(&in_store, &ids).await;
            drop(in_store);
            store.close().await;
            changed.extend(in_it.map_err(unavailable)?);
        }
        let now = session_clock::now_utc();
        Ok(changed.into_iter().map(|item| shown(item, now)).collect())
    }
}

fn unavailable(error: impl std::fmt::Display) -> OperationError {
    OperationError::Unavailable(error.to_string())
}

/// An item as the API shows it.
fn shown(item: QuarantineItem, now: OffsetDateTime) -> Quarantined {
    let (kind, slot, body) = match item.content {
        QuarantineContent::Transaction { slot, .. } => ("transaction", Some(slot), None),
        QuarantineContent::Transactions { transactions } => {
            let first = transactions.first().map(|first| first.slot);
            let signatures: Vec<String> = transactions.into_iter().map(|listed| listed.signature).collect();
            ("transactions", first, Some(signatures.join("\n")))
        }
        QuarantineContent::Message { body, .. } => ("message", None, Some(body)),
    };
    let evidence = item.evidence.into_iter().map(|said| Testimony {
        witness: said.witness,
        at: said.at.format(&Rfc3339).ok(),
        answer: said.answer,
    });
    Quarantined {
        id: item.id,
        reason: item.reason.code().to_owned(),
        detail: item.detail,
        kind: kind.to_owned(),
        slot,
        program_id: item.program_id,
        genesis_hash: item.genesis_hash,
        attempts: item.attempts,
        since: item.first_seen.format(&Rfc3339).ok(),
        age_secs: u64::try_from((now - item.first_seen).whole_seconds()).unwrap_or_default(),
        next_try: item.next_try.format(&Rfc3339).ok(),
        evidence: evidence.collect(),
        body,
    }
}

#[cfg(test)]
mod tests {
    use session_listener::{QuarantineReason, QuarantineStore, ServedStore};

    use super::*;
    use crate::lasting::InStore;

    fn item(number: u64, reason: QuarantineReason) -> QuarantineItem {
        let at = OffsetDateTime::from_unix_timestamp(1_704_067_200).unwrap()
            + time::Duration::minutes(number.try_into().unwrap());
        QuarantineItem {
            version: 1,
            id: format!("{number}sig"),
            program_id: String::from("program"),
            genesis_hash: String::from("cluster"),
            content: QuarantineContent::Transaction {
                signature: format!("{number}sig"),
                slot: number,
            },
            reason,
            detail: String::from("for a test"),
            evidence: Vec::new(),
            first_seen: at,
            next_try: at + time::Duration::days(36_500),
            attempts: 1,
        }
    }

    fn ids(items: &[Quarantined]) -> Vec<&str> {
        items.iter().map(|item| item.id.as_str()).collect()
    }

    #[tokio::test]
    async fn without_a_service_the_store_and_the_folder_are_looked_at_and_changed() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = Settings::defaults().unwrap();
        settings.service.state_dir = folder.path().to_owned();
        let store = Store::open(folder.path()).await.unwrap();
        let in_store = InStore(store.clone());
        for number in [1, 3] {
            in_store.put(&item(number, QuarantineReason::Withheld)).await.unwrap();
        }
        let kept = in_store.get(&item(3, QuarantineReason::Withheld).key()).await.unwrap();
        assert_eq!(kept, Some(item(3, QuarantineReason::Withheld)), "it comes back whole");
        in_store.save("program/shard", vec![0, 255]).await.unwrap();
        assert_eq!(in_store.load("program/shard").await.unwrap(), Some(vec![0, 255]));
        drop(in_store);
        store.close().await;
        // A listener of its own with the same folder keeps files.
        let key = item(2, QuarantineReason::Undecodable).key();
        let file = folder.path().join("quarantine").join(key).with_extension("json");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, item(2, QuarantineReason::Undecodable).to_json().unwrap()).unwrap();

        let ward = Ward::open(&settings).await.unwrap();
        let all = QuarantineFilter::default();
        assert_eq!(ids(&ward.list(&all).await.unwrap()), ["1sig", "2sig", "3sig"]);
        let withheld = QuarantineFilter {
            reason: Some(String::from("withheld")),
            ..all.clone()
        };
        let retried = ward.retry(&withheld).await.unwrap();
        assert_eq!(ids(&retried), ["1sig", "3sig"]);
        let nothing = QuarantineFilter {
            reason: Some(String::from("unsendable")),
            ..all.clone()
        };
        assert_eq!(ward.release(&nothing).await.unwrap(), [], "nothing is not everything");
        let two = QuarantineFilter {
            ids: vec![String::from("2sig"), String::from("3sig")],
            ..all.clone()
        };
        assert_eq!(ids(&ward.release(&two).await.unwrap()), ["2sig", "3sig"]);
        assert_eq!(ids(&ward.list(&all).await.unwrap()), ["1sig"]);
    }
}
