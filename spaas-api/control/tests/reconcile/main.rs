//! The reconciler with a real store and real processes: what people ask for comes about, also when
//! workers and the control plane itself are killed.
//!
//! This program is the test, the workers it starts, and the control planes that it kills.

mod crash;
mod stories;
mod support;

use std::path::Path;
use std::process::ExitCode;

use futures::future::BoxFuture;

use millrace_control::launch::conformance::scripted_worker;

use support::{CONTROL, Place, WORKER};

type Story = fn(Place) -> BoxFuture<'static, ()>;

const STORIES: &[(&str, Story)] = &[
    ("a_job_is_run_changed_stopped_resumed_and_removed", |place| {
        Box::pin(stories::a_job_is_run_changed_stopped_resumed_and_removed(place))
    }),
    ("a_worker_that_is_killed_is_replaced", |place| {
        Box::pin(stories::a_worker_that_is_killed_is_replaced(place))
    }),
    ("a_job_that_cannot_work_fails_and_rests", |place| {
        Box::pin(stories::a_job_that_cannot_work_fails_and_rests(place))
    }),
    ("a_crash_loop_is_told_once_and_goes_on", |place| {
        Box::pin(stories::a_crash_loop_is_told_once_and_goes_on(place))
    }),
    ("a_built_in_job_follows_its_settings", |place| {
        Box::pin(stories::a_built_in_job_follows_its_settings(place))
    }),
    ("a_new_reconciler_takes_over_what_runs", |place| {
        Box::pin(stories::a_new_reconciler_takes_over_what_runs(place))
    }),
    ("savepoints_of_a_control_plane_that_is_gone_are_made_or_given_up", |place| {
        Box::pin(stories::savepoints_of_a_control_plane_that_is_gone_are_made_or_given_up(place))
    }),
    ("what_hinders_a_start_is_shown_until_it_is_gone", |place| {
        Box::pin(stories::what_hinders_a_start_is_shown_until_it_is_gone(place))
    }),
    ("many_jobs_start_together", |place| Box::pin(stories::many_jobs_start_together(place))),
    ("wherever_the_control_plane_is_killed_goal_and_actual_converge", |place| {
        Box::pin(crash::wherever_the_control_plane_is_killed_goal_and_actual_converge(place))
    }),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [WORKER, "--assignment", file] => return scripted_worker(Path::new(file)),
        [CONTROL, folder, point, nth] => {
            let nth = nth.parse().expect("a number");
            return support::block_on(crash::control_plane(Path::new(folder), point, nth));
        }
        _ => {}
    }
    let filters: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let chosen = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(*f));
    let mut failed = 0;
    for (name, story) in STORIES.iter().filter(|(name, _)| chosen(name)) {
        let ok = std::thread::spawn(move || {
            let place = Place::new();
            support::block_on(story(place));
        })
        .join()
        .is_ok();
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        failed += u32::from(!ok);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
