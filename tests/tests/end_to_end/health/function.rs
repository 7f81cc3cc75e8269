//! Causes that lie with a function in another process.

use session_tests::{
    chain::TestChain,
    creation::CreationRig,
    function_stub::{FunctionStub, Illness},
};

use super::service::Service;

pub(crate) async fn the_function_is_ill() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let rig = CreationRig::start(&chain).await;
    let wallet = rig.wallet.insecure_clone();
    let function = FunctionStub::start(rig).await;
    let settings = [
        ("SERVICE__FUNCTION_URL", function.url()),
        ("QUEUE__VISIBILITY_TIMEOUT_SECS", String::from("6")),
    ];
    let settings = [&settings[..], &[("SERVICE__FUNCTION_TIMEOUT_SECS", String::from("1"))]].concat();
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &settings).await;
    for (cause, illness) in [
        ("The function hangs", Illness::Hangs),
        ("The function is gone", Illness::IsGone),
        ("The function fails", Illness::Fails),
        ("The function names every record as failed", Illness::NamesAll),
        (
            "The function names records that it was not sent",
            Illness::NamesAStranger,
        ),
    ] {
        function.is_ill(Some(illness));
        chain.request_session().await;
        service.goes_red(cause).await;
        function.is_ill(None);
        service.recovers(cause).await;
    }
    service.kill().await;
}
