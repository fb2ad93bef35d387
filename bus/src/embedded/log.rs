//! One partition: an append-only file of Kafka record batches.
//!
//! A batch is acknowledged after `fdatasync`, so that neither SIGKILL nor a power failure takes it
//! back. A batch torn by one of them was never acknowledged and is cut off when the file is opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{HEADER, Header, set_base};
use super::producers::{Misfit, Producers};

/// One index entry for so many bytes of log; in between, headers are walked.
const INDEX_EVERY: u64 = 64 << 10;

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum AppendError {
    #[error("it is not a record batch of format 2, or damaged")]
    Malformed,
    #[error("it does not follow its producer's last one: {0:?}")]
    Misfit(Misfit),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// An open partition.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<File>,
    /// Offset the next record gets.
    end: i64,
    /// Bytes of whole, synced batches.
    bytes: u64,
    /// (base offset, position) of some batches, ascending; never empty once there is a batch.
    index: Vec<(i64, u64)>,
    producers: Producers,
}

impl Log {
    /// Opens the file, which is created if need be, and cuts off a torn batch at its end.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut log = Self {
            file: Arc::new(file),
            end: 0,
            bytes: 0,
            index: Vec::new(),
            producers: Producers::default(),
        };
        while let Some(header) = log.whole_batch_at(log.bytes, length)? {
            log.added(&header);
        }
        if log.bytes < length {
            let torn = length - log.bytes;
            tracing::warn!(target: "broker", path = %path.display(), torn, "cut off a torn batch");
            log.file.set_len(log.bytes)?;
            log.file.sync_data()?;
        }
        Ok(log)
    }

    /// The batch at `at`, if it is whole. Only the last one can be torn: each was synced before the
    /// next was written.
    fn whole_batch_at(&self, at: u64, length: u64) -> io::Result<Option<Header>> {
        let Some(header) = header_at(&self.file, at, length)? else { return Ok(None) };
        let end = at + header.bytes as u64;
        if header.base != self.end || end > length {
            return Ok(None);
        }
        if end == length {
            let mut batch = vec![0; header.bytes];
            self.file.read_exact_at(&mut batch, at)?;
            if !header.matches(&batch) {
                return Ok(None);
            }
        }
        Ok(Some(header))
    }

    fn added(&mut self, header: &Header) {
        if self.index.last().is_none_or(|(_, at)| self.bytes - at >= INDEX_EVERY) {
            self.index.push((header.base, self.bytes));
        }
        self.producers.wrote(header);
        self.bytes += header.bytes as u64;
        self.end = header.next;
    }

    /// Offset the next record gets.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Appends a batch and waits until it is on disk; returns its base offset.
    pub(super) fn append(&mut self, mut batch: Vec<u8>) -> Result<i64, AppendError> {
        set_base(&mut batch, self.end);
        let header = Header::read(&batch).ok_or(AppendError::Malformed)?;
        if header.bytes != batch.len() || !header.matches(&batch) {
            return Err(AppendError::Malformed);
        }
        self.producers.check(&header).map_err(AppendError::Misfit)?;
        let written = self.file.write_all_at(&batch, self.bytes);
        if let Err(error) = written.and_then(|()| self.file.sync_data()) {
            // Whatever reached the file must not be there when it is opened again.
            self.file.set_len(self.bytes)?;
            return Err(error.into());
        }
        self.added(&header);
        Ok(header.base)
    }

    /// What a reader needs; the log may grow meanwhile.
    pub(super) fn view(&self) -> View<'_> {
        View { log: self }
    }

    /// A place from which to read `offset`; `None` at the end.
    fn before(&self, offset: i64) -> u64 {
        let after = self.index.partition_point(|(base, _)| *base <= offset);
        after.checked_sub(1).map_or(0, |i| self.index[i].1)
    }
}

/// The log as it is now.
pub(super) struct View<'a> {
    log: &'a Log,
}

impl View<'_> {
    /// Prepares to read from the batch that holds `offset`.
    pub(super) fn from(&self, offset: i64) -> Reader {
        let log = self.log;
        Reader { file: Arc::clone(&log.file), at: log.before(offset), bytes: log.bytes, offset }
    }
}

/// Reads without holding the log.
pub(super) struct Reader {
    file: Arc<File>,
    at: u64,
    bytes: u64,
    offset: i64,
}

impl Reader {
    /// Whole batches of about `max` bytes, beginning with the one that holds the offset; at least
    /// one, if there is one.
    pub(super) fn read(mut self, max: usize) -> io::Result<Vec<Bytes>> {
        let Some(first) = self.find(|header, offset| header.next > offset)? else {
            return Ok(Vec::new());
        };
        let rest = usize::try_from(self.bytes - self.at).unwrap_or(usize::MAX);
        let mut data = vec![0; rest.min(max).max(first.bytes)];
        self.file.read_exact_at(&mut data, self.at)?;
        let data = Bytes::from(data);
        let mut batches = Vec::new();
        let mut at = 0;
        while let Some(header) = Header::read(&data[at..])
            && at + header.bytes <= data.len()
        {
            batches.push(data.slice(at..at + header.bytes));
            at += header.bytes;
        }
        Ok(batches)
    }

    /// Timestamp and base offset of the first batch that reaches `timestamp`.
    pub(super) fn since(mut self, timestamp: i64) -> io::Result<Option<(i64, i64)>> {
        let found = self.find(|header, _| header.max_timestamp >= timestamp)?;
        Ok(found.map(|header| (header.max_timestamp, header.base)))
    }

    fn find(&mut self, wanted: impl Fn(&Header, i64) -> bool) -> io::Result<Option<Header>> {
        while let Some(header) = header_at(&self.file, self.at, self.bytes)? {
            if wanted(&header, self.offset) {
                return Ok(Some(header));
            }
            self.at += header.bytes as u64;
        }
        Ok(None)
    }
}

fn header_at(file: &File, at: u64, end: u64) -> io::Result<Option<Header>> {
    if at + HEADER as u64 > end {
        return Ok(None);
    }
    let mut header = [0; HEADER];
    file.read_exact_at(&mut header, at)?;
    Ok(Header::read(&header))
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
