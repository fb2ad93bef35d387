//! Whether what failed may pass.

use millrace_bus::BusError;
use millrace_control::model::RunEnd;
use millrace_processors::JobError;
use millrace_processors::connector::ConnectorError;
use millrace_sinks::SinkError;

/// What no further try will mend.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(pub(super) String);

/// The end of a run that failed.
pub(super) fn end(error: &anyhow::Error) -> RunEnd {
    RunEnd::Failed { reason: format!("{error:#}"), retryable: is_retryable(error) }
}

/// Whether another try may help. What is not known to be for good may pass.
pub(super) fn is_retryable(error: &anyhow::Error) -> bool {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<JobError>() {
            return error.is_retryable();
        }
        if let Some(error) = cause.downcast_ref::<ConnectorError>() {
            return error.is_retryable();
        }
        if let Some(error) = cause.downcast_ref::<BusError>() {
            return !matches!(error, BusError::Refused { .. });
        }
        if let Some(error) = cause.downcast_ref::<SinkError>() {
            return matches!(error, SinkError::Retry { .. });
        }
        if cause.is::<Refused>() {
            return false;
        }
    }
    true
}

/// A job that could not be put together, by whether that may pass.
pub(super) fn of_assembly(error: &anyhow::Error) -> JobError {
    let what = format!("{error:#}");
    if is_retryable(error) {
        ConnectorError::retry("put the job together", what).into()
    } else {
        JobError::Unsupported(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again() {
        let passing = ConnectorError::retry("read", "not now");
        assert!(is_retryable(&anyhow::Error::new(passing).context("the job")));
        let wrong = ConnectorError::Rejected("no such column".to_owned());
        assert!(!is_retryable(&anyhow::Error::new(wrong).context("the job")));
        assert!(is_retryable(&anyhow::anyhow!("nobody knows")));
        let wrong = anyhow::Error::new(Refused("a mistake".to_owned())).context("the plan");
        let expected =
            RunEnd::Failed { reason: "the plan: a mistake".to_owned(), retryable: false };
        assert_eq!(end(&wrong), expected);
        assert!(!of_assembly(&wrong).is_retryable());
        assert!(of_assembly(&anyhow::anyhow!("nobody knows")).is_retryable());
    }
}
