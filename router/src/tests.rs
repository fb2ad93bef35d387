//! The pure part of a route: SQL compiled, batches converted, every offset accounted for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use proptest::prelude::*;

use millrace_events::{
    Column, ColumnType, Decoder, Header, Offset, RawBatch, RawBatchBuilder, RawRecord,
    StreamSchema, TopicPartition,
};
use millrace_sinks::{Records, SinkBatch};

use crate::convert::{Converter, Shared};
use crate::settings::{Handling, HeaderFilter};
use crate::{RoutePlan, SqlMistake};

fn stream() -> StreamSchema {
    let column = |name: &str, data_type| Column { name: name.into(), data_type, required: false };
    StreamSchema {
        name: "s".parse().expect("valid"),
        topic: "s".into(),
        partitions: 1,
        key: None,
        id: Some("id".into()),
        event_time: None,
        columns: vec![
            column("id", ColumnType::String),
            column("kind", ColumnType::String),
            column("n", ColumnType::Int64),
        ],
    }
}

fn raw(from: i64, next: i64, records: &[(i64, &str, Option<&str>)]) -> RawBatch {
    let mut builder = RawBatchBuilder::new(TopicPartition::new("s", 0), Offset(from));
    for (offset, value, app) in records {
        let header = |app: &str| Header {
            name: "app".into(),
            value: Some(Bytes::copy_from_slice(app.as_bytes())),
        };
        let headers: Vec<_> = app.iter().map(|app| header(app)).collect();
        builder.push(RawRecord {
            offset: Offset(*offset),
            timestamp_ms: 1_000 + offset,
            key: None,
            value: Some(value.as_bytes()),
            headers: &headers,
        });
    }
    builder.advance_to(Offset(next));
    builder.finish()
}

fn shared(raw: RawBatch) -> Shared {
    let decoded = Decoder::new(&stream()).decode(&raw);
    Shared { raw: Arc::new(raw), decoded: Some(decoded) }
}

fn converter(filter: Option<&str>, select: Option<&str>) -> Converter {
    Converter {
        route: "r".parse().expect("valid"),
        headers: HeaderFilter::default(),
        handling: Handling::Columns(
            RoutePlan::compile(&stream(), filter, select).expect("compiles"),
        ),
    }
}

fn columns(batch: &SinkBatch) -> &RecordBatch {
    match &batch.records {
        Records::Columns(rows) => rows,
        Records::Raw { .. } => panic!("a route with a plan delivers columns"),
    }
}

fn mistake(filter: Option<&str>, select: Option<&str>) -> SqlMistake {
    RoutePlan::compile(&stream(), filter, select).expect_err("must be refused")
}

