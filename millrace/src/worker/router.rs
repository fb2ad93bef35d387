//! The router over all routes as a worker's work.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use millrace_bus::Admin;
use millrace_control::model::RunEnd;
use millrace_control::worker::{Assignment, RouterWork};
use millrace_router::Membership;

use super::desk::{Desk, Subject};
use super::failure::Refused;
use super::{for_the_work, kafka, read};
use crate::cli::{WorkArgs, WorkerArgs};
use crate::compose::{Parts, Secrets};
use crate::{fault, store};

/// How long the router gets to commit what it has when it is told to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How often its threads are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What a fenced writer waits before it tries again.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);

/// Routes until it is told to stop.
pub(super) async fn run(
    assignment: &Assignment,
    work: &RouterWork,
    args: &WorkerArgs,
    desk: &Desk,
) -> anyhow::Result<RunEnd> {
    let manifests = read(&work.documents)?;
    for route in &manifests.routes {
        let extras = manifests.stream_extras.get(&route.from);
        if extras.is_some_and(|extras| extras.connection.is_some()) {
            let (route, stream) = (&route.name, &route.from);
            return Err(Refused(format!(
                "route `{route}` reads stream `{stream}`, which is on another cluster: routes read \
                 the platform's own, jobs read any"
            ))
            .into());
        }
    }
    let kafka = kafka(&args.kafka)?;
    let memory = for_the_work(assignment.memory_bytes);
    // The lock sees to it that there is no other router.
    let how = WorkArgs {
        memory,
        group: "millrace".to_owned(),
        alone: true,
        session_timeout: SESSION_TIMEOUT,
        until_idle: None,
    };
    let admin = Admin::new(&kafka)?;
    for stream in manifests.streams.values() {
        admin.ensure_topic(&stream.topic, stream.partitions).await?;
    }
    let probe = fault::probe().map_err(|e| Refused(format!("{e:#}")))?;
    let warehouse = store::open(&args.store, Arc::clone(&probe)).await?;
    let secrets = Secrets::of(&args.secrets, &args.store)?;
    let parts = Parts::new(kafka, warehouse, secrets, memory, probe);
    let router = Arc::new(parts.router(&manifests, &how, Membership::Alone)?);
    desk.runs(Subject::Router(Arc::clone(&router)));
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = desk.stop.cancelled() => break,
            _ = look.tick() => {
                if router.is_broken() {
                    bail!("a thread of the router died; see the log");
                }
            }
        }
    }
    router.stop(STOP_PATIENCE).await;
    Ok(RunEnd::Stopped { checkpoint: 0 })
}
