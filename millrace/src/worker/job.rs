//! A streaming job as a worker's work: from its manifests to its end, through failures that pass.

use std::pin::pin;
use std::sync::Arc;

use anyhow::Context;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tracing::info;

use millrace_bus::KafkaSettings;
use millrace_control::model;
use millrace_control::worker::{Assignment, JobWork, StopOrder};
use millrace_events::NoProbe;
use millrace_processors::{Job, JobError, RunEnd, StatePolicy, Stop};
use millrace_sinks::Warehouse;
use millrace_spec::Manifests;

use super::desk::{Desk, Subject, savepoint_at};
use super::failure::{Refused, of_assembly};
use super::{for_the_work, kafka, read};
use crate::cli::WorkerArgs;
use crate::compose::{self, Parts, Secrets, StreamingJob, plan_declared};
use crate::job::until_it_ends;
use crate::{fault, store};

/// Runs the job until it ends, fails for good or is told to stop.
pub(super) async fn run(
    assignment: &Assignment,
    work: &JobWork,
    args: &WorkerArgs,
    desk: &Desk,
) -> anyhow::Result<model::RunEnd> {
    let (manifests, kafka) = (read(&work.documents)?, kafka(&args.kafka)?);
    let mut works = Works { assignment, work, manifests, kafka, args, desk, ready: None };
    let once = async || works.once().await;
    let end = until_it_ends(once, tokio::time::sleep, desk.clock(), &desk.stop).await;
    match end.context("the job failed")?.flatten() {
        Some(RunEnd::Finished) => Ok(model::RunEnd::Finished),
        Some(RunEnd::Stopped { checkpoint }) => Ok(model::RunEnd::Stopped { checkpoint }),
        None => works.stopped_while_waiting().await,
    }
}

/// The job, and what is needed to put it together.
struct Works<'a> {
    assignment: &'a Assignment,
    work: &'a JobWork,
    manifests: Manifests,
    kafka: KafkaSettings,
    args: &'a WorkerArgs,
    desk: &'a Desk,
    /// Once it is together.
    ready: Option<(Job, Warehouse)>,
}

impl Works<'_> {
    /// One run. `None`: it was told to stop before it ran.
    async fn once(&mut self) -> Result<Option<RunEnd>, JobError> {
        let ended = self.tried().await;
        if let Err(error) = &ended {
            self.desk.failed(&error.to_string());
        }
        ended
    }

    async fn tried(&mut self) -> Result<Option<RunEnd>, JobError> {
        if self.ready.is_none() {
            let assembled = tokio::select! {
                assembled = self.assemble() => assembled,
                () = plainly(self.desk) => return Ok(None),
            };
            self.ready = Some(assembled.map_err(|error| of_assembly(&error))?);
        }
        let (job, warehouse) = self.ready.as_ref().expect("assembled above");
        drive(job, warehouse, self.desk).await
    }

    async fn assemble(&self) -> anyhow::Result<(Job, Warehouse)> {
        let name = &self.assignment.job;
        let mut jobs = self.manifests.jobs.iter();
        let declared = jobs.find(|job| job.name.as_str() == name);
        let declared = declared
            .ok_or_else(|| Refused(format!("the assignment does not declare job `{name}`")))?;
        let planned = plan_declared(declared, &self.manifests);
        let planned = planned.map_err(|unfit| Refused(unfit.to_string()))?;
        let parallelism = usize::try_from(self.work.parallelism.max(1))?;
        let job = StreamingJob::declared(declared, planned, &self.manifests, parallelism);
        let probe = fault::job_probe().map_err(|e| Refused(format!("{e:#}")))?;
        let warehouse = store::open(&self.args.store, Arc::new(NoProbe)).await?;
        let memory = for_the_work(self.assignment.memory_bytes);
        let secrets = Secrets::of(&self.args.secrets, &self.args.store)?;
        let kafka = self.kafka.clone();
        let parts = Parts::new(kafka, warehouse, secrets, memory, Arc::new(NoProbe));
        let mut job = job.assemble(&parts, probe).await?;
        if let Some(path) = &self.work.from_savepoint {
            job = job.from_savepoint(compose::savepoint(&parts.warehouse, path));
        }
        let policy = match self.work.state {
            model::StatePolicy::Keep => StatePolicy::Keep,
            model::StatePolicy::AllowDropped => StatePolicy::AllowDropped,
            model::StatePolicy::Fresh => {
                let through = forgotten(&job, &parts.warehouse, name, self.work.goal).await?;
                StatePolicy::Fresh { through }
            }
        };
        Ok((job.state_policy(policy), parts.warehouse))
    }

    /// The end of a job that was told to stop before it ran, or before it ran again.
    async fn stopped_while_waiting(&self) -> anyhow::Result<model::RunEnd> {
        if self.desk.ordered().await != StopOrder::default() {
            let why = "it was told to stop while it waited to start again: there is no savepoint, \
                       and nothing is drained";
            return Ok(model::RunEnd::Failed { reason: why.to_owned(), retryable: true });
        }
        let newest = match &self.ready {
            Some((job, _)) => job.starts_from().await?,
            None => None,
        };
        let checkpoint = newest.map_or(0, |manifest| manifest.checkpoint);
        Ok(model::RunEnd::Stopped { checkpoint })
    }
}

