//! What has to hold on every chain.

mod existing;
mod griefer;
mod outages;
mod refusals;
mod requesters;
mod upstream;
mod verified;

use session_tests::{
    on_each_chain::{Validators, on_embedded, on_validator},
    rooms::Room,
};

pub(crate) const EMBEDDED: Room = Room {
    name: "scenarios::embedded",
    run: |arguments| on_embedded(arguments, EMBEDDED.name, ALL, 4),
};

pub(crate) const VALIDATOR: Room = Room {
    name: "scenarios::validator",
    run: |arguments| on_validator(arguments, VALIDATOR.name, ALL, Validators::Shared),
};

session_tests::scenarios![
    on EachChain:
    verified::fifty_sessions_are_verified_once_each,
    verified::an_optimistic_session_is_skipped_and_is_no_failure,
    upstream::requests_as_upstream_encodes_them_are_served_with_upstreams_sizes,
    griefer::a_griefer_pays_for_strangers_sessions_and_spoils_none,
    refusals::a_session_id_over_32_bytes_is_refused,
    refusals::a_size_over_the_limit_is_refused,
    refusals::an_owner_program_off_the_list_is_refused,
    refusals::a_wrong_address_is_refused,
    refusals::an_event_of_another_program_is_not_believed,
    refusals::a_body_that_is_no_message_is_refused,
    requesters::made_up_owners_do_not_escape_their_requester_s_budget,
    requesters::who_requests_closes_and_requests_again_is_stopped_at_the_budget,
    requesters::a_closed_session_is_paid_for_once_whoever_finds_it_missing,
    existing::a_matching_account_is_success_without_a_transaction,
    existing::an_initialised_account_of_the_same_session_is_success,
    existing::a_mismatch_is_named_in_the_dead_letter;
    on Embedded:
    outages::no_kind_of_outage_costs_an_attempt,
    outages::a_minute_of_rate_limits_costs_nothing_but_time,
    outages::a_record_that_fails_five_times_is_a_dead_letter_after_exactly_five,
    outages::one_command_mends_what_an_outage_left,
    outages::health_follows_the_chain_and_answers_at_once_meanwhile;
];
