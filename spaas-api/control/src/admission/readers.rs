//! What depends on a stream or connection: it stands in the way of removal and of changes.

use serde_json::Value;

use millrace_spec::Manifests;

use super::declared::{Declared, topic_of};
use super::draft::{Draft, Drafts};
use super::load::{declared_only, qualified_job};
use super::outline::Outlines;
use super::refusal::{Conflict, Refusal};
use crate::Planner;
use crate::model::{Kind, Resource};
use crate::seams::SeamError;

const IN_USE: &str = "It is in use";

/// Declared routes and jobs that refer to the stream or connection.
pub(crate) fn of<'a>(
    ns: &'a str,
    kind: Kind,
    name: &'a str,
    declared: &'a Declared,
    outlines: &'a Outlines,
    planner: &'a dyn Planner,
) -> impl Iterator<Item = &'a Resource> {
    declared.within(ns).filter(move |r| match (kind, r.kind) {
        (Kind::Stream, Kind::Route) => r.spec["from"].as_str() == Some(name),
        (Kind::Stream, Kind::Job) => outlines
            .of(r, declared, planner)
            .is_some_and(|outline| outline.streams.iter().any(|s| s == name)),
        (Kind::Connection, _) => mentions(&r.spec, name),
        _ => false,
    })
}

/// Whether a member `connection` of the spec, at any depth, is `name`.
fn mentions(spec: &Value, name: &str) -> bool {
    match spec {
        Value::Object(members) => members.iter().any(|(key, value)| {
            (key == "connection" && value.as_str() == Some(name)) || mentions(value, name)
        }),
        Value::Array(items) => items.iter().any(|item| mentions(item, name)),
        _ => false,
    }
}

/// Refuses to remove what others refer to.
pub(crate) fn check_unused<'a>(users: impl Iterator<Item = &'a Resource>) -> Result<(), Conflict> {
    let users: Vec<String> = users.map(describe).collect();
    if users.is_empty() {
        return Ok(());
    }
    let detail = format!("it is used by {}; remove or change those first", users.join(", "));
    Err(Conflict::new("in-use", IN_USE, detail))
}

fn describe(resource: &Resource) -> String {
    let kind = resource.kind.as_str().to_lowercase();
    format!("{kind} `{}`", resource.metadata.name)
}

/// A stream stays on its topic, with its partitions: what reads it has its place there.
pub(crate) fn check_place(ns: &str, before: &Resource, draft: &Draft) -> Result<(), Conflict> {
    const TITLE: &str = "It cannot be changed";
    let partitions = |spec: &Value| spec["partitions"].as_i64().unwrap_or(1);
    let topics = |spec: &Value| topic_of(ns, &draft.name, spec);
    if topics(&before.spec) != topics(&draft.spec) {
        let detail = format!(
            "stream `{}` stays on topic `{}`; declare a stream of another name for the other topic",
            draft.name,
            topics(&before.spec)
        );
        return Err(Conflict::new("immutable", TITLE, detail).at(draft.document, "/spec/topic"));
    }
    if partitions(&before.spec) != partitions(&draft.spec) {
        let detail = format!(
            "stream `{}` keeps its {} partitions, for keys would move between them; declare a \
             stream of another name and move its readers there",
            draft.name,
            partitions(&before.spec)
        );
        return Err(
            Conflict::new("immutable", TITLE, detail).at(draft.document, "/spec/partitions")
        );
    }
    Ok(())
}

/// Whether declared routes and jobs that read changed streams still work. `streams` has the streams
/// as they will be; drafts are checked elsewhere.
pub(crate) fn check_readers(
    ns: &str,
    drafts: &Drafts,
    changed: &[usize],
    declared: &Declared,
    streams: &Manifests,
    (outlines, planner): (&Outlines, &dyn Planner),
) -> Result<(), Refusal> {
    for index in changed {
        let draft = &drafts.items[*index];
        let readers = of(ns, Kind::Stream, &draft.name, declared, outlines, planner);
        for reader in readers.filter(|r| !drafts.replace(r)) {
            if let Some(why) = breaks(ns, reader, declared, streams, planner)? {
                let detail = format!("{} would no longer work: {why}", describe(reader));
                let conflict = Conflict::new("in-use", IN_USE, detail);
                return Err(conflict.at(draft.document, "/spec").into());
            }
        }
    }
    Ok(())
}

/// What becomes wrong with a reader when the streams are `streams`.
fn breaks(
    ns: &str,
    reader: &Resource,
    declared: &Declared,
    streams: &Manifests,
    planner: &dyn Planner,
) -> Result<Option<String>, Refusal> {
    if reader.kind == Kind::Route {
        let from = reader.spec["from"].as_str().unwrap_or_default();
        let stream = streams.streams.iter().find(|(name, _)| name.as_str() == from);
        let Some((_, stream)) = stream else { return Ok(None) };
        for field in ["where", "select"] {
            let text = reader.spec[field].as_str();
            let (filter, select) = if field == "where" { (text, None) } else { (None, text) };
            if text.is_some()
                && let Err(fault) = planner.check_route(stream, filter, select)
            {
                return Ok(Some(format!("`{field}`: {}", fault.message)));
            }
        }
        return Ok(None);
    }
    let this = |r: &Resource| {
        matches!(r.kind, Kind::Stream | Kind::Connection)
            || (r.kind == Kind::Job && r.metadata.name == reader.metadata.name)
    };
    let Ok(before) = declared_only(ns, declared, this, planner) else { return Ok(None) };
    let Some(job) = before.jobs.first().and_then(|job| qualified_job(ns, job)) else {
        return Ok(None);
    };
    match planner.validate(&job, streams) {
        Ok(_) => Ok(None),
        Err(SeamError::Sql(mistakes)) => {
            let first = mistakes.first().map_or("its SQL is wrong", |m| m.message.as_str());
            Ok(Some(first.to_owned()))
        }
        Err(SeamError::Refused(why)) => Ok(Some(why)),
        Err(error) => Err(Refusal::Seam(error)),
    }
}
