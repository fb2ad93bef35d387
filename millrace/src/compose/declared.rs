//! From a declared job to its plan, and where the rows of each sink go.

use std::collections::BTreeMap;

use millrace_plan::{Catalog, EventTimeDef, JobPlan, Node, SinkNode, SourceDef, SqlError, plan};
use millrace_spec::{JobSpec, Manifests, SinkSpec};

/// Why a declared job cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// Its SQL is wrong.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Sql(Vec<SqlError>),
    /// Its SQL is right, but not what is said beside it.
    #[error("{0}")]
    Spec(String),
}

impl From<String> for Unfit {
    fn from(why: String) -> Self {
        Self::Spec(why)
    }
}

/// Where the rows of each sink go, by sink.
pub(crate) type Destinations = BTreeMap<String, SinkSpec>;

/// The plan of `job` over the streams of `manifests`, late rows included.
pub(crate) fn plan_declared(
    job: &JobSpec,
    manifests: &Manifests,
) -> Result<(JobPlan, Destinations), Unfit> {
    let mut plan = plan(&job.sql, &catalog(manifests)).map_err(Unfit::Sql)?;
    if let Some(late) = &job.late {
        if plan.sinks().any(|(_, sink)| sink.name == *late) {
            return Err(format!("late: the job writes a sink `{late}` already").into());
        }
        plan.keep_late_rows(late);
    }
    let destinations = destinations(&plan, job)?;
    Ok((plan, destinations))
}

fn catalog(manifests: &Manifests) -> Catalog {
    let catalog = millrace_functions::register(Catalog::default().with_open_sinks());
    manifests.streams.iter().fold(catalog, |catalog, (name, stream)| {
        let event_time = stream.event_time.as_ref().map(|time| EventTimeDef {
            column: time.column.clone(),
            delay: time.delay,
            idle: time.idle,
        });
        let def = SourceDef { schema: stream.arrow(), event_time, bounded: false };
        catalog.source(name.to_string(), def)
    })
}

/// Whether all rows of a sink are new ones.
pub(crate) fn appends(plan: &JobPlan, node: &Node, sink: &SinkNode) -> bool {
    // Late rows are new rows, whatever the operator makes of the others.
    !sink.late_rows_of.is_empty() || plan.node(node.inputs[0].from).changes.is_append()
}

fn destinations(plan: &JobPlan, job: &JobSpec) -> Result<Destinations, String> {
    let mut destinations = Destinations::new();
    for (node, sink) in plan.sinks() {
        let destination = destination(job, sink, appends(plan, node, sink))?;
        destinations.insert(sink.name.clone(), destination);
    }
    for name in job.sinks.keys() {
        // A job that finds no row late has no sink for late rows, and may say where they would go.
        if !destinations.contains_key(name) && job.late.as_ref() != Some(name) {
            let known: Vec<_> = destinations.keys().map(String::as_str).collect();
            return Err(format!("sinks: the job writes {}, not `{name}`", known.join(", ")));
        }
    }
    Ok(destinations)
}

fn destination(job: &JobSpec, sink: &SinkNode, appends: bool) -> Result<SinkSpec, String> {
    let name = &sink.name;
    let said = job.sinks.get(name);
    match said {
        Some(SinkSpec::Table { .. }) if !appends => Err(format!(
            "sinks.{name}: its rows change, and tables take only new rows: write them to a feed, \
             or aggregate in windows, whose rows are final"
        )),
        Some(SinkSpec::Table { .. }) => Ok(said.cloned().expect("matched")),
        None if appends => {
            let table = name.parse().map_err(|why| {
                format!("sinks.{name}: name its table, since `{name}` cannot be one: {why}")
            })?;
            Ok(SinkSpec::Table { table })
        }
        _ if sink.key.as_ref().is_none_or(Vec::is_empty) => Err(format!(
            "sinks.{name}: its rows have no key that a feed could keep them by: group by one or \
             more columns, or write them to a table"
        )),
        Some(SinkSpec::Feed { .. }) => Ok(said.cloned().expect("matched")),
        None => Ok(SinkSpec::Feed { topic: name.clone(), partitions: None }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    fn manifests() -> Manifests {
        let text = crate::manifests::DEMO;
        crate::manifests::load_text(Path::new("demo.yaml"), text).expect("the demo is right")
    }

    fn job(sql: &str) -> JobSpec {
        JobSpec {
            name: "j".parse().unwrap(),
            sql: sql.to_owned(),
            sinks: BTreeMap::new(),
            late: None,
            parallelism: 1,
            checkpoint_interval: Duration::from_secs(1),
            memory: 64 << 20,
            until_end: false,
        }
    }

    fn table(name: &str) -> SinkSpec {
        SinkSpec::Table { table: name.parse().unwrap() }
    }

    #[test]
    fn rows_that_change_go_to_feeds_and_others_to_tables() {
        let (manifests, stream) = (manifests(), stream_of_demo());
        let keyed = format!("INSERT INTO counts SELECT 1 AS k, COUNT(*) AS n FROM {stream}");
        let grouped = format!("{keyed} GROUP BY 1");
        let plain = format!("INSERT INTO rows_ SELECT * FROM {stream}");
        let to = |job: &JobSpec| plan_declared(job, &manifests).map(|(_, to)| to);
        let appended = to(&job(&plain)).unwrap();
        assert_eq!(appended, [("rows_".to_owned(), table("rows_"))].into());
        let feed = SinkSpec::Feed { topic: "counts".to_owned(), partitions: None };
        let changing = to(&job(&grouped)).unwrap();
        assert_eq!(changing, [("counts".to_owned(), feed)].into());

        let mut wrong = job(&grouped);
        wrong.sinks.insert("counts".to_owned(), table("counts"));
        let refused = to(&wrong).unwrap_err().to_string();
        assert!(refused.starts_with("sinks.counts: its rows change"), "{refused}");
        let mut unknown = job(&plain);
        unknown.sinks.insert("other".to_owned(), table("other"));
        let refused = to(&unknown).unwrap_err().to_string();
        assert_eq!(refused, "sinks: the job writes rows_, not `other`");
        assert!(matches!(to(&job("SELEKT")), Err(Unfit::Sql(found)) if !found.is_empty()));
    }

    fn stream_of_demo() -> String {
        manifests().streams.keys().next().expect("the demo has streams").to_string()
    }
}
