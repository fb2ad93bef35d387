//! Carrying out a step on one job.

use millrace_spec::qualified;
use uuid::Uuid;

use crate::SeamError;
use crate::launch::{LaunchError, Observed};
use crate::model::{
    Desired, EventKind, JobStatus, Kind, RunEnd, RunRecord, RunState, SavepointState,
};
use crate::store::{Happening, Removal, StoreError};
use crate::worker::{Assignment, StopOrder};

use super::board::Key;
use super::decide::{Actual, Step, decide, next_run};
use super::effect::{Effect, effects};
use super::run::Shared;
use super::source::Prepared;
use super::status::status;
use super::subject::{Origin, Subject};
use super::tell::{self, Told};

/// Steps of one job in a row; then others have their turn.
const STEPS: usize = 8;
/// Who makes what nobody asked for happen.
const AUTHOR: &str = "reconciler";

/// Why a step was not finished. It is decided anew later.
#[derive(Debug, thiserror::Error)]
pub(super) enum ActError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error(transparent)]
    Seam(#[from] SeamError),
}

/// When a job is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// It is as wanted.
    Idle,
    /// It is on its way.
    Busy,
    /// At this time, in milliseconds since the Unix epoch.
    At(i64),
    /// A step did not work out.
    Retry,
    /// Never: it is gone.
    Gone,
}

/// Whether the rest of a step is still to be carried out.
enum Flow {
    On,
    /// Something else was found; decide anew.
    Anew,
    /// There is no place for another start.
    Wait,
}

impl Shared {
    /// Takes the job as far as it goes without waiting.
    pub(super) async fn see_to(&self, key: &Key) -> Again {
        for _ in 0..STEPS {
            match self.one_step(key).await {
                Ok(None) => self.note_problem(key, None),
                Ok(Some(again)) => {
                    self.note_problem(key, None);
                    return again;
                }
                Err(error) => {
                    self.note_problem(key, Some(error.to_string()));
                    tracing::warn!(%error, namespace = key.0, job = key.1, "a step failed");
                    return Again::Retry;
                }
            }
        }
        Again::Busy
    }

    async fn subject(&self, key: &Key) -> Result<Option<Subject>, StoreError> {
        let is = |b: &&super::BuiltIn| b.namespace == key.0 && b.name == key.1;
        match self.parts.built_ins.iter().find(is) {
            Some(built_in) => {
                Subject::built_in(built_in, &self.parts.store, &self.board).await.map(Some)
            }
            None => Ok(self.parts.store.job(&key.0, &key.1).await?.map(Subject::declared)),
        }
    }

    /// `None`: there may be another step right away.
    async fn one_step(&self, key: &Key) -> Result<Option<Again>, ActError> {
        let Some(subject) = self.subject(key).await? else {
            self.board.remove(key);
            return Ok(Some(Again::Gone));
        };
        let seen = match subject.run.as_ref().filter(|run| run.state != RunState::Ended) {
            Some(run) => Some(self.parts.launcher.observe(&subject.qualified(), &run.id).await?),
            None => None,
        };
        if subject.run.as_ref().is_none_or(|run| run.state != RunState::Starting) {
            self.leave_start_place(key);
        }
        let now_ms = self.parts.clock.now_ms();
        let policy = &self.parts.settings.policy;
        let actual = Actual { run: subject.run.as_ref(), seen: seen.as_ref() };
        let step = decide(&subject.want(), &actual, now_ms, policy);
        let mut shown = status(&subject.want(), &actual);
        // What is tried again and again without success is not kept from people.
        shown.reason = shown.reason.or_else(|| self.problem(key));
        let resting = is_resting(&shown);
        self.show(&subject, shown, seen.as_ref()).await?;
        match step {
            Step::Rest => Ok(Some(if resting { Again::Idle } else { Again::Busy })),
            Step::WaitUntil(due) => Ok(Some(Again::At(due))),
            step => self.take(&subject, step, now_ms).await,
        }
    }

    async fn take(
        &self,
        subject: &Subject,
        step: Step,
        now_ms: i64,
    ) -> Result<Option<Again>, ActError> {
        // Of an order to stop that was repeated nothing new is to be seen at once.
        let waits = matches!(&step, Step::Stop { .. } | Step::Start);
        let policy = &self.parts.settings.policy;
        for effect in effects(step, subject.run.as_ref(), now_ms, policy) {
            let point = effect.name();
            match self.carry_out(subject, effect).await? {
                Flow::On => self.parts.fault.reached(point),
                Flow::Anew => return Ok(None),
                Flow::Wait => return Ok(Some(Again::Busy)),
            }
        }
        Ok(waits.then_some(Again::Busy))
    }

