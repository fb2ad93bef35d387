//! What a step does, as single effects in their order.

use crate::model::RunRecord;

use super::decide::Step;
use super::policy::Policy;

/// One effect: it happens or it does not, and may happen twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Record a new run.
    AddRun,
    /// Have the recorded run started.
    Launch,
    /// Replace the record of the run.
    UpdateRun(Box<RunRecord>),
    /// Tell the run to stop.
    AskStop {
        /// Whether to bring event time to its end first.
        drain: bool,
        /// Id of the savepoint to make.
        savepoint: Option<String>,
    },
    /// Kill this run, or keep it from beginning.
    Kill(String),
    /// Have the launcher remove the job's folder.
    ForgetRuns,
    /// Have the engine remove the job's checkpoints and savepoints.
    ForgetState,
    /// Remove the job from the store.
    RemoveJob,
}

impl Effect {
    /// Name of the moment after it, at which tests end the process.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AddRun => "after-record-run",
            Self::Launch => "after-launch",
            Self::UpdateRun(_) => "after-update-run",
            Self::AskStop { .. } => "after-ask-stop",
            Self::Kill(_) => "after-kill",
            Self::ForgetRuns => "after-forget-runs",
            Self::ForgetState => "after-forget-state",
            Self::RemoveJob => "after-remove-job",
        }
    }
}

/// The effects of a step. `run` is the recorded run, if there is one.
#[must_use]
pub fn effects(step: Step, run: Option<&RunRecord>, now_ms: i64, policy: &Policy) -> Vec<Effect> {
    match step {
        Step::Rest | Step::WaitUntil(_) => Vec::new(),
        Step::Record => vec![Effect::AddRun],
        Step::Start => vec![Effect::Launch],
        Step::Note(record) => vec![Effect::UpdateRun(record)],
        // The record first: whoever reads it knows that the run was wanted to end.
        Step::Stop { record, drain } => {
            let savepoint = record.savepoint.clone();
            let changed = run.is_none_or(|run| *run != *record);
            let update = changed.then_some(Effect::UpdateRun(record));
            update.into_iter().chain([Effect::AskStop { drain, savepoint }]).collect()
        }
        Step::KillStray(stray) => vec![Effect::Kill(stray)],
        // The record last: a run that is recorded as ended is over and never begins.
        Step::Close { end, failed, kill } => run.map_or_else(Vec::new, |run| {
            let closed = policy.closed(run, end, failed, now_ms);
            let kill = kill.then(|| Effect::Kill(run.id.clone()));
            kill.into_iter().chain([Effect::UpdateRun(Box::new(closed))]).collect()
        }),
        Step::Forget => vec![Effect::ForgetRuns, Effect::ForgetState, Effect::RemoveJob],
    }
}