#[test]
fn where_and_select_make_the_rows_and_every_offset_is_counted() {
    let shared = shared(raw(
        10,
        20,
        &[
            (10, r#"{"id":"a","kind":"play","n":1}"#, None),
            (12, r#"{"id":"b","kind":"debug","n":2}"#, None),
            (13, "broken", None),
            (15, r#"{"id":"c","kind":"play","n":3}"#, None),
        ],
    ));
    let batch = converter(Some("kind <> 'debug'"), Some("id, n * 10 AS tens, _offset AS at"))
        .convert(&shared, None)
        .expect("there is something");
    let p = batch.progress;
    assert_eq!((p.written, p.filtered, p.dead, p.gaps), (2, 1, 1, 6));
    let rows = columns(&batch);
    assert_eq!(rows.column(1).as_primitive::<Int64Type>().values(), &[10, 30]);
    assert_eq!(rows.column(2).as_primitive::<Int64Type>().values(), &[10, 15]);
    assert_eq!((batch.dead.len(), batch.dead[0].offset), (1, Offset(13)));
}

#[test]
fn what_the_route_already_has_is_left_out() {
    let shared = shared(raw(0, 3, &[(0, "{}", None), (1, "{}", None), (2, "{}", None)]));
    let plain = converter(None, None);
    assert!(plain.convert(&shared, Some(Offset(3))).is_none());
    let rest = plain.convert(&shared, Some(Offset(1))).expect("two are left");
    assert_eq!((rest.progress.range.from, rest.progress.written), (Offset(1), 2));
}

#[test]
fn a_row_whose_expression_fails_is_dead_lettered_alone() {
    let record = |n: i64| format!(r#"{{"id":"x","kind":"k","n":{n}}}"#);
    let texts: Vec<_> = (0..9).map(|i| record(i64::from(i % 4 != 0))).collect();
    let records: Vec<_> = (0_i64..).zip(&texts).map(|(i, t)| (i, t.as_str(), None)).collect();
    let shared = shared(raw(0, 9, &records));
    let batch = converter(None, Some("id, 100 / n AS share")).convert(&shared, None);
    let batch = batch.expect("there is something");
    let dead: Vec<_> = batch.dead.iter().map(|d| d.offset.0).collect();
    assert_eq!((batch.progress.written, dead), (6, vec![0, 4, 8]));
    assert!(batch.dead[0].reason.contains("ivide by zero"), "{}", batch.dead[0].reason);
}

#[test]
fn a_header_filter_looks_at_undecodable_records_too() {
    let shared =
        shared(raw(0, 3, &[(0, "{}", Some("tv")), (1, "bad", None), (2, "bad", Some("tv"))]));
    let mut converter = converter(None, None);
    converter.headers = HeaderFilter::new(BTreeMap::from([("app".into(), vec!["tv".into()])]));
    let p = converter.convert(&shared, None).expect("there is something").progress;
    assert_eq!((p.written, p.filtered, p.dead), (1, 1, 1));
}

#[test]
fn raw_records_pass_untouched() {
    let shared =
        Shared { decoded: None, raw: Arc::new(raw(0, 2, &[(0, "x", None), (1, "y", None)])) };
    let converter = Converter { handling: Handling::Raw, ..converter(None, None) };
    let batch = converter.convert(&shared, Some(Offset(1))).expect("one is left");
    let Records::Raw { rows, .. } = &batch.records else { panic!("raw stays raw") };
    assert_eq!((rows.as_slice(), batch.progress.written), ([1_u32].as_slice(), 1));
}

#[test]
fn mistakes_point_at_their_place() {
    let cases = [
        (mistake(Some("kind <> 'a' AND\n  knid = 'b'"), None), (2, 3), "knid"),
        (mistake(Some("kind ="), None), (1, 1), ""),
        (mistake(None, Some("id,\n nn")), (2, 2), "nn"),
    ];
    for (mistake, place, text) in cases {
        if !text.is_empty() {
            assert_eq!((mistake.line, mistake.column), place, "{mistake}");
        }
        assert!(mistake.message.contains(text), "{mistake}");
    }
}

#[test]
fn what_a_route_cannot_do_is_refused() {
    let cases = [
        (Some("n"), None, "not true or false"),
        (Some("now() > _timestamp"), None, "not deterministic"),
        (Some("n > (SELECT 1)"), None, ""),
        (None, Some("count(n) AS c"), "aggregates"),
        (None, Some("random() AS r"), "not deterministic"),
        (None, Some("n + 1"), "no column name"),
        (None, Some("n, n"), "twice"),
        (None, Some("n FROM other"), "list of columns"),
        (None, Some("n; DROP TABLE t"), ""),
        (None, Some("n UNION SELECT 1"), "list of columns"),
    ];
    for (filter, select, expected) in cases {
        let mistake = mistake(filter, select);
        assert!(mistake.message.contains(expected), "{filter:?} {select:?}: {mistake}");
    }
}

proptest! {
    #[test]
    fn every_offset_is_accounted_for(
        values in proptest::collection::vec(
            prop_oneof![
                Just(r#"{"id":"a","kind":"play","n":1}"#),
                Just(r#"{"id":"b","kind":"debug","n":0}"#),
                Just("junk"),
                Just(r#"{"n":"wrong"}"#),
            ],
            0..40,
        ),
        holes in proptest::collection::vec(0_i64..3, 40),
        next in proptest::option::of(0_i64..100),
    ) {
        let mut offset = 0;
        let mut records = Vec::new();
        for (value, hole) in values.iter().zip(holes) {
            offset += hole;
            records.push((offset, *value, None));
            offset += 1;
        }
        let shared = shared(raw(0, offset + 1, &records));
        let converter = converter(Some("kind IS NULL OR kind <> 'debug'"), Some("100 / n AS x"));
        if let Some(batch) = converter.convert(&shared, next.map(Offset)) {
            prop_assert!(batch.progress.adds_up());
            prop_assert_eq!(batch.progress.written, batch.records.len() as u64);
            prop_assert_eq!(batch.progress.dead, batch.dead.len() as u64);
            prop_assert_eq!(batch.progress.range.from.0, next.unwrap_or(0));
        } else {
            prop_assert!(next.is_some_and(|next| next > offset));
        }
    }
}
