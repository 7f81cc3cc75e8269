//! Each session's story: what happened to its request, from the event to the verified account.

use std::time::SystemTime;

use serde_json::Value;
use solana_pubkey::Pubkey;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, from_json, ms, sql, time, to_json, together},
    store::Store,
};

const TELL: &str = "tell a session's story";
const READ: &str = "read a session's story";
const ROOM: &str = "histories";

/// What a chapter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChapterKind {
    /// The event was seen.
    Event,
    /// Its message was queued.
    Message,
    /// A try that could have succeeded, and what came of it.
    Attempt,
    /// A wait for room that was no try.
    Deferral,
    /// A transaction was sent, or its fate was found out.
    Transaction,
    /// The account was read back.
    Verification,
    /// What it cost.
    Cost,
    /// The message was given up.
    DeadLetter,
}

impl ChapterKind {
    const ALL: [Self; 8] = [
        Self::Event,
        Self::Message,
        Self::Attempt,
        Self::Deferral,
        Self::Transaction,
        Self::Verification,
        Self::Cost,
        Self::DeadLetter,
    ];

    /// Its name in the store, and for a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Message => "message",
            Self::Attempt => "attempt",
            Self::Deferral => "deferral",
            Self::Transaction => "transaction",
            Self::Verification => "verification",
            Self::Cost => "cost",
            Self::DeadLetter => "dead_letter",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One thing that happened to a session's request.
#[derive(Clone, Debug, PartialEq)]
pub struct Chapter {
    /// The session's address.
    pub pda: Pubkey,
    /// When.
    pub at: SystemTime,
    /// What it is about.
    pub kind: ChapterKind,
    /// What happened, field by field.
    pub detail: Value,
}

impl Reader {
    /// A session's story from its beginning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, pda: Pubkey) -> Result<Vec<Chapter>, StoreError> {
        let query = "SELECT at_ms, kind, detail FROM histories WHERE pda = ?1 ORDER BY number";
        let rows: Vec<(i64, String, String)> = self
            .worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(query).map_err(sql(READ))?;
                let rows = statement.query_map([pda.to_string()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
                rows.and_then(Iterator::collect).map_err(sql(READ))
            })
            .await?;
        let chapter = |(at_ms, kind, detail): (i64, String, String)| {
            // What a newer release tells is not understood here, and not in the way.
            let kind = ChapterKind::from_name(&kind)?;
            let detail = from_json(ROOM, &pda.to_string(), &detail);
            Some(detail.map(|detail| Chapter {
                pda,
                at: time(at_ms),
                kind,
                detail,
            }))
        };
        rows.into_iter().filter_map(chapter).collect()
    }
}

impl Store {
    /// Adds chapters to sessions' stories.
    ///
    /// # Errors
    /// [`StoreError`]; none is added then.
    pub async fn tell(&self, chapters: Vec<Chapter>) -> Result<(), StoreError> {
        let statement = "INSERT INTO histories (pda, at_ms, kind, detail) VALUES (?1, ?2, ?3, ?4)";
        self.worker()
            .run(move |connection| {
                together(connection, TELL, |connection| {
                    for chapter in &chapters {
                        let pda = chapter.pda.to_string();
                        let detail = to_json(ROOM, &pda, &chapter.detail)?;
                        let parameters: [&dyn rusqlite::ToSql; 4] =
                            [&pda, &ms(chapter.at), &chapter.kind.name(), &detail];
                        execute(connection, TELL, statement, &parameters)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Forgets what happened before a moment. Gives the number of chapters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_histories(&self, before: SystemTime) -> Result<usize, StoreError> {
        let statement = "DELETE FROM histories WHERE at_ms < ?1";
        self.worker()
            .run(move |connection| execute(connection, "forget old stories", statement, &[&ms(before)]))
            .await
    }
}
