//! From creations to transactions: as many in each as bytes, compute units, addresses and the runtime's instruction
//! trace allow. Pure.

use session_chain::RentRate;
use session_events::session::MEMBER_ERROR;
use solana_message::v1::MAX_ADDRESSES;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::instruction::{Instruction, InstructionError};

use crate::config::MarkCreated;
use crate::request::claim::CreationRequest;
use crate::transaction::cost::{self, MAX_COMPUTE_UNITS, Start, TRACE_ENTRIES};
use crate::transaction::instruction::InstructionShape;
use crate::transaction::marking;
use crate::transaction::message::{Terms, WireFormat, transaction_bytes};
use crate::transaction::program_error::{FIRST_OWN_CODE, SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS};
use crate::transaction::units;

/// One account to create, and what the chain says of its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) request: CreationRequest,
    pub(crate) bump: u8,
    pub(crate) start: Start,
    /// Lamports that are at the address already.
    pub(crate) prefunded: u64,
}

impl Creation {
    /// Lamports that are still missing to rent exemption.
    pub(crate) fn rent_due(&self, rent: RentRate) -> u64 {
        rent.exempt_minimum(self.request.size).saturating_sub(self.prefunded)
    }
}

/// The rules of one plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) format: WireFormat,
    pub(crate) shape: &'a InstructionShape,
    pub(crate) mark_created: Option<MarkCreated>,
    /// Compute units that the owner program takes for a creation, beside what its address and size take.
    pub(crate) base_units: u32,
    /// Creations in one transaction at most; lowered when the runtime says that there were too many.
    pub(crate) max_creations: usize,
}

/// The creations of one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) creations: Vec<Creation>,
    /// Compute units that they need together.
    pub(crate) compute_units: u32,
}

/// What an instruction does for its creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Mark,
}

/// Whom one instruction of a transaction serves: creations by their places in the group.
enum Part {
    One(usize, Step),
    Many(Vec<usize>),
}

/// Cuts `creations` into transactions, in order. Every creation is in exactly one.
pub(crate) fn plan(creations: Vec<Creation>, rules: Rules<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for creation in creations {
        match groups.last_mut() {
            Some(group) if group.has_room_for(&creation, rules) => group.push(creation, rules),
            _ => {
                let mut group = Group {
                    creations: Vec::new(),
                    compute_units: 0,
                };
                group.push(creation, rules);
                groups.push(group);
            }
        }
    }
    groups
}

impl Group {
    /// The addresses of the accounts that it creates.
    pub(crate) fn pdas(&self) -> Vec<Pubkey> {
        self.creations.iter().map(|creation| creation.request.pda).collect()
    }

    /// The instructions: what creates first, and what marks after it.
    pub(crate) fn instructions(&self, payer: &Pubkey, rules: Rules<'_>) -> Vec<Instruction> {
        let built = self.parts(payer, rules).into_iter();
        built.map(|(_, instruction)| instruction).collect()
    }

    /// The creation that is to blame for the error of an instruction, what the instruction does for it, and its own
    /// error. `place` is the instruction's in the transaction. `None` where an instruction for many does not say whose
    /// error it is.
    pub(crate) fn culprit(
        &self,
        place: usize,
        error: &InstructionError,
        terms: Terms,
        rules: Rules<'_>,
    ) -> Option<(&Creation, Step, InstructionError)> {
        match self.part_at(place, terms, rules)? {
            Part::One(member, step) => Some((&self.creations[member], step, error.clone())),
            Part::Many(members) => {
                let (member, error) = member_error(error)?;
                let creation = &self.creations[*members.get(member)?];
                Some((creation, Step::Create, error))
            }
        }
    }

    /// The creation that an instruction serves alone, by the instruction's place in the transaction.
    pub(crate) fn creation_at(&self, place: usize, terms: Terms, rules: Rules<'_>) -> Option<(&Creation, Step)> {
        match self.part_at(place, terms, rules)? {
            Part::One(member, step) => Some((&self.creations[member], step)),
            Part::Many(_) => None,
        }
    }

    fn part_at(&self, place: usize, terms: Terms, rules: Rules<'_>) -> Option<Part> {
        let place = place.checked_sub(rules.format.first_instruction(terms))?;
        let parts = self.parts(&STAND_IN_PAYER, rules).into_iter();
        parts.map(|(part, _)| part).nth(place)
    }

    /// Every instruction with whom it serves. Creations of one program share an instruction, where the program has one for
    /// many and there is more than one of them.
    fn parts(&self, payer: &Pubkey, rules: Rules<'_>) -> Vec<(Part, Instruction)> {
        let mut parts: Vec<_> = self
            .by_program(rules)
            .into_iter()
            .map(|(program, members)| self.creating(payer, &program, members, rules))
            .collect();
        if let Some(mark) = rules.mark_created {
            parts.extend(self.creations.iter().enumerate().filter_map(|(member, creation)| {
                let instruction = marking::instruction(mark, &creation.request)?;
                Some((Part::One(member, Step::Mark), instruction))
            }));
        }
        parts
    }

