//! The engine as the control plane asks it: checks, plans, verdicts, samples.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use futures::TryStreamExt;
use object_store::ObjectStoreExt;

use millrace_bus::KafkaSettings;
use millrace_control::{
    JobOutline, Planner, SampleRows, SeamError, SinkOutline, SqlMistake, StateVerdict,
};
use millrace_events::StreamSchema;
use millrace_plan::{ExplainForm, JobPlan, PlanFingerprint, SqlError, Verdict, explain, verdict};
use millrace_processors::connector::MemorySource;
use millrace_processors::{Job, JobError};
use millrace_sinks::Warehouse;
use millrace_spec::{JobSpec, Manifests, SinkSpec, SqlCheck, SqlFault};

use super::{columns_in_words, fetch, sample, unavailable};
use crate::compose::{self, Destinations, Secrets, Unfit, plan_declared};
use crate::manifests::Compiler;

/// Deletes under way at once.
const DELETES: usize = 16;

/// The engine, with the log and the store it works on.
pub(crate) struct Engine {
    kafka: KafkaSettings,
    warehouse: Warehouse,
    secrets: Secrets,
}

impl Engine {
    /// Streams without a connection of their own are read from `kafka`.
    pub(crate) fn new(kafka: KafkaSettings, warehouse: Warehouse, secrets: Secrets) -> Self {
        Self { kafka, warehouse, secrets }
    }

    async fn remove(&self, folder: &str) -> Result<(), SeamError> {
        let (store, path) = self.warehouse.folder(folder);
        let found = store.list(Some(&path)).map_ok(|meta| meta.location);
        found
            .map_err(unavailable)
            .try_for_each_concurrent(DELETES, |location| {
                let store = store.clone();
                async move {
                    match store.delete(&location).await {
                        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
                        Err(error) => Err(unavailable(error)),
                    }
                }
            })
            .await
    }
}

impl SqlCheck for Engine {
    fn check_route(
        &self,
        stream: &StreamSchema,
        filter: Option<&str>,
        select: Option<&str>,
    ) -> Result<SchemaRef, SqlFault> {
        Compiler.check_route(stream, filter, select)
    }
}

#[async_trait]
impl Planner for Engine {
    fn validate(&self, job: &JobSpec, streams: &Manifests) -> Result<JobOutline, SeamError> {
        let (plan, destinations) = plan_declared(job, streams).map_err(of_unfit)?;
        let names: BTreeSet<_> = plan.sources().map(|(_, source)| source.name.clone()).collect();
        Ok(JobOutline {
            streams: names.into_iter().collect(),
            sinks: sinks(&plan, &destinations),
            warnings: plan.warnings.iter().map(ToString::to_string).collect(),
        })
    }

    fn explain(&self, job: &JobSpec, streams: &Manifests, form: &str) -> Result<String, SeamError> {
        let form = match form {
            "text" => ExplainForm::Text,
            "json" => ExplainForm::Json,
            "dot" => ExplainForm::Dot,
            other => {
                let why = format!("a plan has the forms text, json and dot, not `{other}`");
                return Err(SeamError::Refused(why));
            }
        };
        let (plan, _) = plan_declared(job, streams).map_err(of_unfit)?;
        Ok(explain(&plan, form))
    }

    async fn verdict(
        &self,
        job: &JobSpec,
        streams: &Manifests,
        savepoint: Option<&str>,
    ) -> Result<StateVerdict, SeamError> {
        let (plan, _) = plan_declared(job, streams).map_err(of_unfit)?;
        let checkpoints = compose::checkpoints(&self.warehouse, job.name.as_str());
        let mut asked = Job::new(job.name.as_str(), plan).checkpoints(checkpoints);
        if let Some(path) = savepoint {
            asked = asked.from_savepoint(compose::savepoint(&self.warehouse, path));
        }
        Ok(asked.verdict().await.map_err(of_job)?.map_or(StateVerdict::New, in_words))
    }

