//! A warehouse in a temporary folder, rows to put there, and what readers see.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use arrow::datatypes::{Int64Type, SchemaRef};
use deltalake::datafusion::prelude::SessionContext;
use tempfile::TempDir;
use url::Url;

use millrace_events::{
    Budget, Clock, DeadLetter, NoProbe, Offset, OffsetRange, PartitionId, Probe, SystemClock,
    TopicPartition,
};
use millrace_sinks::{
    EpochCommitter, JobSink, PartitionColumn, PreparedFiles, Progress, Records, Sink, SinkBatch,
    StagedTable, TableSinkSettings, Warehouse, WarehouseSettings,
};

use crate::store::Faults;

/// Hour of the first row's time, in milliseconds; row n is n minutes later.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A warehouse on disk. Every `warehouse` of it is another process.
pub(crate) struct Place {
    dir: TempDir,
    pub(crate) faults: Faults,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: Budget,
    pub(crate) probe: Arc<dyn Probe>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let budget = Budget::new("test", 64 << 20);
        let clock = Arc::new(SystemClock::default());
        Self { dir, faults: Faults::default(), clock, budget, probe: Arc::new(NoProbe) }
    }

    pub(crate) async fn warehouse(&self) -> Warehouse {
        let url = Url::from_directory_path(self.dir.path()).expect("absolute");
        let faults = self.faults.clone();
        let settings = WarehouseSettings {
            wrap: Some(Arc::new(move |store| faults.over(store))),
            probe: self.probe.clone(),
            ..WarehouseSettings::at(url)
        };
        Warehouse::open_with(settings, self.clock.clone()).await.expect("opens")
    }

    pub(crate) fn settings(&self, route: &str, table: &str) -> TableSinkSettings {
        TableSinkSettings {
            route: route.parse().expect("valid"),
            table: table.parse().expect("valid"),
            columns: rows(0..1).schema(),
            partition_by: vec![],
            budget: self.budget.clone(),
            max_open_files: 2000,
        }
    }

    pub(crate) async fn sink(&self, route: &str, table: &str) -> Box<dyn Sink> {
        self.warehouse().await.table_sink(self.settings(route, table))
    }

    pub(crate) async fn sink_of(&self, table: &str, columns: SchemaRef) -> Box<dyn Sink> {
        let settings = TableSinkSettings { columns, ..self.settings("r", table) };
        self.warehouse().await.table_sink(settings)
    }

    pub(crate) async fn partitioned(&self, table: &str, by: &[PartitionColumn]) -> Box<dyn Sink> {
        let settings = TableSinkSettings { partition_by: by.to_vec(), ..self.settings("r", table) };
        self.warehouse().await.table_sink(settings)
    }

    /// A writer whose rows become visible by a committer.
    pub(crate) async fn staged(&self, table: &str) -> StagedTable {
        let settings = self.settings("unused", table).table_settings();
        self.warehouse().await.staged_table(settings).expect("can be stored")
    }

    /// The committer of sink `out` of job `j`.
    pub(crate) async fn committer(&self, table: &str) -> EpochCommitter {
        let sink = JobSink::new("j", "out").expect("valid");
        let settings = self.settings("unused", table).table_settings();
        self.warehouse().await.epoch_committer(sink, settings).expect("can be stored")
    }

    /// Files with the rows of `range`.
    pub(crate) async fn prepared(&self, table: &str, range: Range<i64>) -> Vec<PreparedFiles> {
        let mut writer = self.staged(table).await;
        writer.write(&rows(range)).await.expect("writes");
        vec![writer.prepare().await.expect("prepares")]
    }

    /// Files under a table's folder whose path holds `part`.
    pub(crate) fn files(&self, table: &str, part: &str) -> Vec<PathBuf> {
        let (schema, name) = table.split_once('.').unwrap_or(("public", table));
        let mut found = Vec::new();
        let mut folders = vec![self.dir.path().join(schema).join(name)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_string_lossy().contains(part) {
                    found.push(path);
                }
            }
        }
        found.sort();
        found
    }

    pub(crate) fn data_files(&self, table: &str) -> usize {
        self.files(table, ".parquet")
            .iter()
            .filter(|p| !p.to_string_lossy().contains("_delta_log"))
            .count()
    }

    /// `query` over the table, which it calls `t`.
    pub(crate) async fn sql(&self, table: &str, query: &str) -> Vec<RecordBatch> {
        let provider = self.warehouse().await.provider(&table.parse().expect("valid")).await;
        let context = SessionContext::new();
        context.register_table("t", provider.expect("opens")).expect("registers");
        context.sql(query).await.expect("plans").collect().await.expect("runs")
    }

    /// The table's ids in order.
    pub(crate) async fn ids(&self, table: &str) -> Vec<i64> {
        let batches = self.sql(table, "SELECT id FROM t ORDER BY id").await;
        let ids = |b: &RecordBatch| b.column(0).as_primitive::<Int64Type>().values().to_vec();
        batches.iter().flat_map(ids).collect()
    }

    /// The only ledger in the warehouse, checked.
    pub(crate) async fn ledger_next(&self) -> i64 {
        let rows = self.warehouse().await.audit().await.expect("audits");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert!(rows[0].ledger.adds_up(), "{rows:?}");
        rows[0].ledger.next.map_or(0, |o| o.0)
    }
}

