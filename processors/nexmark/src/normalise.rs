//! Rows as sorted lines of text, so that two results compare whatever their order and batches.

use std::fmt::Write as _;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

/// The rows of `batches` as sorted lines, values apart by tabs. Timestamps are written in UTC to
/// the microsecond whatever their unit and zone; names and order of batches do not count.
pub fn normalise(batches: &[RecordBatch]) -> Vec<String> {
    let mut lines: Vec<String> = batches.iter().flat_map(lines).collect();
    lines.sort_unstable();
    lines
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(plain).collect();
    let options = FormatOptions::default().with_null("NULL");
    let formatters: Vec<_> = columns
        .iter()
        .map(|column| {
            ArrayFormatter::try_new(column.as_ref(), &options)
                .expect("every column type has a text form")
        })
        .collect();
    let line = |row| {
        let mut line = String::new();
        for (column, formatter) in formatters.iter().enumerate() {
            let separator = if column == 0 { "" } else { "\t" };
            write!(line, "{separator}{}", formatter.value(row)).expect("text takes any text");
        }
        line
    };
    (0..batch.num_rows()).map(line).collect()
}

/// Takes unit and zone off a timestamp; the instant stays.
fn plain(column: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(unit, _) = column.data_type() else {
        return ArrayRef::clone(column);
    };
    // By way of whole numbers, because a cast to "no zone" would take the zone's local time.
    let numbers = cast(column, &DataType::Int64).expect("a timestamp is a whole number");
    let instants = cast(&numbers, &DataType::Timestamp(*unit, None));
    let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
    let instants = instants.expect("a whole number is a timestamp");
    cast(&instants, &micros).expect("event times stay within i64 microseconds")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray, TimestampMillisecondArray};
    use arrow::array::{TimestampMicrosecondArray, new_null_array};

    use super::*;

    #[test]
    fn order_batches_and_types_of_time_do_not_count() {
        let micros = TimestampMicrosecondArray::from(vec![1_000, 2_500]).with_timezone("UTC");
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(Int64Array::from(vec![2, 1]))),
            ("b", Arc::new(StringArray::from(vec![Some("x"), None]))),
            ("c", Arc::new(micros)),
        ];
        let whole = RecordBatch::try_from_iter(columns).expect("columns are of one length");
        let parts = [whole.slice(1, 1), whole.slice(0, 1)];
        let lines = normalise(std::slice::from_ref(&whole));
        assert_eq!(lines, normalise(&parts));
        assert_eq!(lines, ["1\tNULL\t1970-01-01T00:00:00.002500", "2\tx\t1970-01-01T00:00:00.001"]);

        let millis = TimestampMillisecondArray::from(vec![1]).with_timezone("+02:00");
        let other: Vec<(&str, ArrayRef)> = vec![
            ("a", Arc::new(Int64Array::from(vec![2]))),
            ("b", Arc::new(StringArray::from(vec!["x"]))),
            ("c", Arc::new(millis)),
        ];
        let other = RecordBatch::try_from_iter(other).expect("columns are of one length");
        assert_eq!(normalise(&[other]), lines[1..]);
    }

    #[test]
    fn rows_that_differ_in_a_null_differ() {
        let column = |array: ArrayRef| RecordBatch::try_from_iter([("a", array)]);
        let null = column(new_null_array(&DataType::Utf8, 1)).expect("one column");
        let empty = column(Arc::new(StringArray::from(vec![""]))).expect("one column");
        assert_ne!(normalise(&[null]), normalise(&[empty]));
    }
}
