//! The rows of a group: the latest as they are, the others in chunks.

use datafusion::common::{Result, exec_err};

use super::chunk::Chunk;
use crate::coding::{Reader, put_bytes, put_i64, put_u64};

/// A row in order of time; of one time the greater `rank` is the later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    pub(super) time: i64,
    pub(super) rank: i64,
    /// The row as a JSON object.
    pub(super) line: Vec<u8>,
}

impl Row {
    fn place(&self) -> (i64, i64) {
        (self.time, self.rank)
    }
}

/// All rows of a group. No recent row is older than one in a chunk.
///
/// A row that changes is added in its new form and taken in its old one, in two steps. Rows are
/// therefore packed, or unpacked, only before the *next* rows come ([`Self::settle`]): else each
/// change of a recent row would pack the oldest of them, and unpack it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows {
    pub(super) keep: usize,
    pub(super) chunk_bytes: usize,
    /// The oldest first; `keep` of them once settled, or all there are.
    recent: Vec<Row>,
    /// The oldest first.
    chunks: Vec<Chunk>,
}

impl Rows {
    /// How many rows are not packed, and most bytes of a chunk.
    pub(super) fn limits(&mut self, keep: usize, chunk_bytes: usize) {
        (self.keep, self.chunk_bytes) = (keep, chunk_bytes);
    }

    /// Packs what is more than `keep` recent rows, or unpacks what is missing.
    pub(super) fn settle(&mut self) -> Result<()> {
        if self.recent.len() > self.keep {
            let older: Vec<Row> = self.recent.drain(..self.recent.len() - self.keep).collect();
            let last = self.chunks.len().saturating_sub(1);
            return self.repack(last, |rows| rows.extend(older));
        }
        while self.recent.len() < self.keep && !self.chunks.is_empty() {
            let missing = self.keep - self.recent.len();
            let last = self.chunks.len() - 1;
            let mut newest = Vec::new();
            self.repack(last, |rows| newest = rows.split_off(rows.len().saturating_sub(missing)))?;
            self.recent.splice(..0, newest);
        }
        Ok(())
    }

    /// Changes the rows of the chunks from number `first` on, and cuts them anew.
    fn repack(&mut self, first: usize, change: impl FnOnce(&mut Vec<Row>)) -> Result<()> {
        let mut rows = Vec::new();
        for chunk in &self.chunks[first..] {
            rows.extend(chunk.rows()?);
        }
        change(&mut rows);
        self.chunks.truncate(first);
        self.chunks.extend(Chunk::cut(&rows, self.chunk_bytes)?);
        Ok(())
    }

    /// From which chunk on the cuts change when a row at `place` comes or goes: it might have
    /// filled, or fill, the chunk before its own.
    fn first_changed(&self, place: (i64, i64)) -> usize {
        let own = self.chunks.partition_point(|chunk| chunk.newest() < place);
        own.min(self.chunks.len().saturating_sub(1)).saturating_sub(1)
    }

    pub(super) fn add(&mut self, row: Row) -> Result<()> {
        if self.chunks.last().is_some_and(|chunk| row.place() <= chunk.newest()) {
            return self.repack(self.first_changed(row.place()), |rows| {
                rows.insert(rows.partition_point(|other| *other < row), row);
            });
        }
        let at = self.recent.partition_point(|other| *other < row);
        self.recent.insert(at, row);
        Ok(())
    }

    pub(super) fn take(&mut self, row: &Row) -> Result<()> {
        if let Ok(at) = self.recent.binary_search(row) {
            self.recent.remove(at);
            return Ok(());
        }
        let mut found = false;
        self.repack(self.first_changed(row.place()), |rows| {
            if let Ok(at) = rows.binary_search(row) {
                rows.remove(at);
                found = true;
            }
        })?;
        if !found {
            return exec_err!("pack_older: a row is taken back that never came");
        }
        Ok(())
    }

    /// All rows, the oldest first.
    pub(super) fn all(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        for chunk in &self.chunks {
            rows.extend(chunk.rows()?);
        }
        rows.extend(self.recent.iter().cloned());
        Ok(rows)
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        put_u64(out, self.keep as u64);
        put_u64(out, self.chunk_bytes as u64);
        put_u64(out, self.recent.len() as u64);
        for row in &self.recent {
            put_i64(out, row.time);
            put_i64(out, row.rank);
            put_bytes(out, &row.line);
        }
        for chunk in &self.chunks {
            chunk.write(out);
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut held = Self { keep: 0, chunk_bytes: 0, recent: Vec::new(), chunks: Vec::new() };
        if bytes.is_empty() {
            return Ok(held);
        }
        let mut reader = Reader(bytes);
        held.limits(reader.usize()?, reader.usize()?);
        for _ in 0..reader.usize()? {
            let (time, rank) = (reader.i64()?, reader.i64()?);
            held.recent.push(Row { time, rank, line: reader.bytes()?.to_vec() });
        }
        while !reader.0.is_empty() {
            held.chunks.push(Chunk::read(&mut reader)?);
        }
        Ok(held)
    }
}
