//! Tables as bounded sources: one version, in one order, from any position.

use millrace_connect::{DeltaTable, TableRows};
use millrace_processors::Batch;
use millrace_processors::connector::{
    ConnectorError, Position, Read, SinkFactory, SourceFactory, SplitId,
};
use millrace_sinks::{PartitionColumn, TableSettings};

use crate::place::{Part, Tables, drain, ids, read_all, rows, sorted, table_settings};

/// Puts `checkpoints` commits of 100 rows each into the table.
async fn fill(tables: &Tables, generation: u64, checkpoints: std::ops::Range<u64>) {
    let partition_by = vec![PartitionColumn::Column("place".to_owned())];
    let settings = TableSettings { partition_by, ..table_settings() };
    let sink = DeltaTable::new(tables.warehouse().await, "job", "out", settings);
    let sink = sink.expect("storable");
    let mut committer = sink.committer(generation).await.expect("claims");
    let mut writer = sink.writer(0, generation).await.expect("opens");
    for checkpoint in checkpoints {
        let from = i64::try_from(checkpoint).expect("small") * 100;
        writer.write(Batch::append(rows(from..from + 100))).await.expect("writes");
        let prepared = writer.prepare(checkpoint).await.expect("prepares");
        committer.commit(checkpoint, &[], vec![prepared]).await.expect("commits");
    }
}

async fn source(tables: &Tables) -> TableRows {
    TableRows::new(tables.warehouse().await, "raw.out".parse().expect("valid"))
}

async fn from(source: &TableRows, position: &Position) -> Vec<Part> {
    let splits = vec![(SplitId("raw.out".to_owned()), Some(position.clone()))];
    let mut reader = source.open(splits, &[0, 1]).await.expect("opens");
    drain(reader.as_mut(), 1).await
}

#[tokio::test]
async fn a_scan_goes_on_after_any_position_in_the_version_it_began() {
    let tables = Tables::new();
    fill(&tables, 1, 0..3).await;
    let source = source(&tables).await;
    let parts = read_all(&source, &[0, 1]).await;
    let all = ids(&parts);
    assert_eq!(sorted(all.clone()), (0..300).collect::<Vec<_>>());
    assert_eq!(ids(&read_all(&source, &[0, 1]).await), all, "the same order each time");
    fill(&tables, 2, 3..4).await;
    let mut known = 0;
    for (_, rows, position) in &parts {
        known += rows.num_rows();
        assert_eq!(ids(&from(&source, position).await), all[known..], "after {position:?}");
        // A position within a batch is one, too.
        let inside = position.0.replace("\"rows\":34", "\"rows\":30");
        if inside != position.0 {
            assert_eq!(ids(&from(&source, &Position(inside)).await), all[known - 4..]);
        }
    }
    assert_eq!(ids(&read_all(&source, &[0]).await).len(), 400, "a new scan sees the new version");
}

#[tokio::test]
async fn partition_columns_and_chosen_columns_come_as_plain_values() {
    let tables = Tables::new();
    fill(&tables, 1, 0..1).await;
    let source = source(&tables).await;
    for columns in [&[0, 1][..], &[1], &[]] {
        let parts = read_all(&source, columns).await;
        let rows: usize = parts.iter().map(|(_, rows, _)| rows.num_rows()).sum();
        assert_eq!(rows, 100);
        let whole = rows_of(&parts[0]);
        for name in whole {
            assert!(["id: Int64", "place: Utf8"].contains(&name.as_str()), "{name}");
        }
    }
    let scan = tables.warehouse().await.scan(&"raw.out".parse().expect("valid"), None, None).await;
    let scan = scan.expect("opens");
    assert_eq!(scan.schema().fields().len(), 2);
}

fn rows_of(part: &Part) -> Vec<String> {
    part.1.schema().fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type())).collect()
}

#[tokio::test]
async fn an_empty_table_ends_at_once_and_a_missing_one_is_refused() {
    let tables = Tables::new();
    let rows = source(&tables).await;
    let missing = rows.open(vec![(SplitId("raw.out".to_owned()), None)], &[0]).await.err();
    let Some(ConnectorError::Rejected(what)) = missing else { panic!("{missing:?}") };
    assert!(what.contains("raw.out"), "{what}");
    fill(&tables, 1, 0..0).await;
    assert_eq!(ids(&read_all(&rows, &[0]).await), Vec::<i64>::new());
    let position = Some(Position("7".to_owned()));
    let wrong = rows.open(vec![(SplitId("raw.out".to_owned()), position)], &[0]).await.err();
    assert!(matches!(wrong, Some(ConnectorError::Rejected(_))), "{wrong:?}");
    let mut unread = rows.open(vec![], &[0]).await.expect("opens");
    let next = unread.next();
    tokio::pin!(next);
    assert!(futures::poll!(next).is_pending(), "without a split there is nothing to say");
    let mut reader =
        rows.open(vec![(SplitId("raw.out".to_owned()), None)], &[0]).await.expect("opens");
    assert!(matches!(reader.next().await.expect("reads"), Read::Rows { .. }), "the version");
    assert!(matches!(reader.next().await.expect("reads"), Read::End { split: 0 }));
}
