//! A walk gives every transaction after its mark once and in order, however the pages are cut.

use std::{
    cell::RefCell,
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

fn transaction(number: usize, slot: u64) -> Listed {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&(number as u64 + 1).to_be_bytes());
    Listed {
        signature: Signature::from(bytes),
        slot,
        failed: false,
    }
}

/// A node that answers with fewer entries than asked for, and whose history grows while it is read.
struct Node {
    /// Oldest first.
    history: Mutex<Vec<Listed>>,
    growth: Mutex<Vec<Listed>>,
    /// What the next pages are cut to, in turn.
    cuts: Vec<usize>,
    pages: AtomicUsize,
}

impl Pages for Node {
    type Error = Infallible;

    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Page, Infallible> {
        let turn = self.pages.fetch_add(1, Ordering::Relaxed);
        let mut history = self.history.lock().unwrap();
        if before.is_none() {
            history.extend(self.growth.lock().unwrap().pop());
        }
        let cut = self
            .cuts
            .get(turn % self.cuts.len().max(1))
            .copied()
            .unwrap_or(limit)
            .min(limit);
        let end = before.map_or(history.len(), |before| {
            history
                .iter()
                .position(|listed| listed.signature == before)
                .unwrap_or(0)
        });
        Ok(Page {
            entries: history[end.saturating_sub(cut)..end].iter().rev().copied().collect(),
            finalized: FINALIZED,
            first_available: None,
        })
    }

    async fn page_beyond_empty(&self, _: Option<Signature>, _: usize, _: u64) -> Result<Beyond, Infallible> {
        Ok(Beyond::Page(Page {
            entries: Vec::new(),
            finalized: FINALIZED,
            first_available: None,
        }))
    }
}

/// The next transactions; `None` at the tip.
async fn next_segment<P: Pages>(pager: &mut Pager, pages: &P) -> Result<Option<Vec<Listed>>, WalkError<P::Error>> {
    loop {
        match pager.step(pages).await? {
            Step::Back => {}
            Step::Segment(segment) if segment.is_empty() => {}
            Step::Segment(segment) => return Ok(Some(segment)),
            Step::Tip => return Ok(None),
        }
    }
}

const FINALIZED: u64 = 1_000_000;

fn history() -> impl Strategy<Value = Vec<Listed>> {
    prop::collection::vec(0_u64..3, 0..60).prop_map(|gaps| {
        let mut slot = 10;
        let grow = |(number, gap)| {
            slot += gap;
            transaction(number, slot)
        };
        gaps.into_iter().enumerate().map(grow).collect()
    })
}

/// All segments, joined, as long as the history grows by `growth`.
fn walk(history: Vec<Listed>, growth: Vec<Listed>, cuts: Vec<usize>, mark: Mark) -> Vec<Listed> {
    let node = Node {
        history: Mutex::new(history),
        growth: Mutex::new(growth),
        cuts,
        pages: AtomicUsize::new(0),
    };
    let seen = RefCell::new(Vec::new());
    let all = async {
        let mut walk = Pager::after(mark);
        while let Some(segment) = next_segment(&mut walk, &node).await.unwrap() {
            seen.borrow_mut().extend(segment);
        }
    };
    all.now_or_never().expect("nothing to wait for");
    seen.into_inner()
}

proptest! {
    #[test]
    fn everything_after_the_mark_comes_once_and_in_order(
        history in history(),
        cuts in prop::collection::vec(1_usize..7, 1..5),
        place in any::<prop::sample::Index>(),
        known in any::<bool>(),
        growing in 0_usize..5,
    ) {
        let (history, growth) = history.split_at(history.len() - growing.min(history.len()));
        let mark = match history.get(place.index(history.len().max(1))) {
            Some(listed) => Mark {
                slot: listed.slot,
                signature: known.then(|| {
                    history.iter().rfind(|other| other.slot <= listed.slot).map(|listed| listed.signature)
                }).flatten(),
            },
            None => Mark { slot: 3, signature: None },
        };
        let grown: Vec<Listed> = growth.iter().rev().copied().collect();
        let seen = walk(history.to_vec(), grown, cuts, mark);
        let all: Vec<Listed> = history.iter().chain(growth).copied().collect();
        let expected: Vec<Listed> = all.into_iter().filter(|listed| listed.slot > mark.slot).collect();
        prop_assert!(expected.starts_with(&seen), "{:?} is no beginning of {:?}", seen, expected);
        let old = history.iter().filter(|listed| listed.slot > mark.slot).count();
        prop_assert!(seen.len() >= old, "{} of {} old transactions seen", seen.len(), old);
    }
}

