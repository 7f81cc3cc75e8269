//! Lamports spent in the last hour, against their limits. Pure: time is passed in.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use solana_pubkey::Pubkey;

use crate::batch::error::Deferral;
use crate::request::policy::Policy;

/// The window slides in steps of a minute.
const WINDOW_MINUTES: u64 = 60;

/// The spending of all requests and of each session owner.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    all: Window,
    owners: HashMap<Pubkey, Window>,
}

/// Spending by minute, oldest first.
#[derive(Debug, Default)]
struct Window {
    minutes: VecDeque<(u64, u64)>,
}

impl Budget {
    /// Counts `lamports` as spent for `owner`, or says which limit stands against it. `now` is the time since any
    /// fixed moment.
    pub(crate) fn charge(
        &mut self,
        owner: &Pubkey,
        lamports: u64,
        policy: &Policy,
        now: Duration,
    ) -> Result<(), Deferral> {
        let minute = now.as_secs() / 60;
        let spent = self.all.spent(minute);
        if let Some(limit) = policy
            .hourly_budget_lamports
            .filter(|limit| spent.saturating_add(lamports) > *limit)
        {
            return Err(Deferral::HourlyBudget {
                spent,
                requested: lamports,
                limit,
            });
        }
        if let Some(limit) = policy.owner_hourly_budget_lamports {
            self.owners.retain(|_, window| window.spent(minute) > 0);
            let window = self.owners.entry(*owner).or_default();
            let spent = window.spent(minute);
            if spent.saturating_add(lamports) > limit {
                return Err(Deferral::OwnerBudget {
                    owner: *owner,
                    spent,
                    requested: lamports,
                    limit,
                });
            }
            window.add(minute, lamports);
        }
        self.all.add(minute, lamports);
        Ok(())
    }

    /// Takes back a charge whose lamports were not spent.
    pub(crate) fn refund(&mut self, owner: &Pubkey, lamports: u64) {
        self.all.subtract(lamports);
        if let Some(window) = self.owners.get_mut(owner) {
            window.subtract(lamports);
        }
    }
}

impl Window {
    fn spent(&mut self, minute: u64) -> u64 {
        while self
            .minutes
            .front()
            .is_some_and(|(at, _)| at + WINDOW_MINUTES <= minute)
        {
            self.minutes.pop_front();
        }
        self.minutes
            .iter()
            .fold(0, |sum, (_, lamports)| sum.saturating_add(*lamports))
    }

    fn add(&mut self, minute: u64, lamports: u64) {
        match self.minutes.back_mut() {
            Some((at, sum)) if *at == minute => *sum = sum.saturating_add(lamports),
            _ => self.minutes.push_back((minute, lamports)),
        }
    }

    /// From the newest minutes back: a refund follows its charge within seconds.
    fn subtract(&mut self, lamports: u64) {
        let mut left = lamports;
        for (_, sum) in self.minutes.iter_mut().rev() {
            let taken = left.min(*sum);
            *sum -= taken;
            left -= taken;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Pubkey = Pubkey::new_from_array([1; 32]);
    const BOB: Pubkey = Pubkey::new_from_array([2; 32]);

    fn policy(all: Option<u64>, owner: Option<u64>) -> Policy {
        Policy {
            hourly_budget_lamports: all,
            owner_hourly_budget_lamports: owner,
            ..Policy::default()
        }
    }

    fn minutes(count: u64) -> Duration {
        Duration::from_secs(60 * count)
    }

    #[test]
    fn the_budget_is_spent_to_the_last_lamport_and_no_further() {
        let mut budget = Budget::default();
        let policy = policy(Some(100), None);
        assert_eq!(budget.charge(&ALICE, 60, &policy, minutes(0)), Ok(()));
        assert_eq!(budget.charge(&BOB, 40, &policy, minutes(1)), Ok(()));
        assert_eq!(
            budget.charge(&BOB, 1, &policy, minutes(2)),
            Err(Deferral::HourlyBudget {
                spent: 100,
                requested: 1,
                limit: 100
            })
        );
    }

    #[test]
    fn what_was_spent_an_hour_ago_is_free_again() {
        let mut budget = Budget::default();
        let policy = policy(Some(100), Some(100));
        budget.charge(&ALICE, 60, &policy, minutes(0)).unwrap();
        budget.charge(&ALICE, 40, &policy, minutes(30)).unwrap();
        assert!(budget.charge(&ALICE, 60, &policy, minutes(59)).is_err());
        assert_eq!(budget.charge(&ALICE, 60, &policy, minutes(60)), Ok(()));
        assert!(budget.charge(&ALICE, 1, &policy, minutes(61)).is_err());
    }

    #[test]
    fn one_owner_cannot_spend_the_others_share() {
        let mut budget = Budget::default();
        let policy = policy(Some(100), Some(50));
        budget.charge(&ALICE, 50, &policy, minutes(0)).unwrap();
        assert_eq!(
            budget.charge(&ALICE, 1, &policy, minutes(0)),
            Err(Deferral::OwnerBudget {
                owner: ALICE,
                spent: 50,
                requested: 1,
                limit: 50
            })
        );
        assert_eq!(budget.charge(&BOB, 50, &policy, minutes(0)), Ok(()));
    }

    #[test]
    fn a_refusal_by_the_owners_limit_charges_nobody_and_a_refund_opens_the_budget_again() {
        let mut budget = Budget::default();
        let policy = policy(Some(100), Some(50));
        assert!(budget.charge(&ALICE, 51, &policy, minutes(0)).is_err());
        budget.charge(&ALICE, 50, &policy, minutes(0)).unwrap();
        budget.refund(&ALICE, 50);
        assert_eq!(budget.charge(&ALICE, 50, &policy, minutes(1)), Ok(()));
        assert_eq!(budget.charge(&BOB, 50, &policy, minutes(1)), Ok(()));
    }
}
