//! At most one creation of a PDA at a time in this process: later ones get the first one's answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::batch::error::{CreationError, Outcome};
use crate::request::claim::CreationRequest;

/// A request's answer.
pub(crate) type Answer = Result<Outcome, CreationError>;

/// The request that is being served and, in the end, its answer.
type Flying = Option<(CreationRequest, Answer)>;

/// The PDAs that are being created.
#[derive(Clone, Default)]
pub(crate) struct Flights {
    flying: Arc<Mutex<HashMap<Pubkey, watch::Receiver<Flying>>>>,
}

/// Who creates a PDA.
pub(crate) enum Claim {
    /// The caller does.
    Mine(Flight),
    /// Somebody else does, and answers here.
    Others(watch::Receiver<Flying>),
}

/// The right to create a PDA, given back when dropped.
pub(crate) struct Flight {
    pda: Pubkey,
    answer: watch::Sender<Flying>,
    flights: Flights,
}

impl Flights {
    pub(crate) fn claim(&self, pda: Pubkey) -> Claim {
        let mut flying = self.lock();
        if let Some(other) = flying.get(&pda) {
            return Claim::Others(other.clone());
        }
        let (answer, receiver) = watch::channel(None);
        flying.insert(pda, receiver);
        Claim::Mine(Flight {
            pda,
            answer,
            flights: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pubkey, watch::Receiver<Flying>>> {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Tells whoever waits.
    pub(crate) fn land(self, request: CreationRequest, answer: Answer) {
        self.answer.send_replace(Some((request, answer)));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.pda);
    }
}

/// The answer to `request` from whoever creates its PDA. `None` if that one gave up or asked for something else
/// at the same address: then the caller must claim the PDA itself.
pub(crate) async fn answer_of_other(mut other: watch::Receiver<Flying>, request: &CreationRequest) -> Option<Answer> {
    let flying = other.wait_for(Option::is_some).await.ok()?;
    let (served, answer) = flying.as_ref()?;
    if !served.is_for_the_same_account(request) {
        return None;
    }
    // The account was paid for once, and by the other.
    Some(answer.clone().map(|_| Outcome::AlreadyExisted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(size: u64) -> CreationRequest {
        CreationRequest {
            pda: Pubkey::new_from_array([1; 32]),
            owner_program: Pubkey::default(),
            session_owner: Pubkey::default(),
            session_id: String::new(),
            size,
            requester: None,
            asked_at_slot: None,
        }
    }

    fn mine(flights: &Flights) -> Flight {
        match flights.claim(request(1).pda) {
            Claim::Mine(flight) => flight,
            Claim::Others(_) => panic!("somebody holds the address"),
        }
    }

    fn others(flights: &Flights) -> watch::Receiver<Flying> {
        match flights.claim(request(1).pda) {
            Claim::Others(other) => other,
            Claim::Mine(_) => panic!("nobody holds the address"),
        }
    }

    #[tokio::test]
    async fn the_second_gets_the_answer_of_the_first_and_pays_nothing() {
        let flights = Flights::default();
        let flight = mine(&flights);
        let other = others(&flights);
        let created = Outcome::Created {
            signature: solana_sdk::signature::Signature::default(),
            slot: 1,
        };
        flight.land(request(1), Ok(created));
        let answer = answer_of_other(other, &request(1)).await.unwrap();
        assert_eq!(answer.unwrap(), Outcome::AlreadyExisted);
        drop(mine(&flights));
    }

    #[tokio::test]
    async fn a_first_that_gives_up_hands_over() {
        let flights = Flights::default();
        let flight = mine(&flights);
        let other = others(&flights);
        drop(flight);
        assert!(answer_of_other(other, &request(1)).await.is_none());
        drop(mine(&flights));
    }

    #[tokio::test]
    async fn the_answer_to_another_request_at_the_same_address_is_no_answer() {
        let flights = Flights::default();
        let flight = mine(&flights);
        let other = others(&flights);
        flight.land(request(1), Ok(Outcome::AlreadyExisted));
        assert!(answer_of_other(other, &request(2)).await.is_none());
    }
}
