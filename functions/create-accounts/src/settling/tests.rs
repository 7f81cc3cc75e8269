//! Messages that wait, on a clock that the tests turn.

use session_ledger::{
    Fate, HoldAnswer, HoldId, HoldRequest, InMemoryLedger, Ledger, Limits, Member, Refusal, SentTransaction,
};
use session_queue::{InMemoryConfig, InMemoryQueue, ReceiveRequest, ReceivedMessage, SendEntry};
use solana_pubkey::Pubkey;
use tokio::time::advance;

use super::*;

fn queues() -> (Arc<InMemoryQueue>, Arc<InMemoryQueue>) {
    let config = |name: &str| InMemoryConfig {
        name: name.to_owned(),
        visibility_timeout: Duration::from_mins(3),
        capacity: 100,
    };
    let (source, dead_letters) = InMemoryQueue::volatile(config("sessions"), config("dead-letters"), 5);
    (Arc::new(source), dead_letters)
}

async fn received(queue: &InMemoryQueue) -> Option<ReceivedMessage> {
    let request = ReceiveRequest {
        max_messages: 1,
        wait: Duration::ZERO,
        visibility_timeout: None,
    };
    queue.receive(request).await.unwrap().pop()
}

/// A received message as Lambda would give it to the handler.
fn record(message: ReceivedMessage) -> Record {
    let mut sqs = aws_lambda_events::event::sqs::SqsMessage::default();
    sqs.message_id = Some(message.message_id.as_str().to_owned());
    sqs.receipt_handle = Some(message.receipt_handle.as_str().to_owned());
    sqs.body = Some(message.body);
    let count = message.receive_count.to_string();
    let sent_at = message
        .sent_at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    sqs.attributes = [
        ("ApproximateReceiveCount", count),
        ("SentTimestamp", sent_at.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (name, value) in message.attributes {
        let mut attribute = aws_lambda_events::event::sqs::SqsMessageAttribute::default();
        attribute.string_value = Some(value);
        sqs.message_attributes.insert(name, attribute);
    }
    Record::read(0, sqs).unwrap()
}

fn reason() -> Reason {
    Reason {
        code: "hourly_budget",
        sentence: String::from("the budget is spent"),
        last_signature: None,
    }
}

/// What the event source does with a record that the response does not name.
async fn acknowledge(queue: &InMemoryQueue, record: &Record) {
    let handle = ReceiptHandle::new(record.receipt_handle.clone());
    queue.delete_batch(vec![handle]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn however_often_it_waits_a_message_keeps_its_attempts_and_its_age() {
    let (source, dead_letters) = queues();
    let settling = Settling::new(source.clone(), dead_letters.clone(), VisibilityBackoff::default());
    let entry = SendEntry {
        body: String::from("a"),
        attributes: [(String::from("pda"), String::from("x"))].into(),
        delay: Duration::ZERO,
    };
    source.send_batch(vec![entry]).await.unwrap();
    let first = record(received(&source).await.unwrap());
    let failed = Conclusion::Retried {
        reason: reason(),
        after: Duration::from_secs(1),
    };
    settling.settle(std::slice::from_ref(&first), vec![failed]).await;
    advance(Duration::from_secs(1)).await;

    for waits in 1..=20 {
        let record = record(received(&source).await.unwrap());
        assert_eq!(record.attempt, 2, "after {waits} deferrals");
        assert_eq!(record.first_sent_at, first.first_sent_at);
        let after = Duration::from_hours(1);
        let deferred = Conclusion::Deferred {
            reason: reason(),
            after,
        };
        let concluded = settling.settle(std::slice::from_ref(&record), vec![deferred]).await;
        assert!(matches!(concluded[..], [Conclusion::Deferred { .. }]), "{concluded:?}");
        acknowledge(&source, &record).await;
        assert!(received(&source).await.is_none());
        advance(after).await;
    }
    let last = record(received(&source).await.unwrap());
    let given_up = Conclusion::DeadLettered(reason());
    settling.settle(std::slice::from_ref(&last), vec![given_up]).await;
    let letter = received(&dead_letters).await.unwrap();
    assert_eq!(letter.attributes["attempts"], "2");
    assert!(!letter.attributes.contains_key("first_sent_at"));
}

const LAMPORTS: u64 = 1_000;
const HOUR: Duration = Duration::from_hours(1);
const ALICE: Pubkey = Pubkey::new_from_array([1; 32]);
const BOB: Pubkey = Pubkey::new_from_array([2; 32]);

/// Queues, and a function whose only limit is the ledger's.
struct Stage {
    source: Arc<InMemoryQueue>,
    dead_letters: Arc<InMemoryQueue>,
    settling: Settling,
    ledger: InMemoryLedger,
    created: Vec<(Pubkey, SystemTime)>,
}

impl Stage {
    fn new(limits: Limits) -> Self {
        let config = |name: &str| InMemoryConfig {
            name: name.to_owned(),
            visibility_timeout: Duration::from_mins(3),
            capacity: 2_000,
        };
        let (source, dead_letters) = InMemoryQueue::volatile(config("sessions"), config("dead-letters"), 5);
        let source = Arc::new(source);
        let settling = Settling::new(source.clone(), dead_letters.clone(), VisibilityBackoff::default());
        Self {
            source,
            dead_letters,
            settling,
            ledger: InMemoryLedger::new(limits),
            created: Vec::new(),
        }
    }

    async fn request(&self, requester: Pubkey, sessions: u64) {
        for _ in 0..sessions {
            let entry = SendEntry {
                body: requester.to_string(),
                attributes: [(String::from("pda"), Pubkey::new_unique().to_string())].into(),
                delay: Duration::ZERO,
            };
            let sent = self.source.send_batch(vec![entry]).await.unwrap();
            assert!(sent.entries[0].is_ok());
        }
    }

    /// Handles everything that is visible now.
    async fn handle(&mut self) {
        while let Some(message) = received(&self.source).await {
            let record = record(message);
            assert_eq!(record.attempt, 1, "waiting cost an attempt");
            let conclusion = self.conclude(&record).await;
            let patience = crate::conclusion::Patience {
                max_receive_count: 5,
                deferral_max: Duration::from_hours(24),
            };
            let conclusion = conclusion.within_limits(&record, &patience, session_clock::now());
            self.settling
                .settle(std::slice::from_ref(&record), vec![conclusion])
                .await;
            acknowledge(&self.source, &record).await;
        }
    }

    async fn conclude(&mut self, record: &Record) -> Conclusion {
        let now = session_clock::now();
        if let Some(early) = record
            .deferred_until
            .and_then(|until| Conclusion::too_early(until, now))
        {
            return early;
        }
        let (requester, id) = (record.body.parse().unwrap(), HoldId::random());
        let request = HoldRequest {
            id,
            wallet: Pubkey::default(),
            members: vec![Member {
                pda: record.attributes["pda"].parse().unwrap(),
                requester,
                rent_lamports: LAMPORTS,
                asked_at_slot: Some(1),
            }],
            fee_lamports: 0,
            wallet_reading: None,
        };
        match self.ledger.hold(request, now).await.unwrap() {
            HoldAnswer::Held { .. } => {
                let sent = SentTransaction {
                    signature: solana_sdk::signature::Signature::default(),
                    last_valid_block_height: 1,
                };
                self.ledger.attach(id, sent, now).await.unwrap();
                let landed = Fate::Landed { slot: 2, spent: None };
                self.ledger.settle(id, landed, now).await.unwrap();
                self.created.push((requester, now));
                Conclusion::Verified(session_engine::Outcome::AlreadyExisted)
            }
            HoldAnswer::Refused(refusals) => {
                let [
                    Refusal::RequesterBudget {
                        room_at: Some(room_at), ..
                    },
                ] = refusals[..]
                else {
                    panic!("{refusals:?}")
                };
                let after = room_at.duration_since(now).unwrap();
                assert!(
                    after > Duration::ZERO && after <= HOUR + Duration::from_mins(1),
                    "{after:?}"
                );
                let reason = reason();
                Conclusion::Deferred { reason, after }
            }
        }
    }

    fn created(&self, requester: Pubkey) -> usize {
        self.created.iter().filter(|(whose, _)| *whose == requester).count()
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_on_a_budget_for_a_hundred_wait_their_turn_and_nobody_elses() {
    let mut stage = Stage::new(Limits {
        lamports_per_hour: Some(200 * LAMPORTS),
        lamports_per_requester_per_hour: Some(100 * LAMPORTS),
    });
    stage.request(ALICE, 1_000).await;
    stage.handle().await;
    assert_eq!(stage.created(ALICE), 100);
    let depth = stage.source.depth().await.unwrap();
    assert_eq!(
        (depth.total(), depth.deferred),
        (0, 900),
        "nothing holds up the watermark"
    );
    stage.request(BOB, 50).await;
    stage.handle().await;
    assert_eq!(stage.created(BOB), 50, "another is served meanwhile");

    let mut minutes = 0;
    while stage.created(ALICE) < 1_000 {
        advance(Duration::from_mins(1)).await;
        stage.handle().await;
        minutes += 1;
        assert!(minutes < 24 * 60, "{} were created in a day", stage.created(ALICE));
    }
    assert_eq!(stage.source.depth().await.unwrap().deferred, 0);
    assert_eq!(stage.dead_letters.depth().await.unwrap().total(), 0, "none is dead");
    for (_, from) in &stage.created {
        let hour = stage.created.iter().filter(|(_, at)| at >= from && *at < *from + HOUR);
        assert!(hour.filter(|(whose, _)| *whose == ALICE).count() <= 100);
    }
}

#[tokio::test(start_paused = true)]
async fn what_never_gets_room_is_a_dead_letter_that_says_so() {
    let mut stage = Stage::new(Limits {
        lamports_per_hour: None,
        lamports_per_requester_per_hour: Some(LAMPORTS),
    });
    stage.request(ALICE, 30).await;
    for _ in 0..26 {
        stage.handle().await;
        advance(HOUR + Duration::from_mins(1)).await;
    }
    let waiting = stage.source.depth().await.unwrap();
    let dead = stage.dead_letters.depth().await.unwrap().total();
    assert_eq!((waiting.deferred, stage.created(ALICE) as u64 + dead), (0, 30));
    assert!(dead >= 5, "{dead}");
    assert_eq!(
        received(&stage.dead_letters).await.unwrap().attributes["reason"],
        "deferred_too_long"
    );
}
