//! What a run is given to do, made of what is declared.

use std::path::PathBuf;

use async_trait::async_trait;
use serde_json::{Value, json};

use millrace_spec::{JobSpec, Manifests, SinkSpec, load_texts_in, parse_duration, qualified};

use super::check::Admission;
use super::declared::{Declared, document, topic_of};
use super::load::{qualified_job, qualify_feeds};
use crate::model::{EventKind, JobGoal, Kind, Resource};
use crate::reconcile::{AssignmentSource, Prepared};
use crate::seams::{JobOutline, SeamError, TopicNeed};
use crate::store::{Happening, StoreError};
use crate::worker::{JobWork, RouterWork, Work};

#[async_trait]
impl AssignmentSource for Admission {
    async fn prepare(&self, job: &Resource, goal: &JobGoal) -> Result<Prepared, SeamError> {
        let (ns, name) = (job.metadata.namespace.as_str(), job.metadata.name.as_str());
        let version = self
            .store
            .version(ns, Kind::Job, name, goal.version)
            .await
            .map_err(|error| seam(&error))?;
        let version = version.ok_or_else(|| {
            SeamError::Refused(format!("version {} is not known any more", goal.version))
        })?;
        let declared = Declared::read(&self.store).await.map_err(|error| seam(&error))?;
        let manifests = self.read_version(ns, name, &version.spec, &declared)?;
        let found = manifests.jobs.first().and_then(|job| qualified_job(ns, job));
        let mut spec = found.ok_or_else(|| SeamError::Refused("its name is too long".into()))?;
        let mut outline = self.planner.validate(&spec, &manifests)?;
        qualify_feeds(ns, &mut spec, &mut outline);
        self.ensure_topics(job, &spec, &outline, &declared).await?;
        let parallelism = goal.parallelism.unwrap_or(spec.parallelism);
        let work = JobWork {
            version: goal.version,
            documents: documents(ns, &spec, &version.spec, &outline, &declared),
            parallelism,
            goal: goal.goal,
            state: goal.state,
            from_savepoint: goal.from_savepoint.clone(),
        };
        Ok(Prepared { work: Work::Job(work), parallelism, memory_bytes: spec.memory })
    }

    async fn forget(&self, job: &str) -> Result<(), SeamError> {
        self.planner.forget(job).await
    }
}

impl Admission {
    /// All routes of all namespaces with what they refer to, under qualified names; `None` without
    /// any.
    ///
    /// # Errors
    /// The store's.
    pub async fn router_work(&self) -> Result<Option<RouterWork>, StoreError> {
        let work = self.data_path().await?;
        Ok(Some(work).filter(|work| work.documents.iter().any(|text| is_route(text))))
    }

    /// All streams, routes and connections of all namespaces, under qualified names.
    ///
    /// # Errors
    /// The store's.
    pub async fn data_path(&self) -> Result<RouterWork, StoreError> {
        let declared = Declared::read(&self.store).await?;
        let wanted = |r: &&Resource| {
            matches!(r.kind, Kind::Connection | Kind::Stream | Kind::Route)
                && r.metadata.deleting_ms.is_none()
        };
        let documents = declared.all().filter(wanted).map(qualified_document).collect();
        Ok(RouterWork { documents })
    }

    /// The job as its newest run has it, unless that run is over and its last checkpoint tells all.
    pub(super) async fn running_version(
        &self,
        ns: &str,
        name: &str,
    ) -> Result<Option<JobSpec>, StoreError> {
        let row = self.store.job(ns, name).await?;
        let Some(run) = row.and_then(|row| row.run).filter(|run| run.end.is_none()) else {
            return Ok(None);
        };
        let version = self.store.version(ns, Kind::Job, name, run.version).await?;
        let Some(version) = version else { return Ok(None) };
        let declared = Declared::read(&self.store).await?;
        // Streams that have changed meanwhile are judged by what is stored.
        let manifests = self.read_version(ns, name, &version.spec, &declared).ok();
        Ok(manifests.and_then(|found| qualified_job(ns, found.jobs.first()?)))
    }

    fn read_version(
        &self,
        ns: &str,
        name: &str,
        spec: &Value,
        declared: &Declared,
    ) -> Result<Manifests, SeamError> {
        let mut texts = vec![(PathBuf::from("job"), document(Kind::Job, name, spec))];
        let used =
            declared.within(ns).filter(|r| matches!(r.kind, Kind::Stream | Kind::Connection));
        texts.extend(used.map(|r| {
            let path = PathBuf::from(format!("{}/{}", r.kind.plural(), r.metadata.name));
            (path, document(r.kind, &r.metadata.name, &r.spec))
        }));
        load_texts_in(ns, &texts, &*self.planner).map_err(|mistakes| {
            let first = mistakes.first().map(ToString::to_string).unwrap_or_default();
            SeamError::Refused(format!("it does not fit what is declared: {first}"))
        })
    }

