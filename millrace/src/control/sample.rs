//! A job over the newest events of its streams, in this process, writing nowhere.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use millrace_control::{SampleRows, SeamError};
use millrace_plan::JobPlan;
use millrace_processors::connector::{
    ConnectorError, MemorySink, MemorySource, Prepared, SinkCommitter, SinkFactory, SinkWriter,
};
use millrace_processors::{Batch, Job, JobError, JobSettings};

use crate::job::{SinkRows, rows_json};

/// Longest a sample may run.
const PATIENCE: Duration = Duration::from_secs(10);
/// Memory of the state of a sample; what is more goes to disk.
const STATE_MEMORY: usize = 64 << 20;
/// Most bytes that all sinks of a sample may take.
const MOST_BYTES: usize = 64 << 20;

/// Keeps rows in memory, but not more than there is room for.
#[derive(Debug, Clone)]
struct BoundedSink {
    rows: MemorySink,
    /// Bytes taken by all sinks of the job.
    taken: Arc<AtomicUsize>,
}

#[async_trait]
impl SinkFactory for BoundedSink {
    async fn writer(
        &self,
        instance: usize,
        generation: u64,
    ) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        let writer = self.rows.writer(instance, generation).await?;
        Ok(Box::new(BoundedWriter { writer, taken: Arc::clone(&self.taken) }))
    }

    async fn committer(&self, generation: u64) -> Result<Box<dyn SinkCommitter>, ConnectorError> {
        self.rows.committer(generation).await
    }
}

struct BoundedWriter {
    writer: Box<dyn SinkWriter>,
    taken: Arc<AtomicUsize>,
}

#[async_trait]
impl SinkWriter for BoundedWriter {
    async fn write(&mut self, batch: Batch) -> Result<(), ConnectorError> {
        let bytes = batch.bytes();
        if self.taken.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            let why = format!("its rows take more than {most} MiB: ask for fewer events");
            return Err(ConnectorError::Rejected(why));
        }
        self.writer.write(batch).await
    }

    async fn prepare(&mut self, checkpoint: u64) -> Result<Prepared, ConnectorError> {
        self.writer.prepare(checkpoint).await
    }
}

/// The first `rows` rows of each sink when `plan` reads `sources` to their ends.
pub(super) async fn run(
    plan: &JobPlan,
    sources: BTreeMap<String, MemorySource>,
    rows: usize,
) -> Result<Vec<SampleRows>, SeamError> {
    let settings = JobSettings {
        checkpoint_interval: None,
        state_memory: STATE_MEMORY,
        ..JobSettings::default()
    };
    let mut job = Job::new("sample", plan.clone()).settings(settings);
    for (name, source) in sources {
        job = job.with_source(name, source);
    }
    let taken = Arc::<AtomicUsize>::default();
    let names: BTreeSet<_> = plan.sinks().map(|(_, sink)| sink.name.clone()).collect();
    let mut sinks = BTreeMap::new();
    for name in names {
        let sink = BoundedSink { rows: MemorySink::new(), taken: Arc::clone(&taken) };
        job = job.with_sink(&name, sink.clone());
        sinks.insert(name, sink.rows);
    }
    // Dropping the run ends it.
    match tokio::time::timeout(PATIENCE, job.run()).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(failed(&error)),
        Err(_) => {
            let why = format!("the sample took longer than {PATIENCE:?}: ask for fewer events");
            return Err(SeamError::Refused(why));
        }
    }
    sinks.iter().map(|(name, sink)| shown(plan, name, sink, rows)).collect()
}

fn failed(error: &JobError) -> SeamError {
    let why = format!("the sample failed: {error}");
    if error.is_retryable() { SeamError::Unavailable(why) } else { SeamError::Refused(why) }
}

fn shown(
    plan: &JobPlan,
    name: &str,
    sink: &MemorySink,
    rows: usize,
) -> Result<SampleRows, SeamError> {
    let refused = |e: anyhow::Error| SeamError::Refused(format!("the rows of `{name}`: {e}"));
    let left = SinkRows::of(plan, name, sink, rows).map_err(refused)?;
    let json = rows_json(&left.rows).map_err(refused)?;
    let serde_json::Value::Array(json) = json else {
        return Err(SeamError::Refused(format!("the rows of `{name}` are no list")));
    };
    let truncated = left.total > json.len();
    Ok(SampleRows { sink: name.to_owned(), rows: json, truncated })
}
