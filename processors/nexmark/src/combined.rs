//! The three flat streams put back into the one stream that carries all kinds.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StructArray, UInt32Array};
use arrow::compute::{cast, concat_batches, take};
use arrow::datatypes::{DataType, SchemaRef};

use crate::generate::Events;
use crate::partitioned::times;
use crate::schema::{
    AUCTION, BID, PERSON, auction_schema, bid_schema, micros, person_schema, schema,
};

/// The rows of `events` as the stream `nexmark` of [`schema`], in the order of event time and in
/// batches of `batch_rows` rows.
pub fn combined(events: &Events, batch_rows: usize) -> Vec<RecordBatch> {
    let streams = [
        (PERSON, concat(&person_schema(), &events.persons)),
        (AUCTION, concat(&auction_schema(), &events.auctions)),
        (BID, concat(&bid_schema(), &events.bids)),
    ];
    let mut order: Vec<(i64, i32, u32)> = Vec::with_capacity(events.rows());
    for (kind, rows) in &streams {
        order.extend((0..).zip(times(rows).values()).map(|(row, time)| (*time, *kind, row)));
    }
    order.sort_unstable();
    let nested = streams.map(|(kind, rows)| (kind, nest(kind, &rows)));
    order.chunks(batch_rows.max(1)).map(|part| pick(part, &nested)).collect()
}

fn concat(schema: &SchemaRef, batches: &[RecordBatch]) -> RecordBatch {
    concat_batches(schema, batches).expect("batches of a stream share its schema")
}

/// The columns of a flat stream as the struct the combined stream has for it.
fn nest(kind: i32, rows: &RecordBatch) -> StructArray {
    let column = usize::try_from(kind).expect("kinds count from 0") + 1;
    let DataType::Struct(fields) = schema().field(column).data_type().clone() else {
        unreachable!("every kind has a struct in the combined stream")
    };
    let columns = rows.columns().iter().zip(&fields).map(|(column, field)| {
        cast(column, field.data_type()).expect("microseconds become milliseconds")
    });
    StructArray::new(fields.clone(), columns.collect(), None)
}

fn pick(part: &[(i64, i32, u32)], nested: &[(i32, StructArray); 3]) -> RecordBatch {
    let mut columns: Vec<ArrayRef> =
        vec![Arc::new(Int32Array::from_iter_values(part.iter().map(|(_, kind, _)| *kind)))];
    for (wanted, rows) in nested {
        let indices: UInt32Array =
            part.iter().map(|(_, kind, row)| (kind == wanted).then_some(*row)).collect();
        columns.push(take(rows, &indices, None).expect("the indices are rows of the stream"));
    }
    let time = arrow::array::Int64Array::from_iter_values(part.iter().map(|(time, _, _)| *time));
    let time = cast(&time, &micros()).expect("microseconds are a timestamp");
    let schema = schema();
    let time_type = schema.field(4).data_type();
    columns.push(cast(&time, time_type).expect("microseconds become milliseconds"));
    RecordBatch::try_new(schema, columns).expect("the columns are those of the schema")
}

#[cfg(test)]
#[path = "combined_tests.rs"]
mod tests;
