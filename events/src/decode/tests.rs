//! Every record is a row or dead; well-typed rows equal what Arrow's own JSON reader makes of them.

use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{
    Date32Type, Field, Float64Type, Int64Type, Schema, TimestampMicrosecondType,
};
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use chrono::NaiveDate;
use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::*;
use crate::{EventTime, Header, ID_HEADER, Offset, RawBatchBuilder, RawRecord, TopicPartition};

const TYPES: [(&str, ColumnType); 11] = [
    ("event_id", ColumnType::String),
    ("at", ColumnType::TimestampMs),
    ("at_us", ColumnType::TimestampUs),
    ("member_id", ColumnType::Int64),
    ("small", ColumnType::Int32),
    ("ratio", ColumnType::Float32),
    ("score", ColumnType::Float64),
    ("ok", ColumnType::Boolean),
    ("day", ColumnType::Date),
    ("tags", ColumnType::StringList),
    ("weights", ColumnType::Float64List),
];

fn schema() -> StreamSchema {
    let column = |(name, data_type): &(&str, ColumnType)| crate::Column {
        name: (*name).to_owned(),
        data_type: *data_type,
        required: *name == "member_id",
    };
    StreamSchema {
        name: "playback".parse().expect("valid"),
        topic: "playback".to_owned(),
        partitions: 1,
        key: None,
        id: Some("event_id".to_owned()),
        event_time: Some(EventTime {
            column: "at".to_owned(),
            delay: Duration::ZERO,
            idle: Duration::ZERO,
        }),
        columns: TYPES.iter().map(column).collect(),
    }
}

fn raw<V: AsRef<[u8]>>(values: &[V]) -> RawBatch {
    let mut builder = RawBatchBuilder::new(TopicPartition::new("playback", 3), Offset(100));
    for (offset, value) in (100..).map(Offset).zip(values) {
        let value = Some(value.as_ref());
        builder.push(RawRecord {
            offset,
            timestamp_ms: 1_700_000_000_000,
            key: None,
            value,
            headers: &[],
        });
    }
    builder.finish()
}

fn decode<V: AsRef<[u8]>>(values: &[V]) -> Decoded {
    Decoder::new(&schema()).decode(&raw(values))
}

/// Why a lone event is refused.
fn reason(value: &str) -> String {
    let decoded = decode(&[value]);
    assert_eq!(decoded.rows.len(), 0, "{value} was accepted");
    decoded.dead[0].1.clone()
}

fn column(decoded: &Decoded, name: &str) -> ArrayRef {
    decoded.batch.column_by_name(name).expect("in the schema").clone()
}

#[test]
fn every_type_is_read() {
    let decoded = decode(&[json!({
        "event_id": "e1", "at": 1_574_553_634_762_i64, "at_us": "2019-11-24T00:00:34.762830Z",
        "member_id": i64::MIN, "small": -3, "ratio": 0.5, "score": 1e300, "ok": true,
        "day": "1969-12-31", "tags": ["a", null, "é\n"], "weights": [1, 2.5, null]
    })
    .to_string()]);
    assert_eq!(decoded.dead, []);
    assert_eq!(decoded.batch.schema(), schema().arrow());
    assert_eq!(column(&decoded, "event_id").as_string::<i32>().value(0), "e1");
    let us = |name| column(&decoded, name).as_primitive::<TimestampMicrosecondType>().value(0);
    assert_eq!((us("at"), us("at_us")), (1_574_553_634_762_000, 1_574_553_634_762_830));
    assert_eq!(column(&decoded, "member_id").as_primitive::<Int64Type>().value(0), i64::MIN);
    assert_eq!(column(&decoded, "day").as_primitive::<Date32Type>().value(0), -1);
    let tags = column(&decoded, "tags").as_list::<i32>().value(0);
    assert_eq!(tags.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("a"), None, Some("é\n")]);
    let weights = column(&decoded, "weights").as_list::<i32>().value(0);
    let weights: Vec<_> = weights.as_primitive::<Float64Type>().iter().collect();
    assert_eq!(weights, [Some(1.0), Some(2.5), None]);
}

