//! A LiteSVM with the programs deployed, and the ways in which the tests look at it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use litesvm::{LiteSVM, types::TransactionMetadata};
use session_events::{
    factory::{SESSION_FACTORY_ID, initialize},
    session::SESSION_PROGRAM_ID,
};
use solana_sdk::{
    account::Account,
    clock::Clock,
    instruction::{Instruction, InstructionError},
    pubkey::Pubkey,
    signature::{Keypair, Signer},
    transaction::{Transaction, TransactionError},
};

/// Where the hostile program is deployed.
pub(crate) const HOSTILE_ID: Pubkey = Pubkey::new_from_array([b'h'; 32]);

pub(crate) const SESSION: &[u8] = include_bytes!("../../../programs/deploy/session.so");
pub(crate) const SESSION_FACTORY: &[u8] = include_bytes!("../../../programs/deploy/session_factory.so");
pub(crate) const HOSTILE: &[u8] = include_bytes!("../../../programs/deploy/hostile.so");

/// The slot and the time (unix seconds) of every test's beginning.
pub(crate) const SLOT: u64 = 4_242;
pub(crate) const NOW: i64 = 1_700_000_000;

/// Lamports of a wallet that can pay for everything.
const RICH: u64 = 100_000_000_000;

/// The chain of one test, and the wallet that pays its fees.
pub(crate) struct Svm {
    pub(crate) chain: LiteSVM,
    pub(crate) payer: Keypair,
}

impl Svm {
    /// All three programs at their ids; the factory is not initialised.
    pub(crate) fn new() -> Self {
        let mut chain = LiteSVM::new();
        chain.add_program(SESSION_PROGRAM_ID, SESSION).unwrap();
        chain.add_program(SESSION_FACTORY_ID, SESSION_FACTORY).unwrap();
        chain.add_program(HOSTILE_ID, HOSTILE).unwrap();
        let mut svm = Self {
            chain,
            payer: Keypair::new(),
        };
        let payer = svm.payer.pubkey();
        svm.fund(&payer, RICH);
        svm.set_clock(SLOT, NOW);
        svm
    }

    /// The same with the factory initialised; the payer is its authority.
    pub(crate) fn with_factory() -> Self {
        let mut svm = Self::new();
        let instruction = initialize(&SESSION_FACTORY_ID, &svm.payer.pubkey()).unwrap();
        svm.send(&[instruction], &[]).unwrap();
        svm
    }

    /// Turns the chain's clock.
    pub(crate) fn set_clock(&mut self, slot: u64, unix_timestamp: i64) {
        let mut clock: Clock = self.chain.get_sysvar();
        clock.slot = slot;
        clock.unix_timestamp = unix_timestamp;
        self.chain.set_sysvar(&clock);
    }

    /// A new wallet with these lamports.
    pub(crate) fn wallet(&mut self, lamports: u64) -> Keypair {
        let wallet = Keypair::new();
        self.fund(&wallet.pubkey(), lamports);
        wallet
    }

    /// Sends lamports to an address, as anybody can.
    pub(crate) fn fund(&mut self, address: &Pubkey, lamports: u64) {
        self.chain.airdrop(address, lamports).unwrap();
    }

    /// Sends one transaction that the payer and `signers` sign.
    pub(crate) fn send(
        &mut self,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<TransactionMetadata, TransactionError> {
        // The same transaction twice has to be two transactions.
        self.chain.expire_blockhash();
        let mut all = vec![&self.payer];
        all.extend(signers);
        let blockhash = self.chain.latest_blockhash();
        let transaction = Transaction::new_signed_with_payer(instructions, Some(&self.payer.pubkey()), &all, blockhash);
        self.chain.send_transaction(transaction).map_err(|failed| failed.err)
    }

    /// The error with which the instruction fails.
    pub(crate) fn error(&mut self, instruction: Instruction, signers: &[&Keypair]) -> InstructionError {
        match self.send(&[instruction], signers) {
            Err(TransactionError::InstructionError(0, error)) => error,
            other => panic!("expected the instruction's error, got {other:?}"),
        }
    }

    /// The logs of an instruction that only the payer signs, whatever becomes of it. It changes nothing.
    pub(crate) fn chain_logs_of(&self, instruction: &Instruction) -> Vec<String> {
        let payer = &self.payer;
        let instructions = std::slice::from_ref(instruction);
        let blockhash = self.chain.latest_blockhash();
        let transaction = Transaction::new_signed_with_payer(instructions, Some(&payer.pubkey()), &[payer], blockhash);
        match self.chain.simulate_transaction(transaction) {
            Ok(simulated) => simulated.meta.logs,
            Err(failed) => failed.meta.logs,
        }
    }

    /// The custom error with which the program refuses the instruction.
    pub(crate) fn refusal(&mut self, instruction: Instruction, signers: &[&Keypair]) -> u32 {
        match self.error(instruction, signers) {
            InstructionError::Custom(code) => code,
            other => panic!("expected a custom error, got {other:?}"),
        }
    }

    /// The account at an address, if it was ever touched.
    pub(crate) fn account(&self, address: &Pubkey) -> Option<Account> {
        self.chain.get_account(address)
    }

    /// Lamports at an address.
    pub(crate) fn lamports(&self, address: &Pubkey) -> u64 {
        self.chain.get_balance(address).unwrap_or_default()
    }

    /// What an account of this size has to hold.
    pub(crate) fn rent(&self, size: usize) -> u64 {
        self.chain.minimum_balance_for_rent_exemption(size)
    }
}

/// An instruction that differs from another in its data.
pub(crate) fn with_data(instruction: &Instruction, data: &[u8]) -> Instruction {
    Instruction {
        data: data.to_vec(),
        ..instruction.clone()
    }
}

/// The data of an instruction, spoilt in each way that no argument list survives: cut anywhere after the
/// discriminator, and with a byte more.
pub(crate) fn malformed(instruction: &Instruction) -> Vec<Instruction> {
    let data = &instruction.data;
    let cut = (8..data.len()).map(|length| with_data(instruction, &data[..length]));
    let longer = with_data(instruction, &[data.as_slice(), &[0]].concat());
    cut.chain([longer]).collect()
}

/// What the programs logged as data, in order.
pub(crate) fn data_lines(logs: &[String]) -> Vec<Vec<u8>> {
    let fields = logs.iter().filter_map(|line| line.strip_prefix("Program data: "));
    fields.map(|field| BASE64_STANDARD.decode(field).unwrap()).collect()
}
