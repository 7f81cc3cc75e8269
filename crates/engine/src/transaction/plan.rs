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
        match (&members[..], &rules.shape.batch) {
            ([_, _, ..], Some(batch)) => {
                let requests: Vec<_> = members.iter().map(request).collect();
                let instruction = rules.shape.batch_instruction(batch, payer, program, &requests);
                (Part::Many(members), instruction)
            }
            _ => {
                let member = members.first().copied().unwrap_or_default();
                let instruction = rules.shape.instruction(payer, request(&member));
                (Part::One(member, Step::Create), instruction)
            }
        }
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
        let creating = cost::compute_units(creation.request.size, creation.bump, creation.start);
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
mod tests {
    use proptest::prelude::*;
    use session_events::factory::SESSION_FACTORY_ID;
    use session_events::session::SESSION_PROGRAM_ID;
    use session_events::session_address;

    use super::*;

    fn creation(seed: u64, session_id: String, size: u64, prefunded: u64) -> Creation {
        let mut owner = [7; 32];
        owner[..8].copy_from_slice(&seed.to_le_bytes());
        let session_owner = Pubkey::new_from_array(owner);
        let (pda, bump) = session_address(&SESSION_PROGRAM_ID, &session_owner, &session_id).unwrap();
        let request = CreationRequest {
            pda,
            owner_program: SESSION_PROGRAM_ID,
            session_owner,
            session_id,
            size,
            requester: None,
            asked_at_slot: None,
        };
        let start = if prefunded > 0 { Start::Lamports } else { Start::Nothing };
        Creation {
            request,
            bump,
            start,
            prefunded,
        }
    }

    /// One instruction each.
    fn singly() -> InstructionShape {
        InstructionShape {
            batch: None,
            ..InstructionShape::default()
        }
    }

