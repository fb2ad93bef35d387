//! The parts of one checkpoint, until all are there.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_plan::OperatorId;
use millrace_state::{Manifest, OperatorState, SubtaskState};

use super::report::{Report, SplitState, TaskState};
use crate::connector::{Position, Prepared, SplitId};

/// How many parts a checkpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Source tasks.
    pub(crate) sources: usize,
    /// Tasks with a chain, sources' among them.
    pub(crate) tasks: usize,
    /// Sink tasks.
    pub(crate) sinks: usize,
}

/// What has come of a checkpoint.
#[derive(Debug)]
pub(crate) struct Parts {
    checkpoint: u64,
    expected: Expected,
    got: Expected,
    sources: BTreeMap<OperatorId, Vec<SplitState>>,
    states: Vec<TaskState>,
    sinks: BTreeMap<String, Vec<Prepared>>,
}

impl Parts {
    pub(crate) fn new(checkpoint: u64, expected: Expected) -> Self {
        let got = Expected { sources: 0, tasks: 0, sinks: 0 };
        let (sources, sinks) = (BTreeMap::new(), BTreeMap::new());
        Self { checkpoint, expected, got, sources, states: Vec::new(), sinks }
    }

    /// Takes a part.
    pub(crate) fn add(&mut self, report: Report) {
        match report {
            Report::Exhausted | Report::Pressed => unreachable!("the coordinator takes these"),
            Report::Positions { checkpoint, source, splits } => {
                self.check(checkpoint);
                self.got.sources += 1;
                self.sources.entry(source).or_default().extend(splits);
            }
            Report::State { checkpoint, state } => {
                self.check(checkpoint);
                self.got.tasks += 1;
                self.states.push(state);
            }
            Report::Prepared { checkpoint, sink, prepared } => {
                self.check(checkpoint);
                self.got.sinks += 1;
                self.sinks.entry(sink).or_default().push(prepared);
            }
        }
    }

    /// Whether nothing is missing.
    pub(crate) fn complete(&self) -> bool {
        self.got == self.expected
    }

    /// The longest that rows of a task had to wait for its state to be frozen.
    pub(crate) fn pause(&self) -> Duration {
        self.states.iter().map(|state| state.pause).max().unwrap_or_default()
    }

    /// Bytes written for this checkpoint.
    pub(crate) fn written(&self) -> u64 {
        self.states.iter().map(|state| state.written).sum()
    }

    /// Files in the making, which later checkpoints may name.
    pub(crate) fn in_the_making(&self) -> Vec<String> {
        self.states.iter().filter_map(|state| state.merging.clone()).collect()
    }

    /// Bytes of all files the checkpoint needs.
    pub(crate) fn total(&self) -> u64 {
        let files = self.states.iter().flat_map(|state| &state.files);
        files.map(|file| (&file.path, file.bytes)).collect::<BTreeMap<_, _>>().values().sum()
    }

    /// Positions of a source, for those who show them.
    pub(crate) fn positions(&self, source: &OperatorId) -> Vec<(SplitId, Position)> {
        let splits = self.sources.get(source).into_iter().flatten();
        splits.filter_map(|s| Some((s.split.clone(), s.position.clone()?))).collect()
    }

    /// The manifest; `template` says whose.
    pub(crate) fn manifest(&self, template: &Manifest, created_ms: i64) -> Manifest {
        assert!(self.complete(), "a checkpoint is visible only when complete");
        let mut manifest = Manifest {
            checkpoint: self.checkpoint,
            created_ms,
            sinks: self.sinks.clone(),
            ..template.clone()
        };
        for (source, splits) in &self.sources {
            let splits = splits.iter().map(|state| {
                let position = state.position.clone().map(|position| position.0);
                (
                    state.split.0.clone(),
                    millrace_state::SplitState { position, watermark: state.watermark },
                )
            });
            manifest.sources.insert(source.0.clone(), splits.collect());
        }
        for state in &self.states {
            add_operators(&mut manifest, state);
        }
        manifest
    }

    fn check(&self, checkpoint: u64) {
        assert_eq!(checkpoint, self.checkpoint, "one checkpoint is under way at a time");
    }
}

/// Adds what a task says of its operators.
fn add_operators(manifest: &mut Manifest, state: &TaskState) {
    for (operator, watermark) in &state.watermarks {
        let entry = manifest.operators.entry(operator.0.clone()).or_insert_with(|| OperatorState {
            kind: String::new(),
            watermark: *watermark,
            subtasks: Vec::new(),
        });
        // Instances of a keyed operator agree at a barrier; those chained to a source need not,
        // and what one has not seen must not be taken for seen.
        entry.watermark = entry.watermark.min(*watermark);
        if state.stateful.contains(operator) {
            entry.subtasks.push(SubtaskState {
                instance: state.instance,
                key_groups: state.key_groups,
                files: state.files.clone(),
            });
        }
    }
}