    fn compare(
        &self,
        old: &JobSpec,
        job: &JobSpec,
        streams: &Manifests,
    ) -> Result<StateVerdict, SeamError> {
        // What runs was planned once; that it no longer does says nothing about the new version.
        let Ok((old, _)) = plan_declared(old, streams) else { return Ok(StateVerdict::New) };
        let (new, _) = plan_declared(job, streams).map_err(of_unfit)?;
        Ok(in_words(verdict(&PlanFingerprint::of(&old), &new)))
    }

    async fn sample(
        &self,
        job: &JobSpec,
        streams: &Manifests,
        events: usize,
        rows: usize,
    ) -> Result<Vec<SampleRows>, SeamError> {
        let (plan, _) = plan_declared(job, streams).map_err(of_unfit)?;
        let mut sources = BTreeMap::new();
        for (_, source) in plan.sources() {
            if sources.contains_key(&source.name) {
                continue;
            }
            let mut declared = streams.streams.values();
            let stream = declared.find(|stream| stream.name.as_str() == source.name);
            let stream = stream.ok_or_else(|| {
                SeamError::Refused(format!("no stream `{}` is declared", source.name))
            })?;
            let kafka = compose::kafka_of(streams, stream, &self.kafka, &self.secrets);
            let kafka = kafka.map_err(of_unfit)?;
            let newest = fetch::newest(&kafka, stream, events).await?;
            sources.insert(source.name.clone(), MemorySource::partitioned(newest));
        }
        sample::run(&plan, sources, rows).await
    }

    async fn forget_savepoint(&self, path: &str) -> Result<(), SeamError> {
        self.remove(&compose::savepoint_folder(path)).await
    }

    async fn forget(&self, job: &str) -> Result<(), SeamError> {
        self.remove(&compose::state_folder(job)).await?;
        self.remove(&compose::savepoints_folder(job)).await
    }
}

fn sinks(plan: &JobPlan, destinations: &Destinations) -> Vec<SinkOutline> {
    let mut outlines: BTreeMap<&str, SinkOutline> = BTreeMap::new();
    for (node, sink) in plan.sinks() {
        let (table, topic) = match destinations.get(&sink.name) {
            Some(SinkSpec::Table { table }) => (Some(table.to_string()), None),
            Some(SinkSpec::Feed { topic, .. }) => (None, Some(topic.clone())),
            None => (None, None),
        };
        let key = sink.key.iter().flatten().filter(|_| topic.is_some());
        let outline = SinkOutline {
            name: sink.name.clone(),
            table,
            columns: columns_in_words(&node.schema),
            key: key.map(|at| node.schema.field(*at).name().clone()).collect(),
            topic,
        };
        // Several inserts into one sink are one sink.
        outlines.entry(&sink.name).or_insert(outline);
    }
    outlines.into_values().collect()
}

fn of_unfit(unfit: Unfit) -> SeamError {
    match unfit {
        Unfit::Sql(mistakes) => SeamError::Sql(mistakes.into_iter().map(mistake).collect()),
        Unfit::Spec(why) => SeamError::Refused(why),
    }
}

fn mistake(error: SqlError) -> SqlMistake {
    let (blank, mark) = (" ".repeat(error.column - 1), "^".repeat(error.width));
    SqlMistake {
        line: error.line,
        column: error.column,
        excerpt: Some(format!("{}\n{blank}{mark}", error.source_line)),
        message: error.message,
        hint: error.hint,
    }
}

fn of_job(error: JobError) -> SeamError {
    if error.is_retryable() { unavailable(error) } else { SeamError::Refused(error.to_string()) }
}

fn in_words(verdict: Verdict) -> StateVerdict {
    let words = |ids: Vec<millrace_plan::OperatorId>| ids.into_iter().map(|id| id.0).collect();
    match verdict {
        Verdict::Same => StateVerdict::Same,
        Verdict::Partly { kept, dropped, new } => {
            StateVerdict::Partly { kept: words(kept), dropped: words(dropped), new: words(new) }
        }
        Verdict::Incompatible { operator, why } => {
            StateVerdict::Incompatible { operator: operator.0, why }
        }
    }
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
