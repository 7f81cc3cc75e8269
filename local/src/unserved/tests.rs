//! Whoever waits too long while nobody is served is unserved, unless it is the request's own fault.

use session_engine::Outcome;
use time::OffsetDateTime;

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

fn attributes(pda: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(PDA.to_owned(), pda.to_owned())])
}

/// The end of the message whose id is `key`, which has no readable body.
fn report(key: &str, conclusion: Conclusion) -> RecordReport {
    RecordReport {
        message_id: key.to_owned(),
        attempt: 1,
        trace: None,
        message: None,
        conclusion,
        concluded_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn reason(code: &'static str) -> Reason {
    Reason {
        code,
        sentence: String::from("why"),
        last_signature: None,
    }
}

fn retried(code: &'static str) -> Conclusion {
    Conclusion::Retried {
        reason: reason(code),
        after: Duration::from_secs(1),
    }
}

async fn after(secs: u64) {
    tokio::time::advance(Duration::from_secs(secs)).await;
}

fn is_served(unserved: &Unserved) -> bool {
    unserved.verdict() == Verdict::Served
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_while_nobody_is_served_is_unserved() {
    let unserved = Unserved::new(PATIENCE);
    assert!(is_served(&unserved), "nobody waits");
    unserved.enters(&attributes("a"));
    after(14).await;
    assert!(is_served(&unserved), "nobody waits for long");
    after(1).await;
    let Verdict::Unserved { reason, in_doubt } = unserved.verdict() else {
        panic!("a waits")
    };
    assert!(!in_doubt && reason.contains("the oldest for 15 s"), "{reason}");
    // Others are: it is one message's trouble.
    unserved.concluded(&report("b", Conclusion::Verified(Outcome::AlreadyExisted)));
    assert!(is_served(&unserved));
    after(15).await;
    assert!(!is_served(&unserved));
    unserved.concluded(&report("a", Conclusion::Verified(Outcome::AlreadyExisted)));
    after(60).await;
    assert!(is_served(&unserved), "nobody waits any more");
}

#[tokio::test(start_paused = true)]
async fn a_reason_of_the_requests_own_is_no_outage_and_a_programs_is_doubtful() {
    for (code, expected) in [
        ("requester_budget", None),
        ("program_failed", Some(true)),
        ("timed_out", Some(false)),
    ] {
        let unserved = Unserved::new(PATIENCE);
        unserved.concluded(&report("a", retried(code)));
        after(15).await;
        let in_doubt = match unserved.verdict() {
            Verdict::Served => None,
            Verdict::Unserved { in_doubt, .. } => Some(in_doubt),
        };
        assert_eq!(in_doubt, expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_was_given_up_for_the_services_fault_is_unserved_until_somebody_could_be() {
    let unserved = Unserved::new(PATIENCE);
    unserved.concluded(&report("a", Conclusion::DeadLettered(reason("size_over_limit"))));
    assert!(is_served(&unserved), "it was answered");
    unserved.concluded(&report("a", Conclusion::DeadLettered(reason("unavailable"))));
    assert!(matches!(unserved.verdict(), Verdict::Unserved { in_doubt: true, .. }));
    unserved.nothing_is_queued();
    assert!(!is_served(&unserved), "a dead letter is in no queue");
    unserved.could_be_served();
    assert!(is_served(&unserved));
}

#[tokio::test(start_paused = true)]
async fn what_another_process_has_served_is_forgotten_with_the_queue() {
    let unserved = Unserved::new(PATIENCE);
    unserved.enters(&attributes("a"));
    after(15).await;
    unserved.nothing_is_queued();
    assert!(is_served(&unserved));
}

#[test]
fn the_codes_that_are_not_the_services_fault_exist() {
    use session_telemetry::names;
    let carriers = [
        names::DEAD_LETTERS_TOTAL,
        names::ATTEMPTS_FAILED_TOTAL,
        names::MESSAGES_DEFERRED_TOTAL,
    ];
    let metrics = names::ALL.iter().filter(|metric| carriers.contains(&metric.name));
    let codes = metrics.flat_map(|metric| metric.labels.iter().flat_map(|(_, values)| values.iter()));
    let others = codes.filter(|code| Blame::of(code) != Blame::Service);
    let others: std::collections::BTreeSet<_> = others.collect();
    assert_eq!(others.len(), 17, "{others:?}");
}
