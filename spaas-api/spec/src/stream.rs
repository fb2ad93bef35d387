//! Reading a `Stream`.

use std::time::Duration;

use millrace_events::{Column, ColumnType, EventTime, StreamName, StreamSchema};

use super::fields::Fields;
use super::metadata;
use super::mistake::{NO_HINT, Report, Reported, Spot};
use super::yaml::Node;
use crate::{DocumentKind, StreamExtras, qualified, suggest};

pub(crate) const SPEC: [&str; 9] = [
    "format",
    "topic",
    "key",
    "id",
    "event_time",
    "partitions",
    "columns",
    "connection",
    "retention",
];
pub(crate) const EVENT_TIME: [&str; 3] = ["column", "delay", "idle"];
pub(crate) const COLUMN: [&str; 3] = ["name", "type", "required"];

/// Names of the column types, as manifests write them.
pub(crate) const TYPES: [(&str, ColumnType); 11] = [
    ("string", ColumnType::String),
    ("boolean", ColumnType::Boolean),
    ("int32", ColumnType::Int32),
    ("int64", ColumnType::Int64),
    ("float32", ColumnType::Float32),
    ("float64", ColumnType::Float64),
    ("timestamp_ms", ColumnType::TimestampMs),
    ("timestamp_us", ColumnType::TimestampUs),
    ("date", ColumnType::Date),
    ("string_list", ColumnType::StringList),
    ("float64_list", ColumnType::Float64List),
];

/// Columns every route can use beside the stream's own; a stream cannot have them itself.
pub(crate) const RESERVED: [&str; 4] = ["_topic", "_partition", "_offset", "_timestamp"];

pub(crate) const MAX_PARTITIONS: i32 = 10_000;
/// More than any table is read with ease; each is compared with each.
const MAX_COLUMNS: usize = 2000;
const MIN_RETENTION: Duration = Duration::from_mins(1);
const DEFAULT_DELAY: Duration = Duration::from_secs(10);
const DEFAULT_IDLE: Duration = Duration::from_secs(30);

/// A stream as read, with the places its names stand at.
#[derive(Debug)]
pub(crate) struct StreamDraft {
    pub(crate) schema: StreamSchema,
    pub(crate) topic_at: Spot,
    pub(crate) extras: StreamExtras,
    pub(crate) connection_at: Option<Spot>,
}

/// Reads the `spec` of stream `name` in `namespace`.
pub(crate) fn read(
    namespace: &str,
    name: Option<StreamName>,
    spec: &Node,
    report: &mut Report,
) -> Option<StreamDraft> {
    let fields = Fields::open(spec, "the stream's spec", &SPEC, report)?;
    if let Some(format) = fields.need("format", report)
        && let Some(text) = format.text(report)
        && text != "json"
    {
        report.add(format.at, format!("unsupported format `{text}`"), "formats: json");
    }
    let topic = read_topic(namespace, name.as_ref(), &fields, report);
    let partitions = match fields.get("partitions") {
        None => Some(1),
        Some(node) => node.integer(1..=MAX_PARTITIONS, report),
    };
    let columns = fields.need("columns", report).and_then(|node| read_columns(node, report));
    let known = columns.as_deref();
    let key = column_field("key", &fields, known, KEY_TYPES, report);
    let id = column_field("id", &fields, known, ID_TYPES, report);
    let event_time = match fields.get("event_time") {
        None => Some(None),
        Some(node) => read_event_time(node, known, report).map(Some),
    };
    let connection = match fields.get("connection") {
        None => Some(None),
        Some(node) => metadata::name(DocumentKind::Connection, node, report).map(Some),
    };
    let retention = read_retention(&fields, report);
    let columns = columns?.into_iter().map(ColumnDraft::finish).collect::<Option<Vec<_>>>()?;
    Some(StreamDraft {
        schema: StreamSchema {
            name: name?,
            topic: topic?,
            partitions: partitions?,
            key: key.ok()?,
            id: id.ok()?,
            event_time: event_time?,
            columns,
        },
        topic_at: fields.get("topic").map_or(fields.at(), |node| node.at),
        extras: StreamExtras { connection: connection?, retention: retention.ok()? },
        connection_at: fields.get("connection").map(|node| node.at),
    })
}

