//! A comparison finds what is missing among many, whatever else is there, and does not ask for the same twice.

use std::{collections::BTreeSet, time::Duration};

use session_chain::{CommitmentConfig, Endpoint, RetryPolicy};
use session_tests::{
    entries_node::{EntriesNode, Holdings, Traffic},
    listening::Collector,
};

use super::*;
use crate::{config::ReconcileConfig, reconcile::report::ReconcileReport};

fn config() -> ListenerConfig {
    ListenerConfig {
        reconcile: ReconcileConfig {
            calls_per_second: 0,
            ..ReconcileConfig::default()
        },
        ..ListenerConfig::default()
    }
}

fn pool(endpoint: Endpoint) -> RpcPool {
    let limit = Duration::from_secs(20);
    RpcPool::new(
        vec![endpoint],
        CommitmentConfig::confirmed(),
        RetryPolicy::default(),
        limit,
    )
    .unwrap()
}

async fn compare(
    node: &EntriesNode,
    lasting: &Lasting,
    collector: &Collector,
    request: ReconcileRequest,
) -> (ReconcileReport, Traffic) {
    let (queue, stop) = (collector.queue(), CancellationToken::new());
    let report = reconcile(&config(), pool(node.endpoint()), queue, lasting, request, stop)
        .await
        .unwrap();
    (report, node.traffic())
}

fn names(report: &ReconcileReport) -> BTreeSet<String> {
    report
        .queued
        .first
        .iter()
        .map(|session| session.session_id.clone())
        .collect()
}

fn expected(numbers: std::ops::Range<u64>) -> BTreeSet<String> {
    numbers.map(|number| format!("missing-{number}")).collect()
}

#[tokio::test]
async fn of_fifty_thousand_the_hundred_missing_are_found_and_the_second_pass_asks_for_a_tenth() {
    let holdings = Holdings {
        served: 49_900,
        missing: 100,
        ..Holdings::default()
    };
    let (node, collector, lasting) = (
        EntriesNode::start(holdings).await,
        Collector::start(),
        Lasting::in_memory(),
    );
    let (first, asked_first) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    assert_eq!((first.entries, first.existing, first.remembered), (50_000, 49_900, 0));
    assert_eq!(names(&first), expected(0..100));
    collector
        .all_of(&expected(0..100).into_iter().collect::<Vec<_>>())
        .await;

    let (second, asked_second) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    println!("first {asked_first:?}, second {asked_second:?}");
    assert_eq!((second.entries, second.remembered), (50_000, 49_900));
    assert_eq!(
        names(&second),
        expected(0..100),
        "what is still missing is not forgotten"
    );
    assert!(
        asked_second.calls * 3 < asked_first.calls,
        "{asked_first:?} {asked_second:?}"
    );
    assert!(
        asked_second.bytes * 10 < asked_first.bytes,
        "{asked_first:?} {asked_second:?}"
    );

    node.serve_all();
    let (third, asked_third) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    assert_eq!((third.existing, third.queued.count), (100, 0));
    assert!(asked_third.calls < 10, "{asked_third:?}");
    let (fourth, asked_fourth) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    assert_eq!((fourth.entries, fourth.remembered), (50_000, 50_000));
    assert!(
        asked_fourth.calls < 4,
        "nothing is left to be asked for: {asked_fourth:?}"
    );
    let full = ReconcileRequest {
        full: true,
        dry_run: false,
    };
    let (full, asked_again) = compare(&node, &lasting, &collector, full).await;
    assert_eq!((full.existing, full.remembered), (50_000, 0), "all is asked for again");
    assert!(asked_again.calls > 500, "{asked_again:?}");
}

#[tokio::test]
async fn one_bad_entry_harms_no_other() {
    let holdings = Holdings {
        served: 20_000,
        missing: 20,
        with_bad_ones: true,
        ..Holdings::default()
    };
    let (node, collector, lasting) = (
        EntriesNode::start(holdings).await,
        Collector::start(),
        Lasting::in_memory(),
    );
    let (report, _) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    assert_eq!(names(&report), expected(1..20), "all but the one whose data is none");
    assert_eq!((report.existing, report.failed_shards), (20_000, 0));
    assert_eq!(report.malformed.count, 256 * 3 + 1, "each is counted");
    collector.all_of(&expected(1..20).into_iter().collect::<Vec<_>>()).await;
    let (again, _) = compare(&node, &lasting, &collector, ReconcileRequest::default()).await;
    assert_eq!(again.malformed.count, 1, "what may still be served is looked at again");
}

#[tokio::test]
async fn a_dry_run_queues_and_remembers_nothing() {
    let holdings = Holdings {
        served: 300,
        missing: 2,
        optimistic: 5,
        ..Holdings::default()
    };
    let (node, collector, lasting) = (
        EntriesNode::start(holdings).await,
        Collector::start(),
        Lasting::in_memory(),
    );
    let dry = ReconcileRequest {
        dry_run: true,
        full: false,
    };
    for _ in 0..2 {
        let (report, _) = compare(&node, &lasting, &collector, dry).await;
        assert_eq!((report.entries, report.optimistic, report.remembered), (307, 5, 0));
        assert_eq!(names(&report), expected(0..2));
    }
    assert!(collector.messages().is_empty());
}

#[tokio::test]
async fn what_a_fork_took_away_is_compared_before_its_time() {
    let holdings = Holdings {
        missing: 3,
        ..Holdings::default()
    };
    let (node, collector, lasting) = (
        EntriesNode::start(holdings).await,
        Collector::start(),
        Lasting::in_memory(),
    );
    let mut config = config();
    config.reconcile.min_age = Duration::ZERO;
    let (queue, stop) = (collector.queue(), CancellationToken::new());
    let quarantine = lasting.quarantine.clone();
    let opened = Job::open(&config, pool(node.endpoint()), queue, quarantine, stop.clone()).await;
    let job = opened.unwrap().unwrap();
    let reconciliation = Reconciliation::new(&job.history, &job.intake, &job.patience, &config, &lasting.served);
    let regularly = tokio::spawn(reconciliation.run_every(Duration::from_hours(1)));
    job.intake.comparison.notify_one();
    let missing: Vec<String> = expected(0..3).into_iter().collect();
    // The first regular comparison would come after a minute.
    let compared = tokio::time::timeout(Duration::from_secs(30), collector.all_of(&missing));
    assert!(compared.await.is_ok(), "nobody has compared");
    stop.cancel();
    regularly.await.unwrap();
    job.finish().await.unwrap();
}
