//! What lasts on one machine: one SQLite file, one owner, readable by others.
