//! From a transaction to its events: logs first, instructions where the logs are not enough.

use std::fmt;

use metrics::counter;
use session_events::{
    Completeness, DeclaredEvent, Decoded, Decoder, Event, ExecutedInstruction, Refusal, RefusalReason, Unrecovered,
    UnrecoveredReason,
};
use session_message::Origin;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::{
    decode::observed::EventBody,
    decode::transaction::{self, InstructionsError},
    decode::wire::{ConfirmedTransaction, Fate, Meta},
};

/// An event of a transaction.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) body: EventBody,
    pub(crate) origin: Origin,
    /// Who paid for the transaction, where that is wanted and known.
    pub(crate) requester: Option<Pubkey>,
}

impl Found {
    /// Whether a message follows from it.
    pub(crate) fn asks_for_account(&self) -> bool {
        matches!(&self.body, EventBody::Known(Event::PdaComputed(event)) if event.asks_for_account())
    }
}

/// What was read of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The events that are certain.
    pub(crate) events: Vec<Found>,
    /// Why there may be others, if there may: then the transaction does not count as read.
    pub(crate) gap: Option<Unreadable>,
    /// What the factory itself told and nobody can read.
    pub(crate) undecodable: Vec<Undecodable>,
}

impl Reading {
    /// Says of all events who paid for their transaction.
    pub(crate) fn paid_by(&mut self, payer: Pubkey) {
        for event in &mut self.events {
            event.requester = Some(payer);
        }
    }
}

/// An event of the factory that nobody can read, such as one of an upgraded program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undecodable {
    /// In the logs.
    Logged {
        line: usize,
        reason: RefusalReason,
        text: String,
    },
    /// In an instruction that the factory sent itself.
    Sent {
        instruction: usize,
        reason: RefusalReason,
        data: String,
    },
}

impl fmt::Display for Undecodable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Logged { line, reason, .. } => {
                write!(formatter, "the event in log line {line} cannot be read: {reason}")
            }
            Self::Sent {
                instruction, reason, ..
            } => {
                write!(
                    formatter,
                    "the event in instruction {instruction} cannot be read: {reason}"
                )
            }
        }
    }
}

impl Undecodable {
    /// What there is to be read.
    pub(crate) fn content(&self) -> (&'static str, &str) {
        match self {
            Self::Logged { text, .. } => ("log line", text),
            Self::Sent { data, .. } => ("instruction data, base58", data),
        }
    }
}

/// Why a transaction cannot be read whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the node gives no record of its execution")]
    NoMeta,
    #[error("the node does not say whether it succeeded")]
    NoFate,
    #[error("its logs are not whole, and its instructions cannot be told: {0}")]
    Instructions(#[from] InstructionsError),
    #[error("it is not known who paid for it: {0}")]
    NoRequester(InstructionsError),
}

/// Reads transactions of one program.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: Decoder,
    /// `Program <id> invoke [`: how the line begins that opens a frame of the program.
    frame_opening: String,
    /// Whether events that ask for an account have to name who paid for their transaction.
    names_requesters: bool,
}

impl Reader {
    pub(crate) fn new(decoder: Decoder, program_id: &Pubkey) -> Self {
        for (event, detail) in decoder.unreadable_events() {
            tracing::warn!(
                event,
                detail,
                "the IDL's declaration of this event cannot be read: it will be refused"
            );
        }
        Self {
            decoder,
            frame_opening: format!("Program {program_id} invoke ["),
            names_requesters: false,
        }
    }

    /// The same, which names who paid for a transaction that asks for accounts, if that is wanted.
    pub(crate) fn naming_requesters(mut self, wanted: bool) -> Self {
        self.names_requesters = wanted;
        self
    }

    /// Whether it has to be known who paid for a transaction with these events, which logs alone do not tell.
    pub(crate) fn needs_requester(&self, events: &[Found]) -> bool {
        self.names_requesters && events.iter().any(Found::asks_for_account)
    }

