//! The Flink SQL says the same as the batch SQL: run by DataFusion too, its few words of Flink put
//! into words of DataFusion and its windows into views.

use super::*;
use crate::expected::{conform, context, expected};
use crate::functions::count_char;
use crate::generate::{Settings, generate};
use crate::normalise::normalise;

/// Flink's words and DataFusion's for the same.
const WORDS: [(&str, &str); 15] = [
    ("`", "\""),
    ("MOD(auction, 123)", "auction % 123"),
    ("HOUR(dateTime)", "date_part('hour', dateTime)"),
    ("DATE_FORMAT(dateTime, 'yyyy-MM-dd')", "to_char(dateTime, '%Y-%m-%d')"),
    ("DATE_FORMAT(dateTime, 'HH:mm')", "to_char(dateTime, '%H:%M')"),
    ("REGEXP_EXTRACT(url, ", "(regexp_match(url, "),
    ("([^&]*)', 2)", "([^&]*)'))[2]"),
    ("SPLIT_INDEX(url, '/', 3)", "split_part(url, '/', 4)"),
    ("SPLIT_INDEX(url, '/', 4)", "split_part(url, '/', 5)"),
    ("SPLIT_INDEX(url, '/', 5)", "split_part(url, '/', 6)"),
    ("TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))", "tumble_bid"),
    ("TABLE(TUMBLE(TABLE person, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))", "tumble_person"),
    ("TABLE(TUMBLE(TABLE auction, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))", "tumble_auction"),
    (
        "TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))",
        "hop_bid",
    ),
    (
        "TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))",
        "session_bid",
    ),
];

/// The rows of the streams with the windows they are in. Other than in the batch SQL, windows are
/// found by `date_bin`, and a session by every bid that has none in the ten seconds before it.
const VIEWS: [&str; 5] = [
    "CREATE VIEW tumble_bid AS SELECT *, date_bin(INTERVAL '10 seconds', dateTime) AS window_start,
     date_bin(INTERVAL '10 seconds', dateTime) + INTERVAL '10 seconds' AS window_end FROM bid",
    "CREATE VIEW tumble_person AS SELECT *,
     date_bin(INTERVAL '10 seconds', dateTime) AS window_start,
     date_bin(INTERVAL '10 seconds', dateTime) + INTERVAL '10 seconds' AS window_end FROM person",
    "CREATE VIEW tumble_auction AS SELECT *,
     date_bin(INTERVAL '10 seconds', dateTime) AS window_start,
     date_bin(INTERVAL '10 seconds', dateTime) + INTERVAL '10 seconds' AS window_end FROM auction",
    "CREATE VIEW hop_bid AS SELECT *, window_start + INTERVAL '10 seconds' AS window_end FROM (
       SELECT *, date_bin(INTERVAL '2 seconds', dateTime) - step.behind AS window_start
       FROM bid CROSS JOIN (VALUES (INTERVAL '0 seconds'), (INTERVAL '2 seconds'),
         (INTERVAL '4 seconds'), (INTERVAL '6 seconds'), (INTERVAL '8 seconds')) AS step(behind)
     ) AS hopped",
    "CREATE VIEW session_bid AS
     WITH first AS (
       SELECT bidder, dateTime AS began FROM bid AS b WHERE NOT EXISTS (
         SELECT 1 FROM bid AS p WHERE p.bidder = b.bidder AND p.dateTime < b.dateTime
         AND p.dateTime >= b.dateTime - INTERVAL '10 seconds')
     ),
     placed AS (
       SELECT bid.bidder, bid.dateTime, max(began) AS window_start
       FROM bid JOIN first ON first.bidder = bid.bidder AND began <= dateTime
       GROUP BY bid.bidder, bid.dateTime
     )
     SELECT bidder, dateTime, window_start, max(dateTime) OVER (
       PARTITION BY bidder, window_start) + INTERVAL '10 seconds' AS window_end FROM placed",
];

