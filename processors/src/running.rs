//! Drives a run on threads of its own, so that its work never delays whoever serves requests.

use std::time::Duration;

use futures::FutureExt;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, interval_at, timeout};
use tokio_util::sync::CancellationToken;

use crate::run::{Assembly, JobControl, RunEnd, publish};
use crate::{Job, JobError};

/// How long to wait for the failure that made another task stop.
const CAUSE_FOLLOWS_WITHIN: Duration = Duration::from_secs(1);

/// How often metrics are brought up to date.
const PUBLISHED_EVERY: Duration = Duration::from_secs(1);

/// A run that is under way. Dropping it ends the run without a last checkpoint, as a crash would.
#[derive(Debug)]
pub struct RunningJob {
    control: watch::Receiver<Option<JobControl>>,
    end: oneshot::Receiver<Result<RunEnd, JobError>>,
    cancel: CancellationToken,
}

impl RunningJob {
    pub(crate) fn start(job: Job) -> Self {
        let (control_sender, control) = watch::channel(None);
        let (end_sender, end) = oneshot::channel();
        let cancel = CancellationToken::new();
        let cancelled = cancel.clone();
        let name = format!("job-{}", job.name);
        let thread = std::thread::Builder::new().name(name.clone());
        let work = move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(job.settings.parallelism)
                .thread_name(name)
                .enable_all()
                .build();
            let result = match runtime {
                Err(error) => {
                    Err(JobError::Unsupported(format!("no threads for the job: {error}")))
                }
                Ok(runtime) => runtime.block_on(async {
                    tokio::select! {
                        result = drive(&job, control_sender) => result,
                        () = cancelled.cancelled() => Err(JobError::Stopped),
                    }
                }),
            };
            // Whoever waited may have gone.
            let _ = end_sender.send(result);
        };
        if let Err(error) = thread.spawn(work) {
            tracing::error!(%error, "the job has no thread");
        }
        Self { control, end, cancel }
    }

    /// To ask things of the run; waits until it is restored. Fails if it ends before that.
    pub async fn control(&mut self) -> Result<JobControl, JobError> {
        let ready = self.control.wait_for(Option::is_some).await.map_err(|_| JobError::Stopped)?;
        ready.clone().ok_or(JobError::Stopped)
    }

    /// Waits for the end.
    pub async fn wait(mut self) -> Result<RunEnd, JobError> {
        (&mut self.end).await.unwrap_or(Err(JobError::Stopped))
    }
}

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// Polls all parts of a run until it has ended or one of them has failed.
async fn drive(job: &Job, control: watch::Sender<Option<JobControl>>) -> Result<RunEnd, JobError> {
    let Assembly { tasks, coordinator, control: own } = job.assemble().await?;
    let mut set = JoinSet::new();
    for (name, task) in tasks {
        set.spawn(task.map(|result| (name, result.map(|()| None))));
    }
    set.spawn(coordinator.map(|result| ("coordinator".to_owned(), result.map(Some))));
    if let Some(every) = job.settings.checkpoint_interval {
        let own = own.clone();
        set.spawn(async move {
            let mut tick = interval_at(tokio::time::Instant::now() + every, every);
            tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                if own.checkpoint().await.is_err() {
                    // The run is over; the coordinator's result says why.
                    return ("ticker".to_owned(), Ok(None));
                }
            }
        });
    }
    let (shown, name) = (own.clone(), job.name.clone());
    set.spawn(async move {
        let mut tick = interval(PUBLISHED_EVERY);
        while !shown.has_ended() {
            tick.tick().await;
            publish(&name, &shown.status());
        }
        ("metrics".to_owned(), Ok(None))
    });
    control.send_replace(Some(own));
    outcome(set).await
}

/// The end of the run, or the first failure that is not merely the echo of another.
async fn outcome(
    mut set: JoinSet<(String, Result<Option<RunEnd>, JobError>)>,
) -> Result<RunEnd, JobError> {
    let (mut end, mut echo) = (None, None);
    loop {
        let joined = if echo.is_some() {
            // The cause follows its echo at once, unless there is none.
            timeout(CAUSE_FOLLOWS_WITHIN, set.join_next()).await.unwrap_or(None)
        } else {
            set.join_next().await
        };
        let Some(joined) = joined else { break };
        match joined {
            Ok((_, Ok(Some(ended)))) => end = Some(ended),
            Ok((_, Ok(None))) => {}
            Ok((_, Err(JobError::Stopped))) => echo = Some(JobError::Stopped),
            Ok((task, Err(error))) => {
                tracing::warn!(task, %error, "a task of the job failed");
                return Err(error);
            }
            Err(panic) => {
                return Err(JobError::Unsupported(format!("a task of the job panicked: {panic}")));
            }
        }
        if let Some(end) = end.take_if(|_| echo.is_none()) {
            // Tasks have passed on the last barrier before the coordinator could complete it.
            return Ok(end);
        }
    }
    Err(echo.unwrap_or(JobError::Stopped))
}
