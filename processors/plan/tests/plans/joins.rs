//! Joins of windows and of times near to each other.

use insta::assert_snapshot;
use millrace_plan::{JoinKind, NodeKind};
use proptest::prelude::*;

use crate::catalog::{catalog, planned, refused, text};

fn windowed(join: &str) -> String {
    let side = |stream: &str| {
        format!(
            "SELECT * FROM TABLE(TUMBLE(TABLE {stream}, DESCRIPTOR(dateTime), INTERVAL '1' MINUTE))"
        )
    };
    format!(
        "CREATE TEMPORARY VIEW p AS {}; CREATE TEMPORARY VIEW a AS {}; INSERT INTO out {join}",
        side("person"),
        side("auction")
    )
}

const SAME_WINDOW: &str = "p.window_start = a.window_start AND p.window_end = a.window_end";

#[test]
fn windows_are_joined_in_every_kind() {
    let kind = |join: &str| {
        let sql = windowed(&format!(
            "SELECT p.id AS pid, a.itemName FROM p {join} JOIN a ON p.id = a.seller AND {SAME_WINDOW}"
        ));
        planned(&sql, &catalog()).nodes.iter().find_map(|node| match &node.kind {
            NodeKind::WindowJoin(node) => Some(node.kind),
            _ => None,
        })
    };
    assert_eq!(kind("INNER"), Some(JoinKind::Inner));
    assert_eq!(kind("LEFT"), Some(JoinKind::Left));
    assert_eq!(kind("RIGHT"), Some(JoinKind::Right));
    assert_eq!(kind("FULL"), Some(JoinKind::Full));
}

#[test]
fn exists_in_the_same_window_is_a_semi_join() {
    let query = |not: &str| {
        windowed(&format!(
            "SELECT p.id, p.name FROM p WHERE {not} EXISTS \
             (SELECT 1 FROM a WHERE p.id = a.seller AND {SAME_WINDOW} AND a.reserve > 5)"
        ))
    };
    assert_snapshot!("semi", text(&query(""), &catalog()));
    assert_snapshot!("anti", text(&query("NOT"), &catalog()));
}

#[test]
fn joined_windows_can_be_aggregated_and_conditions_may_stand_in_where() {
    let sql = windowed(&format!(
        "SELECT p.window_start, p.city, COUNT(*) FROM p, a \
         WHERE p.id = a.seller AND {SAME_WINDOW} AND a.reserve > p.id + 1 \
         GROUP BY p.window_start, a.window_end, p.city"
    ));
    assert_snapshot!(text(&sql, &catalog()));
}

fn interval(condition: &str) -> String {
    format!(
        "INSERT INTO out SELECT a.id, b.price, b.dateTime FROM auction AS a JOIN bid AS b \
         ON a.id = b.auction AND {condition}"
    )
}

#[test]
fn bounds_on_times_are_found_in_every_arrangement() {
    let minute = 60_000_000;
    for (condition, lower, upper) in [
        ("b.dateTime BETWEEN a.dateTime AND a.dateTime + INTERVAL '10' MINUTE", 0, 10 * minute),
        ("a.dateTime BETWEEN b.dateTime - INTERVAL '10' MINUTE AND b.dateTime", 0, 10 * minute),
        (
            "a.dateTime BETWEEN b.dateTime - INTERVAL '2' HOUR AND b.dateTime + INTERVAL '1' SECOND",
            -1_000_000,
            120 * minute,
        ),
        (
            "b.dateTime >= a.dateTime AND b.dateTime < a.dateTime + INTERVAL '1' MINUTE",
            0,
            minute - 1,
        ),
        (
            "a.dateTime < b.dateTime AND a.dateTime + INTERVAL '1' DAY > b.dateTime",
            1,
            1440 * minute - 1,
        ),
        (
            "b.dateTime - INTERVAL '5' MINUTE <= a.dateTime AND a.dateTime <= b.dateTime",
            0,
            5 * minute,
        ),
        ("a.dateTime = b.dateTime", 0, 0),
        ("b.dateTime = a.dateTime + INTERVAL '1' MINUTE", minute, minute),
        (
            "b.dateTime > a.dateTime - INTERVAL '3' MINUTE AND b.dateTime >= a.dateTime \
             AND b.dateTime <= a.dateTime + INTERVAL '3' MINUTE",
            0,
            3 * minute,
        ),
    ] {
        let plan = planned(&interval(condition), &catalog());
        let made = plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::IntervalJoin(node) => Some((node.lower_us, node.upper_us)),
            _ => None,
        });
        assert_eq!(made, Some((lower, upper)), "{condition}");
    }
}