    fn rules(format: WireFormat, shape: &InstructionShape) -> Rules<'_> {
        Rules {
            format,
            shape,
            mark_created: None,
            max_creations: usize::MAX,
        }
    }

    fn sizes(count: u64, prefunded: u64, format: WireFormat, shape: &InstructionShape) -> Vec<usize> {
        let creations = (0..count)
            .map(|seed| creation(seed, format!("session-{seed:03}"), 512, prefunded))
            .collect();
        plan(creations, rules(format, shape))
            .iter()
            .map(|group| group.creations.len())
            .collect()
    }

    #[test]
    fn version_1_carries_32_creations_and_16_prefunded_ones_by_an_instruction_each() {
        assert_eq!(sizes(100, 0, WireFormat::V1, &singly()), [32, 32, 32, 4]);
        assert_eq!(sizes(32, 1, WireFormat::V1, &singly()), [16, 16]);
    }

    #[test]
    fn one_instruction_for_many_carries_as_many_as_bytes_and_trace_allow() {
        let shape = InstructionShape::default();
        let groups = sizes(100, 0, WireFormat::V1, &shape);
        assert!(groups[0] >= 46, "{groups:?}");
        let sixteen = |owners: u64| -> Vec<_> {
            (0..100)
                .map(|seed| {
                    let mut creation = creation(seed, format!("session-{seed:08}"), 512, 0);
                    creation.request.session_owner = Pubkey::new_from_array([u8::try_from(seed % owners).unwrap(); 32]);
                    creation
                })
                .collect()
        };
        let first = |owners| plan(sixteen(owners), rules(WireFormat::V1, &shape))[0].creations.len();
        assert_eq!(first(100), 45, "ids of 16 bytes, each of another owner");
        assert_eq!(first(1), 61, "of one owner: as many as there is room for addresses");
        assert_eq!(
            sizes(40, 1, WireFormat::V1, &shape)[0],
            21,
            "three calls each, and one instruction"
        );
        let groups = sizes(30, 0, WireFormat::V0, &shape);
        assert!(groups[0] >= 10, "{groups:?}");
    }

    #[test]
    fn version_0_carries_as_many_as_its_bytes_allow() {
        let groups = sizes(30, 0, WireFormat::V0, &singly());
        assert!(groups[0] >= 9, "{groups:?}");
        assert_eq!(groups.iter().sum::<usize>(), 30);
    }

    #[test]
    fn a_lower_limit_after_a_refusal_is_kept() {
        let shape = InstructionShape::default();
        let creations = (0..5).map(|seed| creation(seed, "s".to_owned(), 1, 0)).collect();
        let groups = plan(
            creations,
            Rules {
                max_creations: 2,
                ..rules(WireFormat::V1, &shape)
            },
        );
        assert_eq!(
            groups.iter().map(|group| group.creations.len()).collect::<Vec<_>>(),
            [2, 2, 1]
        );
    }

    const FREE: Terms = Terms {
        compute_units: 1,
        priority_fee_lamports: 0,
    };

    fn group_of(count: u64, rules: Rules<'_>) -> Group {
        plan(
            (0..count).map(|seed| creation(seed, "s".to_owned(), 1, 0)).collect(),
            rules,
        )
        .remove(0)
    }

    #[test]
    fn an_instruction_is_traced_back_to_its_creation() {
        let shape = singly();
        let rules = rules(WireFormat::V0, &shape);
        let group = group_of(3, rules);
        let paying = Terms {
            priority_fee_lamports: 1,
            ..FREE
        };
        let error = InstructionError::Custom(77);
        let second = Some((&group.creations[1], Step::Create, error.clone()));
        assert_eq!(group.culprit(3, &error, paying, rules), second);
        assert_eq!(group.culprit(2, &error, FREE, rules), second);
        assert_eq!(
            group.culprit(0, &error, FREE, rules),
            None,
            "that one sets the compute limit"
        );
    }

    #[test]
    fn a_member_of_a_batch_is_named_by_its_error() {
        let shape = InstructionShape::default();
        let mark = MarkCreated {
            factory: SESSION_FACTORY_ID,
            authority: Pubkey::new_from_array([1; 32]),
        };
        let rules = Rules {
            mark_created: Some(mark),
            ..rules(WireFormat::V1, &shape)
        };
        let group = group_of(5, rules);
        let culprit = |place, code| group.culprit(place, &InstructionError::Custom(code), FREE, rules);
        let exists = InstructionError::Custom(6_010);
        assert_eq!(culprit(0, 6_010_003), Some((&group.creations[3], Step::Create, exists)));
        assert_eq!(culprit(0, 6_010_005), None, "there is no such member");
        assert_eq!(culprit(0, 6_001), None, "nobody's in particular");
        assert!(culprit(0, 1).is_some(), "an empty wallet is everybody's");
        assert_eq!(
            group.culprit(0, &InstructionError::ComputationalBudgetExceeded, FREE, rules),
            None
        );
        let (creation, step, _) = culprit(4, 3_012).unwrap();
        assert_eq!((creation, step), (&group.creations[3], Step::Mark));
    }

    #[test]
    fn creations_of_two_programs_do_not_share_an_instruction() {
        let shape = InstructionShape::default();
        let rules = rules(WireFormat::V1, &shape);
        let mut creations: Vec<_> = (0..5).map(|seed| creation(seed, "s".to_owned(), 1, 0)).collect();
        for place in [1, 3] {
            creations[place].request.owner_program = SESSION_FACTORY_ID;
        }
        let group = plan(creations, rules).remove(0);
        let instructions = group.instructions(&STAND_IN_PAYER, rules);
        let programs: Vec<_> = instructions.iter().map(|instruction| instruction.program_id).collect();
        assert_eq!(programs, [SESSION_PROGRAM_ID, SESSION_FACTORY_ID]);
        let (culprit, ..) = group
            .culprit(1, &InstructionError::Custom(6_010_001), FREE, rules)
            .unwrap();
        assert_eq!(culprit, &group.creations[3]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_limit_is_exceeded_and_every_request_is_in_exactly_one_transaction(
            kinds in proptest::collection::vec(("[a-z]{1,32}", 0u64..=10_240, 0u64..2), 1..70),
            v1: bool,
            marking: bool,
            batch: bool,
        ) {
            let format = if v1 { WireFormat::V1 } else { WireFormat::V0 };
            let shape = if batch { InstructionShape::default() } else { singly() };
            let payer = Pubkey::new_from_array([1; 32]);
            let mark_created = marking.then_some(MarkCreated { factory: SESSION_FACTORY_ID, authority: payer });
            let rules = Rules { mark_created, ..rules(format, &shape) };
            let creations: Vec<_> = (0u64..).zip(kinds)
                .map(|(seed, (id, size, prefunded))| creation(seed, id, size, prefunded)).collect();
            let groups = plan(creations.clone(), rules);
            let planned: Vec<_> = groups.iter().flat_map(|group| group.creations.clone()).collect();
            prop_assert_eq!(planned, creations);
            for group in &groups {
                let needed: u32 = group.creations.iter().map(|creation| rules.compute_units(creation)).sum();
                prop_assert!(needed <= MAX_COMPUTE_UNITS);
                prop_assert_eq!(needed, group.compute_units);
                prop_assert!(group.trace_entries(rules) <= TRACE_ENTRIES);
                let terms = Terms { compute_units: group.compute_units, priority_fee_lamports: 5 };
                let message = format
                    .compile(&payer, &group.instructions(&payer, rules), Hash::default(), terms).unwrap();
                prop_assert!(transaction_bytes(&message) <= format.max_bytes());
                prop_assert!(message.static_account_keys().len() <= usize::from(MAX_ADDRESSES));
            }
        }
    }
}
