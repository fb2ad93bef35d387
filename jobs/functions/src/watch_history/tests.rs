//! `watch_history` beside a computation over all rows at once.

use std::collections::BTreeSet;

use arrow::array::BooleanArray;
use proptest::prelude::*;

use super::*;

/// Time in minutes, number of the event, played from, seconds played; a deletion if negative.
type Row = (i64, u8, i64, i64);

const GAP: i64 = 30;

fn args(rows: &[Row]) -> Vec<ArrayRef> {
    let numbers = |of: fn(&Row) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let times = rows.iter().map(|row| row.0 * MICROS_PER_MINUTE);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    let ids: StringArray = rows.iter().map(|row| Some(id(row))).collect();
    let deletions: BooleanArray = rows.iter().map(|row| Some(row.3 < 0)).collect();
    let devices: StringArray = rows.iter().map(device).collect();
    vec![
        numbers(|_| Some(GAP)),
        Arc::new(deletions),
        Arc::new(times),
        Arc::new(ids),
        numbers(|row| Some(row.2)),
        numbers(|row| Some(row.2 + row.3)),
        numbers(|row| Some(row.2 + row.3)),
        numbers(|_| Some(60)),
        Arc::new(devices),
    ]
}

fn id(row: &Row) -> String {
    format!("{}-{}-{}-{}", row.1, row.0, row.2, row.3)
}

fn device(row: &Row) -> Option<&'static str> {
    [Some("tv"), Some("web"), None][usize::from(row.1) % 3]
}

/// Last time in minutes, position, watched seconds, sessions, device.
type Expected = (i64, i64, i64, i64, Option<&'static str>);

fn expected(rows: &[Row]) -> Option<Expected> {
    let deleted = rows.iter().filter(|row| row.3 < 0).map(|row| row.0).max();
    let mut left: Vec<&Row> =
        rows.iter().filter(|row| row.3 >= 0 && deleted.is_none_or(|at| row.0 > at)).collect();
    left.sort_by_key(|row| (row.0, id(row)));
    let last = left.last()?;
    let seconds: BTreeSet<i64> = left.iter().flat_map(|row| row.2..row.2 + row.3).collect();
    let silences = left.windows(2).filter(|two| two[1].0 - two[0].0 > GAP).count();
    let device = left.iter().rev().find_map(|row| device(row));
    let count = |number: usize| i64::try_from(number).unwrap();
    Some((last.0, last.2 + last.3, count(seconds.len()), count(silences) + 1, device))
}

fn result(state: &[u8]) -> Option<(i64, i64, i64, i64, Option<String>)> {
    let result = WatchHistory.finish(&[state]).unwrap();
    let result = result.as_struct();
    let whole =
        |name: &str| result.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(0);
    if result.is_null(0) {
        return None;
    }
    let last = result.column(0).as_primitive::<TimestampMicrosecondType>().value(0);
    let device = result.column_by_name("device").unwrap().as_string::<i32>();
    let device = device.is_valid(0).then(|| device.value(0).to_owned());
    let completion = result.column_by_name("completion").unwrap();
    let completion = completion.as_primitive::<arrow::datatypes::Float64Type>().value(0);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let share = (whole("watched_s") as f64 / whole("duration_s") as f64).min(1.0);
    assert!((completion - share).abs() < 1e-12);
    let minutes = last / MICROS_PER_MINUTE;
    Some((minutes, whole("position_s"), whole("watched_s"), whole("sessions"), device))
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (0_i64..200, 0_u8..6, 0_i64..80, prop_oneof![8 => 0_i64..15, 1 => Just(-1)]);
    prop::collection::vec(row, 0..24)
}

fn of_parts(parts: &[&[Row]]) -> Vec<u8> {
    let mut state = Vec::new();
    for part in parts {
        let all: Vec<u32> = (0..u32::try_from(part.len()).unwrap()).collect();
        WatchHistory.update(&mut state, &args(part), &all).unwrap();
    }
    state
}

proptest! {
    #[test]
    fn it_is_what_all_rows_give_at_once(rows in rows()) {
        let got = result(&of_parts(&[&rows]));
        let wanted = expected(&rows);
        let wanted = wanted.map(|(a, b, c, d, device)| (a, b, c, d, device.map(str::to_owned)));
        prop_assert_eq!(got, wanted);
    }

    #[test]
    fn neither_order_nor_repetition_nor_parts_matter(
        rows in rows(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut turned = rows.clone();
        turned.reverse();
        let at = order.index(rows.len() + 1);
        let (some, others) = turned.split_at(at);
        let whole = of_parts(&[&rows]);
        prop_assert_eq!(result(&of_parts(&[others, some, others])), result(&whole));
        let mut merged = of_parts(&[some]);
        WatchHistory.merge(&mut merged, &of_parts(&[others, some])).unwrap();
        prop_assert_eq!(result(&merged), result(&whole));
    }
}

#[test]
fn a_deletion_takes_what_was_and_leaves_what_comes() {
    let (before, deletion, after) = ((10, 0, 0, 30), (20, 0, 0, -1), (25, 0, 30, 10));
    let left = Some((25, 40, 10, 1, Some("tv".to_owned())));
    assert_eq!(result(&of_parts(&[&[before, deletion]])), None);
    assert_eq!(result(&of_parts(&[&[before], &[after], &[deletion]])), left);
    assert_eq!(result(&of_parts(&[&[deletion], &[after], &[before]])), left);
}

#[test]
fn a_heartbeat_costs_few_bytes() {
    let rows: Vec<Row> = (0..120).map(|n| (n, 0, n * 30, 30)).collect();
    assert!(of_parts(&[&rows]).len() < 120 * 8 + 60);
}
