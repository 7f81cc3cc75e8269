//! What cannot be read or sent stops nothing, waits in S3 with its reason, and is looked at, tried again and released by the
//! command line.

use std::process::Output;

use serde_json::{Value, json};
use session_events::{PdaComputedEvent, factory::SessionRequest, session::SESSION_PROGRAM_ID};
use session_tests::{
    binaries::built,
    chain::FORGED_FACTORY_ID,
    fault_proxy::{Fault, FaultProxy},
    hostile::{log_event, told_to_itself_as},
    refusing_queue::RefusingQueue,
    wait,
};
use solana_sdk::{instruction::Instruction, signature::Signature};
use tokio::process::Command;

use crate::stage::{LIMIT, Queued, Stage};

/// An event of a program that was upgraded: nobody here knows its discriminator.
const UNKNOWN_EVENT: [u8; 24] = [0xab; 24];

/// A transaction of the factory, and the session that it asks for.
struct Sent {
    session_id: String,
    signature: Signature,
    slot: u64,
}

pub(crate) async fn each_reason_is_listed_and_dealt_with_by_one_command() {
    let stage = Stage::start().await;
    let requests: Vec<SessionRequest> = (0..5).map(|_| stage.chain.session_request()).collect();
    let printed = |request: &SessionRequest| log_event(&FORGED_FACTORY_ID, &event_of(request));
    let refused_session = requests[3].session_id.clone();
    let failed = send(&stage, &requests[0], vec![printed(&requests[0])]).await;
    let bare = send(&stage, &requests[1], vec![printed(&requests[1])]).await;
    let withheld = send(&stage, &requests[2], vec![printed(&requests[2])]).await;
    let upgraded = vec![printed(&requests[3]), told_to_itself_as(&UNKNOWN_EVENT)];
    let upgraded = send(&stage, &requests[3], upgraded).await;
    let behind = send(&stage, &requests[4], vec![printed(&requests[4])]).await;

    let rpc = FaultProxy::start(&stage.chain.endpoint()).await;
    fail_with_an_unknown_error(&rpc, &failed);
    let without_record = json!({"slot": bare.slot, "transaction": ["", "base64"], "meta": null, "version": 0});
    rpc.spoil_particular(
        "getTransaction",
        &bare.signature.to_string(),
        Fault::Result(without_record),
    );
    rpc.spoil_particular(
        "getTransaction",
        &withheld.signature.to_string(),
        Fault::Result(Value::Null),
    );
    let sqs = RefusingQueue::start(stage.aws(), &refused_session).await;
    let environment = stage.environment_with_s3(&rpc.endpoint(), &sqs.url(), &FORGED_FACTORY_ID.to_string());
    let listener = stage.started(&environment).await;

    // What is behind them goes its way, and the watermark passes all of them.
    let mut queued = Queued::new();
    stage.take_sessions(&[&behind.session_id], &mut queued).await;
    wait::until_true("a watermark in S3 behind everything", LIMIT, || async {
        stage
            .watermark_in_s3_of(&FORGED_FACTORY_ID)
            .await
            .is_some_and(|slot| slot >= behind.slot)
    })
    .await;
    let command = async |arguments: &[&str]| run(&stage, &environment, arguments).await;
    let kept = wait::until("four in quarantine", LIMIT, || async {
        let listed = command(&["list", "--json"]).await;
        let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
        (listed.len() == 4).then_some(listed)
    })
    .await;
    let reason_of = |id: &str| {
        let item = kept
            .iter()
            .find(|item| item["id"].as_str().is_some_and(|found| found == id));
        item.map(|item| item["reason"].as_str().unwrap().to_owned())
    };
    let (bare_id, withheld_id) = (bare.signature.to_string(), withheld.signature.to_string());
    let upgraded_id = upgraded.signature.to_string();
    assert_eq!(reason_of(&bare_id).as_deref(), Some("unreadable"), "{kept:?}");
    assert_eq!(reason_of(&withheld_id).as_deref(), Some("withheld"), "{kept:?}");
    assert_eq!(reason_of(&upgraded_id).as_deref(), Some("undecodable"), "{kept:?}");
    let message = kept.iter().find(|item| item["kind"] == "message").unwrap();
    assert_eq!(message["reason"], "unsendable");
    assert!(message["body"].as_str().unwrap().contains(&refused_session));
    assert!(
        !queued.contains_key(&failed.session_id),
        "its transaction failed, however that is written"
    );

    let shown = command(&["show", &bare_id]).await;
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("evidence") && shown.contains("no record of its execution"),
        "{shown}"
    );
    let human = String::from_utf8(command(&["list"]).await.stdout).unwrap();
    println!("{human}");

    // What has an answer goes its normal way when it is asked again.
    rpc.heal();
    sqs.heal();
    let retried = command(&["retry", &bare_id, &withheld_id, message["id"].as_str().unwrap()]).await;
    assert!(retried.status.success(), "{retried:?}");
    let wanted = [&bare.session_id, &withheld.session_id, &refused_session];
    stage.take_sessions(&wanted, &mut queued).await;
    // What nobody can decode is dealt with by hand.
    let refused = command(&["release", "--all"]).await;
    assert_eq!(
        refused.status.code(),
        Some(2),
        "nobody is there to be asked: {refused:?}"
    );
    let released = command(&["release", "--reason", "undecodable", "--yes"]).await;
    assert!(released.status.success(), "{released:?}");
    wait::until_true("an empty quarantine", LIMIT, || async {
        command(&["list", "--json"]).await.stdout == b"[]\n" && listener.metric("listener_quarantine").await == 0
    })
    .await;
    assert!(listener.terminate().await.success());
    stage.stop().await;
}

