//! Tables as sinks: what complete checkpoints hold, once, whatever crashes in between.

use arrow::array::RecordBatch;

use millrace_connect::DeltaTable;
use millrace_processors::connector::{
    ConnectorError, Position, Prepared, SinkFactory, SinkWriter, SplitId,
};
use millrace_processors::{Batch, RowKind};
use millrace_sinks::Warehouse;

use crate::place::{Tables, rows, table_settings};

async fn table(tables: &Tables) -> DeltaTable {
    DeltaTable::new(tables.warehouse().await, "job", "out", table_settings()).expect("storable")
}

async fn ids(warehouse: &Warehouse) -> Vec<i64> {
    let table = "raw.out".parse().expect("valid");
    let mut scan = warehouse.scan(&table, None, Some(&[0])).await.expect("opens");
    let mut parts = Vec::new();
    while let Some(rows) = scan.next().await.expect("reads") {
        parts.push((0, rows, Position(String::new())));
    }
    crate::place::sorted(crate::place::ids(&parts))
}

async fn prepare(
    writer: &mut dyn SinkWriter,
    ids: std::ops::Range<i64>,
    checkpoint: u64,
) -> Prepared {
    writer.write(Batch::append(rows(ids))).await.expect("writes");
    let prepared = writer.prepare(checkpoint).await.expect("prepares");
    // As the checkpoint keeps it.
    serde_json::from_str(&prepared.to_string()).expect("parses")
}

#[tokio::test]
async fn every_checkpoint_is_in_the_table_once_through_crashes() {
    let tables = Tables::new();
    let warehouse = tables.warehouse().await;
    let sink = table(&tables).await;
    let mut committer = sink.committer(1).await.expect("claims");
    let (mut one, mut two) =
        (sink.writer(0, 1).await.expect("opens"), sink.writer(1, 1).await.expect("opens"));
    let first = vec![prepare(one.as_mut(), 0..10, 1).await, prepare(two.as_mut(), 10..20, 1).await];
    assert_eq!(ids(&warehouse).await, Vec::<i64>::new());
    committer.commit(1, &[], first).await.expect("commits");
    assert_eq!(ids(&warehouse).await, (0..20).collect::<Vec<_>>());
    let second = vec![prepare(one.as_mut(), 20..30, 2).await, Prepared::Null];
    // The run dies after checkpoint 2 is complete; its committer comes back from the dead.
    let sink = table(&tables).await;
    let mut heir = sink.committer(2).await.expect("claims");
    let zombie = committer.commit(2, &[], second.clone()).await;
    assert!(matches!(zombie, Err(ConnectorError::Fenced { .. })), "{zombie:?}");
    for _ in 0..2 {
        heir.commit(2, &[], second.clone()).await.expect("commits");
        assert_eq!(ids(&warehouse).await, (0..30).collect::<Vec<_>>());
    }
    let mut writer = sink.writer(0, 2).await.expect("opens");
    let third = vec![prepare(writer.as_mut(), 30..40, 3).await];
    let positions = [(SplitId("clicks/7".to_owned()), Position("41..50".to_owned()))];
    heir.commit(3, &positions, third.clone()).await.expect("commits");
    let log = tables.log("raw/out");
    assert!(log.contains("millrace-job:job:out:offset:clicks:7") && log.contains("41"), "{log}");
    // It dies after the commit, and the next one restores the same checkpoint.
    let mut heir = table(&tables).await.committer(3).await.expect("claims");
    heir.commit(3, &[], third).await.expect("commits");
    assert_eq!(ids(&warehouse).await, (0..40).collect::<Vec<_>>());
    let old = table(&tables).await.committer(2).await.err();
    assert!(matches!(old, Some(ConnectorError::Fenced { .. })), "{old:?}");
}

#[tokio::test]
async fn a_checkpoint_without_rows_needs_no_commit() {
    let tables = Tables::new();
    let sink = table(&tables).await;
    let mut committer = sink.committer(1).await.expect("claims");
    let mut writer = sink.writer(0, 1).await.expect("opens");
    let prepared = prepare(writer.as_mut(), 0..0, 1).await;
    assert_eq!(prepared, Prepared::Null);
    committer.commit(1, &[], vec![prepared]).await.expect("commits");
    assert_eq!(ids(&tables.warehouse().await).await, Vec::<i64>::new());
}

#[tokio::test]
async fn a_table_refuses_what_it_cannot_take() {
    let tables = Tables::new();
    let sink = table(&tables).await;
    let mut writer = sink.writer(0, 1).await.expect("opens");
    let changes = Batch::changes(rows(0..2), &[RowKind::UpdateBefore, RowKind::UpdateAfter]);
    let Err(ConnectorError::Rejected(what)) = writer.write(changes).await else {
        panic!("changes are refused")
    };
    assert!(what.contains("raw.out") && what.contains("feed"), "{what}");
    let mut committer = sink.committer(1).await.expect("claims");
    let garbled = committer.commit(1, &[], vec![Prepared::from("x")]).await;
    assert!(matches!(garbled, Err(ConnectorError::Rejected(_))), "{garbled:?}");
    let named = DeltaTable::new(tables.warehouse().await, "a:b", "out", table_settings());
    assert!(matches!(named, Err(ConnectorError::Rejected(_))), "{named:?}");
    let columns = RecordBatch::new_empty(std::sync::Arc::new(arrow::datatypes::Schema::empty()));
    let settings = millrace_sinks::TableSettings { columns: columns.schema(), ..table_settings() };
    let empty = DeltaTable::new(tables.warehouse().await, "job", "out", settings);
    assert!(matches!(empty, Err(ConnectorError::Rejected(_))), "{empty:?}");
}
