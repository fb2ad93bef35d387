//! A worker that does what its assignment's script says.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::launch::process::RotatingLog;
use crate::model::RunEnd;
use crate::worker::{
    Assignment, CheckpointNumbers, OrderError, Post, RouterWork, SavepointMade, SavepointOrder,
    StopOrder, Work, WorkerHandler, WorkerPhase, WorkerStatus,
};

/// Checkpoint that a stopped worker names.
pub(super) const STOPPED_AT: u64 = 7;
/// Checkpoint that a savepoint names.
pub(super) const SAVED_AT: u64 = 3;

/// What a scripted worker does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Script {
    /// Runs until it is told to stop.
    Run,
    /// Waits before it takes its lock, then runs until it is told to stop.
    Dawdle {
        /// Milliseconds.
        ms: u64,
    },
    /// Ends as it says.
    End {
        /// How.
        end: RunEnd,
    },
    /// Says its last words and is gone without leaving an end.
    Vanish {
        /// The words.
        words: String,
    },
    /// Is alive and never answers.
    Mute,
    /// Takes more memory than it may have.
    Hoard,
}

/// Most memory of a scripted worker.
const MEMORY: usize = 1 << 30;

/// The assignment of a scripted worker.
pub fn assignment(job: &str, run: &str, script: &Script) -> Assignment {
    let script = serde_json::to_string(script).expect("a script is plain data");
    Assignment {
        run: run.to_owned(),
        job: job.to_owned(),
        attempt: 1,
        memory_bytes: MEMORY as u64,
        work: Work::Router(RouterWork { documents: vec![script] }),
    }
}

/// The whole of a program that a launcher under test starts; `file` is its `--assignment`.
pub fn scripted_worker(file: &Path) -> ExitCode {
    if let Some(Script::Dawdle { ms }) = read_script(file) {
        std::thread::sleep(Duration::from_millis(ms));
    }
    let post = match Post::take(file) {
        Ok(post) => post,
        Err(error) => return ExitCode::from(error.exit_code().unwrap_or(1)),
    };
    match play(post) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// The script in a launch file, before the worker may read it as its own.
fn read_script(file: &Path) -> Option<Script> {
    let launch: crate::worker::Launch = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    script(&launch.assignment)
}

fn script(assignment: &Assignment) -> Option<Script> {
    let Work::Router(work) = &assignment.work else { return None };
    serde_json::from_str(work.documents.first()?).ok()
}

fn play(post: Post) -> std::io::Result<()> {
    let run = post.assignment().run.clone();
    let log = Arc::new(Mutex::new(post.log()?));
    say(&log, &format!("begin {run}"))?;
    let end = match script(post.assignment()) {
        Some(Script::End { end }) => end,
        Some(Script::Vanish { words }) => {
            say(&log, &words)?;
            std::process::exit(17);
        }
        Some(Script::Hoard) => {
            post.limit_memory()?;
            let hoard = std::hint::black_box(vec![1_u8; 4 * MEMORY]);
            let reason = format!("it has {} bytes", hoard.len());
            RunEnd::Failed { reason, retryable: false }
        }
        Some(Script::Mute) => loop {
            std::thread::park();
        },
        Some(Script::Run | Script::Dawdle { .. }) => run_until_stopped(&post, &run, &log)?,
        None => RunEnd::Failed { reason: "no script".to_owned(), retryable: false },
    };
    say(&log, &format!("end {run}"))?;
    post.end(&end)
}

fn say(log: &Mutex<RotatingLog>, line: &str) -> std::io::Result<()> {
    let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
    log.write_all(format!("{line}\n").as_bytes())
}

fn run_until_stopped(
    post: &Post,
    run: &str,
    log: &Arc<Mutex<RotatingLog>>,
) -> std::io::Result<RunEnd> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stop, until) = (CancellationToken::new(), CancellationToken::new());
        let handler =
            Arc::new(Handler { run: run.to_owned(), stop: stop.clone(), log: Arc::clone(log) });
        let mut lines = JoinSet::new();
        let (ticking, ended) = (Arc::clone(log), stop.clone());
        lines.spawn(async move {
            for tick in 0_u64.. {
                if ended.is_cancelled() || say(&ticking, &format!("tick {tick}")).is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        tokio::select! {
            served = post.serve(handler, until) => served?,
            () = stop.cancelled() => {}
        }
        lines.join_all().await;
        Ok(RunEnd::Stopped { checkpoint: STOPPED_AT })
    })
}

struct Handler {
    run: String,
    stop: CancellationToken,
    log: Arc<Mutex<RotatingLog>>,
}

#[async_trait]
impl WorkerHandler for Handler {
    async fn status(&self) -> WorkerStatus {
        WorkerStatus {
            run: self.run.clone(),
            pid: std::process::id(),
            phase: WorkerPhase::Running,
            at_ms: 1,
            sources: Vec::new(),
            sinks: Vec::new(),
            checkpoint: CheckpointNumbers { number: 2, ..CheckpointNumbers::default() },
            state_bytes: 0,
            cpu_seconds: 0.0,
            rss_bytes: 0,
            last_failure: None,
        }
    }

    async fn stop(&self, order: StopOrder) -> Result<(), OrderError> {
        let said = say(&self.log, &format!("stop drain={}", order.drain));
        said.map_err(|error| OrderError::Failed(error.to_string()))?;
        self.stop.cancel();
        Ok(())
    }

    async fn savepoint(&self, order: SavepointOrder) -> Result<SavepointMade, OrderError> {
        match order.path.as_str() {
            "refused" => Err(OrderError::Refused("not there".to_owned())),
            "failed" => Err(OrderError::Failed("not now".to_owned())),
            _ => Ok(SavepointMade { checkpoint: SAVED_AT }),
        }
    }

    async fn tail(&self, sink: Option<String>) -> Result<BoxStream<'static, String>, OrderError> {
        if sink.as_deref() == Some("none such") {
            return Err(OrderError::Refused("no such sink".to_owned()));
        }
        let rows = (0..3).map(|row| format!(r#"{{"sink":"s","kind":"+I","row":{{"n":{row}}}}}"#));
        Ok(stream::iter(rows.collect::<Vec<_>>()).chain(stream::pending()).boxed())
    }

    async fn metrics(&self) -> String {
        "millrace_scripted 1\n".to_owned()
    }
}
