//! The shipped `listener` as a process: its messages, its pages, its signals and its restarts, on the embedded chain and
//! a server that speaks SQS's and S3's protocols.
#![expect(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

mod outages;
mod pages;
mod programs;
mod quarantine;
mod signals;
mod stage;
mod watermarks;

use std::process::ExitCode;

use session_tests::on_aws::{self, Scenario};

const ALL: &[(&str, Scenario)] = &[
    ("its_messages_reach_sqs_and_its_pages_tell_of_it", || {
        Box::pin(pages::messages_and_pages())
    }),
    (
        "sigterm_drains_within_ten_seconds_and_the_next_start_loses_nothing",
        || Box::pin(signals::sigterm_in_mid_traffic()),
    ),
    ("sigterm_ends_within_ten_seconds_though_sqs_is_silent", || {
        Box::pin(signals::sigterm_while_sqs_is_silent())
    }),
    ("sigterm_ends_within_ten_seconds_though_s3_is_silent", || {
        Box::pin(signals::sigterm_while_s3_is_silent())
    }),
    ("a_second_signal_stops_at_once", || Box::pin(signals::second_signal())),
    ("it_ends_where_there_is_no_program_to_listen_to", || {
        Box::pin(programs::none_and_no_program())
    }),
    ("its_watermark_can_live_in_s3", || {
        Box::pin(watermarks::killed_and_restarted())
    }),
    ("a_watermark_in_s3_never_goes_back", || {
        Box::pin(watermarks::never_back())
    }),
    ("a_standby_takes_over_when_the_lease_is_not_renewed", || {
        Box::pin(watermarks::a_standby_takes_over())
    }),
    ("two_listeners_can_share_a_watermark_in_s3", || {
        Box::pin(watermarks::two_at_once())
    }),
    (
        "each_reason_of_quarantine_is_listed_and_dealt_with_by_one_command",
        || Box::pin(quarantine::each_reason_is_listed_and_dealt_with_by_one_command()),
    ),
    ("each_dependency_goes_away_in_turn_and_nothing_is_lost", || {
        Box::pin(outages::each_dependency_in_turn())
    }),
    ("a_kill_between_quarantine_and_watermark_loses_nothing", || {
        Box::pin(quarantine::a_kill_before_the_watermark_moves_loses_nothing())
    }),
];

fn main() -> ExitCode {
    on_aws::run(ALL, 6)
}
