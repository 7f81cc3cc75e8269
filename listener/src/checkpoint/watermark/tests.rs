//! The cursor is never ahead of what is settled, whatever the order in which things are seen, listed and settled.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

const START: Mark = Mark {
    slot: 10,
    signature: None,
};

fn signature(number: usize) -> Signature {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    Signature::from(bytes)
}

/// What a test does with one transaction, in a random order.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A notification: claimed, with so many messages.
    Notify(usize),
    /// One settled message or reading.
    Settle(usize),
    /// The listing goes on by one transaction.
    List,
    /// The listing has reached the tip.
    Cover,
}

/// Transactions in the order of the chain: slot (not falling) and messages of each.
fn chain() -> impl Strategy<Value = Vec<(u64, usize)>> {
    prop::collection::vec((0_u64..3, 0_usize..3), 1..40).prop_map(|gaps| {
        let mut slot = START.slot + 1;
        let grow = |(gap, messages)| {
            slot += gap;
            (slot, messages)
        };
        gaps.into_iter().map(grow).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<usize>().prop_map(Step::Notify),
        6 => any::<usize>().prop_map(Step::Settle),
        4 => Just(Step::List),
        1 => Just(Step::Cover),
    ];
    prop::collection::vec(step, 0..300)
}

/// Plays steps and knows by simple means what the watermark must know.
struct Play {
    chain: Vec<(u64, usize)>,
    watermark: Watermark,
    /// Unsettled parts of each transaction that was claimed.
    unsettled: BTreeMap<usize, usize>,
    claimed: BTreeSet<usize>,
    listed: usize,
}

impl Play {
    fn new(chain: Vec<(u64, usize)>) -> Self {
        Self {
            chain,
            watermark: Watermark::new(START),
            unsettled: BTreeMap::new(),
            claimed: BTreeSet::new(),
            listed: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Notify(number) => self.claim(number % self.chain.len()),
            Step::Settle(choice) => self.settle(choice),
            Step::List => self.list_next(),
            Step::Cover => {
                let next = self.chain.get(self.listed).map_or(u64::MAX, |(slot, _)| *slot);
                let tip = self.chain.last().map_or(START.slot, |(slot, _)| slot + 5);
                self.watermark.complete_up_to(tip.min(next - 1));
            }
        }
    }

    fn claim(&mut self, number: usize) {
        let (slot, messages) = self.chain[number];
        let new = self.watermark.claim(signature(number), slot);
        assert_eq!(new, self.claimed.insert(number), "each transaction is taken on once");
        if new {
            for _ in 0..messages {
                self.watermark.add_message(&signature(number));
            }
            self.unsettled.insert(number, messages + 1);
        }
    }

    fn settle(&mut self, choice: usize) {
        let open: Vec<usize> = self.unsettled.keys().copied().collect();
        if open.is_empty() {
            return;
        }
        let number = open[choice % open.len()];
        self.watermark.settle(&signature(number));
        let left = self.unsettled[&number] - 1;
        if left == 0 {
            self.unsettled.remove(&number);
        } else {
            self.unsettled.insert(number, left);
        }
    }

    fn list_next(&mut self) {
        if let Some(&(slot, _)) = self.chain.get(self.listed) {
            if !self.claimed.contains(&self.listed) {
                self.claim(self.listed);
            }
            self.watermark.list(signature(self.listed), slot);
            self.listed += 1;
        }
    }

    /// Invariant 1: behind the cursor everything is listed and settled.
    fn check(&self) {
        let cursor = self.watermark.cursor();
        for (number, &(slot, _)) in self.chain.iter().enumerate() {
            if slot <= cursor.slot {
                assert!(
                    number < self.listed,
                    "transaction {number} of slot {slot} is behind {cursor:?} and not listed"
                );
                assert!(
                    !self.unsettled.contains_key(&number),
                    "transaction {number} is behind {cursor:?} and unsettled"
                );
            }
        }
        if let Some(newest) = cursor.signature {
            let number = (0..self.chain.len())
                .find(|&number| signature(number) == newest)
                .unwrap();
            assert!(
                self.chain[number].0 <= cursor.slot,
                "the cursor's transaction is not behind it"
            );
        }
    }
}

proptest! {
    #[test]
    fn the_cursor_is_never_ahead(chain in chain(), steps in steps()) {
        let mut play = Play::new(chain);
        let mut last = START.slot;
        for step in steps {
            play.step(step);
            play.check();
            let cursor = play.watermark.cursor().slot;
            prop_assert!(cursor >= last, "the cursor went back from {} to {}", last, cursor);
            last = cursor;
        }
    }

    #[test]
    fn when_all_is_listed_and_settled_the_cursor_is_at_the_end_and_nothing_is_kept(chain in chain(), steps in steps()) {
        let mut play = Play::new(chain);
        for step in steps {
            play.step(step);
        }
        while play.listed < play.chain.len() {
            play.list_next();
        }
        while !play.unsettled.is_empty() {
            play.settle(0);
        }
        let tip = play.chain.last().map_or(START.slot, |(slot, _)| *slot);
        play.watermark.complete_up_to(tip);
        prop_assert!(play.watermark.cursor().slot >= tip);
        prop_assert_eq!(play.watermark.tracked.len(), 0);
        prop_assert_eq!(play.watermark.open.len(), 0);
        prop_assert_eq!(play.watermark.unlisted(), 0);
    }
}

#[test]
fn a_released_transaction_can_be_claimed_again() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.release(&signature(1));
    assert!(watermark.claim(signature(1), 11));
}

#[test]
fn a_notification_after_its_listing_is_a_repetition() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.settle(&signature(1));
    watermark.list(signature(1), 11);
    watermark.complete_up_to(20);
    assert!(!watermark.claim(signature(1), 11));
}

#[test]
fn a_transaction_that_no_listing_shows_is_let_go() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.complete_up_to(20);
    assert_eq!(watermark.unlisted(), 1, "it is unsettled");
    watermark.settle(&signature(1));
    assert_eq!(watermark.unlisted(), 0);
    assert_eq!(watermark.cursor().slot, 20);
}
