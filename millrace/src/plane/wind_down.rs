//! The end of a platform that was asked to end: workers stop in order, each after its last
//! checkpoint or commit.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tracing::{info, warn};

use millrace_control::worker::StopOrder;
use millrace_control::{Launcher, Observed};

/// How long a worker may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at one that is ending.
const PAUSE: Duration = Duration::from_millis(20);

/// Stops the workers of `jobs` (qualified names), all at once; one that does not end is killed.
/// What is wanted of the jobs stays as it is: the next platform starts them again.
pub(crate) async fn stop_all(launcher: &Arc<dyn Launcher>, jobs: &[String]) {
    join_all(jobs.iter().map(|job| stop(launcher, job))).await;
}

async fn stop(launcher: &Arc<dyn Launcher>, job: &str) {
    let Some(run) = alive(launcher, job).await else { return };
    info!(job, run, "stopping");
    if let Err(error) = launcher.stop(job, &run, &StopOrder::default()).await {
        warn!(job, %error, "the worker cannot be asked to stop");
    }
    let gone = async {
        while alive(launcher, job).await.as_deref() == Some(run.as_str()) {
            tokio::time::sleep(PAUSE).await;
        }
    };
    if tokio::time::timeout(PATIENCE, gone).await.is_err() {
        warn!(job, "the worker does not stop and is killed; it goes on from its last checkpoint");
        if let Err(error) = launcher.kill(job, &run).await {
            warn!(job, %error, "the worker cannot be killed");
        }
    }
}

async fn alive(launcher: &Arc<dyn Launcher>, job: &str) -> Option<String> {
    match launcher.observe(job, "-").await {
        Ok(Observed::Alive { run, .. }) => Some(run),
        _ => None,
    }
}
