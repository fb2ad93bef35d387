//! Declaring: checked drafts become resources, or, in a dry run, what would become of them.

use serde::Serialize;
use utoipa::ToSchema;

use millrace_http::Problem;

use super::input::Condition;
use super::parts::Api;
use super::problems::{refusal_problem, stale, store_problem};
use crate::admission::{Checked, Drafts, Wish, stream_topic};
use crate::model::{Actor, EventKind, Kind, Metadata, Resource};
use crate::seams::{JobOutline, StateVerdict};
use crate::store::{Happening, PutOutcome};

/// How to declare.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub(crate) dry_run: bool,
    pub(crate) reason: Option<String>,
    pub(crate) wish: Wish,
}

/// What declaring one document came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its name.
    pub(crate) name: String,
    /// What declaring it came to, or would.
    pub(crate) outcome: Outcome,
    /// A unified diff of the canonical YAML; empty if nothing changes.
    pub(crate) diff: String,
    /// The resource's generation afterwards.
    pub(crate) generation: i64,
    /// Of a job with a new version: what becomes of its state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verdict: Option<StateVerdict>,
    /// Not wrong, but worth a look.
    pub(crate) warnings: Vec<String>,
    /// The resource afterwards.
    #[serde(skip)]
    pub(crate) resource: Option<Resource>,
}

/// What declaring something came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was not there.
    Created,
    /// It was there and is different now.
    Configured,
    /// It was like that already.
    Unchanged,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

impl From<PutOutcome> for Outcome {
    fn from(outcome: PutOutcome) -> Self {
        match outcome {
            PutOutcome::Created => Self::Created,
            PutOutcome::Configured => Self::Configured,
            PutOutcome::Unchanged => Self::Unchanged,
        }
    }
}

/// Checks the drafts and, unless it is a dry run, declares them all or none.
pub(crate) async fn declare(
    api: &Api,
    actor: &Actor,
    ns: &str,
    drafts: &Drafts,
    (order, condition): (&Order, Condition),
) -> Result<Vec<Change>, Problem> {
    let turn = if order.dry_run { None } else { Some(api.admission.turn().await) };
    let checked = api.admission.check(ns, drafts, &order.wish).await.map_err(refusal_problem)?;
    for one in &checked {
        check_condition(condition, one.before.as_ref())?;
    }
    if order.dry_run {
        let now = api.clock.now_ms();
        let would = |one: Checked| {
            let resource = preview(ns, &one, now);
            change(one, resource)
        };
        return Ok(checked.into_iter().map(would).collect());
    }
    let now = api.clock.now_ms();
    let puts = {
        let by = (actor.name.as_str(), order.reason.as_deref());
        checked.iter().map(|one| one.put(ns, &order.wish, by, now)).collect()
    };
    let done = api.store.put_all(puts).await.map_err(store_problem)?;
    drop(turn);
    let mut changes = Vec::with_capacity(done.len());
    for (mut one, (resource, outcome)) in checked.into_iter().zip(done) {
        one.outcome = outcome;
        api.admission.declared(&one, &resource);
        if one.draft.kind == Kind::Stream && outcome != PutOutcome::Unchanged {
            ensure_topic(api, actor, &resource).await;
        }
        changes.push(change(one, resource));
    }
    Ok(changes)
}

/// Whether what is there is what the caller requires.
pub(crate) fn check_condition(
    condition: Condition,
    before: Option<&Resource>,
) -> Result<(), Problem> {
    let current = before.map_or(0, |r| r.metadata.resource_version);
    let holds = match condition {
        Condition::None => true,
        Condition::Exists => current > 0,
        Condition::Absent => current == 0,
        Condition::Version(version) => current == version,
    };
    if holds { Ok(()) } else { Err(stale(current)) }
}

fn change(one: Checked, resource: Resource) -> Change {
    Change {
        kind: one.draft.kind,
        name: one.draft.name,
        outcome: one.outcome.into(),
        diff: one.diff,
        generation: resource.metadata.generation,
        verdict: one.verdict,
        warnings: one.outline.map_or_else(Vec::new, |outline: JobOutline| outline.warnings),
        resource: Some(resource),
    }
}

/// The resource as it would be.
fn preview(ns: &str, one: &Checked, now: i64) -> Resource {
    let spec = one.draft.spec.clone();
    let metadata = match &one.before {
        Some(before) => Metadata {
            generation: before.metadata.generation + i64::from(before.spec != spec),
            labels: one.draft.labels.clone(),
            ..before.metadata.clone()
        },
        None => Metadata {
            namespace: ns.to_owned(),
            name: one.draft.name.clone(),
            uid: String::new(),
            generation: 1,
            resource_version: 0,
            labels: one.draft.labels.clone(),
            created_ms: now,
            updated_ms: now,
            deleting_ms: None,
        },
    };
    Resource { kind: one.draft.kind, metadata, spec }
}

/// Creates the topic of a stream. What hinders it is written into the stream's history: the stream
/// is declared all the same, and whatever reads it asks for the topic again.
async fn ensure_topic(api: &Api, actor: &Actor, stream: &Resource) {
    let Metadata { namespace, name, .. } = &stream.metadata;
    if !stream.spec["connection"].is_null() {
        return;
    }
    let (what, message) = match api.topics.ensure(&stream_topic(stream)).await {
        Ok(different) if different.is_empty() => return,
        Ok(different) => ("TopicDiffers", different.join("; ")),
        Err(error) => ("TopicNotEnsured", error.to_string()),
    };
    let event = Happening {
        at_ms: api.clock.now_ms(),
        level: EventKind::Warning,
        ns: namespace,
        kind: stream.kind.as_str(),
        name,
        what,
        message: &message,
        author: &actor.name,
    };
    if let Err(error) = api.store.add_event(&event).await {
        tracing::warn!(%error, "an event was not written");
    }
}
