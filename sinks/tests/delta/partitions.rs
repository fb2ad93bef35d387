//! Partitioned tables as DataFusion reads them.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use millrace_sinks::{PartitionColumn, SinkError};

use crate::place::{Place, batch, claim, range, resume, tp};

fn by_hour_and_place() -> [PartitionColumn; 3] {
    let at = || "at".to_owned();
    [
        PartitionColumn::EventDate(at()),
        PartitionColumn::EventHour(at()),
        PartitionColumn::Column("place".into()),
    ]
}

#[tokio::test]
async fn every_row_comes_back_with_its_partition_values() {
    let place = Place::new();
    let mut sink = place.partitioned("raw.t", &by_hour_and_place()).await;
    resume(sink.as_mut(), 3000).await;
    assert_eq!(place.ids("raw.t").await, range(3000));
    let wrong = "SELECT count(*) FROM t WHERE event_hour <> CAST(date_part('hour', at) AS INT) \
                 OR event_date <> CAST(at AS DATE) \
                 OR place IS DISTINCT FROM \
                 CASE id % 4 WHEN 1 THEN 'a/b c%=ä' WHEN 3 THEN 'plain' END";
    let found = place.sql("raw.t", wrong).await.remove(0);
    assert_eq!(found.column(0).as_primitive::<Int64Type>().value(0), 0);
    let one = "SELECT count(*) FROM t WHERE place = 'a/b c%=ä' AND event_date = DATE '2023-11-15'";
    let found = place.sql("raw.t", one).await.remove(0);
    assert_eq!(found.column(0).as_primitive::<Int64Type>().value(0), 360);
    assert!(!place.files("raw.t", "event_date=2023-11-15/event_hour=7/place=plain/").is_empty());
}

#[tokio::test]
async fn more_partitions_than_open_files_close_the_largest() {
    let place = Place::new();
    let settings = millrace_sinks::TableSinkSettings {
        partition_by: by_hour_and_place().to_vec(),
        max_open_files: 4,
        ..place.settings("r", "raw.t")
    };
    let mut sink = place.warehouse().await.table_sink(settings);
    claim(sink.as_mut()).await;
    for n in 0..6 {
        sink.write(batch(n * 100..(n + 1) * 100)).await.expect("writes");
    }
    assert!(sink.pending_bytes() > 0);
    sink.commit().await.expect("commits");
    assert_eq!(sink.pending_bytes(), 0);
    assert_eq!(place.ids("raw.t").await, range(600));
}

#[tokio::test]
async fn impossible_partitions_are_refused_at_the_claim() {
    let place = Place::new();
    for bad in [PartitionColumn::Column("nope".into()), PartitionColumn::EventDate("id".into())] {
        let mut sink = place.partitioned("raw.t", &[bad]).await;
        assert!(matches!(sink.claim(&[tp()]).await, Err(SinkError::Rejected { .. })));
    }
    claim(place.sink("r", "raw.t").await.as_mut()).await;
    let mut sink = place.partitioned("raw.t", &by_hour_and_place()).await;
    assert!(matches!(sink.claim(&[tp()]).await, Err(SinkError::Rejected { .. })));
}
