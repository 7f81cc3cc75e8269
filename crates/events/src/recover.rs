//! Finds events in a transaction's instructions, which truncation cannot touch.
//!
//! Two sources, both written by the runtime and neither by a program:
//!
//! - Instructions that the factory sent to itself in order to record an event (Anchor's `emit_cpi!`). Anybody can send
//!   such an instruction, so it counts only if the factory itself was the caller.
//! - The factory's own `request_session_creation`: in a transaction that succeeded, its arguments and the slot
//!   determine the `PDAComputedEvent` that it logged, whoever called it.
//!
//! What is in neither cannot be recovered here and is listed in [`Recovery::unrecovered`]: the lifecycle events that were
//! only logged, and events of instructions that this crate doesn't know. `SessionCreatedEvent` is not rebuilt, because
//! its clock and attestation are in the logs alone; nor is an optimistic session's `PDAComputedEvent`, which asks for
//! nothing. Sessions that are still waited for are then found in the factory's accounts.

use solana_pubkey::Pubkey;

use crate::{
    decoded::Decoded,
    discriminator::Discriminator,
    event::Event,
    factory::{EVENT_INSTRUCTION, INITIALIZE, SessionRequest, event_authority_address},
    known::{KnownEvents, Understood},
    refusal::RefusalReason,
};

/// One instruction that was executed, with its accounts resolved to addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutedInstruction {
    /// The program.
    pub program: Pubkey,
    /// Its accounts, in order.
    pub accounts: Vec<Pubkey>,
    /// Its data.
    pub data: Vec<u8>,
    /// 1 for a transaction's own instructions, 2 for those that they call, and so on; `None` if the node doesn't say.
    pub stack_height: Option<u32>,
}

/// What a transaction's instructions hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Events, in the order of execution.
    pub events: Vec<RecoveredEvent>,
    /// Instructions of the factory that hold no event, or none that can be believed.
    pub unrecovered: Vec<Unrecovered>,
}

/// An event that was not read from logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredEvent {
    /// Position in the list of instructions that was given.
    pub instruction: usize,
    /// The event.
    pub event: Event,
    /// Where it was found.
    pub means: Means,
}

/// Where a recovered event was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Means {
    /// In an instruction that the factory sent to itself.
    SelfInstruction,
    /// In the arguments of `request_session_creation`.
    RequestArguments,
}

/// An instruction of the factory whose events, if it had any, are not recovered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecovered {
    /// Position in the list of instructions that was given.
    pub instruction: usize,
    /// Why.
    pub reason: UnrecoveredReason,
}

/// Why an instruction of the factory gave no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnrecoveredReason {
    /// An event instruction that another program, or the transaction itself, sent to the factory.
    #[error("the event instruction was sent by {}, not by the factory", sender(*caller))]
    ForeignCaller {
        /// The program that sent it; `None` for the transaction itself.
        caller: Option<Pubkey>,
    },
    /// The node does not say how instructions called each other.
    #[error(
        "the stack height is missing or contradicts the instruction before, so nobody knows who sent the event instruction"
    )]
    UnknownCaller,
    /// An event instruction without the factory's signing address.
    #[error("the event instruction's first account is not the event authority {expected}")]
    WrongEventAuthority {
        /// The address that should have been there.
        expected: Pubkey,
    },
    /// An event instruction whose data is no event.
    #[error("the event instruction holds no event: {0}")]
    Undecodable(RefusalReason),
    /// An event that only the user's IDL knows.
    #[error("{name} is known from the IDL alone, and such events are only read from logs")]
    Declared {
        /// Its name in the IDL.
        name: String,
    },
    /// A request whose arguments do not decode or have no address.
    #[error("the arguments of request_session_creation tell no event: {detail}")]
    Request {
        /// What is wrong with them.
        detail: String,
    },
    /// An instruction whose events are only logged.
    #[error("events of the instruction with discriminator {discriminator:?} are only in the logs")]
    LogsOnly {
        /// First eight bytes of its data, or as many as there are and zeroes.
        discriminator: Discriminator,
    },
}

fn sender(caller: Option<Pubkey>) -> String {
    caller.map_or_else(|| "the transaction".to_owned(), |program| format!("program {program}"))
}

impl Recovery {
    /// The events that the logs do not hold. Two `PDAComputedEvent`s are the same if they ask for the same address, so
    /// that what was logged is right about everything else.
    #[must_use]
    pub fn missing_from(self, logged: &Decoded) -> Vec<RecoveredEvent> {
        let mut logged: Vec<&Event> = logged.events.iter().map(|logged| &logged.event).collect();
        let mut missing = self.events;
        missing.retain(|recovered| {
            let known = logged.iter().position(|event| is_same(event, &recovered.event));
            known.map(|position| logged.swap_remove(position)).is_none()
        });
        missing
    }
}

fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::PdaComputed(one), Event::PdaComputed(other)) if one.asks_for_account() => {
            one.expected_pda == other.expected_pda
        }
        _ => one == other,
    }
}

/// Who sent an instruction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    Transaction,
    Program(Pubkey),
    Unknown,
}

pub(crate) fn run(factory: &Pubkey, known: &KnownEvents, instructions: &[ExecutedInstruction], slot: u64) -> Recovery {
    let mut recovery = Recovery::default();
    let mut callers: Vec<Pubkey> = Vec::new();
    for (position, instruction) in instructions.iter().enumerate() {
        let caller = enter(&mut callers, instruction);
        if instruction.program != *factory {
            continue;
        }
        match event_in(instruction, caller, known, slot) {
            Ok(Some((event, means))) => recovery.events.push(RecoveredEvent {
                instruction: position,
                event,
                means,
            }),
            Ok(None) => {}
            Err(reason) => recovery.unrecovered.push(Unrecovered {
                instruction: position,
                reason,
            }),
        }
    }
    drop_rebuilt_twice(&mut recovery.events);
    recovery
}

/// Puts the instruction on the stack of those that are being executed, and tells who is below it.
fn enter(callers: &mut Vec<Pubkey>, instruction: &ExecutedInstruction) -> Caller {
    let depth = instruction
        .stack_height
        .and_then(|height| usize::try_from(height).ok()?.checked_sub(1));
    let Some(depth) = depth.filter(|&depth| depth <= callers.len()) else {
        // What this one calls has no known caller either.
        callers.clear();
        return Caller::Unknown;
    };
    callers.truncate(depth);
    let caller = callers
        .last()
        .map_or(Caller::Transaction, |&program| Caller::Program(program));
    callers.push(instruction.program);
    caller
}

fn event_in(
    instruction: &ExecutedInstruction,
    caller: Caller,
    known: &KnownEvents,
    slot: u64,
) -> Result<Option<(Event, Means)>, UnrecoveredReason> {
    let data = instruction.data.as_slice();
    if let Some(payload) = data.strip_prefix(&EVENT_INSTRUCTION) {
        check_sender(instruction, caller)?;
        return match known.understand(payload) {
            Ok(Understood::BuiltIn(event)) => Ok(Some((event, Means::SelfInstruction))),
            Ok(Understood::Declared { name, .. }) => Err(UnrecoveredReason::Declared { name }),
            Err(reason) => Err(UnrecoveredReason::Undecodable(reason)),
        };
    }
    if let Some(request) = SessionRequest::from_data(data) {
        let tell = |detail: String| UnrecoveredReason::Request { detail };
        let request = request.map_err(|error| tell(error.to_string()))?;
        let event = request.expected_event(slot).map_err(|error| tell(error.to_string()))?;
        return Ok(Some((event.into(), Means::RequestArguments)));
    }
    if data == INITIALIZE {
        return Ok(None);
    }
    let mut discriminator = Discriminator::default();
    discriminator.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    Err(UnrecoveredReason::LogsOnly { discriminator })
}

/// An event instruction is the factory's word only if the factory sent it, signing with the address that only it can sign for.
fn check_sender(instruction: &ExecutedInstruction, caller: Caller) -> Result<(), UnrecoveredReason> {
    match caller {
        Caller::Program(program) if program == instruction.program => {}
        Caller::Program(program) => return Err(UnrecoveredReason::ForeignCaller { caller: Some(program) }),
        Caller::Transaction => return Err(UnrecoveredReason::ForeignCaller { caller: None }),
        Caller::Unknown => return Err(UnrecoveredReason::UnknownCaller),
    }
    match event_authority_address(&instruction.program) {
        Ok((expected, _)) if instruction.accounts.first() != Some(&expected) => {
            Err(UnrecoveredReason::WrongEventAuthority { expected })
        }
        _ => Ok(()),
    }
}

/// A factory that records its events in instructions has its requests rebuilt from arguments as well: once is enough.
fn drop_rebuilt_twice(events: &mut Vec<RecoveredEvent>) {
    let told: Vec<Event> = events
        .iter()
        .filter(|recovered| recovered.means == Means::SelfInstruction)
        .map(|recovered| recovered.event.clone())
        .collect();
    events.retain(|recovered| {
        recovered.means == Means::SelfInstruction || !told.iter().any(|event| is_same(event, &recovered.event))
    });
}
