//! Rows of a file with one JSON object a line.

use std::io::BufRead;
use std::ops::Range;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;

use millrace_events::{Decoder, Offset, RawBatchBuilder, RawRecord, TopicPartition};

use super::columns;
use super::open::{Text, bad_line, broken, open};
use super::source::{FileRows, Wanted};
use crate::connector::{ConnectorError, Position};

/// A batch ends early when its lines have this many bytes.
const BATCH_BYTES: usize = 16 << 20;

/// Reads lines; a position is the number of lines before it and the byte where it is.
pub(super) struct JsonLines {
    path: PathBuf,
    text: Text,
    decode: Decode,
    /// Where the asked columns are in what is decoded.
    asked: Vec<usize>,
    batch_rows: usize,
    line: u64,
    byte: u64,
}

enum Decode {
    /// As events are decoded: exact, and with a verdict on every line.
    Events(Box<Decoder>),
    /// Types that no stream can have.
    Arrow(SchemaRef),
}

/// Some lines, without blank ones.
struct Lines {
    bytes: Vec<u8>,
    /// Number from 1, and where in `bytes`.
    lines: Vec<(u64, Range<usize>)>,
}

impl Lines {
    fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        self.lines.iter().map(|(line, range)| (*line, &self.bytes[range.clone()]))
    }
}

impl JsonLines {
    pub(super) fn open(
        path: &Path,
        wanted: &Wanted,
        position: Option<&Position>,
    ) -> Result<Self, ConnectorError> {
        let (line, byte) = position.map_or(Some((0, 0)), parse).ok_or_else(|| {
            broken(path, format!("`{}` is no position in lines", position.map_or("", |p| &p.0)))
        })?;
        // A line without a required column is wrong even if nobody asks for that column.
        let decoded: Vec<_> = (0..wanted.columns.len())
            .filter(|at| wanted.asked.contains(at) || wanted.columns[*at].required)
            .collect();
        let place = |at| decoded.iter().position(|known| known == at).expect("asked is decoded");
        let asked = wanted.asked.iter().map(place).collect();
        let columns: Vec<_> = decoded.iter().map(|at| wanted.columns[*at].clone()).collect();
        let decode = match columns::stream(&columns, wanted.id.as_deref()) {
            Some(stream) => Decode::Events(Box::new(Decoder::new(&stream))),
            None => Decode::Arrow(columns::schema(&columns)),
        };
        let text = open(path, byte)?;
        let batch_rows = wanted.batch_rows;
        Ok(Self { path: path.to_owned(), text, decode, asked, batch_rows, line, byte })
    }

    fn lines(&mut self) -> Result<Lines, ConnectorError> {
        let mut read = Lines { bytes: Vec::new(), lines: Vec::new() };
        while read.lines.len() < self.batch_rows && read.bytes.len() < BATCH_BYTES {
            let start = read.bytes.len();
            let count = self.text.read_until(b'\n', &mut read.bytes);
            let count = count.map_err(|e| bad_line(&self.path, self.line + 1, e))?;
            if count == 0 {
                break;
            }
            self.line += 1;
            self.byte += count as u64;
            let trimmed = start + read.bytes[start..].trim_ascii_end().len();
            read.bytes.truncate(trimmed);
            if trimmed > start {
                read.lines.push((self.line, start..trimmed));
            }
        }
        Ok(read)
    }

    fn decode(&mut self, lines: &Lines) -> Result<RecordBatch, ConnectorError> {
        match &mut self.decode {
            Decode::Events(decoder) => {
                let file = TopicPartition::new("file", 0);
                let mut raw = RawBatchBuilder::new(file, Offset(0));
                for (line, bytes) in lines.iter() {
                    raw.push(RawRecord {
                        offset: Offset(i64::try_from(line).expect("files have fewer lines")),
                        timestamp_ms: 0,
                        key: None,
                        value: Some(bytes),
                        headers: &[],
                    });
                }
                let read = decoder.decode(&raw.finish());
                match read.dead.first() {
                    Some((row, why)) => {
                        Err(bad_line(&self.path, lines.lines[*row as usize].0, why))
                    }
                    None => Ok(read.batch),
                }
            }
            Decode::Arrow(schema) => {
                let all: Vec<_> = lines.iter().map(|(_, bytes)| bytes).collect();
                read_arrow(schema, &all).map_err(|whole| {
                    let bad = lines.iter().find_map(|(line, bytes)| {
                        let read = read_arrow(schema, &[bytes]);
                        read.err().map(|why| bad_line(&self.path, line, why))
                    });
                    bad.unwrap_or_else(|| broken(&self.path, whole))
                })
            }
        }
    }
}

impl FileRows for JsonLines {
    fn next(&mut self) -> Result<Option<RecordBatch>, ConnectorError> {
        let lines = self.lines()?;
        if lines.lines.is_empty() {
            return Ok(None);
        }
        let batch = self.decode(&lines)?;
        Ok(Some(batch.project(&self.asked).map_err(|e| broken(&self.path, e))?))
    }

    fn position(&self) -> Position {
        Position(format!("{}@{}", self.line, self.byte))
    }
}

fn parse(position: &Position) -> Option<(u64, u64)> {
    let (line, byte) = position.0.split_once('@')?;
    Some((line.parse().ok()?, byte.parse().ok()?))
}

/// The lines as one batch.
fn read_arrow(schema: &SchemaRef, lines: &[&[u8]]) -> Result<RecordBatch, ArrowError> {
    let builder = ReaderBuilder::new(SchemaRef::clone(schema)).with_batch_size(lines.len());
    let mut decoder = builder.build_decoder()?;
    for line in lines {
        decoder.decode(line)?;
        decoder.decode(b"\n")?;
    }
    Ok(decoder.flush()?.unwrap_or_else(|| RecordBatch::new_empty(SchemaRef::clone(schema))))
}
