//! What can be wrong with a request.

use std::time::Duration;

use axum::http::StatusCode;

use millrace_http::Problem;

pub(super) fn bad_request(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad-request", "Bad request").detail(detail)
}

pub(super) fn not_found(detail: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "Not found").detail(detail)
}

pub(super) fn overloaded() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "Overloaded")
        .detail("there is more to do than can be done; what matters least is refused first")
        .retry_after(Duration::from_secs(1))
}

pub(super) fn damaged(detail: &str) -> Problem {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    Problem::new(status, "unreadable-history", "Unreadable history").detail(detail)
}

pub(super) fn not_taken(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-taken", "Not taken")
        .detail(detail)
        .retry_after(Duration::from_secs(5))
}
