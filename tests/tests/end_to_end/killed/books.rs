//! What the chain says against what the books say, to the lamport.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use session_ledger::{Ledger, fee_shares};
use session_ledger_dynamodb::DynamoDbLedger;
use solana_client::{
    nonblocking::rpc_client::RpcClient, rpc_client::GetConfirmedSignaturesForAddress2Config, rpc_request::RpcRequest,
};
use solana_pubkey::Pubkey;
use solana_sdk::signature::Signer;
use tokio::time::Instant;

use super::{
    REQUESTS,
    hurried::Pace,
    worker::{Place, request, requester},
};

const HOUR: Duration = Duration::from_hours(1);
/// Looking for slots is itself late by so much at most.
const LATE: Duration = Duration::from_millis(200);

/// One transaction of the wallet's, as its block has it.
struct Spent {
    slot: u64,
    /// What the wallet lost.
    lamports: u64,
    fee_lamports: u64,
    /// The accounts that it names, in its order, with what went into them.
    rents: Vec<(Pubkey, u64)>,
}

impl Spent {
    fn shares(&self, requesters: &BTreeMap<Pubkey, Pubkey>) -> BTreeMap<Pubkey, u64> {
        let mut shares = BTreeMap::new();
        for ((pda, rent), fee) in self.rents.iter().zip(fee_shares(self.rents.len(), self.fee_lamports)) {
            *shares.entry(requesters[pda]).or_default() += rent + fee;
        }
        shares
    }
}

/// Fails unless the wallet's loss is the transactions', theirs the books', each account was paid once, and no hour and no
/// requester was over the limits.
pub(crate) async fn compare(
    rpc: &RpcClient,
    place: &Place,
    ledger: &DynamoDbLedger,
    lost: u64,
    slots: &BTreeMap<u64, Instant>,
) {
    let requesters: BTreeMap<Pubkey, Pubkey> = (0..REQUESTS)
        .map(|number| (request(number).pda, requester(number)))
        .collect();
    let spent = transactions(rpc, &place.wallet.pubkey(), &requesters).await;
    let sum = |of: &dyn Fn(&Spent) -> u64| spent.iter().map(of).sum::<u64>();
    assert_eq!(
        sum(&|spent| spent.lamports),
        lost,
        "the transactions are all that the wallet paid for"
    );
    let mut created: BTreeMap<Pubkey, u32> = BTreeMap::new();
    for (pda, _) in spent
        .iter()
        .flat_map(|spent| &spent.rents)
        .filter(|(_, rent)| *rent > 0)
    {
        *created.entry(*pda).or_default() += 1;
    }
    assert_eq!(created.len(), REQUESTS);
    assert!(created.values().all(|times| *times == 1), "an account was paid twice");

    let summary = ledger.summary(place.pace.of(session_clock::now())).await.unwrap();
    let all: Vec<(u64, u64)> = spent.iter().map(|spent| (spent.slot, spent.lamports)).collect();
    let limit = place.limits.lamports_per_hour.unwrap();
    println!(
        "the chain says {lost} lamports, the books {}, in {} transactions; busiest hour {} of {limit}",
        summary.total.spent_lamports(),
        spent.len(),
        busiest_hour(&all, slots),
    );
    assert_eq!(summary.total.spent_lamports(), lost);
    assert_eq!((summary.total.held_lamports, summary.open_holds), (0, 0));
    assert!(busiest_hour(&all, slots) <= limit);
    of_requesters(&spent, &requesters, place, &summary, slots);
}

