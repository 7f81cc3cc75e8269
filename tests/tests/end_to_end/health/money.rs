//! Causes that lie with wallets, budgets, books, and the program that spends.

use session_events::session::SESSION_PROGRAM_ID;
use session_tests::chain::{TestChain, elf};
use solana_sdk::signature::{Keypair, Signer};

use super::service::Service;

const PLENTY_LAMPORTS: u64 = 100_000_000_000;
/// What a wallet keeps, by default.
const RESERVE_LAMPORTS: u64 = 10_000_000;

pub(crate) async fn there_is_no_money() {
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let (wallet, second) = (chain.wallet(PLENTY_LAMPORTS).await, chain.wallet(PLENTY_LAMPORTS).await);
    let second_path = second_keypair(folder.path(), &second);
    let settings = [("SIGNER__FEE_PAYER_KEYPAIR_PATHS", second_path)];
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &settings).await;
    // One fee payer is empty while the other pays.
    chain.set_lamports(&second.pubkey(), 0);
    service
        .stays_green("one of two fee payers is empty", &chain, "wallet_balance")
        .await;
    for (cause, left) in [
        ("The wallet is at its reserve", RESERVE_LAMPORTS + 490_000),
        ("The wallet is empty", 0),
    ] {
        chain.set_lamports(&wallet.pubkey(), left);
        chain.request_session().await;
        service.goes_red(cause).await;
        chain.set_lamports(&wallet.pubkey(), PLENTY_LAMPORTS);
        service.recovers(cause).await;
    }
    service.kill().await;
    the_budget_is_spent(&chain).await;
    the_books_cannot_be_written(&chain).await;
}

async fn the_budget_is_spent(chain: &TestChain) {
    let cause = "The budget of the hour is spent";
    let (folder, wallet) = (tempfile::tempdir().unwrap(), chain.wallet(PLENTY_LAMPORTS).await);
    // Room for three small sessions at the price of storage that the chain has; the next one has to wait.
    let rent = chain.rpc().get_minimum_balance_for_rent_exemption(200).await.unwrap();
    let budget = [("POLICY__LAMPORTS_PER_HOUR", (3 * rent).to_string())];
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &budget).await;
    for _ in 0..5 {
        chain.request_session().await;
    }
    service.goes_red(cause).await;
    // The operator allows more.
    service.kill().await;
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &[]).await;
    chain.request_session().await;
    service.has_created(1).await;
    service.recovers(cause).await;
    service.kill().await;
}

async fn the_books_cannot_be_written(chain: &TestChain) {
    let cause = "The books cannot be written";
    let (folder, wallet) = (tempfile::tempdir().unwrap(), chain.wallet(PLENTY_LAMPORTS).await);
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &[]).await;
    // One that cannot read where to begin is ill by another name.
    service.has_begun().await;
    // Somebody works on the store with a tool of his own.
    let store = folder.path().join("state/session-builder.sqlite");
    let other = rusqlite::Connection::open(store).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    chain.request_session().await;
    service.goes_red(cause).await;
    other.execute_batch("ROLLBACK").unwrap();
    service.recovers(cause).await;
    service.kill().await;
}

pub(crate) async fn the_program_refuses() {
    let cause = "The owner program does not know the instruction";
    let (chain, folder) = (TestChain::embedded().await, tempfile::tempdir().unwrap());
    let wallet = chain.wallet(PLENTY_LAMPORTS).await;
    let service = Service::start(folder.path(), &chain.endpoint(), &wallet, &[]).await;
    // The program is replaced by one that has other instructions.
    chain.deploy(SESSION_PROGRAM_ID, &std::fs::read(elf("session_factory")).unwrap());
    chain.request_session().await;
    service.goes_red(cause).await;
    chain.deploy(SESSION_PROGRAM_ID, &std::fs::read(elf("session")).unwrap());
    service.recovers(cause).await;
    service.kill().await;
}

fn second_keypair(folder: &std::path::Path, wallet: &Keypair) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("second.json");
    std::fs::write(&path, format!("{:?}", wallet.to_bytes())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}
