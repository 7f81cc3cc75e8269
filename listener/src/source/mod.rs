//! Room `source`: finds the program's transactions.
//!
//! Owns the subscription ([`subscription`], over one [`socket`], read by the [`fast_path`]), and the chain's own listing: the
//! [`poller`] asks when, the [`pager`] walks the pages, the [`fetcher`] gets what nobody has seen. It hands transactions to
//! `intake` and alone states up to which slot everything was delivered, and by what [`evidence`]; it may not know what is made of them.

pub(crate) mod evidence;
pub(crate) mod examination;
pub(crate) mod fast_path;
pub(crate) mod fetcher;
pub(crate) mod pager;
pub(crate) mod poller;
pub(crate) mod rpc;
pub(crate) mod second_look;
pub(crate) mod socket;
pub(crate) mod subscription;
