//! Rows of a batch as JSON texts in one reused buffer, and single columns as text.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StructArray};
use arrow::datatypes::Field;
use arrow::error::ArrowError;
use arrow::json::writer::{EncoderOptions, make_encoder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::value::RawValue;

use millrace_events::RawBatch;

use crate::SinkError;

/// JSON texts, one a row, none of them with a line break.
#[derive(Debug, Default)]
pub struct JsonRows {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl JsonRows {
    /// Replaces the content by the rows of `batch` as objects; null columns are left out.
    pub fn encode(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.clear();
        let root = Arc::new(Field::new_struct("", batch.schema().fields().clone(), false));
        let array = StructArray::from(batch.clone());
        let options = EncoderOptions::default();
        let mut encoder = make_encoder(&root, &array, &options)?;
        for row in 0..batch.num_rows() {
            encoder.encode(row, &mut self.bytes);
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }

    /// Replaces the content by the values of `rows`, which must be JSON; a tombstone is `null`.
    pub(crate) fn copy(&mut self, batch: &RawBatch, rows: &[u32]) -> Result<(), SinkError> {
        self.clear();
        for &row in rows {
            let value = batch.value(row as usize).unwrap_or(b"null");
            if let Err(e) = serde_json::from_slice::<&RawValue>(value) {
                let offset = batch.offsets()[row as usize];
                return Err(SinkError::Rejected {
                    what: format!(
                        "the event at {}/{offset} is not JSON ({e}) and cannot be sent as such; \
                         give the route a `select`, which dead-letters what does not decode",
                        batch.tp()
                    ),
                });
            }
            // Valid JSON has line breaks only between tokens, where a space means the same.
            let one_line = |b: &u8| if matches!(b, b'\n' | b'\r') { b' ' } else { *b };
            self.bytes.extend(value.iter().map(one_line));
            self.ends.push(self.bytes.len());
        }
        Ok(())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of `row`.
    pub fn row(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// The texts of one column: strings as they are, the rest as Arrow prints them.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    text: String,
    /// End of each row's text, and whether it has one.
    ends: Vec<(usize, bool)>,
}

const FORMAT: FormatOptions<'static> = FormatOptions::new().with_display_error(false);

impl Texts {
    /// Replaces the content by column `name` of `batch`; a missing column is refused with a list of
    /// those there are. Without a name no row has a text.
    pub(crate) fn read(
        &mut self,
        batch: &RecordBatch,
        name: Option<&str>,
    ) -> Result<(), SinkError> {
        self.text.clear();
        self.ends.clear();
        let Some(name) = name else { return Ok(()) };
        let Some(array) = batch.column_by_name(name) else {
            let schema = batch.schema();
            let names: Vec<_> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            return Err(SinkError::Rejected {
                what: format!("there is no column `{name}`; the rows have {}", names.join(", ")),
            });
        };
        let no_text = |e| SinkError::Rejected {
            what: format!("column `{name}` cannot be written as text: {e}"),
        };
        let formatter = ArrayFormatter::try_new(array, &FORMAT).map_err(no_text)?;
        for row in 0..batch.num_rows() {
            let there = !array.is_null(row);
            if there {
                formatter.value(row).write(&mut self.text).map_err(no_text)?;
            }
            self.ends.push((self.text.len(), there));
        }
        Ok(())
    }

    /// The text of `row`, unless it is null.
    pub(crate) fn row(&self, row: usize) -> Option<&[u8]> {
        let (end, there) = *self.ends.get(row)?;
        let start = if row == 0 { 0 } else { self.ends[row - 1].0 };
        there.then(|| &self.text.as_bytes()[start..end])
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{DataType, Schema, TimeUnit};

    use millrace_events::{Offset, RawBatchBuilder, RawRecord, TopicPartition};

    use super::*;

    fn raw(values: &[Option<&[u8]>]) -> RawBatch {
        let mut builder = RawBatchBuilder::new(TopicPartition::new("t", 0), Offset(0));
        for (offset, value) in (0..).zip(values) {
            builder.push(RawRecord {
                offset: Offset(offset),
                timestamp_ms: 0,
                key: None,
                value: *value,
                headers: &[],
            });
        }
        builder.finish()
    }

    #[test]
    fn a_row_is_one_line_whatever_its_texts_hold() {
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let schema = Schema::new(vec![
            Field::new("id", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
            Field::new("at", utc, true),
        ]);
        let batch = RecordBatch::try_new(
            Arc::new(schema),
            vec![
                Arc::new(StringArray::from(vec![Some("a\n\"b\""), None])),
                Arc::new(Int64Array::from(vec![None, Some(7)])),
                Arc::new(
                    TimestampMicrosecondArray::from(vec![Some(1_000_000), None])
                        .with_timezone("UTC"),
                ),
            ],
        )
        .expect("columns fit the schema");
        let mut rows = JsonRows::default();
        rows.encode(&batch).expect("encodes");
        let texts: Vec<_> =
            (0..rows.len()).map(|i| String::from_utf8_lossy(rows.row(i)).into_owned()).collect();
        assert_eq!(
            texts,
            [r#"{"id":"a\n\"b\"","at":"1970-01-01T00:00:01Z"}"#, r#"{"n":7}"#],
            "null columns are left out"
        );
        let mut ids = Texts::default();
        ids.read(&batch, Some("id")).expect("is there");
        assert_eq!(ids.row(0), Some("a\n\"b\"".as_bytes()));
        assert_eq!(ids.row(1), None, "null is not the empty text");
        let error = ids.read(&batch, Some("ide")).expect_err("unknown").to_string();
        assert!(error.contains("id, n, at"), "{error}");
    }

    #[test]
    fn raw_json_is_copied_onto_one_line() {
        let batch = raw(&[Some(b"{\n \"a\": 12345678901234567890123 }\r\n"), None, Some(b"[]")]);
        let mut rows = JsonRows::default();
        rows.copy(&batch, &[0, 1]).expect("JSON");
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.row(0), b"{  \"a\": 12345678901234567890123 }  ");
        assert_eq!(rows.row(1), b"null");
    }

    #[test]
    fn bytes_that_are_not_json_are_refused_with_their_position() {
        let batch = raw(&[Some(b"{}"), Some(b"\xff")]);
        let error = JsonRows::default().copy(&batch, &[0, 1]).expect_err("not JSON");
        assert!(matches!(error, SinkError::Rejected { .. }));
        assert!(error.to_string().contains("t/0/1"), "{error}");
    }
}
