//! Room `source`: finds the program's transactions.
//!
//! Owns the subscription ([`subscription`], over one [`socket`], read by the [`fast_path`]), and the chain's own listing: the
//! [`poller`] asks when (by its [`rhythm`]), the [`pager`] walks the pages of a [`listing`], the [`fetcher`] gets what nobody has
//! seen, and those whose logs were cut ([`truncated`]). It hands
//! transactions to `intake` and alone makes [`statement`]s up to which slot everything was delivered, by [`evidence`] such as the
//! [`agreement`] of two endpoints; what any other source would have to state is written down at [`walk::Source`]. It may not know
//! what is made of the transactions.

pub(crate) mod agreement;
pub(crate) mod bucket;
pub(crate) mod evidence;
pub(crate) mod examination;
pub(crate) mod fast_path;
pub(crate) mod fetcher;
pub(crate) mod gap;
pub(crate) mod heard;
pub(crate) mod listing;
pub(crate) mod owing;
pub(crate) mod pager;
pub(crate) mod poller;
pub(crate) mod rhythm;
pub(crate) mod rpc;
pub(crate) mod rpc_walk;
pub(crate) mod second_look;
pub(crate) mod socket;
pub(crate) mod statement;
pub(crate) mod subscription;
pub(crate) mod truncated;
pub(crate) mod walk;
