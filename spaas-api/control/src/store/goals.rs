//! What is wanted of jobs: every change adds one to the goal's number.

use serde_json::Value;

use crate::model::{Desired, EventKind, JobGoal, Kind, Resource, StatePolicy};

use super::database::{Store, Write};
use super::error::{Result, StoreError};
use super::events::{Happening, note};
use super::put::{Put, because, happening};
use super::resources::{find, named};
use super::row::{json, written};
use super::savepoints::give_up;

/// What changes of a job's goal when a version of it is put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobGoalChange {
    /// Whether it is to run; `None` leaves it as it is, and lets a new job run.
    pub desired: Option<Desired>,
    /// What the next start may do with state.
    pub state: StatePolicy,
    /// Of a job without state of its own: the savepoint to begin from.
    pub from_savepoint: Option<String>,
    /// Begin a run even if all is wanted already: the last one was refused for good.
    pub again: bool,
}

impl Default for JobGoalChange {
    fn default() -> Self {
        Self { desired: None, state: StatePolicy::Keep, from_savepoint: None, again: false }
    }
}

impl Store {
    /// What is wanted of the job, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`], [`StoreError::Unavailable`].
    pub async fn goal(&self, ns: &str, job: &str) -> Result<Option<JobGoal>> {
        const GOAL: &str = "SELECT g.body FROM goals g JOIN resources r ON r.uid = g.uid \
            WHERE r.namespace = $1 AND r.kind = 'Job' AND r.name = $2";
        let row = sqlx::query(GOAL).bind(ns).bind(job).fetch_optional(self.pool()).await?;
        row.as_ref().map(|row| json(row, "body")).transpose()
    }

    /// Changes what is wanted of the job by `f`, which must not touch the number: that grows by one
    /// if anything else changes. With `expect_goal`, only if the goal is at that number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without the job; [`StoreError::Conflict`] if its goal is another
    /// than expected; [`StoreError::Exists`] if it is being removed.
    #[expect(clippy::too_many_arguments, reason = "who, why and when belong to every change")]
    pub async fn set_goal(
        &self,
        ns: &str,
        job: &str,
        expect_goal: Option<i64>,
        f: impl FnOnce(&mut JobGoal) + Send,
        author: &str,
        reason: Option<&str>,
        now_ms: i64,
    ) -> Result<JobGoal> {
        let mut write = self.write().await?;
        let words = named(ns, Kind::Job, job);
        let found = find(&mut *write.tx, ns, Kind::Job, job).await?;
        let resource = found.ok_or_else(|| StoreError::NotFound(words.clone()))?;
        let old = read_goal(&mut write, &resource)
            .await?
            .ok_or_else(|| StoreError::Corrupt(format!("{words} has no goal")))?;
        if expect_goal.is_some_and(|expected| expected != old.goal) {
            return Err(StoreError::Conflict { current: old.goal });
        }
        if resource.metadata.deleting_ms.is_some() {
            return Err(StoreError::Exists(format!("{words} is being removed")));
        }
        let mut new = old.clone();
        f(&mut new);
        new.goal = old.goal;
        if new == old {
            return Ok(old);
        }
        new.goal += 1;
        save_goal(&mut write, &resource.metadata.uid, &new).await?;
        if let Some(id) =
            old.stop_savepoint.as_ref().filter(|id| new.stop_savepoint.as_ref() != Some(*id))
        {
            give_up(&mut write, &resource.metadata.uid, id).await?;
        }
        let (what, mut message) = in_words(&old, &new);
        because(&mut message, reason);
        note(
            &mut write,
            &Happening {
                at_ms: now_ms,
                level: EventKind::Normal,
                ns,
                kind: Kind::Job.as_str(),
                name: job,
                what,
                message: &message,
                author,
            },
        )
        .await?;
        self.commit_and_wake(write).await?;
        Ok(new)
    }
}

