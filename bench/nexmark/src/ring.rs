//! Events without end: a ring of slices of event time, replayed with later times and new ids.
//!
//! The generator takes longer for an event than most queries do, and events generated beforehand
//! take more memory than the job. A lap of the ring goes on where the one before ended: times and
//! ids move on by what a lap covers; prices and texts come again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMicrosecondType};
use async_trait::async_trait;

use millrace_nexmark::{Events, Generator, Settings, auction_schema, bid_schema, person_schema};
use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};

/// Slices of event time one stream may be ahead of the other: who reads a ring reads streams of
/// one time, as from a log that is being written.
const AHEAD: u64 = 2;
/// How long a stream waits for the other.
const PACE: Duration = Duration::from_micros(200);

/// The ring, and what has been read of it. Clones share both.
#[derive(Clone)]
pub(crate) struct Ring(Arc<Inner>);

struct Inner {
    persons: Vec<RecordBatch>,
    auctions: Vec<RecordBatch>,
    bids: Vec<RecordBatch>,
    /// What a lap adds to ids and times.
    lap: Lap,
    begun: Instant,
    /// Reading ends after that.
    run: Duration,
    /// Least time between two rows.
    row_every: Duration,
    rows: AtomicU64,
    replaying: AtomicU64,
    /// Slices read of `person` and of `auction`.
    pace: [AtomicU64; 2],
}

/// How long and how fast a ring is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tempo {
    /// No row is read later than that from now.
    pub(crate) run: Duration,
    /// Least time between two rows of a stream; zero is as fast as the job takes them.
    pub(crate) row_every: Duration,
}

struct Lap {
    persons: i64,
    auctions: i64,
    micros: i64,
}

impl Ring {
    /// `slices` slices with some `batch_rows` rows of what `query` reads most.
    pub(crate) fn new(query: &str, slices: usize, batch_rows: usize, tempo: Tempo) -> Self {
        // Ids that no earlier event had, as in a run that began long ago.
        let settings = Settings { seed: 1, events: usize::MAX, ..Settings::default() };
        let bids = query != "q8";
        let most = if bids { settings.bids } else { settings.auctions };
        let cycle = settings.persons + settings.auctions + settings.bids;
        let cycles = (batch_rows / most).max(1);
        // The very first millisecond is short of events, those of later laps are not.
        let mut generator = Generator::at(&settings, cycle);
        let mut all = Events::default();
        for _ in 0..slices.max(1) {
            let slice = generator.next_events(cycles * cycle, cycles * cycle);
            if bids {
                all.bids.extend(slice.bids);
            } else {
                all.persons.extend(slice.persons);
                all.auctions.extend(slice.auctions);
            }
        }
        let cycles = cycles * slices.max(1);
        let number = |n: usize| i64::try_from(n).expect("a ring is held in memory");
        let lap = Lap {
            persons: number(cycles * settings.persons),
            auctions: number(cycles * settings.auctions),
            micros: number(cycles * cycle) * 1_000_000 / number(settings.events_per_second),
        };
        Self(Arc::new(Inner {
            persons: all.persons,
            auctions: all.auctions,
            bids: all.bids,
            lap,
            begun: Instant::now(),
            run: tempo.run,
            row_every: tempo.row_every,
            rows: AtomicU64::new(0),
            replaying: AtomicU64::new(0),
            pace: Default::default(),
        }))
    }

    /// The stream `name` as a source.
    pub(crate) fn source(&self, name: &'static str) -> RingSource {
        RingSource { ring: self.clone(), name }
    }

    /// Memory of the events.
    pub(crate) fn bytes(&self) -> usize {
        let all = [&self.0.persons, &self.0.auctions, &self.0.bids];
        all.into_iter().flatten().map(RecordBatch::get_array_memory_size).sum()
    }

    /// Rows handed over.
    pub(crate) fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Time spent on moving ids and times.
    pub(crate) fn replaying(&self) -> Duration {
        Duration::from_nanos(self.0.replaying.load(Ordering::Relaxed))
    }
}

/// One stream of a ring: a single split, whose position is the number of batches read.
pub(crate) struct RingSource {
    ring: Ring,
    name: &'static str,
}

impl RingSource {
    fn stream(&self) -> (&[RecordBatch], SchemaRef) {
        let ring = &self.ring.0;
        match self.name {
            "person" => (&ring.persons, person_schema()),
            "auction" => (&ring.auctions, auction_schema()),
            _ => (&ring.bids, bid_schema()),
        }
    }
}

#[async_trait]
impl SourceFactory for RingSource {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok(vec![SplitId(self.name.to_owned())])
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let position = splits.into_iter().next().and_then(|(_, position)| position);
        let wrong = |e| ConnectorError::Rejected(format!("a position of `{}`: {e}", self.name));
        let next = position.map_or(Ok(0), |position| position.0.parse()).map_err(wrong)?;
        let (batches, schema) = self.stream();
        let project = |rows: &RecordBatch| rows.project(columns);
        let batches = batches.iter().map(project).collect::<Result<_, _>>();
        let batches: Vec<RecordBatch> =
            batches.map_err(|e| ConnectorError::Rejected(e.to_string()))?;
        let lap = &self.ring.0.lap;
        let moves = columns.iter().map(|column| match (self.name, schema.field(*column).name()) {
            (_, name) if name == "dateTime" || name == "expires" => Move::Time(lap.micros),
            ("person", name) if name == "id" => Move::Id(lap.persons),
            ("auction", name) if name == "id" => Move::Id(lap.auctions),
            (_, name) if name == "auction" => Move::Id(lap.auctions),
            (_, name) if name == "bidder" || name == "seller" => Move::Id(lap.persons),
            _ => Move::Stay,
        });
        let pace = ["person", "auction"].iter().position(|name| *name == self.name);
        let moves = moves.collect();
        let ring = self.ring.clone();
        Ok(Box::new(Reader { ring, batches, moves, next, rows: 0, ended: false, pace }))
    }
}

