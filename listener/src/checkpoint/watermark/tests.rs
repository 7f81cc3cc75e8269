//! The watermark is never ahead of what is settled, whatever the order in which things are seen, listed and settled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::*;
use crate::checkpoint::{
    claim::{Claim, Share},
    shared::{SharedWatermark, Sight},
};

const START: Mark = Mark {
    slot: 10,
    signature: None,
};

fn signature(number: usize) -> Signature {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    Signature::from(bytes)
}

fn succeeded(number: usize, slot: u64) -> Listed {
    Listed {
        signature: signature(number),
        slot,
        failed: false,
    }
}

/// A transaction of a test's chain.
#[derive(Debug, Clone, Copy)]
struct OnChain {
    /// Where a notification saw it: a fork may have put it elsewhere in the end.
    seen_slot: u64,
    slot: u64,
    messages: usize,
}

/// What a test does, in a random order.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A notification, which claims.
    Notify(usize),
    /// A claimed transaction is read: all its messages are made.
    Read(usize),
    /// A claimed transaction is given back, with so many of its messages made.
    GiveBack(usize, usize),
    /// The queue is done with a message.
    Settle(usize),
    /// A message goes away.
    Lose(usize),
    /// The listing goes on by one transaction, and reads it if nobody has it.
    List,
    /// The same, and what it reads is given back before it is listed: as somebody does who has it while the listing comes by.
    ListAndGiveBack,
    /// What was given back is read.
    TakeOwed,
    /// The listing has reached the tip.
    Cover,
}

