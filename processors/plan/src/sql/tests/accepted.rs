//! Right queries in all their forms, and what becomes of filters and types around windows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use crate::sql::{bind, strip_explain};
use crate::{SinkDef, SqlError};

use super::{catalog, plan_of};

/// How many inserts a job has.
fn inserts(sql: &str) -> usize {
    bind(sql, &catalog()).unwrap_or_else(|errors| panic!("{sql}\n{}", errors[0])).inserts.len()
}

#[test]
fn a_job_of_views_and_several_inserts() {
    let sql = "\
-- two sinks, one scan
CREATE TEMPORARY VIEW dear (who, `price in cents`) AS
  WITH high AS (SELECT bidder, price FROM bid WHERE price > 100) SELECT bidder, price FROM high;
/* both */
INSERT INTO out SELECT who, SUM(`price in cents`) FROM dear GROUP BY who HAVING COUNT(*) > 2;
INSERT INTO other (a, b) WITH d AS (SELECT * FROM dear) SELECT DISTINCT who, 'x' FROM d;
";
    assert_eq!(inserts(sql), 2);
}

#[test]
fn a_statement_set_is_its_inserts() {
    let body = "INSERT INTO out SELECT url FROM bid; INSERT INTO other SELECT id FROM person;";
    assert_eq!(inserts(&format!("EXECUTE STATEMENT SET BEGIN {body} END;")), 2);
    assert_eq!(inserts(&format!("BEGIN STATEMENT SET; {body} END")), 2);
}

#[test]
fn explain_is_taken_off_its_statements() {
    let cases = [
        ("EXPLAIN PLAN FOR INSERT INTO a SELECT 1", Some("INSERT INTO a SELECT 1")),
        ("explain INSERT INTO a SELECT 1", Some("INSERT INTO a SELECT 1")),
        ("EXPLAIN CHANGELOG_MODE INSERT INTO a SELECT 1", Some("INSERT INTO a SELECT 1")),
        ("EXPLAIN STATEMENT SET BEGIN INSERT INTO a; END", Some(" INSERT INTO a; END")),
        ("INSERT INTO explain SELECT 1", None),
    ];
    for (text, expected) in cases {
        assert_eq!(strip_explain(text), expected, "{text}");
    }
}

#[test]
fn windows_in_all_their_forms() {
    let windows = [
        "TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' DAY, INTERVAL '-8' HOUR)",
        "TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(dateTime), SIZE => INTERVAL '1' HOUR)",
        "TUMBLE(TIMECOL => DESCRIPTOR(dateTime), SIZE => INTERVAL '90' SECONDS, DATA => TABLE bid)",
        "HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '0.5' SECOND, INTERVAL '2' SECOND)",
        "CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' HOUR, INTERVAL '1' DAY)",
        "CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1:30' MINUTE TO SECOND, INTERVAL '3' MINUTE)",
        "SESSION(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '5' MINUTE)",
        "SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '5' MINUTE)",
        "SESSION(TABLE bid PARTITION BY bidder, auction, DESCRIPTOR(dateTime), INTERVAL '5' MINUTE)",
        "SESSION(TABLE bid PARTITION BY (bidder, auction), DESCRIPTOR(dateTime), GAP => INTERVAL '5' MINUTE)",
        "SESSION(DATA => TABLE bid PARTITION BY bidder, TIMECOL => DESCRIPTOR(dateTime), GAP => INTERVAL '5' MINUTE)",
        "TUMBLE(TABLE some, DESCRIPTOR(moment), INTERVAL '1' MINUTE)",
        "TUMBLE((SELECT dateTime FROM bid WHERE price > 3), DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
        "TUMBLE(TABLE (SELECT dateTime FROM bid), DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)",
    ];
    for window in windows {
        let view = "CREATE TEMPORARY VIEW some AS SELECT price, dateTime AS moment FROM bid";
        let sql = format!(
            "{view}; INSERT INTO out SELECT COUNT(*), window_start, window_end, window_time \
             FROM TABLE({window}) GROUP BY window_start, window_end, window_time"
        );
        assert_eq!(inserts(&sql), 1, "{window}");
    }
}

#[test]
fn a_window_over_the_time_of_a_window_below() {
    let plan = plan_of(
        "INSERT INTO out WITH minutes AS (\
           SELECT auction, COUNT(*) AS n, window_time AS closed FROM \
           TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)) \
           GROUP BY auction, window_start, window_end, window_time) \
         SELECT SUM(n), window_end FROM \
         TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(closed), INTERVAL '1' HOUR)) \
         GROUP BY window_start, window_end",
    );
    assert_eq!(plan.matches("WindowTvf").count(), 2, "{plan}");
}

