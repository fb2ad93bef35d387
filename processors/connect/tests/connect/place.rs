//! A broker, a warehouse in a temporary folder, and what goes in and comes out.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use tempfile::TempDir;
use url::Url;

use millrace_bus::testing::TestBroker;
use millrace_bus::{Admin, Consumer, FetchLimits, Producer, ProducerLimits};
use millrace_connect::{DeadLetterHook, KafkaStream, KafkaStreamSettings, StartAt};
use millrace_events::{
    Budget, Column, ColumnType, EventTime, Outgoing, PartitionId, StreamSchema, SystemClock,
    TopicPartition, Transport,
};
use millrace_processors::connector::{Position, Read, SourceFactory, SourceReader, SplitId};
use millrace_sinks::{TableSettings, Warehouse, WarehouseSettings};

pub(crate) const PRODUCER: ProducerLimits =
    ProducerLimits { queue_bytes: 1 << 20, linger: Duration::from_millis(1) };
pub(crate) const FETCH: FetchLimits = FetchLimits { queue_bytes: 1 << 20, batch_bytes: 4 << 10 };

/// A topic with a stream on it.
pub(crate) struct Stream {
    pub(crate) broker: TestBroker,
    pub(crate) schema: StreamSchema,
    pub(crate) producer: Producer,
}

impl Stream {
    pub(crate) async fn new(partitions: i32) -> Self {
        let broker = TestBroker::start().await;
        let topic = broker.topic("connect");
        let admin = Admin::new(&broker.settings()).expect("plain settings");
        admin.ensure_topic(&topic, partitions).await.expect("is created");
        let producer = Producer::new(&broker.settings(), PRODUCER).expect("plain settings");
        let column =
            |name: &str, data_type, required| Column { name: name.to_owned(), data_type, required };
        let schema = StreamSchema {
            name: "plays".parse().expect("valid"),
            topic,
            partitions,
            key: None,
            id: None,
            event_time: Some(EventTime {
                column: "at".to_owned(),
                delay: Duration::ZERO,
                idle: Duration::ZERO,
            }),
            columns: vec![
                column("id", ColumnType::Int64, true),
                column("name", ColumnType::String, false),
                column("at", ColumnType::TimestampMs, false),
            ],
        };
        Self { broker, schema, producer }
    }

    /// Appends `values` to a partition.
    pub(crate) async fn send(&self, partition: i32, values: Vec<String>) {
        let record = |value: String| Outgoing {
            topic: self.schema.topic.as_str().into(),
            partition: Some(PartitionId(partition)),
            key: None,
            value: Some(value.into()),
            headers: vec![],
            timestamp_ms: None,
        };
        for outcome in self.producer.send(values.into_iter().map(record).collect()).await {
            outcome.expect("is acknowledged");
        }
    }

