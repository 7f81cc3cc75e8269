//! Two endpoints prove what both list with both tips beyond it, and nothing more; whoever lacks something is named.

use proptest::prelude::*;
use session_chain::Endpoint;

use super::*;

const MARGIN: u64 = 8;

fn endpoint(port: u16) -> EndpointLabel {
    let http = format!("http://127.0.0.1:{port}");
    let ws = String::new();
    Endpoint { http, ws }.label()
}

fn listed(slot: u64) -> Listed {
    let mut bytes = [0; 64];
    bytes[..8].copy_from_slice(&slot.to_be_bytes());
    Listed {
        signature: Signature::from(bytes),
        slot,
        failed: false,
    }
}

fn listing(port: u16, tip: u64, slots: &[u64]) -> Listing {
    Listing {
        endpoint: endpoint(port),
        tip,
        whole_after: 0,
        entries: slots.iter().rev().map(|slot| listed(*slot)).collect(),
    }
}

fn up_to(listings: &[Listing]) -> Option<u64> {
    agreed(10, MARGIN, listings).map(|agreed| agreed.statement.up_to)
}

#[test]
fn what_both_list_with_both_tips_beyond_is_proven() {
    let both = [listing(1, 100, &[9, 12, 50, 95]), listing(2, 90, &[9, 12, 50])];
    let Agreed { listed, statement } = agreed(10, MARGIN, &both).unwrap();
    assert_eq!(statement.up_to, 82, "the lower tip less the margin");
    assert_eq!(statement.because, Because::Agreement(endpoint(1), endpoint(2)));
    assert_eq!(listed.iter().map(|listed| listed.slot).collect::<Vec<_>>(), [12, 50]);
}

#[test]
fn nothing_is_proven_from_where_they_differ() {
    assert_eq!(up_to(&[listing(1, 100, &[12, 50]), listing(2, 100, &[12])]), Some(49));
    let mut failed = listing(2, 100, &[12, 50]);
    failed.entries[0].failed = true;
    assert_eq!(
        up_to(&[listing(1, 100, &[12, 50]), failed]),
        Some(49),
        "whether it failed counts"
    );
    assert_eq!(up_to(&[listing(1, 100, &[11]), listing(2, 100, &[])]), None);
    assert_eq!(up_to(&[listing(1, 100, &[12])]), None, "one endpoint proves nothing");
    let mut short = listing(2, 100, &[12]);
    short.whole_after = 11;
    assert_eq!(
        up_to(&[listing(1, 100, &[12]), short]),
        None,
        "a page that does not reach down"
    );
    assert_eq!(
        up_to(&[listing(1, 100, &[12]), listing(2, 15, &[12])]),
        None,
        "a tip that is hardly beyond"
    );
    let third = listing(3, 100, &[12, 50]);
    assert_eq!(
        up_to(&[listing(1, 100, &[12, 50]), listing(2, 100, &[12]), third]),
        Some(92),
        "two of three"
    );
}

#[test]
fn whoever_lags_or_lacks_is_named() {
    let named = |tip, listings: &[Listing]| -> Vec<_> {
        let contradicted = contradicted(10, MARGIN, tip, listings).into_iter();
        contradicted.map(|(endpoint, subject, _)| (endpoint, subject)).collect()
    };
    let honest = listing(1, 100, &[12, 50, 95]);
    assert_eq!(
        named(100, &[honest.clone(), listing(2, 70, &[12, 50])]),
        [(endpoint(2), Subject::Tip)]
    );
    assert_eq!(
        named(100, &[honest.clone(), listing(2, 100, &[12])]),
        [(endpoint(2), Subject::History)]
    );
    assert_eq!(
        named(100, &[honest.clone(), listing(2, 100, &[12, 50])]),
        [],
        "what is so new may be late"
    );
    assert_eq!(
        named(100, &[honest.clone(), listing(2, 1_000_000, &[12, 50])]),
        [],
        "an absurd tip is another matter"
    );
    assert_eq!(named(100, &[honest.clone(), honest]), []);
}

proptest! {
    /// Whatever each of two endpoints leaves out, a transaction that one of them lists is never passed unless both list it.
    #[test]
    fn what_one_of_them_leaves_out_is_never_passed(
        chain in prop::collection::btree_set(11_u64..60, 0..30),
        left_out in prop::collection::vec((any::<bool>(), 11_u64..60), 0..6),
        tips in (20_u64..80, 20_u64..80),
    ) {
        let without = |first: bool| -> Vec<u64> {
            let left_out = |slot: &u64| left_out.contains(&(first, *slot));
            chain.iter().copied().filter(|slot| !left_out(slot)).collect()
        };
        let (one, other) = (listing(1, tips.0, &without(true)), listing(2, tips.1, &without(false)));
        if let Some(Agreed { listed, statement }) = agreed(10, MARGIN, &[one.clone(), other.clone()]) {
            prop_assert!(statement.up_to + MARGIN <= tips.0.min(tips.1));
            let delivered: BTreeSet<u64> = listed.iter().map(|listed| listed.slot).collect();
            let by_either: BTreeSet<u64> = one.entries.iter().chain(&other.entries).map(|listed| listed.slot)
                .filter(|slot| *slot > 10 && *slot <= statement.up_to).collect();
            prop_assert_eq!(delivered, by_either);
        }
    }
}
