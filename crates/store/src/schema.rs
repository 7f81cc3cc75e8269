//! The file's layout. A step that was released never changes: what is new is a further step.

use rusqlite_migration::{M, Migrations};

const STEPS: &[M<'_>] = &[
    M::up(
        "
    -- The ledger's records as JSON, by name or address.
    CREATE TABLE holds (
        id TEXT PRIMARY KEY,
        state TEXT NOT NULL CHECK (state IN ('open', 'settled')),
        at_ms INTEGER NOT NULL,
        record TEXT NOT NULL
    ) STRICT;
    CREATE INDEX holds_by_state ON holds (state, at_ms);
    CREATE TABLE accounts (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE wallets (address TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
    CREATE TABLE addresses (pda TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;

    -- Messages; attributes are a JSON object.
    CREATE TABLE dead_letters (
        message_id TEXT PRIMARY KEY,
        sent_at_ms INTEGER NOT NULL,
        receive_count INTEGER NOT NULL,
        attributes TEXT NOT NULL,
        body TEXT NOT NULL,
        -- Set while a copy of the message is on its way through the queue again.
        redriven_at_ms INTEGER
    ) STRICT;
    CREATE INDEX dead_letters_by_age ON dead_letters (sent_at_ms);
    CREATE TABLE deferred (
        message_id TEXT PRIMARY KEY,
        due_at_ms INTEGER NOT NULL,
        sent_at_ms INTEGER NOT NULL,
        attributes TEXT NOT NULL,
        body TEXT NOT NULL
    ) STRICT;
    CREATE INDEX deferred_by_due ON deferred (due_at_ms);

    CREATE TABLE watermarks (name TEXT PRIMARY KEY, record TEXT NOT NULL, saved_at_ms INTEGER NOT NULL) STRICT;

    CREATE TABLE quarantine (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        reason TEXT NOT NULL,
        evidence TEXT NOT NULL,
        first_seen_ms INTEGER NOT NULL,
        next_try_ms INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        payload TEXT NOT NULL
    ) STRICT;
    CREATE INDEX quarantine_by_next_try ON quarantine (next_try_ms);

    CREATE TABLE histories (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        pda TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX histories_by_pda ON histories (pda, number);
    CREATE INDEX histories_by_age ON histories (at_ms);
    ",
    ),
    // Nothing was ever put into the first quarantine, whose columns were the listener's business.
    M::up(
        "
    DROP TABLE quarantine;
    CREATE TABLE quarantine (key TEXT PRIMARY KEY, record TEXT NOT NULL, saved_at_ms INTEGER NOT NULL) STRICT;
    ",
    ),
    M::up("CREATE TABLE served (name TEXT PRIMARY KEY, record BLOB NOT NULL) STRICT;"),
    // No release told a history before this one, which finds them by a session's id and by a transaction as well.
    M::up(
        "
    DROP TABLE histories;
    CREATE TABLE histories (
        number INTEGER PRIMARY KEY,
        pda TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        kind TEXT NOT NULL,
        session_id TEXT,
        signature TEXT,
        detail TEXT NOT NULL
    ) STRICT;
    CREATE INDEX histories_by_pda ON histories (pda, at_ms);
    CREATE INDEX histories_by_session ON histories (session_id) WHERE session_id IS NOT NULL;
    CREATE INDEX histories_by_signature ON histories (signature) WHERE signature IS NOT NULL;
    ",
    ),
];

/// All steps, in order.
pub(crate) const MIGRATIONS: Migrations<'_> = Migrations::from_slice(STEPS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_valid() {
        MIGRATIONS.validate().unwrap();
    }
}
