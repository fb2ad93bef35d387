//! JSON events straight to Arrow: one pass over the bytes, no value tree, a verdict on every
//! record.
//!
//! Arrow's own JSON reader is as fast but cannot keep the promises made here: it turns `1.5` in an
//! integer column into `1`, saturates timestamps, stops at the first bad record of a batch, and
//! does not count what it drops. Tests hold this decoder against it on well-typed events.

mod column;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;

use self::column::{ColumnBuffer, Fault};
use self::scan::{BadJson, Scan};
use crate::id::header_id;
use crate::{ColumnType, Decoded, RawBatch, StreamSchema};

/// Longest piece of an event that is quoted in a reason.
const QUOTED_CHARS: usize = 60;
/// Keys outside the schema that are remembered; more are looked up each time.
const MAX_UNKNOWN_KEYS: usize = 256;
const MAX_UNKNOWN_BYTES: usize = 128;

/// Turns the records of a stream into the columns of its schema. Keep one per task: it learns the
/// order in which the events name their columns.
///
/// A record is a row when its value is exactly one JSON object (RFC 8259, UTF-8, nested at most 64
/// deep) whose columns have the types of the schema; otherwise it is dead, with a reason. Types are
/// not coerced, except that an integer may be written `3.0` and a timestamp as RFC 3339 text. When
/// a key is given twice the last one counts, as with most readers of JSON. A missing or null id
/// becomes the `ce_id` header or `topic/partition/offset`; a missing or null event time, the
/// record's timestamp.
#[derive(Debug)]
pub struct Decoder {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Keys met in events: those of the columns, in order, then up to [`MAX_UNKNOWN_KEYS`] others.
    keys: Vec<Key>,
    by_name: HashMap<String, usize>,
    /// The key that opened the last object.
    first: usize,
}

#[derive(Debug)]
struct Key {
    /// As JSON writes it, quotes included.
    quoted: String,
    /// The key that came next when last seen. A right guess turns finding a column into one
    /// comparison of bytes.
    next: usize,
}

#[derive(Debug)]
struct Column {
    name: String,
    data_type: ColumnType,
    required: bool,
    fill: Fill,
    buffer: ColumnBuffer,
}

/// What stands in for a value that the event does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Nothing,
    Id,
    Time,
}

type Reason = String;

impl From<BadJson> for Reason {
    fn from(bad: BadJson) -> Self {
        bad.to_string()
    }
}

impl Decoder {
    /// A decoder for the events of a stream.
    pub fn new(schema: &StreamSchema) -> Self {
        let column = |c: &crate::Column| {
            let is_time = matches!(c.data_type, ColumnType::TimestampMs | ColumnType::TimestampUs);
            let names_time = schema.event_time.as_ref().is_some_and(|t| t.column == c.name);
            let fill = match c.data_type {
                ColumnType::String if schema.id.as_ref() == Some(&c.name) => Fill::Id,
                _ if is_time && names_time => Fill::Time,
                _ => Fill::Nothing,
            };
            Column {
                name: c.name.clone(),
                data_type: c.data_type,
                required: c.required,
                fill,
                buffer: ColumnBuffer::new(c.data_type),
            }
        };
        let columns: Vec<_> = schema.columns.iter().map(column).collect();
        let keys = columns.iter().enumerate().map(|(i, c)| Key::new(&c.name, i + 1)).collect();
        let by_name = columns.iter().enumerate().map(|(i, c)| (c.name.clone(), i)).collect();
        Self { schema: schema.arrow(), columns, keys, by_name, first: 0 }
    }

    /// Decodes every record of `raw`: each is a row of the result, or dead.
    pub fn decode(&mut self, raw: &RawBatch) -> Decoded {
        let mut rows = Vec::with_capacity(raw.len());
        let (mut dead, mut unknown) = (Vec::new(), 0);
        self.columns.iter_mut().for_each(|c| c.buffer.reserve(raw.len()));
        for record in 0..raw.len() {
            let number = u32::try_from(record).expect("a batch holds far fewer than 2^32 records");
            match self.record(raw, record, rows.len()) {
                Ok(extra) => {
                    rows.push(number);
                    unknown += extra;
                }
                Err(reason) => {
                    self.columns.iter_mut().for_each(|c| c.buffer.truncate(rows.len()));
                    dead.push((number, reason));
                }
            }
        }
        let batch =
            self.finish(rows.len()).expect("buffers have the schema's types and one length");
        Decoded { batch, rows, dead, unknown }
    }

    fn finish(&mut self, rows: usize) -> Result<RecordBatch, ArrowError> {
        let arrays =
            self.columns.iter_mut().map(|c| c.buffer.finish()).collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
    }

    /// Appends record `record` as row `row`; gives the number of unknown columns it has.
    fn record(&mut self, raw: &RawBatch, record: usize, row: usize) -> Result<u64, Reason> {
        let mut scan = Scan::new(text_of(raw.value(record))?);
        scan.whitespace();
        if !scan.take(b'{') {
            return Err(not_an_object(scan));
        }
        let unknown = self.members(&mut scan, row)?;
        scan.whitespace();
        if scan.peek().is_some() {
            return Err(format!("the JSON object ends at byte {}, but more follows", scan.at()));
        }
        self.complete(raw, record, row)?;
        Ok(unknown)
    }

    /// Takes what is left of an object after its `{`.
    fn members(&mut self, scan: &mut Scan<'_>, row: usize) -> Result<u64, Reason> {
        let mut unknown = 0;
        let mut previous = None;
        scan.whitespace();
        if scan.take(b'}') {
            return Ok(0);
        }
        loop {
            scan.whitespace();
            let key = self.key(scan, previous)?;
            scan.whitespace();
            scan.need(b':', "`:` after a key")?;
            scan.whitespace();
            if let Some(column) = key.filter(|k| *k < self.columns.len()) {
                self.value(scan, column, row)?;
            } else {
                scan.skip()?;
                unknown += 1;
            }
            previous = key.or(previous);
            scan.whitespace();
            if scan.take(b'}') {
                return Ok(unknown);
            }
            scan.need(b',', "`,` or `}`")?;
        }
    }

