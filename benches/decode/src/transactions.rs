//! A mix of transaction logs as a subscription to the factory's address would bring them: session requests made directly and
//! through other programs, most of them beside instructions that have nothing to do with sessions.

use base64::{Engine, engine::general_purpose::STANDARD};
use session_events::{
    CreationParameters, Event, PdaComputedEvent, QueueProcessedEvent, SessionCreatedEvent, SessionCreationAttestation,
    SessionReservedEvent,
    factory::{SESSION_FACTORY_ID, SessionRequest},
};
use solana_pubkey::Pubkey;

const TOKEN: &str = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA";
const ASSOCIATED_TOKEN: &str = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL";
const AGGREGATOR: &str = "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4";
const POOL: &str = "whirLbMiicVdio4qvUfM5KAg6Ct8VwpYzGff3uctyCc";
const SYSTEM: &str = "11111111111111111111111111111111";
const COMPUTE_BUDGET: &str = "ComputeBudget111111111111111111111111111111";
const MULTISIG: &str = "SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf";

/// Logs of so many transactions, always the same.
pub fn mix(transactions: usize) -> Vec<Vec<String>> {
    (0..transactions).map(transaction).collect()
}

/// Of ten transactions, four request a session directly, two through another program, one prints lifecycle events, two request
/// a session and swap tokens, and one merely names the factory and swaps tokens.
fn transaction(number: usize) -> Vec<String> {
    let mut logs = Logs::default();
    logs.frame(COMPUTE_BUDGET, |_| {});
    logs.frame(COMPUTE_BUDGET, |_| {});
    match number % 10 {
        0..=3 => logs.request(number),
        4 | 5 => logs.frame(MULTISIG, |logs| {
            logs.log("Instruction: VaultTransactionExecute");
            logs.request(number);
            logs.consumed(MULTISIG);
        }),
        6 => logs.lifecycle(number),
        7 | 8 => {
            logs.swap(number);
            logs.request(number);
        }
        _ => logs.swap(number),
    }
    logs.lines
}

#[derive(Default)]
struct Logs {
    lines: Vec<String>,
    depth: usize,
}

impl Logs {
    fn frame(&mut self, program: &str, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        self.lines.push(format!("Program {program} invoke [{}]", self.depth));
        inside(self);
        self.depth -= 1;
        self.lines.push(format!("Program {program} success"));
    }

    fn log(&mut self, text: &str) {
        self.lines.push(format!("Program log: {text}"));
    }

    fn data(&mut self, bytes: &[u8]) {
        self.lines.push(format!("Program data: {}", STANDARD.encode(bytes)));
    }

    fn consumed(&mut self, program: &str) {
        let units = 1_000 + 37 * self.lines.len();
        self.lines
            .push(format!("Program {program} consumed {units} of 399850 compute units"));
    }

    fn event(&mut self, event: &Event) {
        if let Ok(bytes) = event.to_bytes() {
            self.data(&bytes);
        }
    }

    fn request(&mut self, number: usize) {
        let factory = SESSION_FACTORY_ID.to_string();
        self.frame(&factory, |logs| {
            logs.log("Instruction: RequestSessionCreation");
            logs.frame(SYSTEM, |_| {});
            logs.log(&format!("session {number} requested"));
            if let Some(event) = computed(number) {
                logs.event(&created(number, &event).into());
                logs.event(&event.into());
            }
            logs.consumed(&factory);
        });
    }

    fn lifecycle(&mut self, number: usize) {
        let factory = SESSION_FACTORY_ID.to_string();
        self.frame(&factory, |logs| {
            logs.log("Instruction: ProcessQueue");
            logs.event(&reserved(number).into());
            logs.event(&queue_processed(number).into());
            logs.consumed(&factory);
        });
    }

    fn swap(&mut self, number: usize) {
        self.frame(ASSOCIATED_TOKEN, |logs| {
            logs.log("CreateIdempotent");
            logs.transfer();
            logs.frame(SYSTEM, |_| {});
            logs.log("Initialize the associated token account");
            logs.consumed(ASSOCIATED_TOKEN);
        });
        self.frame(AGGREGATOR, |logs| {
            logs.log("Instruction: Route");
            for hop in 0..3 {
                logs.frame(POOL, |logs| {
                    logs.log("Instruction: Swap");
                    logs.transfer();
                    logs.transfer();
                    logs.data(&[(number + hop).to_le_bytes().as_slice(), &[0xa7; 150]].concat());
                    logs.consumed(POOL);
                });
                logs.data(&[(number * hop).to_le_bytes().as_slice(), &[0x1c; 112]].concat());
            }
            logs.consumed(AGGREGATOR);
            logs.lines.push(format!(
                "Program return: {AGGREGATOR} {}",
                STANDARD.encode(number.to_le_bytes())
            ));
        });
    }

    fn transfer(&mut self) {
        self.frame(TOKEN, |logs| {
            logs.log("Instruction: Transfer");
            logs.consumed(TOKEN);
        });
    }
}

fn key(number: usize, salt: u8) -> Pubkey {
    let mut bytes = [salt; 32];
    bytes[..8].copy_from_slice(&(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    Pubkey::new_from_array(bytes)
}

fn computed(number: usize) -> Option<PdaComputedEvent> {
    let request = SessionRequest {
        owner: key(number, 1),
        eval_program: key(number, 2),
        session_id: format!("session-{number:08}"),
        namespaces: vec!["orders".to_owned(), "payments".to_owned()],
        shard_address: key(number, 3),
    };
    request.expected_event(&session_events::session::SESSION_PROGRAM_ID, number as u64).ok()
}

fn created(number: usize, computed: &PdaComputedEvent) -> Box<SessionCreatedEvent> {
    Box::new(SessionCreatedEvent {
        session_address: computed.expected_pda,
        owner: computed.owner,
        eval_program: computed.eval_program,
        shard_address: computed.shard_address,
        session_id: computed.session_id.clone(),
        namespaces: computed.namespaces.clone(),
        capability_used: None,
        verification_functions_executed: Vec::new(),
        attestation: SessionCreationAttestation {
            factory_address: SESSION_FACTORY_ID,
            session_address: computed.expected_pda,
            session_id: computed.session_id.clone(),
            eval_address: computed.eval_program,
            attestation_id: String::new(),
            creation_parameters: CreationParameters {
                template_id: None,
                custom_config: None,
                requested_namespaces: computed.namespaces.clone(),
                metadata: Vec::new(),
            },
            verification_signature: [0; 64],
            attested_at_height: number as u64,
        },
        created_at: 1_790_000_000,
        account_size: computed.expected_size,
        creation_slot: computed.compute_slot,
    })
}

fn reserved(number: usize) -> SessionReservedEvent {
    SessionReservedEvent {
        reservation_id: format!("reservation-{number}"),
        session_id: format!("session-{number}"),
        reserved_by: key(number, 4),
        session_owner: key(number, 5),
        template_id: Some("standard".to_owned()),
        expires_at: 1_800_000_000,
        reserved_at: 1_790_000_000,
    }
}

fn queue_processed(number: usize) -> QueueProcessedEvent {
    QueueProcessedEvent {
        processor: key(number, 6),
        sessions_processed: 4,
        failed_initializations: 0,
        queue_size_before: 9,
        queue_size_after: 5,
        processing_duration_ms: 210,
        processing_started_at: 1_790_000_000,
        processing_completed_at: 1_790_000_001,
        total_processed: number as u64,
        total_failed: 0,
    }
}
