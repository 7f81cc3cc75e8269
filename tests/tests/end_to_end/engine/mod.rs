//! The creation engine on a real chain: what it creates, what it costs, and what no fault can make it do.

mod cluster;
mod contention;
mod creation;
mod endpoints;
mod faults;
mod fees;
mod policy;
mod signers;
mod under_way;
mod units;
mod waiting;

use session_tests::rooms::{Room, Test, conclude, trials};

const NAME: &str = "engine";

/// They wait for slots, and two cores hold more of that than two.
const AT_A_TIME: usize = 6;

pub(crate) const ROOM: Room = Room {
    name: NAME,
    run: |arguments| conclude(arguments, AT_A_TIME, trials(NAME, ALL)).exit_code(),
};

/// Those that measure delays come late, when most of the other rooms have ended.
const ALL: &[(&str, Test)] = session_tests::tests![
    async:
        cluster::an_account_below_todays_minimum_is_verified,
        cluster::slots_that_get_shorter_are_measured,
        cluster::a_gateways_rounded_rent_epoch_hurts_nobody,
        cluster::a_status_that_cannot_be_read_decides_nothing,
        cluster::a_transaction_in_a_block_that_did_not_run_is_made_again,
        contention::twice_in_one_batch,
        contention::in_two_batches_of_one_process,
        contention::in_two_processes,
        contention::a_loser_on_chain_goes_on_without_what_the_winner_created,
        contention::lamports_that_arrive_between_look_and_send_only_cost_a_second_transaction,
        contention::killed_between_send_and_confirmation,
        contention::a_deadline_between_send_and_landing_is_followed_up_not_sent_anew,
        creation::a_batch_of_ten_shares_one_transaction_and_eight_calls,
        creation::one_instruction_for_many_carries_as_many_as_a_hold_and_one_each_32,
        creation::version_0_carries_fewer_and_a_list_in_borsh_fewer_still,
        creation::sizes_from_nothing_to_the_largest_are_created,
        creation::an_account_that_is_there_is_success_for_one_call_and_no_lamports,
        creation::an_account_that_is_something_else_is_rejected_with_the_difference,
        creation::an_account_that_somebody_made_too_short_is_grown_and_a_longer_one_is_taken,
        creation::one_bad_creation_does_not_sink_the_others,
        creation::lamports_sent_beforehand_prevent_nothing_and_are_not_paid_again,
        creation::the_factorys_entry_says_created_once_the_account_is,
        faults::transactions_that_are_accepted_and_dropped_are_broadcast_again,
        faults::an_answer_lost_after_the_transaction_landed,
        faults::an_unknown_blockhash_is_replaced,
        faults::a_lagging_node_is_waited_for,
        faults::rate_limits_are_waited_out_where_time_allows,
        faults::a_rate_limit_past_the_deadline_defers_and_says_until_when,
        faults::an_account_that_its_owner_closed_is_not_paid_for_again,
        faults::an_account_whose_fork_was_dropped_is_created_again,
        faults::nine_fresh_requests_do_not_wait_for_a_transaction_that_never_decides,
        faults::an_endpoint_that_refuses_version_1_gets_version_0,
        faults::a_version_that_was_asked_for_by_name_is_not_given_up,
        faults::a_dead_endpoint_is_replaced_by_the_next_one,
        faults::an_rpc_that_dies_before_the_verification_leaves_nothing_to_pay_again,
        faults::an_expired_transaction_is_signed_anew,
        fees::the_price_climbs_until_everything_lands_under_the_cap,
        fees::the_cap_holds_where_the_price_would_climb_over_it,
        policy::a_flood_of_expensive_requests_stops_at_the_budget,
        policy::the_wallet_keeps_its_reserve,
        policy::one_session_owner_cannot_spend_everybodys_budget,
        policy::what_was_not_spent_is_free_again,
        policy::a_low_wallet_is_reported_before_it_is_empty,
        signers::several_wallets_share_the_work,
        signers::a_key_that_never_leaves_kms_signs_what_the_chain_accepts,
        signers::a_silent_kms_is_waited_for_and_costs_neither_an_attempt_nor_the_deadline,
        under_way::ten_by_default,
        under_way::as_many_as_are_set,
        units::too_few_units_are_raised_and_the_transaction_stays_whole,
        units::a_program_that_takes_more_gets_fewer_creations_into_a_transaction_and_is_asked_once,
        units::a_node_that_simulates_nothing_is_no_hindrance,
        endpoints::a_silent_preferred_endpoint,
        endpoints::a_rate_limit_under_http_200,
        endpoints::an_endpoint_that_answers_null,
        endpoints::an_endpoint_whose_lists_are_empty,
        endpoints::an_endpoint_that_has_seen_nothing_of_it_all,
        endpoints::an_endpoint_on_another_fork,
        endpoints::an_account_that_the_preferred_endpoint_does_not_see_is_found_on_the_other_one;
    by itself:
        waiting::an_empty_wallet_that_is_filled_after_ten_deferrals_loses_nobody,
        waiting::a_thousand_requests_on_a_budget_for_a_hundred_are_all_created_as_the_clock_goes_on;
];
