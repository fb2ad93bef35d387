//! What binding makes of queries, right and wrong.

mod accepted;
mod errors;
mod functions;
mod nexmark;
mod plans;
mod registered;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use crate::{Catalog, EventTimeDef, SinkDef, SourceDef};

use super::{bind, event_time_type};

fn schema(fields: Vec<(&str, DataType)>) -> SchemaRef {
    let fields = fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn stream(fields: Vec<(&str, DataType)>, time: Option<&str>) -> SourceDef {
    let event_time = time.map(|column| EventTimeDef {
        column: column.to_owned(),
        delay: Duration::from_secs(4),
        idle: Duration::from_mins(1),
    });
    SourceDef { schema: schema(fields), event_time, bounded: false }
}

/// The streams of Nexmark, one with all types, and sinks of several kinds.
pub(super) fn catalog() -> Catalog {
    use DataType::{Boolean, Date32, Float64, Int32, Int64, Utf8};
    let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
    let person = vec![
        ("id", Int64),
        ("name", Utf8),
        ("emailAddress", Utf8),
        ("creditCard", Utf8),
        ("city", Utf8),
        ("state", Utf8),
        ("dateTime", event_time_type()),
        ("extra", Utf8),
    ];
    let auction = vec![
        ("id", Int64),
        ("itemName", Utf8),
        ("description", Utf8),
        ("initialBid", Int64),
        ("reserve", Int64),
        ("dateTime", event_time_type()),
        ("expires", event_time_type()),
        ("seller", Int64),
        ("category", Int64),
        ("extra", Utf8),
    ];
    let bid = vec![
        ("auction", Int64),
        ("bidder", Int64),
        ("price", Int64),
        ("channel", Utf8),
        ("url", Utf8),
        ("dateTime", event_time_type()),
        ("extra", Utf8),
    ];
    let row = DataType::Struct(Fields::from(vec![
        Field::new("a", Int64, true),
        Field::new("b", Utf8, true),
    ]));
    let event = vec![
        ("id", Int64),
        ("day", Int32),
        ("ok", Boolean),
        ("ratio", Float64),
        ("born", Date32),
        ("amount", DataType::Decimal128(10, 2)),
        ("tags", list(Utf8)),
        ("parts", list(row.clone())),
        ("detail", row),
        ("json", Utf8),
        ("ts", event_time_type()),
        ("other", event_time_type()),
    ];
    let any = SinkDef { schema: None, key: None };
    let typed = schema(vec![("id", Int64), ("name", Utf8), ("price", Float64)]);
    Catalog::default()
        .source("person", stream(person, Some("dateTime")))
        .source("auction", stream(auction, Some("dateTime")))
        .source("bid", stream(bid, Some("dateTime")))
        .source("event", stream(event, Some("ts")))
        .source("timeless", stream(vec![("k", Int64), ("t", event_time_type())], None))
        .sink("out", any.clone())
        .sink("other", any)
        .sink("typed", SinkDef { schema: Some(typed), key: Some(vec!["id".into()]) })
}

/// The plan of the first insert, as text.
fn plan_of(sql: &str) -> String {
    match bind(sql, &catalog()) {
        Ok(job) => job.inserts[0].plan.display_indent().to_string(),
        Err(errors) => {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{sql}\n{}", all.join("\n"))
        }
    }
}
