//! What the control plane needs of the rest of the platform, made of its parts.
//!
//! ```text
//!  control ─ Planner ─► planner (plan, state) ─► sample (the job, over its newest events)
//!          ─ Topics ──► topics (bus)      ─ Tables ─► tables (sinks)
//! ```

mod fetch;
pub(crate) mod planner;
mod sample;
pub(crate) mod tables;
pub(crate) mod topics;

use std::fmt::Display;

use arrow::datatypes::{DataType, SchemaRef};

use millrace_bus::BusError;
use millrace_control::SeamError;
use millrace_sinks::SinkError;

/// Columns and their types as the SQL of jobs writes them.
fn columns_in_words(schema: &SchemaRef) -> Vec<(String, String)> {
    schema.fields().iter().map(|f| (f.name().clone(), type_in_words(f.data_type()))).collect()
}

fn type_in_words(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".to_owned(),
        DataType::Date32 => "DATE".to_owned(),
        DataType::Timestamp(..) => "TIMESTAMP".to_owned(),
        DataType::Decimal128(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item) => format!("ARRAY<{}>", type_in_words(item.data_type())),
        other => other.to_string(),
    }
}

fn of_bus(error: BusError) -> SeamError {
    match error {
        BusError::Refused { what } => SeamError::Refused(what),
        BusError::Retry { .. } | BusError::Fatal { .. } => unavailable(error),
    }
}

fn of_sink(error: SinkError) -> SeamError {
    match error {
        SinkError::Rejected { what } => SeamError::Refused(what),
        other => unavailable(other),
    }
}

fn unavailable(error: impl Display) -> SeamError {
    SeamError::Unavailable(error.to_string())
}
