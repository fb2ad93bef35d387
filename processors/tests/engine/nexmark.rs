//! Every Nexmark query gives, as a stream, the rows of its batch computation.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;

use millrace_nexmark::{
    Dealing, Events, QUERIES, Settings, auction_schema, bid_schema, conform, count_char, expected,
    generate, normalise, partitioned, person_schema, sink, sql,
};
use millrace_plan::{Catalog, EventTimeDef, JobPlan, SinkDef, SourceDef, plan};
use millrace_processors::connector::MemorySink;
use millrace_processors::{Job, JobSettings};

/// Rows of a partition are at most this much out of order, and the watermark waits as long.
const DISORDER_MS: u64 = 300;
const PARTITIONS: usize = 5;

fn nexmark_plan(query: &str) -> JobPlan {
    let stream = |schema: SchemaRef| SourceDef {
        schema,
        event_time: Some(EventTimeDef {
            column: "dateTime".to_owned(),
            delay: Duration::from_millis(DISORDER_MS),
            idle: Duration::from_mins(1),
        }),
        bounded: true,
    };
    let sink = sink(query);
    let key = sink.primary_key;
    let key = (!key.is_empty()).then(|| key.iter().map(ToString::to_string).collect());
    let catalog = Catalog::default()
        .source("person", stream(person_schema()))
        .source("auction", stream(auction_schema()))
        .source("bid", stream(bid_schema()))
        .sink(sink.name, SinkDef { schema: Some(sink.schema), key })
        .scalar(count_char());
    plan(sql(query), &catalog).unwrap_or_else(|errors| panic!("{query}: {}", errors[0]))
}

fn one(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(schema, batches).expect("batches of one stream")
}

/// The job over `events`, dealt to partitions and read in an order that `seed` chooses.
fn nexmark_job(query: &str, events: &Events, seed: u64) -> (Job, MemorySink) {
    let dealing =
        Dealing { partitions: PARTITIONS, disorder_ms: DISORDER_MS, batch_rows: 8192, seed };
    let dealt = partitioned(events, &dealing);
    let log = |schema: SchemaRef, of: fn(&Events) -> &Vec<RecordBatch>| {
        let partitions = dealt.iter().map(|events| one(&schema, of(events))).collect();
        crate::sim::SimLog::new(partitions, seed, 500)
    };
    let out = MemorySink::new();
    let job = Job::new(query, nexmark_plan(query))
        .with_source("person", log(person_schema(), |events| &events.persons))
        .with_source("auction", log(auction_schema(), |events| &events.auctions))
        .with_source("bid", log(bid_schema(), |events| &events.bids))
        .with_sink(sink(query).name, out.clone());
    (job, out)
}

/// The rows of a sink as lines, changes applied by the sink's key.
fn result(query: &str, out: &MemorySink) -> Vec<String> {
    let sink = sink(query);
    let key: Vec<usize> = sink
        .primary_key
        .iter()
        .map(|name| sink.schema.index_of(name).expect("a key is a column"))
        .collect();
    let rows = crate::changelog::apply(&out.committed(), &key);
    normalise(&conform(query, &rows).expect("rows fit the sink"))
}

async fn check(query: &str) {
    let events = generate(&Settings { events: 20_000, ..Settings::default() }, 8192);
    let expected = normalise(&[expected(query, &events).await.expect("the batch runs")]);
    assert!(!expected.is_empty(), "{query} has a result");
    for parallelism in [1, 2, 7] {
        let (job, out) = nexmark_job(query, &events, 7 + parallelism as u64);
        let settings = JobSettings {
            parallelism,
            checkpoint_interval: Some(Duration::from_millis(50)),
            ..JobSettings::default()
        };
        job.settings(settings).run().await.expect("the job runs");
        let got = result(query, &out);
        assert_eq!(got.len(), expected.len(), "{query} at parallelism {parallelism}");
        for (got, expected) in got.iter().zip(&expected) {
            assert_eq!(got, expected, "{query} at parallelism {parallelism}");
        }
    }
}

macro_rules! queries {
    ($($query:ident),*) => {
        $(#[tokio::test]
        async fn $query() {
            check(stringify!($query)).await;
        })*

        #[test]
        fn every_query_has_a_test() {
            assert_eq!(QUERIES, [$(stringify!($query)),*]);
        }
    };
}

queries!(q0, q1, q2, q5, q7, q8, q11, q14, q15, q16, q17, q18, q19, q21, q22);
