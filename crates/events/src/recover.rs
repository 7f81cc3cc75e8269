//! Finds events in a transaction's instructions, which truncation cannot touch.
//!
//! Two sources, both written by the runtime and neither by a program:
//!
//! - Instructions that the factory sent to itself in order to record an event (Anchor's `emit_cpi!`). Anybody can send
//!   such an instruction, so it counts only if the factory itself was the caller.
//! - The factory's own `request_session_creation` and `create_optimistic_session`: in a transaction that succeeded, their
//!   arguments, the session program and the slot determine the `PDAComputedEvent` that was logged, whoever called.
//!
//! What is in neither cannot be recovered here and is listed in [`Recovery::unrecovered`]: the lifecycle events that were
//! only logged, and events of instructions that this crate doesn't know. `SessionCreatedEvent` is not rebuilt, because
//! its clock and attestation are in the logs alone. Sessions that are still waited for are then found in the factory's
//! accounts.

use solana_pubkey::Pubkey;

use crate::{
    SessionStatus,
    decoded::{DeclaredEvent, Decoded},
    discriminator::Discriminator,
    event::Event,
    factory::{
        Arguments, CLOSE_SESSION, EVENT_INSTRUCTION, INITIALIZE, OptimisticRequest, SessionRequest, StatusUpdate,
        event_authority_address, instruction_name,
    },
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
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recovery {
    /// Events, in the order of execution.
    pub events: Vec<RecoveredEvent>,
    /// Events that only the user's IDL knows, or knows otherwise; their index is the position of their instruction.
    pub declared: Vec<DeclaredEvent>,
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
    /// In the arguments of an instruction that always emits it.
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
    /// A request whose arguments do not decode or have no address.
    #[error("the arguments of {instruction} tell no event: {detail}")]
    Request {
        /// Name of the instruction.
        instruction: &'static str,
        /// What is wrong with them.
        detail: String,
    },
    /// An instruction whose events are only logged.
    #[error("events of {} are only in the logs", named(*discriminator))]
    LogsOnly {
        /// First eight bytes of its data, or as many as there are and zeroes.
        discriminator: Discriminator,
    },
}

impl UnrecoveredReason {
    /// The reason as a metric's label.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignCaller { .. } => "foreign_caller",
            Self::UnknownCaller => "unknown_caller",
            Self::WrongEventAuthority { .. } => "wrong_event_authority",
            Self::Undecodable(_) => "undecodable",
            Self::Request { .. } => "request",
            Self::LogsOnly { .. } => "logs_only",
        }
    }

    /// Whether the instruction has nothing to say that complete logs would not hold as well.
    #[must_use]
    pub const fn is_in_logs(&self) -> bool {
        matches!(self, Self::Request { .. } | Self::LogsOnly { .. })
    }
}

fn sender(caller: Option<Pubkey>) -> String {
    caller.map_or_else(|| "the transaction".to_owned(), |program| format!("program {program}"))
}

fn named(discriminator: Discriminator) -> String {
    instruction_name(&discriminator).map_or_else(
        || format!("the instruction with discriminator {discriminator:?}"),
        ToOwned::to_owned,
    )
}

impl Recovery {
    /// Only what the factory told itself: where logs are complete, a request without a logged event has emitted none, and
    /// nobody may make one up from its arguments.
    #[must_use]
    pub fn told(mut self) -> Self {
        self.events
            .retain(|recovered| recovered.means == Means::SelfInstruction);
        self.unrecovered.retain(|unrecovered| !unrecovered.reason.is_in_logs());
        self
    }

    /// Takes out what the logs hold already. Two `PDAComputedEvent`s are the same if they are about the same session, so that
    /// what was logged is right about everything else.
    #[must_use]
    pub fn missing_from(mut self, logged: &Decoded) -> Self {
        let mut known: Vec<&Event> = logged.events.iter().map(|logged| &logged.event).collect();
        self.events.retain(|recovered| {
            let same = known.iter().position(|event| is_same(event, &recovered.event));
            same.map(|position| known.swap_remove(position)).is_none()
        });
        let mut known: Vec<&DeclaredEvent> = logged.declared.iter().collect();
        self.declared.retain(|recovered| {
            let same = |logged: &&DeclaredEvent| logged.name == recovered.name && logged.fields == recovered.fields;
            let same = known.iter().position(same);
            same.map(|position| known.swap_remove(position)).is_none()
        });
        self
    }
}