fn of_requesters(
    spent: &[Spent],
    requesters: &BTreeMap<Pubkey, Pubkey>,
    place: &Place,
    summary: &session_ledger::Summary,
    slots: &BTreeMap<u64, Instant>,
) {
    let limit = place.limits.lamports_per_requester_per_hour.unwrap();
    let mut of_each: BTreeMap<Pubkey, Vec<(u64, u64)>> = BTreeMap::new();
    for spent in spent {
        for (requester, lamports) in spent.shares(requesters) {
            of_each.entry(requester).or_default().push((spent.slot, lamports));
        }
    }
    assert_eq!(of_each.len(), summary.requesters.len());
    for (requester, spent) in &of_each {
        let (sum, busiest) = (
            spent.iter().map(|(_, lamports)| lamports).sum::<u64>(),
            busiest_hour(spent, slots),
        );
        println!("requester {requester}: {sum} lamports, busiest hour {busiest} of {limit}");
        assert_eq!(summary.requesters[requester].spent_lamports(), sum);
        assert!(busiest <= limit);
    }
}

/// The most that was spent within slots of which the first began, and the last was over, within an hour of the books' time.
fn busiest_hour(spent: &[(u64, u64)], slots: &BTreeMap<u64, Instant>) -> u64 {
    let hour = Pace::takes(HOUR).saturating_sub(LATE);
    let over = |slot: u64| slots.range(slot + 1..).next().map(|(_, seen)| *seen);
    let begins = |slot: u64| slots.range(..=slot).next_back().map(|(_, seen)| *seen);
    let from = |first: u64| {
        let began = begins(first).expect("each slot was seen");
        let within = |slot: u64| slot >= first && over(slot).is_some_and(|over| over - began <= hour);
        let within = spent.iter().filter(|(slot, _)| within(*slot));
        within.map(|(_, lamports)| lamports).sum::<u64>()
    };
    spent.iter().map(|(slot, _)| from(*slot)).max().unwrap_or(0)
}

/// All transactions that the wallet has paid for.
async fn transactions(rpc: &RpcClient, wallet: &Pubkey, known: &BTreeMap<Pubkey, Pubkey>) -> Vec<Spent> {
    let mut before = None;
    let mut spent = Vec::new();
    loop {
        let config = GetConfirmedSignaturesForAddress2Config {
            before,
            ..GetConfirmedSignaturesForAddress2Config::default()
        };
        let listed = rpc
            .get_signatures_for_address_with_config(wallet, config)
            .await
            .unwrap();
        let Some(last) = listed.last() else { return spent };
        before = last.signature.parse().ok();
        for listed in listed {
            let options = json!({ "encoding": "json", "commitment": "confirmed", "maxSupportedTransactionVersion": 0 });
            let parameters = json!([listed.signature, options]);
            let transaction: Value = rpc.send(RpcRequest::GetTransaction, parameters).await.unwrap();
            if let Some(transaction) = read(&transaction, wallet, known) {
                spent.push(transaction);
            }
        }
    }
}

/// A transaction that the wallet has paid for.
fn read(transaction: &Value, wallet: &Pubkey, known: &BTreeMap<Pubkey, Pubkey>) -> Option<Spent> {
    let (meta, message) = (&transaction["meta"], &transaction["transaction"]["message"]);
    let keys: Vec<Pubkey> = message["accountKeys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().parse().unwrap())
        .collect();
    if keys[0] != *wallet {
        return None;
    }
    let change = |place: usize| {
        let of = |side: &str| meta[side][place].as_u64().unwrap();
        (of("preBalances"), of("postBalances"))
    };
    let instructions = message["instructions"].as_array().unwrap().iter();
    let places = instructions.flat_map(|instruction| instruction["accounts"].as_array().unwrap());
    let places = places.map(|place| usize::try_from(place.as_u64().unwrap()).unwrap());
    let rents = places.filter(|place| known.contains_key(&keys[*place])).map(|place| {
        let (before, after) = change(place);
        (keys[place], after - before)
    });
    let (before, after) = change(0);
    Some(Spent {
        slot: transaction["slot"].as_u64().unwrap(),
        lamports: before - after,
        fee_lamports: meta["fee"].as_u64().unwrap(),
        rents: rents.collect(),
    })
}