#[test]
fn reasons_name_the_column_and_the_value() {
    let cases = [
        (r#"{"member_id":"x"}"#, r#"column `member_id`: cannot read "x" as int64"#),
        (r#"{"member_id":"12"}"#, r#"column `member_id`: cannot read "12" as int64"#),
        (r#"{"member_id":1.5}"#, "column `member_id`: cannot read 1.5 as int64"),
        (
            r#"{"member_id":9223372036854775808}"#,
            "column `member_id`: 9223372036854775808 is out of range for int64",
        ),
        (
            r#"{"member_id":1,"small":2147483648}"#,
            "column `small`: 2147483648 is out of range for int32",
        ),
        (r#"{"member_id":1,"ratio":1e39}"#, "column `ratio`: 1e39 is out of range for float32"),
        (r#"{"member_id":1,"score":1e999}"#, "column `score`: 1e999 is out of range for float64"),
        (r#"{"member_id":1,"ok":1}"#, "column `ok`: cannot read 1 as boolean"),
        (
            r#"{"member_id":1,"day":"2023-02-29"}"#,
            "column `day`: cannot read \"2023-02-29\" as date (YYYY-MM-DD)",
        ),
        (
            r#"{"member_id":1,"tags":["a",2]}"#,
            r#"column `tags`: cannot read ["a",2] as string_list"#,
        ),
        (r#"{"member_id":1,"weights":{}}"#, "column `weights`: cannot read {} as float64_list"),
        (r#"{"member_id":1,"event_id":[1]}"#, "column `event_id`: cannot read [1] as string"),
        (
            r#"{"member_id":1,"at":9223372036854775807}"#,
            "column `at`: 9223372036854775807 is out of range for timestamp_ms (milliseconds or \
             RFC 3339 text)",
        ),
        (r#"{"small":1}"#, "column `member_id` is required but missing or null"),
        (r#"{"member_id":null}"#, "column `member_id` is required but missing or null"),
        ("", "the value is empty"),
        ("[1]", "not a JSON object: [1]"),
        ("{\"member_id\":1}{\"member_id\":2}", "the JSON object ends at byte 15, but more follows"),
        ("{\"member_id\":1,}", "not valid JSON at byte 15: expected a key in double quotes"),
        ("{\"member_id\":12x}", "not valid JSON at byte 15: expected `,` or `}`"),
        ("{\"member_id\":1", "not valid JSON at byte 14: expected `,` or `}`"),
        (r#"{"other":[1,}"#, "not valid JSON at byte 12: expected a value"),
    ];
    for (value, expected) in cases {
        assert_eq!(reason(value), expected, "{value}");
    }
    let at_noon = r#"{"member_id":1,"at":"noon"}"#;
    assert!(reason(at_noon).starts_with("column `at`: cannot read \"noon\" as timestamp_ms"));
    let long = format!("{{\"member_id\":\"{}\"}}", "é".repeat(1_000));
    assert!(reason(&long).chars().count() < 120, "a reason quotes a bounded piece");
    assert_eq!(decode(&[b"{\"event_id\":\"\xff\"}"]).dead[0].1, "not valid UTF-8 at byte 13");
}

#[test]
fn an_object_cannot_reach_into_the_next_record() {
    let decoded =
        decode(&[r#"{"member_id":1,"event_id":"a"#, r#"","member_id":2}"#, r#"{"member_id":3}"#]);
    assert_eq!(decoded.rows, [2]);
    assert_eq!(decoded.dead.iter().map(|d| d.0).collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_tombstone_is_dead() {
    let mut builder = RawBatchBuilder::new(TopicPartition::new("playback", 0), Offset(0));
    builder.push(RawRecord {
        offset: Offset(0),
        timestamp_ms: 0,
        key: Some(b"k"),
        value: None,
        headers: &[],
    });
    let decoded = Decoder::new(&schema()).decode(&builder.finish());
    assert_eq!(decoded.dead, [(0, "the record is a tombstone: it has no value".to_owned())]);
}

#[test]
fn id_and_time_come_from_the_record_when_the_event_has_none() {
    let header = |v: &'static [u8]| Header {
        name: ID_HEADER.to_owned(),
        value: Some(Bytes::from_static(v)),
    };
    let mut builder = RawBatchBuilder::new(TopicPartition::new("playback", 3), Offset(100));
    for (offset, headers) in
        [(100, vec![header(b"h1")]), (107, vec![]), (108, vec![header(b"\xff")])]
    {
        let value: Option<&[u8]> = Some(br#"{"member_id":1,"event_id":null}"#);
        let headers = &headers[..];
        builder.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: 1_700,
            key: None,
            value,
            headers,
        });
    }
    let decoded = Decoder::new(&schema()).decode(&builder.finish());
    let ids = column(&decoded, "event_id");
    let ids: Vec<_> = ids.as_string::<i32>().iter().flatten().collect();
    assert_eq!(ids, ["h1", "playback/3/107", "playback/3/108"]);
    let times = column(&decoded, "at");
    assert_eq!(times.as_primitive::<TimestampMicrosecondType>().values(), &[1_700_000; 3]);
}

#[test]
fn unknown_columns_are_dropped_and_counted_and_the_last_of_two_counts() {
    let decoded = decode(&[
        r#"{"x":{"member_id":[9]},"member_id":1,"y":"\u0041","member_id":2,"\u0073mall":5}"#,
        r#"{"x":1,"member_id":"dead"}"#,
    ]);
    assert_eq!((decoded.rows.len(), decoded.unknown), (1, 2));
    assert_eq!(column(&decoded, "member_id").as_primitive::<Int64Type>().value(0), 2);
    assert!(column(&decoded, "small").is_valid(0), "a key may be spelled with escapes");
}

#[test]
fn producers_cannot_make_the_decoder_remember_without_bound() {
    let mut decoder = Decoder::new(&schema());
    for round in 0..3 {
        let many = (0..1_000).map(|i| (format!("k{round}_{i}"), json!(i)));
        let few = [("x".repeat(10_000), json!(1)), ("member_id".to_owned(), json!(round))];
        let event = Value::Object(many.chain(few).collect()).to_string();
        let twice = decoder.decode(&raw(&[&event, &event]));
        assert_eq!((twice.rows.len(), twice.unknown), (2, 2_002));
        let members = column(&twice, "member_id");
        assert_eq!(members.as_primitive::<Int64Type>().values(), &[round, round]);
    }
    assert_eq!(decoder.keys.len(), TYPES.len() + MAX_UNKNOWN_KEYS);
}

/// A JSON object of the schema's types, with some columns left out or null, in any order.
fn well_typed() -> impl Strategy<Value = Value> {
    let floats = prop::collection::vec(prop::option::of(-1e9..1e9_f64), 0..4);
    let texts = prop::collection::vec(prop::option::of(".{0,9}"), 0..4);
    let time = -62_135_596_800_000_i64..253_402_300_800_000;
    let values = (
        (".{0,20}", time.clone(), time, any::<i64>(), any::<i32>()),
        (-1e9..1e9_f32, -1e300..1e300_f64, any::<bool>(), 0_u32..2_000_000, texts, floats),
        prop::collection::vec(0..8_u8, TYPES.len()),
        any::<prop::sample::Index>(),
    );
    values.prop_map(
        |((id, at, at_us, member, small), (ratio, score, ok, day, tags, weights), keep, turn)| {
            let day = NaiveDate::from_num_days_from_ce_opt(1 + i32::try_from(day).expect("small"));
            let day = day.expect("in range").format("%Y-%m-%d").to_string();
            let values = [
                json!(id),
                json!(at),
                json!(at_us),
                json!(member),
                json!(small),
                json!(ratio),
                json!(score),
                json!(ok),
                json!(day),
                json!(tags),
                json!(weights),
            ];
            let mut named: Vec<_> = TYPES.iter().map(|t| t.0.to_owned()).zip(values).collect();
            for ((name, value), keep) in named.iter_mut().zip(keep) {
                match keep {
                    0 if name != "member_id" => *name = format!("not_{name}"),
                    1 if name != "member_id" => *value = Value::Null,
                    _ => {}
                }
            }
            named.rotate_left(turn.index(TYPES.len()));
            Value::Object(named.into_iter().collect::<Map<_, _>>())
        },
    )
}

/// Bytes that are an event, nearly an event, or anything.
fn maybe_event() -> impl Strategy<Value = Vec<u8>> {
    let broken =
        (well_typed(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(v, at, byte)| {
            let mut bytes = v.to_string().into_bytes();
            let at = at.index(bytes.len());
            if byte & 1 == 0 {
                bytes.truncate(at);
            } else {
                bytes[at] = byte;
            }
            bytes
        });
    let retyped = (well_typed(), 0..TYPES.len(), 0..TYPES.len()).prop_map(|(mut v, to, from)| {
        v[TYPES[to].0] = v[TYPES[from].0].clone();
        v.to_string().into_bytes()
    });
    let whole = well_typed().prop_map(|v| v.to_string().into_bytes());
    prop_oneof![whole, broken, retyped, prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #[test]
    fn well_typed_events_decode_as_arrows_reader_does(
        events in prop::collection::vec(well_typed(), 1..20)
    ) {
        let mut plain = schema();
        (plain.id, plain.event_time) = (None, None);
        let texts: Vec<_> = events.iter().map(Value::to_string).collect();
        let ours = Decoder::new(&plain).decode(&raw(&texts));
        prop_assert_eq!(&ours.dead, &[]);

        let fields = plain.columns.iter();
        let fields = fields.map(|c| Field::new(&c.name, c.data_type.wire(), true));
        let wire = Schema::new(fields.collect::<Vec<_>>());
        let mut reader = ReaderBuilder::new(wire.into()).build_decoder().expect("valid schema");
        for text in &texts {
            reader.decode(text.as_bytes()).expect("valid JSON");
        }
        let theirs = reader.flush().expect("well typed").expect("rows");
        for (ours, theirs) in ours.batch.columns().iter().zip(theirs.columns()) {
            prop_assert_eq!(ours, &cast(theirs, ours.data_type()).expect("ms to us"));
        }
    }

    #[test]
    fn every_record_is_a_row_or_dead_whatever_its_neighbours(
        values in prop::collection::vec(maybe_event(), 0..12)
    ) {
        let together = decode(&values);
        let mut seen: Vec<_> = together.rows.clone();
        seen.extend(together.dead.iter().map(|d| d.0));
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..u32::try_from(values.len()).expect("few")).collect::<Vec<_>>());
        prop_assert_eq!(together.batch.num_rows(), together.rows.len());
        prop_assert!(together.rows.is_sorted() && together.dead.is_sorted());

        // One at a time, with a decoder that has seen nothing; ids and times filled in alike.
        let mut plain = schema();
        (plain.id, plain.event_time) = (None, None);
        let together = Decoder::new(&plain).decode(&raw(&values));
        let alone = values.iter().map(|v| Decoder::new(&plain).decode(&raw(&[v])));
        let alone: Vec<_> = alone.collect();
        let batches = alone.iter().map(|d| &d.batch);
        let glued = concat_batches(&plain.arrow(), batches).expect("one schema");
        prop_assert_eq!(together.batch, glued);
        let reasons = alone.iter().flat_map(|d| d.dead.iter().map(|d| &d.1));
        prop_assert!(together.dead.iter().map(|d| &d.1).eq(reasons));
        prop_assert_eq!(together.unknown, alone.iter().map(|d| d.unknown).sum::<u64>());
    }

    #[test]
    fn accepted_events_are_json_objects(value in maybe_event()) {
        let accepted = decode(&[&value]).dead.is_empty();
        let parsed = serde_json::from_slice::<HashMap<String, &RawValue>>(&value);
        prop_assert!(!accepted || parsed.is_ok(), "{parsed:?}");
    }
}
