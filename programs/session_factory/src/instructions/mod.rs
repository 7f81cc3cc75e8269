//! One file for each instruction, or for two that have most in common.

mod close_session;
mod emergency_reset_session;
mod initialize;
mod manual_initialize_session;
mod request;
mod reserve_session;
mod update_session_status;

pub(crate) use close_session::close_session;
pub(crate) use emergency_reset_session::emergency_reset_session;
pub(crate) use initialize::initialize;
pub(crate) use manual_initialize_session::manual_initialize_session;
pub(crate) use request::{create_optimistic_session, request_session_creation};
pub(crate) use reserve_session::reserve_session;
pub(crate) use update_session_status::update_session_status;
