//! Schemas of tables: Arrow types as Delta names them, and how a table's schema may grow.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Fields, Schema};
use serde_json::{Value, json};

use millrace_events::TableName;

use super::actions::{Format, MetaData};
use crate::SinkError;

/// Columns and partitioning a writer needs of its table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableShape {
    pub(crate) table: TableName,
    /// Delta schema fields.
    pub(crate) fields: Vec<Value>,
    pub(crate) partition_columns: Vec<String>,
}

impl TableShape {
    /// The shape of a table with these Arrow columns.
    pub(crate) fn new(
        table: &TableName,
        columns: &Schema,
        partition_columns: Vec<String>,
    ) -> Result<Self, SinkError> {
        let fields = delta_fields(table, columns.fields())?;
        let mut names: Vec<_> = fields.iter().map(|f| name_of(f).to_lowercase()).collect();
        names.sort_unstable();
        if let Some(twice) =
            names.windows(2).find(|pair| pair[0] == pair[1]).and_then(|pair| pair.first())
        {
            return Err(rejected(table, format!("column `{twice}` occurs twice")));
        }
        Ok(Self { table: table.clone(), fields, partition_columns })
    }

    /// What the table's metadata must become, `None` when it already is. `id` and `now_ms` are for
    /// a table that does not exist yet.
    pub(crate) fn merge_into(
        &self,
        existing: Option<&MetaData>,
        id: &str,
        now_ms: i64,
    ) -> Result<Option<MetaData>, SinkError> {
        let Some(existing) = existing else { return Ok(Some(self.create(id, now_ms))) };
        if existing.partition_columns != self.partition_columns {
            let what = format!(
                "it is partitioned by {:?}, the route wants {:?}; write to another table",
                existing.partition_columns, self.partition_columns
            );
            return Err(rejected(&self.table, what));
        }
        let mut fields = parse_fields(&self.table, &existing.schema_string)?;
        let known = fields.len();
        for wanted in &self.fields {
            match fields[..known].iter().find(|f| same_name(f, wanted)) {
                Some(have) => self.check(have, wanted)?,
                None => fields.push(wanted.clone()),
            }
        }
        for have in &fields[..known] {
            if have["nullable"] == Value::Bool(false) {
                let what = format!("column `{}` may not be null", name_of(have));
                return Err(rejected(&self.table, what));
            }
        }
        Ok((fields.len() > known)
            .then(|| MetaData { schema_string: schema_string(&fields), ..existing.clone() }))
    }

    fn create(&self, id: &str, now_ms: i64) -> MetaData {
        MetaData {
            id: id.to_owned(),
            name: None,
            description: None,
            format: Format { provider: "parquet".to_owned(), options: BTreeMap::new() },
            schema_string: schema_string(&self.fields),
            partition_columns: self.partition_columns.clone(),
            configuration: BTreeMap::new(),
            created_time: Some(now_ms),
        }
    }

    fn check(&self, have: &Value, wanted: &Value) -> Result<(), SinkError> {
        let (theirs, ours) = (plain(&have["type"]), plain(&wanted["type"]));
        if theirs == ours && name_of(have) == name_of(wanted) {
            return Ok(());
        }
        let what = format!(
            "column `{}` is {theirs} in the table and {ours} (as `{}`) in the route; rename it or \
             write to another table",
            name_of(have),
            name_of(wanted),
        );
        Err(rejected(&self.table, what))
    }
}

pub(crate) fn rejected(table: &TableName, what: impl std::fmt::Display) -> SinkError {
    SinkError::Rejected { what: format!("table `{table}`: {what}") }
}

fn name_of(field: &Value) -> &str {
    field["name"].as_str().unwrap_or_default()
}

/// Delta compares column names without case.
fn same_name(a: &Value, b: &Value) -> bool {
    name_of(a).to_lowercase() == name_of(b).to_lowercase()
}

