//! Files of checkpoints: prepared before, committed after, once, by the newest run.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};

use millrace_events::{Epoch, Offset, TopicPartition};
use millrace_sinks::{Committed, JobSink, PartitionColumn, PreparedFiles, SinkError};

use crate::place::{Place, range, resume, rows, tp};
use crate::store::Fault;

const RUN: Epoch = Epoch(1);
const NEXT_RUN: Epoch = Epoch(2);

#[tokio::test]
async fn rows_of_all_writers_appear_with_their_checkpoint() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    assert_eq!(committer.claim(RUN).await.expect("claims"), None);
    let (mut one, mut two) = (place.staged("raw.t").await, place.staged("raw.t").await);
    for (checkpoint, from) in [(1, 0), (2, 20)] {
        one.write(&rows(from..from + 10)).await.expect("writes");
        two.write(&rows(from + 10..from + 15)).await.expect("writes");
        assert!(one.pending_bytes() > 0);
        two.write(&rows(from + 15..from + 20)).await.expect("writes");
        let prepared =
            [one.prepare().await.expect("prepares"), two.prepare().await.expect("prepares")];
        assert_eq!((prepared[1].rows(), prepared[1].files(), one.pending_bytes()), (10, 1, 0));
        assert!(prepared[1].bytes() > 0);
        assert_eq!(place.ids("raw.t").await, range(from), "nothing is visible yet");
        let kept = serde_json::to_vec(&prepared).expect("serialises");
        let restored: Vec<PreparedFiles> = serde_json::from_slice(&kept).expect("parses");
        assert_eq!(restored, prepared);
        let outcome = committer.commit(checkpoint, &[(tp(), Offset(from))], &restored).await;
        assert_eq!(outcome.expect("commits"), Committed::Now);
        assert_eq!(place.ids("raw.t").await, range(from + 20));
    }
    let ledger = committer.ledger().await.expect("reads");
    assert_eq!((ledger.generation, ledger.checkpoint), (RUN, Some(2)));
    assert_eq!(place.budget.used(), 0);
}

#[tokio::test]
async fn the_offsets_of_a_checkpoint_are_in_its_commit() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(RUN).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    let offsets = [(tp(), Offset(10)), (TopicPartition::new("other", 3), Offset(7))];
    committer.commit(4, &offsets, &files).await.expect("commits");
    let entry = place.files("raw.t", "01.json").remove(0);
    let entry = std::fs::read_to_string(entry).expect("readable");
    for part in [
        r#"{"appId":"millrace-job:j:out","version":4,"#,
        r#"{"appId":"millrace-job:j:out:generation","version":1,"#,
        r#"{"appId":"millrace-job:j:out:offset:topic:0","version":10,"#,
        r#"{"appId":"millrace-job:j:out:offset:other:3","version":7,"#,
        r#"{"add":{"path":"part-"#,
    ] {
        assert!(entry.contains(part), "{part}: {entry}");
    }
    let audit = place.warehouse().await.audit().await.expect("audits");
    assert_eq!(audit, [], "a job's ledger is not taken for a route's");
}

#[tokio::test]
async fn a_checkpoint_committed_twice_is_there_once() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(RUN).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    for expected in [Committed::Now, Committed::Already] {
        assert_eq!(committer.commit(1, &[], &files).await.expect("commits"), expected);
    }
    assert_eq!(committer.recommit(1, &[], &files).await.expect("commits"), Committed::Already);
    assert_eq!(place.ids("raw.t").await, range(10));
    assert_eq!(place.files("raw.t", ".json").len(), 2, "claim, commit");
}

