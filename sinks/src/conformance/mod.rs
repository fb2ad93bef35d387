//! What every sink must do, as checks that run against any of them.
//!
//! ```no_run
//! # use millrace_sinks::conformance::{SinkHarness, check};
//! # async fn run(mut harness: impl SinkHarness) {
//! check(&mut harness).await; // panics with the story that went wrong
//! # }
//! ```
//!
//! Each check tells one story on a topic of its own, so that one destination serves them all.

mod dead;
mod failure;
mod feed;
mod fencing;
mod harness;
mod ledger;
mod stage;

pub use feed::columns;
pub use harness::{Form, SinkHarness};

use stage::Stage;

/// Runs every check; panics at the first that fails.
pub async fn check(harness: &mut dyn SinkHarness) {
    macro_rules! stories {
        ($($room:ident::$story:ident),+ $(,)?) => {$({
            tracing::info!("conformance: {}", stringify!($story));
            $room::$story(Stage::new(harness, stringify!($story))).await;
        })+};
    }
    stories!(
        ledger::fresh_partitions_have_an_empty_ledger,
        ledger::a_commit_moves_the_ledger_and_the_next_claim_returns_it,
        ledger::a_log_may_start_late,
        ledger::committing_nothing_changes_nothing,
        ledger::ranges_without_rows_move_the_ledger,
        ledger::partitions_move_independently,
        ledger::many_batches_of_every_size_arrive_whole,
        fencing::a_new_claim_fences_the_writer_before,
        fencing::a_fenced_writer_may_claim_again,
        fencing::writers_of_different_partitions_do_not_disturb_each_other,
        fencing::a_released_partition_is_not_written,
        failure::a_write_without_a_claim_is_refused,
        failure::a_write_that_leaves_a_hole_or_overlaps_is_refused,
        failure::abort_drops_what_was_not_committed,
        failure::a_crash_before_the_commit_loses_nothing,
        failure::a_cancelled_commit_leaves_all_or_nothing,
        failure::a_cancelled_write_is_fed_again,
        failure::a_destination_that_fails_and_recovers_loses_nothing,
        dead::dead_letters_are_kept_once_and_counted,
        dead::a_crash_between_commits_keeps_dead_letters_once,
        dead::dead_letters_of_a_fenced_writer_are_kept_once,
    );
}
