//! `millrace worker`: one job, the router or the broker, in a process of its own.
//!
//! ```text
//!  Post (lock, log, limit) ─► Desk (answers on the socket) ◄─ work: job │ router │ broker
//!                                                                     │
//!  Post::end ◄────────────────────── RunEnd ◄─────────────────────────┘
//! ```
//!
//! Stops in this order: the work (a last checkpoint), the socket, the runtime; then the end is
//! written and the lock given up.

mod broker;
mod desk;
mod failure;
mod job;
mod numbers;
mod router;
mod rows;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use millrace_bus::KafkaSettings;
use millrace_control::model::RunEnd;
use millrace_control::worker::{Post, StopOrder, Work};
use millrace_events::SystemClock;
use millrace_spaas::ops;
use millrace_spec::Manifests;

use crate::cli::{KafkaArgs, LogForm, WorkerArgs};
use crate::{compose, logging, manifests};
use desk::Desk;
use failure::Refused;

/// Threads that answer and connect; a job has its own for its rows.
const THREADS: usize = 2;
/// How long tasks that ignore their cancellation may hold up the end of the process.
const LAST_CALL: Duration = Duration::from_secs(2);
/// Memory that is not the work's to plan with: code, threads, clients.
const OVERHEAD: u64 = 96 << 20;

/// Does what the assignment says, from lock to end.
pub(crate) fn main(form: LogForm, args: &WorkerArgs) -> ExitCode {
    let post = match Post::take(&args.assignment) {
        Ok(post) => Arc::new(post),
        Err(error) => {
            eprintln!("error: {error}");
            return error.exit_code().map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let end = run(form, &post, args).unwrap_or_else(|error| failure::end(&error));
    info!(?end, "the run has ended");
    let code = match end {
        RunEnd::Finished | RunEnd::Stopped { .. } => ExitCode::SUCCESS,
        RunEnd::Failed { .. } | RunEnd::Lost { .. } => ExitCode::FAILURE,
    };
    let post = Arc::into_inner(post).expect("the task that served it was joined");
    if let Err(error) = post.end(&end) {
        error!(%error, "the end of the run cannot be written");
        return ExitCode::FAILURE;
    }
    code
}

fn run(form: LogForm, post: &Arc<Post>, args: &WorkerArgs) -> anyhow::Result<RunEnd> {
    // Before any thread is there: the limit and the log are the whole process's.
    logging::start_to(form, post.log().context("the log")?);
    post.limit_memory().context("the limit of memory")?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("the runtime does not start")?;
    let end = runtime.block_on(serve(post, args));
    runtime.shutdown_timeout(LAST_CALL);
    end
}

/// Works, and answers meanwhile.
async fn serve(post: &Arc<Post>, args: &WorkerArgs) -> anyhow::Result<RunEnd> {
    let assignment = post.assignment().clone();
    let metrics = ops::install_metrics()?;
    let desk = Arc::new(Desk::new(&assignment, metrics.clone(), Arc::new(SystemClock::default())));
    let until = CancellationToken::new();
    let mut tasks = JoinSet::new();
    let (mut term, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (told, over) = (Arc::clone(&desk), until.clone());
    tasks.spawn(async move {
        tokio::select! {
            _ = term.recv() => told.order(StopOrder::default()),
            _ = interrupt.recv() => told.order(StopOrder::default()),
            () = over.cancelled() => {}
        }
    });
    tasks.spawn(ops::upkeep(metrics, until.clone()));
    let mut socket = JoinSet::new();
    let (place, handler, over) = (Arc::clone(post), Arc::clone(&desk), until.clone());
    socket.spawn(async move { place.serve(handler, over).await });
    info!(job = assignment.job, run = assignment.run, "the run begins");
    let work = async {
        match &assignment.work {
            Work::Job(work) => job::run(&assignment, work, args, &desk).await,
            Work::Router(work) => router::run(&assignment, work, args, &desk).await,
            Work::Broker(work) => broker::run(work, args, &desk).await,
        }
    };
    let end = tokio::select! {
        end = work => end,
        // Without it the control plane would take the worker for hung.
        served = socket.join_next() => {
            Err(anyhow::anyhow!("the socket is not served any more: {served:?}"))
        }
        reason = post.exceeds_memory() => Ok(RunEnd::Failed { reason, retryable: true }),
    };
    until.cancel();
    while socket.join_next().await.is_some() {}
    while tasks.join_next().await.is_some() {}
    end
}

/// The manifests of an assignment.
fn read(documents: &[String]) -> Result<Manifests, Refused> {
    manifests::load_documents(documents).map_err(|mistakes| {
        let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        Refused(lines.join("\n"))
    })
}

fn kafka(args: &KafkaArgs) -> Result<KafkaSettings, Refused> {
    let settings = compose::cluster(args).map_err(|e| Refused(format!("{e:#}")))?;
    settings.ok_or_else(|| Refused("a worker needs --kafka HOST:PORT".to_owned()))
}

/// Of the memory of the process, what the work may plan with.
fn for_the_work(memory_bytes: u64) -> u64 {
    memory_bytes.saturating_sub(OVERHEAD).max(memory_bytes / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_gets_what_the_process_does_not_need() {
        assert_eq!(for_the_work(256 << 20), 160 << 20);
        assert_eq!(for_the_work(64 << 20), 32 << 20);
    }
}
