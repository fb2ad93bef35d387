//! Declared and drafted documents, read together.

use std::path::PathBuf;

use millrace_events::RouteName;
use millrace_spec::{JobSpec, Manifests, Mistake, SinkSpec, SqlCheck, load_texts_in, qualified};
use serde_json::Value;

use super::declared::{Declared, document};
use super::draft::{Drafts, REQUEST};
use super::refusal::{Fault, Refusal};
use crate::model::{Kind, Resource};
use crate::seams::JobOutline;

/// The drafts together with what they may refer to: connections, streams, and the routes that share
/// a table with a drafted one.
pub(crate) fn with_drafts(
    ns: &str,
    drafts: &Drafts,
    declared: &Declared,
    sql: &dyn SqlCheck,
) -> Result<Manifests, Refusal> {
    let tables: Vec<&Value> =
        drafts.items.iter().map(|d| &d.spec["to"]["table"]).filter(|t| t.is_string()).collect();
    let wanted = |r: &&Resource| match r.kind {
        Kind::Connection | Kind::Stream => !drafts.replace(r),
        Kind::Route => !drafts.replace(r) && tables.contains(&&r.spec["to"]["table"]),
        Kind::Namespace | Kind::Job => false,
    };
    let mut texts = vec![(PathBuf::from(REQUEST), drafts.text.clone())];
    texts.extend(declared.within(ns).filter(wanted).map(stored));
    load_texts_in(ns, &texts, sql).map_err(|mistakes| Refusal::Manifest(faults(&mistakes)))
}

/// What is declared in the namespace and `wanted`.
pub(crate) fn declared_only(
    ns: &str,
    declared: &Declared,
    wanted: impl Fn(&Resource) -> bool,
    sql: &dyn SqlCheck,
) -> Result<Manifests, Vec<Mistake>> {
    let texts: Vec<(PathBuf, String)> =
        declared.within(ns).filter(|r| wanted(r)).map(stored).collect();
    load_texts_in(ns, &texts, sql)
}

fn stored(resource: &Resource) -> (PathBuf, String) {
    let name = &resource.metadata.name;
    let path = PathBuf::from(format!("{}/{name}", resource.kind.plural()));
    (path, document(resource.kind, name, &resource.spec))
}

/// Mistakes of drafts at their place in the request; others (a route that shares a table, say) with
/// the name of what they are in.
pub(crate) fn faults(mistakes: &[Mistake]) -> Vec<Fault> {
    let fault = |mistake: &Mistake| {
        if mistake.file.as_os_str() == REQUEST {
            return Fault::of_text(mistake);
        }
        let message = format!("{}: {}", mistake.file.display(), mistake.message);
        Fault { message, hint: mistake.hint.clone(), ..Fault::default() }
    };
    mistakes.iter().map(fault).collect()
}

/// The job under its qualified name; `None` if that would be too long to be one.
pub(crate) fn qualified_job(ns: &str, job: &JobSpec) -> Option<JobSpec> {
    let name: RouteName = qualified(ns, job.name.as_str()).parse().ok()?;
    Some(JobSpec { name, ..job.clone() })
}

/// Gives feeds that name no topic their qualified one, in the outline and in the job.
pub(crate) fn qualify_feeds(ns: &str, job: &mut JobSpec, outline: &mut JobOutline) {
    for sink in &mut outline.sinks {
        if sink.topic.is_none() || job.sinks.contains_key(&sink.name) {
            continue;
        }
        let topic = qualified(ns, &sink.name);
        sink.topic = Some(topic.clone());
        job.sinks.insert(sink.name.clone(), SinkSpec::Feed { topic, partitions: None });
    }
}
