//! `pack_older(keep, chunk_bytes, time, rank, name, value, …)`: rows but the latest, compressed.

mod chunk;
mod state;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, StringArray, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Int64Type, TimeUnit, TimestampMicrosecondType,
};
use arrow::json::writer::{EncoderOptions, make_encoder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::{Result, plan_err};
use millrace_plan::AggregateFunction;

use crate::arguments::{of_type, text_at};
use state::{Row, Rows};

/// The rows of a group but the latest `keep`, packed: as JSON lines, the oldest row first, cut into
/// chunks of at most `chunk_bytes` (a longer line is a chunk of its own), compressed with zstd and
/// written in Base64.
///
/// | argument | is |
/// |---|---|
/// | `keep` | how many rows are not packed |
/// | `chunk_bytes` | most bytes of a chunk before it is compressed |
/// | `time`, `rank` | order of the rows; of equal times, the smaller `rank` is later |
/// | `name`, `value`, … | the row: names of its columns and their values; NULLs are left out |
///
/// Rows without a time are left out.
///
/// The result is a list of rows `(chunk, chunks, packed)`: number of the chunk from 0, how many
/// there are, and the chunk. New rows are added to the last chunk, so the others seldom change.
///
/// This is the split of Netflix's viewing history into live and compressed rows ("Scaling
/// Time Series Data Storage", Netflix Technology Blog, January 2018). The state is of that form
/// too: only about `keep` rows are kept as they are, and for each other its order and its share
/// of a compressed chunk.
#[derive(Debug)]
pub(crate) struct PackOlder;

/// Bytes of a usual row.
const LINE: usize = 256;

/// Columns of the result's rows.
fn fields() -> Fields {
    let columns =
        [("chunk", DataType::Int64), ("chunks", DataType::Int64), ("packed", DataType::Utf8)];
    columns.into_iter().map(|(name, kind)| Field::new(name, kind, true)).collect()
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Struct(fields()), true))
}

impl AggregateFunction for PackOlder {
    fn name(&self) -> &'static str {
        "pack_older"
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        use DataType::{LargeUtf8, Timestamp, Utf8, Utf8View};
        let names = |row: &[DataType]| {
            let text = |kind: &DataType| matches!(kind, Utf8 | LargeUtf8 | Utf8View);
            !row.is_empty() && row.len().is_multiple_of(2) && row.iter().step_by(2).all(text)
        };
        match args {
            [keep, bytes, Timestamp(..), rank, row @ ..]
                if [keep, bytes, rank].iter().all(|kind| kind.is_integer()) && names(row) =>
            {
                Ok(DataType::List(item()))
            }
            _ => plan_err!(
                "pack_older takes keep, chunk_bytes, time, rank (a whole number), and a name and a \
                 value of each column"
            ),
        }
    }

    fn update(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let mut held = Rows::read(state)?;
        let (keep, chunk_bytes) = limits(args, rows)?;
        held.limits(keep, chunk_bytes);
        held.settle()?;
        for row in of_columns(args, rows)? {
            held.add(row)?;
        }
        held.write(state);
        Ok(())
    }

    fn merge(&self, state: &mut Vec<u8>, other: &[u8]) -> Result<()> {
        let (mut held, other) = (Rows::read(state)?, Rows::read(other)?);
        held.limits(other.keep, other.chunk_bytes);
        for row in other.all()? {
            held.add(row)?;
        }
        held.settle()?;
        held.write(state);
        Ok(())
    }

    fn retracts(&self) -> bool {
        true
    }

    fn retract(&self, state: &mut Vec<u8>, args: &[ArrayRef], rows: &[u32]) -> Result<()> {
        let mut held = Rows::read(state)?;
        for row in of_columns(args, rows)? {
            held.take(&row)?;
        }
        held.write(state);
        Ok(())
    }

    fn finish(&self, states: &[&[u8]]) -> Result<ArrayRef> {
        let (mut numbers, mut counts, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut lengths = Vec::with_capacity(states.len());
        for state in states {
            let mut held = Rows::read(state)?;
            held.settle()?;
            let chunks = held.chunks();
            for (number, chunk) in (0_i64..).zip(chunks) {
                numbers.push(number);
                counts.push(i64::try_from(chunks.len()).expect("so many fit no memory"));
                texts.push(STANDARD.encode(chunk.packed()));
            }
            lengths.push(chunks.len());
        }
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(numbers)),
            Arc::new(Int64Array::from(counts)),
            Arc::new(StringArray::from(texts)),
        ];
        let rows = StructArray::try_new(fields(), columns, None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        Ok(Arc::new(ListArray::try_new(item(), offsets, Arc::new(rows), None)?))
    }
}

/// `keep` and `chunk_bytes`, which are the same in all rows.
fn limits(args: &[ArrayRef], rows: &[u32]) -> Result<(usize, usize)> {
    let limit = |arg: &ArrayRef| -> Result<usize> {
        let numbers = of_type(arg, &DataType::Int64)?;
        let numbers = numbers.as_primitive::<Int64Type>();
        let row = rows.first().map_or(0, |row| *row as usize);
        Ok(usize::try_from(numbers.value(row)).unwrap_or_default())
    };
    Ok((limit(&args[0])?, limit(&args[1])?))
}

/// The rows in the form in which they are kept.
fn of_columns(args: &[ArrayRef], rows: &[u32]) -> Result<Vec<Row>> {
    let Some(first) = rows.first() else { return Ok(Vec::new()) };
    let micros = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let (times, ranks) = (of_type(&args[2], &micros)?, of_type(&args[3], &DataType::Int64)?);
    let times = times.as_primitive::<TimestampMicrosecondType>();
    let ranks = ranks.as_primitive::<Int64Type>();
    let (mut fields, mut columns) = (Vec::new(), Vec::new());
    for pair in args[4..].chunks_exact(2) {
        let name = text_at(&pair[0], *first as usize).expect("names are texts: `return_type`");
        fields.push(Field::new(name, pair[1].data_type().clone(), true));
        columns.push(pair[1].clone());
    }
    let rows_of = StructArray::try_new(fields.into(), columns, None)?;
    let root = Arc::new(Field::new("", rows_of.data_type().clone(), false));
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(&root, &rows_of, &options)?;
    let row = |row: usize| {
        let mut line = Vec::with_capacity(LINE);
        encoder.encode(row, &mut line);
        // The complement turns the order round, and every number has one.
        Row { time: times.value(row), rank: !ranks.value(row), line }
    };
    let rows = rows.iter().map(|row| *row as usize);
    Ok(rows.filter(|row| times.is_valid(*row)).map(row).collect())
}

#[cfg(test)]
mod tests;