    async fn carry_out(&self, subject: &Subject, effect: Effect) -> Result<Flow, ActError> {
        let parts = &self.parts;
        let job = subject.qualified();
        match effect {
            Effect::AddRun => return self.record(subject).await,
            Effect::Launch => return self.launch(subject).await,
            Effect::UpdateRun(record) => {
                parts.store.update_run(&record).await?;
                if let Some(before) = &subject.run {
                    for told in tell::changed(before, &record) {
                        self.tell(&subject.key, &told).await?;
                    }
                }
            }
            Effect::AskStop { drain, savepoint } => {
                let Some(run) = &subject.run else { return Ok(Flow::Anew) };
                let savepoint = match savepoint {
                    Some(id) => parts.store.savepoint(&id).await?.map(|savepoint| savepoint.path),
                    None => None,
                };
                let order = StopOrder { drain, savepoint };
                match parts.launcher.stop(&job, &run.id, &order).await {
                    Ok(()) | Err(LaunchError::Gone { .. }) => {}
                    // It is asked again until it stops or is killed.
                    Err(error) => tracing::debug!(%error, job, "a worker was not told to stop"),
                }
            }
            Effect::Kill(run) => {
                parts.launcher.kill(&job, &run).await?;
                if subject.run.as_ref().is_none_or(|recorded| recorded.id != run) {
                    self.tell(&subject.key, &tell::stray(&run)).await?;
                }
            }
            Effect::ForgetRuns => parts.launcher.forget(&job).await?,
            Effect::ForgetState => parts.source.forget(&job).await?,
            Effect::RemoveJob => self.remove(&subject.key).await?,
        }
        Ok(Flow::On)
    }

    async fn prepare(&self, subject: &Subject) -> Result<Prepared, SeamError> {
        match &subject.origin {
            Origin::Declared(resource) => self.parts.source.prepare(resource, &subject.goal).await,
            Origin::BuiltIn(Some(wanted)) => Ok(Prepared {
                work: wanted.work.clone(),
                parallelism: 1,
                memory_bytes: wanted.memory_bytes,
            }),
            Origin::BuiltIn(None) => Err(SeamError::Refused("it is not wanted".to_owned())),
        }
    }

    async fn record(&self, subject: &Subject) -> Result<Flow, ActError> {
        if !self.take_start_place(&subject.key) {
            return Ok(Flow::Wait);
        }
        let prepared = self.prepare(subject).await;
        if let Err(error @ SeamError::Unavailable(_)) = prepared {
            self.leave_start_place(&subject.key);
            return Err(error.into());
        }
        let now_ms = self.parts.clock.now_ms();
        let (id, key) = (Uuid::now_v7().to_string(), &subject.key);
        let parallelism = prepared.as_ref().map_or(1, |prepared| prepared.parallelism);
        let names = (id.as_str(), key.0.as_str(), key.1.as_str(), subject.uid());
        let run = next_run(&subject.goal, subject.run.as_ref(), names, parallelism, now_ms);
        self.parts.store.add_run(&run).await?;
        self.tell(key, &tell::started(&run)).await?;
        match prepared {
            Ok(_) => Ok(Flow::On),
            Err(error) => self.fail(subject, &run, words(&error)).await,
        }
    }