#[test]
fn the_time_column_is_a_plain_one_above_its_window() {
    let errors = bind(
        "INSERT INTO out WITH w AS (SELECT dateTime AS dt, price FROM \
           TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE))) \
         SELECT SUM(price) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(dt), INTERVAL '1' HOUR)) \
         GROUP BY window_start, window_end",
        &catalog(),
    )
    .unwrap_err();
    assert!(errors[0].message.contains("`dt` is not an event-time column"), "{}", errors[0]);
}

/// Depth in a plan (its line) of the first line that contains this.
fn line(plan: &str, part: &str) -> usize {
    plan.lines()
        .position(|line| line.contains(part))
        .unwrap_or_else(|| panic!("no {part} in\n{plan}"))
}

#[test]
fn filters_go_below_a_window_only_when_that_changes_nothing() {
    let query = |window: &str, filter: &str| {
        plan_of(&format!(
            "INSERT INTO out SELECT bidder, price, window_start FROM TABLE({window}) WHERE {filter}"
        ))
    };
    let tumble = "TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)";
    let session =
        "SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)";
    let cases = [
        (tumble, "price > 5", true),
        (tumble, "EXTRACT(HOUR FROM window_start) = 3", false),
        (tumble, "window_end > dateTime + INTERVAL '1' SECOND", false),
        (session, "bidder = 7", true),
        (session, "price > 5", false),
        (session, "window_start IS NOT NULL AND price > 5", false),
    ];
    for (window, filter, below) in cases {
        let plan = query(window, filter);
        if !plan.contains("Filter") {
            assert!(!below, "{plan}");
            continue;
        }
        assert_eq!(line(&plan, "Filter:") > line(&plan, "WindowTvf"), below, "{plan}");
    }
}

#[test]
fn joins_unions_and_lists() {
    for sql in [
        "INSERT INTO out SELECT b.url, p.name FROM bid b LEFT JOIN person p ON b.bidder = p.id AND \
         p.dateTime BETWEEN b.dateTime - INTERVAL '1' DAY AND b.dateTime",
        "INSERT INTO out SELECT b.url, p.name FROM bid b, person p WHERE b.bidder = p.id AND \
         p.dateTime <= b.dateTime AND p.dateTime > b.dateTime - INTERVAL '10' MINUTE",
        "INSERT INTO out SELECT url FROM bid UNION ALL SELECT name FROM person",
        "INSERT INTO out SELECT url FROM bid WHERE bidder NOT IN (SELECT id FROM person)",
        "INSERT INTO out SELECT url FROM bid b WHERE EXISTS \
         (SELECT 1 FROM person p WHERE p.id = b.bidder)",
        "INSERT INTO out SELECT id, tag FROM event LEFT JOIN UNNEST(tags) AS t (tag) ON TRUE",
        "INSERT INTO out SELECT id, tag FROM event CROSS JOIN UNNEST(tags) AS t (tag) \
         WHERE tag LIKE 'a%'",
        "INSERT INTO out SELECT id, detail.a, parts[1].b, tags[1] FROM event",
        "INSERT INTO out SELECT `day`, day + 1 AS next, ok FROM event WHERE NOT ok OR ok IS UNKNOWN",
        "INSERT INTO out SELECT DATE_FORMAT(ts, 'yyyy'), LISTAGG(json), FIRST_VALUE(id), \
         STDDEV_POP(ratio), COUNT(DISTINCT id) FILTER (WHERE ok), ARRAY_AGG(id) FROM event \
         GROUP BY DATE_FORMAT(ts, 'yyyy')",
    ] {
        assert_eq!(inserts(sql), 1, "{sql}");
    }
}

#[test]
fn whole_numbers_in_a_text_fit_a_column_of_int() {
    let field = |name: &str| Field::new(name, DataType::Int32, true);
    let schema = Arc::new(Schema::new(vec![field("a"), field("b"), field("c")]));
    let catalog = catalog().sink("ints", SinkDef { schema: Some(schema), key: None });
    let sql =
        "INSERT INTO ints SELECT 1, CASE WHEN ok THEN `day` ELSE -7 END, `day` * 2 + 1 FROM event";
    let job = bind(sql, &catalog).unwrap_or_else(|errors| panic!("{}", errors[0]));
    let types = job.inserts[0].plan.schema().fields().iter().map(|field| field.data_type().clone());
    assert_eq!(types.collect::<Vec<_>>(), vec![DataType::Int32; 3]);
    let errors = bind("INSERT INTO ints SELECT id, 1, 2 FROM event", &catalog).unwrap_err();
    assert_eq!(errors[0].message, "column 1 of the query is BIGINT, but `a` of `ints` is INT");
}

#[test]
fn places_are_counted_in_characters() {
    let sql = "INSERT INTO out\nSELECT 'äöü€' AS x, größe FROM bid";
    let errors: Vec<SqlError> = bind(sql, &catalog()).unwrap_err();
    assert_eq!((errors[0].line, errors[0].column, errors[0].width), (2, 21, 5), "{}", errors[0]);
}