    /// Places of the creations that share an instruction, with their program.
    fn by_program(&self, rules: Rules<'_>) -> Vec<(Pubkey, Vec<usize>)> {
        let mut programs: Vec<(Pubkey, Vec<usize>)> = Vec::new();
        for (member, creation) in self.creations.iter().enumerate() {
            let program = creation.request.owner_program;
            let shared = programs.iter_mut().find(|(other, _)| *other == program);
            match shared.filter(|_| rules.shape.batch.is_some()) {
                Some((_, members)) => members.push(member),
                None => programs.push((program, vec![member])),
            }
        }
        programs
    }

    fn creating(&self, payer: &Pubkey, program: &Pubkey, members: Vec<usize>, rules: Rules<'_>) -> (Part, Instruction) {
        let request = |member: &usize| &self.creations[*member].request;
        if let ([_, _, ..], Some(batch)) = (&members[..], &rules.shape.batch) {
            let requests: Vec<_> = members.iter().map(request).collect();
            let instruction = rules.shape.batch_instruction(batch, payer, program, &requests);
            (Part::Many(members), instruction)
        } else {
            let member = members.first().copied().unwrap_or_default();
            let instruction = rules.shape.instruction(payer, request(&member));
            (Part::One(member, Step::Create), instruction)
        }
    }

    /// Of the compute units that the transaction took, each creation's share beside what is known of its address and size.
    pub(crate) fn units_beside_known(&self, consumed: u64, rules: Rules<'_>) -> u32 {
        let known_rules = Rules { base_units: 0, ..rules };
        let known = self
            .creations
            .iter()
            .map(|creation| known_rules.compute_units(creation));
        let known = known.fold(0_u32, u32::saturating_add);
        let consumed = u32::try_from(consumed).unwrap_or(u32::MAX);
        let members = u32::try_from(self.creations.len()).unwrap_or(u32::MAX).max(1);
        // The margin is of all that was taken: what is known is known of one program, and another one counts otherwise.
        let with_margin = consumed.saturating_add(consumed / units::MARGIN_PART);
        with_margin.saturating_sub(known).div_ceil(members)
    }

    fn push(&mut self, creation: Creation, rules: Rules<'_>) {
        self.compute_units = self
            .compute_units
            .saturating_add(rules.compute_units(&creation))
            .min(MAX_COMPUTE_UNITS);
        self.creations.push(creation);
    }

    fn has_room_for(&self, creation: &Creation, rules: Rules<'_>) -> bool {
        let mut grown = self.clone();
        let compute_units = self.compute_units.saturating_add(rules.compute_units(creation));
        grown.push(creation.clone(), rules);
        grown.creations.len() <= rules.max_creations
            && compute_units <= MAX_COMPUTE_UNITS
            && grown.trace_entries(rules) <= TRACE_ENTRIES
            && grown.fits_the_wire(rules)
    }

    fn trace_entries(&self, rules: Rules<'_>) -> usize {
        let calls: usize = self.creations.iter().map(|creation| cost::calls(creation.start)).sum();
        let marks = if rules.mark_created.is_some() {
            self.creations.len()
        } else {
            0
        };
        rules.format.own_trace_entries() + self.by_program(rules).len() + calls + marks
    }

    /// Compiles the transaction for a stand-in payer: the exact size is what counts.
    fn fits_the_wire(&self, rules: Rules<'_>) -> bool {
        let payer = rules.mark_created.map_or(STAND_IN_PAYER, |mark| mark.authority);
        let terms = Terms {
            compute_units: self.compute_units,
            priority_fee_lamports: u64::MAX,
        };
        let instructions = self.instructions(&payer, rules);
        rules
            .format
            .compile(&payer, &instructions, Hash::default(), terms)
            .is_ok_and(|message| {
                message.static_account_keys().len() <= usize::from(MAX_ADDRESSES)
                    && transaction_bytes(&message) <= rules.format.max_bytes()
            })
    }
}

impl Rules<'_> {
    fn compute_units(self, creation: &Creation) -> u32 {
        let creating = cost::compute_units(self.base_units, creation.request.size, creation.bump, creation.start);
        let marking = if self.mark_created.is_some() {
            marking::COMPUTE_UNITS
        } else {
            0
        };
        creating.saturating_add(marking)
    }
}

/// Stands for any payer in size calculations: no program and no session has this address.
const STAND_IN_PAYER: Pubkey = Pubkey::new_from_array([0xfe; 32]);

/// The place and the own error of the member that an instruction for many failed for, where it says so. What is everybody's,
/// such as an empty wallet, is told as the first one's.
fn member_error(error: &InstructionError) -> Option<(usize, InstructionError)> {
    let InstructionError::Custom(code) = error else {
        return None;
    };
    let own = code / MEMBER_ERROR;
    if own >= FIRST_OWN_CODE {
        let place = usize::try_from(code % MEMBER_ERROR).ok()?;
        return Some((place, InstructionError::Custom(own)));
    }
    (*code == SYSTEM_RESULT_WITH_NEGATIVE_LAMPORTS).then(|| (0, error.clone()))
}

#[cfg(test)]
mod tests;
