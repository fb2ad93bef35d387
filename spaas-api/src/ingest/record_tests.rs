//! Tests of what becomes of events: values, ids, keys, times, and that the router can decode them.

use millrace_events::{Decoder, Offset, RawBatchBuilder, RawRecord, StreamSchema, TopicPartition};
use proptest::prelude::*;
use serde_json::Value;

use super::super::door::tests::schema;
use super::*;

const RULES: Rules =
    Rules { max_events: 100, max_event_bytes: 2_000, timestamps_ms: (1_000, 9_000) };

fn parse_with(schema: &StreamSchema, form: &Form, body: &[u8]) -> Parsed {
    let door = Door::new(schema, 8);
    super::parse(&door, form, &Bytes::copy_from_slice(body), RULES).expect("a readable body")
}

fn plain(body: &str) -> Parsed {
    parse_with(&schema(), &Form::Json, body.as_bytes())
}

fn one(mut parsed: Parsed) -> Outgoing {
    assert_eq!(parsed.records.len(), 1, "{:?}", parsed.refused);
    parsed.records.remove(0)
}

fn value(record: &Outgoing) -> &str {
    std::str::from_utf8(record.value.as_ref().expect("a value")).expect("UTF-8")
}

#[test]
fn a_complete_event_is_passed_on_byte_for_byte() {
    let text = r#"{ "event_id":"e1", "at":5000, "member":7, "title":"x", "more": [1] }"#;
    let parsed = plain(text);
    assert_eq!(parsed.ready[0].id, "e1");
    assert!(!parsed.generated);
    let record = one(parsed);
    assert_eq!(value(&record), text);
    assert_eq!(record.key.as_deref(), Some(&b"7"[..]));
    assert_eq!(record.timestamp_ms, Some(5000));
    assert_eq!(record.headers, [], "the id is in its column");
}

#[test]
fn a_missing_or_null_id_is_made_and_put_in() {
    for text in [
        r#"{"title":"x"}"#,
        r#"{"title":"x","event_id":null}"#,
        r#"{"title":"x", "event_id" : null }"#,
    ] {
        let parsed = plain(text);
        assert!(parsed.generated);
        let id = String::from_utf8(parsed.ready[0].id.to_vec()).expect("UTF-8");
        let record = one(parsed);
        let json: Value = serde_json::from_str(value(&record)).expect("still JSON");
        assert_eq!(json["event_id"], id.as_str());
        assert_eq!(value(&record).matches("event_id").count(), 1, "{}", value(&record));
        assert_eq!(uuid::Uuid::parse_str(&id).expect("a UUID").get_version_num(), 7);
    }
}

#[test]
fn without_an_id_column_the_header_carries_the_id() {
    let mut schema = schema();
    schema.id = None;
    schema.columns.retain(|c| c.name != "event_id" && c.name != "title");
    let parsed = parse_with(&schema, &Form::Json, b"{}");
    assert!(parsed.generated);
    let id = parsed.ready[0].id.clone();
    let record = one(parsed);
    assert_eq!(value(&record), "{}");
    assert_eq!(record.headers, [Header { name: ID_HEADER.to_owned(), value: Some(id) }]);
}

