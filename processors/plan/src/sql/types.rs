//! Flink's names of types, in both directions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::planner::TypePlanner;
use datafusion::sql::sqlparser::ast::{
    DataType as SqlType, ExactNumberInfo, ObjectName, TimezoneInfo,
};

use super::window_tvf::event_time_type;

/// Types as Flink names them. Both of its timestamps are instants in UTC here.
#[derive(Debug)]
pub(crate) struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let data_type = match sql_type {
            SqlType::Timestamp(
                precision,
                TimezoneInfo::None | TimezoneInfo::WithoutTimeZone | TimezoneInfo::WithTimeZone,
            ) => timestamp(*precision)?,
            SqlType::Custom(name, modifiers) => match custom(name, modifiers)? {
                Some(data_type) => data_type,
                None => return plan_err!("there is no type `{name}`"),
            },
            SqlType::Decimal(info) | SqlType::Numeric(info) | SqlType::Dec(info) => decimal(info)?,
            SqlType::Double(ExactNumberInfo::None) | SqlType::DoublePrecision => DataType::Float64,
            SqlType::Float(ExactNumberInfo::None) => DataType::Float32,
            SqlType::Bytes(_) | SqlType::Varbinary(_) | SqlType::Binary(_) => DataType::Binary,
            SqlType::Time(..) => return plan_err!("the type TIME is not supported yet"),
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", data_type, true))))
    }
}

fn timestamp(precision: Option<u64>) -> Result<DataType> {
    match precision {
        None | Some(0..=6) => Ok(event_time_type()),
        Some(other) => {
            plan_err!("TIMESTAMP({other}) is not supported: event time has microseconds")
        }
    }
}

fn custom(name: &ObjectName, modifiers: &[String]) -> Result<Option<DataType>> {
    match name.to_string().to_ascii_uppercase().as_str() {
        "TIMESTAMP_LTZ" => {
            let precision = modifiers.first().and_then(|text| text.parse().ok());
            timestamp(precision).map(Some)
        }
        _ => Ok(None),
    }
}

/// Flink's default is DECIMAL(10, 0).
fn decimal(info: &ExactNumberInfo) -> Result<DataType> {
    let (precision, scale) = match info {
        ExactNumberInfo::None => (10, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    match (u8::try_from(precision), i8::try_from(scale)) {
        (Ok(p @ 1..=38), Ok(s @ 0..)) if i16::from(p) >= i16::from(s) => {
            Ok(DataType::Decimal128(p, s))
        }
        _ => plan_err!("DECIMAL({precision}, {scale}) is out of range: at most 38 digits"),
    }
}

/// The name Flink gives a type.
pub(crate) fn flink_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "NULL".into(),
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INT".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::Float32 => "FLOAT".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".into(),
        DataType::FixedSizeBinary(n) => format!("BINARY({n})"),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            let name = if zone.is_some() { "TIMESTAMP_LTZ" } else { "TIMESTAMP" };
            format!("{name}({digits})")
        }
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".into(),
        DataType::Decimal128(p, s) | DataType::Decimal256(p, s) => format!("DECIMAL({p}, {s})"),
        DataType::List(field) | DataType::LargeList(field) | DataType::ListView(field) => {
            format!("ARRAY<{}>", flink_name(field.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), flink_name(field.data_type())))
                .collect();
            format!("ROW<{}>", fields.join(", "))
        }
        DataType::Dictionary(_, value) => flink_name(value),
        other => other.to_string(),
    }
}
