//! A life in worlds that answer whatever it asks, truly: it ends as the world knows that it must, and so does its money.

use super::*;

/// What will happen to one transaction, if nobody stops the process.
#[derive(Debug, Clone)]
struct World {
    /// The node's answer to the first send, where it refuses.
    refusal: Option<Refusal>,
    /// How often it is in no block for so long that it has to be sent again.
    broadcasts: usize,
    /// Slots of blocks that it was in, and that were dropped again.
    dropped: Vec<u64>,
    /// What the chain decides in the end.
    landing: Landing,
    /// What its accounts tell, where it landed.
    accounts: Accounts,
    /// The process ends after so many answers.
    stopped_after: Option<usize>,
    /// Events that come late or again, each after so many answers.
    strays: Vec<(usize, Event)>,
}

#[derive(Debug, Clone, Copy)]
enum Accounts {
    There,
    Gone,
    Unreadable,
}

fn landings() -> impl Strategy<Value = Landing> {
    let slot = 100_u64..110;
    prop_oneof![
        3 => slot.clone().prop_map(|slot| Landing::Landed { slot }),
        1 => slot.clone().prop_map(|slot| Landing::Failed { slot, error: failure() }),
        1 => slot.prop_map(|slot| Landing::NotExecuted { slot }),
        1 => Just(Landing::Expired),
    ]
}

fn worlds() -> impl Strategy<Value = World> {
    let refusal = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Refusal::Format)),
        1 => Just(Some(Refusal::Simulation(failure()))),
    ];
    let accounts = prop_oneof![Just(Accounts::There), Just(Accounts::Gone), Just(Accounts::Unreadable)];
    (
        refusal,
        0..4_usize,
        proptest::collection::vec(1..100_u64, 0..3),
        landings(),
        accounts,
        proptest::option::of(0..12_usize),
        proptest::collection::vec((0..12_usize, events()), 0..4),
    )
        .prop_map(
            |(refusal, broadcasts, dropped, landing, accounts, stopped_after, strays)| World {
                refusal,
                broadcasts,
                dropped,
                landing,
                accounts,
                stopped_after,
                strays,
            },
        )
}

impl World {
    /// How it ends when nobody stops it.
    fn truth(&self) -> Fate {
        match (&self.refusal, &self.landing, self.accounts) {
            (Some(refusal), ..) => Fate::Refused(refusal.clone()),
            (None, Landing::Landed { slot }, Accounts::Gone) => Fate::Closed { slot: *slot },
            (None, Landing::Landed { slot }, _) => Fate::Landed { slot: *slot },
            (None, Landing::Failed { slot, error }, _) => Fate::Failed {
                slot: *slot,
                failure: error.clone(),
            },
            (None, Landing::NotExecuted { slot }, _) => Fate::NotExecuted { slot: *slot },
            (None, Landing::Expired, _) => Fate::Expired,
        }
    }
}

/// Lamports that a chain takes for it.
fn cost(fate: &Fate) -> u64 {
    match fate {
        Fate::Landed { .. } | Fate::Closed { .. } => RENT + FEE,
        Fate::Failed { .. } => FEE,
        Fate::NotExecuted { .. } | Fate::Expired | Fate::Refused(_) => 0,
    }
}

/// The world while it goes by: what has not happened yet, and what it was asked for.
struct Course {
    world: World,
    sends: usize,
    broadcasts_asked: usize,
    broadcasts_due: usize,
    /// In which slot it is now, as the chain has said.
    landed: Option<u64>,
    /// An account was not there, and nobody has said why.
    doubted: bool,
}

impl Course {
    fn of(world: World) -> Self {
        Self {
            world,
            sends: 0,
            broadcasts_asked: 0,
            broadcasts_due: 0,
            landed: None,
            doubted: false,
        }
    }

    /// What can be said now of how it ends: the chain's word, unless something speaks against it.
    fn known(&self) -> Option<Fate> {
        let landed = self.landed.filter(|_| !self.doubted);
        landed.map(|slot| Fate::Landed { slot })
    }

