//! Tests of partition folders and of splitting batches.

use arrow::array::{Int64Array, StringArray, StringViewArray, TimestampMillisecondArray};
use arrow::datatypes::Int64Type;
use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

fn batch() -> RecordBatch {
    RecordBatch::try_from_iter([
        ("n", Arc::new(Int64Array::from(vec![1, 2, 3, 4])) as ArrayRef),
        ("at", Arc::new(TimestampMillisecondArray::from(vec![Some(-1), Some(0), None, Some(0)]))),
        ("place", Arc::new(StringViewArray::from(vec![Some("a/b"), Some(""), None, Some("")]))),
    ])
    .expect("consistent")
}

#[test]
fn rows_go_to_their_partition_in_order() {
    let columns = [
        PartitionColumn::EventDate("at".into()),
        PartitionColumn::EventHour("at".into()),
        PartitionColumn::Column("place".into()),
    ];
    let batch = batch();
    let partitioner = Partitioner::new(&batch.schema(), &columns).expect("valid");
    let names: Vec<_> = partitioner.files().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["n", "at"]);
    let parts = partitioner.split(&batch).expect("splits");
    let seen: Vec<_> = parts
        .iter()
        .map(|(part, values)| {
            let n = part.rows.column(0).as_primitive::<Int64Type>().values().to_vec();
            (folder(values), n)
        })
        .collect();
    let null = NULL_FOLDER;
    assert_eq!(
        seen,
        [
            ("event_date=1969-12-31/event_hour=23/place=a%2Fb/".to_owned(), vec![1]),
            (format!("event_date=1970-01-01/event_hour=0/place={null}/"), vec![2, 4]),
            (format!("event_date={null}/event_hour={null}/place={null}/"), vec![3]),
        ]
    );
    assert_eq!(parts[0].1[2].1.as_deref(), Some("a/b"));
}

#[test]
fn a_partition_has_the_same_key_in_every_batch() {
    let columns = [PartitionColumn::Column("place".into())];
    let batch = batch();
    let partitioner = Partitioner::new(&batch.schema(), &columns).expect("valid");
    let whole = partitioner.split(&batch).expect("splits");
    let one = partitioner.split(&batch.slice(3, 1)).expect("splits");
    assert_eq!(one.len(), 1);
    assert_eq!(one[0].0.key, whole[1].0.key, "null and the empty string are one partition");
}

#[test]
fn unsuitable_columns_are_refused() {
    let schema = batch().schema();
    for bad in [
        vec![PartitionColumn::Column("x".into())],
        vec![PartitionColumn::EventDate("n".into())],
        ["n", "at", "place"].map(|c| PartitionColumn::Column(c.into())).to_vec(),
    ] {
        assert!(Partitioner::new(&schema, &bad).is_err(), "{bad:?}");
    }
}

#[test]
fn long_values_stay_distinct_and_fit() {
    let long = |end: &str| folder(&[("c".into(), Some(format!("{}{end}", "ä".repeat(300))))]);
    assert!(long("1").len() <= MAX_FOLDER + 1);
    assert_ne!(long("1"), long("2"));
}

proptest! {
    #[test]
    fn folders_never_leave_the_table_and_decode_back(
        name in "\\PC{1,10}",
        value in any::<String>(),
    ) {
        let path = folder(&[(name.clone(), Some(value.clone()))]);
        let inner = path.strip_suffix('/').expect("ends with a slash");
        prop_assert!(!inner.contains(['/', '\\', '\0']) && inner != "." && inner != "..");
        prop_assert!(inner.bytes().all(|b| b.is_ascii_graphic()));
        prop_assert!(object_store::path::Path::parse(inner).is_ok());
        if inner.len() < MAX_FOLDER - 40 {
            let (n, v) = inner.split_once('=').expect("has an equals sign");
            prop_assert_eq!(percent_decode_str(n).decode_utf8().expect("UTF-8"), name);
            prop_assert_eq!(percent_decode_str(v).decode_utf8().expect("UTF-8"), value);
        }
    }

    #[test]
    fn splitting_loses_no_row(
        places in prop::collection::vec(prop::option::of("[ab/]{0,2}"), 1..50),
    ) {
        let n = Int64Array::from_iter_values((0_i64..).take(places.len()));
        let columns: [(&str, ArrayRef); 2] =
            [("n", Arc::new(n)), ("place", Arc::new(StringArray::from(places.clone())))];
        let batch = RecordBatch::try_from_iter(columns).expect("consistent");
        let by = [PartitionColumn::Column("place".into())];
        let partitioner = Partitioner::new(&batch.schema(), &by).expect("valid");
        let mut back = vec![None; places.len()];
        for (part, values) in partitioner.split(&batch).expect("splits") {
            for n in part.rows.column(0).as_primitive::<Int64Type>().values() {
                let slot = &mut back[usize::try_from(*n).expect("small")];
                prop_assert!(slot.replace(values[0].1.clone()).is_none());
            }
        }
        let some = |p: Option<String>| Some(p.filter(|p| !p.is_empty()));
        let expected: Vec<_> = places.into_iter().map(some).collect();
        prop_assert_eq!(back, expected);
    }
}