#[tokio::test]
async fn the_flink_sql_and_the_batch_sql_say_the_same() {
    let settings = Settings {
        events: 2_000,
        events_per_second: 50,
        base_time_ms: 1_767_311_967_500,
        ..Settings::default()
    };
    let events = generate(&settings, 1_000);
    let context = context(&events).unwrap();
    context.register_udf(count_char());
    for view in VIEWS {
        context.sql(view).await.unwrap().collect().await.unwrap();
    }
    for query in QUERIES {
        let (_, select) = sql(query).split_once(&format!("INSERT INTO nexmark_{query}\n")).unwrap();
        let mut text = select.to_owned();
        for (flink, datafusion) in WORDS {
            text = text.replace(flink, datafusion);
        }
        let planned = context.sql(&text).await.unwrap_or_else(|e| panic!("{query}: {e}\n{text}"));
        let rows = planned.collect().await.unwrap_or_else(|e| panic!("{query}: {e}"));
        let names: Vec<_> = rows[0].schema().fields().iter().map(|f| f.name().clone()).collect();
        let wanted: Vec<_> = sink(query).schema.fields().iter().map(|f| f.name().clone()).collect();
        assert_eq!(names, wanted, "{query}");
        let right = expected(query, &events).await.unwrap();
        assert_eq!(normalise(&conform(query, &rows).unwrap()), normalise(&[right]), "{query}");
    }
}

#[test]
#[should_panic(expected = "no query `q3`; there are q0, q1, q2, q5")]
fn a_query_there_is_not_is_named() {
    sql("q3");
}

#[test]
fn the_daily_reports_have_the_sinks_of_the_suite() {
    let names = |query| {
        let sink = sink(query);
        let names: Vec<_> = sink.schema.fields().iter().map(|f| f.name().clone()).collect();
        names.join(" ")
    };
    assert_eq!(
        names("q17"),
        "auction day total_bids rank1_bids rank2_bids rank3_bids min_price max_price avg_price \
         sum_price"
    );
    assert_eq!(sink("q16").schema.fields().len(), 15);
    assert!(names("q16").starts_with("channel day minute total_bids"));
    assert_eq!(sink("q15").primary_key, ["day"]);
    assert_eq!(sink("q19").primary_key, ["auction", "rank_number"]);
    assert!(sink("q5").primary_key.is_empty());
}

/// The sink as a table of Flink that takes rows and drops them.
fn blackhole(sink: &Sink) -> String {
    let column = |field: &Arc<Field>| {
        let flink = match field.data_type() {
            DataType::Int64 => "BIGINT",
            DataType::Utf8 => "STRING",
            DataType::Decimal128(23, 3) => "DECIMAL(23, 3)",
            DataType::Timestamp(..) => "TIMESTAMP(3)",
            other => panic!("no sink has a column of {other}"),
        };
        format!("  `{}` {flink}", field.name())
    };
    let mut lines: Vec<String> = sink.schema.fields().iter().map(column).collect();
    if !sink.primary_key.is_empty() {
        let keys: Vec<_> = sink.primary_key.iter().map(|key| format!("`{key}`")).collect();
        lines.push(format!("  PRIMARY KEY ({}) NOT ENFORCED", keys.join(", ")));
    }
    let columns = lines.join(",\n");
    format!("CREATE TABLE {} (\n{columns}\n) WITH ('connector' = 'blackhole');\n", sink.name)
}

#[test]
fn the_tables_for_flink_are_those_of_the_sinks() {
    let tables: Vec<String> = QUERIES.iter().map(|query| blackhole(&sink(query))).collect();
    let wanted = format!("{SINKS_HEAD}{}", tables.join("\n"));
    assert_eq!(include_str!("../queries/sinks.sql"), wanted, "write this to queries/sinks.sql");
}

const SINKS_HEAD: &str = "\
-- The sinks of all queries, for Flink: they take rows and drop them. Millrace has them from `sink`.

";
