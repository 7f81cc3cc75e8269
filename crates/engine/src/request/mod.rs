//! What may be asked for.
//!
//! Owns the rules that a claim has to keep before anybody looks at the chain for it: the program is allowed, the size
//! and the id are possible, the address follows from its seeds. Such a claim becomes a [`claim::CreationRequest`],
//! any other a [`rejection::Rejection`], for good. Pure: the same claim under the same policy has the same answer,
//! whatever the chain, the wallet or the queue do. It knows nothing of the rooms above.

pub(crate) mod claim;
pub(crate) mod policy;
pub(crate) mod rejection;
