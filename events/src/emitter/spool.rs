//! Events on disk while the broker is away: a bounded queue of segment files that survives the
//! process.
//!
//! `<n>.spool` holds frames in order; `cursor` says how far the first segment has been delivered;
//! `lock` keeps a second process out. A segment is deleted once delivered. The cursor is not
//! synced: after a crash the last batch may be delivered again, under the same event ids.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::{self, Frame};
use crate::Outgoing;

/// Where and how much to keep while the broker is away.
#[derive(Debug, Clone)]
pub struct SpoolSettings {
    /// Folder of the spool; one emitter at a time may use it.
    pub dir: PathBuf,
    /// Most bytes the segment files may take together.
    pub max_bytes: u64,
    /// A segment is closed before it grows past this. Space is given back by whole segments.
    pub segment_bytes: u64,
}

impl SpoolSettings {
    /// A spool of up to 256 MiB in segments of 16 MiB.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), max_bytes: 256 << 20, segment_bytes: 16 << 20 }
    }
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
}

/// Records read from the head, and where each one ends.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) records: Vec<Outgoing>,
    ends: Vec<u64>,
}

/// The queue. Every method blocks on the disk.
#[derive(Debug)]
pub(super) struct Spool {
    settings: SpoolSettings,
    /// Held until dropped.
    _lock: File,
    segments: VecDeque<Segment>,
    /// The last segment, open for appending.
    tail: Option<File>,
    next_number: u64,
    /// Bytes of the first segment that are delivered.
    head: u64,
    pending: u64,
    damaged: u64,
}

impl Spool {
    /// Opens the spool in its folder with what an earlier process left there.
    pub(super) fn open(settings: SpoolSettings) -> io::Result<Self> {
        fs::create_dir_all(&settings.dir)?;
        let lock = settings.dir.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(lock)?;
        lock.try_lock().map_err(io::Error::from)?;
        let (first, head) = read_cursor(&settings.dir);
        let mut spool = Self {
            settings,
            _lock: lock,
            segments: VecDeque::new(),
            tail: None,
            next_number: first + 1,
            head: 0,
            pending: 0,
            damaged: 0,
        };
        for number in spool.numbers()? {
            if number < first {
                fs::remove_file(spool.path(number))?;
                continue;
            }
            let delivered = if number == first { head } else { 0 };
            spool.adopt(number, delivered)?;
        }
        Ok(spool)
    }

