//! The named steps are reached where their names say.

use std::sync::{Arc, Mutex};

use millrace_events::{Probe, Step};
use millrace_sinks::PartitionColumn;

use crate::place::{Place, batch_with_dead, claim};

/// Remembers the steps.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<Step>>);

impl Probe for Diary {
    fn reached(&self, step: Step) {
        self.0.lock().expect("unpoisoned").push(step);
    }
}

#[tokio::test]
async fn every_file_is_met_half_way_and_every_commit_from_both_sides() {
    let diary = Arc::new(Diary::default());
    let mut place = Place::new();
    place.probe = diary.clone();
    let mut sink = place.partitioned("raw.t", &[PartitionColumn::Column("place".into())]).await;
    claim(sink.as_mut()).await;
    assert!(diary.0.lock().expect("unpoisoned").is_empty(), "a claim writes no data");
    for from in [0, 10] {
        sink.write(batch_with_dead(from..from + 10)).await.expect("writes");
    }
    sink.commit().await.expect("commits");
    let steps = std::mem::take(&mut *diary.0.lock().expect("unpoisoned"));
    let expected = [
        // The dead letters' file, then one file for each of the three partitions.
        Step::MidUpload,
        Step::MidUpload,
        Step::MidUpload,
        Step::MidUpload,
        Step::BeforeCommit,
        Step::AfterCommitBeforeAck,
    ];
    assert_eq!(steps, expected);
    assert_eq!((place.data_files("raw.t"), place.data_files("dead_letters")), (3, 1));
}
