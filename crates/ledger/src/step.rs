//! The rules of the books, pure: which records a step touches, and how it changes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::SystemTime,
};

use solana_pubkey::Pubkey;
use solana_signature::Signature;

use crate::{
    account::{AccountKey, Limits, NoRoom},
    error::LedgerError,
    fate::{Fate, Settlement, Spending},
    hold::{Hold, HoldId, HoldRequest, MEMBERS_MAX, Member, SentTransaction, fee_shares},
    refusal::{HoldAnswer, Refusal},
    sheet::{Creation, HoldState, SettledHold, Sheet, SheetKeys},
};

/// One change of the books.
#[derive(Clone, Debug)]
pub enum Step {
    /// Set money aside.
    Hold(HoldRequest),
    /// Write down the transaction of a hold.
    Attach(HoldId, SentTransaction),
    /// Put a fate in the books.
    Settle(HoldId, Fate),
    /// The account at an address is gone.
    Close(Pubkey),
    /// The transaction that created the account at an address is in no block after all: its fork was dropped.
    Retract(Pubkey, Signature),
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepAnswer {
    /// To [`Step::Hold`].
    Hold(HoldAnswer),
    /// To [`Step::Hold`], where addresses are down as created and not as gone: close them first.
    Unclosed(Vec<Pubkey>),
    /// To [`Step::Settle`].
    Settled(Settlement),
    /// To the others.
    Done,
}

impl Step {
    /// The records that the step needs beyond those that the sheet has. Asked again after each load, until it names none.
    #[must_use]
    pub fn needs(&self, sheet: &Sheet) -> SheetKeys {
        let mut keys = SheetKeys::default();
        match self {
            Self::Hold(request) => {
                keys.holds.insert(request.id);
                touched(&mut keys, request.wallet, &request.members);
            }
            Self::Attach(id, _) => drop(keys.holds.insert(*id)),
            Self::Settle(id, _) => {
                keys.holds.insert(*id);
                if let Some(HoldState::Open(hold)) = sheet.holds.get(id) {
                    touched(&mut keys, hold.wallet, &hold.members);
                }
            }
            Self::Close(pda) | Self::Retract(pda, _) => {
                keys.addresses.insert(*pda);
                if let Some(creation) = sheet.addresses.get(pda).and_then(|address| address.creation) {
                    keys.accounts
                        .extend([AccountKey::Total, AccountKey::Requester(creation.requester)]);
                }
            }
        }
        keys.holds.retain(|key| !sheet.holds.contains_key(key));
        keys.accounts.retain(|key| !sheet.accounts.contains_key(key));
        keys.wallets.retain(|key| !sheet.wallets.contains_key(key));
        keys.addresses.retain(|key| !sheet.addresses.contains_key(key));
        keys
    }

