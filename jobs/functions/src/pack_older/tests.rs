//! `pack_older` beside a sort of all rows.

use std::collections::BTreeMap;

use arrow::array::TimestampMicrosecondArray;
use proptest::prelude::*;

use super::*;

/// Title, time and what else the row says.
type Viewed = (i64, i64, u16);

const CHUNK_BYTES: i64 = 200;

fn args(keep: i64, rows: &[Viewed]) -> Vec<ArrayRef> {
    let numbers = |of: &dyn Fn(&Viewed) -> Option<i64>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let name = |name: &str| -> ArrayRef { Arc::new(StringArray::from(vec![name; rows.len()])) };
    let times = rows.iter().map(|row| row.1 * 1_000_000);
    let times = TimestampMicrosecondArray::from_iter_values(times).with_timezone("UTC");
    vec![
        numbers(&|_| Some(keep)),
        numbers(&|_| Some(CHUNK_BYTES)),
        Arc::new(times.clone()),
        numbers(&|row| Some(row.0)),
        name("title_id"),
        numbers(&|row| Some(row.0)),
        name("last_watched"),
        Arc::new(times),
        name("position_s"),
        numbers(&|row| (row.2 != 0).then(|| i64::from(row.2))),
    ]
}

fn all(rows: &[Viewed]) -> Vec<u32> {
    (0..u32::try_from(rows.len()).unwrap()).collect()
}

fn add(state: &mut Vec<u8>, keep: i64, rows: &[Viewed]) {
    PackOlder.update(state, &args(keep, rows), &all(rows)).unwrap();
}

fn take(state: &mut Vec<u8>, keep: i64, rows: &[Viewed]) {
    PackOlder.retract(state, &args(keep, rows), &all(rows)).unwrap();
}

/// The packed lines, chunk by chunk.
fn unpacked(state: &[u8]) -> Vec<String> {
    let list = PackOlder.finish(&[state]).unwrap();
    let list = list.as_list::<i32>();
    let rows = list.values().as_struct();
    let numbers = rows.column(0).as_primitive::<Int64Type>();
    let counts = rows.column(1).as_primitive::<Int64Type>();
    let packed = rows.column(2).as_string::<i32>();
    let chunk = |row: usize| {
        assert_eq!(usize::try_from(numbers.value(row)).unwrap(), row);
        assert_eq!(usize::try_from(counts.value(row)).unwrap(), rows.len());
        let bytes = STANDARD.decode(packed.value(row)).unwrap();
        String::from_utf8(zstd::stream::decode_all(bytes.as_slice()).unwrap()).unwrap()
    };
    (0..rows.len()).map(chunk).collect()
}

fn line(row: &Viewed) -> String {
    let at = time_text(row.1);
    let position = if row.2 == 0 { String::new() } else { format!(",\"position_s\":{}", row.2) };
    format!("{{\"title_id\":{},\"last_watched\":\"{at}\"{position}}}\n", row.0)
}

/// A time in the first hour of 1970.
fn time_text(seconds: i64) -> String {
    format!("1970-01-01T00:{:02}:{:02}Z", seconds / 60, seconds % 60)
}

/// The chunks that rows should be in.
fn expected(keep: i64, rows: &[Viewed]) -> Vec<String> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| (row.1, -row.0, line(row)));
    rows.truncate(rows.len().saturating_sub(usize::try_from(keep).unwrap()));
    let mut chunks: Vec<String> = Vec::new();
    for line in rows.iter().map(line) {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() + line.len() <= 200 => chunk.push_str(&line),
            _ => chunks.push(line),
        }
    }
    chunks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each step views titles: new ones come, known ones change; or deletes one.
    #[test]
    fn it_packs_all_but_the_latest(
        keep in 0_i64..6,
        steps in prop::collection::vec(
            (prop::collection::vec((0_i64..20, 0_i64..3000, 0_u16..300), 0..6), 0_i64..40),
            0..16,
        ),
    ) {
        let mut titles: BTreeMap<i64, Viewed> = BTreeMap::new();
        let mut state = Vec::new();
        for (views, deleted) in steps {
            let (mut new, mut old) = (BTreeMap::new(), Vec::new());
            for view in views {
                new.insert(view.0, view);
            }
            new.remove(&deleted);
            old.extend(titles.remove(&deleted));
            old.extend(new.keys().filter_map(|title| titles.remove(title)));
            titles.extend(new.clone());
            let new: Vec<Viewed> = new.into_values().collect();
            if !new.is_empty() {
                add(&mut state, keep, &new);
            }
            if !old.is_empty() {
                take(&mut state, keep, &old);
            }
            let rows: Vec<Viewed> = titles.values().copied().collect();
            prop_assert_eq!(unpacked(&state), expected(keep, &rows));
        }
    }

    #[test]
    fn parts_can_be_merged(
        some in prop::collection::btree_map(0_i64..20, 0_i64..3000, 0..20),
        others in prop::collection::btree_map(20_i64..40, 0_i64..3000, 1..20),
    ) {
        let rows = |map: BTreeMap<i64, i64>| -> Vec<Viewed> {
            map.into_iter().map(|(title, time)| (title, time, 7)).collect()
        };
        let (some, others) = (rows(some), rows(others));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        if !some.is_empty() {
            add(&mut one, 3, &some);
        }
        add(&mut two, 3, &others);
        PackOlder.merge(&mut one, &two).unwrap();
        prop_assert_eq!(unpacked(&one), expected(3, &[some, others].concat()));
    }
}

#[test]
fn a_row_that_never_came_cannot_be_taken_back() {
    let mut state = Vec::new();
    add(&mut state, 1, &[(1, 10, 0), (2, 20, 0)]);
    let missing = [(1, 11, 0)];
    assert!(PackOlder.retract(&mut state, &args(1, &missing), &[0]).is_err());
}

#[test]
fn a_change_of_a_recent_row_leaves_the_packed_ones_alone() {
    let rows: Vec<Viewed> = (0..40).map(|n| (n, n * 10, 5)).collect();
    let mut state = Vec::new();
    add(&mut state, 20, &rows);
    add(&mut state, 20, &[(40, 400, 5)]);
    let before = Rows::read(&state).unwrap();
    add(&mut state, 20, &[(40, 410, 5)]);
    take(&mut state, 20, &[(40, 400, 5)]);
    let mut after = Rows::read(&state).unwrap();
    let mut settled = before.clone();
    settled.settle().unwrap();
    assert_eq!(after.chunks(), settled.chunks());
    after.settle().unwrap();
    assert_eq!(after.chunks(), settled.chunks());
}
