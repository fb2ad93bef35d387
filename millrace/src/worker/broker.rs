//! The embedded broker as a worker's work.

use anyhow::Context;
use tracing::info;

use millrace_bus::EmbeddedBroker;
use millrace_control::model::RunEnd;
use millrace_control::worker::BrokerWork;

use super::desk::{Desk, Subject};
use crate::cli::WorkerArgs;

/// Serves the log in the data folder until it is told to stop.
pub(super) async fn run(
    work: &BrokerWork,
    args: &WorkerArgs,
    desk: &Desk,
) -> anyhow::Result<RunEnd> {
    let folder = args.store.data.join("broker");
    let broker = EmbeddedBroker::start(&folder, work.listen).await;
    let broker = broker.with_context(|| format!("the embedded broker on {}", work.listen))?;
    info!(address = %broker.address(), "the broker listens");
    desk.runs(Subject::Broker);
    desk.ordered().await;
    broker.stop().await;
    Ok(RunEnd::Stopped { checkpoint: 0 })
}
