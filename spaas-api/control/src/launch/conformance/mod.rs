//! What every launcher must do, as checks that each implementation runs.
//!
//! The launcher under test starts a program that calls [`scripted_worker`]; what the worker does is
//! written in its assignment by [`assignment`].

mod checks;
mod worker;

pub use checks::{
    CHECKS, Check, Make, a_lost_run_is_absent_and_had_begun, a_new_launcher_sees_a_living_run,
    a_run_beyond_its_memory_is_lost_and_says_so, a_run_is_started_once,
    a_run_that_is_killed_before_it_begins_never_begins, an_ended_run_tells_how,
    kill_ends_a_run_at_once, logs_follow_across_runs, no_run_starts_while_another_lives,
    orders_reach_the_run_that_is_meant, stop_ends_a_run_with_its_checkpoint,
};
pub use worker::{Script, assignment, scripted_worker};
