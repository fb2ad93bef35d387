//! A sink that is put together when its route first claims: what hinders that stops this route
//! alone, is shown as its failure, and is tried again.

use async_trait::async_trait;

use millrace_events::TopicPartition;
use millrace_sinks::{Ledger, Sink, SinkBatch, SinkError};

/// Puts the sink together.
type Make = Box<dyn Fn() -> anyhow::Result<Box<dyn Sink>> + Send>;

/// The sink, or how to come by it.
pub(super) struct LateSink {
    make: Make,
    sink: Option<Box<dyn Sink>>,
}

impl LateSink {
    pub(super) fn new(make: impl Fn() -> anyhow::Result<Box<dyn Sink>> + Send + 'static) -> Self {
        Self { make: Box::new(make), sink: None }
    }

    /// What a route does only with partitions that it has claimed.
    fn claimed(&mut self) -> Result<&mut Box<dyn Sink>, SinkError> {
        let missing = || SinkError::retry("use the sink", "nothing was claimed yet");
        self.sink.as_mut().ok_or_else(missing)
    }
}

#[async_trait]
impl Sink for LateSink {
    async fn claim(
        &mut self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        let sink = match self.sink.take() {
            Some(sink) => sink,
            None => (self.make)()
                .map_err(|error| SinkError::retry("put the sink together", format!("{error:#}")))?,
        };
        self.sink.insert(sink).claim(partitions).await
    }

    async fn release(&mut self, partitions: &[TopicPartition]) {
        if let Some(sink) = &mut self.sink {
            sink.release(partitions).await;
        }
    }

    async fn write(&mut self, batch: SinkBatch) -> Result<(), SinkError> {
        self.claimed()?.write(batch).await
    }

    fn pending_bytes(&self) -> usize {
        self.sink.as_ref().map_or(0, |sink| sink.pending_bytes())
    }

    async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
        match &mut self.sink {
            Some(sink) => sink.commit().await,
            None => Ok(Vec::new()),
        }
    }

    async fn abort(&mut self) {
        if let Some(sink) = &mut self.sink {
            sink.abort().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Takes everything and has no ledger.
    struct Open;

    #[async_trait]
    impl Sink for Open {
        async fn claim(
            &mut self,
            partitions: &[TopicPartition],
        ) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
            Ok(partitions.iter().map(|tp| (tp.clone(), Ledger::default())).collect())
        }

        async fn release(&mut self, _: &[TopicPartition]) {}

        async fn write(&mut self, _: SinkBatch) -> Result<(), SinkError> {
            Ok(())
        }

        fn pending_bytes(&self) -> usize {
            7
        }

        async fn commit(&mut self) -> Result<Vec<(TopicPartition, Ledger)>, SinkError> {
            Ok(Vec::new())
        }

        async fn abort(&mut self) {}
    }

    #[tokio::test]
    async fn what_hinders_a_sink_is_told_and_tried_again() {
        let there = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&there);
        let mut sink = LateSink::new(move || {
            anyhow::ensure!(seen.load(Ordering::Relaxed), "the secret is not there");
            Ok(Box::new(Open) as Box<dyn Sink>)
        });
        for _ in 0..2 {
            let error = sink.claim(&[]).await.expect_err("it cannot be made");
            assert!(matches!(error, SinkError::Retry { .. }));
            assert!(error.to_string().contains("the secret is not there"), "{error}");
            assert_eq!(sink.pending_bytes(), 0);
            assert!(sink.commit().await.expect("there is nothing to commit").is_empty());
        }
        there.store(true, Ordering::Relaxed);
        assert!(sink.claim(&[]).await.expect("it can be made").is_empty());
        assert_eq!(sink.pending_bytes(), 7);
    }
}
