//! The three Nexmark streams: as a catalog, as sources, and how much of them a query reads.

use std::collections::BTreeMap;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use tokio::task::JoinSet;

use millrace_nexmark::{Events, auction_schema, bid_schema, count_char, person_schema, sink};
use millrace_plan::{Catalog, EventTimeDef, SinkDef, SourceDef};
use millrace_processors::connector::MemorySource;
use millrace_processors::{CheckpointStatus, Job, JobControl};

/// How far watermarks are behind the greatest event time.
const DELAY: Duration = Duration::from_secs(4);

/// What a query's text can name.
pub(crate) fn catalog(query: &str) -> Catalog {
    let stream = |schema: SchemaRef| SourceDef {
        schema,
        event_time: Some(EventTimeDef {
            column: "dateTime".to_owned(),
            delay: DELAY,
            idle: Duration::from_mins(1),
        }),
        bounded: false,
    };
    let sink = sink(query);
    let key = sink.primary_key;
    let key = (!key.is_empty()).then(|| key.iter().map(ToString::to_string).collect());
    Catalog::default()
        .source("person", stream(person_schema()))
        .source("auction", stream(auction_schema()))
        .source("bid", stream(bid_schema()))
        .sink(sink.name, SinkDef { schema: Some(sink.schema), key })
        .scalar(count_char())
}

/// A job that reads `events`.
pub(crate) fn sources(job: Job, events: &Events) -> Job {
    job.with_source("person", MemorySource::new(events.persons.clone()))
        .with_source("auction", MemorySource::new(events.auctions.clone()))
        .with_source("bid", MemorySource::new(events.bids.clone()))
}

/// Rows that the sources of a query hand over.
pub(crate) fn rows_read(query: &str, events: &Events) -> usize {
    let rows = |batches: &[RecordBatch]| batches.iter().map(RecordBatch::num_rows).sum::<usize>();
    match query {
        "q8" => rows(&events.persons) + rows(&events.auctions),
        _ => rows(&events.bids),
    }
}

/// What a run has shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The greatest.
    pub(crate) state_bytes: u64,
    /// By number.
    pub(crate) checkpoints: BTreeMap<u64, CheckpointStatus>,
}

impl Seen {
    fn look(&mut self, control: &JobControl) {
        let status = control.status();
        let bytes = status.operators.values().map(|operator| operator.state_bytes).sum();
        self.state_bytes = self.state_bytes.max(bytes);
        if status.checkpoint.number > 0 {
            self.checkpoints.insert(status.checkpoint.number, status.checkpoint);
        }
    }

    /// The longest pause of a checkpoint.
    pub(crate) fn pause_us(&self) -> u64 {
        self.checkpoints.values().map(|checkpoint| checkpoint.pause_us).max().unwrap_or_default()
    }
}

/// Looks at a run until it has ended, in a task of its own.
pub(crate) fn watch(control: JobControl) -> JoinSet<Seen> {
    let mut watching = JoinSet::new();
    watching.spawn(async move {
        let mut seen = Seen::default();
        while !control.has_ended() {
            seen.look(&control);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        seen.look(&control);
        seen
    });
    watching
}