    /// The answer to what the life asks for, which must be something that can be asked now.
    fn answer(&mut self, asked: &Effect) -> Result<Event, TestCaseError> {
        match asked {
            Effect::Send => {
                self.sends += 1;
                prop_assert_eq!(self.sends, 1, "it is sent for the first time once");
                Ok(self.world.refusal.take().map_or(Event::Taken, Event::Refused))
            }
            Effect::Follow => {
                prop_assert_eq!(self.sends, 1, "nobody can land what nobody has sent");
                prop_assert_eq!(self.landed, None, "the chain has decided");
                if self.world.broadcasts > 0 {
                    self.world.broadcasts -= 1;
                    self.broadcasts_due += 1;
                    return Ok(Event::BroadcastDue);
                }
                let landing = match self.world.dropped.pop() {
                    Some(slot) => Landing::Landed { slot },
                    None => std::mem::replace(&mut self.world.landing, Landing::Expired),
                };
                if let Landing::Landed { slot } = landing {
                    self.landed = Some(slot);
                }
                Ok(Event::Decided(landing))
            }
            Effect::Broadcast => {
                self.broadcasts_asked += 1;
                prop_assert!(self.broadcasts_asked <= self.broadcasts_due, "nobody waits for it");
                prop_assert_eq!(self.landed, None, "it is in a block");
                Ok(Event::Broadcast)
            }
            Effect::ReadBack { slot } => {
                prop_assert_eq!(self.landed, Some(*slot), "read in the block that it is in");
                prop_assert!(!self.doubted, "reading again tells nothing new");
                self.doubted = self.is_to_be_dropped() || matches!(self.world.accounts, Accounts::Gone);
                Ok(match self.world.accounts {
                    Accounts::Unreadable if !self.doubted => Event::Unreadable,
                    _ => Event::ReadBack {
                        all_there: !self.doubted,
                    },
                })
            }
            Effect::Ask => {
                prop_assert!(self.doubted, "nothing speaks against the chain's word");
                self.doubted = false;
                let still_landed = !self.is_to_be_dropped();
                if !still_landed {
                    self.landed = None;
                    self.broadcasts_due += 1;
                }
                Ok(Event::Asked { still_landed })
            }
            Effect::Settle(_) | Effect::Leave => Err(TestCaseError::fail("nobody answers the end")),
        }
    }

    /// Blocks that are dropped have slots below a hundred.
    fn is_to_be_dropped(&self) -> bool {
        self.landed.is_some_and(|slot| slot < 100)
    }
}

/// Whether an event is an answer to what may be asked in this state; every other one is late or came before.
fn belongs(life: &Life, event: &Event) -> bool {
    match life {
        Life::Signed => matches!(event, Event::Start | Event::Stopped),
        Life::Sending => matches!(event, Event::Taken | Event::Refused(_) | Event::Stopped),
        Life::Out => matches!(event, Event::Decided(_) | Event::BroadcastDue | Event::Stopped),
        Life::Landed { .. } => matches!(event, Event::ReadBack { .. } | Event::Unreadable | Event::Stopped),
        Life::Doubted { .. } => matches!(event, Event::Asked { .. } | Event::Stopped),
        Life::Over => false,
    }
}

/// Lives through a world to its last effect; says whether the process was stopped before the world came to its end.
fn live(course: &mut Course, life: &mut Life) -> Result<(Effect, bool), TestCaseError> {
    let World {
        broadcasts, dropped, ..
    } = &course.world;
    let most = 2 * broadcasts + 4 * dropped.len() + 5;
    let (stopped_after, strays) = (course.world.stopped_after, course.world.strays.clone());
    let mut effect = life.on(Event::Start);
    for answers in 0..=most {
        for (_, stray) in strays.iter().filter(|(after, _)| *after == answers) {
            // What comes while it is broadcast again is not waited for any longer: that is on its way.
            if !matches!(effect, Effect::Settle(_) | Effect::Leave | Effect::Broadcast) && !belongs(life, stray) {
                let (before, asked) = (life.clone(), format!("{effect:?}"));
                effect = life.on(stray.clone());
                prop_assert_eq!((&before, asked), (&*life, format!("{effect:?}")), "{:?} is late", stray);
            }
        }
        if matches!(effect, Effect::Settle(_) | Effect::Leave) {
            return Ok((effect, false));
        }
        if stopped_after == Some(answers) {
            return Ok((life.on(Event::Stopped), true));
        }
        let answer = course.answer(&effect)?;
        effect = life.on(answer);
    }
    Err(TestCaseError::fail(format!("{life:?} has no end")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn it_ends_as_the_world_knows_that_it_must_and_so_does_its_money(world in worlds()) {
        let (mut life, mut course) = (Life::Signed, Course::of(world.clone()));
        let (end, was_stopped) = live(&mut course, &mut life)?;
        prop_assert_eq!(&life, &Life::Over);
        let expected = if was_stopped { course.known() } else { Some(world.truth()) };
        let settled = match end {
            Effect::Settle(fate) => Some(fate),
            _ => None,
        };
        prop_assert_eq!(format!("{settled:?}"), format!("{expected:?}"));
        if !was_stopped {
            prop_assert_eq!(course.broadcasts_asked, course.broadcasts_due, "sent again whenever that was due");
        }

        let (ledger, id) = books();
        if let Some(fate) = &settled {
            block_on(ledger.settle(id, fate.in_the_books(), SystemTime::UNIX_EPOCH)).unwrap();
        }
        let sums = block_on(ledger.summary(SystemTime::UNIX_EPOCH)).unwrap().total;
        let money = settled.as_ref().map_or((RENT + FEE, 0), |fate| (0, cost(fate)));
        prop_assert_eq!((sums.held_lamports, sums.spent_lamports()), money);

        for (_, late) in world.strays {
            prop_assert!(matches!(life.on(late), Effect::Leave), "nothing follows the end");
            prop_assert_eq!(&life, &Life::Over);
        }
    }

    #[test]
    fn what_was_not_begun_is_left_to_whoever_finds_it(late in events()) {
        let mut life = Life::Signed;
        prop_assert!(matches!(life.on(Event::Stopped), Effect::Leave));
        prop_assert!(matches!(life.on(late), Effect::Leave));
    }
}
