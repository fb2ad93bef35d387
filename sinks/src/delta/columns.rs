//! Brings batches into the form the files hold: storable types, the agreed columns in order.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;

/// The columns a writer stores, in order.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    /// As batches come.
    input: SchemaRef,
    /// As files hold them, partition columns included.
    stored: SchemaRef,
    /// Indices of the columns that need a cast.
    casts: Vec<usize>,
}

impl Columns {
    pub(crate) fn new(input: SchemaRef) -> Self {
        let field = |f: &FieldRef| Arc::new(Field::new(f.name(), stored_type(f.data_type()), true));
        let stored = Arc::new(Schema::new(input.fields().iter().map(field).collect::<Fields>()));
        let pairs = input.fields().iter().zip(stored.fields());
        let casts = pairs
            .enumerate()
            .filter(|(_, (a, b))| a.data_type() != b.data_type())
            .map(|(i, _)| i)
            .collect();
        Self { input, stored, casts }
    }

    pub(crate) fn stored(&self) -> &SchemaRef {
        &self.stored
    }

    /// `batch` as files hold it; the columns themselves are shared unless their type must change.
    pub(crate) fn store(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = self.align(batch)?;
        for i in &self.casts {
            columns[*i] = cast(&columns[*i], self.stored.field(*i).data_type())?;
        }
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.stored.clone(), columns, &options)
    }

    /// The agreed columns of `batch`; a missing one is null, an unknown or different one an error.
    fn align(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let same =
            |(a, b): (&FieldRef, &FieldRef)| a.name() == b.name() && a.data_type() == b.data_type();
        let (have, want) = (batch.schema_ref().fields(), self.input.fields());
        if have.len() == want.len() && have.iter().zip(want).all(same) {
            return Ok(batch.columns().to_vec());
        }
        if let Some(unknown) = have.iter().find(|f| self.input.index_of(f.name()).is_err()) {
            let what = format!("column `{}` is not one of the route's", unknown.name());
            return Err(ArrowError::SchemaError(what));
        }
        let column = |field: &FieldRef| match batch.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
            Some(column) => Err(ArrowError::SchemaError(format!(
                "column `{}` is {}, the route says {}",
                field.name(),
                column.data_type(),
                field.data_type()
            ))),
        };
        want.iter().map(column).collect()
    }
}

/// The Arrow type whose Parquet form is the Delta type: timestamps in UTC microseconds, signed
/// integers, dates in days. Views and dictionaries stay, for Parquet has one form for them.
fn stored_type(data_type: &DataType) -> DataType {
    use DataType as D;
    match data_type {
        D::Timestamp(TimeUnit::Microsecond, Some(_)) => data_type.clone(),
        D::Timestamp(_, _) => D::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        D::UInt8 => D::Int16,
        D::UInt16 => D::Int32,
        D::UInt32 => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Float16 => D::Float32,
        D::Date64 => D::Date32,
        D::Null => D::Utf8,
        D::FixedSizeBinary(_) => D::Binary,
        D::Dictionary(_, value) if stored_type(value) != **value => stored_type(value),
        D::List(f) => D::List(stored_field(f)),
        D::LargeList(f) => D::LargeList(stored_field(f)),
        D::Struct(fields) => D::Struct(fields.iter().map(stored_field).collect()),
        _ => data_type.clone(),
    }
}

fn stored_field(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), stored_type(field.data_type()), true))
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray, TimestampMillisecondArray, UInt32Array};
    use arrow::datatypes::TimestampMicrosecondType;

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::try_from_iter([
            ("t", Arc::new(TimestampMillisecondArray::from(vec![1_500])) as ArrayRef),
            ("u", Arc::new(UInt32Array::from(vec![u32::MAX]))),
            ("s", Arc::new(StringArray::from(vec!["x"]))),
        ])
        .expect("consistent")
    }

    #[test]
    fn types_become_storable_and_the_rest_is_shared() {
        let batch = batch();
        let stored = Columns::new(batch.schema()).store(&batch).expect("stores");
        let times = stored.column(0).as_primitive::<TimestampMicrosecondType>();
        assert_eq!((times.value(0), times.timezone()), (1_500_000, Some("UTC")));
        let wide = stored.column(1).as_any().downcast_ref::<Int64Array>().expect("wider");
        assert_eq!(wide.value(0), i64::from(u32::MAX));
        assert!(Arc::ptr_eq(stored.column(2), batch.column(2)));
    }

    #[test]
    fn batches_are_matched_by_name() {
        let columns = Columns::new(batch().schema());
        let fewer = batch().project(&[2, 0]).expect("projects");
        let stored = columns.store(&fewer).expect("stores");
        assert_eq!((stored.num_columns(), stored.column(1).null_count()), (3, 1));
        let other = Columns::new(fewer.schema());
        assert!(other.store(&batch()).is_err(), "an unknown column is refused");
    }
}
