//! Schema and metadata of files of state.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use crate::{ROW_FORMAT, StateError};

/// Version of the files.
const FORMAT: u32 = 1;

const FORMAT_KEY: &str = "millrace.state";
const ROWS_KEY: &str = "millrace.rows";
const TABLES_KEY: &str = "millrace.tables";

/// A table with rows in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TableEntry {
    pub(super) operator: String,
    pub(super) table: String,
    pub(super) dropped: Vec<i64>,
}

pub(super) fn schema(tables: &[TableEntry]) -> SchemaRef {
    let fields = vec![
        Field::new("table", DataType::UInt32, false),
        Field::new("namespace", DataType::Int64, false),
        Field::new("group", DataType::UInt16, false),
        Field::new("key", DataType::Binary, false),
        Field::new("value", DataType::Binary, true),
    ];
    let tables = serde_json::to_string(tables).expect("plain data");
    let metadata = HashMap::from([
        (FORMAT_KEY.to_owned(), FORMAT.to_string()),
        (ROWS_KEY.to_owned(), ROW_FORMAT.to_string()),
        (TABLES_KEY.to_owned(), tables),
    ]);
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// The tables of a file, if this version can read it.
pub(super) fn tables(path: &str, schema: &Schema) -> Result<Vec<TableEntry>, StateError> {
    for (key, ours) in [(FORMAT_KEY, FORMAT), (ROWS_KEY, ROW_FORMAT)] {
        let theirs = schema.metadata.get(key).map_or("none", String::as_str);
        if theirs != ours.to_string() {
            let why = format!("{path}: {key} is {theirs}; this version reads {ours}");
            return Err(StateError::Damaged(why));
        }
    }
    let tables = schema.metadata.get(TABLES_KEY).map_or("", String::as_str);
    serde_json::from_str(tables).map_err(|e| StateError::Damaged(format!("{path}: {e}")))
}
