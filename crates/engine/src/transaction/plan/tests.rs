//! Plans, and the limits that none of them exceeds.

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
        base_units: cost::USUAL_UNITS,
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

#[test]
fn what_a_simulation_took_is_given_with_a_margin_to_each_of_any_number() {
    let shape = InstructionShape::default();
    let of = |count: u64| -> Vec<_> {
        (0..count)
            .map(|seed| creation(seed, format!("session-{seed:03}"), 512, 0))
            .collect()
    };
    let usual = rules(WireFormat::V1, &shape);
    for per_creation in [2_155, 30_000, 60_000] {
        let simulated = plan(of(10), usual).remove(0);
        let consumed = 10 * per_creation;
        let base_units = simulated.units_beside_known(consumed, usual);
        for group in plan(of(40), Rules { base_units, ..usual }) {
            let needed = u64::from(group.compute_units) * 5;
            let taken = group.creations.len() as u64 * per_creation * 6;
            assert!(
                needed >= taken,
                "{per_creation}: {} for {}",
                group.compute_units,
                group.creations.len()
            );
        }
    }
}
