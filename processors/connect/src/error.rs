//! Errors of the bus and of sinks as a job sees them.

use millrace_bus::BusError;
use millrace_events::SendError;
use millrace_processors::connector::ConnectorError;
use millrace_sinks::SinkError;

/// A client that is of no more use is made anew when the job restarts, so that may help.
pub(crate) fn of_bus(error: BusError) -> ConnectorError {
    match error {
        BusError::Retry { what, source } | BusError::Fatal { what, source } => {
            ConnectorError::Retry { what, source }
        }
        BusError::Refused { what } => ConnectorError::Rejected(what),
    }
}

pub(crate) fn of_sink(error: SinkError) -> ConnectorError {
    match error {
        SinkError::Retry { what, source } => ConnectorError::Retry { what, source },
        SinkError::Superseded { ref sink, .. } => {
            // The generations, which only this error knows, tell a zombie from a lost state.
            tracing::warn!(%error, "fenced off");
            ConnectorError::Fenced { sink: sink.clone() }
        }
        SinkError::Fenced { route, .. } => ConnectorError::Fenced { sink: route },
        SinkError::Rejected { what } => ConnectorError::Rejected(what),
    }
}

pub(crate) fn of_send(topic: &str, error: SendError) -> ConnectorError {
    match error {
        SendError::Unavailable(_) => {
            ConnectorError::retry(format!("write to feed `{topic}`"), error)
        }
        SendError::Rejected(why) => ConnectorError::Rejected(format!("feed `{topic}`: {why}")),
    }
}