    /// Changes the sheet. On an error and on a refusal it is as it was.
    ///
    /// # Errors
    /// [`LedgerError`] where the step makes no sense with what the books say.
    pub fn apply(&self, sheet: &mut Sheet, limits: &Limits, now: SystemTime) -> Result<StepAnswer, LedgerError> {
        match self {
            Self::Hold(request) => hold(sheet, request, limits, now),
            Self::Attach(id, sent) => attach(sheet, *id, *sent),
            Self::Settle(id, fate) => settle(sheet, *id, fate, now).map(StepAnswer::Settled),
            Self::Close(pda) => {
                close(sheet, pda);
                Ok(StepAnswer::Done)
            }
            Self::Retract(pda, signature) => {
                retract(sheet, pda, signature);
                Ok(StepAnswer::Done)
            }
        }
    }
}

fn touched(keys: &mut SheetKeys, wallet: Pubkey, members: &[Member]) {
    keys.wallets.insert(wallet);
    keys.accounts.insert(AccountKey::Total);
    for member in members {
        keys.accounts.insert(AccountKey::Requester(member.requester));
        keys.addresses.insert(member.pda);
    }
}

fn hold(sheet: &mut Sheet, request: &HoldRequest, limits: &Limits, now: SystemTime) -> Result<StepAnswer, LedgerError> {
    check_members(request)?;
    match sheet.holds.get(&request.id) {
        // The same question again: its first answer was lost on the way.
        Some(HoldState::Open(hold)) if hold.answers(request) => return Ok(StepAnswer::Hold(held(sheet, request))),
        None | Some(HoldState::Absent) => {}
        Some(_) => return Err(LedgerError::NameTaken { id: request.id }),
    }
    let unclosed: Vec<Pubkey> = request
        .members
        .iter()
        .filter(|member| creation_of(sheet, &member.pda).is_some_and(|creation| !creation.closed))
        .map(|member| member.pda)
        .collect();
    if !unclosed.is_empty() {
        return Ok(StepAnswer::Unclosed(unclosed));
    }
    let refusals = refusals(sheet, request, limits, now);
    if !refusals.is_empty() {
        return Ok(StepAnswer::Hold(HoldAnswer::Refused(refusals)));
    }
    for (key, lamports) in amounts(&request.members, request.fee_lamports) {
        sheet.accounts.entry(key).or_default().hold(lamports);
    }
    sheet
        .wallets
        .entry(request.wallet)
        .or_default()
        .hold(request.lamports());
    for member in &request.members {
        sheet.addresses.entry(member.pda).or_default().open = Some(request.id);
    }
    sheet.holds.insert(request.id, HoldState::Open(Hold::new(request, now)));
    Ok(StepAnswer::Hold(held(sheet, request)))
}

fn held(sheet: &Sheet, request: &HoldRequest) -> HoldAnswer {
    let creations = request
        .members
        .iter()
        .filter_map(|member| creation_of(sheet, &member.pda));
    HoldAnswer::Held {
        created_before: creations.map(|creation| creation.slot).max(),
    }
}

fn check_members(request: &HoldRequest) -> Result<(), LedgerError> {
    let members = request.members.len();
    if !(1..=MEMBERS_MAX).contains(&members) {
        return Err(LedgerError::MemberCount { members });
    }
    let mut seen = BTreeSet::new();
    match request.members.iter().find(|member| !seen.insert(member.pda)) {
        Some(twice) => Err(LedgerError::MemberTwice { pda: twice.pda }),
        None => Ok(()),
    }
}

fn refusals(sheet: &Sheet, request: &HoldRequest, limits: &Limits, now: SystemTime) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for member in &request.members {
        let pda = member.pda;
        if let Some(hold) = sheet.addresses.get(&pda).and_then(|address| address.open) {
            refusals.push(Refusal::Busy { pda, hold });
        }
        if let Some(creation) = creation_of(sheet, &pda)
            && member.asked_at_slot.is_none_or(|asked| asked <= creation.slot)
        {
            let Creation { signature, slot, .. } = creation;
            refusals.push(Refusal::CreatedBefore { pda, signature, slot });
        }
    }
    for (key, lamports) in amounts(&request.members, request.fee_lamports) {
        let account = sheet.accounts.get(&key);
        if let (Some(limit), Some(account)) = (key.limit(limits), account)
            && let Err(no_room) = account.room(lamports, limit, now)
        {
            refusals.push(over_budget(key, lamports, limit, no_room));
        }
    }
    if let Some(reading) = &request.wallet_reading {
        let wallet = sheet.wallets.get(&request.wallet).cloned().unwrap_or_default();
        refusals.extend(wallet.check(request.wallet, request.lamports(), reading).err());
    }
    refusals
}

fn over_budget(key: AccountKey, requested: u64, limit: u64, no_room: NoRoom) -> Refusal {
    let NoRoom { spent, room_at } = no_room;
    match key {
        AccountKey::Total => Refusal::Budget {
            spent,
            requested,
            limit,
            room_at,
        },
        AccountKey::Requester(requester) => Refusal::RequesterBudget {
            requester,
            spent,
            requested,
            limit,
            room_at,
        },
    }
}

fn attach(sheet: &mut Sheet, id: HoldId, sent: SentTransaction) -> Result<StepAnswer, LedgerError> {
    match sheet.holds.get_mut(&id) {
        Some(HoldState::Open(hold)) => match hold.sent {
            Some(before) if before != sent => Err(LedgerError::AlreadySent {
                id,
                signature: before.signature,
            }),
            _ => {
                hold.sent = Some(sent);
                Ok(StepAnswer::Done)
            }
        },
        Some(HoldState::Settled(settled)) => Err(LedgerError::SettledAlready {
            id,
            fate: Box::new(settled.fate.clone()),
        }),
        None | Some(HoldState::Absent) => Err(LedgerError::UnknownHold { id }),
    }
}

fn settle(sheet: &mut Sheet, id: HoldId, fate: &Fate, now: SystemTime) -> Result<Settlement, LedgerError> {
    let hold = match sheet.holds.get(&id) {
        Some(HoldState::Open(hold)) => hold.clone(),
        Some(HoldState::Settled(settled)) => return Ok(Settlement::Before(settled.fate.clone())),
        None | Some(HoldState::Absent) => return Err(LedgerError::UnknownHold { id }),
    };
    let signature = match (fate, hold.sent) {
        (Fate::Abandoned, Some(sent)) => {
            return Err(LedgerError::AlreadySent {
                id,
                signature: sent.signature,
            });
        }
        (Fate::Landed { .. } | Fate::Failed { .. } | Fate::Expired, None) => return Err(LedgerError::NeverSent { id }),
        (_, sent) => sent.map(|sent| sent.signature),
    };
    release(sheet, &hold);
    let spent_lamports = match (fate, signature) {
        (Fate::Landed { slot, spent }, Some(signature)) => land(sheet, &hold, (signature, *slot), spent.as_ref(), now),
        (Fate::Failed { slot, fee_lamports }, _) => {
            let fee = fee_lamports.unwrap_or(hold.fee_lamports);
            spend(sheet, &hold, &vec![0; hold.members.len()], fee, *slot, now)
        }
        _ => 0,
    };
    let settled = SettledHold {
        hold,
        fate: fate.clone(),
        settled_at_ms: session_clock::epoch_ms(now),
    };
    sheet.holds.insert(id, HoldState::Settled(Box::new(settled)));
    Ok(Settlement::Now { spent_lamports })
}

