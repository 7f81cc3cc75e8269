//! The messages of a queue in memory: dead letters, and what waits for its moment.

use std::{collections::BTreeMap, time::SystemTime};

use async_trait::async_trait;
use rusqlite::{Row, ToSql};
use session_queue::{Deferred, Letter, MessageId, MessageStore, MessageStoreError};

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, from_json, ms, one, sql, time, to_json, together},
    store::Store,
};

const LETTERS: &str = "dead_letters";
const DEFERRED: &str = "deferred";
const READ_LETTERS: &str = "read the dead letters";
const READ_DEFERRED: &str = "read the deferred messages";

/// A dead letter as somebody who looks sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// The letter.
    pub letter: Letter,
    /// Since when a copy of it is on its way through the queue again.
    pub redriven_at: Option<SystemTime>,
}

impl Reader {
    /// Dead letters, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<StoredLetter>, StoreError> {
        let query = "SELECT message_id, sent_at_ms, receive_count, attributes, body, redriven_at_ms
            FROM dead_letters ORDER BY sent_at_ms, message_id LIMIT ?1";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(query).map_err(sql(READ_LETTERS))?;
                let rows = statement.query_map([limit], letter_row);
                let rows: Vec<LetterRow> = rows.and_then(Iterator::collect).map_err(sql(READ_LETTERS))?;
                rows.into_iter().map(LetterRow::letter).collect()
            })
            .await
    }

    /// How many dead letters there are, those that are under way again among them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn dead_letter_depth(&self) -> Result<u64, StoreError> {
        self.count("SELECT count(*) FROM dead_letters").await
    }

    /// Deferred messages, the first due first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn deferred(&self, limit: usize) -> Result<Vec<Deferred>, StoreError> {
        self.deferred_until(session_clock::from_epoch_ms(u64::MAX), limit).await
    }

    async fn deferred_until(&self, due: SystemTime, limit: usize) -> Result<Vec<Deferred>, StoreError> {
        let query = "SELECT message_id, due_at_ms, sent_at_ms, attributes, body FROM deferred
            WHERE due_at_ms <= ?1 ORDER BY due_at_ms, message_id LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(query).map_err(sql(READ_DEFERRED))?;
                let rows = statement.query_map(rusqlite::params![ms(due), limit], deferred_row);
                let rows: Vec<DeferredRow> = rows.and_then(Iterator::collect).map_err(sql(READ_DEFERRED))?;
                rows.into_iter().map(DeferredRow::message).collect()
            })
            .await
    }

    async fn count(&self, query: &'static str) -> Result<u64, StoreError> {
        let count = self
            .worker()
            .run(move |connection| one::<i64>(connection, "count its messages", query, &[]))
            .await?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }
}

impl Store {
    /// Copies of letters went with the process that had them: the letters wait again.
    pub(crate) async fn unmark_redriven(&self) -> Result<(), StoreError> {
        let statement = "UPDATE dead_letters SET redriven_at_ms = NULL WHERE redriven_at_ms IS NOT NULL";
        self.change("find the letters that were under way", statement, Vec::new())
            .await
    }

    async fn change(
        &self,
        operation: &'static str,
        statement: &'static str,
        parameters: Vec<Box<dyn ToSql + Send>>,
    ) -> Result<(), StoreError> {
        self.worker()
            .run(move |connection| {
                let parameters: Vec<&dyn ToSql> = parameters
                    .iter()
                    .map(|parameter| {
                        let parameter: &dyn ToSql = parameter.as_ref();
                        parameter
                    })
                    .collect();
                execute(connection, operation, statement, &parameters).map(drop)
            })
            .await
    }
}

#[async_trait]
impl MessageStore for Store {
    async fn put_letter(&self, letter: Letter) -> Result<(), MessageStoreError> {
        let statement = "INSERT INTO dead_letters (message_id, sent_at_ms, receive_count, attributes, body)
            VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (message_id) DO UPDATE SET
                sent_at_ms = ?2, receive_count = ?3, attributes = ?4, body = ?5, redriven_at_ms = NULL";
        let id = letter.message_id.as_str().to_owned();
        let attributes = to_json(LETTERS, &id, &letter.attributes).map_err(failed)?;
        let (sent_at, count) = (ms(letter.sent_at), letter.receive_count);
        let parameters: Vec<Box<dyn ToSql + Send>> = vec![
            Box::new(id),
            Box::new(sent_at),
            Box::new(count),
            Box::new(attributes),
            Box::new(letter.body),
        ];
        self.change("keep a dead letter", statement, parameters)
            .await
            .map_err(failed)
    }

    async fn mark_redriven(&self, message_id: &MessageId, at: Option<SystemTime>) -> Result<(), MessageStoreError> {
        let statement = "UPDATE dead_letters SET redriven_at_ms = ?2 WHERE message_id = ?1";
        let parameters: Vec<Box<dyn ToSql + Send>> =
            vec![Box::new(message_id.as_str().to_owned()), Box::new(at.map(ms))];
        self.change("mark a dead letter", statement, parameters)
            .await
            .map_err(failed)
    }

