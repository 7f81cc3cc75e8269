//! Whom to leave out of a transaction for which no money was held, so that the others are not kept waiting. Pure.

use std::collections::BTreeMap;

use session_ledger::{Member, Refusal};
use solana_pubkey::Pubkey;

/// Those of `members` that have to stay behind, each with what stands against it. Never nobody, unless nothing stands
/// against anybody. Those in front go first.
pub(crate) fn leave_out(members: &[Member], fee_lamports: u64, refusals: &[Refusal]) -> BTreeMap<Pubkey, Refusal> {
    let mut out = BTreeMap::new();
    for refusal in refusals {
        match refusal {
            Refusal::Busy { pda, .. } | Refusal::CreatedBefore { pda, .. } => {
                out.insert(*pda, refusal.clone());
            }
            Refusal::Budget { spent, limit, .. } => {
                over(members, fee_lamports, limit.saturating_sub(*spent), refusal, &mut out);
            }
            Refusal::RequesterBudget {
                requester,
                spent,
                limit,
                ..
            } => {
                let theirs: Vec<Member> = members
                    .iter()
                    .filter(|member| member.requester == *requester)
                    .cloned()
                    .collect();
                over(&theirs, fee_lamports, limit.saturating_sub(*spent), refusal, &mut out);
            }
            Refusal::WalletReserve { available, reserve, .. } => {
                over(
                    members,
                    fee_lamports,
                    available.saturating_sub(*reserve),
                    refusal,
                    &mut out,
                );
            }
            Refusal::StaleReading { .. } => {}
        }
    }
    out
}

/// Leaves out whoever does not fit into `room`, and one at least: what was refused as a whole is too much.
fn over(members: &[Member], fee_lamports: u64, room: u64, refusal: &Refusal, out: &mut BTreeMap<Pubkey, Refusal>) {
    let before = out.len();
    let mut taken = fee_lamports;
    for member in members
        .iter()
        .filter(|member| !out.contains_key(&member.pda))
        .cloned()
        .collect::<Vec<_>>()
    {
        let with_it = taken.saturating_add(member.rent_lamports);
        if with_it > room {
            out.insert(member.pda, refusal.clone());
        } else {
            taken = with_it;
        }
    }
    if out.len() == before
        && let Some(last) = members.iter().rev().find(|member| !out.contains_key(&member.pda))
    {
        out.insert(last.pda, refusal.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: Pubkey = Pubkey::new_from_array([101; 32]);
    const BOB: Pubkey = Pubkey::new_from_array([102; 32]);

    fn member(seed: u8, requester: Pubkey, rent_lamports: u64) -> Member {
        Member {
            pda: Pubkey::new_from_array([seed; 32]),
            requester,
            rent_lamports,
            asked_at_slot: None,
        }
    }

    fn left_out(members: &[Member], refusals: &[Refusal]) -> Vec<u8> {
        leave_out(members, 5, refusals)
            .into_keys()
            .map(|pda| pda.to_bytes()[0])
            .collect()
    }

    #[test]
    fn the_budget_is_filled_from_the_front() {
        let members = [member(1, ALICE, 50), member(2, BOB, 40), member(3, ALICE, 5)];
        let refusal = Refusal::Budget {
            spent: 0,
            requested: 100,
            limit: 60,
            room_at: None,
        };
        assert_eq!(left_out(&members, &[refusal]), [2]);
    }

    #[test]
    fn one_requesters_budget_leaves_the_others_alone() {
        let members = [member(1, ALICE, 50), member(2, BOB, 40), member(3, ALICE, 50)];
        let refusal = Refusal::RequesterBudget {
            requester: ALICE,
            spent: 10,
            requested: 105,
            limit: 80,
            room_at: None,
        };
        assert_eq!(left_out(&members, &[refusal]), [3]);
    }

    #[test]
    fn whoever_is_named_stays_behind_and_somebody_always_does() {
        let members = [member(1, ALICE, 1), member(2, BOB, 1)];
        let before = Refusal::CreatedBefore {
            pda: members[0].pda,
            signature: solana_sdk::signature::Signature::default(),
            slot: 3,
        };
        assert_eq!(left_out(&members, &[before]), [1]);
        let rounding = Refusal::Budget {
            spent: 0,
            requested: 7,
            limit: 7,
            room_at: None,
        };
        assert_eq!(left_out(&members, &[rounding]), [2]);
    }
}
