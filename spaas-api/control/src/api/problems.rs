//! What can go wrong below, as problem documents.

use std::time::Duration;

use axum::http::StatusCode;

use millrace_http::{ItemError, Place, Problem};

use crate::LaunchError;
use crate::admission::{Conflict, Fault, Refusal};
use crate::seams::SeamError;
use crate::store::StoreError;

/// When trying again may help.
const SOON: Duration = Duration::from_secs(1);

/// There is no such thing, or the caller may not know of it.
pub(crate) fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing")
}

/// It conflicts with what is there.
pub(crate) fn conflict(kind: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, kind, title)
}

fn unavailable(why: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "It does not answer now")
        .detail(why)
        .retry_after(SOON)
}

/// It has changed since the caller read it.
pub(crate) fn stale(current: i64) -> Problem {
    Problem::new(StatusCode::PRECONDITION_FAILED, "stale", "It has changed since it was read")
        .detail("read it again, make the change again, and send its new `ETag`")
        .with("current", current)
}

pub(crate) fn store_problem(error: StoreError) -> Problem {
    match error {
        StoreError::Conflict { current } => stale(current),
        StoreError::NotFound(what) => {
            tracing::debug!(what, "not found");
            not_found()
        }
        StoreError::Exists(what) => {
            conflict("exists", "Something is there that must not be").detail(what)
        }
        StoreError::Corrupt(why) => {
            tracing::error!(%why, "the store holds something that cannot be read");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "corrupt", "The store is damaged")
        }
        StoreError::Unavailable(why) => {
            tracing::warn!(%why, "the store does not answer");
            unavailable("the store does not answer")
        }
    }
}

pub(crate) fn seam_problem(error: SeamError) -> Problem {
    match error {
        SeamError::Sql(mistakes) => {
            refusal_problem(Refusal::Sql(Fault::of_sql(None, "/sql", &mistakes)))
        }
        SeamError::Refused(why) => conflict("refused", "The engine cannot do this").detail(why),
        SeamError::Unavailable(why) => unavailable(&why),
    }
}

pub(crate) fn launch_problem(error: &LaunchError) -> Problem {
    match error {
        LaunchError::Gone { .. } => not_running(),
        LaunchError::Refused { .. } => {
            conflict("refused", "The launcher cannot do this").detail(error.to_string())
        }
        LaunchError::Retry { .. } => unavailable(&error.to_string()),
    }
}

/// The job has no run that could answer.
pub(crate) fn not_running() -> Problem {
    conflict("not-running", "The job is not running")
        .detail("see its status; `resume` starts it again")
}

pub(crate) fn refusal_problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Manifest(faults) => {
            Problem::new(StatusCode::BAD_REQUEST, "manifest-invalid", "The manifest is not right")
                .errors(&items(faults))
        }
        Refusal::Sql(faults) => {
            Problem::new(StatusCode::BAD_REQUEST, "sql-invalid", "The SQL is not right")
                .errors(&items(faults))
        }
        Refusal::Conflict(found) => conflict_problem(found),
        Refusal::Stale { current } => stale(current),
        Refusal::NotFound => not_found(),
        Refusal::Store(error) => store_problem(error),
        Refusal::Seam(error) => seam_problem(error),
    }
}

fn conflict_problem(found: Conflict) -> Problem {
    let problem = conflict(found.kind, found.title).detail(found.detail);
    let problem =
        if found.faults.is_empty() { problem } else { problem.errors(&items(found.faults)) };
    match found.verdict {
        Some(verdict) => {
            problem.with("verdict", serde_json::to_value(verdict).expect("a verdict is JSON"))
        }
        None => problem,
    }
}

fn items(faults: Vec<Fault>) -> Vec<ItemError> {
    let item = |fault: Fault| ItemError {
        index: fault.document,
        pointer: fault.pointer,
        line: fault.line,
        document: fault.place.map(|(line, column)| Place { line, column }),
        column: fault.column,
        hint: fault.hint,
        excerpt: fault.excerpt,
        ..ItemError::new(fault.message)
    };
    faults.into_iter().map(item).collect()
}
