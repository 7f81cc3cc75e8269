//! The requests of a batch that have no answer yet.

use std::collections::BTreeMap;

use metrics::counter;
use session_chain::{AccountState, RentRate};
use session_events::session::SESSION_PROGRAM_ID;
use session_telemetry::names;
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;

use crate::batch::error::{CreationError, Outcome};
use crate::delivery::registry::Running;
use crate::flights::Answer;
use crate::request::claim::CreationRequest;
use crate::transaction::cost::Start;
use crate::transaction::plan::Creation;
use crate::verify::standing::{Standing, is_below_minimum, judge};

/// Transactions made for one request before its last trouble is its answer. Halving 45 creations down to one takes six.
const TRIES_MAX: u32 = 10;

/// Open requests by their PDAs, and the answers that nobody has taken yet.
pub(crate) struct OpenRequests {
    works: BTreeMap<Pubkey, Work>,
    answers: Vec<(CreationRequest, Answer)>,
}

/// An open request.
pub(crate) struct Work {
    pub(crate) creation: Creation,
    pub(crate) stage: Stage,
    /// Its answer, where nothing better comes.
    trouble: Option<CreationError>,
    tries: u32,
}

/// What is being done for an open request.
pub(crate) enum Stage {
    /// Its address is to be read.
    Unread,
    /// Nothing is there: a transaction is to be made.
    Missing,
    /// A program says that the account is there, and no reading shows it yet.
    SaidToExist,
    /// A transaction is under way.
    Under(Running),
}

impl OpenRequests {
    /// Requests with distinct PDAs. One whose address doesn't follow from its seeds is answered at once.
    pub(crate) fn new(requests: Vec<CreationRequest>) -> Self {
        let mut open = Self {
            works: BTreeMap::new(),
            answers: Vec::with_capacity(requests.len()),
        };
        for request in requests {
            match request.bump() {
                Ok(bump) => drop(open.works.insert(request.pda, Work::new(request, bump))),
                Err(rejection) => open.answers.push((request, Err(rejection.into()))),
            }
        }
        open
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.works.is_empty()
    }

    /// The answers since the last time.
    pub(crate) fn take_answers(&mut self) -> Vec<(CreationRequest, Answer)> {
        std::mem::take(&mut self.answers)
    }

    pub(crate) fn works(&self) -> impl Iterator<Item = (&Pubkey, &Work)> {
        self.works.iter()
    }

    /// Addresses to be read.
    pub(crate) fn to_read(&self) -> Vec<Pubkey> {
        let to_read = |work: &Work| matches!(work.stage, Stage::Unread | Stage::SaidToExist);
        self.works
            .iter()
            .filter(|(_, work)| to_read(work))
            .map(|(pda, _)| *pda)
            .collect()
    }

    /// Addresses where a program says that an account is.
    pub(crate) fn said_to_exist(&self) -> Vec<Pubkey> {
        let said = |work: &Work| matches!(work.stage, Stage::SaidToExist);
        let works = self.works.iter().filter(|(_, work)| said(work));
        works.map(|(pda, _)| *pda).collect()
    }

    /// What transactions are to be made for. Whoever has had all its tries is answered by its last trouble.
    pub(crate) fn take_missing(&mut self) -> Vec<Creation> {
        let is_missing = |work: &Work| matches!(work.stage, Stage::Missing);
        let tired: Vec<Pubkey> = self
            .works
            .iter()
            .filter(|(_, work)| is_missing(work) && work.tries >= TRIES_MAX)
            .map(|(pda, _)| *pda)
            .collect();
        for pda in tired {
            let error = self
                .works
                .get(&pda)
                .map_or_else(|| CreationError::no_time_left(None), Work::unfinished);
            self.answer(&pda, Err(error));
        }
        let missing = self.works.values().filter(|work| is_missing(work));
        missing.map(|work| work.creation.clone()).collect()
    }

    /// A transaction is made for these.
    pub(crate) fn under_way(&mut self, pdas: &[Pubkey], running: &Running) {
        for pda in pdas {
            if let Some(work) = self.works.get_mut(pda) {
                work.tries += 1;
                work.stage = Stage::Under(running.clone());
            }
        }
    }

