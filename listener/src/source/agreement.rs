//! What two endpoints prove together that list the same, and which of them is contradicted where they don't.

use std::collections::{BTreeSet, HashSet};

use session_chain::EndpointLabel;
use solana_sdk::signature::Signature;

use crate::{
    decode::listed::Listed,
    source::{
        evidence::Subject,
        statement::{Because, Statement},
    },
};

/// Endpoints are asked at the same time, and the slowest answer takes seconds: a tip that is further back is a node that lags.
const LAG_SLOTS: u64 = 20;

/// What one endpoint lists.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    pub(super) endpoint: EndpointLabel,
    /// The newest slot that it told before it was asked for the list.
    pub(super) tip: u64,
    /// After this slot its list has everything that it lists at all.
    pub(super) whole_after: u64,
    pub(super) entries: Vec<Listed>,
}

/// What two endpoints agree on.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The transactions that they prove, oldest first.
    pub(crate) listed: Vec<Listed>,
    pub(crate) statement: Statement,
}

/// The furthest that any two of these endpoints prove beyond `floor`: up to it they list the same, and both of their tips are
/// at least `margin` slots beyond, in which an index of addresses may be late.
pub(super) fn agreed(floor: u64, margin: u64, listings: &[Listing]) -> Option<Agreed> {
    let pairs = listings.iter().enumerate().flat_map(|(index, one)| {
        let others = listings.iter().skip(index + 1);
        others.map(move |other| (one, other))
    });
    pairs
        .filter_map(|(one, other)| of_two(floor, margin, one, other))
        .max_by_key(|agreed| agreed.statement.up_to)
}

fn of_two(floor: u64, margin: u64, one: &Listing, other: &Listing) -> Option<Agreed> {
    let empty = one.entries.is_empty() || other.entries.is_empty();
    // What lists nothing, or not down to the floor, says nothing about the time since.
    if empty || floor < one.whole_after.max(other.whole_after) {
        return None;
    }
    let bound = one.tip.min(other.tip).saturating_sub(margin);
    let of = |listing: &Listing| -> BTreeSet<(u64, Signature, bool)> {
        let between = listing
            .entries
            .iter()
            .filter(|listed| listed.slot > floor && listed.slot <= bound);
        between
            .map(|listed| (listed.slot, listed.signature, listed.failed))
            .collect()
    };
    let (first, second) = (of(one), of(other));
    let differs = first.symmetric_difference(&second).next();
    let up_to = differs.map_or(bound, |(slot, ..)| slot - 1);
    if up_to <= floor {
        return None;
    }
    // A list is newest first, and keeps the order within a slot.
    let proven = one
        .entries
        .iter()
        .rev()
        .filter(|listed| listed.slot > floor && listed.slot <= up_to);
    Some(Agreed {
        listed: proven.copied().collect(),
        statement: Statement {
            up_to,
            because: Because::Agreement(one.endpoint.clone(), other.endpoint.clone()),
        },
    })
}

/// Which endpoint is contradicted by another one, about what and how: it lags, or it lacks what another lists and its own tip
/// has passed long ago. `tip` is the newest slot that is believed.
pub(super) fn contradicted(
    floor: u64,
    margin: u64,
    tip: u64,
    listings: &[Listing],
) -> Vec<(EndpointLabel, Subject, String)> {
    let lags = listings
        .iter()
        .filter(|listing| listing.tip < tip.saturating_sub(LAG_SLOTS));
    let mut contradicted: Vec<_> = lags
        .map(|listing| {
            let how = format!("it tells slot {}, another one {tip}", listing.tip);
            (listing.endpoint.clone(), Subject::Tip, how)
        })
        .collect();
    for listing in listings {
        let known: HashSet<_> = listing.entries.iter().map(|listed| listed.signature).collect();
        let must_list = floor.max(listing.whole_after).saturating_add(1)..=listing.tip.min(tip).saturating_sub(margin);
        let lacks = |listed: &&Listed| must_list.contains(&listed.slot) && !known.contains(&listed.signature);
        if let Some(lacking) = listings.iter().flat_map(|other| &other.entries).find(lacks) {
            let how = format!("it does not list {} of slot {}", lacking.signature, lacking.slot);
            contradicted.push((listing.endpoint.clone(), Subject::History, how));
        }
    }
    contradicted
}

#[cfg(test)]
mod tests;
