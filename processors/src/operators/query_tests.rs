//! Whole queries: SQL, planned, run operator by operator in one thread, against the batch result.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext};

use millrace_nexmark::{
    Dealing, Events, Settings, auction_schema, bid_schema, conform, count_char, expected, generate,
    normalise, partitioned, person_schema,
};
use millrace_plan::{Catalog, EventTimeDef, JobPlan, SinkDef, SourceDef, plan};

use super::single_thread::Run;

/// Rows are out of order by at most this.
const DISORDER: Duration = Duration::from_secs(2);

const STREAMS: [&str; 3] = ["person", "auction", "bid"];

fn events() -> Events {
    let settings = Settings { events: 4_000, events_per_second: 100, ..Settings::default() };
    generate(&settings, 512)
}

/// The events out of order within the watermark's delay, in one partition.
fn streams(events: &Events, batch_rows: usize) -> HashMap<&'static str, Vec<RecordBatch>> {
    let disorder_ms = u64::try_from(DISORDER.as_millis()).unwrap();
    let dealing = Dealing { disorder_ms, batch_rows, ..Dealing::default() };
    let dealt = partitioned(events, &dealing).remove(0);
    // A batch of each stream takes about as much event time, so that none runs ahead.
    let cut = |batches: &[RecordBatch], share: usize| {
        let rows = (batch_rows * share / 50).max(1);
        let slices = |batch: &RecordBatch| {
            let starts = (0..batch.num_rows()).step_by(rows);
            let slice = |at: usize| batch.slice(at, rows.min(batch.num_rows() - at));
            starts.map(slice).collect::<Vec<_>>()
        };
        batches.iter().flat_map(slices).collect::<Vec<_>>()
    };
    let all = [cut(&dealt.persons, 1), cut(&dealt.auctions, 3), cut(&dealt.bids, 46)];
    STREAMS.into_iter().zip(all).collect()
}

fn catalog(sink: &str, key: &[&str]) -> Catalog {
    let schemas = [person_schema(), auction_schema(), bid_schema()];
    let mut catalog = Catalog::default().scalar(count_char());
    for (name, schema) in STREAMS.into_iter().zip(schemas) {
        let column = "dateTime".to_owned();
        let event_time = EventTimeDef { column, delay: DISORDER, idle: Duration::from_mins(1) };
        let source = SourceDef { schema, event_time: Some(event_time), bounded: true };
        catalog = catalog.source(name, source);
    }
    let key = key.iter().map(|&column| column.to_owned()).collect::<Vec<_>>();
    let key = (!key.is_empty()).then_some(key);
    catalog.sink(sink, SinkDef { schema: None, key })
}

