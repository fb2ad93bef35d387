//! Rows as compressed lines, with their order beside them.

use datafusion::common::{Result, exec_datafusion_err};

use super::state::Row;
use crate::coding::{Reader, put_bytes, put_i64, put_u64};

/// zstd's default: lines of one member are alike, so more effort gains little.
const LEVEL: i32 = 3;

/// Consecutive rows, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Time and rank of each row.
    order: Vec<(i64, i64)>,
    packed: Vec<u8>,
}

impl Chunk {
    fn pack(order: Vec<(i64, i64)>, lines: &[u8]) -> Result<Self> {
        let packed = zstd::bulk::compress(lines, LEVEL)
            .map_err(|error| exec_datafusion_err!("rows cannot be packed: {error}"))?;
        Ok(Self { order, packed })
    }

    /// Cuts rows, the oldest first, into chunks of at most so many bytes.
    pub(super) fn cut(rows: &[Row], chunk_bytes: usize) -> Result<Vec<Self>> {
        let (mut chunks, mut order, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows {
            if !lines.is_empty() && lines.len() + row.line.len() + 1 > chunk_bytes {
                chunks.push(Self::pack(std::mem::take(&mut order), &lines)?);
                lines.clear();
            }
            order.push((row.time, row.rank));
            lines.extend_from_slice(&row.line);
            lines.push(b'\n');
        }
        if !order.is_empty() {
            chunks.push(Self::pack(order, &lines)?);
        }
        Ok(chunks)
    }

    /// Its rows, the oldest first.
    pub(super) fn rows(&self) -> Result<Vec<Row>> {
        let lines = zstd::stream::decode_all(self.packed.as_slice())
            .map_err(|error| exec_datafusion_err!("packed rows cannot be read: {error}"))?;
        // JSON has no line break within a line.
        let lines = lines.split(|byte| *byte == b'\n');
        let row =
            |(&(time, rank), line): (&(i64, i64), &[u8])| Row { time, rank, line: line.to_vec() };
        Ok(self.order.iter().zip(lines).map(row).collect())
    }

    /// The compressed lines.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// Time and rank of the latest row.
    pub(super) fn newest(&self) -> (i64, i64) {
        *self.order.last().expect("a chunk has rows")
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_u64(out, self.order.len() as u64);
        let (mut time, mut rank) = (0_i64, 0_i64);
        for (next_time, next_rank) in &self.order {
            put_i64(out, next_time.wrapping_sub(time));
            put_i64(out, next_rank.wrapping_sub(rank));
            (time, rank) = (*next_time, *next_rank);
        }
        put_bytes(out, &self.packed);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let count = reader.usize()?;
        let (mut order, mut time, mut rank) = (Vec::new(), 0_i64, 0_i64);
        for _ in 0..count {
            time = time.wrapping_add(reader.i64()?);
            rank = rank.wrapping_add(reader.i64()?);
            order.push((time, rank));
        }
        Ok(Self { order, packed: reader.bytes()?.to_vec() })
    }
}