#[test]
fn many_boundaries_are_thinned_and_nothing_is_missed() {
    let count = BOUNDARIES_MAX * 3;
    let history: Vec<Listed> = (0..count)
        .map(|number| transaction(number, 11 + number as u64))
        .collect();
    let seen = walk(
        history.clone(),
        Vec::new(),
        vec![1],
        Mark {
            slot: 10,
            signature: None,
        },
    );
    assert_eq!(seen, history);
}

/// Two nodes, of which the first answers `[]` to whatever is asked before a transaction that it doesn't know.
struct Forgetful {
    whole: Node,
    /// The first transactions that the first node does not know.
    forgotten: usize,
    /// Whether the second can be asked.
    second: bool,
}

impl Pages for Forgetful {
    type Error = &'static str;

    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Page, &'static str> {
        let mut page = self.whole.page(before, limit).await.unwrap();
        let forgotten: Vec<Signature> = {
            let history = self.whole.history.lock().unwrap();
            history[..self.forgotten]
                .iter()
                .map(|listed| listed.signature)
                .collect()
        };
        page.entries.retain(|listed| !forgotten.contains(&listed.signature));
        Ok(page)
    }

    async fn page_beyond_empty(&self, before: Option<Signature>, limit: usize, _: u64) -> Result<Beyond, &'static str> {
        if !self.second {
            return Err("nobody proves it");
        }
        let mut page = self.whole.page(before, limit).await.unwrap();
        page.finalized = 25;
        Ok(Beyond::Page(page))
    }
}

fn forgetful(second: bool) -> Forgetful {
    Forgetful {
        whole: Node {
            history: Mutex::new((0..9).map(|number| transaction(number, 20 + number as u64)).collect()),
            growth: Mutex::default(),
            cuts: vec![3],
            pages: AtomicUsize::new(0),
        },
        forgotten: 4,
        second,
    }
}

#[test]
fn an_empty_page_is_no_beginning_of_history_unless_it_is_proven() {
    let mark = Mark {
        slot: 15,
        signature: None,
    };
    let answer = next_segment(&mut Pager::after(mark), &forgetful(false))
        .now_or_never()
        .unwrap();
    assert!(matches!(answer, Err(WalkError::Page(_))), "{answer:?}");

    let node = forgetful(true);
    let mut pager = Pager::after(mark);
    let mut seen = Vec::new();
    while let Some(segment) = next_segment(&mut pager, &node).now_or_never().unwrap().unwrap() {
        seen.extend(segment);
    }
    let all: Vec<Listed> = node.whole.history.lock().unwrap().clone();
    assert_eq!(seen, all);
    assert_eq!(
        pager.finalized(),
        25,
        "the node that is least far proves no more than it knows"
    );
}

#[test]
fn a_quiet_program_whose_last_transaction_was_pruned_is_no_gap() {
    let node = Node {
        history: Mutex::default(),
        growth: Mutex::default(),
        cuts: vec![2],
        pages: AtomicUsize::new(0),
    };
    let mark = Mark {
        slot: 15,
        signature: Some(transaction(1, 3).signature),
    };
    let answer = next_segment(&mut Pager::after(mark), &node).now_or_never().unwrap();
    assert!(matches!(answer, Ok(None)), "{answer:?}");
}

#[test]
fn a_listing_that_is_not_newest_first_is_refused() {
    let node = Node {
        history: Mutex::new(vec![transaction(1, 30), transaction(2, 20)]),
        growth: Mutex::default(),
        cuts: vec![9],
        pages: AtomicUsize::new(0),
    };
    let mark = Mark {
        slot: 15,
        signature: None,
    };
    let answer = next_segment(&mut Pager::after(mark), &node).now_or_never().unwrap();
    assert!(
        matches!(answer, Err(WalkError::Disordered { slot: 30, before: 20 })),
        "{answer:?}"
    );
}

/// Nodes that list these pages one after the other, the newest first, whatever they are asked.
struct Script(Mutex<Vec<Vec<usize>>>);

impl Script {
    fn next(&self) -> Page {
        let numbers = self.0.lock().unwrap().remove(0);
        let listed = |number: usize| transaction(number, 10 + number as u64);
        Page {
            entries: numbers.into_iter().map(listed).collect(),
            finalized: FINALIZED,
            first_available: None,
        }
    }
}

