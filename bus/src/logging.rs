//! The client library's talk becomes tracing events.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel as Level;
use rdkafka::error::KafkaError;

/// A client context that only talks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Talk;

impl ClientContext for Talk {
    fn log(&self, level: Level, facility: &str, message: &str) {
        talk(level as i32, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(target: "kafka", %error, "{reason}");
    }
}

/// Facility of connections that failed. The library tries again, and whoever needs the broker
/// meanwhile is told by an error of its own: a broker that starts or stops is not an error of ours.
const CONNECTION: &str = "FAIL";

/// One line of the library's log; `level` is syslog's.
pub(crate) fn talk(level: i32, facility: &str, message: &str) {
    match level {
        0..=4 if facility == CONNECTION => {
            tracing::warn!(target: "kafka", facility, "{message}");
        }
        0..=3 => tracing::error!(target: "kafka", facility, "{message}"),
        4 => tracing::warn!(target: "kafka", facility, "{message}"),
        5..=6 => tracing::info!(target: "kafka", facility, "{message}"),
        _ => tracing::debug!(target: "kafka", facility, "{message}"),
    }
}
