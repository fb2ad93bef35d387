//! Topics and tables that belong to other namespaces.

use std::collections::HashSet;

use super::declared::{Declared, topic_of};
use super::draft::Draft;
use super::outline::Outlines;
use super::refusal::Conflict;
use crate::Planner;
use crate::model::Kind;
use crate::seams::JobOutline;

const TITLE: &str = "It belongs to another namespace";

/// What other namespaces own.
#[derive(Debug, Default)]
pub(crate) struct Foreign {
    topics: HashSet<String>,
    tables: HashSet<String>,
}

impl Foreign {
    pub(crate) fn to(
        ns: &str,
        declared: &Declared,
        outlines: &Outlines,
        planner: &dyn Planner,
    ) -> Self {
        let mut foreign = Self::default();
        for resource in declared.all().filter(|r| r.metadata.namespace != ns) {
            let (owner, name) = (&resource.metadata.namespace, &resource.metadata.name);
            match resource.kind {
                Kind::Stream => {
                    foreign.topics.insert(topic_of(owner, name, &resource.spec));
                }
                Kind::Route => {
                    let table = resource.spec["to"]["table"].as_str();
                    foreign.tables.extend(table.map(full_name));
                }
                Kind::Job => {
                    if let Some(outline) = outlines.of(resource, declared, planner) {
                        foreign.add(&outline);
                    }
                }
                Kind::Namespace | Kind::Connection => {}
            }
        }
        foreign
    }

    fn add(&mut self, outline: &JobOutline) {
        self.topics.extend(outline.sinks.iter().filter_map(|sink| sink.topic.clone()));
        self.tables.extend(outline.sinks.iter().filter_map(|s| s.table.as_deref()).map(full_name));
    }

    /// Whether a draft of a stream or route takes what is not its namespace's.
    pub(crate) fn check(&self, ns: &str, draft: &Draft) -> Result<(), Conflict> {
        let spec = &draft.spec;
        match draft.kind {
            Kind::Stream => {
                self.topic(&topic_of(ns, &draft.name, spec), draft.document, "/spec/topic")
            }
            Kind::Route => {
                if let Some(topic) = spec["to"]["kafka"]["topic"].as_str() {
                    self.topic(topic, draft.document, "/spec/to/kafka/topic")?;
                }
                spec["to"]["table"]
                    .as_str()
                    .map_or(Ok(()), |table| self.table(table, draft.document, "/spec/to/table"))
            }
            Kind::Namespace | Kind::Connection | Kind::Job => Ok(()),
        }
    }

    /// Whether a job writes what is not its namespace's.
    pub(crate) fn check_job(&self, document: usize, outline: &JobOutline) -> Result<(), Conflict> {
        for sink in &outline.sinks {
            if let Some(topic) = &sink.topic {
                self.topic(topic, document, "/spec/sql")?;
            }
            if let Some(table) = &sink.table {
                self.table(table, document, "/spec/sql")?;
            }
        }
        Ok(())
    }

    fn topic(&self, topic: &str, document: usize, pointer: &str) -> Result<(), Conflict> {
        if !self.topics.contains(topic) {
            return Ok(());
        }
        let detail = format!("topic `{topic}` belongs to another namespace; choose another");
        Err(Conflict::new("owned-elsewhere", TITLE, detail).at(document, pointer))
    }

    fn table(&self, table: &str, document: usize, pointer: &str) -> Result<(), Conflict> {
        if !self.tables.contains(&full_name(table)) {
            return Ok(());
        }
        let detail = format!("table `{table}` belongs to another namespace; choose another");
        Err(Conflict::new("owned-elsewhere", TITLE, detail).at(document, pointer))
    }
}

/// A table's name with its schema: `t` is `public.t`.
pub fn full_name(table: &str) -> String {
    if table.contains('.') { table.to_owned() } else { format!("public.{table}") }
}
