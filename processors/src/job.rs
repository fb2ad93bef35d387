//! A job: its plan, its connectors, where its checkpoints are, and how it is run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::path::Path;
use serde::Deserialize;

use millrace_events::{Clock, SystemClock, new_event_id};
use millrace_plan::{JobPlan, NodeKind, OperatorId, PlanFingerprint, Verdict, verdict};
use millrace_state::{CheckpointStore, Claim, Manifest, StateError};

use crate::connector::{SinkFactory, SourceFactory};
use crate::run::{self, Assembly, JobProbe, NoJobProbe, RunEnd};
use crate::running::RunningJob;
use crate::{JobError, StatePolicy};

/// How a job is run.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// Instances of each operator.
    pub parallelism: usize,
    /// Time between checkpoints; `None` for those asked for and the last one only.
    pub checkpoint_interval: Option<Duration>,
    /// Complete checkpoints that are kept.
    pub keep_checkpoints: usize,
    /// Bytes of state in memory, of all instances together; what is more goes to local disk.
    pub state_memory: usize,
    /// Where state beyond `state_memory` is kept; the system's temporary folder by default.
    pub spill_dir: Option<PathBuf>,
}

impl Default for JobSettings {
    fn default() -> Self {
        Self {
            parallelism: 1,
            checkpoint_interval: Some(Duration::from_secs(10)),
            keep_checkpoints: 3,
            state_memory: 1 << 30,
            spill_dir: None,
        }
    }
}