fn read_retention(fields: &Fields<'_>, report: &mut Report) -> Result<Option<Duration>, Reported> {
    let Some(node) = fields.get("retention") else { return Ok(None) };
    let retention = node.duration(report).ok_or(Reported)?;
    if retention < MIN_RETENTION {
        report.add(
            node.at,
            "events would be gone before they are read",
            "keep them for 1m or more",
        );
        return Err(Reported);
    }
    Ok(Some(retention))
}

fn read_topic(
    namespace: &str,
    name: Option<&StreamName>,
    fields: &Fields<'_>,
    report: &mut Report,
) -> Option<String> {
    match fields.get("topic") {
        None => name.map(|name| qualified(namespace, name.as_str())),
        Some(node) => topic_name(node, report),
    }
}

/// A name Kafka takes for a topic.
pub(crate) fn topic_name(node: &Node, report: &mut Report) -> Option<String> {
    const MAX_TOPIC: usize = 249;
    let text = node.text(report)?;
    let fits = !text.is_empty()
        && text.len() <= MAX_TOPIC
        && !matches!(text, "." | "..")
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if !fits {
        let hint = "use letters, digits, `.`, `_`, `-`; at most 249 characters";
        report.add(node.at, format!("`{text}` is not a valid topic name"), hint);
    }
    fits.then(|| text.to_owned())
}

/// A column whose parts may be missing, so that the other columns can still be checked.
#[derive(Debug)]
struct ColumnDraft {
    name: Option<String>,
    data_type: Option<ColumnType>,
    required: Option<bool>,
}

impl ColumnDraft {
    fn finish(self) -> Option<Column> {
        Some(Column { name: self.name?, data_type: self.data_type?, required: self.required? })
    }
}

fn read_columns(node: &Node, report: &mut Report) -> Option<Vec<ColumnDraft>> {
    let items = node.list(report)?;
    if items.is_empty() {
        report.add(node.at, "a stream needs columns", "add `- { name: event_id, type: string }`");
    }
    if items.len() > MAX_COLUMNS {
        let message = format!("{} columns, at most {MAX_COLUMNS}", items.len());
        report.add(node.at, message, "split the stream");
        return None;
    }
    let mut columns: Vec<ColumnDraft> = Vec::with_capacity(items.len());
    for item in items {
        let column = read_column(item, &columns, report);
        columns.push(column);
    }
    Some(columns)
}

fn read_column(item: &Node, before: &[ColumnDraft], report: &mut Report) -> ColumnDraft {
    let Some(fields) = Fields::open(item, "the column", &COLUMN, report) else {
        return ColumnDraft { name: None, data_type: None, required: None };
    };
    let name_node = fields.need("name", report);
    let name = name_node.and_then(|node| column_name(node, report));
    if let (Some(name), Some(node)) = (&name, name_node) {
        // Delta tells names apart without regard to case.
        let same = |c: &&ColumnDraft| c.name.as_ref().is_some_and(|n| n.eq_ignore_ascii_case(name));
        if let Some(other) = before.iter().find(same) {
            let message = if other.name.as_deref() == Some(name) {
                format!("column `{name}` is declared twice")
            } else {
                format!("column `{name}` differs from another only in case")
            };
            report.add(node.at, message, "rename or remove one");
        }
    }
    let data_type = fields.need("type", report).and_then(|node| {
        let text = node.text(report)?;
        let found = TYPES.iter().find(|(name, _)| *name == text).map(|(_, t)| *t);
        if found.is_none() {
            let names = TYPES.map(|(name, _)| name);
            let list = format!("types: {}", names.join(", "));
            let hint = suggest::nearest(text, names)
                .map_or(list.clone(), |n| format!("did you mean `{n}`? {list}"));
            report.add(node.at, format!("unsupported type `{text}`"), hint);
        }
        found
    });
    let required = match fields.get("required") {
        None => Some(false),
        Some(node) => node.boolean(report),
    };
    ColumnDraft { name, data_type, required }
}

