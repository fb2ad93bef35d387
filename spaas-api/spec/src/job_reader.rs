//! Reading a `Job`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use millrace_events::RouteName;

use super::fields::Fields;
use super::load::too_big;
use super::mistake::{Report, Reported};
use super::stream::{MAX_PARTITIONS, topic_name};
use super::target::table_name;
use super::yaml::Node;
use super::{JobSpec, SinkSpec};

pub(crate) const SPEC: [&str; 8] =
    ["sql", "sql_file", "sinks", "late", "parallelism", "checkpoint", "memory", "until_end"];
pub(crate) const CHECKPOINT: [&str; 1] = ["interval"];
pub(crate) const SINK: [&str; 3] = ["table", "feed", "partitions"];
const MAX_PARALLELISM: i32 = 128;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
const MIN_INTERVAL: Duration = Duration::from_millis(100);
const MAX_INTERVAL: Duration = Duration::from_hours(24);
const DEFAULT_MEMORY: u64 = 512 << 20;
const MIN_MEMORY: u64 = 64 << 20;

/// Reads the `spec` of job `name`. Its `sql_file` is looked for in `folder`, if there is one.
pub(crate) fn read(
    name: Option<RouteName>,
    spec: &Node,
    folder: Option<&Path>,
    report: &mut Report,
) -> Option<JobSpec> {
    let fields = Fields::open(spec, "the job's spec", &SPEC, report)?;
    let sql = read_sql(&fields, folder, report);
    let sinks = match fields.get("sinks") {
        None => Some(BTreeMap::new()),
        Some(node) => read_sinks(node, report),
    };
    let late = match fields.get("late") {
        None => Some(None),
        Some(node) => node.text(report).filter(|name| sink_name(name, node, report)).map(Some),
    };
    let parallelism = match fields.get("parallelism") {
        None => Some(1),
        Some(node) => node.integer(1..=MAX_PARALLELISM, report),
    };
    let checkpoint_interval = match fields.get("checkpoint") {
        None => Some(DEFAULT_INTERVAL),
        Some(node) => read_checkpoint(node, report),
    };
    let memory = match fields.get("memory") {
        None => Some(DEFAULT_MEMORY),
        Some(node) => read_memory(node, report),
    };
    let until_end = match fields.get("until_end") {
        None => Some(false),
        Some(node) => node.boolean(report),
    };
    Some(JobSpec {
        name: name?,
        sql: sql.ok()?,
        sinks: sinks?,
        late: late?.map(ToOwned::to_owned),
        parallelism: parallelism?.unsigned_abs(),
        checkpoint_interval: checkpoint_interval?,
        memory: memory?,
        until_end: until_end?,
    })
}

fn read_sql(
    fields: &Fields<'_>,
    folder: Option<&Path>,
    report: &mut Report,
) -> Result<String, Reported> {
    match (fields.get("sql"), fields.get("sql_file")) {
        (Some(node), None) => {
            let text = node.text(report).ok_or(Reported)?;
            if text.trim().is_empty() {
                report.add(node.at, "`sql` is empty", "write `INSERT INTO sink SELECT …`");
                return Err(Reported);
            }
            Ok(text.to_owned())
        }
        (None, Some(node)) => read_file(node, folder, report),
        (Some(_), Some(node)) => {
            report.add(node.at, "the job has `sql` and `sql_file`", "keep one of them");
            Err(Reported)
        }
        (None, None) => {
            let hint = "add `sql: |` and the text below it, or `sql_file: NAME.sql`";
            report.add(fields.at(), "the job has no SQL", hint);
            Err(Reported)
        }
    }
}

fn read_file(node: &Node, folder: Option<&Path>, report: &mut Report) -> Result<String, Reported> {
    let name = node.text(report).ok_or(Reported)?;
    let Some(folder) = folder else {
        let message =
            format!("`sql_file: {name}` cannot be read here: the file is not part of the text");
        let hint = "put the SQL into `sql`; the command line does that by itself";
        report.add(node.at, message, hint);
        return Err(Reported);
    };
    if Path::new(name).is_absolute() {
        let message = format!("`{name}` is an absolute path");
        report.add(node.at, message, "write the path from the manifest's folder");
        return Err(Reported);
    }
    let path = folder.join(name);
    let size = std::fs::metadata(&path).map(|m| usize::try_from(m.len()).unwrap_or(usize::MAX));
    let text = match size.map(too_big) {
        Ok(Some(why)) => Err(why),
        Ok(None) => std::fs::read_to_string(&path).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    text.map_err(|why| {
        report.add(
            node.at,
            format!("`{name}` cannot be read: {why}"),
            "it is looked for beside the manifest",
        );
        Reported
    })
}

fn read_sinks(node: &Node, report: &mut Report) -> Option<BTreeMap<String, SinkSpec>> {
    let mut sinks = BTreeMap::new();
    for (name, at, value) in node.entries("`sinks`", report)? {
        let at = Node { at, ..value.clone() };
        let read = read_sink(value, report);
        if sink_name(name, &at, report) {
            sinks.extend(read.map(|sink| (name.to_owned(), sink)));
        }
    }
    Some(sinks)
}

fn sink_name(name: &str, node: &Node, report: &mut Report) -> bool {
    const MAX_CHARS: usize = 100;
    let bad = |c: char| c.is_control() || c == '`' || c == '"';
    let fits = !name.trim().is_empty() && name.chars().count() <= MAX_CHARS && !name.contains(bad);
    if !fits {
        report.add(node.at, "not the name of a sink", "the name behind INSERT INTO in the SQL");
    }
    fits
}

fn read_sink(node: &Node, report: &mut Report) -> Option<SinkSpec> {
    let fields = Fields::open(node, "the sink", &SINK, report)?;
    match (fields.get("table"), fields.get("feed")) {
        (Some(table), None) => {
            if let Some(node) = fields.get("partitions") {
                report.add(node.at, "`partitions` belongs to a feed", "remove it");
            }
            Some(SinkSpec::Table { table: table_name(table, report)? })
        }
        (None, Some(feed)) => {
            let topic = topic_name(feed, report);
            let partitions = match fields.get("partitions") {
                None => Some(None),
                Some(node) => node.integer(1..=MAX_PARTITIONS, report).map(Some),
            };
            Some(SinkSpec::Feed { topic: topic?, partitions: partitions? })
        }
        (Some(_), Some(feed)) => {
            report.add(feed.at, "the sink is a table and a feed", "keep one of them");
            None
        }
        (None, None) => {
            report.add(node.at, "the sink leads nowhere", "write `table: NAME` or `feed: TOPIC`");
            None
        }
    }
}

fn read_checkpoint(node: &Node, report: &mut Report) -> Option<Duration> {
    let fields = Fields::open(node, "`checkpoint`", &CHECKPOINT, report)?;
    let Some(node) = fields.get("interval") else { return Some(DEFAULT_INTERVAL) };
    let interval = node.duration(report)?;
    if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
        report.add(node.at, "no sensible time between checkpoints", "from 100ms to 24h");
        return None;
    }
    Some(interval)
}

fn read_memory(node: &Node, report: &mut Report) -> Option<u64> {
    let memory = node.size(report)?;
    if memory < MIN_MEMORY {
        report.add(node.at, "too little for a job to start", "give it 64MiB or more");
        return None;
    }
    Some(memory)
}
