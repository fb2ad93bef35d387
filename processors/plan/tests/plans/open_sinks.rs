//! A job that is being written names sinks that nobody has declared yet.

use millrace_plan::plan;

use crate::catalog::{catalog, planned, refused};

fn key(sql: &str) -> Option<Vec<usize>> {
    let plan = plan(sql, &catalog().with_open_sinks()).expect("the sink needs no declaration");
    let (_, sink) = plan.sinks().next().expect("the query has a sink");
    sink.key.clone()
}

#[test]
fn an_open_sink_takes_the_columns_and_the_key_of_its_query() {
    assert_eq!(key("INSERT INTO anything SELECT price, bidder FROM bid"), None);
    let counts = "INSERT INTO anything SELECT COUNT(*) AS n, bidder FROM bid GROUP BY bidder";
    assert_eq!(key(counts), Some(vec![1]));
    assert_eq!(key("INSERT INTO anything SELECT COUNT(*) AS n FROM bid"), Some(vec![]));
    let best = "INSERT INTO anything SELECT rn, price, auction FROM (SELECT *, ROW_NUMBER() OVER \
                (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) WHERE rn <= 3";
    assert_eq!(key(best), Some(vec![2, 0]));
}

#[test]
fn an_open_sink_still_wants_the_key_among_its_columns() {
    let lost = "INSERT INTO anything SELECT COUNT(*) AS n FROM bid GROUP BY bidder";
    let error = refused(lost, &catalog().with_open_sinks());
    assert!(error.contains("select the columns (bidder)"), "{error}");
}

#[test]
fn a_declared_sink_is_what_it_was() {
    let counts = "INSERT INTO out SELECT bidder, COUNT(*) AS n FROM bid GROUP BY bidder";
    let open = catalog().with_open_sinks();
    assert!(refused(counts, &open).contains("`out` has no key"), "{}", refused(counts, &open));
    let rows = "INSERT INTO out SELECT bidder FROM bid";
    assert_eq!(planned(rows, &open).nodes.len(), planned(rows, &catalog()).nodes.len());
}
