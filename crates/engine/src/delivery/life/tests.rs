//! Every sequence of events: what the money does, and where a transaction ends.

mod worlds;

use std::time::SystemTime;

use proptest::prelude::*;
use session_ledger::{
    HoldAnswer, HoldId, HoldRequest, InMemoryLedger, Ledger, Limits, Member, SentTransaction, Settlement,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signature;
use solana_sdk::transaction::TransactionError;

use super::*;

const RENT: u64 = 1_000;
const FEE: u64 = 7;

fn failure() -> TransactionFailure {
    TransactionFailure::Known(TransactionError::AccountInUse)
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Start),
        Just(Event::Taken),
        Just(Event::Refused(Refusal::Format)),
        Just(Event::Refused(Refusal::Simulation(failure()))),
        Just(Event::BroadcastDue),
        Just(Event::Broadcast),
        Just(Event::Decided(Landing::Landed { slot: 5 })),
        Just(Event::Decided(Landing::Failed {
            slot: 5,
            error: failure()
        })),
        Just(Event::Decided(Landing::NotExecuted { slot: 5 })),
        Just(Event::Decided(Landing::Expired)),
        any::<bool>().prop_map(|all_there| Event::ReadBack { all_there }),
        Just(Event::Unreadable),
        any::<bool>().prop_map(|still_landed| Event::Asked { still_landed }),
        Just(Event::Stopped),
    ]
}

/// Books with one hold that is written down.
fn books() -> (InMemoryLedger, HoldId) {
    let (ledger, id) = (InMemoryLedger::new(Limits::default()), HoldId::from_random(1));
    let request = HoldRequest {
        id,
        wallet: Pubkey::new_from_array([1; 32]),
        members: vec![Member {
            pda: Pubkey::new_from_array([2; 32]),
            requester: Pubkey::new_from_array([3; 32]),
            rent_lamports: RENT,
            asked_at_slot: None,
        }],
        fee_lamports: FEE,
        wallet_reading: None,
    };
    let sent = SentTransaction {
        signature: Signature::from([4; 64]),
        last_valid_block_height: 9,
    };
    let now = SystemTime::UNIX_EPOCH;
    assert!(matches!(
        block_on(ledger.hold(request, now)),
        Ok(HoldAnswer::Held { .. })
    ));
    block_on(ledger.attach(id, sent, now)).unwrap();
    (ledger, id)
}

fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

/// What a chain would have taken, had these events been true, up to the moment when the life is over.
fn truly_spent(effects: &[Effect]) -> Option<u64> {
    effects.iter().find_map(|effect| match effect {
        Effect::Settle(Fate::Landed { .. } | Fate::Closed { .. }) => Some(RENT + FEE),
        Effect::Settle(Fate::Failed { .. }) => Some(FEE),
        Effect::Settle(Fate::NotExecuted { .. } | Fate::Expired | Fate::Refused(_)) => Some(0),
        _ => None,
    })
}

proptest! {
    #[test]
    fn money_in_is_money_out_for_every_sequence_of_events(mut sequence in proptest::collection::vec(events(), 0..30)) {
        let (ledger, id) = books();
        let mut life = Life::Signed;
        sequence.push(Event::Stopped);
        let mut effects = Vec::new();
        for event in sequence {
            let was_over = life == Life::Over;
            let effect = life.on(event);
            prop_assert!(!was_over || matches!(effect, Effect::Leave), "it goes on after its end: {effect:?}");
            if let Effect::Settle(fate) = &effect {
                let settled = block_on(ledger.settle(id, fate.in_the_books(), SystemTime::UNIX_EPOCH)).unwrap();
                prop_assert!(matches!(settled, Settlement::Now { .. }), "it is settled twice");
            }
            effects.push(effect);
        }
        prop_assert_eq!(&life, &Life::Over);
        let sums = block_on(ledger.summary(SystemTime::UNIX_EPOCH)).unwrap().total;
        if let Some(spent) = truly_spent(&effects) {
            prop_assert_eq!((sums.held_lamports, sums.spent_lamports()), (0, spent));
            prop_assert_eq!(effects.iter().filter(|effect| matches!(effect, Effect::Settle(_))).count(), 1);
        } else {
            // Left to whoever finds out: all of it is still held.
            prop_assert_eq!((sums.held_lamports, sums.spent_lamports()), (RENT + FEE, 0));
        }
    }

    #[test]
    fn what_may_be_in_a_block_is_never_given_back(sequence in proptest::collection::vec(events(), 0..30)) {
        let mut life = Life::Signed;
        let mut may_be_out = false;
        for event in sequence {
            let decided = matches!(event, Event::Decided(_) | Event::Asked { .. });
            let effect = life.on(event);
            may_be_out |= life == Life::Out;
            if let Effect::Settle(fate) = effect {
                prop_assert!(!may_be_out || decided || matches!(fate, Fate::Landed { .. } | Fate::Closed { .. }),
                    "{fate:?} without the chain's word");
            }
        }
    }
}

/// Drives a life through events and shows where it ends and what is done last.
fn after(events: Vec<Event>) -> (Life, String) {
    let mut life = Life::Signed;
    let effects: Vec<Effect> = events.into_iter().map(|event| life.on(event)).collect();
    (life, format!("{:?}", effects.last().unwrap()))
}

fn landed() -> Event {
    Event::Decided(Landing::Landed { slot: 5 })
}

#[test]
fn every_step_of_the_usual_life() {
    let steps = [
        (vec![Event::Start], Life::Sending, "Send"),
        (vec![Event::Start, Event::Taken], Life::Out, "Follow"),
        (
            vec![Event::Start, Event::Taken, Event::BroadcastDue],
            Life::Out,
            "Broadcast",
        ),
        (
            vec![Event::Start, Event::Taken, Event::BroadcastDue, Event::Broadcast],
            Life::Out,
            "Follow",
        ),
        (
            vec![Event::Start, Event::Taken, landed()],
            Life::Landed { slot: 5 },
            "ReadBack { slot: 5 }",
        ),
        (
            vec![
                Event::Start,
                Event::Taken,
                landed(),
                Event::ReadBack { all_there: true },
            ],
            Life::Over,
            "Settle(Landed { slot: 5 })",
        ),
    ];
    for (events, life, effect) in steps {
        assert_eq!(after(events), (life, effect.to_owned()));
    }
}

#[test]
fn an_account_that_is_gone_is_closed_or_its_fork_was_dropped_and_the_chain_says_which() {
    let doubted = vec![
        Event::Start,
        Event::Taken,
        landed(),
        Event::ReadBack { all_there: false },
    ];
    assert_eq!(after(doubted.clone()), (Life::Doubted { slot: 5 }, "Ask".to_owned()));
    let asked = |still_landed| [doubted.clone(), vec![Event::Asked { still_landed }]].concat();
    assert_eq!(
        after(asked(true)),
        (Life::Over, "Settle(Closed { slot: 5 })".to_owned())
    );
    assert_eq!(after(asked(false)), (Life::Out, "Broadcast".to_owned()));
}

#[test]
fn a_refusal_after_a_node_took_it_proves_nothing() {
    let late = vec![Event::Start, Event::Taken, Event::Refused(Refusal::Format)];
    assert_eq!(after(late), (Life::Out, "Follow".to_owned()));
}
