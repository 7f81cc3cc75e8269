//! What is told of each thing that happens: which fields, by which names. These are the fields of the API and of
//! `session-builder inspect --json`.

use std::time::SystemTime;

use create_accounts::{Conclusion, Reason, RecordReport};
use serde_json::{Value, json};
use session_engine::Outcome;
use session_ledger::{Fate, Member, SentTransaction, Spending, fee_shares};
use session_message::Message;
use session_queue::MessageId;
use session_store::{Chapter, ChapterKind};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// What a hold pays for.
#[derive(Clone)]
pub(super) struct Transaction {
    pub(super) members: Vec<Member>,
    pub(super) fee_lamports: u64,
    pub(super) sent: Option<SentTransaction>,
}

/// A moment as the API shows it.
pub(crate) fn shown(at: SystemTime) -> Option<String> {
    OffsetDateTime::from(at).format(&Rfc3339).ok()
}

fn chapter(pda: Pubkey, at: SystemTime, kind: ChapterKind, detail: Value) -> Chapter {
    Chapter {
        pda,
        at,
        kind,
        session_id: None,
        signature: None,
        detail,
    }
}

/// The event was seen, and its message is in the queue. Nothing of a message that nobody can read.
pub(super) fn queued(body: &str, message_id: &MessageId, at: SystemTime) -> Vec<Chapter> {
    let Ok(message) = Message::from_json(body) else {
        return Vec::new();
    };
    let Message { event, source, .. } = message;
    let seen = Chapter {
        session_id: Some(event.session_id.clone()),
        signature: source.signature.clone(),
        ..chapter(
            event.expected_pda,
            source.observed_at.into(),
            ChapterKind::Event,
            json!({
                "slot": source.slot,
                "signature": source.signature,
                "event_index": source.event_index,
                "origin": source.origin.name(),
                "session_id": event.session_id,
                "owner": event.owner.to_string(),
                "expected_owner": event.expected_owner.to_string(),
                "expected_size": event.expected_size,
                "requester": source.requester.map(|requester| requester.to_string()),
            }),
        )
    };
    let sent = json!({ "message_id": message_id.as_str() });
    let sent = chapter(event.expected_pda, at, ChapterKind::Message, sent);
    vec![seen, sent]
}

/// How a record has ended. Nothing of one that nobody can read: it belongs to no session.
pub(super) fn concluded(report: &RecordReport) -> Option<Chapter> {
    let event = &report.message.as_ref()?.event;
    let (kind, mut detail) = match &report.conclusion {
        Conclusion::Verified(outcome) => (ChapterKind::Verification, verified(outcome, report)),
        Conclusion::Skipped => (ChapterKind::Attempt, json!({ "outcome": "asks_for_no_account" })),
        Conclusion::Closed(reason) => (ChapterKind::Attempt, because("closed", reason)),
        Conclusion::DeadLettered(reason) => (ChapterKind::DeadLetter, because("dead_letter", reason)),
        Conclusion::Retried { reason, after } => {
            let mut failed = because("failed", reason);
            failed["again_at"] = json!(shown(SystemTime::from(report.concluded_at) + *after));
            (ChapterKind::Attempt, failed)
        }
        Conclusion::Deferred { reason, after } => {
            let mut deferred = because("deferred", reason);
            deferred["until"] = json!(shown(SystemTime::from(report.concluded_at) + *after));
            (ChapterKind::Deferral, deferred)
        }
    };
    detail["attempt"] = json!(report.attempt);
    detail["message_id"] = json!(report.message_id);
    Some(Chapter {
        session_id: Some(event.session_id.clone()),
        ..chapter(event.expected_pda, report.concluded_at.into(), kind, detail)
    })
}

fn verified(outcome: &Outcome, report: &RecordReport) -> Value {
    match outcome {
        Outcome::Created { signature, slot } => json!({
            "outcome": "created",
            "slot": slot,
            "signature": signature.to_string(),
            "latency_slots": report.latency_slots(),
            "latency_ms": latency_ms(report),
        }),
        Outcome::AlreadyExisted => json!({ "outcome": "already_there", "latency_ms": latency_ms(report) }),
    }
}

