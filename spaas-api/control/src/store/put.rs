//! One change of a resource: what it becomes, its version, its event, and, of a job, its goal.

use std::collections::BTreeMap;

use serde_json::Value;
use uuid::Uuid;

use crate::model::{EventKind, Kind, Metadata, Resource};

use super::database::{Store, Write};
use super::error::{Result, StoreError};
use super::events::{Happening, note};
use super::goals::{JobGoalChange, change_goal};
use super::resources::{find, named};
use super::row::{clean, written};

/// A resource as it is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// Namespace; of a Namespace, its own name.
    pub ns: String,
    /// Kind.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// As declared.
    pub spec: Value,
    /// Free words to choose by.
    pub labels: BTreeMap<String, String>,
    /// Who changes it.
    pub author: String,
    /// Why.
    pub reason: Option<String>,
    /// When, milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The resource version it must be at; 0: it must not exist; `None`: whatever it is at.
    pub expect: Option<i64>,
    /// Of a job: what else changes with it. `None` is the default: the new version is to run where
    /// the job runs, and a new job is to run.
    pub goal: Option<JobGoalChange>,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It was not there.
    Created,
    /// Something of it changed.
    Configured,
    /// It was like that already: nothing was written.
    Unchanged,
}

impl Store {
    /// Makes or changes a resource: in one transaction the resource, its version, an event and, of
    /// a job, its goal.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it is not at `expect`; [`StoreError::Exists`] if it must not be
    /// there or is being removed; [`StoreError::NotFound`] without its namespace.
    pub async fn put(&self, change: Put) -> Result<(Resource, PutOutcome)> {
        let mut done = self.put_all(vec![change]).await?;
        Ok(done.pop().expect("one result of one change"))
    }

    /// Makes all changes, in the order given, or none.
    ///
    /// # Errors
    /// That of the first change that cannot be made.
    pub async fn put_all(&self, changes: Vec<Put>) -> Result<Vec<(Resource, PutOutcome)>> {
        let mut write = self.write().await?;
        let mut done = Vec::with_capacity(changes.len());
        for change in changes {
            done.push(put_one(&mut write, change).await?);
        }
        if done.iter().all(|(_, outcome)| *outcome == PutOutcome::Unchanged) {
            return Ok(done);
        }
        self.commit_and_wake(write).await?;
        Ok(done)
    }

    /// Sees to it that the namespace exists.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn ensure_namespace(&self, name: &str, now_ms: i64) -> Result<()> {
        if self.get(name, Kind::Namespace, name).await?.is_some() {
            return Ok(());
        }
        let change = Put {
            ns: name.to_owned(),
            kind: Kind::Namespace,
            name: name.to_owned(),
            spec: Value::Object(serde_json::Map::new()),
            labels: BTreeMap::new(),
            author: "millrace".to_owned(),
            reason: None,
            now_ms,
            expect: Some(0),
            goal: None,
        };
        match self.put(change).await {
            // Another process was faster.
            Ok(_) | Err(StoreError::Exists(_)) => Ok(()),
            Err(e) => Err(e),
        }
    }
}

/// What is there must be what the caller has seen.
pub(super) fn as_expected(there: Option<&Resource>, expect: Option<i64>, name: &str) -> Result<()> {
    match (there, expect) {
        (Some(_), Some(0)) => Err(StoreError::Exists(format!("{name} exists"))),
        (Some(there), Some(v)) if there.metadata.resource_version != v => {
            Err(StoreError::Conflict { current: there.metadata.resource_version })
        }
        (None, Some(v)) if v != 0 => Err(StoreError::Conflict { current: 0 }),
        _ => Ok(()),
    }
}

async fn put_one(write: &mut Write<'_>, change: Put) -> Result<(Resource, PutOutcome)> {
    let words = named(&change.ns, change.kind, &change.name);
    let there = find(&mut *write.tx, &change.ns, change.kind, &change.name).await?;
    as_expected(there.as_ref(), change.expect, &words)?;
    if there.as_ref().is_some_and(|r| r.metadata.deleting_ms.is_some()) {
        return Err(StoreError::Exists(format!("{words} is being removed")));
    }
    in_a_namespace(write, &change).await?;
    let spec_changed = there.as_ref().is_none_or(|r| r.spec != change.spec);
    let labels_changed = there.as_ref().is_none_or(|r| r.metadata.labels != change.labels);
    let mut resource = becomes(there.as_ref(), &change, spec_changed);
    if spec_changed || labels_changed {
        let what = if there.is_none() { "Created" } else { "Configured" };
        let generation = resource.metadata.generation;
        let mut message = match (&there, spec_changed) {
            (None, _) => "declared".to_owned(),
            (Some(_), true) => format!("changed: generation {generation}"),
            (Some(_), false) => "labels changed".to_owned(),
        };
        because(&mut message, change.reason.as_deref());
        let seq = note(write, &happening(&change, what, &message)).await?;
        resource.metadata.resource_version = seq;
        save(write, &resource).await?;
    }
    if spec_changed {
        add_version(write, &resource, &change).await?;
    }
    let goal_changed = change.kind == Kind::Job
        && change_goal(write, there.as_ref(), &resource, &change, spec_changed).await?;
    let outcome = match there {
        None => PutOutcome::Created,
        Some(_) if spec_changed || labels_changed || goal_changed => PutOutcome::Configured,
        Some(_) => PutOutcome::Unchanged,
    };
    Ok((resource, outcome))
}

