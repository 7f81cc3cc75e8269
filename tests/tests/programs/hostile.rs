//! The program `hostile`: each operation of its scripts, and what the lies are worth.

use session_events::{
    Completeness, Event, PdaComputedEvent, RefusalReason, decode_logs,
    factory::{
        EVENT_INSTRUCTION, SESSION_FACTORY_ID, SessionRequest, event_authority_address, request_session_creation,
    },
    session::SESSION_PROGRAM_ID,
};
use solana_sdk::{
    instruction::{AccountMeta, Instruction, InstructionError},
    pubkey::Pubkey,
    signature::Signer,
};

use crate::{
    sessions,
    svm::{HOSTILE, HOSTILE_ID, Svm, data_lines},
};

const WRITABLE: u8 = 1;
const SIGNER: u8 = 2;

/// A script as programs/README.md describes it.
#[derive(Clone, Default)]
struct Script {
    bytes: Vec<u8>,
    accounts: Vec<AccountMeta>,
}

impl Script {
    fn log(self, text: &str) -> Self {
        self.operation(0).sized(text.as_bytes())
    }

    fn data(self, bytes: &[u8]) -> Self {
        self.operation(1).sized(bytes)
    }

    fn spam(self, count: u32) -> Self {
        self.operation(2).raw(&count.to_le_bytes())
    }

    /// Calls the instruction, whose program and accounts become the script's.
    fn call(mut self, instruction: &Instruction) -> Self {
        let first = u8::try_from(self.accounts.len()).unwrap();
        self.accounts
            .push(AccountMeta::new_readonly(instruction.program_id, false));
        self.accounts.extend(instruction.accounts.iter().cloned());
        let mut operation = vec![first, u8::try_from(instruction.accounts.len()).unwrap()];
        for (index, account) in (first + 1..).zip(&instruction.accounts) {
            let writable = if account.is_writable { WRITABLE } else { 0 };
            let signer = if account.is_signer { SIGNER } else { 0 };
            operation.extend([index, writable | signer]);
        }
        self.operation(3).raw(&operation).sized(&instruction.data)
    }

    fn fail(self, code: u32) -> Self {
        self.operation(4).raw(&code.to_le_bytes())
    }

    fn operation(self, code: u8) -> Self {
        self.raw(&[code])
    }