    /// Topics of the platform's own cluster; those elsewhere are their owners' affair.
    async fn ensure_topics(
        &self,
        job: &Resource,
        spec: &JobSpec,
        outline: &JobOutline,
        declared: &Declared,
    ) -> Result<(), SeamError> {
        let ns = &job.metadata.namespace;
        let mut widest = 1;
        let mut different = Vec::new();
        for name in &outline.streams {
            let Some(stream) = declared.get(ns, Kind::Stream, name) else { continue };
            let need = stream_topic(stream);
            widest = widest.max(need.partitions);
            if stream.spec["connection"].is_null() {
                different.extend(self.topics.ensure(&need).await?);
            }
        }
        for sink in &outline.sinks {
            let Some(topic) = sink.topic.clone() else { continue };
            let partitions = match spec.sinks.get(&sink.name) {
                Some(SinkSpec::Feed { partitions: Some(n), .. }) => *n,
                _ => widest,
            };
            let need = TopicNeed { topic, partitions, retention: None, compacted: true };
            different.extend(self.topics.ensure(&need).await?);
        }
        if different.is_empty() {
            return Ok(());
        }
        let event = Happening {
            at_ms: self.clock.now_ms(),
            level: EventKind::Warning,
            ns,
            kind: Kind::Job.as_str(),
            name: &job.metadata.name,
            what: "TopicDiffers",
            message: &different.join("; "),
            author: "reconciler",
        };
        self.store.add_event(&event).await.map(|_| ()).map_err(|error| seam(&error))
    }
}

fn is_route(document: &str) -> bool {
    let document: Value = serde_json::from_str(document).unwrap_or_default();
    document["kind"] == Kind::Route.as_str()
}

/// What a stream wants of its topic.
pub fn stream_topic(stream: &Resource) -> TopicNeed {
    let (spec, metadata) = (&stream.spec, &stream.metadata);
    TopicNeed {
        topic: topic_of(&metadata.namespace, &metadata.name, spec),
        partitions: spec["partitions"].as_i64().and_then(|n| n.try_into().ok()).unwrap_or(1),
        retention: spec["retention"].as_str().and_then(|text| parse_duration(text).ok()),
        compacted: false,
    }
}

fn seam(error: &StoreError) -> SeamError {
    SeamError::Unavailable(error.to_string())
}

/// The job under its qualified name, and what it reads under the names that its SQL uses, with
/// their topics written out.
fn documents(
    ns: &str,
    job: &JobSpec,
    spec: &Value,
    outline: &JobOutline,
    declared: &Declared,
) -> Vec<String> {
    let mut spec = spec.clone();
    for (sink, to) in &job.sinks {
        if let SinkSpec::Feed { topic, partitions } = to {
            spec["sinks"][sink.as_str()] = match partitions {
                Some(partitions) => json!({"feed": topic, "partitions": partitions}),
                None => json!({"feed": topic}),
            };
        }
    }
    let mut documents = vec![document(Kind::Job, job.name.as_str(), &spec)];
    let read = |r: &&Resource| r.kind == Kind::Stream && outline.streams.contains(&r.metadata.name);
    for stream in declared.within(ns).filter(read) {
        let name = &stream.metadata.name;
        let mut spec = stream.spec.clone();
        spec["topic"] = topic_of(ns, name, &spec).into();
        documents.push(document(Kind::Stream, name, &spec));
    }
    let connections = declared.within(ns).filter(|r| r.kind == Kind::Connection);
    documents.extend(connections.map(|r| document(r.kind, &r.metadata.name, &r.spec)));
    documents
}

/// A connection, stream or route under its qualified name, with qualified references.
fn qualified_document(resource: &Resource) -> String {
    let (ns, name) = (&resource.metadata.namespace, &resource.metadata.name);
    let mut spec = resource.spec.clone();
    if resource.kind == Kind::Stream {
        spec["topic"] = topic_of(ns, name, &spec).into();
    }
    for pointer in ["/from", "/connection", "/to/http/connection"] {
        if let Some(reference) = spec.pointer_mut(pointer)
            && let Some(text) = reference.as_str()
        {
            *reference = qualified(ns, text).into();
        }
    }
    document(resource.kind, &qualified(ns, name), &spec)
}

#[cfg(test)]
#[path = "assign_tests.rs"]
mod tests;