    /// Joins the deliveries that are under way for open addresses already.
    pub(crate) fn join(&mut self, of: impl Fn(&Pubkey) -> Option<Running>) -> Vec<Running> {
        let mut joined: Vec<Running> = Vec::new();
        for (pda, work) in self
            .works
            .iter_mut()
            .filter(|(_, work)| !matches!(work.stage, Stage::Under(_)))
        {
            if let Some(running) = of(pda) {
                work.stage = Stage::Under(running.clone());
                if !joined.iter().any(|other| other.is(&running)) {
                    joined.push(running);
                }
            }
        }
        joined
    }

    /// Those that wait for this delivery, thrown back: their addresses are to be read again.
    pub(crate) fn throw_back(&mut self, ended: &Running) -> Vec<Pubkey> {
        let mut pdas = Vec::new();
        for (pda, work) in &mut self.works {
            if matches!(&work.stage, Stage::Under(running) if running.is(ended)) {
                work.stage = Stage::Unread;
                pdas.push(*pda);
            }
        }
        pdas
    }

    /// Answers a request whose account exists, and notes what is missing. `created_by` is the transaction that landed
    /// for it.
    pub(crate) fn judge(
        &mut self,
        pda: &Pubkey,
        account: Option<&AccountState>,
        created_by: Option<(Signature, u64)>,
        rent: RentRate,
    ) {
        let Some(work) = self.works.get_mut(pda) else { return };
        match judge(&work.creation.request, account) {
            Standing::Missing { prefunded } => {
                let start = if prefunded > 0 { Start::Lamports } else { Start::Nothing };
                work.start_from(start, prefunded);
            }
            // Programs need not grow what somebody else has created too short. One that says that it is there does not,
            // but for the program `session`: there the reading is late.
            Standing::Short { mismatch, .. }
                if matches!(work.stage, Stage::SaidToExist)
                    && work.creation.request.owner_program != SESSION_PROGRAM_ID =>
            {
                self.answer(pda, Err(CreationError::Mismatched(mismatch)));
            }
            Standing::Short { lamports, .. } => work.start_from(Start::Short, lamports),
            Standing::Verified => {
                if account.is_some_and(|account| is_below_minimum(account, rent)) {
                    counter!(names::ACCOUNTS_BELOW_RENT_MINIMUM_TOTAL).increment(1);
                }
                let outcome = created_by.map_or(Outcome::AlreadyExisted, |(signature, slot)| Outcome::Created {
                    signature,
                    slot,
                });
                self.answer(pda, Ok(outcome));
            }
            Standing::Mismatched(mismatch) => self.answer(pda, Err(CreationError::Mismatched(mismatch))),
        }
    }

    /// What went wrong with a request that stays open.
    pub(crate) fn trouble(&mut self, pda: &Pubkey, trouble: CreationError) {
        if let Some(work) = self.works.get_mut(pda) {
            work.trouble = Some(trouble);
        }
    }

    /// A program says that the account is there.
    pub(crate) fn mark_said_to_exist(&mut self, pda: &Pubkey) {
        if let Some(work) = self.works.get_mut(pda) {
            work.stage = Stage::SaidToExist;
        }
    }

    pub(crate) fn answer(&mut self, pda: &Pubkey, answer: Answer) {
        if let Some(work) = self.works.remove(pda) {
            self.answers.push((work.creation.request, answer));
        }
    }

    /// Time is up: what is still open has its transaction, or its last trouble, as its answer.
    pub(crate) fn close(&mut self) {
        for (_, work) in std::mem::take(&mut self.works) {
            let error = work.unfinished();
            self.answers.push((work.creation.request, Err(error)));
        }
    }
}

impl Work {
    fn new(request: CreationRequest, bump: u8) -> Self {
        Self {
            creation: Creation {
                request,
                bump,
                start: Start::Nothing,
                prefunded: 0,
            },
            stage: Stage::Unread,
            trouble: None,
            tries: 0,
        }
    }

    /// The account is still to be made of what is at its address.
    fn start_from(&mut self, start: Start, lamports: u64) {
        self.creation.start = start;
        self.creation.prefunded = lamports;
        // What a program says is there, and a reading does not show yet, is not made again.
        if !matches!(self.stage, Stage::SaidToExist) {
            self.stage = Stage::Missing;
        }
    }

    fn unfinished(&self) -> CreationError {
        match (&self.stage, &self.trouble) {
            (Stage::Under(running), _) => CreationError::no_time_left(running.signature()),
            (Stage::SaidToExist, _) | (_, None) => CreationError::no_time_left(None),
            (_, Some(trouble)) => trouble.clone(),
        }
    }
}