    async fn launch(&self, subject: &Subject) -> Result<Flow, ActError> {
        let Some(run) = &subject.run else { return Ok(Flow::Anew) };
        if !self.take_start_place(&subject.key) {
            return Ok(Flow::Wait);
        }
        let prepared = match self.prepare(subject).await {
            Ok(prepared) => prepared,
            Err(error @ SeamError::Unavailable(_)) => return Err(error.into()),
            Err(error) => return self.fail(subject, run, words(&error)).await,
        };
        let assignment = Assignment {
            run: run.id.clone(),
            job: subject.qualified(),
            attempt: run.attempt,
            memory_bytes: prepared.memory_bytes,
            work: prepared.work,
        };
        match self.parts.launcher.start(&assignment).await {
            Ok(()) => Ok(Flow::On),
            Err(LaunchError::Refused { what, why }) => {
                self.fail(subject, run, format!("{what}: {why}")).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a run that cannot be started: trying again does not help.
    async fn fail(
        &self,
        subject: &Subject,
        run: &RunRecord,
        reason: String,
    ) -> Result<Flow, ActError> {
        self.parts.launcher.kill(&subject.qualified(), &run.id).await?;
        let end = RunEnd::Failed { reason, retryable: false };
        let now_ms = self.parts.clock.now_ms();
        let closed = self.parts.settings.policy.closed(run, end, true, now_ms);
        self.parts.store.update_run(&closed).await?;
        self.leave_start_place(&subject.key);
        for told in tell::changed(run, &closed) {
            self.tell(&subject.key, &told).await?;
        }
        Ok(Flow::Anew)
    }

    async fn remove(&self, key: &Key) -> Result<(), ActError> {
        let removal = Removal {
            ns: key.0.clone(),
            kind: Kind::Job,
            name: key.1.clone(),
            expect: None,
            author: AUTHOR.to_owned(),
            reason: None,
            now_ms: self.parts.clock.now_ms(),
        };
        match self.parts.store.remove(&removal).await {
            Ok(()) | Err(StoreError::NotFound(_)) => {
                self.board.remove(key);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the status on the board, and into the store if it changed.
    async fn show(
        &self,
        subject: &Subject,
        shown: JobStatus,
        seen: Option<&Observed>,
    ) -> Result<(), ActError> {
        let (ns, job) = &subject.key;
        if subject.status.as_ref() != Some(&shown) {
            self.settle_savepoint(subject).await?;
            if let Origin::Declared(_) = subject.origin {
                self.parts.store.put_status(ns, job, &shown).await?;
            }
        }
        let worker = match seen {
            Some(Observed::Alive { run, status: Some(status), .. })
                if Some(run) == shown.run.as_ref() =>
            {
                Some((**status).clone())
            }
            // Silent for a moment: what it said last still stands.
            Some(Observed::Alive { run, status: None, .. }) => self
                .board
                .status(ns, job)
                .and_then(|before| before.worker)
                .filter(|worker| worker.run == *run),
            _ => None,
        };
        self.board.put(subject.key.clone(), JobStatus { worker, ..shown });
        Ok(())
    }

    /// Says what became of the savepoint that a stop was to make, once the job has stopped or the
    /// run that was to make it has ended.
    async fn settle_savepoint(&self, subject: &Subject) -> Result<(), ActError> {
        let over = subject.run.as_ref().filter(|run| run.state == RunState::Ended);
        if over.is_none() && subject.run.is_some() {
            return Ok(());
        }
        let asked = over.and_then(|run| run.savepoint.clone());
        let goal = &subject.goal;
        let wanted = goal.stop_savepoint.clone().filter(|_| goal.desired == Desired::Stopped);
        let ids = [asked.clone(), wanted.filter(|id| Some(id) != asked.as_ref())];
        for id in ids.into_iter().flatten() {
            let Some(mut savepoint) = self.parts.store.savepoint(&id).await? else { continue };
            if savepoint.state != SavepointState::Requested {
                continue;
            }
            let outcome = match over.and_then(|run| run.end.as_ref()) {
                Some(RunEnd::Stopped { checkpoint }) if asked.as_ref() == Some(&id) => {
                    Ok(*checkpoint)
                }
                Some(end) if asked.as_ref() == Some(&id) => {
                    let why = super::status::why(end);
                    Err(why.unwrap_or_else(|| "the job finished before".to_owned()))
                }
                _ => Err("no run was there to make it".to_owned()),
            };
            savepoint.state = match outcome.clone() {
                Ok(checkpoint) => SavepointState::Complete { checkpoint },
                Err(reason) => SavepointState::Failed { reason },
            };
            self.parts.store.update_savepoint(&savepoint).await?;
            self.tell(&subject.key, &tell::savepoint(&id, &outcome)).await?;
        }
        Ok(())
    }

    pub(super) async fn tell(&self, (ns, job): &Key, told: &Told) -> Result<(), StoreError> {
        if told.level == EventKind::Warning {
            let (job, what, message) = (qualified(ns, job), told.what, &told.message);
            tracing::warn!(job, what, "{message}");
        }
        let happening = Happening {
            at_ms: self.parts.clock.now_ms(),
            level: told.level,
            ns,
            kind: Kind::Job.as_str(),
            name: job,
            what: told.what,
            message: &told.message,
            author: AUTHOR,
        };
        self.parts.store.add_event(&happening).await.map(drop)
    }
}

/// Whether the job is where it stays by itself.
fn is_resting(status: &JobStatus) -> bool {
    use crate::model::JobPhase::{Failed, Finished, Running, Stopped};
    matches!(status.phase, Failed | Finished | Running | Stopped)
}

fn words(error: &SeamError) -> String {
    match error {
        SeamError::Sql(mistakes) => {
            let first = mistakes.first().map(|m| format!("{}:{}: {}", m.line, m.column, m.message));
            format!("{error}: {}", first.unwrap_or_default())
        }
        SeamError::Refused(_) | SeamError::Unavailable(_) => error.to_string(),
    }
}