pub(crate) fn tp() -> TopicPartition {
    TopicPartition { topic: "topic".into(), partition: PartitionId(0) }
}

/// Rows whose `id` is their offset.
pub(crate) fn rows(range: Range<i64>) -> RecordBatch {
    let times = range.clone().map(|n| START_MS + n * 60_000);
    let place = |n| match n % 4 {
        0 => None,
        1 => Some("a/b c%=ä"),
        2 => Some(""),
        _ => Some("plain"),
    };
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(range.clone())) as ArrayRef, true),
        ("at", Arc::new(TimestampMillisecondArray::from_iter_values(times)), true),
        ("place", Arc::new(range.map(place).collect::<StringArray>()), true),
    ])
    .expect("consistent")
}

/// A batch that delivers `records` as all of `range`.
pub(crate) fn batch_of(range: Range<i64>, records: RecordBatch) -> SinkBatch {
    let range = OffsetRange { from: Offset(range.start), next: Offset(range.end) };
    let progress = Progress { range, written: range.width(), filtered: 0, dead: 0, gaps: 0 };
    SinkBatch { tp: tp(), progress, records: Records::Columns(records), dead: vec![] }
}

pub(crate) fn batch(range: Range<i64>) -> SinkBatch {
    batch_of(range.clone(), rows(range))
}

/// A batch of which nothing is delivered.
pub(crate) fn filtered(range: Range<i64>) -> SinkBatch {
    let mut batch = batch_of(range, rows(0..0));
    batch.progress.filtered = std::mem::take(&mut batch.progress.written);
    batch
}

/// A batch whose last row is a dead letter.
pub(crate) fn batch_with_dead(range: Range<i64>) -> SinkBatch {
    let last = range.end - 1;
    let mut batch = batch_of(range.clone(), rows(range.start..last));
    batch.progress.written -= 1;
    batch.progress.dead = 1;
    batch.dead.push(letter(last));
    batch
}

pub(crate) fn letter(offset: i64) -> DeadLetter {
    DeadLetter {
        tp: tp(),
        offset: Offset(offset),
        timestamp_ms: START_MS,
        key: Some(b"k".to_vec()),
        value: Some(format!("{{{offset}").into_bytes()),
        headers: vec![],
        reason: "not JSON".into(),
    }
}

/// Claims and returns the next offset, 0 for a fresh partition.
pub(crate) async fn claim(sink: &mut dyn Sink) -> i64 {
    let claimed = sink.claim(&[tp()]).await.expect("claims");
    assert!(claimed[0].1.adds_up(), "{claimed:?}");
    claimed[0].1.next.map_or(0, |o| o.0)
}

/// Claims, feeds up to `end` and commits: a router after a restart.
pub(crate) async fn resume(sink: &mut dyn Sink, end: i64) {
    let from = claim(sink).await;
    assert!(from <= end, "the ledger is ahead of what was fed");
    if from < end {
        sink.write(batch(from..end)).await.expect("writes");
        sink.commit().await.expect("commits");
    }
}

pub(crate) fn range(n: i64) -> Vec<i64> {
    (0..n).collect()
}
