//! The kit every sink must pass, against tables plain and partitioned.

use async_trait::async_trait;

use arrow::array::AsArray;
use millrace_events::DeadLetter;
use millrace_sinks::conformance::{SinkHarness, check, columns};
use millrace_sinks::{DeadLetterQuery, PartitionColumn, Sink, TableSinkSettings};

use crate::place::Place;
use crate::store::Fault;

struct Tables {
    place: Place,
    partition_by: Vec<PartitionColumn>,
}

#[async_trait]
impl SinkHarness for Tables {
    async fn sink(&mut self) -> Box<dyn Sink> {
        let settings = TableSinkSettings {
            columns: columns(),
            partition_by: self.partition_by.clone(),
            ..self.place.settings("route", "raw.events")
        };
        self.place.warehouse().await.table_sink(settings)
    }

    async fn delivered(&mut self) -> Vec<String> {
        let batches = self.place.sql("raw.events", "SELECT CAST(event_id AS VARCHAR) FROM t").await;
        let column = |b: &arrow::array::RecordBatch| {
            let strings = arrow::compute::cast(b.column(0), &arrow::datatypes::DataType::Utf8);
            let strings = strings.expect("strings");
            strings.as_string::<i32>().iter().flatten().map(str::to_owned).collect::<Vec<_>>()
        };
        batches.iter().flat_map(column).collect()
    }

    async fn dead_letters(&mut self) -> Vec<DeadLetter> {
        let warehouse = self.place.warehouse().await;
        let rows = warehouse.dead_letters(&DeadLetterQuery::default()).await.expect("reads");
        rows.into_iter().map(|row| row.letter).collect()
    }

    fn exactly_once(&self) -> bool {
        true
    }

    async fn break_destination(&mut self) -> bool {
        self.place.faults.add("", Fault::Before, usize::MAX);
        true
    }

    async fn mend_destination(&mut self) {
        self.place.faults.clear();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_a_sink() {
    check(&mut Tables { place: Place::new(), partition_by: vec![] }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_table_is_a_sink() {
    let time = || "event_time".to_owned();
    let partition_by = vec![PartitionColumn::EventDate(time()), PartitionColumn::EventHour(time())];
    check(&mut Tables { place: Place::new(), partition_by }).await;
}
