//! A sink that counts rows and keeps none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use millrace_processors::Batch;
use millrace_processors::connector::{
    ConnectorError, Position, Prepared, SinkCommitter, SinkFactory, SinkWriter, SplitId,
};

/// Counts rows. Clones share the count.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountingSink(Arc<AtomicU64>);

impl CountingSink {
    pub(crate) fn rows(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl SinkFactory for CountingSink {
    async fn writer(&self, _: usize, _: u64) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }

    async fn committer(&self, _: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl SinkWriter for CountingSink {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        self.0.fetch_add(batch.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn prepare(&mut self, _: u64) -> Result<Prepared, ConnectorError> {
        Ok(Prepared::Null)
    }
}

#[async_trait]
impl SinkCommitter for CountingSink {
    async fn commit(
        &mut self,
        _: u64,
        _: &[(SplitId, Position)],
        _: Vec<Prepared>,
    ) -> Result<(), ConnectorError> {
        Ok(())
    }
}
