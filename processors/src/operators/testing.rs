//! What the tests of operators share: rows from literals, outputs as lines of text.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::util::display::array_value_to_string;

use millrace_state::Table;

use crate::{Batch, Micros, Operator, OperatorContext, Output, RowKind};

/// The type of event time.
pub(crate) fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

pub(crate) fn schema(fields: &[(&str, DataType)]) -> SchemaRef {
    let field = |(name, of): &(&str, DataType)| Field::new(*name, of.clone(), true);
    Arc::new(Schema::new(fields.iter().map(field).collect::<Vec<_>>()))
}

pub(crate) fn longs(values: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values))
}

pub(crate) fn texts<'a>(values: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(StringArray::from_iter(values))
}

pub(crate) fn instants(values: impl IntoIterator<Item = Option<Micros>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter(values).with_timezone("UTC"))
}

pub(crate) fn rows(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}

/// Rows as text: the kind in Flink's letters, then the values; instants are numbers.
pub(crate) fn lines(batches: &[Batch]) -> Vec<String> {
    let mut lines = Vec::new();
    for batch in batches {
        for row in 0..batch.len() {
            let kind = match batch.kind(row) {
                RowKind::Insert => "+I",
                RowKind::UpdateBefore => "-U",
                RowKind::UpdateAfter => "+U",
                RowKind::Delete => "-D",
            };
            lines.push(format!("{kind} {}", values(&batch.rows, row)));
        }
    }
    lines
}

/// One row as text.
pub(crate) fn values(rows: &RecordBatch, row: usize) -> String {
    let value = |column: &ArrayRef| {
        if column.is_null(row) {
            return "null".to_owned();
        }
        if column.data_type() == &instant() {
            let long = arrow::compute::cast(column, &DataType::Int64).unwrap();
            return array_value_to_string(&long, row).unwrap();
        }
        array_value_to_string(column, row).unwrap()
    };
    rows.columns().iter().map(value).collect::<Vec<_>>().join(" ")
}

/// What the operator makes of a batch.
pub(crate) fn push(operator: &mut dyn Operator, port: usize, batch: Batch) -> Vec<String> {
    let mut out = Output::default();
    operator.process(port, batch, &mut out).unwrap();
    lines(&out.batches)
}

/// What the operator makes of a watermark.
pub(crate) fn advance(operator: &mut dyn Operator, watermark: Micros) -> Vec<String> {
    let mut out = Output::default();
    operator.watermark(watermark, &mut out).unwrap();
    lines(&out.batches)
}

/// The operator's tables, as a checkpoint would keep them; the operator is of no use any more.
pub(crate) fn checkpoint(operator: &mut dyn Operator) -> HashMap<String, Table> {
    operator.before_checkpoint(&mut Output::default()).unwrap();
    let take = |table: &mut Table| {
        let name = table.name().to_owned();
        (name, std::mem::replace(table, Table::new("gone")))
    };
    operator.tables().into_iter().map(take).collect()
}

/// A context after a crash: what the checkpoint kept, and nothing else.
pub(crate) fn restored(tables: HashMap<String, Table>, watermark: Micros) -> OperatorContext {
    OperatorContext { restored: tables, watermark, ..OperatorContext::fresh("operator") }
}