    /// Events waiting.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Events that were found damaged and passed over since opening.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Appends as many of `records` as fit, in order, and syncs them; gives their number.
    pub(super) fn append<'a>(
        &mut self,
        records: impl Iterator<Item = &'a Outgoing>,
    ) -> io::Result<usize> {
        let (mut kept, mut buffer, mut room) = (0, Vec::new(), self.room());
        let mut buffered = 0;
        for record in records {
            let start = buffer.len();
            frame::write(record, &mut buffer);
            let size = (buffer.len() - start) as u64;
            if size > room {
                buffer.truncate(start);
                break;
            }
            room -= size;
            let in_segment = self.segments.back().map_or(0, |s| s.bytes) + start as u64;
            if in_segment > 0 && in_segment + size > self.settings.segment_bytes {
                let next = buffer.split_off(start);
                match self.write(&buffer, buffered) {
                    Ok(more) => kept += more,
                    Err(e) => return some_or(kept, e),
                }
                if let Err(e) = self.start_segment() {
                    return some_or(kept, e);
                }
                (buffer, buffered) = (next, 0);
            }
            buffered += 1;
        }
        match self.write(&buffer, buffered) {
            Ok(more) => Ok(kept + more),
            Err(e) => some_or(kept, e),
        }
    }

    /// Reads up to about `max_bytes` of records from the head, at least one if there is any.
    pub(super) fn peek(&mut self, max_bytes: u64) -> io::Result<Head> {
        while let Some(segment) = self.segments.front() {
            let (number, bytes, start) = (segment.number, segment.bytes, self.head);
            let mut file = BufReader::new(File::open(self.path(number))?);
            file.seek(SeekFrom::Start(start))?;
            let (mut found, mut at) = (Head::default(), start);
            while found.records.is_empty() || at - start < max_bytes {
                match frame::read(&mut file, bytes - at)? {
                    Frame::Whole(record, size) => {
                        at += size;
                        found.records.push(record);
                        found.ends.push(at);
                    }
                    Frame::Damaged(size) => {
                        at += size;
                        // Counted when the segment was opened; the cursor passes it with its
                        // neighbour.
                        if let Some(end) = found.ends.last_mut() {
                            *end = at;
                        }
                    }
                    Frame::Torn | Frame::End => break,
                }
            }
            if !found.records.is_empty() {
                return Ok(found);
            }
            self.drop_first()?;
        }
        Ok(Head::default())
    }

    /// Forgets the first `count` records of what [`Self::peek`] gave: they are delivered.
    pub(super) fn advance(&mut self, head: &Head, count: usize) -> io::Result<()> {
        let Some(end) = count.checked_sub(1).map(|last| head.ends[last]) else { return Ok(()) };
        self.head = end;
        self.pending -= count as u64;
        if self.segments.front().is_some_and(|s| s.bytes == end) {
            return self.drop_first();
        }
        self.write_cursor()
    }

    fn drop_first(&mut self) -> io::Result<()> {
        let Some(first) = self.segments.pop_front() else { return Ok(()) };
        if self.segments.is_empty() {
            self.tail = None;
        }
        self.head = 0;
        fs::remove_file(self.path(first.number))?;
        self.write_cursor()
    }

    fn room(&self) -> u64 {
        let used = self.segments.iter().map(|s| s.bytes).sum::<u64>();
        self.settings.max_bytes.saturating_sub(used)
    }

    /// Writes whole frames to the last segment. Nothing of them stays if that fails.
    fn write(&mut self, frames: &[u8], count: usize) -> io::Result<usize> {
        if frames.is_empty() {
            return Ok(0);
        }
        if self.tail.is_none() {
            self.start_segment()?;
        }
        let (Some(tail), Some(segment)) = (&mut self.tail, self.segments.back_mut()) else {
            unreachable!("a started segment is open and listed");
        };
        if let Err(e) = tail.write_all(frames).and_then(|()| tail.sync_data()) {
            // What follows goes to a new segment, whether or not this one can be cut back.
            let cut = tail.set_len(segment.bytes);
            self.tail = None;
            return Err(cut.err().unwrap_or(e));
        }
        segment.bytes += frames.len() as u64;
        self.pending += count as u64;
        Ok(count)
    }

    fn start_segment(&mut self) -> io::Result<()> {
        let number = self.next_number;
        let path = self.path(number);
        self.tail = Some(OpenOptions::new().create_new(true).append(true).open(path)?);
        self.next_number += 1;
        self.segments.push_back(Segment { number, bytes: 0 });
        // The file's name must survive as well as its bytes.
        File::open(&self.settings.dir)?.sync_all()
    }

    /// Takes over a segment of an earlier process: counts what is waiting and cuts off a torn end.
    fn adopt(&mut self, number: u64, delivered: u64) -> io::Result<()> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).append(true).open(&path)?;
        let len = file.metadata()?.len();
        let (mut reader, mut at) = (BufReader::new(&file), 0);
        loop {
            let (size, sound) = match frame::read(&mut reader, len - at)? {
                Frame::Whole(_, size) => (size, true),
                Frame::Damaged(size) => (size, false),
                Frame::Torn => {
                    let (path, bytes) = (path.display(), len - at);
                    tracing::warn!(%path, bytes, "cut a torn record off a spool");
                    file.set_len(at)?;
                    break;
                }
                Frame::End => break,
            };
            at += size;
            if at > delivered {
                self.pending += u64::from(sound);
                self.damaged += u64::from(!sound);
            }
        }
        if self.damaged > 0 {
            let (path, events) = (path.display(), self.damaged);
            tracing::error!(%path, events, "damaged events in a spool");
        }
        if self.segments.is_empty() {
            self.head = delivered.min(at);
        }
        self.segments.push_back(Segment { number, bytes: at });
        self.next_number = self.next_number.max(number + 1);
        self.tail = Some(file);
        Ok(())
    }

    fn numbers(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.settings.dir)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".spool")?.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.settings.dir.join(format!("{number:020}.spool"))
    }

    fn write_cursor(&self) -> io::Result<()> {
        let first = self.segments.front().map_or(self.next_number, |s| s.number);
        let temporary = self.settings.dir.join("cursor.new");
        fs::write(&temporary, format!("{first} {}\n", self.head))?;
        fs::rename(temporary, self.settings.dir.join("cursor"))
    }
}

/// A failure after some records are safe is a shorter success: they must not be appended again.
fn some_or(kept: usize, error: io::Error) -> io::Result<usize> {
    if kept > 0 { Ok(kept) } else { Err(error) }
}

