//! The columns of the Nexmark streams, flat as jobs read them and nested as one stream carries all.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef, TimeUnit};

/// `event_type` of a person in the combined stream.
pub const PERSON: i32 = 0;
/// `event_type` of an auction in the combined stream.
pub const AUCTION: i32 = 1;
/// `event_type` of a bid in the combined stream.
pub const BID: i32 = 2;

const PERSON_COLUMNS: [(&str, Kind); 8] = [
    ("id", Kind::Number),
    ("name", Kind::Text),
    ("emailAddress", Kind::Text),
    ("creditCard", Kind::Text),
    ("city", Kind::Text),
    ("state", Kind::Text),
    ("dateTime", Kind::Time),
    ("extra", Kind::Text),
];

const AUCTION_COLUMNS: [(&str, Kind); 10] = [
    ("id", Kind::Number),
    ("itemName", Kind::Text),
    ("description", Kind::Text),
    ("initialBid", Kind::Number),
    ("reserve", Kind::Number),
    ("dateTime", Kind::Time),
    ("expires", Kind::Time),
    ("seller", Kind::Number),
    ("category", Kind::Number),
    ("extra", Kind::Text),
];

const BID_COLUMNS: [(&str, Kind); 7] = [
    ("auction", Kind::Number),
    ("bidder", Kind::Number),
    ("price", Kind::Number),
    ("channel", Kind::Text),
    ("url", Kind::Text),
    ("dateTime", Kind::Time),
    ("extra", Kind::Text),
];

#[derive(Clone, Copy)]
enum Kind {
    Number,
    Text,
    Time,
}

/// The type of every timestamp of a Millrace stream: microseconds, UTC.
pub fn micros() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn millis() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn fields(columns: &[(&str, Kind)], time: &DataType) -> Fields {
    let field = |(name, kind): &(&str, Kind)| {
        let data_type = match kind {
            Kind::Number => DataType::Int64,
            Kind::Text => DataType::Utf8,
            Kind::Time => time.clone(),
        };
        Field::new(*name, data_type, true)
    };
    columns.iter().map(field).collect()
}

/// The stream `person`, with the columns of the view of that name in Flink's Nexmark suite.
pub fn person_schema() -> SchemaRef {
    Arc::new(Schema::new(fields(&PERSON_COLUMNS, &micros())))
}

/// The stream `auction`, with the columns of the view of that name in Flink's Nexmark suite.
pub fn auction_schema() -> SchemaRef {
    Arc::new(Schema::new(fields(&AUCTION_COLUMNS, &micros())))
}

/// The stream `bid`, with the columns of the view of that name in Flink's Nexmark suite.
pub fn bid_schema() -> SchemaRef {
    Arc::new(Schema::new(fields(&BID_COLUMNS, &micros())))
}

/// The one stream `nexmark` that carries all three kinds as structs, as Flink's suite reads it:
/// the struct `event_type` names is there, the other two are null. Times are milliseconds without
/// a zone, which is Flink's `TIMESTAMP(3)`.
pub fn schema() -> SchemaRef {
    let nested = |name: &str, columns: &[(&str, Kind)]| {
        Field::new(name, DataType::Struct(fields(columns, &millis())), true)
    };
    Arc::new(Schema::new(vec![
        Field::new("event_type", DataType::Int32, false),
        nested("person", &PERSON_COLUMNS),
        nested("auction", &AUCTION_COLUMNS),
        nested("bid", &BID_COLUMNS),
        Field::new("dateTime", millis(), false),
    ]))
}