    async fn remove_letter(&self, message_id: &MessageId) -> Result<(), MessageStoreError> {
        let statement = "DELETE FROM dead_letters WHERE message_id = ?1";
        let parameters: Vec<Box<dyn ToSql + Send>> = vec![Box::new(message_id.as_str().to_owned())];
        self.change("remove a dead letter", statement, parameters)
            .await
            .map_err(failed)
    }

    async fn letters(&self) -> Result<Vec<Letter>, MessageStoreError> {
        let letters = self.dead_letters(usize::MAX).await.map_err(failed)?;
        Ok(letters.into_iter().map(|stored| stored.letter).collect())
    }

    async fn put_deferred(&self, messages: Vec<Deferred>) -> Result<(), MessageStoreError> {
        const OPERATION: &str = "keep deferred messages";
        let statement = "INSERT INTO deferred (message_id, due_at_ms, sent_at_ms, attributes, body)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let kept = self.worker().run(move |connection| {
            together(connection, OPERATION, |connection| {
                for message in &messages {
                    let id = message.message_id.as_str();
                    let attributes = to_json(DEFERRED, id, &message.attributes)?;
                    let parameters: [&dyn ToSql; 5] = [
                        &id,
                        &ms(message.due_at),
                        &ms(message.sent_at),
                        &attributes,
                        &message.body,
                    ];
                    execute(connection, OPERATION, statement, &parameters)?;
                }
                Ok(())
            })
        });
        kept.await.map_err(failed)
    }

    async fn due(&self, now: SystemTime, limit: usize) -> Result<Vec<Deferred>, MessageStoreError> {
        self.deferred_until(now, limit).await.map_err(failed)
    }

    async fn next_due(&self, now: SystemTime) -> Result<Option<SystemTime>, MessageStoreError> {
        let query = "SELECT due_at_ms FROM deferred WHERE due_at_ms > ?1 ORDER BY due_at_ms LIMIT 1";
        let next = self
            .worker()
            .run(move |connection| one::<i64>(connection, READ_DEFERRED, query, &[&ms(now)]));
        Ok(next.await.map_err(failed)?.map(time))
    }

    async fn remove_deferred(&self, message_id: &MessageId) -> Result<(), MessageStoreError> {
        let statement = "DELETE FROM deferred WHERE message_id = ?1";
        let parameters: Vec<Box<dyn ToSql + Send>> = vec![Box::new(message_id.as_str().to_owned())];
        self.change("remove a deferred message", statement, parameters)
            .await
            .map_err(failed)
    }

    async fn deferred_depth(&self) -> Result<u64, MessageStoreError> {
        self.count("SELECT count(*) FROM deferred").await.map_err(failed)
    }
}

fn failed(error: StoreError) -> MessageStoreError {
    MessageStoreError {
        retryable: error.is_retryable(),
        source: Box::new(error),
    }
}

struct LetterRow {
    message_id: String,
    sent_at_ms: i64,
    receive_count: u32,
    attributes: String,
    body: String,
    redriven_at_ms: Option<i64>,
}

fn letter_row(row: &Row<'_>) -> rusqlite::Result<LetterRow> {
    Ok(LetterRow {
        message_id: row.get(0)?,
        sent_at_ms: row.get(1)?,
        receive_count: row.get(2)?,
        attributes: row.get(3)?,
        body: row.get(4)?,
        redriven_at_ms: row.get(5)?,
    })
}

impl LetterRow {
    fn letter(self) -> Result<StoredLetter, StoreError> {
        let attributes = attributes(LETTERS, &self.message_id, &self.attributes)?;
        Ok(StoredLetter {
            letter: Letter {
                message_id: MessageId::new(self.message_id),
                sent_at: time(self.sent_at_ms),
                receive_count: self.receive_count,
                attributes,
                body: self.body,
            },
            redriven_at: self.redriven_at_ms.map(time),
        })
    }
}

struct DeferredRow {
    message_id: String,
    due_at_ms: i64,
    sent_at_ms: i64,
    attributes: String,
    body: String,
}

fn deferred_row(row: &Row<'_>) -> rusqlite::Result<DeferredRow> {
    Ok(DeferredRow {
        message_id: row.get(0)?,
        due_at_ms: row.get(1)?,
        sent_at_ms: row.get(2)?,
        attributes: row.get(3)?,
        body: row.get(4)?,
    })
}

impl DeferredRow {
    fn message(self) -> Result<Deferred, StoreError> {
        let attributes = attributes(DEFERRED, &self.message_id, &self.attributes)?;
        Ok(Deferred {
            message_id: MessageId::new(self.message_id),
            sent_at: time(self.sent_at_ms),
            due_at: time(self.due_at_ms),
            attributes,
            body: self.body,
        })
    }
}

fn attributes(room: &'static str, key: &str, text: &str) -> Result<BTreeMap<String, String>, StoreError> {
    from_json(room, key, text)
}