/// What was forgotten last, kept beside the checkpoints.
#[derive(Debug, Serialize, Deserialize)]
struct Forgotten {
    /// For this goal.
    goal: i64,
    /// Up to this checkpoint.
    through: u64,
}

/// Up to which checkpoint state is forgotten for `goal`: that which was the newest when this was
/// first asked. A run that starts again for the same goal keeps what was made since.
async fn forgotten(job: &Job, warehouse: &Warehouse, name: &str, goal: i64) -> anyhow::Result<u64> {
    let file = format!("{}/forgotten.json", compose::state_folder(name));
    let (store, path) = warehouse.folder(&file);
    let known: Option<Forgotten> = match store.get(&path).await {
        Ok(found) => Some(serde_json::from_slice(&found.bytes().await?)?),
        Err(object_store::Error::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(known) = known.filter(|known| known.goal == goal) {
        return Ok(known.through);
    }
    let through = job.starts_from().await?.map_or(0, |from| from.checkpoint);
    let text = serde_json::to_vec(&Forgotten { goal, through })?;
    store.put(&path, PutPayload::from(text)).await?;
    info!(goal, through, "state up to this checkpoint is forgotten");
    Ok(through)
}

/// Returns once the job is told to stop and nothing has to run for that.
async fn plainly(desk: &Desk) {
    if desk.ordered().await != StopOrder::default() {
        std::future::pending::<()>().await;
    }
}

async fn drive(job: &Job, warehouse: &Warehouse, desk: &Desk) -> Result<Option<RunEnd>, JobError> {
    let mut running = job.start();
    let control = tokio::select! {
        control = running.control() => control,
        () = plainly(desk) => return Ok(None),
    };
    // A run that ended before it could be asked anything says best itself why.
    let Ok(control) = control else { return running.wait().await.map(Some) };
    info!(generation = control.status().generation, "the job runs");
    desk.runs(Subject::Job(control.clone(), warehouse.clone()));
    let mut end = pin!(running.wait());
    let order = tokio::select! {
        end = &mut end => return end.map(Some),
        order = desk.ordered() => order,
    };
    info!(drain = order.drain, savepoint = order.savepoint, "stopping after a last checkpoint");
    let stop = stop(&order, warehouse).await;
    // If the run is over already, its end says more.
    let _ = control.stop(stop).await;
    end.await.map(Some)
}

/// A savepoint that an earlier worker made for the same order is not made again.
async fn stop(order: &StopOrder, warehouse: &Warehouse) -> Stop {
    let savepoint = match &order.savepoint {
        Some(path) if savepoint_at(warehouse, path).await.is_none() => {
            Some(compose::savepoint_path(warehouse, path).1)
        }
        _ => None,
    };
    Stop { drain: order.drain, savepoint }
}
