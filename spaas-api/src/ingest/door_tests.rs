//! Tests of the check at the door.

use std::sync::Arc;
use std::time::Duration;

use millrace_events::{Column, ColumnType, EventTime, StreamSchema};

use super::*;

/// A stream with a column of most kinds; `required` must be there.
pub(crate) fn schema() -> StreamSchema {
    let column =
        |name: &str, data_type, required| Column { name: name.to_owned(), data_type, required };
    StreamSchema {
        name: "playback".parse().expect("a name"),
        topic: "playback".to_owned(),
        partitions: 1,
        key: Some("member".to_owned()),
        id: Some("event_id".to_owned()),
        event_time: Some(EventTime {
            column: "at".to_owned(),
            delay: Duration::ZERO,
            idle: Duration::ZERO,
        }),
        columns: vec![
            column("event_id", ColumnType::String, true),
            column("at", ColumnType::TimestampMs, true),
            column("member", ColumnType::Int64, false),
            column("title", ColumnType::String, true),
            column("rate", ColumnType::Float32, false),
            column("score", ColumnType::Float64, false),
            column("small", ColumnType::Int32, false),
            column("live", ColumnType::Boolean, false),
            column("day", ColumnType::Date, false),
            column("seen", ColumnType::TimestampUs, false),
            column("tags", ColumnType::StringList, false),
            column("weights", ColumnType::Float64List, false),
        ],
    }
}

fn check(text: &str) -> Result<Checked<'_>, Fault> {
    Door::new(&Arc::new(schema()), 4).check(&mut Seen::default(), text)
}

fn refused(text: &str) -> String {
    check(text).expect_err(text).message
}

#[test]
fn what_ingest_needs_is_found_in_any_order_and_escaped() {
    let text = r#"{"title":"x","extra":{"a":[1]},"m\u0065mber": 7 ,"at":null,"event_id":"e"}"#;
    let checked = check(text).expect("fits");
    assert_eq!(checked.id, Member::Json("\"e\""));
    assert_eq!(checked.key, Member::Json("7"));
    assert_eq!(checked.event_time, Member::Null("null"));
    assert!(!checked.empty);
}

#[test]
fn each_mistake_is_named() {
    let expected = [
        ("[]", "a list"),
        ("7", "a number"),
        ("", "nothing"),
        ("{}", "column `title` is required"),
        (r#"{"title":null}"#, "column `title` is required"),
        (r#"{"title":1}"#, "column `title`: expected text, got 1"),
        (r#"{"title":"x","member":1.5}"#, "column `member`: expected a whole number"),
        (r#"{"title":"x","title":"x"}"#, "column `title` is there twice"),
        (r#"{"title":"x","at":null,"at":1}"#, "column `at` is there twice"),
        (r#"{"title":"x","deep":[[[1]]]}"#, ""),
        (r#"{"title":"x","deep":[[[[1]]]]}"#, "nested more than 4 levels"),
        (r#"{"title":"x","any":"\udc00"}"#, "surrogate"),
        (r#"{"title":"x"} {}"#, "trailing"),
        (r#"{"title":"x",}"#, "trailing comma"),
        (r#"{"title":"x""#, "EOF"),
    ];
    for (text, message) in expected {
        if message.is_empty() {
            assert!(check(text).is_ok(), "{text}");
        } else {
            assert!(refused(text).contains(message), "{text}: {}", refused(text));
        }
    }
}

#[test]
fn a_mistake_has_its_place_and_a_bounded_message() {
    let fault = check("{\"title\":\"x\",\n \"member\": true}").expect_err("no number");
    assert_eq!(fault.place.map(|(line, _)| line), Some(2));
    let long = format!(r#"{{"title":"x","member":"{}"}}"#, "é".repeat(10_000));
    assert!(refused(&long).chars().count() < 400);
}

#[test]
fn nesting_of_any_depth_is_refused_without_recursion() {
    let deep = format!(r#"{{"title":"x","a":{}"#, "[".repeat(1_000_000));
    assert!(check(&deep).is_err());
    let closed = format!(r#"{{"title":"x","a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&closed).contains("nested"));
}

#[test]
fn equal_numbers_make_equal_keys() {
    let key =
        |json| Member::Json(json).as_text(ColumnType::Int64).map(std::borrow::Cow::into_owned);
    for (json, text) in [("7", "7"), ("7.0", "7"), ("7e0", "7"), ("-0", "0"), ("-12", "-12")] {
        assert_eq!(key(json).as_deref(), Some(text), "{json}");
    }
    let text =
        |json| Member::Json(json).as_text(ColumnType::String).map(std::borrow::Cow::into_owned);
    assert_eq!(text(r#""a\nb""#).as_deref(), Some("a\nb"));
    assert_eq!(Member::Null("null").as_text(ColumnType::String), None);
}
