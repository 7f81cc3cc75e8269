//! What somebody asks for: a comparison with account state, a backfill.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use session_events::{
    factory::{self, SESSION_FACTORY_ID, SessionRequest, entry_address, session_size},
    session::{
        AccountRequest, SESSION_PROGRAM_ID, SessionInitialization, close_session, create_session_account,
        initialize_session,
    },
};
use session_listener::{
    BackfillRequest, Lasting, ListenerConfig, MissedSession, Point, ReconcileConfig, ReconcileRequest, StartAt,
    backfill, reconcile,
};
use session_message::Origin;
use session_tests::{
    chain::TestChain,
    listening::{Collector, Listening, lasting_in, pool, quick_config},
};
use solana_sdk::signature::Signer;
use tokio_util::sync::CancellationToken;

use super::events::request;

/// Creates the account of a session, as the service does.
async fn serve(chain: &TestChain, session_id: &str) {
    serve_as(chain, session_id, 100).await;
}

async fn serve_as(chain: &TestChain, session_id: &str, size: u64) {
    let payer = chain.payer().pubkey();
    let account = AccountRequest {
        owner: payer,
        session_id: session_id.to_owned(),
        size,
    };
    let create = create_session_account(&SESSION_PROGRAM_ID, &payer, &account).unwrap();
    chain.send(&[create]).await.expect("the account is created");
}

fn named(sessions: &[MissedSession]) -> Vec<String> {
    let mut names: Vec<String> = sessions.iter().map(|session| session.session_id.clone()).collect();
    names.sort();
    names
}

pub(crate) async fn reconciliation_finds_exactly_what_a_deaf_listener_missed(chain: Arc<TestChain>) {
    let served = request(&chain, 2).await;
    for session_id in &served {
        serve(&chain, session_id).await;
    }
    let mut missed = request(&chain, 3).await;
    missed.sort();

    // It starts after them, so it never hears of them.
    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let config = ListenerConfig {
        start_at: StartAt::Now,
        reconcile: ReconcileConfig {
            interval: None,
            min_age: Duration::ZERO,
            calls_per_second: 0,
            ..ReconcileConfig::default()
        },
        ..quick_config()
    };
    let mut deaf = Listening::start(config.clone(), pool(chain.endpoint()), collector.queue(), folder.path());
    deaf.connected().await;
    let heard = request(&chain, 1).await;
    collector.all_of(&heard).await;
    deaf.stop().await.unwrap();
    for session_id in &heard {
        serve(&chain, session_id).await;
    }
    assert_eq!(collector.sessions().len(), 1);

    let stop = CancellationToken::new();
    let lasting = lasting_in(folder.path());
    let look = reconcile(
        &config,
        pool(chain.endpoint()),
        collector.queue(),
        &lasting,
        ReconcileRequest {
            dry_run: true,
            full: false,
        },
        stop.clone(),
    )
    .await
    .unwrap();
    assert_eq!(named(&look.queued.first), missed);
    assert_eq!(
        (look.entries, look.existing),
        (6, 3),
        "what counts is whether the account exists"
    );
    assert_eq!(look.underivable.first, []);
    assert_eq!(collector.messages().len(), 1, "a dry run queues nothing");

    let report = reconcile(
        &config,
        pool(chain.endpoint()),
        collector.queue(),
        &lasting,
        ReconcileRequest::default(),
        stop,
    )
    .await
    .unwrap();
    assert_eq!(named(&report.queued.first), missed);
    collector.all_of(&missed).await;
    assert_eq!(collector.messages().len(), 1 + missed.len());
    let recovered = collector
        .messages()
        .into_iter()
        .filter(|message| missed.contains(&message.event.session_id));
    for message in recovered {
        assert_eq!(message.source.origin, Origin::Reconciliation);
        assert!(message.source.signature.is_some(), "its transaction is known");
        let formula = session_size(&message.event.session_id, &message.event.namespaces);
        assert_eq!(message.event.expected_size, formula, "its size is the requested one");
    }
}