fn column_name(node: &Node, report: &mut Report) -> Option<String> {
    const MAX_COLUMN: usize = 128;
    let text = node.text(report)?;
    if RESERVED.contains(&text) {
        let message = format!("`{text}` is the record's own position, which every route can use");
        report.add(node.at, message, "rename the column");
        return None;
    }
    // What Delta without column mapping refuses, and control characters.
    let bad = |c: char| " ,;{}()\"=".contains(c) || c.is_control();
    if text.is_empty() || text.len() > MAX_COLUMN || text.contains(bad) {
        let hint = "1 to 128 characters, none of `,;{}()\"=` and no white space";
        report.add(node.at, format!("`{text}` is not a valid column name"), hint);
        return None;
    }
    Some(text.to_owned())
}

type Allowed = (&'static [ColumnType], &'static str);
const KEY_TYPES: Allowed = (
    &[ColumnType::String, ColumnType::Int32, ColumnType::Int64, ColumnType::Date],
    "string, int32, int64 or date",
);
const ID_TYPES: Allowed = (&[ColumnType::String], "string");
const TIME_TYPES: Allowed =
    (&[ColumnType::TimestampMs, ColumnType::TimestampUs], "timestamp_ms or timestamp_us");

/// An optional field that names a column.
fn column_field(
    field: &'static str,
    fields: &Fields<'_>,
    columns: Option<&[ColumnDraft]>,
    allowed: Allowed,
    report: &mut Report,
) -> Result<Option<String>, Reported> {
    match fields.get(field) {
        None => Ok(None),
        Some(node) => match column_reference(field, node, columns, allowed, report) {
            Some(name) => Ok(Some(name)),
            None => Err(Reported),
        },
    }
}

fn column_reference(
    field: &str,
    node: &Node,
    columns: Option<&[ColumnDraft]>,
    (types, listed): Allowed,
    report: &mut Report,
) -> Option<String> {
    let name = node.text(report)?;
    // With unreadable columns nobody can say whether this one is missing.
    let Some(columns) = columns else { return Some(name.to_owned()) };
    let names = || columns.iter().filter_map(|c| c.name.as_deref());
    let Some(column) = columns.iter().find(|c| c.name.as_deref() == Some(name)) else {
        if columns.iter().all(|c| c.name.is_some()) {
            let hint = suggest::hint(name, "columns", names());
            report.add(node.at, format!("`{field}` names no column: `{name}`"), hint);
        }
        return None;
    };
    if let Some(data_type) = column.data_type
        && !types.contains(&data_type)
    {
        let found = TYPES.iter().find(|(_, t)| *t == data_type).map_or("", |(name, _)| name);
        let message = format!("`{field}` must be a {listed} column; `{name}` is {found}");
        report.add(node.at, message, NO_HINT);
        return None;
    }
    Some(name.to_owned())
}

fn read_event_time(
    node: &Node,
    columns: Option<&[ColumnDraft]>,
    report: &mut Report,
) -> Option<EventTime> {
    let fields = Fields::open(node, "`event_time`", &EVENT_TIME, report)?;
    let column = fields
        .need("column", report)
        .and_then(|node| column_reference("event_time", node, columns, TIME_TYPES, report));
    let mut duration = |name, default| match fields.get(name) {
        None => Some(default),
        Some(node) => node.duration(report),
    };
    let delay = duration("delay", DEFAULT_DELAY);
    let idle = duration("idle", DEFAULT_IDLE);
    Some(EventTime { column: column?, delay: delay?, idle: idle? })
}
