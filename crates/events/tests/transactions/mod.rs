//! Random transactions and the logs that the runtime would write for them.

use base64_simd::STANDARD;
use proptest::{collection::vec, prelude::*};
use session_events::{Event, PdaComputedEvent, factory::SESSION_FACTORY_ID};
use solana_pubkey::Pubkey;

/// Addresses of programs: the factory, one whose text differs from the factory's in one character, and two others.
pub(crate) const FACTORY: &str = "SessFactory11111111111111111111111111111111";
const PROGRAMS: [&str; 4] = [
    FACTORY,
    "SessFactory11111111111111111111111111111112",
    "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",
    "11111111111111111111111111111111",
];

/// What a program does while it executes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Prints a text, which may imitate anything.
    Log(String),
    /// Prints an event, in this many slices.
    Event { seed: u32, slices: usize },
    /// Prints data that is no event.
    Noise(Vec<u8>),
    /// Calls a program.
    Call(Call),
    /// Has its compute units counted.
    Consumed,
    /// Sets return data.
    Return,
}

/// One program's execution.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    program: usize,
    steps: Vec<Step>,
}

/// The event that an honest factory (even slots) or an impostor (odd slots) prints.
pub(crate) fn event(seed: u32, honest: bool) -> Event {
    let byte = seed.to_le_bytes()[0];
    Event::from(PdaComputedEvent {
        expected_pda: Pubkey::new_from_array([byte; 32]),
        expected_size: u64::from(seed),
        expected_owner: Pubkey::new_from_array([byte.wrapping_add(1); 32]),
        session_id: format!("session {seed}"),
        owner: Pubkey::new_from_array([byte.wrapping_add(2); 32]),
        eval_program: Pubkey::default(),
        shard_address: Pubkey::new_from_array([byte.wrapping_add(1); 32]),
        namespaces: vec!["ns".repeat(usize::from(byte % 40)); usize::from(byte % 3)],
        compute_slot: u64::from(seed) * 2 + u64::from(!honest),
    })
}

/// The logs of a transaction, and the truth about them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    pub(crate) lines: Vec<String>,
    /// Lines after which no frame is open.
    pub(crate) boundaries: Vec<usize>,
    /// Position among the factory's data lines, line, and event of everything that the factory printed.
    pub(crate) events: Vec<(u32, usize, Event)>,
    /// Lines in which another program printed a perfect event.
    pub(crate) forged: Vec<usize>,
    /// Lines of the factory that hold data.
    pub(crate) factory_data: Vec<usize>,
    bytes: usize,
    limit: Option<usize>,
    pub(crate) truncated: bool,
}

impl Logs {
    /// What the runtime keeps of a transaction's logs under a limit of bytes (agave's `LogCollector`).
    pub(crate) fn of(calls: &[Call], limit: Option<usize>) -> Self {
        let mut logs = Self {
            limit,
            ..Self::default()
        };
        for call in calls {
            logs.call(call, 1);
            logs.boundaries.push(logs.lines.len());
        }
        logs
    }

    /// Returns whether the line was kept.
    fn push(&mut self, line: String) -> bool {
        if self.limit.is_some_and(|limit| self.bytes + line.len() >= limit) {
            if !self.truncated {
                self.truncated = true;
                self.lines.push("Log truncated".to_owned());
            }
            return false;
        }
        self.bytes += line.len();
        self.lines.push(line);
        true
    }

    fn call(&mut self, call: &Call, depth: usize) {
        let id = PROGRAMS[call.program];
        self.push(format!("Program {id} invoke [{depth}]"));
        for step in &call.steps {
            match step {
                Step::Log(text) => {
                    self.push(format!("Program log: {text}"));
                }
                Step::Event { seed, slices } => self.event(call.program == 0, *seed, *slices),
                Step::Noise(bytes) => self.data(call.program == 0, std::slice::from_ref(bytes)),
                Step::Call(inner) => self.call(inner, depth + 1),
                Step::Consumed => {
                    self.push(format!("Program {id} consumed 7 of 200000 compute units"));
                }
                Step::Return => {
                    self.push(format!("Program return: {id} {}", STANDARD.encode_to_string(id)));
                }
            }
        }
        self.push(format!("Program {id} success"));
    }

    fn event(&mut self, honest: bool, seed: u32, slices: usize) {
        let event = event(seed, honest);
        let bytes = event.to_bytes().unwrap();
        let pieces: Vec<_> = bytes.chunks(bytes.len().div_ceil(slices)).map(<[u8]>::to_vec).collect();
        let line = self.lines.len();
        let index = u32::try_from(self.factory_data.len()).unwrap();
        let before = self.truncated;
        self.data(honest, &pieces);
        if before || self.truncated {
            return;
        }
        if honest {
            self.events.push((index, line, event));
        } else {
            self.forged.push(line);
        }
    }

    fn data(&mut self, honest: bool, pieces: &[Vec<u8>]) {
        let line = self.lines.len();
        let encoded: Vec<_> = pieces.iter().map(|piece| STANDARD.encode_to_string(piece)).collect();
        if self.push(format!("Program data: {}", encoded.join(" "))) && honest {
            self.factory_data.push(line);
        }
    }
}

/// Texts that a hostile program would print.
fn texts() -> impl Strategy<Value = String> {
    let imitation = |line: &str| Just(line.to_owned());
    prop_oneof![
        4 => "[ -~]{0,60}",
        1 => "\\PC{0,200}",
        1 => imitation(&format!("Program {FACTORY} invoke [1]")),
        1 => imitation(&format!("\nProgram {FACTORY} invoke [2]")),
        1 => imitation(&format!("Program {FACTORY} success")),
        1 => imitation("Log truncated"),
        1 => imitation(&format!("Program data: {}", STANDARD.encode_to_string(event(1, false).to_bytes().unwrap()))),
    ]
}

fn calls_of(steps: impl Strategy<Value = Step>) -> impl Strategy<Value = Call> {
    (0..PROGRAMS.len(), vec(steps, 0..6)).prop_map(|(program, steps)| Call { program, steps })
}

/// Transactions of up to five instructions, calling up to four levels deep.
pub(crate) fn transactions() -> impl Strategy<Value = Vec<Call>> {
    let leaf = prop_oneof![
        3 => texts().prop_map(Step::Log),
        4 => (0..1000u32, 1..4usize).prop_map(|(seed, slices)| Step::Event { seed, slices }),
        1 => vec(any::<u8>(), 0..40).prop_map(Step::Noise),
        1 => Just(Step::Consumed),
        1 => Just(Step::Return),
    ];
    let steps = leaf.prop_recursive(3, 40, 6, |inner| {
        let inner = inner.boxed();
        prop_oneof![2 => inner.clone(), 1 => calls_of(inner).prop_map(Step::Call)]
    });
    vec(calls_of(steps), 1..5)
}

/// The factory as the decoder takes it.
pub(crate) fn factory() -> Pubkey {
    assert_eq!(SESSION_FACTORY_ID.to_string(), FACTORY);
    SESSION_FACTORY_ID
}
