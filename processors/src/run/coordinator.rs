//! Makes checkpoints: barrier, everybody's part, manifest, commit.
//!
//! ```text
//!  order barrier n ─► sources … tasks … sinks ─► all parts of n ─► manifest n ─► commit n
//! ```
//!
//! Only one checkpoint is under way at a time. What fails ends the run; the next one starts from
//! the last manifest and commits what that prepared.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::path::Path;
use tokio::sync::mpsc::{Receiver, Sender};

use millrace_events::Clock;
use millrace_plan::OperatorId;
use millrace_state::{CheckpointStore, Claim, Manifest};

use super::channel::Barrier;
use super::command::{Command, RunEnd, Stop};
use super::parts::{Expected, Parts};
use super::report::Report;
use super::source_task::Order;
use super::status::{CheckpointStatus, StatusBoard};
use super::step::{JobProbe, JobStep};
use crate::JobError;
use crate::connector::{Position, SinkCommitter, SourceFactory, SplitId};

/// Who makes the checkpoints of a run.
pub(crate) struct Coordinator {
    /// What every manifest of this run begins with.
    pub(crate) template: Manifest,
    pub(crate) claim: Claim,
    pub(crate) next_checkpoint: u64,
    /// Complete checkpoints that are kept.
    pub(crate) keep: usize,
    pub(crate) expected: Expected,
    pub(crate) orders: Vec<Sender<Order>>,
    pub(crate) reports: Receiver<Report>,
    pub(crate) commands: Receiver<Command>,
    pub(crate) committers: BTreeMap<String, Box<dyn SinkCommitter>>,
    pub(crate) sources: BTreeMap<OperatorId, Arc<dyn SourceFactory>>,
    pub(crate) board: Arc<StatusBoard>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn JobProbe>,
    pub(crate) exhausted: usize,
    /// Whether a task needs a checkpoint to get memory back.
    pub(crate) pressed: bool,
}

impl Coordinator {
    /// Works until all sources have ended or the run is told to stop.
    pub(crate) async fn run(mut self) -> Result<RunEnd, JobError> {
        loop {
            if self.exhausted == self.expected.sources {
                self.checkpoint(true).await?;
                return Ok(RunEnd::Finished);
            }
            if std::mem::take(&mut self.pressed) {
                self.checkpoint(false).await?;
                continue;
            }
            tokio::select! {
                biased;
                report = self.reports.recv() => match report.ok_or(JobError::Stopped)? {
                    Report::Exhausted => self.exhausted += 1,
                    Report::Pressed => self.pressed = true,
                    other => unreachable!("{other:?} outside a checkpoint: one is asked for first"),
                },
                command = self.commands.recv() => match command.ok_or(JobError::Stopped)? {
                    Command::Checkpoint(reply) => {
                        let manifest = self.checkpoint(false).await?;
                        // Whoever asked may have gone.
                        let _ = reply.send(manifest.checkpoint);
                    }
                    Command::Savepoint(path, reply) => {
                        let manifest = self.checkpoint(false).await?;
                        savepoint(&self.claim, &manifest, path).await?;
                        let _ = reply.send(manifest.checkpoint);
                    }
                    Command::Stop(stop) => return self.stop(stop).await,
                },
            }
        }
    }

    async fn stop(&mut self, stop: Stop) -> Result<RunEnd, JobError> {
        if stop.drain {
            order(&self.orders, Order::Drain).await?;
            while self.exhausted < self.expected.sources {
                match self.reports.recv().await.ok_or(JobError::Stopped)? {
                    Report::Exhausted => self.exhausted += 1,
                    Report::Pressed => {}
                    other => unreachable!("{other:?} outside a checkpoint"),
                }
            }
        }
        let manifest = self.checkpoint(true).await?;
        if let Some(path) = stop.savepoint {
            savepoint(&self.claim, &manifest, path).await?;
        }
        Ok(RunEnd::Stopped { checkpoint: manifest.checkpoint })
    }

    async fn checkpoint(&mut self, last: bool) -> Result<Manifest, JobError> {
        let begun = self.clock.monotonic();
        let checkpoint = self.next_checkpoint;
        self.next_checkpoint += 1;
        order(&self.orders, Order::Barrier(Barrier { checkpoint, last })).await?;
        let mut parts = Parts::new(checkpoint, self.expected);
        while !parts.complete() {
            match self.reports.recv().await.ok_or(JobError::Stopped)? {
                Report::Exhausted => self.exhausted += 1,
                // The task may be past this barrier already: another one follows.
                Report::Pressed => self.pressed = true,
                report => parts.add(report),
            }
        }
        let manifest = parts.manifest(&self.template, self.clock.now_ms());
        self.probe.reached(JobStep::BeforeManifest)?;
        self.claim.complete(&manifest).await?;
        self.probe.reached(JobStep::AfterManifest)?;
        commit(&mut self.committers, &manifest).await?;
        self.probe.reached(JobStep::AfterCommit)?;
        for (id, source) in &self.sources {
            source.completed(&parts.positions(id)).await;
        }
        let took = self.clock.monotonic().saturating_sub(begun);
        self.show(&manifest, &parts, took);
        self.claim.collect(self.keep, &parts.in_the_making()).await?;
        Ok(manifest)
    }

    fn show(&self, manifest: &Manifest, parts: &Parts, took: Duration) {
        let status = CheckpointStatus {
            number: manifest.checkpoint,
            duration_us: micros(took),
            pause_us: micros(parts.pause()),
            written_bytes: parts.written(),
            total_bytes: parts.total(),
            completed_ms: manifest.created_ms,
        };
        tracing::debug!(
            job = manifest.job,
            checkpoint = status.number,
            took_us = status.duration_us,
            bytes = status.total_bytes,
            "checkpoint complete"
        );
        self.board.show_checkpoint(status);
    }
}

async fn order(sources: &[Sender<Order>], order: Order) -> Result<(), JobError> {
    for source in sources {
        source.send(order).await.map_err(|_| JobError::Stopped)?;
    }
    Ok(())
}

async fn savepoint(claim: &Claim, manifest: &Manifest, path: Path) -> Result<(), JobError> {
    let target = CheckpointStore::new(Arc::clone(claim.store().store()), path);
    Ok(claim.store().savepoint(manifest, &target).await?)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Commits what a complete checkpoint prepared; does nothing a second time.
pub(crate) async fn commit(
    committers: &mut BTreeMap<String, Box<dyn SinkCommitter>>,
    manifest: &Manifest,
) -> Result<(), JobError> {
    let splits = manifest.sources.values().flatten();
    let positions: Vec<(SplitId, Position)> = splits
        .filter_map(|(split, state)| {
            Some((SplitId(split.clone()), Position(state.position.clone()?)))
        })
        .collect();
    for (sink, prepared) in &manifest.sinks {
        // A sink that the job no longer has keeps what its last run had committed.
        let Some(committer) = committers.get_mut(sink) else { continue };
        if prepared.iter().any(|prepared| !prepared.is_null()) {
            committer.commit(manifest.checkpoint, &positions, prepared.clone()).await?;
        }
    }
    Ok(())
}