/// Transactions in the order of the chain.
fn chain() -> impl Strategy<Value = Vec<OnChain>> {
    prop::collection::vec((0_u64..3, 0_usize..3, -2_i64..=2), 1..40).prop_map(|gaps| {
        let mut slot = START.slot + 1;
        let grow = |(gap, messages, fork)| {
            slot += gap;
            OnChain {
                seen_slot: slot.saturating_add_signed(fork),
                slot,
                messages,
            }
        };
        gaps.into_iter().map(grow).collect()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<usize>().prop_map(Step::Notify),
        4 => any::<usize>().prop_map(Step::Read),
        2 => (any::<usize>(), 0_usize..3).prop_map(|(number, made)| Step::GiveBack(number, made)),
        6 => any::<usize>().prop_map(Step::Settle),
        1 => any::<usize>().prop_map(Step::Lose),
        4 => Just(Step::List),
        1 => Just(Step::ListAndGiveBack),
        1 => Just(Step::TakeOwed),
        1 => Just(Step::Cover),
    ];
    prop::collection::vec(step, 0..300)
}

/// Plays steps and knows by simple means what the watermark must know.
struct Play {
    chain: Vec<OnChain>,
    watermark: Arc<SharedWatermark>,
    claims: BTreeMap<usize, Claim>,
    shares: Vec<(usize, Share)>,
    /// Transactions of which everything was read, and nothing was lost since.
    read: BTreeSet<usize>,
    /// Messages of claimed transactions that were lost while they are read.
    damaged: BTreeSet<usize>,
    listed: usize,
}

impl Play {
    fn new(chain: Vec<OnChain>) -> Self {
        Self {
            chain,
            watermark: Arc::new(SharedWatermark::new(Watermark::new(START))),
            claims: BTreeMap::new(),
            shares: Vec::new(),
            read: BTreeSet::new(),
            damaged: BTreeSet::new(),
            listed: 0,
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Notify(number) => {
                let number = number % self.chain.len();
                self.claim(number, self.chain[number].seen_slot);
            }
            Step::Read(choice) => {
                if let Some(number) = chosen(&self.claims, choice) {
                    self.finish(number);
                }
            }
            Step::GiveBack(choice, made) => {
                if let Some(number) = chosen(&self.claims, choice) {
                    self.give_back(number, made);
                }
            }
            Step::Settle(choice) => {
                if let Some((_, share)) = self.a_share(choice) {
                    share.settle();
                }
            }
            Step::Lose(choice) => {
                if let Some((number, share)) = self.a_share(choice) {
                    drop(share);
                    self.read.remove(&number);
                    if self.claims.contains_key(&number) {
                        self.damaged.insert(number);
                    }
                }
            }
            Step::List => self.list_next(Self::finish),
            Step::ListAndGiveBack => self.list_next(|play, number| play.give_back(number, 1)),
            Step::TakeOwed => self.take_owed(),
            Step::Cover => {
                let next = self.chain.get(self.listed).map_or(u64::MAX, |next| next.slot);
                let tip = self.chain.last().map_or(START.slot, |last| last.slot + 5);
                self.watermark
                    .with(|watermark| watermark.complete_up_to(tip.min(next - 1)));
            }
        }
    }

    fn claim(&mut self, number: usize, slot: u64) -> bool {
        let Some(claim) = self.watermark.claim(signature(number), slot) else {
            return false;
        };
        assert!(!self.read.contains(&number), "what is read is not read again");
        assert!(self.claims.insert(number, claim).is_none(), "one at a time");
        true
    }

    /// The listing's claim: what was read from another slot is read again.
    fn claim_listed(&mut self, number: usize) -> bool {
        let slot = self.chain[number].slot;
        let claim = match self.watermark.claim_listed(&succeeded(number, slot)) {
            Sight::New(claim) => {
                assert!(!self.read.contains(&number), "what is read is not read again");
                claim
            }
            Sight::Moved(claim, seen_slot) => {
                assert_ne!(seen_slot, slot);
                self.read.remove(&number);
                claim
            }
            Sight::Known => {
                if self.claims.contains_key(&number) && self.chain[number].seen_slot != slot {
                    self.damaged.insert(number);
                }
                return false;
            }
        };
        assert!(self.claims.insert(number, claim).is_none(), "one at a time");
        true
    }

    fn finish(&mut self, number: usize) {
        let claim = self.claims.remove(&number).unwrap();
        for _ in 0..self.chain[number].messages {
            self.shares.push((number, claim.message()));
        }
        claim.settle();
        if !self.damaged.remove(&number) {
            self.read.insert(number);
        }
    }

    fn give_back(&mut self, number: usize, made: usize) {
        let claim = self.claims.remove(&number).unwrap();
        for _ in 0..made.min(self.chain[number].messages) {
            self.shares.push((number, claim.message()));
        }
        drop(claim);
        self.damaged.remove(&number);
    }

    fn a_share(&mut self, choice: usize) -> Option<(usize, Share)> {
        let index = choice.checked_rem(self.shares.len())?;
        Some(self.shares.swap_remove(index))
    }

    fn list_next(&mut self, then: fn(&mut Self, usize)) {
        let number = self.listed;
        if let Some(&OnChain { slot, .. }) = self.chain.get(number) {
            if self.claim_listed(number) {
                then(self, number);
            }
            self.watermark.with(|watermark| watermark.list(succeeded(number, slot)));
            self.listed += 1;
        }
    }

    fn take_owed(&mut self) {
        let owed = self.watermark.with(|watermark| watermark.owed());
        for listed in owed {
            let number = (0..self.chain.len()).find(|&number| signature(number) == listed.signature);
            let number = number.unwrap();
            assert!(self.claim(number, listed.slot), "nobody has what is owed");
            self.finish(number);
        }
    }

    /// Invariant 1: behind the watermark everything is listed, read and settled.
    fn check(&self) {
        let watermark = self.watermark.with(|watermark| watermark.mark());
        for (number, transaction) in self.chain.iter().enumerate() {
            if transaction.slot <= watermark.slot {
                assert!(
                    number < self.listed,
                    "{number} {transaction:?} is behind {watermark:?} and not listed"
                );
                assert!(
                    self.read.contains(&number) && self.shares.iter().all(|(unsettled, _)| *unsettled != number),
                    "{number} {transaction:?} is behind {watermark:?} and unsettled"
                );
            }
        }
        if let Some(newest) = watermark.signature {
            let number = (0..self.chain.len())
                .find(|&number| signature(number) == newest)
                .unwrap();
            assert!(
                self.chain[number].slot <= watermark.slot,
                "the watermark's transaction is not behind it"
            );
        }
    }
}

fn chosen(claims: &BTreeMap<usize, Claim>, choice: usize) -> Option<usize> {
    claims.keys().copied().nth(choice.checked_rem(claims.len())?)
}

proptest! {
    #[test]
    fn the_watermark_is_never_ahead(chain in chain(), steps in steps()) {
        let mut play = Play::new(chain);
        let mut last = START.slot;
        for step in steps {
            play.step(step);
            play.check();
            let watermark = play.watermark.with(|watermark| watermark.mark()).slot;
            prop_assert!(watermark >= last, "the watermark went back from {} to {}", last, watermark);
            last = watermark;
        }
    }

    #[test]
    fn whatever_was_given_back_the_watermark_comes_to_the_end_and_nothing_is_kept(chain in chain(), steps in steps()) {
        let mut play = Play::new(chain);
        for step in steps {
            play.step(step);
        }
        play.claims.clear();
        while play.listed < play.chain.len() {
            play.list_next(Play::finish);
        }
        play.take_owed();
        for (_, share) in play.shares.drain(..) {
            share.settle();
        }
        let tip = play.chain.last().map_or(START.slot, |last| last.slot);
        play.watermark.with(|watermark| {
            watermark.complete_up_to(tip);
            assert!(watermark.mark().slot >= tip, "{:?}", watermark.mark());
            assert_eq!((watermark.tracked.len(), watermark.open.len()), (0, 0));
            assert_eq!(watermark.unlisted(), 0);
        });
    }
}

#[test]
fn a_transaction_that_is_listed_while_somebody_has_it_and_then_given_back_is_owed() {
    let watermark = Arc::new(SharedWatermark::new(Watermark::new(START)));
    let live = watermark.claim(signature(1), 11).unwrap();
    assert!(
        watermark.claim(signature(1), 11).is_none(),
        "the listing finds it taken"
    );
    watermark.with(|watermark| {
        watermark.list(succeeded(1, 11));
        watermark.complete_up_to(20);
    });
    drop(live);
    let owed = watermark.with(|watermark| watermark.owed());
    assert_eq!(owed.iter().map(|owed| owed.slot).collect::<Vec<_>>(), [11]);
    assert_eq!(watermark.with(|watermark| watermark.mark()).slot, 10);
    watermark.claim(signature(1), 11).unwrap().settle();
    assert_eq!(watermark.with(|watermark| watermark.mark()).slot, 20);
}

#[test]
fn a_released_transaction_can_be_claimed_again() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.give_back(&signature(1));
    assert!(watermark.claim(signature(1), 11));
}