    /// The events in the logs of a successful transaction; `None` if the logs alone do not tell them all.
    pub(crate) fn read_logs(&self, signature: &Signature, logs: &[String], origin: Origin) -> Option<Reading> {
        let decoded = self.decoder.decode(logs);
        if decoded.completeness != Completeness::Complete || logs.is_empty() || self.calls_itself(logs) {
            return None;
        }
        let undecodable = report_refusals(signature, logs, &decoded.refusals);
        Some(Reading {
            events: found(decoded, origin),
            undecodable,
            ..Reading::default()
        })
    }

    /// Counts what the logs of a failed transaction pretend.
    pub(crate) fn read_failed(&self, signature: &Signature, logs: &[String]) {
        report_refusals(signature, logs, &self.decoder.decode_failed(logs).refusals);
    }

    /// The events of a transaction, as many as can be had; none if it failed.
    pub(crate) fn read_transaction(
        &self,
        signature: &Signature,
        transaction: &ConfirmedTransaction,
        origin: Origin,
    ) -> Reading {
        let unread = |gap| Reading {
            gap: Some(gap),
            ..Reading::default()
        };
        let Some(meta) = &transaction.meta else {
            return unread(Unreadable::NoMeta);
        };
        match meta.err {
            Fate::Succeeded => {
                let reading = self.read_successful(signature, transaction, meta, origin);
                self.with_requester(reading, transaction)
            }
            Fate::Failed => Reading::default(),
            Fate::Untold => unread(Unreadable::NoFate),
        }
    }

    fn with_requester(&self, mut reading: Reading, transaction: &ConfirmedTransaction) -> Reading {
        if self.needs_requester(&reading.events) {
            match transaction::fee_payer(transaction) {
                Ok(payer) => reading.paid_by(payer),
                Err(error) => drop(reading.gap.get_or_insert(Unreadable::NoRequester(error))),
            }
        }
        reading
    }

    fn read_successful(
        &self,
        signature: &Signature,
        transaction: &ConfirmedTransaction,
        meta: &Meta,
        origin: Origin,
    ) -> Reading {
        let logs = meta.log_messages.as_deref().unwrap_or_default();
        let decoded = self.decoder.decode(logs);
        let mut undecodable = report_refusals(signature, logs, &decoded.refusals);
        let whole = decoded.completeness == Completeness::Complete && !logs.is_empty();
        if whole && !self.calls_itself(logs) {
            return Reading {
                events: found(decoded, origin),
                undecodable,
                ..Reading::default()
            };
        }
        if !whole {
            counter!(names::LISTENER_INCOMPLETE_LOGS_TOTAL).increment(1);
            tracing::warn!(%signature, completeness = ?decoded.completeness, "logs are cut or missing: reading instructions");
        }
        match transaction::executed_instructions(transaction, meta) {
            Ok(instructions) => {
                let mut recovery = self.decoder.recover(&instructions, transaction.slot);
                if whole {
                    recovery = recovery.told();
                }
                undecodable.extend(report_unrecovered(signature, &instructions, &recovery.unrecovered));
                let recovery = recovery.missing_from(&decoded);
                let mut events = found(decoded, origin);
                events.extend(recovered(recovery));
                Reading {
                    events,
                    undecodable,
                    ..Reading::default()
                }
            }
            Err(error) => Reading {
                events: found(decoded, origin),
                gap: Some(error.into()),
                undecodable,
            },
        }
    }

    /// Whether the program called itself, as it does to record events in instructions (Anchor's `emit_cpi!`). Lines that
    /// open a frame are written by the runtime alone.
    fn calls_itself(&self, logs: &[String]) -> bool {
        let mut own_depth = None;
        for line in logs {
            let Some(depth) = frame_depth(line) else { continue };
            let own = line.starts_with(&self.frame_opening);
            if own && own_depth.is_some_and(|caller: u32| depth == caller + 1) {
                return true;
            }
            if own {
                own_depth = Some(depth);
            } else if own_depth.is_some_and(|caller| depth <= caller) {
                own_depth = None;
            }
        }
        false
    }
}

/// The depth of the frame that the line opens, if it does: `Program <id> invoke [<depth>]`.
fn frame_depth(line: &str) -> Option<u32> {
    let (head, depth) = line
        .strip_prefix("Program ")?
        .strip_suffix(']')?
        .split_once(" invoke [")?;
    (!head.contains(' ')).then(|| depth.parse().ok()).flatten()
}

