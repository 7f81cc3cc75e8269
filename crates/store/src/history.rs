//! Each session's history: what happened to its request, from the event to the verified account.

use std::time::SystemTime;

use serde_json::Value;
use solana_pubkey::Pubkey;

use crate::{
    error::StoreError,
    reader::Reader,
    row::{execute, from_json, ms, sql, time, to_json, together},
    store::Store,
};

const TELL: &str = "tell a session's history";
const READ: &str = "read a session's history";
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
    /// A transaction was signed, or its fate was found out: with what it cost.
    Transaction,
    /// The account was read back.
    Verification,
    /// The message was given up.
    DeadLetter,
    /// An operator has sent the dead letter back to the queue.
    Redrive,
    /// An operator has deleted the dead letter.
    Purge,
}

impl ChapterKind {
    const ALL: [Self; 9] = [
        Self::Event,
        Self::Message,
        Self::Attempt,
        Self::Deferral,
        Self::Transaction,
        Self::Verification,
        Self::DeadLetter,
        Self::Redrive,
        Self::Purge,
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
            Self::DeadLetter => "dead_letter",
            Self::Redrive => "redrive",
            Self::Purge => "purge",
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
    /// The session's id, where the chapter knows it: the history is found by it.
    pub session_id: Option<String>,
    /// The transaction that it is about, by which the history is found as well.
    pub signature: Option<String>,
    /// What happened, field by field.
    pub detail: Value,
}

/// How much of the histories is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Nothing that happened before this.
    pub since: SystemTime,
    /// At most so many chapters, the newest.
    pub chapters_max: u64,
}

type Row = (i64, String, Option<String>, Option<String>, String);

impl Reader {
    /// A session's history from its beginning: of more than `chapters_max` chapters the newest.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn history(&self, pda: Pubkey, chapters_max: u32) -> Result<Vec<Chapter>, StoreError> {
        // Those of one moment are in the order in which they were told.
        let query = "SELECT at_ms, kind, session_id, signature, detail FROM histories
            WHERE pda = ?1 ORDER BY at_ms DESC, number DESC LIMIT ?2";
        let rows: Vec<Row> = self
            .worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(query).map_err(sql(READ))?;
                let rows = statement.query_map((pda.to_string(), chapters_max), |row| row.try_into());
                rows.and_then(Iterator::collect).map_err(sql(READ))
            })
            .await?;
        let chapter = |(at_ms, kind, session_id, signature, detail): Row| {
            // What a newer release tells is not understood here, and not in the way.
            let kind = ChapterKind::from_name(&kind)?;
            let detail = from_json(ROOM, &pda.to_string(), &detail);
            Some(detail.map(|detail| Chapter {
                pda,
                at: time(at_ms),
                kind,
                session_id,
                signature,
                detail,
            }))
        };
        rows.into_iter().rev().filter_map(chapter).collect()
    }

    /// The addresses whose histories have this session id, or this transaction: `sessions_max` at most.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sessions_of(&self, name: &str, sessions_max: u32) -> Result<Vec<Pubkey>, StoreError> {
        let query = "SELECT DISTINCT pda FROM histories WHERE session_id = ?1 OR signature = ?1 LIMIT ?2";
        let name = name.to_owned();
        let texts: Vec<String> = self
            .worker()
            .run(move |connection| {
                let mut statement = connection.prepare_cached(query).map_err(sql(READ))?;
                let rows = statement.query_map((name, sessions_max), |row| row.get(0));
                rows.and_then(Iterator::collect).map_err(sql(READ))
            })
            .await?;
        Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
    }
}

impl Store {
    /// Adds chapters to sessions' histories. An event that is told already, because its transaction was read once more, is
    /// not told again.
    ///
    /// # Errors
    /// [`StoreError`]; none is added then.
    pub async fn tell(&self, chapters: Vec<Chapter>) -> Result<(), StoreError> {
        let statement = "INSERT INTO histories (pda, at_ms, kind, session_id, signature, detail)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE NOT (?3 = 'event' AND EXISTS (
                SELECT 1 FROM histories WHERE pda = ?1 AND kind = ?3 AND signature = ?5))";
        self.worker()
            .run(move |connection| {
                together(connection, TELL, |connection| {
                    for chapter in &chapters {
                        let pda = chapter.pda.to_string();
                        let detail = to_json(ROOM, &pda, &chapter.detail)?;
                        let parameters: [&dyn rusqlite::ToSql; 6] = [
                            &pda,
                            &ms(chapter.at),
                            &chapter.kind.name(),
                            &chapter.session_id,
                            &chapter.signature,
                            &detail,
                        ];
                        execute(connection, TELL, statement, &parameters)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Forgets the oldest chapters that need not be kept, `at_most` of them: whoever has much to forget asks again, and
    /// others get their turn in between. Gives the number of chapters.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_histories(&self, keep: Keep, at_most: u32) -> Result<usize, StoreError> {
        // Chapters are told in the order in which they happen, so that the oldest have the smallest numbers.
        let statement = "DELETE FROM histories
            WHERE number IN (SELECT number FROM histories ORDER BY number LIMIT ?3)
            AND (at_ms < ?1 OR number <= (SELECT max(number) FROM histories) - ?2)";
        let chapters_max = i64::try_from(keep.chapters_max).unwrap_or(i64::MAX);
        self.worker()
            .run(move |connection| {
                let parameters: [&dyn rusqlite::ToSql; 3] = [&ms(keep.since), &chapters_max, &at_most];
                execute(connection, "forget old histories", statement, &parameters)
            })
            .await
    }
}
