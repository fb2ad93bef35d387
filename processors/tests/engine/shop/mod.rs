//! Two small streams, and a query for each operator that keeps state.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use millrace_plan::{Catalog, EventTimeDef, SinkDef, SourceDef};
use millrace_processors::Job;
use millrace_processors::connector::MemorySink;

use super::changelog;
use super::sim::SimLog;

/// Rows of a partition are at most this much out of order.
const DISORDER_US: i64 = 3_000_000;
const PARTITIONS: usize = 3;
const ROWS: i64 = 120;

/// A query, and the columns by which its result changes.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// The same rows by DataFusion's own SQL, over all of the input.
    pub(crate) batch: &'static str,
    pub(crate) key: &'static [&'static str],
}

impl Query {
    /// The text after `INSERT INTO out`.
    pub(crate) fn select(&self) -> &'static str {
        self.sql.strip_prefix("INSERT INTO out ").expect("all begin so")
    }

    /// What the sink holds, changes applied, sorted.
    pub(crate) fn lines(&self, out: &MemorySink) -> Vec<String> {
        let key: Vec<usize> = (0..self.key.len()).collect();
        lines(&changelog::apply(&out.committed(), &key))
    }

    /// What the batch gives.
    pub(crate) fn expected(&self, shop: &Shop) -> Vec<String> {
        let context = SessionContext::new();
        for (name, partitions) in [("sale", &shop.sales), ("offer", &shop.offers)] {
            let rows = vec![partitions.clone()];
            let table =
                MemTable::try_new(partitions[0].schema(), rows).expect("partitions of one schema");
            context.register_table(name, Arc::new(table)).expect("a name once");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let rows = runtime.block_on(async { context.sql(self.batch).await?.collect().await });
        lines(&rows.expect("the batch runs"))
    }
}

/// Rows as sorted text; instants are microseconds.
fn lines(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines = Vec::new();
    for rows in batches {
        let columns: Vec<ArrayRef> = rows.columns().iter().map(plain).collect();
        for row in 0..rows.num_rows() {
            let value =
                |column: &ArrayRef| array_value_to_string(column, row).expect("values have a text");
            lines.push(columns.iter().map(value).collect::<Vec<_>>().join(" | "));
        }
    }
    lines.sort();
    lines
}

fn plain(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(..) => cast(column, &DataType::Int64).expect("instants are numbers"),
        _ => Arc::clone(column),
    }
}

