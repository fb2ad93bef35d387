//! Shows the rows a sink gets to whoever looks, without making the job wait.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::Batch;

/// Batches that may wait for a listener; those that come while so many wait are lost to it.
const TAIL_DEPTH: usize = 16;

/// Rows that a sink has been given.
#[derive(Debug, Clone)]
pub struct TailRows {
    /// Name of the sink.
    pub sink: String,
    /// The rows.
    pub rows: Batch,
    /// Rows that came before these and were lost, because the listener was slower than the job.
    pub lost: u64,
}

/// Rows of one sink or of all, from the moment it was asked for. A run that fails and starts again
/// writes some rows again: they are seen again.
#[derive(Debug)]
pub struct Tail {
    rows: Receiver<TailRows>,
    lost: Arc<AtomicU64>,
}

impl Tail {
    /// One that has ended.
    pub(crate) fn ended() -> Self {
        Self { rows: channel(1).1, lost: Arc::default() }
    }

    /// The next rows; `None` once the run is over. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<TailRows> {
        self.rows.recv().await
    }

    /// Rows lost since the last ones that were not.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Where sinks show their rows. The sinks own it, so that listeners hear when they are gone.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// Whether anybody has listened since the list was last found empty: looked at for each batch.
    heard: AtomicBool,
    listeners: Mutex<Vec<Listener>>,
}

#[derive(Debug)]
struct Listener {
    sink: Option<String>,
    rows: Sender<TailRows>,
    lost: Arc<AtomicU64>,
}

impl Listener {
    /// Whether it still listens.
    fn offer(&mut self, sink: &str, rows: &Batch) -> bool {
        if self.sink.as_deref().is_some_and(|wanted| wanted != sink) {
            return !self.rows.is_closed();
        }
        match self.rows.try_reserve() {
            Ok(place) => {
                let lost = self.lost.swap(0, Ordering::Relaxed);
                place.send(TailRows { sink: sink.to_owned(), rows: rows.clone(), lost });
            }
            Err(_) => {
                self.lost.fetch_add(rows.len() as u64, Ordering::Relaxed);
            }
        }
        !self.rows.is_closed()
    }
}

impl Tap {
    /// Listens to `sink`, or to all.
    pub(crate) fn listen(&self, sink: Option<&str>) -> Tail {
        let (sender, rows) = channel(TAIL_DEPTH);
        let tail = Tail { rows, lost: Arc::default() };
        let lost = Arc::clone(&tail.lost);
        let mut listeners = self.lock();
        listeners.push(Listener { sink: sink.map(str::to_owned), rows: sender, lost });
        self.heard.store(true, Ordering::Release);
        tail
    }

    /// Whether rows are worth keeping until they are written.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard.load(Ordering::Acquire)
    }

    /// Shows rows that were written.
    pub(crate) fn show(&self, sink: &str, rows: &Batch) {
        let mut listeners = self.lock();
        listeners.retain_mut(|listener| listener.offer(sink, rows));
        self.heard.store(!listeners.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};
    use futures::FutureExt;

    use super::*;

    fn rows(count: i64) -> Batch {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(0..count));
        Batch::append(RecordBatch::try_from_iter([("n", column)]).unwrap())
    }

    fn next(tail: &mut Tail) -> Option<(String, usize, u64)> {
        let shown = tail.next().now_or_never().flatten()?;
        Some((shown.sink, shown.rows.len(), shown.lost))
    }

    #[test]
    fn listeners_get_what_they_asked_for_until_they_go() {
        let tap = Tap::default();
        assert!(!tap.is_heard());
        let (mut all, mut one) = (tap.listen(None), tap.listen(Some("a")));
        tap.show("a", &rows(1));
        tap.show("b", &rows(2));
        assert_eq!(next(&mut all), Some(("a".to_owned(), 1, 0)));
        assert_eq!(next(&mut all), Some(("b".to_owned(), 2, 0)));
        assert_eq!((next(&mut one), next(&mut one)), (Some(("a".to_owned(), 1, 0)), None));
        drop((all, one));
        assert!(tap.is_heard(), "nobody has noticed yet");
        tap.show("a", &rows(1));
        assert!(!tap.is_heard());
        assert_eq!(next(&mut Tail::ended()), None);
    }

    #[test]
    fn a_slow_listener_is_told_how_many_rows_it_lost() {
        let tap = Tap::default();
        let mut tail = tap.listen(None);
        for _ in 0..TAIL_DEPTH + 3 {
            tap.show("a", &rows(5));
        }
        assert_eq!((next(&mut tail), tail.lost()), (Some(("a".to_owned(), 5, 0)), 15));
        tap.show("a", &rows(2));
        let seen: Vec<_> = std::iter::from_fn(|| next(&mut tail)).collect();
        assert_eq!(seen.len(), TAIL_DEPTH);
        assert_eq!(seen.last(), Some(&("a".to_owned(), 2, 15)));
    }
}
