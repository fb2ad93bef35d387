//! Whole jobs from a topic into a table and a feed: each result is that of a run without crashes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Field, Int64Type, Schema};

use millrace_bus::Admin;
use millrace_connect::{
    DeadLettersKept, DeltaTable, Feed, FeedSettings, KafkaStream, KafkaStreamSettings, StartAt,
};
use millrace_events::SystemClock;
use millrace_plan::{Catalog, EventTimeDef, SinkDef, SourceDef, plan};
use millrace_processors::{END_OF_TIME, Job, JobError, JobProbe, JobSettings, JobStep, RunEnd};
use millrace_sinks::{DeadLetterQuery, TableSettings};

use crate::place::{FETCH, PRODUCER, Record, Stream, Tables, records, table_settings};

const SQL: &str = "\
    INSERT INTO kept SELECT id, name FROM plays WHERE id % 7 <> 0; \
    INSERT INTO totals SELECT id % 5 AS bucket, COUNT(*) AS n, SUM(id) AS total \
    FROM plays GROUP BY id % 5;";
const EVENTS: i64 = 300;
const FEED_PARTITIONS: i32 = 2;

/// Ends the run when a step is reached for the n-th time.
#[derive(Debug)]
struct Crash {
    step: JobStep,
    left: AtomicUsize,
}

impl JobProbe for Crash {
    fn reached(&self, step: JobStep) -> Result<(), JobError> {
        if step != self.step {
            return Ok(());
        }
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        if left == Ok(1) { Err(JobError::Unsupported("a crash".to_owned())) } else { Ok(()) }
    }
}

fn catalog(stream: &Stream) -> Catalog {
    let plays = SourceDef {
        schema: stream.schema.arrow(),
        event_time: Some(EventTimeDef {
            column: "at".to_owned(),
            delay: Duration::ZERO,
            idle: Duration::ZERO,
        }),
        bounded: true,
    };
    Catalog::default()
        .source("plays", plays)
        .sink("kept", SinkDef { schema: None, key: None })
        .sink("totals", SinkDef { schema: None, key: Some(vec!["bucket".to_owned()]) })
}

async fn job(stream: &Stream, tables: &Tables, feed: &str, crash: Crash) -> Job {
    let warehouse = tables.warehouse().await;
    let name = |name, data_type| Field::new(name, data_type, true);
    let columns = vec![name("id", DataType::Int64), name("name", DataType::Utf8)];
    let kept = TableSettings { columns: Arc::new(Schema::new(columns)), ..table_settings() };
    let kept = DeltaTable::new(warehouse.clone(), "job", "kept", kept).expect("storable");
    let totals = Feed::new(FeedSettings {
        kafka: stream.broker.settings(),
        limits: PRODUCER,
        topic: feed.to_owned(),
        key: vec!["bucket".to_owned()],
    });
    let reader = "job-plays".parse().expect("valid");
    let dead = Arc::new(DeadLettersKept::new(warehouse.dead_letter_book(), reader));
    let settings = KafkaStreamSettings {
        kafka: stream.broker.settings(),
        schema: stream.schema.clone(),
        limits: FETCH,
        start: StartAt::Earliest,
        bounded: true,
    };
    let plays = KafkaStream::new(settings, dead, Arc::new(SystemClock::default()));
    Job::new("job", plan(SQL, &catalog(stream)).expect("plans"))
        .with_source("plays", plays.expect("accepted"))
        .with_sink("kept", kept)
        .with_sink("totals", totals.expect("accepted"))
        .settings(JobSettings {
            parallelism: 2,
            checkpoint_interval: Some(Duration::from_millis(20)),
            ..JobSettings::default()
        })
        .probe(Arc::new(crash))
}

