//! A job inside a program: rows in, a windowed query, rows out.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::util::pretty::pretty_format_batches;
use millrace_plan::{Catalog, EventTimeDef, SinkDef, SourceDef, plan};
use millrace_processors::Job;
use millrace_processors::connector::{MemorySink, MemorySource};

const SQL: &str = "
    INSERT INTO per_minute
    SELECT window_start, title, COUNT(*) AS plays
    FROM TABLE(TUMBLE(TABLE plays, DESCRIPTOR(started_at), INTERVAL '1' MINUTE))
    GROUP BY window_start, window_end, title";

/// Plays of each title in each minute.
pub(crate) async fn per_minute(plays: RecordBatch) -> Result<Vec<RecordBatch>, Box<dyn Error>> {
    let event_time = Some(EventTimeDef {
        column: "started_at".to_owned(),
        delay: Duration::from_secs(5),
        idle: Duration::from_secs(30),
    });
    let source = SourceDef { schema: plays.schema(), event_time, bounded: true };
    let catalog = Catalog::default()
        .source("plays", source)
        .sink("per_minute", SinkDef { schema: None, key: None });
    let plan = plan(SQL, &catalog).map_err(|mistakes| format!("{}", mistakes[0]))?;
    let sink = MemorySink::new();
    let job = Job::new("plays-per-minute", plan)
        .with_source("plays", MemorySource::new(vec![plays]))
        .with_sink("per_minute", sink.clone());
    job.run().await?;
    Ok(sink.committed().into_iter().map(|batch| batch.rows).collect())
}

/// Five plays in two minutes, one of them out of order.
pub(crate) fn plays() -> RecordBatch {
    let at = [1, 61, 59, 62, 119].map(|second| second * 1_000_000);
    let at = TimestampMicrosecondArray::from(at.to_vec()).with_timezone("UTC");
    let titles = StringArray::from(vec!["Arrival", "Arrival", "Arrival", "Solaris", "Arrival"]);
    let columns: [(&str, ArrayRef); 2] =
        [("started_at", Arc::new(at)), ("title", Arc::new(titles))];
    RecordBatch::try_from_iter(columns).expect("both columns have five rows")
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("{}", pretty_format_batches(&per_minute(plays()).await?)?);
    Ok(())
}
