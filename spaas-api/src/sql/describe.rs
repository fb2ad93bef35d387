//! What there is to ask about: SHOW TABLES, DESCRIBE and `information_schema`, from the source
//! itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::TableProvider;
use datafusion::datasource::MemTable;

use millrace_events::TableName;

use super::error::SqlError;

/// Schema of the tables about tables.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// One row a table.
pub(crate) fn tables(names: &[TableName]) -> RecordBatch {
    let (schemas, tables): (Vec<_>, Vec<_>) = names.iter().map(TableName::parts).unzip();
    batch([("table_schema", text(&schemas)), ("table_name", text(&tables))])
}

/// One row a column of one table.
pub(crate) fn columns(of: &Schema) -> RecordBatch {
    let fields = of.fields();
    let names: Vec<_> = fields.iter().map(|f| f.name().as_str()).collect();
    batch([
        ("column_name", text(&names)),
        ("data_type", text(&types(of))),
        ("is_nullable", nullable(of)),
    ])
}

/// One row a column of every table.
pub(crate) fn all_columns(tables: &[(TableName, Arc<Schema>)]) -> Result<RecordBatch, SqlError> {
    let batches = tables.iter().map(|(name, schema)| {
        let n = schema.fields().len();
        let (in_schema, table) = name.parts();
        let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        batch([
            ("table_schema", text(&vec![in_schema; n])),
            ("table_name", text(&vec![table; n])),
            ("column_name", text(&names)),
            ("data_type", text(&types(schema))),
            ("is_nullable", nullable(schema)),
        ])
    });
    let batches: Vec<_> = batches.collect();
    let shape = ["table_schema", "table_name", "column_name", "data_type"];
    let mut fields: Vec<_> = shape.map(|n| Field::new(n, DataType::Utf8, false)).into();
    fields.push(Field::new("is_nullable", DataType::Boolean, false));
    arrow::compute::concat_batches(&Arc::new(Schema::new(fields)), &batches)
        .map_err(|e| SqlError::internal("the columns could not be listed", &e))
}

/// A batch as a table.
pub(crate) fn table(batch: RecordBatch) -> Result<Arc<dyn TableProvider>, SqlError> {
    let table = MemTable::try_new(batch.schema(), vec![vec![batch]])
        .map_err(|e| SqlError::internal("the tables could not be listed", &e))?;
    Ok(Arc::new(table))
}

fn types(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|f| f.data_type().to_string()).collect()
}

fn nullable(schema: &Schema) -> ArrayRef {
    let values: Vec<bool> = schema.fields().iter().map(|f| f.is_nullable()).collect();
    Arc::new(BooleanArray::from(values))
}

fn text(values: &[impl AsRef<str>]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> RecordBatch {
    let columns = columns.map(|(name, array)| (name, array, false));
    RecordBatch::try_from_iter_with_nullable(columns).expect("the columns are equally long")
}
