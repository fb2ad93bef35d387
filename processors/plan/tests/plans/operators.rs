//! Windows, groups, ranks, unions and lists: which operators a query becomes.

use insta::assert_snapshot;
use millrace_plan::{Changes, NodeKind, WindowKind, Windows};

use crate::catalog::{catalog, keyed, planned, text};

const TUMBLE: &str = "TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE))";

fn count(plan: &millrace_plan::JobPlan, test: fn(&NodeKind) -> bool) -> usize {
    plan.nodes.iter().filter(|node| test(&node.kind)).count()
}

#[test]
fn filters_and_projections_next_to_each_other_are_one() {
    let sql = "INSERT INTO out SELECT a + 1 AS b FROM (SELECT auction AS a, price FROM \
               (SELECT * FROM bid WHERE price > 10)) WHERE a < 100";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn an_expression_used_twice_is_computed_once() {
    let sql = "INSERT INTO out SELECT x, x || 'a' AS y FROM \
               (SELECT upper(channel) AS x FROM bid) WHERE x <> 'A'";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn a_window_under_an_aggregate_is_assigned_by_it() {
    for (tvf, window) in [
        ("TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE)", 0),
        ("HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)", 1),
        ("CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND, INTERVAL '1' MINUTE)", 2),
    ] {
        let sql = format!(
            "INSERT INTO out SELECT s, channel, SUM(price) FROM (SELECT window_start AS s, \
             window_end AS e, channel, price FROM TABLE({tvf}) WHERE price > 5) GROUP BY s, e, channel"
        );
        let plan = planned(&sql, &catalog());
        let made = plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::WindowAggregate(node) => Some(node.windows.clone()),
            _ => None,
        });
        let Some(Windows::Assigned { window: made, .. }) = made else { panic!("{made:?}") };
        let kinds = [
            WindowKind::Tumble { size: 60_000_000, offset: 0 },
            WindowKind::Hop { size: 60_000_000, slide: 10_000_000, offset: 0 },
            WindowKind::Cumulate { size: 60_000_000, step: 10_000_000, offset: 0 },
        ];
        assert_eq!(made, kinds[window]);
        assert_eq!(count(&plan, |kind| matches!(kind, NodeKind::AssignWindows(_))), 0);
    }
}