/// First undelivered segment and the bytes of it that are delivered. A cursor that cannot be read
/// means "from the beginning": twice is better than never.
fn read_cursor(dir: &Path) -> (u64, u64) {
    let text = fs::read_to_string(dir.join("cursor")).unwrap_or_default();
    let numbers = text.strip_suffix('\n').and_then(|line| line.split_once(' '));
    let numbers = numbers.and_then(|(first, head)| Some((first.parse().ok()?, head.parse().ok()?)));
    numbers.unwrap_or((0, 0))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn record(n: u32) -> Outgoing {
        Outgoing {
            topic: "t".into(),
            partition: None,
            key: None,
            value: Some(Bytes::from(n.to_string().into_bytes())),
            headers: Vec::new(),
            timestamp_ms: Some(0),
        }
    }

    fn small(dir: &Path) -> SpoolSettings {
        SpoolSettings { dir: dir.into(), max_bytes: 2_000, segment_bytes: 200 }
    }

    fn on_disk(dir: &Path) -> u64 {
        let files = fs::read_dir(dir).expect("readable").map(|f| f.expect("readable"));
        let spools = files.filter(|f| f.path().extension().is_some_and(|e| e == "spool"));
        spools.map(|f| f.metadata().expect("readable").len()).sum()
    }

    fn drain(spool: &mut Spool) -> Vec<Outgoing> {
        let mut all = Vec::new();
        loop {
            let head = spool.peek(100).expect("readable");
            if head.records.is_empty() {
                return all;
            }
            spool.advance(&head, head.records.len()).expect("writable");
            all.extend(head.records);
        }
    }

    #[test]
    fn a_torn_end_is_cut_and_the_rest_kept() {
        let dir = tempfile::tempdir().expect("tempdir");
        let settings = SpoolSettings::new(dir.path());
        let records: Vec<_> = (0..3).map(record).collect();
        Spool::open(settings.clone()).expect("opens").append(records.iter()).expect("writable");
        let path = dir.path().join(format!("{:020}.spool", 1));
        let len = fs::metadata(&path).expect("exists").len();
        OpenOptions::new().write(true).open(&path).expect("opens").set_len(len - 1).expect("cut");

        let mut spool = Spool::open(settings).expect("opens");
        assert_eq!((spool.pending(), spool.damaged()), (2, 0));
        spool.append([record(9)].iter()).expect("writable");
        assert_eq!(drain(&mut spool), [record(0), record(1), record(9)]);
    }

    #[test]
    fn a_damaged_record_is_counted_and_passed_over() {
        for damaged in 0..3 {
            let dir = tempfile::tempdir().expect("tempdir");
            let settings = SpoolSettings::new(dir.path());
            let records: Vec<_> = (0..3).map(record).collect();
            Spool::open(settings.clone()).expect("opens").append(records.iter()).expect("writable");
            let path = dir.path().join(format!("{:020}.spool", 1));
            let mut bytes = fs::read(&path).expect("readable");
            let at = bytes.len() / 3 * damaged + frame::PREFIX + 4;
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("writable");

            let mut spool = Spool::open(settings).expect("opens");
            assert_eq!((spool.pending(), spool.damaged()), (2, 1));
            let mut rest = records.clone();
            rest.remove(damaged);
            assert_eq!(drain(&mut spool), rest);
            assert_eq!(spool.pending(), 0);
            assert_eq!(on_disk(dir.path()), 0);
        }
    }

    #[test]
    fn two_processes_cannot_share_a_spool() {
        let dir = tempfile::tempdir().expect("tempdir");
        let first = Spool::open(small(dir.path())).expect("opens");
        assert_eq!(
            Spool::open(small(dir.path())).expect_err("locked").kind(),
            io::ErrorKind::WouldBlock
        );
        drop(first);
        assert!(Spool::open(small(dir.path())).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn it_is_a_bounded_queue_that_survives_reopening(
            steps in prop::collection::vec((0..3_u8, 0..30_usize), 1..30)
        ) {
            let dir = tempfile::tempdir().expect("tempdir");
            let mut spool = Spool::open(small(dir.path())).expect("opens");
            let (mut model, mut next) = (VecDeque::new(), 0);
            for (step, n) in steps {
                match step {
                    0 => {
                        let records: Vec<_> = (next..).take(n).map(record).collect();
                        let kept = spool.append(records.iter()).expect("writable");
                        prop_assert!(kept == n || !model.is_empty() || kept > 0);
                        model.extend(records.into_iter().take(kept));
                        next += 100;
                    }
                    1 => {
                        let head = spool.peek(n as u64 * 20).expect("readable");
                        let delivered = head.records.len() / 2 + head.records.len() % 2;
                        spool.advance(&head, delivered).expect("writable");
                        for sent in head.records.into_iter().take(delivered) {
                            prop_assert_eq!(Some(sent), model.pop_front());
                        }
                    }
                    _ => {
                        drop(spool);
                        spool = Spool::open(small(dir.path())).expect("opens");
                    }
                }
                prop_assert_eq!(spool.pending(), model.len() as u64);
                prop_assert!(on_disk(dir.path()) <= 2_000);
            }
            prop_assert_eq!(drain(&mut spool), Vec::from(model));
        }
    }
}