fn is_same(one: &Event, other: &Event) -> bool {
    match (one, other) {
        (Event::PdaComputed(one), Event::PdaComputed(other)) => {
            (one.owner, &one.session_id) == (other.owner, &other.session_id)
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

/// What an instruction of the factory holds.
enum Held {
    Nothing,
    Event(Event, Means),
    Declared { name: String, fields: serde_json::Value },
}

/// What a transaction's instructions are read by.
pub(crate) struct Rules<'d> {
    pub(crate) factory: &'d Pubkey,
    /// The program that sessions belong to.
    pub(crate) session_program: &'d Pubkey,
    pub(crate) known: &'d KnownEvents,
    /// The transaction's.
    pub(crate) slot: u64,
}

impl Rules<'_> {
    pub(crate) fn recover(&self, instructions: &[ExecutedInstruction]) -> Recovery {
        let mut recovery = Recovery::default();
        let mut callers: Vec<Pubkey> = Vec::new();
        for (position, instruction) in instructions.iter().enumerate() {
            let caller = enter(&mut callers, instruction);
            if instruction.program != *self.factory {
                continue;
            }
            match self.held(instruction, caller) {
                Ok(Held::Nothing) => {}
                Ok(Held::Event(event, means)) => recovery.events.push(RecoveredEvent {
                    instruction: position,
                    event,
                    means,
                }),
                Ok(Held::Declared { name, fields }) => recovery.declared.push(DeclaredEvent {
                    index: u32::try_from(position).unwrap_or(u32::MAX),
                    name,
                    fields,
                }),
                Err(reason) => recovery.unrecovered.push(Unrecovered {
                    instruction: position,
                    reason,
                }),
            }
        }
        drop_rebuilt_twice(&mut recovery.events);
        recovery
    }

    fn held(&self, instruction: &ExecutedInstruction, caller: Caller) -> Result<Held, UnrecoveredReason> {
        let data = instruction.data.as_slice();
        if let Some(payload) = data.strip_prefix(&EVENT_INSTRUCTION) {
            check_sender(instruction, caller)?;
            return match self.known.understand(payload) {
                Ok(Understood::BuiltIn(event)) => Ok(Held::Event(event, Means::SelfInstruction)),
                Ok(Understood::Declared { name, fields }) => Ok(Held::Declared { name, fields }),
                Err(reason) => Err(UnrecoveredReason::Undecodable(reason)),
            };
        }
        if let Some(event) = self.requested(data) {
            return event.map(|event| Held::Event(event, Means::RequestArguments));
        }
        if data.starts_with(&INITIALIZE) || data.starts_with(&CLOSE_SESSION) || is_silent_update(data) {
            return Ok(Held::Nothing);
        }
        let mut discriminator = Discriminator::default();
        discriminator.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        Err(UnrecoveredReason::LogsOnly { discriminator })
    }

    /// The event that follows from the arguments of an instruction that always emits it.
    fn requested(&self, data: &[u8]) -> Option<Result<Event, UnrecoveredReason>> {
        let tell = |instruction| move |detail: String| UnrecoveredReason::Request { instruction, detail };
        if let Some(request) = SessionRequest::from_data(data) {
            let tell = tell("request_session_creation");
            let request = request.map_err(|error| tell(error.to_string()));
            return Some(request.and_then(|request| {
                let event = request.expected_event(self.session_program, self.slot);
                event.map(Event::from).map_err(|error| tell(error.to_string()))
            }));
        }
        let request = OptimisticRequest::from_data(data)?;
        let event = request.map(|request| request.expected_event(self.session_program, self.slot).into());
        Some(event.map_err(|error| tell("create_optimistic_session")(error.to_string())))
    }
}

/// Only an update into Active emits an event.
fn is_silent_update(data: &[u8]) -> bool {
    matches!(StatusUpdate::from_data(data), Some(Ok(StatusUpdate { new_status })) if new_status != SessionStatus::Active)
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