/// A job, ready to run.
#[derive(Clone)]
pub struct Job {
    pub(crate) name: String,
    pub(crate) plan: JobPlan,
    pub(crate) settings: JobSettings,
    pub(crate) checkpoints: CheckpointStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Arc<dyn JobProbe>,
    savepoint: Option<CheckpointStore>,
    policy: StatePolicy,
    run: Option<String>,
    sources: BTreeMap<String, Arc<dyn SourceFactory>>,
    sinks: BTreeMap<String, Arc<dyn SinkFactory>>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Job {
    /// A job whose checkpoints live in memory, until [`Self::checkpoints`] says otherwise.
    pub fn new(name: impl Into<String>, plan: JobPlan) -> Self {
        Self {
            name: name.into(),
            plan,
            settings: JobSettings::default(),
            checkpoints: CheckpointStore::new(Arc::new(InMemory::new()), Path::default()),
            clock: Arc::new(SystemClock::default()),
            probe: Arc::new(NoJobProbe),
            savepoint: None,
            policy: StatePolicy::default(),
            run: None,
            sources: BTreeMap::new(),
            sinks: BTreeMap::new(),
        }
    }

    /// Reads the catalog's source `name` from `source`.
    #[must_use]
    pub fn with_source(
        mut self,
        name: impl Into<String>,
        source: impl SourceFactory + 'static,
    ) -> Self {
        self.sources.insert(name.into(), Arc::new(source));
        self
    }

    /// Writes the catalog's sink `name` to `sink`.
    #[must_use]
    pub fn with_sink(mut self, name: impl Into<String>, sink: impl SinkFactory + 'static) -> Self {
        self.sinks.insert(name.into(), Arc::new(sink));
        self
    }

    /// Keeps checkpoints here, and starts from the newest one.
    #[must_use]
    pub fn checkpoints(mut self, store: CheckpointStore) -> Self {
        self.checkpoints = store;
        self
    }

    /// Starts from the savepoint that lies here unless the job has a checkpoint of its own.
    #[must_use]
    pub fn from_savepoint(mut self, savepoint: CheckpointStore) -> Self {
        self.savepoint = Some(savepoint);
        self
    }

    /// What a start may do with the state there is.
    #[must_use]
    pub fn state_policy(mut self, policy: StatePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Forgets the state of operators that there is now, and keeps the place in the streams.
    ///
    /// # Errors
    ///
    /// Checkpoints that cannot be read.
    pub async fn fresh_state(self) -> Result<Self, JobError> {
        let through = self.starts_from().await?.map_or(0, |manifest| manifest.checkpoint);
        Ok(self.state_policy(StatePolicy::Fresh { through }))
    }

    /// Names the next run, which must be unlike all others; by default it gets an id of its own.
    #[must_use]
    pub fn run_named(mut self, run: impl Into<String>) -> Self {
        self.run = Some(run.into());
        self
    }

    /// Sets how the job is run.
    #[must_use]
    pub fn settings(mut self, settings: JobSettings) -> Self {
        self.settings = settings;
        self
    }

    /// Tells `probe` of every protocol step.
    #[must_use]
    pub fn probe(mut self, probe: Arc<dyn JobProbe>) -> Self {
        self.probe = probe;
        self
    }

    /// Uses another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The newest checkpoint, or else the savepoint: what a start begins with. Reads only: a run
    /// that is under way goes on.
    ///
    /// # Errors
    ///
    /// Checkpoints that cannot be read.
    pub async fn starts_from(&self) -> Result<Option<Manifest>, JobError> {
        Ok(match (self.checkpoints.latest().await?, &self.savepoint) {
            (Some(manifest), _) => Some(manifest),
            (None, Some(savepoint)) => Some(savepoint.open_savepoint().await?),
            (None, None) => None,
        })
    }

    /// What would become of the state of the newest checkpoint, or else of the savepoint, if the
    /// job started now, whatever its [`StatePolicy`]. Reads only. `None` when there is no state.
    ///
    /// # Errors
    ///
    /// Checkpoints that cannot be read.
    pub async fn verdict(&self) -> Result<Option<Verdict>, JobError> {
        self.starts_from().await?.as_ref().map(|manifest| self.verdict_on(manifest)).transpose()
    }

    fn verdict_on(&self, manifest: &Manifest) -> Result<Verdict, JobError> {
        let fingerprint = PlanFingerprint::deserialize(&manifest.plan)
            .map_err(|e| StateError::Damaged(format!("the plan in a checkpoint: {e}")))?;
        Ok(verdict(&fingerprint, &self.plan))
    }

    /// Restores and wires the job without driving it. Nothing is stopped or changed when the state
    /// there is cannot be used.
    ///
    /// # Errors
    ///
    /// State that the plan cannot read or the policy does not allow to be dropped, a source or sink
    /// without connector, checkpoints that cannot be read, a destination that belongs to a newer
    /// run.
    pub async fn assemble(&self) -> Result<Assembly, JobError> {
        if let Some(manifest) = self.starts_from().await? {
            self.policy.check(&manifest, self.verdict_on(&manifest)?)?;
        }
        run::assemble(self).await
    }

    /// Starts the job on threads of its own.
    pub fn start(&self) -> RunningJob {
        RunningJob::start(self.clone())
    }

    /// Runs the job until all its sources have ended.
    pub async fn run(&self) -> Result<RunEnd, JobError> {
        self.start().wait().await
    }

    pub(crate) fn source(&self, name: &str) -> Result<&Arc<dyn SourceFactory>, JobError> {
        let missing = || JobError::Unsupported(format!("the job has no connector for `{name}`"));
        self.sources.get(name).ok_or_else(missing)
    }

    pub(crate) fn sink(&self, name: &str) -> Result<&Arc<dyn SinkFactory>, JobError> {
        let missing = || JobError::Unsupported(format!("the job has no connector for `{name}`"));
        self.sinks.get(name).ok_or_else(missing)
    }

    pub(crate) fn sources_by_operator(
        &self,
    ) -> Result<BTreeMap<OperatorId, Arc<dyn SourceFactory>>, JobError> {
        let sources = self.plan.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Source(source) => Some((node.operator.clone(), source)),
            _ => None,
        });
        sources.map(|(id, source)| Ok((id, Arc::clone(self.source(&source.name)?)))).collect()
    }

    /// Takes the job over, and says what the run starts from: the newest checkpoint, or else the
    /// savepoint.
    pub(crate) async fn claim(&self) -> Result<(Claim, Option<Manifest>), JobError> {
        let Some(savepoint) = &self.savepoint else {
            let (claim, latest) = self.checkpoints.claim(&self.run_id()).await?;
            return Ok((claim, latest.map(|manifest| self.policy.apply(manifest))));
        };
        let saved = savepoint.open_savepoint().await?;
        // Sinks know the generations and checkpoints up to the savepoint: go on from there.
        let (claim, latest) =
            self.checkpoints.claim_above(&self.run_id(), saved.generation).await?;
        let from = match latest {
            Some(manifest) => self.policy.apply(manifest),
            None => claim.adopt(savepoint, self.policy.apply(saved)).await?,
        };
        Ok((claim, Some(from)))
    }

    fn run_id(&self) -> String {
        self.run.clone().unwrap_or_else(new_event_id)
    }

    /// What every manifest of run `generation` begins with.
    pub(crate) fn template(&self, generation: u64) -> Manifest {
        Manifest {
            job: self.name.clone(),
            generation,
            parallelism: self.settings.parallelism,
            plan: serde_json::to_value(PlanFingerprint::of(&self.plan)).expect("a plain tree"),
            ..Manifest::default()
        }
    }
}
