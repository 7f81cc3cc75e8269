//! A session of the factory's, and how the tests look at it.

use session_events::{
    MetadataEntry, SessionEntry, SessionFactoryState,
    factory::{SESSION_FACTORY_ID, SessionRequest, entry_address, request_session_creation, state_address},
};
use solana_sdk::{pubkey::Pubkey, signature::Signer};

use crate::svm::Svm;

/// The sessions' shard, which owns nothing.
pub(crate) const SHARD: Pubkey = Pubkey::new_from_array([9; 32]);

/// A request of `owner`'s.
pub(crate) fn request_of(owner: Pubkey, session_id: &str, namespaces: &[&str]) -> SessionRequest {
    SessionRequest {
        owner,
        eval_program: Pubkey::new_from_array([8; 32]),
        session_id: session_id.to_owned(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        shard_address: SHARD,
    }
}

/// The same of an owner who has no key.
pub(crate) fn request(session_id: &str, namespaces: &[&str]) -> SessionRequest {
    request_of(Pubkey::new_from_array([7; 32]), session_id, namespaces)
}

/// Makes the request, and gives its entry's address.
pub(crate) fn requested(svm: &mut Svm, request: &SessionRequest) -> Pubkey {
    let instruction = request_session_creation(&SESSION_FACTORY_ID, &svm.payer.pubkey(), request).unwrap();
    svm.send(&[instruction], &[]).unwrap();
    entry_of(request)
}

/// The address of a request's entry.
pub(crate) fn entry_of(request: &SessionRequest) -> Pubkey {
    entry_address(&SESSION_FACTORY_ID, &request.owner, &request.session_id)
        .unwrap()
        .0
}

/// The entry at an address.
pub(crate) fn entry(svm: &Svm, address: &Pubkey) -> SessionEntry {
    SessionEntry::decode(&svm.account(address).unwrap().data).unwrap()
}

/// The factory's address of state.
pub(crate) fn state_of_factory() -> Pubkey {
    state_address(&SESSION_FACTORY_ID).unwrap().0
}

/// The factory's state.
pub(crate) fn state(svm: &Svm) -> SessionFactoryState {
    SessionFactoryState::decode(&svm.account(&state_of_factory()).unwrap().data).unwrap()
}

/// Pairs as an attestation has them.
pub(crate) fn metadata(pairs: &[(&str, &str)]) -> Vec<MetadataEntry> {
    let entry = |(key, value): &(&str, &str)| MetadataEntry {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    pairs.iter().map(entry).collect()
}