    /// Takes a key and finds its number, which is that of its column if it has one.
    fn key(
        &mut self,
        scan: &mut Scan<'_>,
        previous: Option<usize>,
    ) -> Result<Option<usize>, BadJson> {
        let guess = previous.map_or(self.first, |p| self.keys[p].next);
        if self.keys.get(guess).is_some_and(|k| scan.take_all(&k.quoted)) {
            return Ok(Some(guess));
        }
        if scan.peek() != Some(b'"') {
            return scan.bad("a key in double quotes");
        }
        let name = scan.string()?;
        let found = match self.by_name.get(name.as_ref()) {
            Some(key) => *key,
            None if self.may_learn(&name) => self.learn(&name),
            None => return Ok(None),
        };
        *previous.map_or(&mut self.first, |p| &mut self.keys[p].next) = found;
        Ok(Some(found))
    }

    /// Producers choose the keys, so what is remembered of them is bounded.
    fn may_learn(&self, name: &str) -> bool {
        name.len() <= MAX_UNKNOWN_BYTES && self.keys.len() < self.columns.len() + MAX_UNKNOWN_KEYS
    }

    fn learn(&mut self, name: &str) -> usize {
        let number = self.keys.len();
        self.keys.push(Key::new(name, number + 1));
        self.by_name.insert(name.to_owned(), number);
        number
    }

    fn value(&mut self, scan: &mut Scan<'_>, column: usize, row: usize) -> Result<(), Reason> {
        let column = &mut self.columns[column];
        if column.buffer.len() > row {
            column.buffer.truncate(row);
        }
        let start = *scan;
        column.buffer.read(scan).map_err(|fault| column.reason(fault, start))
    }

    /// Gives the columns the event did not name their value, or refuses the event.
    fn complete(&mut self, raw: &RawBatch, record: usize, row: usize) -> Result<(), Reason> {
        for column in &mut self.columns {
            if column.buffer.len() == row {
                column.buffer.push_null().map_err(|_| column.overflow())?;
            }
            if column.buffer.last_is_value() {
                continue;
            }
            let time_ms = raw.timestamps_ms()[record];
            let filled = match column.fill {
                Fill::Id => {
                    column.buffer.truncate(row);
                    column.buffer.push_text(&id_of(raw, record))
                }
                // Kafka writes -1 for a record without a timestamp.
                Fill::Time if time_ms >= 0 => {
                    column.buffer.truncate(row);
                    column.buffer.push_time_ms(time_ms)
                }
                _ if column.required => {
                    return Err(format!(
                        "column `{}` is required but missing or null",
                        column.name
                    ));
                }
                _ => Ok(()),
            };
            filled.map_err(|_| column.overflow())?;
        }
        Ok(())
    }
}

impl Key {
    fn new(name: &str, next: usize) -> Self {
        Self { quoted: serde_json::Value::from(name).to_string(), next }
    }
}

impl Column {
    fn overflow(&self) -> Reason {
        format!("column `{}`: its value is too large for one batch", self.name)
    }

    /// Says what is wrong with the value that starts at `start`.
    fn reason(&self, fault: Fault, start: Scan<'_>) -> Reason {
        let mut end = start;
        let (name, data_type) = (&self.name, type_name(self.data_type));
        match (fault, end.skip()) {
            (Fault::Bad(bad), _) | (_, Err(bad)) => format!("column `{name}`: {bad}"),
            (Fault::Type, Ok(())) => {
                format!(
                    "column `{name}`: cannot read {} as {data_type}",
                    quote(end.since(start.at()))
                )
            }
            (Fault::Range, Ok(())) => {
                let value = quote(end.since(start.at()));
                format!("column `{name}`: {value} is out of range for {data_type}")
            }
        }
    }
}

fn text_of(value: Option<&[u8]>) -> Result<&str, Reason> {
    match value {
        None => Err("the record is a tombstone: it has no value".to_owned()),
        Some([]) => Err("the value is empty".to_owned()),
        Some(bytes) => std::str::from_utf8(bytes)
            .map_err(|e| format!("not valid UTF-8 at byte {}", e.valid_up_to())),
    }
}

fn not_an_object(mut scan: Scan<'_>) -> Reason {
    let start = scan.at();
    match scan.skip() {
        Ok(()) => format!("not a JSON object: {}", quote(scan.since(start))),
        Err(bad) => bad.to_string(),
    }
}

fn quote(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn type_name(data_type: ColumnType) -> &'static str {
    match data_type {
        ColumnType::String => "string",
        ColumnType::Boolean => "boolean",
        ColumnType::Int32 => "int32",
        ColumnType::Int64 => "int64",
        ColumnType::Float32 => "float32",
        ColumnType::Float64 => "float64",
        ColumnType::TimestampMs => "timestamp_ms (milliseconds or RFC 3339 text)",
        ColumnType::TimestampUs => "timestamp_us (microseconds or RFC 3339 text)",
        ColumnType::Date => "date (YYYY-MM-DD)",
        ColumnType::StringList => "string_list",
        ColumnType::Float64List => "float64_list",
    }
}

/// The id of a record whose event carries none: the producer's, or its position, which is as
/// unique.
fn id_of(raw: &RawBatch, record: usize) -> String {
    let id = header_id(raw.headers(record)).map(str::to_owned);
    id.unwrap_or_else(|| format!("{}/{}", raw.tp(), raw.offsets()[record]))
}