#[test]
fn a_notification_after_its_listing_is_a_repetition() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.read(&signature(1));
    watermark.list(succeeded(1, 11));
    watermark.complete_up_to(20);
    assert!(!watermark.claim(signature(1), 11));
}

#[test]
fn a_transaction_that_no_listing_shows_is_let_go() {
    let mut watermark = Watermark::new(START);
    assert!(watermark.claim(signature(1), 11));
    watermark.complete_up_to(20);
    assert_eq!(watermark.unlisted(), 1, "it is unsettled");
    watermark.read(&signature(1));
    assert_eq!(watermark.unlisted(), 0);
    assert_eq!(watermark.mark().slot, 20);
}

#[test]
fn what_a_fork_has_put_into_another_slot_is_read_again_and_what_it_took_away_is_told() {
    let watermark = Arc::new(SharedWatermark::new(Watermark::new(START)));
    watermark.claim(signature(1), 11).unwrap().settle();
    watermark.claim(signature(2), 12).unwrap().settle();
    watermark.with(|watermark| watermark.complete_up_to(13));
    let mut vanished = watermark.with(Watermark::take_vanished);
    vanished.sort_by_key(|vanished| vanished.slot);
    let told: Vec<_> = vanished
        .iter()
        .map(|vanished| (vanished.signature, vanished.slot))
        .collect();
    assert_eq!(told, [(signature(1), 11), (signature(2), 12)]);
    assert!(watermark.with(Watermark::take_vanished).is_empty(), "once");

    let Sight::Moved(claim, 11) = watermark.claim_listed(&succeeded(1, 15)) else {
        panic!("it was seen in slot 11");
    };
    watermark.with(|watermark| {
        watermark.list(succeeded(1, 15));
        watermark.complete_up_to(20);
    });
    assert_eq!(
        watermark.with(|watermark| watermark.mark()).slot,
        14,
        "it is not read yet"
    );
    claim.settle();
    assert_eq!(watermark.with(|watermark| watermark.mark()).slot, 20);
    assert!(matches!(watermark.claim_listed(&succeeded(1, 15)), Sight::Known));
}