    /// Appends events with these ids to a partition.
    pub(crate) async fn events(&self, partition: i32, ids: std::ops::Range<i64>) {
        let event = |id| format!(r#"{{"id":{id},"name":"n{id}","at":{id}}}"#);
        self.send(partition, ids.map(event).collect()).await;
    }

    pub(crate) fn source(&self, bounded: bool, dead: Arc<dyn DeadLetterHook>) -> KafkaStream {
        let settings = KafkaStreamSettings {
            kafka: self.broker.settings(),
            schema: self.schema.clone(),
            limits: FETCH,
            start: StartAt::Earliest,
            bounded,
        };
        KafkaStream::new(settings, dead, Arc::new(SystemClock::default())).expect("accepted")
    }

    pub(crate) fn split(&self, partition: i32) -> SplitId {
        SplitId(format!("{}/{partition}", self.schema.topic))
    }
}

/// Rows of a split and where to go on after them.
pub(crate) type Part = (usize, RecordBatch, Position);

/// Everything `reader` gives until `splits` splits have ended.
pub(crate) async fn drain(reader: &mut dyn SourceReader, splits: usize) -> Vec<Part> {
    let (mut parts, mut ended) = (Vec::new(), Vec::new());
    while ended.len() < splits {
        match reader.next().await.expect("reads") {
            Read::Rows { split, rows, position } => {
                assert!(!ended.contains(&split), "nothing comes after the end");
                parts.push((split, rows, position));
            }
            Read::Idle { .. } => {}
            Read::End { split } => ended.push(split),
        }
    }
    parts
}

/// Reads every split of `source` to its end.
pub(crate) async fn read_all(source: &dyn SourceFactory, columns: &[usize]) -> Vec<Part> {
    let splits = source.splits().await.expect("lists");
    let count = splits.len();
    let fresh = splits.into_iter().map(|split| (split, None)).collect();
    let mut reader = source.open(fresh, columns).await.expect("opens");
    drain(reader.as_mut(), count).await
}

/// The values of the first column, an integer, in the order they came.
pub(crate) fn ids<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Vec<i64> {
    let column = |part: &'a Part| part.1.column(0).as_primitive::<Int64Type>().values().to_vec();
    parts.into_iter().flat_map(column).collect()
}

pub(crate) fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

/// Rows of a table with these ids.
pub(crate) fn rows(ids: std::ops::Range<i64>) -> RecordBatch {
    let place = |id: i64| match id % 3 {
        0 => None,
        1 => Some("a/b c%=ä"),
        _ => Some("plain"),
    };
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())) as ArrayRef, true),
        ("place", Arc::new(ids.map(place).collect::<StringArray>()), true),
    ])
    .expect("consistent")
}

/// Tables on disk.
pub(crate) struct Tables {
    folder: TempDir,
}

impl Tables {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// The whole log of a table, as text.
    pub(crate) fn log(&self, table: &str) -> String {
        let folder = self.folder.path().join(table).join("_delta_log");
        let entries = std::fs::read_dir(&folder).expect("a table");
        let paths = entries.map(|entry| entry.expect("readable").path());
        let logs = paths.filter(|path| path.extension().is_some_and(|e| e == "json"));
        logs.map(|path| std::fs::read_to_string(path).expect("text")).collect()
    }

    /// Sizes of the data files of a table.
    pub(crate) fn bytes(&self, table: &str) -> u64 {
        let mut folders = vec![self.folder.path().join(table)];
        let mut bytes = 0;
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "parquet") {
                    bytes += path.metadata().expect("readable").len();
                }
            }
        }
        bytes
    }

    pub(crate) async fn warehouse(&self) -> Warehouse {
        let url = Url::from_directory_path(self.folder.path()).expect("absolute");
        Warehouse::open(WarehouseSettings::at(url)).await.expect("opens")
    }
}

/// Of a table `raw.out` with the columns of [`rows`].
pub(crate) fn table_settings() -> TableSettings {
    TableSettings {
        table: "raw.out".parse().expect("valid"),
        columns: rows(0..1).schema(),
        partition_by: vec![],
        budget: Budget::new("test", 64 << 20),
        max_open_files: 100,
    }
}

/// A record's key and value.
pub(crate) type Record = (String, Option<String>);

/// Every record of a topic, by partition in their order.
pub(crate) async fn records(broker: &TestBroker, topic: &str, partitions: i32) -> Vec<Record> {
    let admin = Admin::new(&broker.settings()).expect("plain settings");
    let mut consumer = Consumer::manual(&broker.settings(), FETCH).expect("plain settings");
    let mut count = 0;
    for partition in 0..partitions {
        let tp = TopicPartition::new(topic, partition);
        let (low, high) = admin.watermarks(&tp).await.expect("answers");
        count += usize::try_from(high.0 - low.0).expect("not negative");
        tokio::task::block_in_place(|| consumer.start_at(&tp, None)).expect("starts");
    }
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let mut found = Vec::new();
    while found.len() < count {
        let polled = tokio::task::block_in_place(|| consumer.poll(Duration::from_millis(100)));
        for batch in polled.expect("polls") {
            found.extend((0..batch.len()).map(|row| {
                let record = batch.record(row);
                (text(record.key.expect("every record has a key")), record.value.map(text))
            }));
        }
    }
    found
}