async fn ids(tables: &Tables) -> Vec<i64> {
    let table = "raw.out".parse().expect("valid");
    let warehouse = tables.warehouse().await;
    let mut scan = warehouse.scan(&table, None, Some(&[0])).await.expect("opens");
    let mut ids = Vec::new();
    while let Some(rows) = scan.next().await.expect("reads") {
        ids.extend(rows.column(0).as_primitive::<Int64Type>().values());
    }
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_any_step_loses_and_doubles_nothing() {
    let stream = Stream::new(3).await;
    for partition in 0..3 {
        let from = i64::from(partition) * (EVENTS / 3);
        stream.events(partition, from..from + EVENTS / 3).await;
    }
    stream.send(1, vec!["no event".to_owned()]).await;
    let admin = Admin::new(&stream.broker.settings()).expect("plain settings");
    for (nth, step) in JobStep::ALL.into_iter().flat_map(|step| [(1, step), (3, step)]) {
        let tables = Tables::new();
        let feed = stream.broker.topic("totals");
        admin.ensure_topic(&feed, FEED_PARTITIONS).await.expect("is created");
        let crash = Crash { step, left: AtomicUsize::new(nth) };
        let job = job(&stream, &tables, &feed, crash).await;
        let mut end = job.run().await;
        if end.is_err() {
            end = job.run().await;
        }
        assert_eq!(end.expect("the second run ends"), RunEnd::Finished, "{step} {nth}");
        let expected: Vec<_> = (0..EVENTS).filter(|id| id % 7 != 0).collect();
        assert_eq!(ids(&tables).await, expected, "{step} {nth}");
        let written: Vec<Record> = records(&stream.broker, &feed, FEED_PARTITIONS).await;
        let latest: BTreeMap<_, _> = written.into_iter().collect();
        let totals = (0..5).map(|bucket| {
            let of = (0..EVENTS).filter(|id| id % 5 == bucket);
            let (n, total) = (of.clone().count(), of.sum::<i64>());
            let value = format!(r#"{{"bucket":{bucket},"n":{n},"total":{total}}}"#);
            (format!(r#"{{"bucket":{bucket}}}"#), Some(value))
        });
        assert_eq!(latest, totals.collect(), "{step} {nth}");
        let warehouse = tables.warehouse().await;
        let dead = warehouse.dead_letters(&DeadLetterQuery::default()).await.expect("reads");
        assert_eq!(dead.len(), 1, "{step} {nth}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_counts_what_comes_in_and_what_goes_out() {
    let stream = Stream::new(2).await;
    stream.events(0, 0..EVENTS).await;
    stream.send(1, vec!["no event".to_owned()]).await;
    let (tables, feed) = (Tables::new(), stream.broker.topic("totals"));
    let admin = Admin::new(&stream.broker.settings()).expect("plain settings");
    admin.ensure_topic(&feed, FEED_PARTITIONS).await.expect("is created");
    let never = Crash { step: JobStep::Claimed, left: AtomicUsize::new(0) };
    let job = job(&stream, &tables, &feed, never).await;
    let mut running = job.start();
    let control = running.control().await.expect("runs");
    assert_eq!(running.wait().await.expect("ends"), RunEnd::Finished);
    let status = control.status();

    let (_, source) = status.sources.iter().next().expect("a source");
    let bytes: usize = (0..EVENTS)
        .map(|id| format!(r#"{{"id":{id},"name":"n{id}","at":{id}}}"#).len())
        .sum::<usize>()
        + "no event".len();
    assert_eq!((source.rows_in, source.bytes_in), (EVENTS as u64, bytes as u64));
    assert_eq!((source.dead_letters, source.lag), (1, Some(0)));
    assert_eq!(source.watermark, Some(END_OF_TIME));
    let split = |partition| &source.splits[&stream.split(partition).0];
    assert_eq!(
        (split(0).rows_in, split(0).dead_letters, split(0).lag),
        (EVENTS as u64, 0, Some(0))
    );
    assert_eq!((split(1).rows_in, split(1).dead_letters, split(1).lag), (0, 1, Some(0)));

    let kept = &status.sinks["kept"];
    assert_eq!(kept.rows_out, (0..EVENTS).filter(|id| id % 7 != 0).count() as u64);
    assert_eq!(kept.bytes_out, tables.bytes("raw/out"), "what the table's files take");
    let totals = &status.sinks["totals"];
    let written: Vec<Record> = records(&stream.broker, &feed, FEED_PARTITIONS).await;
    let size = |(key, value): &Record| key.len() + value.as_ref().map_or(0, String::len);
    assert_eq!(totals.bytes_out, written.iter().map(size).sum::<usize>() as u64);
    assert!(totals.rows_out >= written.len() as u64, "{totals:?}");
}
