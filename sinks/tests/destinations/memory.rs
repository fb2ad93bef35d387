//! A destination in memory that can be told to fail.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, AsArray};
use async_trait::async_trait;

use millrace_sinks::{Delivery, Records, SinkBatch, SinkError};

/// What arrived: (id, row number).
pub(crate) type Arrived = Arc<Mutex<Vec<(String, u64)>>>;

/// How the destination behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    #[default]
    Works,
    /// Half of what is flushed arrives, then it fails.
    Breaks,
    /// Loses a row of every flush and says nothing.
    Lies,
}

#[derive(Clone, Default)]
pub(crate) struct Place {
    pub(crate) arrived: Arrived,
    pub(crate) mood: Arc<Mutex<Mood>>,
}

impl Place {
    pub(crate) fn ids(&self) -> Vec<String> {
        let arrived = self.arrived.lock().expect("not poisoned");
        arrived.iter().map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().expect("not poisoned") = mood;
    }
}

/// Holds rows until they are flushed.
#[derive(Default)]
pub(crate) struct MemoryDelivery {
    pub(crate) place: Place,
    held: Vec<(String, u64)>,
}

impl MemoryDelivery {
    pub(crate) fn to(place: &Place) -> Self {
        Self { place: place.clone(), held: Vec::new() }
    }
}

#[async_trait]
impl Delivery for MemoryDelivery {
    async fn deliver(&mut self, batch: &SinkBatch, row: u64) -> Result<(), SinkError> {
        let Records::Columns(columns) = &batch.records else {
            return Err(SinkError::Rejected { what: "takes columns".to_owned() });
        };
        for (i, number) in (0..columns.num_rows()).zip(row..) {
            // A slow destination: a caller may go away between two rows.
            if i % 16 == 3 {
                tokio::task::yield_now().await;
            }
            let ids = columns.column(0).as_string::<i32>();
            let id = if ids.is_null(i) { "null" } else { ids.value(i) };
            self.held.push((id.to_owned(), number));
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let mood = *self.place.mood.lock().expect("not poisoned");
        let count = self.held.len();
        for (i, row) in std::mem::take(&mut self.held).into_iter().enumerate() {
            tokio::task::yield_now().await;
            if mood == Mood::Breaks && i >= count / 2 {
                return Err(SinkError::retry("memory", "told to fail"));
            }
            if mood != Mood::Lies || i > 0 {
                self.place.arrived.lock().expect("not poisoned").push(row);
            }
        }
        match mood {
            Mood::Breaks => Err(SinkError::retry("memory", "told to fail")),
            _ => Ok(()),
        }
    }

    fn pending_bytes(&self) -> usize {
        self.held.iter().map(|(id, _)| id.len()).sum()
    }

    async fn abort(&mut self) {
        self.held.clear();
    }
}
