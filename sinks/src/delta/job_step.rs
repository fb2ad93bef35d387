//! Whether a job may claim its sink or commit a checkpoint: from facts, without I/O.

use millrace_events::{Epoch, Offset, TopicPartition};

use super::commit::{Change, Next};
use super::job_ledger::{JobLedger, JobSink};
use super::log::LogState;
use crate::SinkError;

/// What a job's committer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Become the run that may commit.
    Claim,
    /// Make the files of a checkpoint part of the table.
    Commit {
        checkpoint: u64,
        /// Fingerprint of the files.
        files: i64,
        /// The checkpoint was restored: a later one may be in the table already.
        restored: bool,
    },
}

/// What to do about it.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The table holds it.
    AlreadyDone,
    /// Write the log entry of the next version; the ledger becomes this.
    Put(JobLedger),
    /// A newer run owns the sink.
    Superseded { theirs: Epoch },
    /// The table does not know this run: it was deleted, or never claimed.
    Unclaimed,
    /// A new checkpoint has the number of one that the table holds already.
    Reused { last: u64 },
}

/// Decides about `step` of run `ours`. `visible`: the commit's own entry was seen in the log.
///
/// The order matters. A commit that was seen counts even when a newer run claimed right after it,
/// for that run's ledger includes it. A run that is superseded must not commit even a checkpoint
/// the table lacks: the newer run restored it, or an older one, and decides.
pub(crate) fn decide(visible: bool, ours: Epoch, step: Step, found: &JobLedger) -> Verdict {
    if visible {
        return Verdict::AlreadyDone;
    }
    if found.generation > ours {
        return Verdict::Superseded { theirs: found.generation };
    }
    let (checkpoint, files, restored) = match step {
        Step::Claim if found.generation == ours => return Verdict::AlreadyDone,
        Step::Claim => return Verdict::Put(JobLedger { generation: ours, ..*found }),
        Step::Commit { checkpoint, files, restored } => (checkpoint, files, restored),
    };
    if found.generation < ours {
        return Verdict::Unclaimed;
    }
    match found.checkpoint {
        Some(last) if last == checkpoint && found.files == files => Verdict::AlreadyDone,
        Some(last) if last > checkpoint && restored => Verdict::AlreadyDone,
        Some(last) if last >= checkpoint => Verdict::Reused { last },
        _ => Verdict::Put(JobLedger { checkpoint: Some(checkpoint), files, ..*found }),
    }
}

/// A step of a job, as the commit loop takes it.
#[derive(Debug)]
pub(crate) struct JobStep<'a> {
    pub(crate) sink: &'a JobSink,
    pub(crate) ours: Epoch,
    pub(crate) step: Step,
    pub(crate) offsets: &'a [(TopicPartition, Offset)],
}

/// The ledger after a step, and whether this step is what changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stepped {
    pub(crate) ledger: JobLedger,
    pub(crate) by_us: bool,
}