fn latency_ms(report: &RecordReport) -> Option<u64> {
    u64::try_from(report.latency()?.as_millis()).ok()
}

fn because(outcome: &str, reason: &Reason) -> Value {
    json!({
        "outcome": outcome,
        "reason": reason.code,
        "sentence": reason.sentence,
        "last_signature": reason.last_signature,
    })
}

/// A transaction was signed and is on its way.
pub(super) fn signed(transaction: &Transaction, at: SystemTime) -> Vec<Chapter> {
    of_each(transaction, at, |member, fee_lamports| {
        json!({
            "outcome": "signed",
            "accounts": transaction.members.len(),
            "held_rent_lamports": member.rent_lamports,
            "held_fee_lamports": fee_lamports,
            "last_valid_block_height": transaction.sent.map(|sent| sent.last_valid_block_height),
        })
    })
}

/// What became of it, with what it cost for each account: its rent, and its part of the fees. Nothing of one that was
/// never signed.
pub(super) fn decided(transaction: &Transaction, fate: &Fate, at: SystemTime) -> Vec<Chapter> {
    let mut transaction = transaction.clone();
    match fate {
        Fate::Landed { spent: Some(spent), .. } => transaction.fee_lamports = spent.fee_lamports,
        Fate::Failed {
            fee_lamports: Some(fee),
            ..
        } => transaction.fee_lamports = *fee,
        _ => {}
    }
    of_each(&transaction, at, |member, fee_lamports| match fate {
        Fate::Landed { slot, spent } => json!({
            "outcome": "landed",
            "slot": slot,
            "rent_lamports": rent(member, spent.as_ref()),
            "fee_lamports": fee_lamports,
        }),
        Fate::Failed { slot, .. } => json!({
            "outcome": "failed",
            "slot": slot,
            "rent_lamports": 0,
            "fee_lamports": fee_lamports,
        }),
        Fate::Expired => json!({ "outcome": "expired" }),
        Fate::Refused => json!({ "outcome": "refused" }),
        Fate::Abandoned => json!({ "outcome": "abandoned" }),
    })
}

fn rent(member: &Member, spent: Option<&Spending>) -> u64 {
    let Some(spent) = spent else {
        return member.rent_lamports;
    };
    let rents = spent.rents.iter().filter(|rent| rent.pda == member.pda);
    rents.map(|rent| rent.lamports).sum()
}

/// A chapter for each account of a signed transaction; `detail` is given the account's part of the fees.
fn of_each(transaction: &Transaction, at: SystemTime, detail: impl Fn(&Member, u64) -> Value) -> Vec<Chapter> {
    let Some(sent) = transaction.sent else {
        return Vec::new();
    };
    let signature = sent.signature.to_string();
    let shares = fee_shares(transaction.members.len(), transaction.fee_lamports);
    let members = transaction.members.iter().zip(shares);
    members
        .map(|(member, share)| {
            let mut detail = detail(member, share);
            detail["signature"] = json!(signature);
            Chapter {
                signature: Some(signature.clone()),
                ..chapter(member.pda, at, ChapterKind::Transaction, detail)
            }
        })
        .collect()
}

/// The transaction that created an account is in no block after all.
pub(super) fn retracted(pda: Pubkey, signature: Signature, at: SystemTime) -> Chapter {
    let detail = json!({ "outcome": "retracted", "signature": signature.to_string() });
    Chapter {
        signature: Some(signature.to_string()),
        ..chapter(pda, at, ChapterKind::Transaction, detail)
    }
}

/// An operator has sent a dead letter back to the queue.
pub(crate) fn redriven(pda: Pubkey, message_id: &str, at: SystemTime) -> Chapter {
    chapter(pda, at, ChapterKind::Redrive, json!({ "message_id": message_id }))
}

/// An operator has deleted a dead letter.
pub(crate) fn purged(pda: Pubkey, message_id: &str, at: SystemTime) -> Chapter {
    chapter(pda, at, ChapterKind::Purge, json!({ "message_id": message_id }))
}