fn release(sheet: &mut Sheet, hold: &Hold) {
    for (key, lamports) in amounts(&hold.members, hold.fee_lamports) {
        sheet.accounts.entry(key).or_default().release(lamports);
    }
    sheet.wallets.entry(hold.wallet).or_default().release(hold.lamports());
    for member in &hold.members {
        let address = sheet.addresses.entry(member.pda).or_default();
        address.open = address.open.filter(|open| *open != hold.id);
    }
}

fn land(
    sheet: &mut Sheet,
    hold: &Hold,
    (signature, slot): (Signature, u64),
    spent: Option<&Spending>,
    now: SystemTime,
) -> u64 {
    let rents: Vec<u64> = hold.members.iter().map(|member| rent_of(member, spent)).collect();
    for (member, rent_lamports) in hold.members.iter().zip(&rents) {
        sheet.addresses.entry(member.pda).or_default().creation = Some(Creation {
            signature,
            slot,
            rent_lamports: *rent_lamports,
            requester: member.requester,
            closed: false,
        });
    }
    let fee = spent.map_or(hold.fee_lamports, |spent| spent.fee_lamports);
    spend(sheet, hold, &rents, fee, slot, now)
}

fn rent_of(member: &Member, spent: Option<&Spending>) -> u64 {
    let Some(spent) = spent else {
        return member.rent_lamports;
    };
    let rents = spent.rents.iter().filter(|rent| rent.pda == member.pda);
    rents.fold(0, |sum, rent| sum.saturating_add(rent.lamports))
}

/// Counts a block's spending on the total, each requester and the wallet. Gives the lamports.
fn spend(sheet: &mut Sheet, hold: &Hold, rents: &[u64], fee_lamports: u64, slot: u64, now: SystemTime) -> u64 {
    let shares = fee_shares(hold.members.len(), fee_lamports);
    let mut rent_lamports = 0_u64;
    for ((member, rent), share) in hold.members.iter().zip(rents).zip(shares) {
        let key = AccountKey::Requester(member.requester);
        sheet.accounts.entry(key).or_default().spend(*rent, share, now);
        rent_lamports = rent_lamports.saturating_add(*rent);
    }
    let total = sheet.accounts.entry(AccountKey::Total).or_default();
    total.spend(rent_lamports, fee_lamports, now);
    let lamports = rent_lamports.saturating_add(fee_lamports);
    sheet.wallets.entry(hold.wallet).or_default().land(slot, lamports);
    lamports
}

fn close(sheet: &mut Sheet, pda: &Pubkey) {
    let creation = sheet
        .addresses
        .get_mut(pda)
        .and_then(|address| address.creation.as_mut());
    let Some(creation) = creation.filter(|creation| !creation.closed) else {
        return;
    };
    creation.closed = true;
    let Creation {
        requester,
        rent_lamports,
        ..
    } = *creation;
    for key in [AccountKey::Total, AccountKey::Requester(requester)] {
        sheet.accounts.entry(key).or_default().lose(rent_lamports);
    }
}

fn retract(sheet: &mut Sheet, pda: &Pubkey, signature: &Signature) {
    let Some(address) = sheet.addresses.get_mut(pda) else {
        return;
    };
    let Some(creation) = address.creation.filter(|creation| creation.signature == *signature) else {
        return;
    };
    address.creation = None;
    for key in [AccountKey::Total, AccountKey::Requester(creation.requester)] {
        let account = sheet.accounts.entry(key).or_default();
        let lamports = if creation.closed {
            &mut account.lost_lamports
        } else {
            &mut account.locked_lamports
        };
        *lamports = lamports.saturating_sub(creation.rent_lamports);
    }
}

fn creation_of(sheet: &Sheet, pda: &Pubkey) -> Option<Creation> {
    sheet.addresses.get(pda)?.creation
}

/// What a hold takes from each account.
fn amounts(members: &[Member], fee_lamports: u64) -> BTreeMap<AccountKey, u64> {
    let mut amounts = BTreeMap::new();
    for (member, share) in members.iter().zip(fee_shares(members.len(), fee_lamports)) {
        let lamports = member.rent_lamports.saturating_add(share);
        for key in [AccountKey::Total, AccountKey::Requester(member.requester)] {
            let sum: &mut u64 = amounts.entry(key).or_default();
            *sum = sum.saturating_add(lamports);
        }
    }
    amounts
}
