//! Waiting until a job rests where it was told to be.

use std::time::Duration;

use serde_json::Value;

use crate::context::Context;
use crate::error::ClientError;
use crate::exit::ExitKind;
use crate::http::{Api, Call};
use crate::kind::Kind;
use crate::table::one_line;

/// A job at a moment, as far as waiting needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobState {
    pub(crate) phase: String,
    pub(crate) reason: Option<String>,
    pub(crate) goal: i64,
    pub(crate) observed_goal: i64,
}

/// What to do after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Look {
    /// Look again.
    Again,
    /// It is where it was told to be.
    Rests,
    /// It will not be tried again.
    Failed,
}

impl JobState {
    /// Reads an answer about a job: its goal and its status.
    pub(crate) fn read(answer: &Value) -> Self {
        let status = status_of(answer);
        let goal = &answer["goal"];
        Self {
            phase: status["phase"].as_str().unwrap_or("created").to_owned(),
            reason: status["reason"].as_str().map(ToOwned::to_owned),
            goal: goal["goal"].as_i64().or(goal.as_i64()).unwrap_or(0),
            observed_goal: status["observedGoal"].as_i64().unwrap_or(0),
        }
    }

    /// What to do after a look at a job that is to reach `goal`.
    pub(crate) fn look(&self, goal: i64) -> Look {
        if self.observed_goal < goal {
            return Look::Again;
        }
        match self.phase.as_str() {
            "running" | "stopped" | "finished" => Look::Rests,
            "failed" => Look::Failed,
            _ => Look::Again,
        }
    }

    /// In words.
    pub(crate) fn words(&self) -> String {
        let reason = self.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        one_line(&format!("{}{reason}", self.phase))
    }
}

/// The status in an answer about a job.
pub(crate) fn status_of(answer: &Value) -> &Value {
    if answer["status"].is_object() { &answer["status"] } else { answer }
}

/// Waits until the job rests, at most `limit`.
pub(crate) async fn until_it_rests(
    ctx: &mut Context,
    api: &Api,
    (ns, job): (&str, &str),
    limit: Duration,
) -> Result<ExitKind, ClientError> {
    let mut path = Kind::Job.path(ns, job);
    path.push("status".to_owned());
    let mut last = None;
    let look = tokio::time::timeout(limit, async {
        let mut goal = None;
        loop {
            let answer = api.send(ctx, Call::get(&path)).await?;
            let state = JobState::read(&answer.body);
            // The goal to be reached is the one in force when the waiting began.
            let goal = *goal.get_or_insert(state.goal);
            let look = state.look(goal);
            ctx.progress(&format!("job/{job}: {}", state.words()));
            last = Some(state);
            if look != Look::Again {
                return Ok::<_, ClientError>(look);
            }
            tokio::time::sleep(ctx.poll).await;
        }
    })
    .await;
    ctx.progress("");
    let words = last.map_or_else(|| "not seen".to_owned(), |state| state.words());
    match look {
        Ok(Ok(Look::Failed)) => Err(ClientError::Failed(format!(
            "job `{job}` is {words}\n  see: millrace job logs {job} -n {ns}"
        ))),
        Ok(Ok(_)) => {
            ctx.say(format_args!("job/{job} is {words}"));
            Ok(ExitKind::Done)
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(ClientError::TimedOut(format!(
            "job `{job}` is {words} after {}s\n  see: millrace job status {job} -n {ns}",
            limit.as_secs_f64()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_rests_when_the_goal_was_seen_and_reached() {
        let state = |phase: &str, observed: i64| {
            JobState::read(&json!({
                "goal": {"goal": 3}, "status": {"phase": phase, "observedGoal": observed}
            }))
        };
        for (phase, observed, expected) in [
            ("running", 2, Look::Again),
            ("running", 3, Look::Rests),
            ("stopped", 4, Look::Rests),
            ("finished", 3, Look::Rests),
            ("failed", 2, Look::Again),
            ("failed", 3, Look::Failed),
            ("restarting", 3, Look::Again),
        ] {
            let state = state(phase, observed);
            assert_eq!(state.look(state.goal), expected, "{phase} {observed}");
        }
    }
}