/// The type without the metadata and nullability of nested fields.
fn plain(data_type: &Value) -> Value {
    match data_type {
        Value::Object(map) => map
            .iter()
            .filter(|(k, _)| {
                !matches!(
                    k.as_str(),
                    "metadata" | "nullable" | "containsNull" | "valueContainsNull"
                )
            })
            .map(|(k, v)| (k.clone(), plain(v)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

fn schema_string(fields: &[Value]) -> String {
    json!({ "type": "struct", "fields": fields }).to_string()
}

fn parse_fields(table: &TableName, schema_string: &str) -> Result<Vec<Value>, SinkError> {
    let schema: Value = serde_json::from_str(schema_string)
        .map_err(|e| rejected(table, format!("its schema cannot be read: {e}")))?;
    schema["fields"].as_array().cloned().ok_or_else(|| rejected(table, "its schema has no fields"))
}

fn delta_fields(table: &TableName, fields: &Fields) -> Result<Vec<Value>, SinkError> {
    let field = |f: &arrow::datatypes::FieldRef| {
        if f.name().is_empty()
            || f.name().contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '='])
        {
            let what = format!("`{}` is no column name: no blanks or any of ,;{{}}()=", f.name());
            return Err(rejected(table, what));
        }
        let data_type = delta_type(f.data_type()).ok_or_else(|| {
            rejected(table, format!("column `{}`: {} cannot be stored", f.name(), f.data_type()))
        })?;
        Ok(json!({ "name": f.name(), "type": data_type, "nullable": true, "metadata": {} }))
    };
    fields.iter().map(field).collect()
}

/// The Delta type an Arrow type is stored as.
fn delta_type(arrow: &DataType) -> Option<Value> {
    use DataType as D;
    let name = match arrow {
        D::Boolean => "boolean",
        D::Int8 => "byte",
        D::Int16 | D::UInt8 => "short",
        D::Int32 | D::UInt16 => "integer",
        D::Int64 | D::UInt32 => "long",
        D::UInt64 => "decimal(20,0)",
        D::Float16 | D::Float32 => "float",
        D::Float64 => "double",
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null => "string",
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => "binary",
        D::Date32 | D::Date64 => "date",
        D::Timestamp(_, _) => "timestamp",
        D::Decimal128(precision, scale) if *scale >= 0 => {
            return Some(json!(format!("decimal({precision},{scale})")));
        }
        D::Dictionary(_, value) => return delta_type(value),
        D::List(f) | D::LargeList(f) => {
            let element = delta_type(f.data_type())?;
            return Some(json!({ "type": "array", "elementType": element, "containsNull": true }));
        }
        D::Struct(fields) => {
            let field = |f: &arrow::datatypes::FieldRef| {
                let data_type = delta_type(f.data_type())?;
                let name = f.name();
                Some(json!({ "name": name, "type": data_type, "nullable": true, "metadata": {} }))
            };
            let fields: Vec<_> = fields.iter().map(field).collect::<Option<_>>()?;
            return Some(json!({ "type": "struct", "fields": fields }));
        }
        _ => return None,
    };
    Some(json!(name))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit};

    use super::*;

    fn shape(fields: Vec<Field>, partition: &[&str]) -> TableShape {
        let table = "t".parse().expect("valid");
        let partition = partition.iter().map(ToString::to_string).collect();
        TableShape::new(&table, &Schema::new(fields), partition).expect("storable")
    }

    fn ts() -> DataType {
        DataType::Timestamp(TimeUnit::Millisecond, None)
    }

    #[test]
    fn new_columns_are_added_at_the_end_and_old_ones_may_be_missing() {
        let old =
            shape(vec![Field::new("a", DataType::Int64, false), Field::new("b", ts(), true)], &[]);
        let made = old.merge_into(None, "id", 1).expect("fine").expect("created");
        assert_eq!(old.merge_into(Some(&made), "x", 2).expect("fine"), None);
        let grown = shape(
            vec![Field::new("c", DataType::Utf8View, true), Field::new("b", ts(), true)],
            &[],
        );
        let merged = grown.merge_into(Some(&made), "x", 2).expect("fine").expect("changed");
        assert_eq!((merged.id.as_str(), merged.created_time), ("id", Some(1)));
        let fields = parse_fields(&grown.table, &merged.schema_string).expect("parses");
        let names: Vec<_> = fields.iter().map(|f| (name_of(f), f["type"].clone())).collect();
        assert_eq!(
            names,
            [("a", json!("long")), ("b", json!("timestamp")), ("c", json!("string"))]
        );
        assert!(fields.iter().all(|f| f["nullable"] == json!(true)));
    }

    #[test]
    fn a_changed_type_is_refused_with_both_types() {
        let made = shape(vec![Field::new("a", DataType::Int64, true)], &[]);
        let made = made.merge_into(None, "id", 1).expect("fine").expect("created");
        let other = shape(vec![Field::new("a", DataType::Utf8, true)], &[]);
        let error = other.merge_into(Some(&made), "x", 2).expect_err("refused").to_string();
        assert!(error.contains("`a` is \"long\"") && error.contains("\"string\""), "{error}");
        let case = shape(vec![Field::new("A", DataType::Int64, true)], &[]);
        assert!(case.merge_into(Some(&made), "x", 2).is_err());
        let partitioned = shape(vec![Field::new("a", DataType::Int64, true)], &["a"]);
        assert!(partitioned.merge_into(Some(&made), "x", 2).is_err());
    }

    #[test]
    fn what_delta_cannot_hold_is_refused() {
        let table: TableName = "t".parse().expect("valid");
        for bad in [
            Field::new("a b", DataType::Int64, true),
            Field::new("", DataType::Int64, true),
            Field::new("a", DataType::Duration(TimeUnit::Second), true),
        ] {
            assert!(TableShape::new(&table, &Schema::new(vec![bad]), vec![]).is_err());
        }
        let twice =
            vec![Field::new("a", DataType::Int64, true), Field::new("A", DataType::Int64, true)];
        assert!(TableShape::new(&table, &Schema::new(twice), vec![]).is_err());
    }
}
