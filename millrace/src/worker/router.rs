//! The router over all routes as a worker's work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tracing::error;

use millrace_bus::Admin;
use millrace_control::model::RunEnd;
use millrace_control::worker::{Assignment, RouterWork};
use millrace_events::StreamName;
use millrace_router::{Membership, Router};
use millrace_spec::{Manifests, RouteSpec};

use super::desk::{Desk, Routes, Subject};
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
    let mut manifests = read(&work.documents)?;
    let refused = refuse_far_routes(&mut manifests);
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
    let far = |name| is_far(&manifests, name);
    for stream in manifests.streams.values().filter(|stream| !far(&stream.name)) {
        admin.ensure_topic(&stream.topic, stream.partitions).await?;
    }
    let probe = fault::probe().map_err(|e| Refused(format!("{e:#}")))?;
    let warehouse = store::open(&args.store, Arc::clone(&probe)).await?;
    let secrets = Secrets::of(&args.secrets, &args.store)?;
    let parts = Parts::new(kafka, warehouse, secrets, memory, probe);
    let router = match manifests.routes.len() {
        0 => None,
        _ => Some(parts.router(&manifests, &how, Membership::Alone)?),
    };
    let all = Arc::new(Routes { router, refused });
    desk.runs(Subject::Router(Arc::clone(&all)));
    carry(&all, desk).await
}

/// Looks after the router until it is told to stop.
async fn carry(routes: &Routes, desk: &Desk) -> anyhow::Result<RunEnd> {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            () = desk.stop.cancelled() => break,
            _ = look.tick() => {
                if routes.router.as_ref().is_some_and(Router::is_broken) {
                    bail!("a thread of the router died; see the log");
                }
            }
        }
    }
    if let Some(router) = &routes.router {
        router.stop(STOP_PATIENCE).await;
    }
    Ok(RunEnd::Stopped { checkpoint: 0 })
}

/// Whether the stream is on another cluster than the platform's.
fn is_far(manifests: &Manifests, stream: &StreamName) -> bool {
    let extras = manifests.stream_extras.get(stream);
    extras.is_some_and(|extras| extras.connection.is_some())
}

/// Takes out the routes that cannot be carried; by name, why.
fn refuse_far_routes(manifests: &mut Manifests) -> BTreeMap<String, String> {
    let (far, near) = std::mem::take(&mut manifests.routes)
        .into_iter()
        .partition::<Vec<_>, _>(|route| is_far(manifests, &route.from));
    manifests.routes = near;
    let refuse = |route: RouteSpec| {
        let why = format!(
            "stream `{}` is on another cluster: routes read the platform's own, jobs read any",
            route.from
        );
        error!(route = %route.name, why, "the route is left out; the others go on");
        (route.name.to_string(), why)
    };
    far.into_iter().map(refuse).collect()
}
