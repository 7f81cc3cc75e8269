//! What there is to listen to.

use session_tests::listener_process::ListenerProcess;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signer;

use crate::stage::Stage;

pub(crate) async fn none_and_no_program() {
    let stage = Stage::start().await;
    let nobody = Pubkey::new_unique();
    let wallet = stage.chain.payer().pubkey();
    for (address, what) in [(nobody, "no program is at"), (wallet, "is an account and no program")] {
        let environment = stage.environment_with_s3(&stage.chain.endpoint(), stage.aws(), &address.to_string());
        let (status, errors) = ListenerProcess::refused(&environment, stage.folder()).await;
        assert!(!status.success());
        for part in ["service.program_id", what, &address.to_string()] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
    }
    stage.stop().await;
}
