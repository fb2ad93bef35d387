//! The schema of a stream: named, typed columns, which of them is the id, the key and the event
//! time.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::StreamName;

/// Type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ColumnType {
    /// UTF-8 text.
    String,
    /// `true` or `false`.
    Boolean,
    /// 32-bit signed integer.
    Int32,
    /// 64-bit signed integer.
    Int64,
    /// 32-bit IEEE number.
    Float32,
    /// 64-bit IEEE number.
    Float64,
    /// Milliseconds since the Unix epoch, UTC; JSON may carry a number or RFC 3339 text.
    TimestampMs,
    /// Microseconds since the Unix epoch, UTC; JSON may carry a number or RFC 3339 text.
    TimestampUs,
    /// Calendar date; JSON carries `YYYY-MM-DD`.
    Date,
    /// List of texts.
    StringList,
    /// List of 64-bit numbers.
    Float64List,
}

impl ColumnType {
    /// The Arrow type of the column. Timestamps are microseconds in UTC, which is what Delta
    /// stores.
    pub fn arrow(self) -> DataType {
        let list = |t| DataType::List(Arc::new(Field::new_list_field(t, true)));
        match self {
            Self::String => DataType::Utf8,
            Self::Boolean => DataType::Boolean,
            Self::Int32 => DataType::Int32,
            Self::Int64 => DataType::Int64,
            Self::Float32 => DataType::Float32,
            Self::Float64 => DataType::Float64,
            Self::TimestampMs | Self::TimestampUs => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            Self::Date => DataType::Date32,
            Self::StringList => list(DataType::Utf8),
            Self::Float64List => list(DataType::Float64),
        }
    }

    /// The Arrow type the JSON is read as: a number in a `timestamp_ms` column counts milliseconds.
    pub fn wire(self) -> DataType {
        match self {
            Self::TimestampMs => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            other => other.arrow(),
        }
    }
}

/// A column of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Column name, which is also the JSON key.
    pub name: String,
    /// Column type.
    pub data_type: ColumnType,
    /// Whether an event without it is refused (dead-lettered).
    pub required: bool,
}

/// How event time is read from a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTime {
    /// The timestamp column.
    pub column: String,
    /// Watermark = maximum seen − delay.
    pub delay: Duration,
    /// A partition without events for this long is left out of the watermark.
    pub idle: Duration,
}

/// A stream as the data path needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamSchema {
    /// Stream name.
    pub name: StreamName,
    /// Kafka topic that carries it.
    pub topic: String,
    /// Number of partitions the topic is created with.
    pub partitions: i32,
    /// Column whose value keys the records, if any.
    pub key: Option<String>,
    /// Column that holds the event id, if any. Filled from the record's `ce_id` header, or from
    /// `topic/partition/offset`, when the event does not carry it.
    pub id: Option<String>,
    /// Event time, if any. Filled from the record's timestamp when the event does not carry it.
    pub event_time: Option<EventTime>,
    /// Columns in order; names are unique.
    pub columns: Vec<Column>,
}

impl StreamSchema {
    /// The Arrow schema events are decoded to. Every column is nullable in the table, so that
    /// columns can be added later; `required` is enforced while decoding.
    pub fn arrow(&self) -> SchemaRef {
        let field = |c: &Column| Field::new(&c.name, c.data_type.arrow(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}