#[test]
fn other_conditions_of_an_interval_join_stay() {
    let sql = interval(
        "b.dateTime BETWEEN a.dateTime AND a.expires AND b.price > a.reserve AND b.dateTime >= \
         a.dateTime AND b.dateTime <= a.dateTime + INTERVAL '1' DAY",
    );
    assert_snapshot!(text(&sql, &catalog()));
}

#[test]
fn an_outer_join_of_intervals_keeps_the_time_of_its_side() {
    let sql = "INSERT INTO out SELECT a.id, b.price FROM auction AS a LEFT JOIN bid AS b \
               ON a.id = b.auction AND b.dateTime BETWEEN a.dateTime AND \
               a.dateTime + INTERVAL '10' MINUTE";
    assert_snapshot!(text(sql, &catalog()));
}

#[test]
fn a_join_that_keeps_rows_for_ever_is_refused_with_its_cure() {
    let plain =
        "INSERT INTO out SELECT a.id, b.price FROM auction AS a JOIN bid AS b ON a.id = b.auction";
    assert_snapshot!("unbounded", refused(plain, &catalog()));
    let months = "b.dateTime >= a.dateTime AND b.dateTime < a.dateTime + INTERVAL '1' MONTH";
    assert_snapshot!("months", refused(&interval(months), &catalog()));
    assert_snapshot!("half_bounded", refused(&interval("b.dateTime >= a.dateTime"), &catalog()));
    let half = windowed(
        "SELECT p.id FROM p JOIN a ON p.id = a.seller AND p.window_start = a.window_start",
    );
    assert_snapshot!("half_window", refused(&half, &catalog()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bounds_are_what_the_arithmetic_says(
        lower in -5_000i64..5_000,
        length in 0i64..5_000,
        strict: (bool, bool),
        arrangement in 0..4,
    ) {
        // lower <= b - a <= upper, in seconds.
        let upper = lower + length;
        let seconds = |n: i64| {
            let sign = if n < 0 { "-" } else { "" };
            format!("INTERVAL '{sign}{}' SECOND(4)", n.abs())
        };
        let (above, below) = (if strict.0 { ">" } else { ">=" }, if strict.1 { "<" } else { "<=" });
        let (turned_above, turned_below) =
            (if strict.0 { "<" } else { "<=" }, if strict.1 { ">" } else { ">=" });
        let (from, to) = (seconds(lower), seconds(upper));
        let condition = match arrangement {
            0 => format!("b.dateTime {above} a.dateTime + {from} AND b.dateTime {below} a.dateTime + {to}"),
            1 => format!("b.dateTime - {from} {above} a.dateTime AND b.dateTime - {to} {below} a.dateTime"),
            2 => format!(
                "a.dateTime + {from} {turned_above} b.dateTime AND a.dateTime + {to} {turned_below} b.dateTime"
            ),
            _ => format!(
                "a.dateTime {turned_above} b.dateTime - {from} AND b.dateTime {below} a.dateTime + {to}"
            ),
        };
        let sql = interval(&condition);
        let wanted = (
            lower * 1_000_000 + i64::from(strict.0),
            upper * 1_000_000 - i64::from(strict.1),
        );
        prop_assume!(wanted.0 <= wanted.1);
        let plan = planned(&sql, &catalog());
        let made = plan.nodes.iter().find_map(|node| match &node.kind {
            NodeKind::IntervalJoin(node) => Some((node.lower_us, node.upper_us)),
            _ => None,
        });
        prop_assert_eq!(made, Some(wanted));
    }
}