fn planned(sql: &str, catalog: &Catalog) -> JobPlan {
    plan(sql, catalog).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

#[tokio::test]
async fn nexmark_queries_give_the_batch_result() {
    let events = events();
    // Those that are about operators; the others are about functions.
    for query in ["q2", "q5", "q7", "q8", "q11", "q18", "q19"] {
        let sink = millrace_nexmark::sink(query);
        let catalog = catalog(&sink.name, &sink.primary_key);
        let plan = planned(millrace_nexmark::sql(query), &catalog);
        let expected = normalise(&[expected(query, &events).await.unwrap()]);
        for (batch_rows, crash_every) in [(500, 3), (50, 7)] {
            let mut run = Run::new(plan.clone());
            run.read(&streams(&events, batch_rows), crash_every);
            let made = normalise(&conform(query, &run.result()).unwrap());
            assert_eq!(made.len(), expected.len(), "{query}");
            assert_eq!(made, expected, "{query}");
        }
    }
}

/// The rows of a query of DataFusion over the events.
async fn batch(sql: &str, events: &Events) -> Vec<String> {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.enable_ident_normalization = false;
    let context = SessionContext::new_with_config(config);
    let schemas = [person_schema(), auction_schema(), bid_schema()];
    let all = [&events.persons, &events.auctions, &events.bids];
    for ((name, schema), batches) in STREAMS.into_iter().zip(schemas).zip(all) {
        let table = MemTable::try_new(schema, vec![batches.clone()]).unwrap();
        context.register_table(name, Arc::new(table)).unwrap();
    }
    normalise(&context.sql(sql).await.unwrap().collect().await.unwrap())
}

/// Names of a case, key of its sink, the streaming query, the batch query.
type Case = (&'static str, &'static [&'static str], &'static str, &'static str);

const CASES: &[Case] = &[
    (
        "interval join, inner",
        &[],
        "INSERT INTO out SELECT a.id, b.bidder, b.price FROM auction a JOIN bid b ON a.id = b.auction
         AND b.dateTime BETWEEN a.dateTime AND a.dateTime + INTERVAL '10' SECOND",
        "SELECT a.id, b.bidder, b.price FROM auction a JOIN bid b ON a.id = b.auction
         AND b.dateTime BETWEEN a.dateTime AND a.dateTime + INTERVAL '10' SECOND",
    ),
    (
        "interval join, left, with a filter",
        &[],
        "INSERT INTO out SELECT p.id, a.id AS auction FROM person p LEFT JOIN auction a
         ON p.id = a.seller AND a.category > 11
         AND a.dateTime BETWEEN p.dateTime - INTERVAL '3' SECOND AND p.dateTime + INTERVAL '5' SECOND",
        "SELECT p.id, a.id AS auction FROM person p LEFT JOIN auction a
         ON p.id = a.seller AND a.category > 11
         AND a.dateTime BETWEEN p.dateTime - INTERVAL '3' SECOND AND p.dateTime + INTERVAL '5' SECOND",
    ),
    (
        "windows over an interval join",
        &[],
        "CREATE TEMPORARY VIEW joined AS SELECT a.seller, b.dateTime AS t FROM auction a
         JOIN bid b ON a.id = b.auction
         AND b.dateTime BETWEEN a.dateTime AND a.dateTime + INTERVAL '10' SECOND;
         INSERT INTO out SELECT seller, window_start, COUNT(*) AS n FROM TABLE(TUMBLE(
           TABLE joined, DESCRIPTOR(t), INTERVAL '5' SECOND)) GROUP BY seller, window_start, window_end",
        "SELECT a.seller, date_bin(INTERVAL '5' SECOND, b.dateTime) AS s, COUNT(*) AS n
         FROM auction a JOIN bid b ON a.id = b.auction
         AND b.dateTime BETWEEN a.dateTime AND a.dateTime + INTERVAL '10' SECOND GROUP BY 1, 2",
    ),
    (
        "window join, full",
        &[],
        "INSERT INTO out SELECT p.id, a.id AS auction
         FROM (SELECT * FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))) p
         FULL JOIN (SELECT * FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))) a
         ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end",
        "SELECT p.id, a.id AS auction FROM person p FULL JOIN auction a ON p.id = a.seller
         AND date_bin(INTERVAL '10' SECOND, p.dateTime) = date_bin(INTERVAL '10' SECOND, a.dateTime)",
    ),
    (
        "window join, semi",
        &[],
        "INSERT INTO out SELECT p.id, p.window_start
         FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) p
         WHERE EXISTS (SELECT * FROM TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) a
         WHERE p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end)",
        "SELECT p.id, date_bin(INTERVAL '10' SECOND, p.dateTime) FROM person p WHERE EXISTS (
         SELECT * FROM auction a WHERE p.id = a.seller
         AND date_bin(INTERVAL '10' SECOND, p.dateTime) = date_bin(INTERVAL '10' SECOND, a.dateTime))",
    ),
    (
        "top 3 of each window",
        &[],
        "INSERT INTO out SELECT auction, price, window_start, n FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end
             ORDER BY price DESC, dateTime) AS n
           FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
         ) WHERE n <= 3",
        "SELECT auction, price, s, n FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY s ORDER BY price DESC, dateTime) AS n FROM (
             SELECT *, date_bin(INTERVAL '5' SECOND, dateTime) AS s FROM bid UNION ALL
             SELECT *, date_bin(INTERVAL '5' SECOND, dateTime) - INTERVAL '5' SECOND FROM bid
         )) WHERE n <= 3",
    ),
    (
        "last of each window",
        &[],
        "INSERT INTO out SELECT auction, price, window_start FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end, auction
             ORDER BY dateTime DESC) AS n
           FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
         ) WHERE n = 1",
        "SELECT auction, price, s FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY s, auction ORDER BY dateTime DESC) AS n FROM (
             SELECT *, date_bin(INTERVAL '10' SECOND, dateTime) AS s FROM bid
         )) WHERE n = 1",
    ),
    (
        "first of each key",
        &[],
        "INSERT INTO out SELECT bidder, auction, price FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY dateTime) AS n FROM bid
         ) WHERE n = 1",
        "SELECT bidder, auction, price FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY dateTime) AS n FROM bid
         ) WHERE n = 1",
    ),
    (
        "the best groups",
        &["n"],
        "INSERT INTO out SELECT auction, bids, n FROM (
           SELECT *, ROW_NUMBER() OVER (ORDER BY bids DESC, auction) AS n FROM (
             SELECT auction, COUNT(*) AS bids FROM bid GROUP BY auction)
         ) WHERE n <= 20",
        "SELECT auction, bids, n FROM (
           SELECT *, ROW_NUMBER() OVER (ORDER BY bids DESC, auction) AS n FROM (
             SELECT auction, COUNT(*) AS bids FROM bid GROUP BY auction)
         ) WHERE n <= 20",
    ),
    (
        "groups of the last rows",
        &["auction"],
        "INSERT INTO out SELECT auction, COUNT(*) AS bidders, SUM(price) AS total FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY dateTime DESC) AS n
           FROM bid) WHERE n = 1 AND price > 1000 GROUP BY auction",
        "SELECT auction, COUNT(*) AS bidders, SUM(price) AS total FROM (
           SELECT *, ROW_NUMBER() OVER (PARTITION BY auction, bidder ORDER BY dateTime DESC) AS n
           FROM bid) WHERE n = 1 AND price > 1000 GROUP BY auction",
    ),
];

#[tokio::test]
async fn other_queries_give_the_batch_result() {
    let events = events();
    for (name, key, streaming, reference) in CASES {
        let plan = planned(streaming, &catalog("out", key));
        let expected = batch(reference, &events).await;
        assert!(!expected.is_empty(), "{name}");
        for (batch_rows, crash_every) in [(500, 3), (50, 7)] {
            let mut run = Run::new(plan.clone());
            run.read(&streams(&events, batch_rows), crash_every);
            assert_eq!(normalise(&run.result()), expected, "{name}");
        }
    }
}
