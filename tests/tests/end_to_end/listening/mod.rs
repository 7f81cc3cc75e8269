//! What a listener has to do on every chain.

mod by_hand;
mod credits;
mod events;
mod evidence;
mod handlers;
mod hostile;
mod liveness;
mod network;
mod queue;
mod rpc;

use session_tests::{
    on_each_chain::{Validators, on_embedded, on_validator},
    rooms::Room,
};

/// Who only listens to a chain has next to nothing to do while it gets on.
pub(crate) const EMBEDDED: Room = Room {
    name: "listening::embedded",
    run: |arguments| on_embedded(arguments, EMBEDDED.name, ALL, 12),
};

pub(crate) const VALIDATOR: Room = Room {
    name: "listening::validator",
    run: |arguments| on_validator(arguments, VALIDATOR.name, ALL, Validators::Each(3)),
};

session_tests::scenarios![
    on EachChain:
        evidence::a_node_that_lags_loses_nothing,
        events::requests_before_and_during_listening_are_queued_once_each,
        events::messages_name_who_paid_for_their_transaction,
        network::a_cut_connection_loses_nothing,
        evidence::a_node_that_prunes_is_contradicted,
        liveness::what_is_found_late_counts_as_late,
        hostile::events_of_another_program_are_not_believed,
        hostile::imitated_frames_deceive_nobody,
        hostile::forced_truncation_loses_nothing,
        hostile::events_in_instructions_are_found,
        by_hand::reconciliation_finds_exactly_what_a_deaf_listener_missed,
        by_hand::reconciliation_takes_a_session_at_its_last_request,
        by_hand::a_backfill_queues_its_stretch_and_nothing_else;
    on Embedded:
        events::a_restart_goes_on_from_the_watermark,
        events::a_payer_that_is_not_told_is_learnt_from_the_listing,
        network::a_silent_connection_is_noticed_and_loses_nothing,
        network::a_message_that_is_no_json_loses_nothing,
        network::bytes_that_are_no_websocket_lose_nothing,
        network::without_any_websocket_the_listing_is_enough,
        rpc::rate_limits_lose_nothing,
        rpc::an_unavailable_rpc_loses_nothing,
        rpc::a_node_that_says_it_is_behind_loses_nothing,
        rpc::an_unsupported_version_is_a_loud_stall_and_never_a_skip,
        rpc::one_transaction_that_cannot_be_had_does_not_stop_those_behind_it,
        rpc::short_pages_are_no_end_of_history,
        rpc::a_node_behind_the_watermark_is_waited_for,
        rpc::the_next_endpoint_serves_while_the_first_is_down,
        evidence::a_node_that_lists_nothing_before_is_contradicted,
        evidence::a_node_without_every_third_transaction_is_contradicted,
        evidence::a_late_index_loses_nothing,
        evidence::an_absurd_slot_is_contradicted,
        liveness::a_task_that_hangs_is_named_and_the_others_are_not,
        liveness::a_subscription_that_brings_slots_and_no_transactions_is_replaced,
        credits::a_complete_stream_is_hardly_listed_and_a_broken_one_at_once,
        credits::truncated_logs_cost_what_the_bucket_allows,
        credits::what_the_fast_path_leaves_is_listed_at_once,
        evidence::a_chain_that_is_younger_than_its_finality_is_no_stall,
        queue::refused_entries_are_sent_again,
        queue::the_watermark_waits_for_a_closed_queue,
        handlers::a_failing_handler_harms_nobody;
];