pub(super) fn happening<'a>(change: &'a Put, what: &'a str, message: &'a str) -> Happening<'a> {
    Happening {
        at_ms: change.now_ms,
        level: EventKind::Normal,
        ns: &change.ns,
        kind: change.kind.as_str(),
        name: &change.name,
        what,
        message,
        author: &change.author,
    }
}

/// Adds the reason that was given, if any.
pub(super) fn because(message: &mut String, reason: Option<&str>) {
    if let Some(reason) = reason {
        message.push_str(": ");
        message.push_str(reason);
    }
}

async fn in_a_namespace(write: &mut Write<'_>, change: &Put) -> Result<()> {
    if change.kind == Kind::Namespace {
        return Ok(());
    }
    let ns = find(&mut *write.tx, &change.ns, Kind::Namespace, &change.ns).await?;
    match ns {
        None => Err(StoreError::NotFound(format!("namespace {}", change.ns))),
        Some(ns) if ns.metadata.deleting_ms.is_some() => {
            Err(StoreError::Exists(format!("namespace {} is being removed", change.ns)))
        }
        Some(_) => Ok(()),
    }
}

fn becomes(there: Option<&Resource>, change: &Put, spec_changed: bool) -> Resource {
    let metadata = match there {
        Some(there) => Metadata {
            labels: change.labels.clone(),
            generation: there.metadata.generation + i64::from(spec_changed),
            updated_ms: change.now_ms,
            ..there.metadata.clone()
        },
        None => Metadata {
            namespace: change.ns.clone(),
            name: change.name.clone(),
            uid: Uuid::new_v4().to_string(),
            generation: 1,
            resource_version: 0,
            labels: change.labels.clone(),
            created_ms: change.now_ms,
            updated_ms: change.now_ms,
            deleting_ms: None,
        },
    };
    match there {
        // Nothing is written, so nothing is said to have been.
        Some(there) if !spec_changed && there.metadata.labels == change.labels => there.clone(),
        _ => Resource { kind: change.kind, metadata, spec: change.spec.clone() },
    }
}

pub(super) async fn save(write: &mut Write<'_>, resource: &Resource) -> Result<()> {
    const SAVE: &str = "INSERT INTO resources (namespace, kind, name, uid, generation, \
        resource_version, labels, spec, created_ms, updated_ms, deleting_ms) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
        ON CONFLICT (namespace, kind, name) DO UPDATE SET generation = excluded.generation, \
        resource_version = excluded.resource_version, labels = excluded.labels, \
        spec = excluded.spec, updated_ms = excluded.updated_ms, \
        deleting_ms = excluded.deleting_ms";
    let m = &resource.metadata;
    sqlx::query(SAVE)
        .bind(m.namespace.as_str())
        .bind(resource.kind.as_str())
        .bind(m.name.as_str())
        .bind(m.uid.as_str())
        .bind(m.generation)
        .bind(m.resource_version)
        .bind(written(&m.labels))
        .bind(written(&resource.spec))
        .bind(m.created_ms)
        .bind(m.updated_ms)
        .bind(m.deleting_ms)
        .execute(&mut *write.tx)
        .await?;
    Ok(())
}

async fn add_version(write: &mut Write<'_>, resource: &Resource, change: &Put) -> Result<()> {
    const ADD: &str = "INSERT INTO versions (uid, generation, namespace, kind, name, spec, author, \
        at_ms, reason) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let m = &resource.metadata;
    sqlx::query(ADD)
        .bind(m.uid.as_str())
        .bind(m.generation)
        .bind(m.namespace.as_str())
        .bind(resource.kind.as_str())
        .bind(m.name.as_str())
        .bind(written(&resource.spec))
        .bind(clean(&change.author))
        .bind(change.now_ms)
        .bind(change.reason.as_deref().map(clean))
        .execute(&mut *write.tx)
        .await?;
    Ok(())
}