/// The goal that goes with a put of a job. Returns whether it changed.
pub(super) async fn change_goal(
    write: &mut Write<'_>,
    there: Option<&Resource>,
    resource: &Resource,
    put: &Put,
    spec_changed: bool,
) -> Result<bool> {
    let default = JobGoalChange::default();
    let change = put.goal.as_ref().unwrap_or(&default);
    let old = match there {
        Some(there) => read_goal(write, there).await?,
        None => None,
    };
    let resized =
        there.is_some_and(|there| parallelism(&there.spec) != parallelism(&resource.spec));
    let new = next_goal(old.as_ref(), change, resource.metadata.generation, spec_changed, resized);
    if old.as_ref() == Some(&new) {
        return Ok(false);
    }
    save_goal(write, &resource.metadata.uid, &new).await?;
    if let Some(old) = &old {
        let (what, mut message) = in_words(old, &new);
        because(&mut message, put.reason.as_deref());
        note(write, &happening(put, what, &message)).await?;
    }
    Ok(true)
}

fn parallelism(spec: &Value) -> Option<&Value> {
    spec.get("parallelism")
}

/// The goal after a put of `generation`. Putting again what is there changes nothing, so that
/// applying the same files twice does not restart a job.
fn next_goal(
    old: Option<&JobGoal>,
    change: &JobGoalChange,
    generation: i64,
    spec_changed: bool,
    resized: bool,
) -> JobGoal {
    let Some(old) = old else {
        return JobGoal {
            goal: 1,
            desired: change.desired.unwrap_or(Desired::Running),
            version: generation,
            parallelism: None,
            restarts: 0,
            stop_savepoint: None,
            drain: false,
            state: change.state,
            from_savepoint: change.from_savepoint.clone(),
        };
    };
    let mut new = old.clone();
    new.version = generation;
    if let Some(desired) = change.desired {
        new.desired = desired;
        if desired == Desired::Running {
            new.stop_savepoint = None;
            new.drain = false;
        }
    }
    // A number of instances chosen by hand outlives versions that say nothing new about it.
    if resized {
        new.parallelism = None;
    }
    // What one upgrade was allowed to drop, the next is not.
    let told = change.again || change.state != StatePolicy::Keep;
    if spec_changed || new.version != old.version || told {
        new.state = change.state;
    }
    if change.from_savepoint.is_some() {
        new.from_savepoint.clone_from(&change.from_savepoint);
    }
    if change.again && new == *old {
        new.restarts += 1;
    }
    if new != *old {
        new.goal += 1;
    }
    new
}

/// What changed, for programs and for people.
fn in_words(old: &JobGoal, new: &JobGoal) -> (&'static str, String) {
    if new.version > old.version {
        (
            "UpgradeRequested",
            format!("version {} is to run instead of {}", new.version, old.version),
        )
    } else if new.version < old.version {
        ("RollbackRequested", format!("version {} is to run again", new.version))
    } else if old.desired != new.desired {
        match new.desired {
            Desired::Running => ("StartRequested", "is to run".to_owned()),
            Desired::Stopped => match &new.stop_savepoint {
                Some(id) => ("StopRequested", format!("is to stop after savepoint {id}")),
                None => ("StopRequested", "is to stop".to_owned()),
            },
        }
    } else if old.parallelism != new.parallelism {
        let size = new.parallelism.map_or_else(|| "as declared".to_owned(), |n| n.to_string());
        ("RescaleRequested", format!("instances of each operator: {size}"))
    } else if old.restarts != new.restarts {
        ("RestartRequested", "is to be restarted".to_owned())
    } else {
        ("GoalChanged", "what is wanted of it changed".to_owned())
    }
}

async fn read_goal(write: &mut Write<'_>, resource: &Resource) -> Result<Option<JobGoal>> {
    let row = sqlx::query("SELECT body FROM goals WHERE uid = $1")
        .bind(resource.metadata.uid.as_str())
        .fetch_optional(&mut *write.tx)
        .await?;
    row.as_ref().map(|row| json(row, "body")).transpose()
}

async fn save_goal(write: &mut Write<'_>, uid: &str, goal: &JobGoal) -> Result<()> {
    const SAVE: &str = "INSERT INTO goals (uid, goal, body) VALUES ($1, $2, $3) \
        ON CONFLICT (uid) DO UPDATE SET goal = excluded.goal, body = excluded.body";
    sqlx::query(SAVE).bind(uid).bind(goal.goal).bind(written(goal)).execute(&mut *write.tx).await?;
    Ok(())
}

#[cfg(test)]
#[path = "goals_tests.rs"]
mod tests;
