//! `request_session_creation(…)` and `create_optimistic_session(…)`

use borsh_bytes::{Malformed, Reader, Strings};
use pinocchio::{AccountView, Address, ProgramResult, address::MAX_SEED_LEN, error::ProgramError};

use crate::{
    SESSION_PROGRAM_ID,
    anchor::{self, Accounts, AnchorError, Init},
    entry::{self, ENTRY_SEED, Session},
    error::{FactoryError, require},
    events::{self, Creation},
    log,
    moment::Moment,
    state::StateAccount,
};

/// First seed of a session's address, under the session program.
const SESSION_SEED: &[u8] = b"session";

const MAX_NAMESPACES: u32 = 10;

/// What an optimistic session has in the place of addresses.
const NO_ADDRESS: [u8; 32] = [0; 32];

/// What an entry's account depends on. Strings and lists are slices of the instruction's data.
struct Named<'a> {
    owner: &'a [u8; 32],
    session_id: &'a [u8],
    namespaces: Strings<'a>,
}

/// What somebody asks for.
struct Request<'a> {
    named: Named<'a>,
    eval_program: &'a [u8; 32],
    shard_address: &'a [u8; 32],
}

impl<'a> Request<'a> {
    fn read(arguments: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(arguments);
        let owner = reader.array()?;
        let eval_program = reader.array()?;
        Ok(Self {
            named: Named {
                owner,
                session_id: reader.string()?,
                namespaces: reader.strings()?,
            },
            eval_program,
            shard_address: reader.array()?,
        })
    }

    fn check(&self) -> ProgramResult {
        let named = &self.named;
        require(*named.owner != NO_ADDRESS, FactoryError::InvalidOwner)?;
        require(*self.eval_program != NO_ADDRESS, FactoryError::InvalidEvalProgram)?;
        require(*self.shard_address != NO_ADDRESS, FactoryError::InvalidShard)?;
        require(!named.session_id.is_empty(), FactoryError::InvalidSessionId)?;
        require(
            named.namespaces.count <= MAX_NAMESPACES,
            FactoryError::TooManyNamespaces,
        )
    }
}

/// Records the request and logs that the session's account is to be created.
pub(crate) fn request_session_creation(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    log::instruction("Instruction: RequestSessionCreation");
    let request = Request::read(arguments).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let named = &request.named;
    let prepared = Prepared::new(program_id, accounts, named)?;
    request.check()?;
    let seeds: [&[u8]; 3] = [SESSION_SEED, named.owner, named.session_id];
    let (address, _) =
        Address::try_find_program_address(&seeds, &SESSION_PROGRAM_ID).ok_or(ProgramError::InvalidSeeds)?;
    let session = Session {
        address: address.as_array(),
        owner: named.owner,
        eval_program: request.eval_program,
        shard_address: request.shard_address,
        session_id: named.session_id,
        namespaces: named.namespaces,
    };
    let factory = prepared.state.account.address().to_bytes();
    let creation = Creation {
        method: "direct_request",
        capability: "session_factory.create_session",
        factory_address: &factory,
        factory_version: prepared.state.state.version,
        moment: Moment::now()?,
    };
    prepared.record(&session, &creation)
}

/// Records a session that will do without an account for now.
pub(crate) fn create_optimistic_session(
    program_id: &Address,
    accounts: &mut [AccountView],
    arguments: &[u8],
) -> ProgramResult {
    log::instruction("Instruction: CreateOptimisticSession");
    let named = read_optimistic(arguments).map_err(|_| AnchorError::InstructionDidNotDeserialize)?;
    let prepared = Prepared::new(program_id, accounts, &named)?;
    require(!named.session_id.is_empty(), FactoryError::InvalidSessionId)?;
    let session = Session {
        address: &NO_ADDRESS,
        owner: named.owner,
        eval_program: &NO_ADDRESS,
        shard_address: &NO_ADDRESS,
        session_id: named.session_id,
        namespaces: named.namespaces,
    };
    let creation = Creation {
        method: "optimistic_session",
        capability: "session_factory.create_optimistic_session",
        factory_address: &NO_ADDRESS,
        factory_version: prepared.state.state.version,
        moment: Moment::now()?,
    };
    prepared.record(&session, &creation)
}

fn read_optimistic(arguments: &[u8]) -> Result<Named<'_>, Malformed> {
    let mut reader = Reader::new(arguments);
    Ok(Named {
        owner: reader.array()?,
        session_id: reader.string()?,
        namespaces: Strings::NONE,
    })
}

/// The accounts of both instructions, checked, with the entry's created.
struct Prepared<'a> {
    entry: &'a mut AccountView,
    state: StateAccount<'a>,
    bump: u8,
}

impl<'a> Prepared<'a> {
    fn new(program_id: &Address, accounts: &'a mut [AccountView], named: &Named<'_>) -> Result<Self, ProgramError> {
        let mut accounts = Accounts::new(accounts);
        let requester = accounts.signer()?;
        let state = StateAccount::take(&mut accounts, program_id)?;
        let entry = accounts.next()?;
        accounts.system_program()?;
        // No address has such a seed, and looking for one would abort the program.
        require(named.session_id.len() <= MAX_SEED_LEN, FactoryError::InvalidSessionId)?;
        let bump = Init {
            account: &mut *entry,
            payer: requester,
            program_id,
            space: entry::space(named.session_id, &named.namespaces),
        }
        .at_each([ENTRY_SEED, named.owner, named.session_id])?;
        anchor::require_writable(requester)?;
        state.require_writable_state(program_id)?;
        Ok(Self { entry, state, bump })
    }

    /// Writes the entry, counts the session and logs its two events.
    fn record(mut self, session: &Session<'_>, creation: &Creation<'_>) -> ProgramResult {
        log::event(&events::session_created(session, creation));
        log::event(&events::pda_computed(session, creation.moment.slot));
        entry::write_requested(self.entry, session, creation.moment.unix_timestamp, self.bump)?;
        self.state.state.count_session();
        self.state.store()
    }
}
