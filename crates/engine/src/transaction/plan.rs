//! From creations to transactions: as many in each as bytes, compute units, addresses and the runtime's instruction
//! trace allow. Pure.

use session_chain::RentRate;
use solana_message::v1::MAX_ADDRESSES;
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::instruction::Instruction;

use crate::config::MarkCreated;
use crate::request::claim::CreationRequest;
use crate::transaction::cost::{self, MAX_COMPUTE_UNITS, TRACE_ENTRIES};
use crate::transaction::instruction::InstructionShape;
use crate::transaction::marking;
use crate::transaction::message::{Terms, WireFormat, transaction_bytes};

/// One account to create, and what the chain says of its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Creation {
    pub(crate) request: CreationRequest,
    pub(crate) bump: u8,
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

    /// The instructions, each creation's own first and its marking after it.
    pub(crate) fn instructions(&self, payer: &Pubkey, rules: Rules<'_>) -> Vec<Instruction> {
        self.creations
            .iter()
            .flat_map(|creation| instructions_of(creation, payer, rules))
            .collect()
    }

    /// The creation that an instruction belongs to, and what the instruction does for it, by its place in the
    /// transaction.
    pub(crate) fn creation_at(&self, place: usize, terms: Terms, rules: Rules<'_>) -> Option<(&Creation, Step)> {
        let place = place.checked_sub(rules.format.first_instruction(terms))?;
        let steps = rules.instructions_per_creation();
        let step = if place.is_multiple_of(steps) {
            Step::Create
        } else {
            Step::Mark
        };
        Some((self.creations.get(place / steps)?, step))
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
        let creations: usize = self
            .creations
            .iter()
            .map(|creation| rules.trace_entries(creation))
            .sum();
        creations + rules.format.own_trace_entries()
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
    fn instructions_per_creation(self) -> usize {
        1 + usize::from(self.mark_created.is_some())
    }

    fn trace_entries(self, creation: &Creation) -> usize {
        cost::trace_entries(creation.prefunded > 0) + usize::from(self.mark_created.is_some())
    }

    fn compute_units(self, creation: &Creation) -> u32 {
        let creating = cost::compute_units(creation.request.size, creation.bump, creation.prefunded > 0);
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

fn instructions_of(creation: &Creation, payer: &Pubkey, rules: Rules<'_>) -> Vec<Instruction> {
    let create = rules.shape.instruction(payer, &creation.request);
    let mark = rules
        .mark_created
        .and_then(|mark| marking::instruction(mark, &creation.request));
    std::iter::once(create).chain(mark).collect()
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
        Creation {
            request,
            bump,
            prefunded,
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

    fn sizes(count: u64, prefunded: u64, format: WireFormat) -> Vec<usize> {
        let shape = InstructionShape::default();
        let creations = (0..count)
            .map(|seed| creation(seed, format!("session-{seed:03}"), 512, prefunded))
            .collect();
        plan(creations, rules(format, &shape))
            .iter()
            .map(|group| group.creations.len())
            .collect()
    }

    #[test]
    fn version_1_carries_32_creations_and_16_prefunded_ones() {
        assert_eq!(sizes(100, 0, WireFormat::V1), [32, 32, 32, 4]);
        assert_eq!(sizes(32, 1, WireFormat::V1), [16, 16]);
    }

    #[test]
    fn version_0_carries_as_many_as_its_bytes_allow() {
        let groups = sizes(30, 0, WireFormat::V0);
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

    #[test]
    fn an_instruction_is_traced_back_to_its_creation() {
        let shape = InstructionShape::default();
        let rules = rules(WireFormat::V0, &shape);
        let creations: Vec<_> = (0..3).map(|seed| creation(seed, "s".to_owned(), 1, 0)).collect();
        let group = &plan(creations.clone(), rules)[0];
        let paying = Terms {
            compute_units: 1,
            priority_fee_lamports: 1,
        };
        assert_eq!(group.creation_at(3, paying, rules), Some((&creations[1], Step::Create)));
        let free = Terms {
            priority_fee_lamports: 0,
            ..paying
        };
        assert_eq!(group.creation_at(3, free, rules), Some((&creations[2], Step::Create)));
        assert_eq!(
            group.creation_at(0, free, rules),
            None,
            "that one sets the compute limit"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn no_limit_is_exceeded_and_every_request_is_in_exactly_one_transaction(
            kinds in proptest::collection::vec(("[a-z]{1,32}", 0u64..=10_240, 0u64..2), 1..70),
            v1: bool,
            marking: bool,
        ) {
            let format = if v1 { WireFormat::V1 } else { WireFormat::V0 };
            let shape = InstructionShape::default();
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