#[test]
fn a_window_that_a_filter_reads_is_assigned_below_it() {
    let sql = format!(
        "INSERT INTO out SELECT window_start, COUNT(*) FROM {TUMBLE} \
         WHERE dateTime > window_start + INTERVAL '1' SECOND GROUP BY window_start, window_end"
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn a_filter_of_windows_waits_for_their_groups() {
    let sql = "INSERT INTO out SELECT bidder, COUNT(*), window_end FROM TABLE(SESSION(TABLE bid \
               PARTITION BY bidder, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) \
               WHERE window_end > TIMESTAMP '2026-01-01 00:00:00' AND bidder > 7 \
               GROUP BY bidder, window_start, window_end";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn replaced_rows_asked_for_by_one_reader_are_told_to_all() {
    let sql = "CREATE TEMPORARY VIEW v AS SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction; \
               INSERT INTO keyed SELECT auction, n + 1 AS m FROM v; \
               INSERT INTO by_n SELECT n, COUNT(*) AS auctions FROM v GROUP BY n";
    let catalog = keyed(&["auction"]).sink("by_n", crate::catalog::sink(None, &["n"]));
    let plan = planned(sql, &catalog);
    let changes: Vec<&Changes> = plan.sinks().map(|(node, _)| &node.changes).collect();
    assert_eq!(changes, [&Changes::Retract(vec![0]), &Changes::Upsert(vec![0])]);
}

#[test]
fn an_aggregate_of_window_rows_takes_their_windows() {
    let sql = format!(
        "INSERT INTO out SELECT window_start, window_time, MAX(n), COUNT(*) FILTER (WHERE n > 3) FROM \
         (SELECT window_start, window_end, window_time, bidder, COUNT(*) AS n FROM {TUMBLE} \
         GROUP BY window_start, window_end, window_time, bidder) \
         GROUP BY window_start, window_end, window_time"
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn windows_of_windows_are_over_window_time() {
    let sql = format!(
        "CREATE TEMPORARY VIEW minutes AS SELECT bidder, COUNT(*) AS n, window_time AS t FROM {TUMBLE} \
         GROUP BY bidder, window_start, window_end, window_time; \
         INSERT INTO out SELECT window_start, SUM(n) FROM \
         TABLE(TUMBLE(TABLE minutes, DESCRIPTOR(t), INTERVAL '1' HOUR)) \
         GROUP BY window_start, window_end"
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn a_window_without_aggregate_repeats_rows() {
    let sql = "INSERT INTO out SELECT auction, window_end FROM \
               TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE, INTERVAL '5' MINUTE))";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn a_group_without_window_is_a_changelog_by_its_key() {
    let sql = "INSERT INTO keyed SELECT COUNT(DISTINCT auction) AS n, upper(channel) AS c, SUM(price) \
               FROM bid GROUP BY upper(channel) HAVING COUNT(*) > 2";
    assert_snapshot!(text(sql, &keyed(&["c"])));
}

#[test]
fn distinct_is_a_group_without_aggregates() {
    let sql = "INSERT INTO keyed SELECT DISTINCT bidder, channel FROM bid";
    assert_snapshot!(text(sql, &keyed(&["bidder", "channel"])));
}

#[test]
fn distinct_rows_of_a_window_are_final() {
    let sql =
        format!("INSERT INTO out SELECT DISTINCT bidder, window_start, window_end FROM {TUMBLE}");
    let plan = planned(&sql, &catalog());
    assert_eq!(count(&plan, |kind| matches!(kind, NodeKind::WindowAggregate(_))), 1);
    assert!(plan.nodes.iter().all(|node| node.changes == Changes::Append));
    assert!(plan.warnings.is_empty());
}

#[test]
fn a_group_of_groups_asks_for_replaced_rows() {
    let sql = "INSERT INTO keyed SELECT n, COUNT(*) AS users FROM \
               (SELECT bidder, COUNT(*) AS n FROM bid GROUP BY bidder) GROUP BY n";
    assert_snapshot!(text(sql, &keyed(&["n"])));
}

#[test]
fn one_row_needs_a_constant_key() {
    let sql = "INSERT INTO keyed SELECT 'all' AS id, COUNT(*) AS n FROM bid";
    assert_snapshot!(text(sql, &keyed(&["id"])));
}

#[test]
fn a_bounded_input_has_no_warning() {
    let sql = "INSERT INTO keyed SELECT bidder, COUNT(*) AS n FROM history GROUP BY bidder";
    assert!(planned(sql, &keyed(&["bidder"])).warnings.is_empty());
}

#[test]
fn the_first_row_by_time_is_a_deduplication() {
    for (order, condition, last) in [
        ("ASC", "rn = 1", false),
        ("DESC", "rn <= 1", true),
        ("DESC", "rn < 2", true),
        ("ASC", "1 >= rn", false),
    ] {
        let sql = format!(
            "INSERT INTO keyed SELECT bidder, price FROM (SELECT *, ROW_NUMBER() OVER \
             (PARTITION BY bidder ORDER BY dateTime {order}) AS rn FROM bid) WHERE {condition}"
        );
        let plan = planned(&sql, &keyed(&["bidder"]));
        let made = plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::Deduplicate(node) => Some(node.keep_last),
            _ => None,
        });
        assert_eq!(made, Some(last), "{sql}");
    }
}

#[test]
fn the_first_row_is_final_and_keeps_its_time() {
    let sql = "CREATE TEMPORARY VIEW firsts AS SELECT bidder, dateTime AS ts FROM (SELECT *, \
               ROW_NUMBER() OVER (PARTITION BY bidder ORDER BY dateTime) AS rn FROM bid) WHERE rn = 1; \
               INSERT INTO out SELECT window_end, COUNT(*) FROM \
               TABLE(TUMBLE(TABLE firsts, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) \
               GROUP BY window_start, window_end";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn the_row_number_is_kept_only_where_it_is_read() {
    let query = |columns: &str, condition: &str| {
        format!(
            "INSERT INTO keyed SELECT {columns} FROM (SELECT *, ROW_NUMBER() OVER \
             (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) WHERE {condition}"
        )
    };
    let number = |sql: &str, key: &[&str]| {
        let plan = planned(sql, &keyed(key));
        plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::TopN(node) => Some((node.number, node.from, node.to)),
            _ => None,
        })
    };
    let numbered = query("auction, rn, price", "rn BETWEEN 2 AND 5");
    assert_eq!(number(&numbered, &["auction", "rn"]), Some((true, 2, 5)));
    let best = query("auction, price", "rn = 1");
    assert_eq!(number(&best, &["auction"]), Some((false, 1, 1)));
    let both = query("auction, rn, price", "rn <= 7 AND price > 3 AND rn > 1");
    assert_eq!(number(&both, &["auction", "rn"]), Some((true, 2, 7)));
}

#[test]
fn the_best_of_each_window_are_final() {
    let sql = format!(
        "INSERT INTO out SELECT window_start, bidder, n, rn FROM (SELECT *, ROW_NUMBER() OVER \
         (PARTITION BY window_start, window_end ORDER BY n DESC, bidder) AS rn FROM \
         (SELECT window_start, window_end, bidder, COUNT(*) AS n FROM {TUMBLE} \
         GROUP BY window_start, window_end, bidder)) WHERE rn <= 3"
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn the_last_row_of_each_window_is_final() {
    let sql = format!(
        "INSERT INTO out SELECT bidder, price FROM (SELECT *, ROW_NUMBER() OVER \
         (PARTITION BY window_start, window_end, bidder ORDER BY dateTime DESC) AS rn FROM {TUMBLE}) \
         WHERE rn = 1"
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn the_best_of_groups_ask_for_replaced_rows() {
    let sql = "INSERT INTO keyed SELECT channel, rn, bidder, n FROM (SELECT *, ROW_NUMBER() OVER \
               (PARTITION BY channel ORDER BY n DESC) AS rn FROM (SELECT channel, bidder, COUNT(*) AS n \
               FROM bid GROUP BY channel, bidder)) WHERE rn <= 3";
    assert_snapshot!(text(sql, &keyed(&["channel", "rn"])));
}

#[test]
fn a_union_keeps_event_time() {
    let sql = "CREATE TEMPORARY VIEW times AS SELECT id, dateTime AS t FROM person \
               UNION ALL SELECT seller, dateTime FROM auction; \
               INSERT INTO out SELECT id, window_end, COUNT(*) FROM \
               TABLE(TUMBLE(TABLE times, DESCRIPTOR(t), INTERVAL '1' MINUTE)) \
               GROUP BY id, window_start, window_end";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn lists_are_unnested() {
    let sql = "INSERT INTO out SELECT id, tag FROM tagged CROSS JOIN UNNEST(tags) AS x (tag) \
               WHERE tag <> ''";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn elements_are_taken_back_with_the_row_whose_list_they_are_in() {
    let sql = "INSERT INTO keyed SELECT channel, COUNT(*) AS n FROM (SELECT bidder, \
               ARRAY_AGG(channel) AS channels FROM bid GROUP BY bidder) \
               CROSS JOIN UNNEST(channels) AS c (channel) GROUP BY channel";
    let plan = planned(sql, &keyed(&["channel"]));
    let unnest = plan.nodes.iter().find(|node| matches!(node.kind, NodeKind::Unnest(_)));
    let unnest = unnest.expect("a list is unnested");
    let all = (0..unnest.schema.fields().len()).collect();
    assert_eq!(unnest.changes, Changes::Retract(all));
    let groups = plan.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::GroupAggregate(group) => Some((group.input_changes, group.emit_before)),
        _ => None,
    });
    assert_eq!(groups.collect::<Vec<_>>(), [(false, true), (true, false)]);
}

#[test]
fn inserts_share_their_source_and_views() {
    let sql = format!(
        "CREATE TEMPORARY VIEW counts AS SELECT bidder, COUNT(*) AS n, window_start, window_end FROM \
         {TUMBLE} GROUP BY bidder, window_start, window_end; \
         INSERT INTO out SELECT bidder, n FROM counts; \
         INSERT INTO other SELECT window_start, MAX(n) FROM counts GROUP BY window_start, window_end; \
         INSERT INTO raw SELECT url FROM bid"
    );
    let catalog = catalog()
        .sink("other", crate::catalog::sink(None, &[]))
        .sink("raw", crate::catalog::sink(None, &[]));
    assert_snapshot!(text(&sql, &catalog));
}

#[test]
fn late_rows_can_be_kept() {
    let sql = format!(
        "INSERT INTO out SELECT window_end, COUNT(*) FROM {TUMBLE} GROUP BY window_start, window_end; \
         INSERT INTO keyed SELECT channel, COUNT(*) AS n FROM bid GROUP BY channel"
    );
    let mut plan = planned(&sql, &keyed(&["channel"]));
    plan.keep_late_rows("late");
    let (node, sink) = plan.sinks().last().expect("a sink was added");
    assert_eq!((sink.name.as_str(), node.operator.0.as_str()), ("late", "sink.late"));
    let from: Vec<&NodeKind> = sink.late_rows_of.iter().map(|id| &plan.node(*id).kind).collect();
    assert!(matches!(from.as_slice(), [NodeKind::WindowAggregate(_)]), "{from:?}");
}