/// What a lap does to a column.
#[derive(Clone, Copy)]
enum Move {
    Stay,
    Id(i64),
    Time(i64),
}

struct Reader {
    ring: Ring,
    batches: Vec<RecordBatch>,
    moves: Vec<Move>,
    next: u64,
    /// Read by this reader.
    rows: u64,
    ended: bool,
    /// Own place in the ring's pace.
    pace: Option<usize>,
}

impl Reader {
    fn batch(&self) -> Result<RecordBatch, ConnectorError> {
        let slices = self.batches.len() as u64;
        let at = usize::try_from(self.next % slices).expect("below the length of a vector");
        let laps = i64::try_from(self.next / slices).expect("nobody waits so long");
        let rows = &self.batches[at];
        let moved =
            rows.columns().iter().zip(&self.moves).map(|(column, to)| move_on(column, *to, laps));
        RecordBatch::try_new(rows.schema(), moved.collect())
            .map_err(|e| ConnectorError::Rejected(e.to_string()))
    }

    /// Waits for the row's time, and while the other stream is behind.
    async fn keep_pace(&self) {
        let rows = u32::try_from(self.rows).unwrap_or(u32::MAX);
        let due = self.ring.0.begun + self.ring.0.row_every * rows;
        tokio::time::sleep_until(due.into()).await;
        let Some(own) = self.pace else { return };
        let pace = &self.ring.0.pace;
        pace[own].store(self.next, Ordering::Relaxed);
        while self.next > pace[1 - own].load(Ordering::Relaxed) + AHEAD {
            tokio::time::sleep(PACE).await;
        }
    }
}

fn move_on(column: &ArrayRef, by: Move, laps: i64) -> ArrayRef {
    match by {
        Move::Stay => Arc::clone(column),
        Move::Id(lap) => {
            let ids = column.as_primitive::<Int64Type>();
            Arc::new(ids.unary::<_, Int64Type>(|id| id + lap * laps))
        }
        Move::Time(lap) => {
            let times = column.as_primitive::<TimestampMicrosecondType>();
            let times = times.unary::<_, TimestampMicrosecondType>(|time| time + lap * laps);
            Arc::new(times.with_data_type(column.data_type().clone()))
        }
    }
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if self.ended {
            return std::future::pending().await;
        }
        self.keep_pace().await;
        let ring = &self.ring.0;
        let begun = Instant::now();
        if begun >= ring.begun + ring.run || self.batches.is_empty() {
            self.ended = true;
            if let Some(own) = self.pace {
                // Nobody waits for a stream that has ended.
                ring.pace[own].store(u64::MAX - AHEAD, Ordering::Relaxed);
            }
            return Ok(Read::End { split: 0 });
        }
        let rows = self.batch()?;
        self.next += 1;
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        ring.replaying.fetch_add(took, Ordering::Relaxed);
        self.rows += rows.num_rows() as u64;
        ring.rows.fetch_add(rows.num_rows() as u64, Ordering::Relaxed);
        Ok(Read::Rows { split: 0, rows, position: Position(self.next.to_string()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Tempo = Tempo { run: Duration::from_mins(10), row_every: Duration::ZERO };

    async fn read(reader: &mut dyn SourceReader) -> RecordBatch {
        match reader.next().await.unwrap() {
            Read::Rows { rows, .. } => rows,
            other => panic!("{other:?}"),
        }
    }

    /// Ids and times of the second lap are those the generator would have gone on with.
    #[tokio::test]
    async fn a_lap_goes_on_where_the_one_before_ended() {
        let ring = Ring::new("q8", 2, 30, LONG);
        let mut reader = ring.source("auction").open(Vec::new(), &[0, 5]).await.unwrap();
        // Nobody reads persons here.
        ring.0.pace[0].store(u64::MAX - AHEAD, Ordering::Relaxed);
        let settings = Settings { seed: 1, events: 2_050, ..Settings::default() };
        for rows in Generator::at(&settings, 50).next_events(2_000, 30).auctions {
            let read = read(reader.as_mut()).await;
            assert_eq!(read, rows.project(&[0, 5]).unwrap());
        }
        assert_eq!(ring.rows(), 120);
    }

    #[tokio::test]
    async fn reading_goes_on_at_a_position_and_ends_at_the_deadline() {
        let ring = Ring::new("q0", 2, 46, LONG);
        let mut from_start = ring.source("bid").open(Vec::new(), &[0]).await.unwrap();
        for _ in 0..3 {
            read(from_start.as_mut()).await;
        }
        let split = (SplitId("bid".to_owned()), Some(Position("3".to_owned())));
        let mut resumed = ring.source("bid").open(vec![split], &[0]).await.unwrap();
        assert_eq!(read(resumed.as_mut()).await, read(from_start.as_mut()).await);
        let ended = Ring::new("q0", 1, 46, Tempo { run: Duration::ZERO, ..LONG });
        let mut reader = ended.source("bid").open(Vec::new(), &[0]).await.unwrap();
        assert!(matches!(reader.next().await.unwrap(), Read::End { split: 0 }));
    }
}
