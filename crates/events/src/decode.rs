//! From a transaction's log lines to the events that the factory itself printed (invariant 3).
//!
//! The lines are replayed as the stack of frames that they tell of. What is believed, and why it cannot be forged:
//!
//! - An event counts if the factory's frame was on top when its `Program data: ` line was written. Programs cannot
//!   write the lines that open and close frames (see `log_line`), so nobody else can put the factory on top.
//! - **Truncated** logs: the runtime writes `Log truncated` in place of the first line that it drops, so all lines
//!   before are there and their events are believed. After it, lines are missing wherever they were long (shorter
//!   ones still fit), so the closing line of the factory's frame may be gone: nothing after it is believed.
//! - **Unbalanced** logs, which no sound node writes: a line that contradicts the stack, or frames left open at
//!   the end, prove that lines are missing somewhere before, though not where. Top-level instructions whose frames
//!   had closed are believed. The events of the instruction in which the contradiction shows are withdrawn and
//!   reported, and nothing after it is read.
//! - A failed frame means a failed transaction, because no caller survives a failing callee on Solana: then
//!   nothing has happened, and all events are withdrawn.

use solana_pubkey::Pubkey;

use crate::{
    decoded::Decoded,
    idl::{Idl, LayoutConflict},
    known::KnownEvents,
    recover::{ExecutedInstruction, Recovery, Rules},
    replay::Replay,
    session::SESSION_PROGRAM_ID,
};

/// Reads the logs of transactions for the events of one factory. Made once, used for every transaction.
#[derive(Clone, Debug)]
pub struct Decoder {
    factory: Pubkey,
    /// The same as the logs write it: comparing texts is cheaper than decoding base58.
    factory_text: String,
    session_program: Pubkey,
    known: KnownEvents,
}

impl Decoder {
    /// A decoder for the nine events as this crate knows them.
    #[must_use]
    pub fn new(factory: &Pubkey) -> Self {
        Self::of(factory, KnownEvents::built_in())
    }

    /// A decoder that also knows what the user's IDL declares. Where that differs from this crate's layout of an
    /// event, the IDL is right, as the newer of the two.
    ///
    /// # Errors
    /// [`LayoutConflict`] if the IDL's `PDAComputedEvent` differs: accounts are created by its fields, and a guess at
    /// what they mean now would spend money.
    pub fn with_idl(factory: &Pubkey, idl: &Idl) -> Result<Self, LayoutConflict> {
        Ok(Self::of(factory, KnownEvents::with_idl(idl)?))
    }

    fn of(factory: &Pubkey, known: KnownEvents) -> Self {
        Self {
            factory: *factory,
            factory_text: factory.to_string(),
            session_program: SESSION_PROGRAM_ID,
            known,
        }
    }

    /// The same for a factory whose sessions belong to another program than [`SESSION_PROGRAM_ID`]: what is recovered from
    /// instructions follows from it.
    #[must_use]
    pub fn with_session_program(mut self, session_program: &Pubkey) -> Self {
        self.session_program = *session_program;
        self
    }

    /// The events that the user's IDL names and declares in a way that cannot be read, with why: each is refused by its name
    /// when it comes.
    pub fn unreadable_events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.known.unreadable()
    }

    /// Decodes the logs of a transaction that succeeded. Never panics, whatever the lines hold.
    pub fn decode<S: AsRef<str>>(&self, logs: &[S]) -> Decoded {
        Replay::new(&self.factory_text, &self.known).run(logs)
    }

    /// Reads the logs of a transaction that failed: no events, and a refusal for each that would have been one.
    pub fn decode_failed<S: AsRef<str>>(&self, logs: &[S]) -> Decoded {
        Replay::of_failed(&self.factory_text, &self.known).run(logs)
    }

    /// Finds events in the instructions of a transaction that succeeded in `slot`: what to do when its logs are cut.
    ///
    /// `instructions` are all of them in the order of execution, each top-level one followed by its inner ones.
    #[must_use]
    pub fn recover(&self, instructions: &[ExecutedInstruction], slot: u64) -> Recovery {
        Rules {
            factory: &self.factory,
            session_program: &self.session_program,
            known: &self.known,
            slot,
        }
        .recover(instructions)
    }
}

/// Decodes the logs of one transaction that succeeded; [`Decoder`] is the same for many.
pub fn decode_logs<S: AsRef<str>>(factory: &Pubkey, logs: &[S]) -> Decoded {
    Decoder::new(factory).decode(logs)
}