/// One for each operator that keeps state. Keys are the first columns.
pub(crate) const QUERIES: &[Query] = &[
    Query {
        name: "tumble",
        sql: "INSERT INTO out SELECT k, window_start, COUNT(*), SUM(v), MIN(v), MAX(s) \
              FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
              GROUP BY k, window_start, window_end",
        batch: "SELECT k, CAST(ts AS BIGINT) / 10000000 * 10000000, COUNT(*), SUM(v), MIN(v), MAX(s) \
                FROM sale GROUP BY 1, 2",
        key: &[],
    },
    Query {
        name: "hop",
        sql: "INSERT INTO out SELECT k, window_start, window_end, AVG(CAST(v AS DOUBLE)), COUNT(DISTINCT s) \
              FROM TABLE(HOP(TABLE sale, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '20' SECOND)) \
              GROUP BY k, window_start, window_end",
        batch: "WITH p AS (SELECT *, CAST(ts AS BIGINT) / 5000000 AS p FROM sale), \
                w AS (SELECT k, v, s, p - i AS w FROM p \
                  CROSS JOIN (VALUES (0), (1), (2), (3)) AS back(i)) \
                SELECT k, w * 5000000, w * 5000000 + 20000000, AVG(v), COUNT(DISTINCT s) \
                FROM w GROUP BY k, w",
        key: &[],
    },
    Query {
        name: "cumulate",
        sql: "INSERT INTO out SELECT window_start, window_end, SUM(v) FILTER (WHERE v > 3) \
              FROM TABLE(CUMULATE(TABLE sale, DESCRIPTOR(ts), INTERVAL '5' SECOND, INTERVAL '30' SECOND)) \
              GROUP BY window_start, window_end",
        batch: "WITH p AS (SELECT v, CAST(ts AS BIGINT) AS t, \
                  CAST(ts AS BIGINT) / 30000000 * 30000000 AS b FROM sale), \
                w AS (SELECT v, b, b + j * 5000000 AS e FROM p CROSS JOIN \
                  (VALUES (1), (2), (3), (4), (5), (6)) AS grown(j) WHERE b + j * 5000000 > t) \
                SELECT b, e, SUM(v) FILTER (WHERE v > 3) FROM w GROUP BY b, e",
        key: &[],
    },
    Query {
        name: "session",
        sql: "INSERT INTO out SELECT k, window_start, window_end, COUNT(*) \
              FROM TABLE(SESSION(TABLE sale PARTITION BY k, DESCRIPTOR(ts), INTERVAL '4' SECOND)) \
              GROUP BY k, window_start, window_end",
        batch: "WITH o AS (SELECT k, CAST(ts AS BIGINT) AS t, CASE WHEN CAST(ts AS BIGINT) - \
                  lag(CAST(ts AS BIGINT)) OVER (PARTITION BY k ORDER BY ts) <= 4000000 \
                  THEN 0 ELSE 1 END AS opens FROM sale), \
                n AS (SELECT k, t, sum(opens) OVER (PARTITION BY k ORDER BY t) AS n FROM o) \
                SELECT k, MIN(t), MAX(t) + 4000000, COUNT(*) FROM n GROUP BY k, n",
        key: &[],
    },
    Query {
        name: "window of windows",
        sql: "INSERT INTO out SELECT window_start, window_end, MAX(n) FROM ( \
              SELECT k, window_start, window_end, COUNT(*) AS n \
              FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '10' SECOND)) \
              GROUP BY k, window_start, window_end) GROUP BY window_start, window_end",
        batch: "SELECT w, w + 10000000, MAX(n) FROM (SELECT k, \
                CAST(ts AS BIGINT) / 10000000 * 10000000 AS w, COUNT(*) AS n FROM sale \
                GROUP BY 1, 2) GROUP BY w",
        key: &[],
    },
    Query {
        name: "group",
        sql: "INSERT INTO out SELECT k, COUNT(*), SUM(v), MIN(s), COUNT(DISTINCT v) \
              FROM sale GROUP BY k",
        batch: "SELECT k, COUNT(*), SUM(v), MIN(s), COUNT(DISTINCT v) FROM sale GROUP BY k",
        key: &["k"],
    },
    Query {
        name: "window join",
        sql: "INSERT INTO out SELECT a.k, a.v, b.price, a.window_start FROM \
              (SELECT * FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '5' SECOND))) a \
              LEFT JOIN \
              (SELECT * FROM TABLE(TUMBLE(TABLE offer, DESCRIPTOR(ts), INTERVAL '5' SECOND))) b \
              ON a.k = b.k AND a.window_start = b.window_start AND a.window_end = b.window_end",
        batch: "SELECT a.k, a.v, b.price, a.w FROM \
                (SELECT *, CAST(ts AS BIGINT) / 5000000 * 5000000 AS w FROM sale) a LEFT JOIN \
                (SELECT *, CAST(ts AS BIGINT) / 5000000 * 5000000 AS w FROM offer) b \
                ON a.k = b.k AND a.w = b.w",
        key: &[],
    },
    Query {
        name: "interval join",
        sql: "INSERT INTO out SELECT a.k, a.v, b.price FROM sale a JOIN offer b ON a.k = b.k \
              AND b.ts BETWEEN a.ts - INTERVAL '2' SECOND AND a.ts + INTERVAL '3' SECOND",
        batch: "SELECT a.k, a.v, b.price FROM sale a JOIN offer b ON a.k = b.k \
                AND b.ts BETWEEN a.ts - INTERVAL '2 seconds' AND a.ts + INTERVAL '3 seconds'",
        key: &[],
    },
    Query {
        name: "top",
        sql: "INSERT INTO out SELECT k, rn, v FROM (SELECT k, v, \
              ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC, ts) AS rn FROM sale) WHERE rn <= 3",
        batch: "SELECT k, rn, v FROM (SELECT k, v, ROW_NUMBER() OVER \
                (PARTITION BY k ORDER BY v DESC NULLS LAST, ts) AS rn FROM sale) WHERE rn <= 3",
        key: &["k", "rn"],
    },
    Query {
        name: "window top",
        sql: "INSERT INTO out SELECT k, v, window_start, rn FROM (SELECT k, v, window_start, \
              ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY v DESC, ts) AS rn \
              FROM TABLE(TUMBLE(TABLE sale, DESCRIPTOR(ts), INTERVAL '10' SECOND))) WHERE rn <= 2",
        batch: "SELECT k, v, w, rn FROM (SELECT k, v, w, ROW_NUMBER() OVER \
                (PARTITION BY w, k ORDER BY v DESC NULLS LAST, ts) AS rn FROM (SELECT *, \
                CAST(ts AS BIGINT) / 10000000 * 10000000 AS w FROM sale)) WHERE rn <= 2",
        key: &[],
    },
    Query {
        name: "first",
        sql: "INSERT INTO out SELECT k, v, s FROM (SELECT k, v, s, \
              ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts ASC) AS rn FROM sale) WHERE rn = 1",
        batch: "SELECT k, v, s FROM (SELECT k, v, s, \
                ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts) AS rn FROM sale) WHERE rn = 1",
        key: &[],
    },
    Query {
        name: "last",
        sql: "INSERT INTO out SELECT k, v, s FROM (SELECT k, v, s, \
              ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM sale) WHERE rn = 1",
        batch: "SELECT k, v, s FROM (SELECT k, v, s, \
                ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS rn FROM sale) WHERE rn = 1",
        key: &["k"],
    },
];