#[tokio::test]
async fn a_restart_commits_what_was_prepared_whether_or_not_it_was_committed() {
    for crash_after in [false, true] {
        let place = Place::new();
        let mut committer = place.committer("raw.t").await;
        committer.claim(RUN).await.expect("claims");
        let files = place.prepared("raw.t", 0..10).await;
        if crash_after {
            committer.commit(1, &[], &files).await.expect("commits");
        }
        let mut heir = place.committer("raw.t").await;
        let last = heir.claim(NEXT_RUN).await.expect("claims");
        let outcome = heir.recommit(1, &[], &files).await.expect("commits");
        let expected =
            if crash_after { (Some(1), Committed::Already) } else { (None, Committed::Now) };
        assert_eq!((last, outcome), expected);
        let files = place.prepared("raw.t", 10..20).await;
        assert_eq!(heir.commit(2, &[], &files).await.expect("commits"), Committed::Now);
        assert_eq!(place.ids("raw.t").await, range(20));
    }
}

#[tokio::test]
async fn a_superseded_run_commits_nothing_and_takes_no_files_from_its_heir() {
    let place = Place::new();
    let mut zombie = place.committer("raw.t").await;
    zombie.claim(RUN).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    let mut heir = place.committer("raw.t").await;
    heir.claim(NEXT_RUN).await.expect("claims");
    for restored in [false, true] {
        let outcome = if restored {
            zombie.recommit(1, &[], &files).await
        } else {
            zombie.commit(1, &[], &files).await
        };
        let Err(SinkError::Superseded { job, sink, ours, theirs }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((job.as_str(), sink.as_str(), ours, theirs), ("j", "out", RUN, NEXT_RUN));
    }
    let claimed = zombie.claim(RUN).await;
    assert!(matches!(claimed, Err(SinkError::Superseded { .. })), "{claimed:?}");
    assert_eq!(place.ids("raw.t").await, Vec::<i64>::new());
    heir.recommit(1, &[], &files).await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(10));
}

#[tokio::test]
async fn a_number_that_was_used_is_refused_instead_of_losing_rows() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(RUN).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    committer.commit(5, &[], &files).await.expect("commits");
    // A job whose own state was lost begins to count anew.
    committer.claim(NEXT_RUN).await.expect("claims");
    for number in [1, 5] {
        let others = place.prepared("raw.t", 10..20).await;
        let outcome = committer.commit(number, &[], &others).await;
        let Err(SinkError::Rejected { what }) = outcome else { panic!("{outcome:?}") };
        assert!(what.contains("checkpoint 5") && what.contains("job `j`"), "{what}");
    }
    let last = committer.claim(NEXT_RUN).await.expect("claims again").expect("committed");
    let others = place.prepared("raw.t", 10..20).await;
    committer.commit(last + 1, &[], &others).await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(20));
}

#[tokio::test]
async fn nothing_is_committed_without_a_claim_or_to_another_table() {
    let place = Place::new();
    let files = place.prepared("raw.t", 0..10).await;
    let mut committer = place.committer("raw.t").await;
    let outcome = committer.commit(1, &[], &files).await;
    assert!(matches!(outcome, Err(SinkError::Retry { .. })), "{outcome:?}");
    let mut other = place.committer("raw.other").await;
    other.claim(RUN).await.expect("claims");
    let outcome = other.commit(1, &[], &files).await;
    let Err(SinkError::Rejected { what }) = outcome else { panic!("{outcome:?}") };
    assert!(what.contains("raw.t") && what.contains("raw.other"), "{what}");
    assert_eq!(place.ids("raw.other").await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_checkpoint_without_rows_leaves_the_table_alone() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(RUN).await.expect("claims");
    let mut writer = place.staged("raw.t").await;
    writer.write(&rows(0..0)).await.expect("writes");
    let files = [writer.prepare().await.expect("prepares")];
    assert_eq!((files[0].rows(), files[0].files(), files[0].bytes()), (0, 0, 0));
    assert_eq!(committer.commit(1, &[], &files).await.expect("commits"), Committed::Nothing);
    assert_eq!(place.files("raw.t", ".json").len(), 1, "the claim");
    assert_eq!(place.ids("raw.t").await, Vec::<i64>::new(), "the table is there");
}

#[tokio::test]
async fn files_given_up_are_deleted_and_committed_ones_stay() {
    let place = Place::new();
    let settings = millrace_sinks::TableSinkSettings {
        partition_by: vec![PartitionColumn::Column("place".into())],
        ..place.settings("unused", "raw.t")
    };
    let warehouse = place.warehouse().await;
    let sink = JobSink::new("j", "out").expect("valid");
    let mut committer =
        warehouse.epoch_committer(sink, settings.table_settings()).expect("can be stored");
    committer.claim(RUN).await.expect("claims");
    let mut writer = warehouse.staged_table(settings.table_settings()).expect("can be stored");
    let mut prepared = Vec::new();
    for from in [0, 10] {
        writer.write(&rows(from..from + 10)).await.expect("writes");
        prepared.push(writer.prepare().await.expect("prepares"));
    }
    writer.write(&rows(20..30)).await.expect("writes");
    writer.abort().await;
    assert_eq!(place.data_files("raw.t"), 6, "three partitions, two checkpoints");
    committer.discard(&prepared[1..]).await;
    assert_eq!(place.data_files("raw.t"), 3);
    committer.discard(&prepared[1..]).await;
    committer.commit(1, &[], &prepared[..1]).await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(10));
}

