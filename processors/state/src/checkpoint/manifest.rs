//! What a checkpoint is: where every part of a job goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::KeyGroups;

/// A complete checkpoint or savepoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the job.
    pub job: String,
    /// The run that made it.
    pub generation: u64,
    /// Its number; grows over all runs of the job.
    pub checkpoint: u64,
    /// When, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// Instances of each keyed operator.
    pub parallelism: usize,
    /// Fingerprint of the plan, as the planner writes it.
    pub plan: serde_json::Value,
    /// Where sources go on: by source id, by split id.
    pub sources: BTreeMap<String, BTreeMap<String, SplitState>>,
    /// State of operators, by operator id.
    pub operators: BTreeMap<String, OperatorState>,
    /// What sinks have prepared and may still have to commit: by sink id, one per instance.
    pub sinks: BTreeMap<String, Vec<serde_json::Value>>,
}

/// Where a split goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitState {
    /// Position in the source's notation; `None` before the first row.
    pub position: Option<String>,
    /// Watermark of the split, in microseconds since the Unix epoch.
    pub watermark: i64,
}

/// State of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// Kind of operator, for messages.
    pub kind: String,
    /// Watermark of its input, in microseconds since the Unix epoch.
    pub watermark: i64,
    /// Its instances.
    pub subtasks: Vec<SubtaskState>,
}

/// State of one instance of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskState {
    /// Which instance.
    pub instance: usize,
    /// The key groups it owned.
    pub key_groups: KeyGroups,
    /// Files whose changes, applied in this order, are its state.
    pub files: Vec<StateFile>,
}

/// A file of state, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Path below the prefix of the job.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Size in bytes.
    pub bytes: u64,
    /// Only these of its key groups count: after a rescale each of the new instances goes on with
    /// its own share of a file.
    pub key_groups: KeyGroups,
}

impl Manifest {
    /// Paths of all files it needs, each once.
    pub fn paths(&self) -> std::collections::BTreeSet<&str> {
        let files = self.operators.values().flat_map(|operator| &operator.subtasks);
        files.flat_map(|subtask| &subtask.files).map(|file| file.path.as_str()).collect()
    }

    /// The files of all operators that hold any of `key_groups`, narrowed to those, in the order
    /// in which they have to be applied, each once.
    pub fn state_files(&self, key_groups: KeyGroups) -> Vec<StateFile> {
        let mut files = Vec::new();
        for file in self.operators.values().flat_map(|operator| operator.files(key_groups)) {
            if !files.contains(&file) {
                files.push(file);
            }
        }
        files
    }
}

impl OperatorState {
    /// The files that hold any of `key_groups`, narrowed to those, in the order in which they have
    /// to be applied.
    pub fn files(&self, key_groups: KeyGroups) -> Vec<StateFile> {
        let files = self.subtasks.iter().flat_map(|subtask| &subtask.files);
        files
            .filter_map(|file| {
                let key_groups = file.key_groups.intersect(&key_groups)?;
                Some(StateFile { key_groups, ..file.clone() })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, start: u16, end: u16) -> StateFile {
        let key_groups = KeyGroups { start, end };
        StateFile { path: path.into(), rows: 1, bytes: 1, key_groups }
    }

    #[test]
    fn a_new_share_takes_its_part_of_every_file_once_and_in_order() {
        let subtask = |instance, start, end, files| SubtaskState {
            instance,
            key_groups: KeyGroups { start, end },
            files,
        };
        let operator = OperatorState {
            kind: "window".into(),
            watermark: 0,
            subtasks: vec![
                subtask(0, 0, 64, vec![file("a1", 0, 64), file("a2", 0, 64)]),
                subtask(1, 64, 128, vec![file("b1", 64, 128)]),
            ],
        };
        let operators = [("x", operator.clone()), ("y", operator)];
        let manifest = Manifest {
            operators: operators.map(|(id, operator)| (id.into(), operator)).into(),
            ..Manifest::default()
        };
        let files = manifest.state_files(KeyGroups { start: 32, end: 96 });
        let expected = vec![file("a1", 32, 64), file("a2", 32, 64), file("b1", 64, 96)];
        assert_eq!(files, expected);
        assert_eq!(manifest.paths().into_iter().collect::<Vec<_>>(), ["a1", "a2", "b1"]);
    }
}
