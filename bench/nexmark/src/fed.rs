//! A source that hands over what the benchmark gives it, when it gives it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use millrace_processors::connector::{
    ConnectorError, Position, Read, SourceFactory, SourceReader, SplitId,
};

/// Batches that wait at most.
const DEPTH: usize = 4;

/// One split, fed through a channel; it ends when the sender is dropped.
#[derive(Debug, Clone)]
pub(crate) struct FedSource(Arc<Mutex<Receiver<RecordBatch>>>);

impl FedSource {
    pub(crate) fn new() -> (Sender<RecordBatch>, Self) {
        let (sender, receiver) = channel(DEPTH);
        (sender, Self(Arc::new(Mutex::new(receiver))))
    }
}

#[async_trait]
impl SourceFactory for FedSource {
    async fn splits(&self) -> Result<Vec<SplitId>, ConnectorError> {
        Ok(vec![SplitId("fed".to_owned())])
    }

    async fn open(
        &self,
        splits: Vec<(SplitId, Option<Position>)>,
        columns: &[usize],
    ) -> Result<Box<dyn SourceReader>, ConnectorError> {
        let reader =
            Reader { from: self.clone(), columns: columns.to_vec(), read: 0, ended: false };
        Ok(if splits.is_empty() { Box::new(Nothing) } else { Box::new(reader) })
    }
}

struct Reader {
    from: FedSource,
    columns: Vec<usize>,
    read: u64,
    ended: bool,
}

#[async_trait]
impl SourceReader for Reader {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        if self.ended {
            return std::future::pending().await;
        }
        let Some(rows) = self.from.0.lock().await.recv().await else {
            self.ended = true;
            return Ok(Read::End { split: 0 });
        };
        self.read += rows.num_rows() as u64;
        let rows = rows
            .project(&self.columns)
            .map_err(|e| ConnectorError::Rejected(format!("fed rows: {e}")))?;
        Ok(Read::Rows { split: 0, rows, position: Position(self.read.to_string()) })
    }
}

/// An instance without a split.
struct Nothing;

#[async_trait]
impl SourceReader for Nothing {
    async fn next(&mut self) -> Result<Read, ConnectorError> {
        std::future::pending().await
    }
}