/// What the queries can name.
pub(crate) fn catalog(query: &Query) -> Catalog {
    let stream = |schema: SchemaRef| SourceDef {
        schema,
        event_time: Some(EventTimeDef {
            column: "ts".to_owned(),
            delay: Duration::from_micros(DISORDER_US.unsigned_abs()),
            idle: Duration::from_mins(1),
        }),
        bounded: true,
    };
    let key = (!query.key.is_empty()).then(|| query.key.iter().map(ToString::to_string).collect());
    Catalog::default()
        .source("sale", stream(sale_schema()))
        .source("offer", stream(offer_schema()))
        .sink("out", SinkDef { schema: None, key })
}

fn sale_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("ts", instant(), true),
        Field::new("k", DataType::Int64, true),
        Field::new("v", DataType::Int64, true),
        Field::new("s", DataType::Utf8, true),
    ]))
}

fn offer_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("ts", instant(), true),
        Field::new("k", DataType::Int64, true),
        Field::new("price", DataType::Int64, true),
    ]))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Both streams. Times are distinct, so that every query has one result.
#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) sales: Vec<RecordBatch>,
    pub(crate) offers: Vec<RecordBatch>,
    seed: u64,
}

impl Shop {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let sales = (0..PARTITIONS).map(|p| sales(p, &mut rng)).collect();
        let offers = (0..PARTITIONS).map(|p| offers(p, &mut rng)).collect();
        Self { sales, offers, seed }
    }

    /// A job that reads both to their ends.
    pub(crate) fn sources(&self, job: Job) -> Job {
        let (sale, offer) = self.logs();
        job.with_source("sale", sale).with_source("offer", offer)
    }

    /// A job that reads the first `rows` rows of each partition and waits.
    pub(crate) fn sources_until(&self, job: Job, rows: usize) -> Job {
        let (sale, offer) = self.logs();
        job.with_source("sale", sale.growing(rows)).with_source("offer", offer.growing(rows))
    }

    fn logs(&self) -> (SimLog, SimLog) {
        (
            SimLog::new(self.sales.clone(), self.seed, 9),
            SimLog::new(self.offers.clone(), self.seed, 9),
        )
    }
}

/// Times of a partition: about half a second apart, out of order within the bound, distinct over
/// all partitions.
fn times(partition: usize, rng: &mut StdRng) -> Vec<i64> {
    let mut times: Vec<(i64, i64)> = (0..ROWS)
        .map(|row| {
            let time = row * 500_000 + rng.random_range(0..400_000);
            let time = time / 10 * 10 + i64::try_from(partition).expect("a few partitions");
            (time + rng.random_range(0..DISORDER_US), time)
        })
        .collect();
    times.sort_unstable();
    times.into_iter().map(|(_, time)| time).collect()
}

fn sales(partition: usize, rng: &mut StdRng) -> RecordBatch {
    let ts = times(partition, rng);
    let k: Vec<Option<i64>> =
        ts.iter().map(|_| rng.random_bool(0.95).then(|| rng.random_range(0..6))).collect();
    let v: Vec<Option<i64>> =
        ts.iter().map(|_| rng.random_bool(0.9).then(|| rng.random_range(0..50))).collect();
    let s: Vec<String> = ts.iter().map(|_| format!("s{}", rng.random_range(0..9))).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        Arc::new(Int64Array::from(k)),
        Arc::new(Int64Array::from(v)),
        Arc::new(StringArray::from(s)),
    ];
    RecordBatch::try_new(sale_schema(), columns).expect("columns of a sale")
}

fn offers(partition: usize, rng: &mut StdRng) -> RecordBatch {
    let ts = times(partition, rng);
    let k: Vec<i64> = ts.iter().map(|_| rng.random_range(0..6)).collect();
    let price: Vec<i64> = ts.iter().map(|_| rng.random_range(100..200)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(TimestampMicrosecondArray::from(ts).with_timezone("UTC")),
        Arc::new(Int64Array::from(k)),
        Arc::new(Int64Array::from(price)),
    ];
    RecordBatch::try_new(offer_schema(), columns).expect("columns of an offer")
}
