//! What a table knows of a job that writes it: `millrace-job:{job}:{sink}` and siblings.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use millrace_events::{Epoch, Offset, TopicPartition};

use crate::SinkError;

/// One sink of one job; names its ledger in the table it writes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobSink {
    job: String,
    sink: String,
}

impl JobSink {
    /// The sink `sink` of job `job`. Neither may be empty or hold a colon or a control character.
    pub fn new(job: &str, sink: &str) -> Result<Self, SinkError> {
        for (what, name) in [("job", job), ("sink", sink)] {
            if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
                let what =
                    format!("`{name}` cannot name a {what}: write letters, digits, `_`, `-`");
                return Err(SinkError::Rejected { what });
            }
        }
        Ok(Self { job: job.to_owned(), sink: sink.to_owned() })
    }

    /// The job.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// The sink.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    fn app_id(&self) -> String {
        format!("millrace-job:{}:{}", self.job, self.sink)
    }

    /// What a table's transaction identifiers tell of this sink.
    pub(crate) fn read(&self, txns: &HashMap<String, i64>) -> JobLedger {
        let id = self.app_id();
        let number = |id: &str| txns.get(id).copied();
        JobLedger {
            generation: Epoch(number(&format!("{id}:generation")).unwrap_or_default()),
            checkpoint: number(&id).and_then(|n| u64::try_from(n).ok()),
            files: number(&format!("{id}:files")).unwrap_or_default(),
        }
    }

    /// The identifiers that say `ledger`.
    pub(crate) fn write(&self, ledger: &JobLedger) -> Vec<(String, i64)> {
        let id = self.app_id();
        let mut txns = vec![(format!("{id}:generation"), ledger.generation.0)];
        if let Some(checkpoint) = ledger.checkpoint {
            txns.push((format!("{id}:files"), ledger.files));
            txns.push((id, i64::try_from(checkpoint).unwrap_or(i64::MAX)));
        }
        txns
    }

    /// The identifiers that say up to where the job had read; for people and audits.
    pub(crate) fn offsets(&self, offsets: &[(TopicPartition, Offset)]) -> Vec<(String, i64)> {
        let id = self.app_id();
        let offset = |(tp, next): &(TopicPartition, Offset)| {
            (format!("{id}:offset:{}:{}", tp.topic, tp.partition), next.0)
        };
        offsets.iter().map(offset).collect()
    }
}

impl fmt::Display for JobSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sink `{}` of job `{}`", self.sink, self.job)
    }
}

/// How far a job got with a table, as the table has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobLedger {
    /// Generation of the run that may commit; 0 before the first claim.
    pub generation: Epoch,
    /// The last checkpoint whose files are in the table.
    pub checkpoint: Option<u64>,
    /// Fingerprint of that checkpoint's files.
    pub(crate) files: i64,
}

#[cfg(test)]
mod tests {
    use super::super::ledgers::LedgerKey;
    use super::*;

    #[test]
    fn a_ledger_survives_the_table_and_is_no_routes() {
        let sink = JobSink::new("take-rate", "raw.out").expect("valid");
        let claimed = JobLedger { generation: Epoch(3), ..JobLedger::default() };
        let full = JobLedger { checkpoint: Some(9), files: 77, ..claimed };
        for ledger in [claimed, full] {
            let txns = sink.write(&ledger);
            assert!(txns.iter().all(|(id, _)| LedgerKey::owner(id).is_none()), "{txns:?}");
            assert_eq!(sink.read(&txns.into_iter().collect()), ledger);
        }
        let other = JobSink::new("take-rate", "raw").expect("valid");
        assert_eq!(other.read(&sink.write(&full).into_iter().collect()), JobLedger::default());
    }

    #[test]
    fn names_that_would_mix_up_ledgers_are_refused() {
        for (job, sink) in [("", "s"), ("j", ""), ("a:b", "s"), ("j", "s:files"), ("j\n", "s")] {
            let refused = JobSink::new(job, sink);
            assert!(matches!(refused, Err(SinkError::Rejected { .. })), "{job:?} {sink:?}");
        }
    }
}
