//! What is queued when nothing goes wrong.

use std::sync::Arc;

use session_events::factory::{SESSION_FACTORY_ID, SessionRequest, request_session_creation};
use session_listener::ListenerConfig;
use session_message::Origin;
use session_telemetry::names;
use session_tests::{
    chain::TestChain,
    fault_proxy::{Fault, FaultProxy, Gate},
    listening::{Collector, LIMIT, Listening, pool, quick_config},
    metrics::{count, metrics},
    wait,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::{Keypair, Signer};

/// Requests so many sessions and gives their ids.
pub(crate) async fn request(chain: &TestChain, count: usize) -> Vec<String> {
    let requests = futures::future::join_all((0..count).map(|_| chain.request_session())).await;
    requests.into_iter().map(|(request, _)| request.session_id).collect()
}

pub(crate) async fn requests_before_and_during_listening_are_queued_once_each(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let before = request(&chain, 3).await;
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    collector.all_of(&before).await;
    listening.connected().await;
    let during = request(&chain, 5).await;
    collector.all_of(&during).await;

    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
    assert_eq!(collector.sessions().len(), before.len() + during.len());
    for message in collector.messages() {
        let origin = if before.contains(&message.event.session_id) {
            Origin::Fill
        } else {
            Origin::Live
        };
        assert_eq!(message.source.origin, origin, "{}", message.event.session_id);
    }
}

pub(crate) async fn a_restart_goes_on_from_the_watermark(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let mut listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    let first = request(&chain, 2).await;
    collector.all_of(&first).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();

    let missed = request(&chain, 2).await;
    let listening = Listening::start(quick_config(), pool(chain.endpoint()), collector.queue(), folder.path());
    collector.all_of(&missed).await;
    listening.stop().await.unwrap();
    assert!(
        collector.sessions().values().all(|&times| times == 1),
        "{:?}",
        collector.sessions()
    );
}

/// Two sessions in one transaction that `requester` pays for, each for an owner who knows nothing of it.
async fn request_for_strangers(chain: &TestChain, requester: &Keypair) -> Vec<String> {
    let requests = [chain.session_request(), chain.session_request()].map(|request| SessionRequest {
        owner: Pubkey::new_unique(),
        ..request
    });
    let instructions = requests
        .each_ref()
        .map(|request| request_session_creation(&SESSION_FACTORY_ID, &requester.pubkey(), request).unwrap());
    chain.send_as(requester, &instructions).await.unwrap();
    requests.into_iter().map(|request| request.session_id).collect()
}

pub(crate) async fn messages_name_who_paid_for_their_transaction(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let config = ListenerConfig {
        look_up_requesters: true,
        ..quick_config()
    };
    let (early, late) = (chain.wallet(1_000_000_000).await, chain.wallet(1_000_000_000).await);
    let before = request_for_strangers(&chain, &early).await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let mut listening = Listening::start(config, pool(proxy.endpoint()), collector.queue(), folder.path());
    collector.all_of(&before).await;
    listening.connected().await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    let fetched = proxy.requests("getTransaction");

    let during = request_for_strangers(&chain, &late).await;
    collector.all_of(&during).await;
    let tip = chain.rpc().get_slot().await.unwrap();
    listening.watermark_at(tip).await;
    listening.stop().await.unwrap();
    assert_eq!(
        proxy.requests("getTransaction") - fetched,
        1,
        "one call for two requests of one transaction"
    );
    for message in collector.messages() {
        let (requester, origin) = if before.contains(&message.event.session_id) {
            (early.pubkey(), Origin::Fill)
        } else {
            (late.pubkey(), Origin::Live)
        };
        assert_eq!(message.source.requester, Some(requester), "{message:?}");
        assert_eq!(message.source.origin, origin, "{message:?}");
        assert_ne!(message.event.owner, requester);
    }
    assert_eq!(collector.messages().len(), before.len() + during.len());
}

pub(crate) async fn a_payer_that_is_not_told_is_learnt_from_the_listing(chain: Arc<TestChain>) {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start();
    let config = ListenerConfig {
        look_up_requesters: true,
        ..quick_config()
    };
    let requester = chain.wallet(1_000_000_000).await;
    let proxy = FaultProxy::start(&chain.endpoint()).await;
    let mut listening = Listening::start(config, pool(proxy.endpoint()), collector.queue(), folder.path());
    listening.connected().await;
    metrics();
    let given_up = format!(
        "{}{{reason=\"no_requester\"}}",
        names::LISTENER_NOTIFICATIONS_LEFT_TOTAL
    );
    let before = count(&given_up);
    let gate = Gate::closed();
    proxy.spoil_all("getTransaction", Fault::Hold(gate.clone()));
    let wanted = request_for_strangers(&chain, &requester).await;
    // Whoever heard of it asks in vain and gives it up, and then it is the listing's.
    wait::until_true("a look-up that is given up", LIMIT, || async {
        count(&given_up) > before
    })
    .await;
    proxy.heal();
    gate.open();
    collector.all_of(&wanted).await;
    listening.stop().await.unwrap();
    assert_eq!(collector.messages().len(), wanted.len());
    for message in collector.messages() {
        assert_eq!(message.source.requester, Some(requester.pubkey()), "{message:?}");
        assert_eq!(message.source.origin, Origin::Fill, "{message:?}");
    }
}
