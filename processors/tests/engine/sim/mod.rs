//! Deterministic simulation of a run: in-memory log, seeded scheduler, crashes and store faults.
//!
//! Only our own protocol is simulated; nothing in it asks a real clock, thread or network.

mod executor;
mod log;
mod probe;
mod store;

pub(crate) use executor::finish;
pub(crate) use log::SimLog;
pub(crate) use probe::{CrashAt, Trace};
pub(crate) use store::FaultyStore;

use object_store::path::Path;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_processors::{Job, RunEnd, Stop};

/// Crashes a simulated job sees at most.
const MAX_CRASHES: u32 = 4;

/// Runs a job to the end of its input, through crashes at steps that `seed` chooses, and returns
/// what happened.
pub(crate) fn run(seed: u64, job: &Job) -> Trace {
    let mut rng = StdRng::seed_from_u64(seed);
    let trace = Trace::default();
    let mut crashes = 0;
    // Failures that were not asked for are those of the faulty store: they end, too.
    for attempt in 0..200 {
        let crash = crashes < MAX_CRASHES && rng.random_bool(0.8);
        let after = if crash { rng.random_range(1..120) } else { 0 };
        crashes += u32::from(crash);
        trace.note(format!("attempt {attempt}"));
        let job =
            job.clone().probe(CrashAt::new(&trace, after)).run_named(format!("run {attempt}"));
        let end = match executor::finish(job.assemble()) {
            Ok(assembly) => executor::drive(assembly, &mut rng, &trace, None),
            Err(error) => Err(error),
        };
        match end {
            Ok(end) => {
                assert_eq!(end, RunEnd::Finished);
                return trace;
            }
            Err(error) => {
                assert!(error.is_retryable(), "seed {seed}: {error}");
                trace.note(format!("ended by: {error}"));
            }
        }
    }
    panic!("seed {seed}: the job never came to its end: {:?}", trace.tail());
}

/// Runs a job until all its sources wait, then stops it with a savepoint.
pub(crate) fn run_to_savepoint(seed: u64, job: &Job, savepoint: &Path) {
    let mut rng = StdRng::seed_from_u64(seed);
    let trace = Trace::default();
    let stop = Stop { drain: false, savepoint: Some(savepoint.clone()) };
    let assembly = executor::finish(job.assemble()).expect("it starts");
    let end = executor::drive(assembly, &mut rng, &trace, Some(stop)).expect("nothing crashes");
    assert!(matches!(end, RunEnd::Stopped { .. }), "{end:?}");
}
