//! From a transaction to its events: logs first, instructions where the logs are not enough.

use metrics::counter;
use session_events::{Completeness, Decoded, Decoder, Refusal, RefusalReason};
use session_message::Origin;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_transaction_status_client_types::EncodedConfirmedTransactionWithStatusMeta;

use crate::{observed::EventBody, transaction};

/// An event of a transaction.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) body: EventBody,
    pub(crate) origin: Origin,
}

/// Reads transactions of one program.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: Decoder,
    /// `Program <id> invoke [`: how the line begins that opens a frame of the program.
    frame_opening: String,
}

impl Reader {
    pub(crate) fn new(decoder: Decoder, program_id: &Pubkey) -> Self {
        Self {
            decoder,
            frame_opening: format!("Program {program_id} invoke ["),
        }
    }

    /// The events in the logs of a successful transaction; `None` if the logs alone do not tell them all.
    pub(crate) fn read_logs(&self, signature: &Signature, logs: &[String], origin: Origin) -> Option<Vec<Found>> {
        let decoded = self.decoder.decode(logs);
        if decoded.completeness != Completeness::Complete || self.calls_itself(logs) {
            return None;
        }
        report_refusals(signature, logs, &decoded.refusals);
        Some(found(decoded, origin))
    }

    /// Counts what the logs of a failed transaction pretend.
    pub(crate) fn read_failed(&self, signature: &Signature, logs: &[String]) {
        report_refusals(signature, logs, &self.decoder.decode_failed(logs).refusals);
    }

    /// The events of a successful transaction, as many as can be had.
    pub(crate) fn read_transaction(
        &self,
        signature: &Signature,
        transaction: &EncodedConfirmedTransactionWithStatusMeta,
        origin: Origin,
    ) -> Vec<Found> {
        let logs = transaction::logs(transaction).unwrap_or_default();
        let decoded = self.decoder.decode(logs);
        report_refusals(signature, logs, &decoded.refusals);
        let whole = decoded.completeness == Completeness::Complete && !logs.is_empty();
        if whole && !self.calls_itself(logs) {
            return found(decoded, origin);
        }
        if !whole {
            counter!(names::LISTENER_INCOMPLETE_LOGS_TOTAL).increment(1);
            tracing::warn!(%signature, completeness = ?decoded.completeness, "logs are cut or missing: reading instructions");
        }
        self.recover(signature, transaction, decoded, origin)
    }

    /// What the logs hold, and what the instructions hold beyond that.
    fn recover(
        &self,
        signature: &Signature,
        transaction: &EncodedConfirmedTransactionWithStatusMeta,
        decoded: Decoded,
        origin: Origin,
    ) -> Vec<Found> {
        let instructions = match transaction::executed_instructions(transaction) {
            Ok(instructions) => instructions,
            Err(error) => {
                counter!(names::LISTENER_UNRECOVERED_TOTAL, "reason" => "unreadable_transaction").increment(1);
                tracing::error!(%signature, %error, "instructions cannot be read: events of this transaction may be missing");
                return found(decoded, origin);
            }
        };
        let recovery = self.decoder.recover(&instructions, transaction.slot);
        if decoded.completeness != Completeness::Complete {
            for unrecovered in &recovery.unrecovered {
                counter!(names::LISTENER_UNRECOVERED_TOTAL, "reason" => "instruction").increment(1);
                tracing::warn!(%signature, instruction = unrecovered.instruction, reason = %unrecovered.reason,
                    "events of this instruction are lost with the logs; sessions among them are found in account state");
            }
        }
        let missing = recovery.missing_from(&decoded);
        let mut events = found(decoded, origin);
        events.extend(missing.into_iter().map(|recovered| Found {
            index: u32::try_from(recovered.instruction).unwrap_or(u32::MAX),
            body: EventBody::Known(recovered.event),
            origin: Origin::Recovery,
        }));
        events
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
    });
    let declared = decoded.declared.into_iter().map(|declared| Found {
        index: declared.index,
        body: EventBody::Declared {
            name: declared.name,
            fields: declared.fields,
        },
        origin,
    });
    let mut events: Vec<Found> = known.chain(declared).collect();
    events.sort_by_key(|event| event.index);
    events
}

/// Counts refusals. What the factory itself printed and nobody can read is an error with the whole line: it must not
/// vanish (pitfall 13). What others print is their own affair.
fn report_refusals(signature: &Signature, logs: &[String], refusals: &[Refusal]) {
    for Refusal { line, reason } in refusals {
        counter!(names::EVENTS_REFUSED_TOTAL, "reason" => reason.code()).increment(1);
        let text = logs.get(*line).map(String::as_str).unwrap_or_default();
        match reason {
            RefusalReason::BadBase64
            | RefusalReason::NoDiscriminator { .. }
            | RefusalReason::UnknownDiscriminator(_)
            | RefusalReason::ShortBorsh { .. }
            | RefusalReason::TrailingBytes { .. } => {
                tracing::error!(%signature, line, %reason, text, "an event of the factory cannot be read");
            }
            RefusalReason::WrongProgram { .. }
            | RefusalReason::FailedTransaction
            | RefusalReason::Truncated
            | RefusalReason::Unbalanced => tracing::debug!(%signature, line, %reason, "not believed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use session_events::factory::SESSION_FACTORY_ID;

    use super::*;

    fn calls_itself(lines: &[&str]) -> bool {
        let reader = Reader::new(Decoder::new(&SESSION_FACTORY_ID), &SESSION_FACTORY_ID);
        let lines: Vec<String> = lines
            .iter()
            .map(|line| line.replace("FACTORY", &SESSION_FACTORY_ID.to_string()))
            .collect();
        reader.calls_itself(&lines)
    }

    #[test]
    fn a_call_to_itself_is_seen_and_other_calls_are_not() {
        assert!(calls_itself(&[
            "Program FACTORY invoke [1]",
            "Program FACTORY invoke [2]"
        ]));
        assert!(calls_itself(&[
            "Program X invoke [1]",
            "Program FACTORY invoke [2]",
            "Program Y invoke [3]",
            "Program FACTORY invoke [3]"
        ]));
        assert!(!calls_itself(&["Program X invoke [1]", "Program FACTORY invoke [2]"]));
        assert!(!calls_itself(&[
            "Program FACTORY invoke [1]",
            "Program X invoke [1]",
            "Program FACTORY invoke [2]"
        ]));
        assert!(!calls_itself(&[
            "Program FACTORY invoke [1]",
            "Program log: Program FACTORY invoke [2]"
        ]));
    }
}
