//! Events as files that the Flink benchmark reads; `bench/flink/README.md` gives the format.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};

const MAGIC: &[u8; 8] = b"MILLRNX1";
const MICROS_PER_MILLI: i64 = 1_000;

/// Writes `person.bin`, `auction.bin` and `bid.bin` into `dir`, which it creates.
pub(crate) fn write_streams(
    dir: &Path,
    persons: &[RecordBatch],
    auctions: &[RecordBatch],
    bids: &[RecordBatch],
) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, batches) in [("person", persons), ("auction", auctions), ("bid", bids)] {
        let mut file = BufWriter::new(File::create(dir.join(name).with_extension("bin"))?);
        write_stream(&mut file, batches)?;
        file.flush()?;
    }
    Ok(())
}

fn write_stream(out: &mut impl Write, batches: &[RecordBatch]) -> io::Result<()> {
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    out.write_all(MAGIC)?;
    out.write_all(&(rows as u64).to_le_bytes())?;
    for batch in batches {
        let columns: Vec<_> = batch.columns().iter().map(column).collect::<io::Result<_>>()?;
        for row in 0..batch.num_rows() {
            for column in &columns {
                column.write(row, out)?;
            }
        }
    }
    Ok(())
}

enum Column<'a> {
    Number(&'a [i64]),
    Micros(&'a [i64]),
    Text(&'a StringArray),
}

fn column(array: &ArrayRef) -> io::Result<Column<'_>> {
    if array.null_count() > 0 {
        return Err(io::Error::other("the format has no nulls"));
    }
    match array.data_type() {
        DataType::Int64 => Ok(Column::Number(array.as_primitive::<Int64Type>().values())),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Ok(Column::Micros(array.as_primitive::<TimestampMicrosecondType>().values()))
        }
        DataType::Utf8 => Ok(Column::Text(array.as_string())),
        other => Err(io::Error::other(format!("the format has no {other}"))),
    }
}

impl Column<'_> {
    fn write(&self, row: usize, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Number(values) => out.write_all(&values[row].to_le_bytes()),
            Self::Micros(values) => {
                out.write_all(&values[row].div_euclid(MICROS_PER_MILLI).to_le_bytes())
            }
            Self::Text(values) => {
                let text = values.value(row).as_bytes();
                let length = u32::try_from(text.len()).map_err(io::Error::other)?;
                out.write_all(&length.to_le_bytes())?;
                out.write_all(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int32Array, Int64Array, TimestampMicrosecondArray};

    use super::*;

    fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn rows_follow_the_header_field_by_field() {
        let one = batch(vec![
            ("auction", Arc::new(Int64Array::from(vec![-2]))),
            ("channel", Arc::new(StringArray::from(vec!["né"]))),
            ("dateTime", Arc::new(TimestampMicrosecondArray::from(vec![-1]).with_timezone("UTC"))),
        ]);
        let mut bytes = Vec::new();
        write_stream(&mut bytes, &[one.clone(), one]).unwrap();
        let mut row = (-2_i64).to_le_bytes().to_vec();
        row.extend([3, 0, 0, 0, b'n', 0xc3, 0xa9]);
        row.extend((-1_i64).to_le_bytes());
        let header = [MAGIC.as_slice(), &2_u64.to_le_bytes()].concat();
        assert_eq!(bytes, [header, row.clone(), row].concat());
    }

    #[test]
    fn a_null_and_an_unknown_type_are_refused() {
        let null = batch(vec![("auction", Arc::new(Int64Array::from(vec![None])))]);
        assert!(write_stream(&mut Vec::new(), &[null]).is_err());
        let unknown = batch(vec![("auction", Arc::new(Int32Array::from(vec![1])))]);
        assert!(write_stream(&mut Vec::new(), &[unknown]).is_err());
    }
}