fn found(decoded: Decoded, origin: Origin) -> Vec<Found> {
    let known = decoded.events.into_iter().map(|logged| Found {
        index: logged.index,
        body: EventBody::Known(logged.event),
        origin,
        requester: None,
    });
    let declared = decoded.declared.into_iter().map(|event| declared(event, origin));
    let mut events: Vec<Found> = known.chain(declared).collect();
    events.sort_by_key(|event| event.index);
    events
}

fn declared(DeclaredEvent { index, name, fields }: DeclaredEvent, origin: Origin) -> Found {
    Found {
        index,
        body: EventBody::Declared { name, fields },
        origin,
        requester: None,
    }
}

fn recovered(recovery: session_events::Recovery) -> Vec<Found> {
    let known = recovery.events.into_iter().map(|recovered| Found {
        index: u32::try_from(recovered.instruction).unwrap_or(u32::MAX),
        body: EventBody::Known(recovered.event),
        origin: Origin::Recovery,
        requester: None,
    });
    let told = recovery.declared.into_iter();
    let mut events: Vec<Found> = known
        .chain(told.map(|event| declared(event, Origin::Recovery)))
        .collect();
    events.sort_by_key(|event| event.index);
    events
}

/// Counts refusals. What the factory itself printed and nobody can read is an error with the whole line: it must not
/// vanish. What others print is their own affair.
fn report_refusals(signature: &Signature, logs: &[String], refusals: &[Refusal]) -> Vec<Undecodable> {
    let mut undecodable = Vec::new();
    for Refusal { line, reason } in refusals {
        count_refusal(reason);
        let text = logs.get(*line).map(String::as_str).unwrap_or_default();
        match reason {
            RefusalReason::BadBase64
            | RefusalReason::NoDiscriminator { .. }
            | RefusalReason::UnknownDiscriminator(_)
            | RefusalReason::NoLayout { .. }
            | RefusalReason::ShortBorsh { .. }
            | RefusalReason::TrailingBytes { .. } => {
                tracing::error!(%signature, line, %reason, text, "an event of the factory cannot be read");
                undecodable.push(Undecodable::Logged {
                    line: *line,
                    reason: reason.clone(),
                    text: text.to_owned(),
                });
            }
            RefusalReason::WrongProgram { .. }
            | RefusalReason::FailedTransaction
            | RefusalReason::Truncated
            | RefusalReason::Unbalanced => tracing::debug!(%signature, line, %reason, "not believed"),
        }
    }
    undecodable
}

fn count_refusal(reason: &RefusalReason) {
    counter!(names::EVENTS_REFUSED_TOTAL, "reason" => reason.code()).increment(1);
    if let Some(event) = reason.event_name() {
        counter!(names::EVENTS_UNREADABLE_TOTAL, "event" => event.to_owned()).increment(1);
    }
}

/// Reports instructions of the factory whose events, if they had any, are not known: whatever the logs look like, an event
/// that the factory told itself and nobody can read must not vanish.
fn report_unrecovered(
    signature: &Signature,
    instructions: &[ExecutedInstruction],
    unrecovered: &[Unrecovered],
) -> Vec<Undecodable> {
    let mut undecodable = Vec::new();
    for Unrecovered { instruction, reason } in unrecovered {
        counter!(names::LISTENER_UNRECOVERED_TOTAL, "reason" => reason.code()).increment(1);
        if let UnrecoveredReason::Undecodable(refusal) = reason {
            count_refusal(refusal);
            let data = instructions.get(*instruction).map(|executed| executed.data.as_slice());
            let data = bs58::encode(data.unwrap_or_default()).into_string();
            tracing::error!(%signature, instruction, %reason, data, "an event of the factory cannot be read");
            undecodable.push(Undecodable::Sent {
                instruction: *instruction,
                reason: refusal.clone(),
                data,
            });
        } else {
            tracing::warn!(%signature, instruction, %reason,
                "events of this instruction, if it had any, are not known; sessions among them are found in account state");
        }
    }
    undecodable
}

#[cfg(test)]
mod tests;
