//! What is left of a changelog once all of it has been applied.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{concat_batches, interleave_record_batch};
use arrow::datatypes::SchemaRef;

use millrace_state::{RowCodec, Rows};

use crate::{Batch, JobError};

/// The rows that `batches`, in this order, leave behind: all of them without a key, else the last
/// row of each key unless it was deleted, in the order in which the keys first came.
///
/// # Errors
///
/// Columns of a key that cannot be compared.
pub fn final_rows(
    schema: &SchemaRef,
    key: Option<&[usize]>,
    batches: &[Batch],
) -> Result<RecordBatch, JobError> {
    let Some(key) = key else {
        return Ok(concat_batches(schema, batches.iter().map(|batch| &batch.rows))?);
    };
    let types: Vec<_> = key.iter().map(|at| schema.field(*at).data_type().clone()).collect();
    let codec = RowCodec::new(&types)?;
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    // By key in order of arrival: where its row is, if it has one.
    let mut rows: Vec<Option<(usize, usize)>> = Vec::new();
    let mut keys = Rows::new();
    for (number, batch) in batches.iter().enumerate() {
        keys.clear();
        encode(&codec, key, &batch.rows, &mut keys)?;
        for row in 0..batch.len() {
            let place = match places.entry(keys.get(row).to_vec()) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    rows.push(None);
                    *new.insert(rows.len() - 1)
                }
            };
            let gone = batch.kind(row).is_retraction();
            rows[place] = (!gone).then_some((number, row));
        }
    }
    let sources: Vec<_> = batches.iter().map(|batch| &batch.rows).collect();
    let left: Vec<_> = rows.into_iter().flatten().collect();
    if left.is_empty() {
        return Ok(RecordBatch::new_empty(Arc::clone(schema)));
    }
    Ok(interleave_record_batch(&sources, &left)?)
}

fn encode(
    codec: &RowCodec,
    key: &[usize],
    rows: &RecordBatch,
    keys: &mut Rows,
) -> Result<(), JobError> {
    if key.is_empty() {
        // A table of one row.
        (0..rows.num_rows()).for_each(|_| keys.push(b""));
        return Ok(());
    }
    let columns: Vec<ArrayRef> = key.iter().map(|at| Arc::clone(rows.column(*at))).collect();
    Ok(codec.encode(&columns, keys)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::RowKind;
    use RowKind::{Delete, Insert, UpdateAfter, UpdateBefore};

    fn batch(changes: &[(RowKind, i64, i64)]) -> Batch {
        let column = |pick: fn(&(RowKind, i64, i64)) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(changes.iter().map(pick)))
        };
        let rows = RecordBatch::try_new(schema(), vec![column(|c| c.1), column(|c| c.2)]).unwrap();
        Batch::changes(rows, &changes.iter().map(|change| change.0).collect::<Vec<_>>())
    }

    fn schema() -> SchemaRef {
        let field = |name| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(vec![field("k"), field("v")]))
    }

    fn left(key: Option<&[usize]>, batches: &[Batch]) -> Vec<(i64, i64)> {
        let rows = final_rows(&schema(), key, batches).unwrap();
        let column = |at: usize| rows.column(at).as_primitive::<Int64Type>().values().to_vec();
        column(0).into_iter().zip(column(1)).collect()
    }

    #[test]
    fn the_last_row_of_each_key_is_left() {
        let batches = [
            batch(&[(Insert, 2, 1), (Insert, 1, 1), (Insert, 3, 1)]),
            batch(&[(UpdateBefore, 1, 1), (UpdateAfter, 1, 5), (Delete, 3, 1)]),
            batch(&[(UpdateAfter, 2, 7), (Insert, 4, 1), (Delete, 4, 1), (Insert, 3, 9)]),
        ];
        assert_eq!(left(Some(&[0]), &batches), [(2, 7), (1, 5), (3, 9)]);
        assert_eq!(left(Some(&[]), &batches[..1]), [(3, 1)]);
        assert_eq!(left(None, &batches[..1]), [(2, 1), (1, 1), (3, 1)]);
        assert_eq!(left(Some(&[0]), &[]), []);
        assert_eq!(left(None, &[]), []);
    }
}
