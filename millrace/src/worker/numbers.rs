//! What is at work, in numbers.

use std::collections::BTreeMap;

use millrace_control::worker::{CheckpointNumbers, SinkNumbers, SourceNumbers};
use millrace_processors::JobStatus;
use millrace_router::{RouteState, RouterStatus};

use super::desk::Subject;

/// Numbers by source and sink.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    pub(super) sources: BTreeMap<String, SourceNumbers>,
    pub(super) sinks: BTreeMap<String, SinkNumbers>,
    pub(super) checkpoint: CheckpointNumbers,
    pub(super) state_bytes: u64,
}

impl Numbers {
    /// Of what is at work now.
    pub(super) fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Nothing | Subject::Broker => Self::default(),
            Subject::Job(control, _) => Self::of_job(&control.status()),
            Subject::Router(routes) => Self::of_router(&routes.status(), &routes.refused),
        }
    }

    fn of_job(status: &JobStatus) -> Self {
        let mut numbers = Self::default();
        for (operator, seen) in &status.sources {
            // A stream that is scanned twice counts twice: `source.plays`, `source.plays#2`.
            let name = operator.strip_prefix("source.").unwrap_or(operator);
            let name = name.split('#').next().unwrap_or(name);
            // Event time that has come to its end is no instant.
            let watermark = seen.watermark.filter(|watermark| *watermark < i64::MAX);
            let source = SourceNumbers {
                name: name.to_owned(),
                rows: seen.rows_in,
                bytes: seen.bytes_in,
                lag: seen.lag,
                watermark_ms: watermark.map(|watermark| watermark.div_euclid(1000)),
                late: seen.splits.values().map(|split| split.late).sum(),
                dead_letters: seen.dead_letters,
            };
            add_source(&mut numbers.sources, source);
        }
        for (name, seen) in &status.sinks {
            let (rows, bytes) = (seen.rows_out, seen.bytes_out);
            let sink = SinkNumbers { name: name.clone(), rows, bytes, failing: None };
            numbers.sinks.insert(name.clone(), sink);
        }
        let checkpoint = &status.checkpoint;
        numbers.checkpoint = CheckpointNumbers {
            number: checkpoint.number,
            completed_ms: checkpoint.completed_ms,
            duration_us: checkpoint.duration_us,
            bytes: checkpoint.total_bytes,
        };
        numbers.state_bytes = status.operators.values().map(|operator| operator.state_bytes).sum();
        numbers
    }

    /// The router's counts are in its metrics; here is how far behind it is, by topic, and which
    /// routes fail and why.
    fn of_router(status: &RouterStatus, refused: &BTreeMap<String, String>) -> Self {
        let mut numbers = Self::default();
        for (partition, lag) in &status.lag {
            let topic = partition.rsplit_once('/').map_or(partition.as_str(), |(topic, _)| topic);
            let (name, lag) = (topic.to_owned(), Some(*lag));
            let source = SourceNumbers { name, lag, ..SourceNumbers::default() };
            add_source(&mut numbers.sources, source);
        }
        let working = status.routes.iter().map(|(name, route)| (name, failure(&route.state)));
        let refused = refused.iter().map(|(name, why)| (name, Some(why.clone())));
        for (name, failing) in working.chain(refused) {
            let sink = SinkNumbers { name: name.clone(), failing, ..SinkNumbers::default() };
            numbers.sinks.insert(name.clone(), sink);
        }
        numbers
    }

    /// Adds what a later run counted; of what does not add up, the later is kept.
    pub(super) fn add(&mut self, later: &Self) {
        for source in self.sources.values_mut() {
            (source.lag, source.watermark_ms) = (None, None);
        }
        for source in later.sources.values() {
            add_source(&mut self.sources, source.clone());
        }
        for (name, more) in &later.sinks {
            let sink = self.sinks.entry(name.clone()).or_default();
            sink.name.clone_from(name);
            sink.rows += more.rows;
            sink.bytes += more.bytes;
            sink.failing.clone_from(&more.failing);
        }
        if later.checkpoint.number > self.checkpoint.number {
            self.checkpoint = later.checkpoint.clone();
        }
        self.state_bytes = later.state_bytes;
    }
}

fn failure(state: &RouteState) -> Option<String> {
    match state {
        RouteState::Starting | RouteState::Running => None,
        RouteState::Failing { error, .. } => Some(error.clone()),
    }
}

fn add_source(sources: &mut BTreeMap<String, SourceNumbers>, more: SourceNumbers) {
    let Some(source) = sources.get_mut(&more.name) else {
        sources.insert(more.name.clone(), more);
        return;
    };
    source.rows += more.rows;
    source.bytes += more.bytes;
    source.late += more.late;
    source.dead_letters += more.dead_letters;
    source.lag = match (source.lag, more.lag) {
        (Some(lag), Some(more)) => Some(lag + more),
        (lag, more) => lag.or(more),
    };
    source.watermark_ms = match (source.watermark_ms, more.watermark_ms) {
        (Some(watermark), Some(other)) => Some(watermark.min(other)),
        (watermark, other) => watermark.or(other),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(rows: u64, lag: Option<u64>, checkpoint: u64) -> Numbers {
        let name = || "plays".to_owned();
        let source = SourceNumbers { name: name(), rows, lag, ..SourceNumbers::default() };
        Numbers {
            sources: [(name(), source)].into(),
            sinks: [(name(), SinkNumbers { name: name(), rows, bytes: rows, failing: None })]
                .into(),
            checkpoint: CheckpointNumbers { number: checkpoint, ..CheckpointNumbers::default() },
            state_bytes: 11,
        }
    }

    #[test]
    fn counts_of_runs_add_up_and_states_are_those_of_the_last() {
        let mut past = one(5, Some(9), 3);
        past.add(&one(2, Some(4), 4));
        assert_eq!(past, one(7, Some(4), 4));
        past.add(&Numbers::default());
        assert_eq!((past.sources["plays"].rows, past.sources["plays"].lag), (7, None));
        assert_eq!((past.checkpoint.number, past.state_bytes), (4, 0));
    }
}
