//! From what is missing to transactions that are under way.

use std::sync::Arc;

use session_chain::replies::{Simulation, simulate};
use session_ledger::{MEMBERS_MAX, Member};
use solana_pubkey::Pubkey;
use solana_sdk::hash::Hash;
use solana_sdk::signature::Signature;
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::Instant;

use crate::batch::serve::{Batch, Means};
use crate::config::EngineConfig;
use crate::delivery::blockhash::RECENT;
use crate::delivery::courier::Order;
use crate::transaction::cost::{MAX_COMPUTE_UNITS, SIGNATURE_FEE_LAMPORTS, USUAL_UNITS, priority_fee};
use crate::transaction::message::{Terms, WireFormat};
use crate::transaction::plan::{Creation, Group, Rules, plan};

/// Nobody waits longer for a simulation: without one a creation is sized by what is usual.
const MEASURE_SLOTS: u32 = 3;

/// What this batch knows of a delivery that it ordered.
pub(super) struct Own {
    pub(super) group: Group,
    pub(super) members: Vec<Member>,
    pub(super) terms: Terms,
    pub(super) rules: OwnRules,
}

/// The rules of a plan, kept for as long as its transaction lives.
#[derive(Clone)]
pub(super) struct OwnRules {
    config: Arc<EngineConfig>,
    pub(super) format: WireFormat,
    base_units: u32,
    max_creations: usize,
}

impl Batch<'_> {
    /// Orders transactions for everything that is missing. Programs are kept apart: what one of them breaks is its own.
    pub(super) async fn launch(&mut self) {
        let mut creations = self.open.take_missing();
        creations.sort_by_key(|creation| creation.request.owner_program);
        let one_program = |one: &Creation, other: &Creation| one.request.owner_program == other.request.owner_program;
        for of_one_program in creations.chunk_by(one_program) {
            let program = of_one_program[0].request.owner_program;
            if self.means.units.is_due(&program, Instant::now()) {
                let (rules, deadline) = (self.rules(USUAL_UNITS), self.deadline);
                self.means.measure(program, of_one_program, &rules, deadline).await;
            }
            let rules = self.rules(self.means.units.of_a_creation(&program, self.raises));
            for group in plan(of_one_program.to_vec(), rules.as_rules()) {
                self.order(group, &rules);
            }
        }
    }

    fn rules(&self, base_units: u32) -> OwnRules {
        OwnRules {
            config: Arc::clone(&self.means.config),
            format: self.means.formats.current(),
            base_units,
            // One hold is one change of the books, which have no room for more at once.
            max_creations: self.max_creations.min(MEMBERS_MAX),
        }
    }

    fn order(&mut self, group: Group, rules: &OwnRules) {
        let means = self.means;
        let offer = means.courier.market.offer();
        let terms = Terms {
            compute_units: group.compute_units,
            priority_fee_lamports: priority_fee(
                offer.micro_lamports_per_unit,
                group.compute_units,
                means.config.policy.max_priority_fee_lamports,
            ),
        };
        let members: Vec<Member> = group.creations.iter().map(|creation| self.member(creation)).collect();
        let (to_compile, compile_rules) = (group.clone(), rules.clone());
        let order = Order {
            members: members.clone(),
            fee_lamports: SIGNATURE_FEE_LAMPORTS.saturating_add(rules.format.charged_priority_fee(terms)),
            offer,
            wallet: rules.config.mark_created.map(|mark| mark.authority),
            not: self.stale_blockhash,
            deadline: self.deadline,
            compile: Box::new(move |payer, blockhash| {
                let rules = compile_rules.as_rules();
                let instructions = to_compile.instructions(payer, rules);
                let compiled = rules.format.compile(payer, &instructions, blockhash, terms);
                compiled.map_err(|error| error.to_string())
            }),
        };
        let running = means.courier.deliver(order);
        self.open.under_way(&group.pdas(), &running);
        let own = Own {
            group,
            members,
            terms,
            rules: rules.clone(),
        };
        self.follow(running, Some(own));
    }

    fn member(&self, creation: &Creation) -> Member {
        Member {
            pda: creation.request.pda,
            requester: creation.request.answerable(),
            rent_lamports: creation.rent_due(self.means.cluster.rent()),
            asked_at_slot: creation.request.asked_at_slot,
        }
    }
}

impl Means {
    /// Has a node try what would be sent first for a program, or where that fails the first creation alone: what it took
    /// goes for the program's creations from now on. Where no node says, they are sized by what is usual.
    async fn measure(&self, program: Pubkey, creations: &[Creation], rules: &OwnRules, deadline: Instant) {
        let deadline = deadline.min(Instant::now() + self.cluster.slots(MEASURE_SLOTS));
        let planned = |creations: &[Creation]| plan(creations.to_vec(), rules.as_rules()).into_iter().next();
        let mut told = None;
        for group in [planned(creations), planned(&creations[..1])].into_iter().flatten() {
            told = self.simulated(&group, rules.as_rules(), deadline).await;
            if told.is_some() || group.creations.len() == 1 {
                break;
            }
        }
        self.units.learn(program, told, Instant::now());
    }

    /// The compute units that each creation of a group took in a simulation beside what its address and size take.
    async fn simulated(&self, group: &Group, rules: Rules<'_>, deadline: Instant) -> Option<u32> {
        let terms = Terms {
            compute_units: MAX_COMPUTE_UNITS,
            priority_fee_lamports: 0,
        };
        let signers = self.courier.treasury.signers.addresses();
        let payer = rules
            .mark_created
            .map(|mark| mark.authority)
            .or(signers.first().copied())?;
        let instructions = group.instructions(&payer, rules);
        let message = rules
            .format
            .compile(&payer, &instructions, Hash::default(), terms)
            .ok()?;
        let transaction = VersionedTransaction {
            signatures: vec![Signature::default()],
            message,
        };
        let simulated = simulate(&self.pool, &transaction, RECENT, Some(deadline)).await;
        match simulated {
            Ok(Simulation {
                failure: None,
                units_consumed: Some(consumed),
            }) => Some(group.units_beside_known(consumed, rules)),
            Ok(simulation) => {
                tracing::debug!(?simulation, "a simulation does not say what a creation takes");
                None
            }
            Err(error) => {
                tracing::debug!(%error, "no node has simulated what a creation takes");
                None
            }
        }
    }
}

impl OwnRules {
    pub(super) fn as_rules(&self) -> Rules<'_> {
        Rules {
            format: self.format,
            shape: &self.config.instruction,
            mark_created: self.config.mark_created,
            base_units: self.base_units,
            max_creations: self.max_creations,
        }
    }
}
