//! The plans of the Nexmark queries.

use insta::assert_snapshot;
use millrace_plan::{Catalog, ExplainForm, NodeKind, explain};

use crate::catalog::{catalog, planned, schema, sink};

/// The query and the catalog with its sink.
fn query(name: &str) -> (String, Catalog) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../nexmark/queries");
    let sql = std::fs::read_to_string(format!("{folder}/{name}.sql")).expect("the query is there");
    let key: &[&str] = match name {
        "q15" => &["day"],
        "q16" => &["channel", "day"],
        "q17" => &["auction", "day"],
        "q18" => &["bidder", "auction"],
        "q19" => &["auction", "rank_number"],
        _ => &[],
    };
    let columns = (name == "q8").then(|| schema(&[("id", 'i'), ("name", 's'), ("starttime", 't')]));
    (sql, catalog().sink(format!("nexmark_{name}"), sink(columns, key)))
}

#[test]
fn every_query_has_its_plan() {
    for name in [
        "q0", "q1", "q2", "q5", "q7", "q8", "q11", "q14", "q15", "q16", "q17", "q18", "q19", "q21",
        "q22",
    ] {
        let (sql, catalog) = query(name);
        assert_snapshot!(name, explain(&planned(&sql, &catalog), ExplainForm::Text));
    }
}

#[test]
fn q5_counts_the_windows_once() {
    let (sql, catalog) = query("q5");
    let plan = planned(&sql, &catalog);
    let count = |test: fn(&NodeKind) -> bool| plan.nodes.iter().filter(|n| test(&n.kind)).count();
    assert_eq!(count(|kind| matches!(kind, NodeKind::Source(_))), 1);
    assert_eq!(count(|kind| matches!(kind, NodeKind::WindowAggregate(_))), 2);
    assert_eq!(count(|kind| matches!(kind, NodeKind::WindowJoin(_))), 1);
}

#[test]
fn a_plan_is_shown_to_tools() {
    let (sql, catalog) = query("q8");
    let plan = planned(&sql, &catalog);
    assert_snapshot!("q8_json", explain(&plan, ExplainForm::Json));
    assert_snapshot!("q8_dot", explain(&plan, ExplainForm::Dot));
}