    fn sized(self, bytes: &[u8]) -> Self {
        self.raw(&u16::try_from(bytes.len()).unwrap().to_le_bytes()).raw(bytes)
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    fn at(self, program: Pubkey) -> Instruction {
        Instruction {
            program_id: program,
            accounts: self.accounts,
            data: self.bytes,
        }
    }

    fn instruction(self) -> Instruction {
        self.at(HOSTILE_ID)
    }
}

fn request(session_id: &str) -> SessionRequest {
    sessions::request(session_id, &["default"])
}

/// An event that the factory would never emit.
fn forged_event() -> Event {
    Event::PdaComputed(PdaComputedEvent {
        expected_pda: Pubkey::new_from_array([1; 32]),
        expected_size: u64::MAX,
        expected_owner: SESSION_PROGRAM_ID,
        session_id: "x".repeat(33),
        owner: Pubkey::new_from_array([7; 32]),
        eval_program: Pubkey::new_from_array([8; 32]),
        shard_address: SESSION_PROGRAM_ID,
        namespaces: Vec::new(),
        compute_slot: 1,
    })
}

#[test]
fn texts_and_data_are_logged_as_they_are_in_order() {
    let mut svm = Svm::new();
    let script = Script::default()
        .log("Program X invoke [1]")
        .data(b"one")
        .log("größe")
        .data(b"")
        .data(&[0xff; 700]);
    let logs = svm.send(&[script.instruction()], &[]).unwrap().logs;
    assert_eq!(logs[1], "Program log: Program X invoke [1]");
    assert_eq!(logs[3], "Program log: größe");
    assert_eq!(data_lines(&logs), [b"one".to_vec(), Vec::new(), vec![0xff; 700]]);
}

#[test]
fn an_event_that_it_prints_is_not_the_factorys() {
    let mut svm = Svm::new();
    let factory = SESSION_FACTORY_ID;
    let script = Script::default()
        .log(&format!("Program {factory} invoke [1]"))
        .data(&forged_event().to_bytes().unwrap())
        .log(&format!("Program {factory} success"));
    let logs = svm.send(&[script.instruction()], &[]).unwrap().logs;
    let decoded = decode_logs(&factory, &logs);
    assert_eq!(decoded.events, []);
    assert!(
        decoded
            .refusals
            .iter()
            .any(|refusal| matches!(refusal.reason, RefusalReason::WrongProgram { .. }))
    );
}

#[test]
fn at_the_factorys_address_any_event_is_the_factorys() {
    let mut svm = Svm::new();
    svm.chain.add_program(SESSION_FACTORY_ID, HOSTILE).unwrap();
    let script = Script::default().data(&forged_event().to_bytes().unwrap());
    let logs = svm.send(&[script.at(SESSION_FACTORY_ID)], &[]).unwrap().logs;
    assert_eq!(decode_logs(&SESSION_FACTORY_ID, &logs).events[0].event, forged_event());
}

#[test]
fn spam_truncates_the_logs_of_what_comes_after() {
    let mut svm = Svm::with_factory();
    let payer = svm.payer.pubkey();
    let spam = Script::default().spam(10_000).instruction();
    let honest = request_session_creation(&SESSION_FACTORY_ID, &payer, &request("session-1")).unwrap();
    let logs = svm.send(&[spam, honest], &[]).unwrap().logs;
    assert!(logs.contains(&"Log truncated".to_owned()));
    let decoded = decode_logs(&SESSION_FACTORY_ID, &logs);
    assert_eq!(decoded.completeness, Completeness::Truncated);
    assert_eq!(decoded.events, []);
}

#[test]
fn spam_is_as_many_bytes_as_asked_for() {
    for count in [0, 1, 256, 257, 1_000] {
        let mut svm = Svm::new();
        let logs = svm
            .send(&[Script::default().spam(count).instruction()], &[])
            .unwrap()
            .logs;
        let spam = logs.iter().filter_map(|line| line.strip_prefix("Program log: "));
        assert_eq!(spam.map(str::len).sum::<usize>(), count as usize);
    }
}

#[test]
fn the_factory_is_believed_when_it_is_called() {
    let mut svm = Svm::with_factory();
    let payer = svm.payer.pubkey();
    let mut script = Script::default();
    for session_id in ["a", "b"] {
        script = script
            .call(&request_session_creation(&SESSION_FACTORY_ID, &payer, &request(session_id)).unwrap())
            .data(&forged_event().to_bytes().unwrap());
    }
    let logs = svm.send(&[script.instruction()], &[]).unwrap().logs;
    let decoded = decode_logs(&SESSION_FACTORY_ID, &logs);
    assert_eq!(decoded.completeness, Completeness::Complete);
    let sessions = decoded.events.into_iter().filter_map(|logged| match logged.event {
        Event::PdaComputed(event) => Some(event.session_id),
        _ => None,
    });
    assert_eq!(sessions.collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn it_fails_with_the_code_asked_for_and_undoes_what_it_called() {
    let mut svm = Svm::with_factory();
    let payer = svm.payer.pubkey();
    let call = request_session_creation(&SESSION_FACTORY_ID, &payer, &request("session-1")).unwrap();
    let script = Script::default().call(&call).fail(77);
    assert_eq!(svm.error(script.instruction(), &[]), InstructionError::Custom(77));
    assert_eq!(svm.account(&call.accounts[2].pubkey), None);
}

#[test]
fn it_can_send_events_to_itself_but_not_to_the_factory() {
    let mut svm = Svm::with_factory();
    let data = [EVENT_INSTRUCTION.as_slice(), &forged_event().to_bytes().unwrap()].concat();
    let to_itself = Instruction {
        program_id: HOSTILE_ID,
        accounts: Vec::new(),
        data: data.clone(),
    };
    let sent = svm
        .send(&[Script::default().call(&to_itself).instruction()], &[])
        .unwrap();
    assert_eq!(sent.inner_instructions[0][0].instruction.data, data);

    let (authority, _) = event_authority_address(&SESSION_FACTORY_ID).unwrap();
    let accounts = vec![AccountMeta::new_readonly(authority, false)];
    let to_the_factory = Instruction {
        program_id: SESSION_FACTORY_ID,
        accounts,
        data,
    };
    let script = Script::default().call(&to_the_factory);
    assert_eq!(svm.error(script.instruction(), &[]), InstructionError::Custom(1_500));
}

#[test]
fn it_cannot_take_a_signature_that_nobody_gave() {
    let mut svm = Svm::with_factory();
    let (authority, _) = event_authority_address(&SESSION_FACTORY_ID).unwrap();
    let accounts = vec![AccountMeta::new_readonly(authority, true)];
    let forged = Instruction {
        program_id: SESSION_FACTORY_ID,
        accounts,
        data: EVENT_INSTRUCTION.to_vec(),
    };
    let mut instruction = Script::default().call(&forged).instruction();
    for account in &mut instruction.accounts {
        account.is_signer = false;
    }
    assert_eq!(svm.error(instruction, &[]), InstructionError::PrivilegeEscalation);
}

#[test]
fn what_is_no_script_is_refused() {
    let mut svm = Svm::new();
    let good = Script::default().log("text").spam(1).fail(1).bytes;
    let within_operations = [1, 3, 6, 8, 11, 13, 16];
    for length in within_operations {
        let script = Script::default().raw(&good[..length]);
        assert_eq!(
            svm.error(script.instruction(), &[]),
            InstructionError::InvalidInstructionData
        );
    }
    for unknown in [5, 0xe4, 0xff] {
        let script = Script::default().raw(&[unknown]);
        assert_eq!(
            svm.error(script.instruction(), &[]),
            InstructionError::InvalidInstructionData
        );
    }
}

#[test]
fn an_account_that_is_not_there_is_refused() {
    let mut svm = Svm::new();
    let without_accounts = Script::default().raw(&[3, 0, 0, 0, 0]);
    assert_eq!(
        svm.error(without_accounts.instruction(), &[]),
        InstructionError::InvalidInstructionData
    );
    let index_too_high = Script::default().raw(&[3, 0, 1, 9, 0, 0, 0]);
    assert_eq!(
        svm.error(index_too_high.instruction(), &[]),
        InstructionError::InvalidInstructionData
    );
}

#[test]
fn an_empty_script_does_nothing() {
    let mut svm = Svm::new();
    let logs = svm.send(&[Script::default().instruction()], &[]).unwrap().logs;
    assert_eq!(logs.len(), 3, "invoke, consumed, success: {logs:?}");
}
