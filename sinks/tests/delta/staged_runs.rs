//! Runs of a job that crash, haunt and restart anywhere: every row is in the table once.

use std::fmt;

use proptest::prelude::*;

use millrace_events::Epoch;
use millrace_sinks::{Committed, EpochCommitter, PreparedFiles, SinkError, StagedTable};

use crate::place::{Place, range, rows};
use crate::store::Fault;

const TABLE: &str = "raw.t";

#[derive(Clone, Copy)]
enum Event {
    /// The job reads some rows.
    Rows(i64),
    /// Every writer prepares and the checkpoint becomes durable; its commit is still to come.
    Checkpoint,
    /// Writers prepare for a checkpoint that does not become durable.
    LostCheckpoint,
    /// The last checkpoint is committed while the log's next puts go wrong so.
    Commit(Option<Fault>),
    /// The run ends without a word and another one begins.
    Restart,
    /// The same, but the old run's committer lives on and tries to commit now and then.
    Haunt,
    /// The run that lives on tries.
    Ghost,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows(n) => write!(f, "{n} rows"),
            Self::Checkpoint => f.write_str("checkpoint"),
            Self::LostCheckpoint => f.write_str("lost checkpoint"),
            Self::Commit(fault) => write!(f, "commit {fault:?}"),
            Self::Restart => f.write_str("restart"),
            Self::Haunt => f.write_str("haunt"),
            Self::Ghost => f.write_str("ghost"),
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let faults = [None, Some(Fault::Before), Some(Fault::After), Some(Fault::Exists)];
    prop_oneof![
        3 => (1..20_i64).prop_map(Event::Rows),
        3 => Just(Event::Checkpoint),
        1 => Just(Event::LostCheckpoint),
        3 => prop::sample::select(faults.to_vec()).prop_map(Event::Commit),
        1 => Just(Event::Restart),
        1 => Just(Event::Haunt),
        1 => Just(Event::Ghost),
    ]
}

/// What survives a crash: the last complete checkpoint.
#[derive(Clone, Default)]
struct Manifest {
    checkpoint: u64,
    next: i64,
    files: Vec<PreparedFiles>,
}

struct Run {
    committer: EpochCommitter,
    writers: [StagedTable; 2],
    next: i64,
    committed: bool,
}

struct Job {
    place: Place,
    generation: i64,
    manifest: Manifest,
    run: Run,
    ghosts: Vec<(EpochCommitter, Manifest)>,
}

async fn start(place: &Place, generation: i64, manifest: &Manifest) -> Run {
    let mut committer = place.committer(TABLE).await;
    let last = committer.claim(Epoch(generation)).await.expect("claims");
    assert!(last.is_none_or(|last| last <= manifest.checkpoint), "only complete ones are there");
    committer.recommit(manifest.checkpoint, &[], &manifest.files).await.expect("commits");
    let writers = [place.staged(TABLE).await, place.staged(TABLE).await];
    Run { committer, writers, next: manifest.next, committed: true }
}

impl Job {
    async fn new() -> Self {
        let (place, manifest) = (Place::new(), Manifest::default());
        let run = start(&place, 1, &manifest).await;
        Self { place, generation: 1, manifest, run, ghosts: Vec::new() }
    }

    async fn prepare(&mut self) -> Vec<PreparedFiles> {
        let mut files = Vec::new();
        for writer in &mut self.run.writers {
            files.push(writer.prepare().await.expect("prepares"));
        }
        files
    }

    async fn restart(&mut self) -> Run {
        self.generation += 1;
        let next = start(&self.place, self.generation, &self.manifest).await;
        std::mem::replace(&mut self.run, next)
    }

    async fn commit(&mut self) {
        let Manifest { checkpoint, files, .. } = &self.manifest;
        self.run.committer.commit(*checkpoint, &[], files).await.expect("commits");
        self.run.committed = true;
    }

    async fn meet(&mut self, event: Event) {
        match event {
            Event::Rows(n) => {
                let from = self.run.next;
                let writer = usize::try_from(from % 2).expect("0 or 1");
                let writing = self.run.writers[writer].write(&rows(from..from + n)).await;
                writing.expect("writes");
                self.run.next += n;
            }
            Event::Checkpoint => {
                if !self.run.committed {
                    // One checkpoint at a time.
                    self.commit().await;
                }
                let (checkpoint, next) = (self.manifest.checkpoint + 1, self.run.next);
                self.manifest = Manifest { checkpoint, next, files: self.prepare().await };
                self.run.committed = false;
            }
            Event::LostCheckpoint => {
                let lost = self.prepare().await;
                self.restart().await.committer.discard(&lost).await;
            }
            Event::Commit(fault) => {
                if let Some(fault) = fault.filter(|_| !self.run.committed) {
                    self.place.faults.add("_delta_log/0", fault, 1);
                }
                self.commit().await;
                self.place.faults.clear();
            }
            Event::Restart => drop(self.restart().await),
            Event::Haunt => {
                let manifest = self.manifest.clone();
                let old = self.restart().await;
                self.ghosts.push((old.committer, manifest));
            }
            Event::Ghost => {
                for (ghost, manifest) in &mut self.ghosts {
                    let Manifest { checkpoint, files, .. } = manifest;
                    if files.iter().all(|f| f.files() == 0) {
                        continue;
                    }
                    let outcome = ghost.commit(*checkpoint, &[], files).await;
                    // It may know already that its last checkpoint is in the table.
                    let told = matches!(
                        outcome,
                        Err(SinkError::Superseded { .. }) | Ok(Committed::Already)
                    );
                    assert!(told, "a superseded run commits nothing: {outcome:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_row_of_a_complete_checkpoint_is_in_the_table_once(
        events in prop::collection::vec(event(), 1..25)
    ) {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let mut job = Job::new().await;
            for event in events {
                job.meet(event).await;
            }
            job.restart().await;
            assert_eq!(job.place.ids(TABLE).await, range(job.manifest.next));
        });
    }
}