pub(crate) async fn reconciliation_takes_a_session_at_its_last_request(chain: Arc<TestChain>) {
    let payer = chain.payer().pubkey();
    let (request, first) = chain.request_session().await;
    let SessionRequest {
        owner,
        eval_program,
        session_id,
        namespaces,
        ..
    } = request.clone();
    serve_as(&chain, &session_id, request.expected_size()).await;
    let initialization = SessionInitialization {
        owner,
        eval_program,
        session_id: session_id.clone(),
        namespaces,
    };
    let (entry, _) = entry_address(&SESSION_FACTORY_ID, &owner, &session_id).unwrap();
    let ended = [
        initialize_session(&SESSION_PROGRAM_ID, &initialization).unwrap(),
        close_session(&SESSION_PROGRAM_ID, &owner, &session_id).unwrap(),
        factory::close_session(&SESSION_FACTORY_ID, &payer, &entry, &payer).unwrap(),
    ];
    chain.send(&ended).await.unwrap();
    let second = chain.send(&[chain.request_instruction(&request)]).await.unwrap();
    assert_ne!(first, second);

    let config = ListenerConfig {
        reconcile: ReconcileConfig {
            interval: None,
            min_age: Duration::ZERO,
            ..ReconcileConfig::default()
        },
        ..quick_config()
    };
    let (collector, stop, lasting) = (Collector::start(), CancellationToken::new(), Lasting::in_memory());
    let looked = ReconcileRequest {
        dry_run: true,
        full: true,
    };
    let report = reconcile(
        &config,
        pool(chain.endpoint()),
        collector.queue(),
        &lasting,
        looked,
        stop,
    )
    .await
    .unwrap();
    let missed = report
        .queued
        .first
        .iter()
        .find(|session| session.session_id == session_id);
    assert_eq!(
        missed.unwrap().signature,
        Some(second),
        "what was asked for before has been answered"
    );
}

pub(crate) async fn a_backfill_queues_its_stretch_and_nothing_else(chain: Arc<TestChain>) {
    let before = request(&chain, 2).await;
    let next_slot = async |chain: &TestChain| {
        let slot = chain.rpc().get_slot().await.unwrap();
        session_tests::wait::until_true("the next slot", Duration::from_secs(20), || async {
            chain.rpc().get_slot().await.unwrap() > slot
        })
        .await;
        chain.rpc().get_slot().await.unwrap()
    };
    let from = next_slot(&chain).await;
    let wanted = request(&chain, 3).await;
    let to = chain.rpc().get_slot().await.unwrap();
    next_slot(&chain).await;
    let after = request(&chain, 2).await;

    let (collector, folder) = (Collector::start(), tempfile::tempdir().unwrap());
    let lasting = lasting_in(folder.path());
    let config = ListenerConfig {
        listing_margin_slots: 0,
        ..quick_config()
    };
    let run = async |dry_run| {
        let asked = BackfillRequest {
            from: Point::Slot(from),
            to: Some(Point::Slot(to)),
            dry_run,
        };
        let told = Mutex::new(0);
        let progress = |_: &session_listener::BackfillReport| *told.lock().unwrap() += 1;
        let stop = CancellationToken::new();
        let queue = collector.queue();
        let report = backfill(&config, pool(chain.endpoint()), queue, &lasting, asked, progress, stop)
            .await
            .unwrap();
        assert!(report.done);
        assert!(*told.lock().unwrap() > 0, "progress is told");
        report
    };
    assert_eq!(run(true).await.events, 3);
    assert!(collector.messages().is_empty(), "a dry run queues nothing");
    assert_eq!(run(false).await.events, 3);
    collector.all_of(&wanted).await;
    let queued = collector.sessions();
    assert!(
        before
            .iter()
            .chain(&after)
            .all(|session_id| !queued.contains_key(session_id)),
        "{queued:?}"
    );
    assert!(
        std::fs::read_dir(folder.path().join("cursors"))
            .unwrap()
            .next()
            .is_none(),
        "a backfill that is done leaves nothing"
    );
}
