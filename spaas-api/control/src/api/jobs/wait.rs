//! Holding an answer back until a job rests.

use std::time::Duration;

use millrace_http::Problem;

use super::status::{JobView, view};
use crate::api::input::bad_request;
use crate::api::parts::Api;
use crate::api::problems::store_problem;
use crate::model::Kind;

/// Longest wait.
const MOST_SECONDS: u64 = 60;
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// How long to wait; nothing if it was not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait(Duration);

impl Wait {
    /// Not at all.
    pub(crate) fn none() -> Self {
        Self(Duration::ZERO)
    }

    /// The wait asked for, if it is allowed.
    pub(crate) fn checked(seconds: Option<u64>) -> Result<Self, Problem> {
        match seconds.unwrap_or(0) {
            seconds @ 0..=MOST_SECONDS => Ok(Self(Duration::from_secs(seconds))),
            _ => Err(bad_request("bad-query", "The query is not right")
                .detail(format!("`wait` is at most {MOST_SECONDS} seconds"))),
        }
    }
}

/// The job when it rests, or when the wait is over.
pub(crate) async fn until_settled(
    api: &Api,
    ns: &str,
    name: &str,
    wait: Wait,
) -> Result<JobView, Problem> {
    let end = api.clock.monotonic() + wait.0;
    loop {
        let view = view(api, ns, name).await?;
        if view.settled || api.clock.monotonic() >= end {
            return Ok(view);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the job is gone before the wait is over.
pub(crate) async fn until_gone(
    api: &Api,
    ns: &str,
    name: &str,
    wait: Wait,
) -> Result<bool, Problem> {
    let end = api.clock.monotonic() + wait.0;
    loop {
        let there = api.store.get(ns, Kind::Job, name).await.map_err(store_problem)?;
        if there.is_none_or(|r| r.metadata.deleting_ms.is_none()) {
            return Ok(true);
        }
        if api.clock.monotonic() >= end {
            return Ok(false);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