pub(crate) async fn a_kill_before_the_watermark_moves_loses_nothing() {
    let stage = Stage::start().await;
    let request = stage.chain.session_request();
    let withheld = send(
        &stage,
        &request,
        vec![log_event(&FORGED_FACTORY_ID, &event_of(&request))],
    )
    .await;
    let rpc = FaultProxy::start(&stage.chain.endpoint()).await;
    rpc.spoil_particular(
        "getTransaction",
        &withheld.signature.to_string(),
        Fault::Result(Value::Null),
    );
    let environment = stage.environment_with_s3(&rpc.endpoint(), stage.aws(), &FORGED_FACTORY_ID.to_string());
    let in_quarantine = async || {
        let listed = run(&stage, &environment, &["list", "--json"]).await;
        serde_json::from_slice::<Vec<Value>>(&listed.stdout).unwrap().len()
    };
    let mut killed = 0;
    // Killed as soon as the quarantine has it: the watermark may or may not have passed it.
    for _ in 0..3 {
        let listener = stage.started(&environment).await;
        wait::until_true("it in quarantine", LIMIT, || async { in_quarantine().await == 1 }).await;
        listener.kill().await;
        killed += 1;
        let watermark = stage.watermark_in_s3_of(&FORGED_FACTORY_ID).await.unwrap_or_default();
        assert!(
            watermark < withheld.slot || in_quarantine().await == 1,
            "killed {killed} times, watermark at {watermark}"
        );
    }
    rpc.heal();
    let listener = stage.started(&environment).await;
    stage.take_sessions(&[&withheld.session_id], &mut Queued::new()).await;
    wait::until_true("an empty quarantine", LIMIT, || async { in_quarantine().await == 0 }).await;
    assert!(listener.terminate().await.success());
    stage.stop().await;
}

fn event_of(request: &SessionRequest) -> PdaComputedEvent {
    request.clone().expected_event(&SESSION_PROGRAM_ID, 1).unwrap()
}

async fn send(stage: &Stage, request: &SessionRequest, instructions: Vec<Instruction>) -> Sent {
    let signature = stage.chain.send(&instructions).await.unwrap();
    Sent {
        session_id: request.session_id.clone(),
        slot: stage.slot_of(&signature).await,
        signature,
    }
}

/// Lists a transaction as failed, by an error that is invented next year. Nodes write their fields in one order or another.
fn fail_with_an_unknown_error(rpc: &FaultProxy, failed: &Sent) {
    let (signature, slot) = (failed.signature, failed.slot);
    let error = json!({"InstructionError": [0, {"VariantOfNextYear": {"detail": 1}}]});
    rpc.rewrite(
        &format!("\"signature\":\"{signature}\",\"slot\":{slot},\"err\":null"),
        &format!("\"signature\":\"{signature}\",\"slot\":{slot},\"err\":{error}"),
    );
    rpc.rewrite(
        &format!("\"err\":null,\"memo\":null,\"signature\":\"{signature}\""),
        &format!("\"err\":{error},\"memo\":null,\"signature\":\"{signature}\""),
    );
}

/// The command line with the listener's configuration.
async fn run(stage: &Stage, environment: &[(String, String)], arguments: &[&str]) -> Output {
    let output = Command::new(built("session-builder"))
        .arg("quarantine")
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("SESSION_BUILDER__SERVICE__STATE_DIR", stage.folder())
        .stdin(std::process::Stdio::null())
        .output();
    output.await.unwrap()
}
