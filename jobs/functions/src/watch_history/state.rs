//! What is kept of a title that a profile watched.

use datafusion::common::Result;

use super::coverage::Coverage;
use crate::coding::{Reader, put_bytes, put_i64, put_u64};

/// What a player reported. Times are microseconds since the epoch.
pub(super) struct Event<'a> {
    /// Silence that ends a viewing session, in microseconds.
    pub(super) gap: i64,
    pub(super) time: i64,
    pub(super) id: &'a str,
    pub(super) played: Option<(i64, i64)>,
    pub(super) position_s: Option<i64>,
    pub(super) duration_s: Option<i64>,
    pub(super) device: Option<&'a str>,
}

/// A value of the latest event that had one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Latest<T> {
    time: i64,
    id: String,
    value: T,
}

/// Everything that events and deletions have left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct History {
    /// Time of the last deletion; the beginning of time if there was none.
    deleted: i64,
    gap: i64,
    position_s: Option<Latest<i64>>,
    duration_s: Option<Latest<i64>>,
    device: Option<Latest<String>>,
    /// First and last time of viewing sessions, in ascending order.
    sessions: Vec<(i64, i64)>,
    covered: Coverage,
}

impl Default for History {
    fn default() -> Self {
        Self {
            deleted: i64::MIN,
            gap: 0,
            position_s: None,
            duration_s: None,
            device: None,
            sessions: Vec::new(),
            covered: Coverage::default(),
        }
    }
}

/// What a history shows.
pub(super) struct Shown {
    pub(super) last_watched: i64,
    pub(super) position_s: Option<i64>,
    pub(super) duration_s: Option<i64>,
    pub(super) watched_s: i64,
    pub(super) sessions: i64,
    pub(super) device: Option<String>,
}

impl Shown {
    pub(super) fn completion(&self) -> Option<f64> {
        let duration = self.duration_s.filter(|duration| *duration > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "titles are shorter than 2^53 seconds")]
        let share = self.watched_s as f64 / duration as f64;
        Some(share.min(1.0))
    }
}

fn newer<T: Ord>(known: &mut Option<Latest<T>>, other: Option<Latest<T>>) {
    // `None` is the least.
    *known = known.take().max(other);
}

impl History {
    pub(super) fn add(&mut self, event: &Event<'_>) {
        self.gap = self.gap.max(event.gap);
        if event.time <= self.deleted {
            return;
        }
        let (time, id) = (event.time, event.id);
        let latest = |value: i64| Latest { time, id: id.to_owned(), value };
        newer(&mut self.position_s, event.position_s.map(latest));
        newer(&mut self.duration_s, event.duration_s.map(latest));
        let device = event.device.map(ToOwned::to_owned);
        newer(&mut self.device, device.map(|value| Latest { time, id: id.to_owned(), value }));
        self.watch(time, time);
        if let Some((from, to)) = event.played {
            self.covered.play(from, to, time);
        }
    }

    /// Adds events from `first` to `last` without a silence longer than the gap.
    fn watch(&mut self, first: i64, last: i64) {
        let gap = self.gap;
        let from = self.sessions.partition_point(|(_, end)| end.saturating_add(gap) < first);
        let to = self.sessions.partition_point(|(begin, _)| begin.saturating_sub(gap) <= last);
        let touched = &self.sessions[from..to];
        let first = touched.first().map_or(first, |(begin, _)| first.min(*begin));
        let last = touched.last().map_or(last, |(_, end)| last.max(*end));
        self.sessions.splice(from..to, [(first, last)]);
    }

    /// The title was deleted at `time`.
    pub(super) fn delete(&mut self, time: i64) {
        if time <= self.deleted {
            return;
        }
        self.deleted = time;
        self.position_s.take_if(|latest| latest.time <= time);
        self.duration_s.take_if(|latest| latest.time <= time);
        self.device.take_if(|latest| latest.time <= time);
        self.covered.forget(time);
        self.sessions.retain_mut(|(first, last)| {
            // Of a session that went on, the rest is one still: no silence in it grew.
            *first = (*first).max(time.saturating_add(1));
            *last > time
        });
    }

    pub(super) fn merge(&mut self, mut other: Self) {
        let deleted = self.deleted.max(other.deleted);
        self.delete(deleted);
        other.delete(deleted);
        self.gap = self.gap.max(other.gap);
        newer(&mut self.position_s, other.position_s);
        newer(&mut self.duration_s, other.duration_s);
        newer(&mut self.device, other.device);
        for (first, last) in other.sessions {
            self.watch(first, last);
        }
        self.covered.merge(&other.covered);
    }

    /// What is shown, if anything is left.
    pub(super) fn shown(self) -> Option<Shown> {
        let (_, last_watched) = *self.sessions.last()?;
        Some(Shown {
            last_watched,
            position_s: self.position_s.map(|latest| latest.value),
            duration_s: self.duration_s.map(|latest| latest.value),
            watched_s: self.covered.seconds(),
            sessions: i64::try_from(self.sessions.len()).expect("so many fit no memory"),
            device: self.device.map(|latest| latest.value),
        })
    }

    /// The bytes of the state.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        put_i64(out, self.deleted);
        put_i64(out, self.gap);
        put_latest(out, self.position_s.as_ref(), |out, value| put_i64(out, *value));
        put_latest(out, self.duration_s.as_ref(), |out, value| put_i64(out, *value));
        put_latest(out, self.device.as_ref(), |out, value| put_bytes(out, value.as_bytes()));
        put_u64(out, self.sessions.len() as u64);
        for (first, last) in &self.sessions {
            put_i64(out, *first);
            put_i64(out, last.wrapping_sub(*first));
        }
        self.covered.write(out);
    }

    /// A state, or a new one from no bytes.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut reader = Reader(bytes);
        let (deleted, gap) = (reader.i64()?, reader.i64()?);
        let position_s = latest(&mut reader, Reader::i64)?;
        let duration_s = latest(&mut reader, Reader::i64)?;
        let device = latest(&mut reader, |reader| Ok(reader.text()?.to_owned()))?;
        let count = reader.usize()?;
        let mut sessions = Vec::new();
        for _ in 0..count {
            let first = reader.i64()?;
            sessions.push((first, reader.i64()?.wrapping_add(first)));
        }
        let covered = Coverage::read(&mut reader)?;
        Ok(Self { deleted, gap, position_s, duration_s, device, sessions, covered })
    }
}

fn put_latest<T>(out: &mut Vec<u8>, latest: Option<&Latest<T>>, put: impl Fn(&mut Vec<u8>, &T)) {
    out.push(u8::from(latest.is_some()));
    if let Some(latest) = latest {
        put_i64(out, latest.time);
        put_bytes(out, latest.id.as_bytes());
        put(out, &latest.value);
    }
}

fn latest<'a, T>(
    reader: &mut Reader<'a>,
    value: impl FnOnce(&mut Reader<'a>) -> Result<T>,
) -> Result<Option<Latest<T>>> {
    if reader.u64()? == 0 {
        return Ok(None);
    }
    let (time, id) = (reader.i64()?, reader.text()?.to_owned());
    Ok(Some(Latest { time, id, value: value(reader)? }))
}
