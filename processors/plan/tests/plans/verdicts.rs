//! What becomes of state when a query changes.

use millrace_plan::{Catalog, PlanFingerprint, Verdict, verdict};

use crate::catalog::{catalog, planned, schema, sink, stream};

fn windowed(keys: &str, aggregates: &str, size: &str, filter: &str) -> String {
    format!(
        "INSERT INTO out SELECT {keys}, {aggregates}, window_start AS starts FROM \
         TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '{size}' SECOND)) {filter} \
         GROUP BY {keys}, window_start, window_end"
    )
}

fn judged(old: &str, new: &str) -> Verdict {
    judged_in(old, &catalog(), new, &catalog())
}

fn judged_in(old: &str, before: &Catalog, new: &str, after: &Catalog) -> Verdict {
    let old = PlanFingerprint::of(&planned(old, before));
    let saved = serde_json::to_string(&old).expect("a fingerprint can be written");
    let old: PlanFingerprint = serde_json::from_str(&saved).expect("and read");
    verdict(&old, &planned(new, after))
}

fn kinds(ids: &[millrace_plan::OperatorId]) -> Vec<&str> {
    ids.iter().map(|id| id.0.rsplit_once('.').map_or(id.0.as_str(), |(kind, _)| kind)).collect()
}

#[track_caller]
fn partly(verdict: &Verdict) -> [Vec<&str>; 3] {
    match verdict {
        Verdict::Partly { kept, dropped, new } => [kinds(kept), kinds(dropped), kinds(new)],
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_not_in_the_state_may_change() {
    let old = windowed("auction", "COUNT(*) AS n", "10", "");
    for new in [
        old.clone(),
        // A filter, and other names.
        windowed("auction", "COUNT(*) AS n", "10", "WHERE price > 100"),
        windowed("auction", "COUNT(*) AS how_many", "10", ""),
        // Another order of the output.
        old.replace("SELECT auction, COUNT(*) AS n", "SELECT COUNT(*) AS n, auction"),
        // Something computed from the result.
        windowed("auction", "COUNT(*) * 2 AS n", "10", ""),
    ] {
        assert_eq!(judged(&old, &new), Verdict::Same, "{new}");
    }
}

#[test]
fn another_window_or_key_is_another_operator() {
    let old = windowed("auction", "COUNT(*) AS n", "10", "");
    for new in [
        windowed("auction", "COUNT(*) AS n", "20", ""),
        windowed("bidder", "COUNT(*) AS n", "10", ""),
    ] {
        let verdict = judged(&old, &new);
        let [kept, dropped, begun] = partly(&verdict);
        assert_eq!(kept, ["source", "sink"], "{new}");
        assert_eq!((dropped.len(), begun.len()), (1, 1), "{new}");
    }
}

#[test]
fn another_aggregate_cannot_read_the_state() {
    let old = windowed("auction", "COUNT(*) AS n", "10", "");
    let new = windowed("auction", "COUNT(*) AS n, MAX(price) AS most", "10", "");
    let Verdict::Incompatible { operator, why } = judged(&old, &new) else { panic!("accepted") };
    assert!(operator.0.starts_with("window-aggregate.auction.tumble-10s."), "{operator}");
    assert!(why.contains("has not yet max(price)"), "{why}");
    let Verdict::Incompatible { why, .. } = judged(&new, &old) else { panic!("accepted") };
    assert!(why.contains("no longer has max(price)"), "{why}");
}

#[test]
fn a_key_of_another_type_cannot_read_the_state() {
    let sql = "INSERT INTO out SELECT id, COUNT(*) AS n FROM \
               TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
               GROUP BY id, window_start, window_end";
    let with = |kind| catalog().source("s", stream(&[("id", kind), ("ts", 't')], Some("ts")));
    let Verdict::Incompatible { why, .. } = judged_in(sql, &with('i'), sql, &with('s')) else {
        panic!("accepted")
    };
    assert!(why.contains("keys were (id: Int64), and are (id: Utf8)"), "{why}");
}

#[test]
fn sources_and_sinks_come_and_go_by_name() {
    let other = catalog().sink("other", sink(None, &[]));
    let one = "INSERT INTO out SELECT auction FROM bid";
    let two = format!("{one}; INSERT INTO other SELECT id FROM person");
    let verdict = judged_in(one, &other, &two, &other);
    assert_eq!(partly(&verdict)[2], ["source", "sink"]);
    let Verdict::Partly { new, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!(
        new.iter().map(|id| id.0.as_str()).collect::<Vec<_>>(),
        ["source.person", "sink.other"]
    );
    let verdict = judged_in(&two, &other, one, &other);
    let Verdict::Partly { dropped, .. } = &verdict else { panic!("{verdict:?}") };
    assert_eq!(dropped.len(), 2);
}

#[test]
fn an_operator_added_elsewhere_renames_nothing() {
    let old = windowed("auction", "COUNT(*) AS n", "10", "");
    let catalog = catalog().sink("other", sink(Some(schema(&[("b", 'i'), ("n", 'i')])), &["b"]));
    let new = format!("INSERT INTO other SELECT bidder, COUNT(*) FROM bid GROUP BY bidder; {old}");
    let verdict = judged_in(&old, &catalog, &new, &catalog);
    let [kept, dropped, begun] = partly(&verdict);
    assert_eq!(kept.len(), 3);
    assert!(dropped.is_empty());
    assert_eq!(begun, ["group-aggregate.bidder", "sink"]);
}

#[test]
fn another_row_or_rank_cannot_read_the_state() {
    let ranked = |columns: &str, bound: &str| {
        format!(
            "INSERT INTO keyed SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER \
             (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) WHERE rn <= {bound}"
        )
    };
    let catalog = crate::catalog::keyed(&["auction", "rn"]);
    let old = ranked("auction, rn, price", "3");
    for new in [ranked("auction, rn, price", "5"), ranked("auction, rn, price, url", "3")] {
        let verdict = judged_in(&old, &catalog, &new, &catalog);
        assert!(matches!(verdict, Verdict::Incompatible { .. }), "{verdict:?}");
    }
}

#[test]
fn operators_alike_are_not_taken_for_each_other() {
    let catalog = catalog().sink("a", sink(None, &["auction"])).sink("b", sink(None, &["auction"]));
    let count = |sink: &str, filter: &str| {
        format!(
            "INSERT INTO {sink} SELECT auction, COUNT(*) AS n FROM bid WHERE {filter} GROUP BY auction;"
        )
    };
    let (cheap, dear) = (count("a", "price < 10"), count("b", "price > 10"));
    let both = format!("{cheap} {dear}");
    let turned = format!("{dear} {cheap}");
    for (old, new) in [(&both, &turned), (&both, &dear), (&cheap, &turned)] {
        let verdict = judged_in(old, &catalog, new, &catalog);
        let Verdict::Incompatible { operator, why } = verdict else { panic!("{old} {new}") };
        assert!(operator.0.starts_with("group-aggregate.auction."), "{operator}");
        assert!(why.contains("several operators like it"), "{why}");
    }
    assert_eq!(judged_in(&both, &catalog, &both, &catalog), Verdict::Same);
    let verdict = judged_in(&cheap, &catalog, &both, &catalog);
    assert_eq!(partly(&verdict)[2].len(), 2, "{verdict:?}");
}