impl Pages for Script {
    type Error = Infallible;

    async fn page(&self, _: Option<Signature>, _: usize) -> Result<Page, Infallible> {
        Ok(self.next())
    }

    async fn page_beyond_empty(&self, _: Option<Signature>, _: usize, _: u64) -> Result<Beyond, Infallible> {
        Ok(Beyond::Page(self.next()))
    }
}

#[test]
fn a_walk_over_pages_that_contradict_each_other_begins_anew() {
    let genesis = Mark {
        slot: 0,
        signature: None,
    };
    let script = Script(Mutex::new(vec![
        // One node is ahead, and the other, which lists less, is asked for the rest.
        vec![5, 4],
        vec![1],
        vec![],
        vec![],
        vec![1],
        // Now the one behind is asked for what came first: what was listed before is nowhere.
        vec![1],
        vec![],
        vec![],
        // Anew, of a node that has caught up.
        vec![5, 4, 3, 2, 1],
        vec![],
        vec![],
        vec![5, 4, 3, 2, 1],
    ]));
    let mut pager = Pager::after(genesis);
    let mut next = || next_segment(&mut pager, &script).now_or_never().unwrap();
    assert_eq!(next().unwrap().unwrap().len(), 1);
    let contradiction = next();
    assert!(
        matches!(contradiction, Err(WalkError::HistoryEnds { .. })),
        "{contradiction:?}"
    );
    assert_eq!(next().unwrap().unwrap().len(), 5);
    assert!(next().unwrap().is_none());
}

/// A node whose newest transactions are dropped by a fork while they are read, and which knows nothing of a boundary then, as
/// agave answers.
struct Forking {
    node: Node,
    /// Pages until the fork, the signatures that it drops, and what it has instead.
    after: usize,
    drops: usize,
    instead: Mutex<Vec<Listed>>,
}

impl Forking {
    fn fork(&self) {
        if self.node.pages.load(Ordering::Relaxed) == self.after {
            let mut history = self.node.history.lock().unwrap();
            let kept = history.len() - self.drops.min(history.len());
            history.truncate(kept);
            history.append(&mut self.instead.lock().unwrap());
        }
    }
}

impl Pages for Forking {
    type Error = Infallible;

    async fn page(&self, before: Option<Signature>, limit: usize) -> Result<Page, Infallible> {
        self.fork();
        self.node.page(before, limit).await
    }

    async fn page_beyond_empty(&self, before: Option<Signature>, _: usize, _: u64) -> Result<Beyond, Infallible> {
        let history = self.node.history.lock().unwrap();
        let known = before.is_none_or(|before| history.iter().any(|listed| listed.signature == before));
        let nothing = Page {
            entries: Vec::new(),
            finalized: FINALIZED,
            first_available: None,
        };
        Ok(if known {
            Beyond::Page(nothing)
        } else {
            Beyond::Forgotten
        })
    }
}

proptest! {
    #[test]
    fn a_boundary_that_a_fork_has_dropped_is_walked_round(
        history in history(),
        cuts in prop::collection::vec(1_usize..5, 1..4),
        after in 0_usize..40,
        drops in 0_usize..12,
        instead in 0_usize..5,
    ) {
        let last = history.last().map_or(10, |listed| listed.slot);
        let instead: Vec<Listed> = (0..instead).map(|number| transaction(1_000 + number, last + 1)).collect();
        let forking = Forking {
            node: Node { history: Mutex::new(history), growth: Mutex::default(), cuts, pages: AtomicUsize::new(0) },
            after,
            drops,
            instead: Mutex::new(instead),
        };
        let mut seen = Vec::new();
        let mut pager = Pager::after(Mark { slot: 3, signature: None });
        let mut steps = 0;
        let all = async {
            loop {
                steps += 1;
                assert!(steps < 1_000, "the walk does not end");
                match pager.step(&forking).await {
                    Ok(Step::Tip) => break,
                    Ok(Step::Segment(segment)) => seen.extend(segment),
                    Ok(Step::Back) | Err(WalkError::HistoryEnds { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        };
        all.now_or_never().expect("nothing to wait for");
        // Whatever is there after the fork, and was there when the walk began, has come.
        let there = forking.node.history.lock().unwrap();
        for listed in there.iter().filter(|listed| listed.slot <= last) {
            prop_assert!(seen.contains(listed), "{listed:?}");
        }
    }
}