#[test]
fn an_empty_id_is_refused() {
    let parsed = plain(r#"{"title":"x","event_id":""}"#);
    assert!(parsed.refused[0].message.contains("id is empty"));
}

fn envelope(more: &str, data: &str) -> String {
    let attributes = r#""specversion":"1.0","id":"ce\"1","source":"/s","type":"t""#;
    format!(r#"{{{attributes}{more},"data":{data}}}"#)
}

#[test]
fn a_cloud_event_fills_id_and_time_from_its_attributes() {
    let text = envelope(r#","time":"1970-01-01T00:00:02Z""#, r#"{"at":null,"title":"x"}"#);
    let parsed = parse_with(&schema(), &Form::Structured, text.as_bytes());
    assert!(!parsed.generated);
    let record = one(parsed);
    assert_eq!(value(&record), r#"{"event_id":"ce\"1","at":"1970-01-01T00:00:02Z","title":"x"}"#);
    assert_eq!(record.timestamp_ms, Some(2000));
    let id = record.headers.iter().find(|h| h.name == "ce_id").and_then(|h| h.value.as_deref());
    assert_eq!(id, Some(&b"ce\"1"[..]));
}

#[test]
fn the_id_column_wins_over_the_attribute_and_an_empty_object_stays_valid() {
    let text = envelope("", r#"{"event_id":"mine","title":"x"}"#);
    let record = one(parse_with(&schema(), &Form::Structured, text.as_bytes()));
    let id = record.headers.iter().find(|h| h.name == "ce_id").and_then(|h| h.value.as_deref());
    assert_eq!(id, Some(&b"mine"[..]));

    let mut lax = schema();
    lax.columns.iter_mut().for_each(|c| c.required = false);
    let text = envelope(r#","time":"1970-01-01T00:00:02Z","partitionkey":"p""#, "{ }");
    let record = one(parse_with(&lax, &Form::Structured, text.as_bytes()));
    let json: Value = serde_json::from_str(value(&record)).expect("JSON");
    assert_eq!(json["at"], "1970-01-01T00:00:02Z");
    assert_eq!(record.key, None, "the stream's key column decides, not the attribute");
}

#[test]
fn partition_keys_are_used_where_the_stream_has_none() {
    let mut keyless = schema();
    keyless.key = None;
    let text = envelope(r#","partitionkey":"p""#, r#"{"title":"x"}"#);
    let record = one(parse_with(&keyless, &Form::Structured, text.as_bytes()));
    assert_eq!(record.key.as_deref(), Some(&b"p"[..]));
}

#[test]
fn times_far_from_now_stay_in_the_event_only() {
    for (at, expected) in [(999, None), (1_000, Some(1_000)), (9_000, Some(9_000)), (9_001, None)] {
        let record = one(plain(&format!(r#"{{"title":"x","at":{at}}}"#)));
        assert_eq!(record.timestamp_ms, expected);
        assert!(value(&record).contains(&format!(r#""at":{at}"#)));
    }
}

#[test]
fn every_refusal_has_index_line_and_column() {
    let body = "{\"title\":\"a\"}\n\n{\"title\":1}\n[]\n\u{e9}\n{\"title\":\"b\"}\n";
    let parsed = parse_with(&schema(), &Form::Lines, body.as_bytes());
    assert_eq!((parsed.total, parsed.records.len()), (5, 2));
    let places: Vec<_> = parsed.refused.iter().map(|e| (e.index, e.line)).collect();
    assert_eq!(places, [(Some(1), Some(3)), (Some(2), Some(4)), (Some(3), Some(5))]);
    assert_eq!(parsed.ready.iter().map(|r| r.index).collect::<Vec<_>>(), [0, 4]);

    let list = parse_with(&schema(), &Form::Json, b"[{\"title\":\"a\"},\n  {\"title\":\n 1}, 5]");
    let places: Vec<_> = list.refused.iter().map(|e| (e.line, e.column)).collect();
    assert_eq!(places[0].0, Some(3));
    assert_eq!(places[1], (Some(3), Some(6)));
}

#[test]
fn lines_that_are_not_utf8_keep_no_other_line_out() {
    let parsed = parse_with(&schema(), &Form::Lines, b"{\"title\":\"\xff\"}\n{\"title\":\"ok\"}");
    assert_eq!(parsed.records.len(), 1);
    assert!(parsed.refused[0].message.contains("not UTF-8 from byte 10"));
}

#[test]
fn an_event_above_the_limit_is_refused_alone() {
    let big = format!(r#"{{"title":"{}"}}"#, "x".repeat(2_000));
    let parsed = plain(&format!(r#"[{big},{{"title":"x"}}]"#));
    assert_eq!((parsed.records.len(), parsed.refused.len(), parsed.too_large), (1, 1, false));
    assert!(plain(&big).too_large);
}

fn json_value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        (-2_000_000_000_000_i64..2_000_000_000_000).prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        any::<String>().prop_map(|s| json_text(&s)),
        "\"(\\\\u[dD][89abcdefABCDEF][0-9a-f]{2}|\\\\[nt\"\\\\/]|[a-z]){0,6}\"",
        "\"[0-9]{4}-[0-1][0-9]-[0-3][0-9]\"",
        "\"[0-9]{4}-0[1-9]-[0-2][0-9][Tt ][0-2][0-9]:00:[0-6][0-9](\\.[0-9]{1,9})?(Z|z|[+-]0[0-9]:00)\"",
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|v| format!("[{}]", v.join(" ,"))),
            prop::collection::vec(("[a-z]{1,3}", inner), 0..3).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("\"{k}\":{v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    let mut names: Vec<_> = schema().columns.into_iter().map(|c| c.name).collect();
    names.push("other".to_owned());
    let member = (prop::sample::select(names), json_value());
    prop::collection::vec(member, 0..5).prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(k, v)| format!("\"{k}\" : {v}")).collect();
        format!("{{{}}}", members.join(", "))
    })
}

fn decoded(schema: &StreamSchema, records: &[Outgoing]) -> millrace_events::Decoded {
    let mut batch = RawBatchBuilder::new(TopicPartition::new("playback", 0), Offset(0));
    for (record, offset) in records.iter().zip(0..) {
        batch.push(RawRecord {
            offset: Offset(offset),
            timestamp_ms: record.timestamp_ms.unwrap_or(1),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        });
    }
    Decoder::new(schema).decode(&batch.finish())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_passes_the_door_decodes_in_the_router(text in event(), cloud in any::<bool>()) {
        let mut schema = schema();
        schema.columns.iter_mut().for_each(|c| c.required = false);
        let time = r#","time":"1970-01-01T00:00:02Z""#;
        let parsed = if cloud {
            parse_with(&schema, &Form::Structured, envelope(time, &text).as_bytes())
        } else {
            parse_with(&schema, &Form::Lines, text.as_bytes())
        };
        prop_assert_eq!(parsed.records.len() + parsed.refused.len(), 1);
        let outcome = decoded(&schema, &parsed.records);
        prop_assert!(outcome.dead.is_empty(), "{}: {:?}", text, outcome.dead);
        prop_assert_eq!(outcome.batch.num_rows(), parsed.records.len());
    }

    #[test]
    fn bytes_of_any_kind_are_split_and_parsed_without_panic(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}\",:0-9a-z\\\\ \n-]{0,60}".prop_map(String::into_bytes),
            (event(), 0..300_usize, any::<u8>()).prop_map(|(text, at, byte)| {
                let mut bytes = text.into_bytes();
                let at = at % bytes.len();
                bytes[at] = byte;
                bytes
            }),
        ],
        form in prop::sample::select(vec![Form::Json, Form::Lines, Form::Batch, Form::Structured]),
    ) {
        let door = Door::new(&schema(), 8);
        let body = Bytes::from(body);
        if let Ok(parsed) = super::parse(&door, &form, &body, RULES) {
            prop_assert_eq!(parsed.records.len() + parsed.refused.len(), parsed.total);
            let outcome = decoded(&schema(), &parsed.records);
            prop_assert!(outcome.dead.is_empty(), "{:?}", outcome.dead);
        }
    }
}