impl Change for JobStep<'_> {
    type Outcome = Stepped;

    fn next(&self, visible: bool, state: Option<&LogState>) -> Next<Stepped> {
        let found = state.map(|s| self.sink.read(&s.txns)).unwrap_or_default();
        match decide(visible, self.ours, self.step, &found) {
            Verdict::AlreadyDone => Next::Done(Stepped { ledger: found, by_us: false }),
            Verdict::Put(ledger) => {
                let mut txns = self.sink.write(&ledger);
                txns.extend(self.sink.offsets(self.offsets));
                let version = state.map_or(0, |s| s.version + 1);
                Next::Put { version, txns, becomes: Stepped { ledger, by_us: true } }
            }
            Verdict::Superseded { theirs } => Next::Refused(SinkError::Superseded {
                job: self.sink.job().to_owned(),
                sink: self.sink.sink().to_owned(),
                ours: self.ours,
                theirs,
            }),
            Verdict::Unclaimed => {
                let why = format!("the table knows no claim of generation {}", self.ours);
                Next::Refused(SinkError::retry(format!("commit for {}", self.sink), why))
            }
            Verdict::Reused { last } => {
                let what = format!(
                    "{}: the table holds checkpoint {last} already, with other files; number new \
                     checkpoints above it, or write to another table",
                    self.sink
                );
                Next::Refused(SinkError::Rejected { what })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OURS: Epoch = Epoch(4);

    fn ledger(generation: i64, checkpoint: Option<u64>, files: i64) -> JobLedger {
        JobLedger { generation: Epoch(generation), checkpoint, files }
    }

    #[test]
    fn verdicts() {
        let commit = |checkpoint| Step::Commit { checkpoint, files: 7, restored: false };
        let restored = |checkpoint| Step::Commit { checkpoint, files: 7, restored: true };
        let put = |checkpoint, files| Verdict::Put(ledger(4, checkpoint, files));
        let newer = Verdict::Superseded { theirs: Epoch(5) };
        let cases = [
            ("first claim", Step::Claim, ledger(0, None, 0), put(None, 0)),
            ("claim after a crash", Step::Claim, ledger(3, Some(9), 1), put(Some(9), 1)),
            ("claim again", Step::Claim, ledger(4, Some(9), 1), Verdict::AlreadyDone),
            ("claim of an old run", Step::Claim, ledger(5, None, 0), newer),
            ("first commit", commit(1), ledger(4, None, 0), put(Some(1), 7)),
            ("next commit", commit(3), ledger(4, Some(1), 1), put(Some(3), 7)),
            ("the same again", commit(3), ledger(4, Some(3), 7), Verdict::AlreadyDone),
            ("restored, lacking", restored(3), ledger(4, Some(2), 1), put(Some(3), 7)),
            ("restored, there", restored(3), ledger(4, Some(3), 7), Verdict::AlreadyDone),
            ("restored, older", restored(3), ledger(4, Some(9), 1), Verdict::AlreadyDone),
            ("same number", commit(3), ledger(4, Some(3), 1), Verdict::Reused { last: 3 }),
            ("number from before", commit(3), ledger(4, Some(9), 1), Verdict::Reused { last: 9 }),
            ("another run", restored(3), ledger(4, Some(3), 1), Verdict::Reused { last: 3 }),
            ("zombie", commit(3), ledger(5, Some(2), 1), newer),
            ("zombie, heir did it", commit(3), ledger(5, Some(3), 7), newer),
            ("table made anew", commit(3), ledger(0, None, 0), Verdict::Unclaimed),
        ];
        for (case, step, found, expected) in cases {
            assert_eq!(decide(false, OURS, step, &found), expected, "{case}");
            assert_eq!(decide(true, OURS, step, &found), Verdict::AlreadyDone, "{case}, seen");
        }
    }

    proptest! {
        /// Whatever runs do in whatever order, a checkpoint's files enter the table at most once
        /// and its numbers only grow, and a run that was superseded never writes again.
        #[test]
        fn no_order_of_claims_and_commits_takes_a_checkpoint_twice(
            steps in prop::collection::vec((1..5_i64, 0..2_u8, 1..6_u64, any::<bool>()), 0..60)
        ) {
            let mut table = JobLedger::default();
            let mut taken = Vec::new();
            for (run, kind, checkpoint, restored) in steps {
                let commit = Step::Commit { checkpoint, files: 7, restored };
                let step = if kind == 0 { Step::Claim } else { commit };
                let Verdict::Put(next) = decide(false, Epoch(run), step, &table) else { continue };
                prop_assert!(Epoch(run) >= table.generation, "a superseded run wrote");
                prop_assert_eq!(next.generation, Epoch(run));
                if step == commit {
                    prop_assert!(taken.last().is_none_or(|last| *last < checkpoint));
                    taken.push(checkpoint);
                }
                table = next;
            }
        }
    }
}