#[tokio::test]
async fn a_writer_that_lost_rows_says_so_until_it_starts_over() {
    let place = Place::new();
    let mut writer = place.staged("raw.t").await;
    writer.write(&rows(0..10)).await.expect("writes");
    place.faults.add(".parquet", Fault::Before, 1);
    writer.prepare().await.expect_err("the upload fails");
    writer.prepare().await.expect_err("an empty checkpoint would lose rows");
    writer.write(&rows(10..20)).await.expect_err("rows before it are missing");
    writer.abort().await;
    assert_eq!((place.data_files("raw.t"), place.budget.used()), (0, 0));
    writer.write(&rows(0..10)).await.expect("writes");
    assert_eq!(writer.prepare().await.expect("prepares").rows(), 10);
}

#[tokio::test]
async fn files_of_a_restored_checkpoint_fit_the_columns_of_the_new_version() {
    let place = Place::new();
    let mut committer = place.committer("raw.t").await;
    committer.claim(RUN).await.expect("claims");
    let files = place.prepared("raw.t", 0..10).await;
    let wider: ArrayRef = Arc::new(Int64Array::from_iter_values(10..20));
    let wider = RecordBatch::try_from_iter([("id", wider.clone()), ("more", wider)]).expect("fits");
    let settings = millrace_sinks::TableSinkSettings {
        columns: wider.schema(),
        ..place.settings("unused", "raw.t")
    };
    let warehouse = place.warehouse().await;
    let sink = JobSink::new("j", "out").expect("valid");
    let mut heir =
        warehouse.epoch_committer(sink, settings.table_settings()).expect("can be stored");
    heir.claim(NEXT_RUN).await.expect("claims");
    heir.recommit(1, &[], &files).await.expect("commits");
    let mut writer = warehouse.staged_table(settings.table_settings()).expect("can be stored");
    writer.write(&wider).await.expect("writes");
    heir.commit(2, &[], &[writer.prepare().await.expect("prepares")]).await.expect("commits");
    assert_eq!(place.ids("raw.t").await, range(20));
    let found = place.sql("raw.t", "SELECT id FROM t WHERE more IS NULL").await;
    assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_and_a_route_write_one_table_at_once() {
    const COMMITS: i64 = 20;
    let place = Arc::new(Place::new());
    let mut route = place.sink("r", "raw.t").await;
    let job = {
        let place = place.clone();
        async move {
            let mut committer = place.committer("raw.t").await;
            committer.claim(RUN).await.expect("claims");
            for n in 0..COMMITS {
                let files = place.prepared("raw.t", n * 10..(n + 1) * 10).await;
                let checkpoint = n.unsigned_abs() + 1;
                committer.commit(checkpoint, &[], &files).await.expect("no conflict");
            }
        }
    };
    let route = async move {
        for n in 1..=COMMITS {
            resume(route.as_mut(), n * 10).await;
        }
    };
    tokio::join!(job, route);
    let twice: Vec<_> = (0..COMMITS * 10).flat_map(|n| [n, n]).collect();
    assert_eq!(place.ids("raw.t").await, twice);
}
