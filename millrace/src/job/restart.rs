//! Runs a job again after failures that may pass, after pauses that grow.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use millrace_events::Clock;
use millrace_processors::JobError;

/// Pause before the first restart; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A run that lasted this long was well: the next pause is the first again.
const WELL_AFTER: Duration = Duration::from_mins(1);

/// The pauses between runs.
struct BackOff {
    next: Duration,
}

impl BackOff {
    fn new() -> Self {
        Self { next: FIRST_PAUSE }
    }

    /// The pause after a run that failed and had lasted so long.
    fn after(&mut self, lasted: Duration) -> Duration {
        let pause = if lasted >= WELL_AFTER { FIRST_PAUSE } else { self.next };
        self.next = (pause * 2).min(LONGEST_PAUSE);
        pause
    }
}

/// Calls `run` until it ends, fails for good, or `stop` is cancelled; `pause` waits between runs.
/// `None`: it was told to stop while it waited.
pub(crate) async fn until_it_ends<T>(
    mut run: impl AsyncFnMut() -> Result<T, JobError>,
    pause: impl AsyncFn(Duration),
    clock: &dyn Clock,
    stop: &CancellationToken,
) -> Result<Option<T>, JobError> {
    let mut back_off = BackOff::new();
    loop {
        let begun = clock.monotonic();
        let error = match run().await {
            Ok(end) => return Ok(Some(end)),
            Err(error) => error,
        };
        if stop.is_cancelled() || !error.is_retryable() {
            return Err(error);
        }
        let wait = back_off.after(clock.monotonic().saturating_sub(begun));
        warn!(%error, pause = ?wait, "the job restarts from its last checkpoint");
        tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(None),
            () = pause(wait) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicU64, Ordering};

    use millrace_processors::connector::ConnectorError;

    use super::*;

    /// Time that passes when the test says so.
    #[derive(Debug, Default)]
    struct Hands(AtomicU64);

    impl Hands {
        fn pass(&self, time: Duration) {
            let ms = u64::try_from(time.as_millis()).unwrap();
            self.0.fetch_add(ms, Ordering::Relaxed);
        }
    }

    impl Clock for Hands {
        fn now_ms(&self) -> i64 {
            0
        }
        fn monotonic(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::Relaxed))
        }
    }

    fn passing() -> JobError {
        ConnectorError::retry("read", "not now").into()
    }

    /// What comes of runs that last so long and end so, and the pauses between them, in ms.
    async fn told(
        runs: Vec<(Duration, Result<u32, JobError>)>,
        stop: &CancellationToken,
    ) -> (Result<Option<u32>, JobError>, Vec<u128>) {
        let (clock, runs) = (Hands::default(), RefCell::new(runs.into_iter()));
        let pauses = RefCell::new(Vec::new());
        let run = async || {
            let (lasts, end) = runs.borrow_mut().next().expect("no run too many");
            clock.pass(lasts);
            end
        };
        let pause = async |wait: Duration| {
            clock.pass(wait);
            pauses.borrow_mut().push(wait.as_millis());
        };
        let end = until_it_ends(run, pause, &clock, stop).await;
        assert_eq!(runs.into_inner().count(), 0, "no run too few");
        (end, pauses.take())
    }

    #[tokio::test]
    async fn a_job_that_fails_twice_runs_the_third_time() {
        let short = Duration::from_secs(1);
        let runs = vec![(short, Err(passing())), (short, Err(passing())), (short, Ok(7))];
        let (end, pauses) = told(runs, &CancellationToken::new()).await;
        assert_eq!((end.unwrap(), pauses), (Some(7), vec![250, 500]));
    }

    #[tokio::test]
    async fn pauses_grow_to_a_limit_and_start_again_after_a_good_run() {
        let failed = |lasts| (Duration::from_secs(lasts), Err(passing()));
        let mut runs: Vec<_> = (0..9).map(|_| failed(1)).collect();
        runs.extend([failed(60), failed(59), (Duration::ZERO, Ok(1))]);
        let (end, pauses) = told(runs, &CancellationToken::new()).await;
        assert_eq!(end.unwrap(), Some(1));
        let expected = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 250, 500];
        assert_eq!(pauses, expected);
    }

    #[tokio::test]
    async fn what_does_not_pass_is_not_tried_again() {
        let runs = vec![(Duration::ZERO, Err(JobError::Unsupported("no".to_owned())))];
        let (end, pauses) = told(runs, &CancellationToken::new()).await;
        assert!(matches!(end, Err(JobError::Unsupported(_))) && pauses.is_empty());
    }

    #[tokio::test]
    async fn a_job_that_is_told_to_stop_does_not_start_again() {
        let stop = CancellationToken::new();
        stop.cancel();
        let (end, pauses) = told(vec![(Duration::ZERO, Err(passing()))], &stop).await;
        assert!(end.is_err() && pauses.is_empty(), "the failure is told");
        let (stop, clock) = (CancellationToken::new(), Hands::default());
        let waits = async |_: Duration| {
            stop.cancel();
            std::future::pending::<()>().await;
        };
        let failing = async || Err::<u32, _>(passing());
        let end = until_it_ends(failing, waits, &clock, &stop).await;
        assert_eq!(end.unwrap(), None, "told while it waited");
    }
}
