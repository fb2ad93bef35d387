//! What only all documents together can tell: names, references, SQL, tables that routes share.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Schema, SchemaRef};

use millrace_events::{StreamSchema, TableName};

use super::mistake::{Report, Spot};
use super::route::RouteDraft;
use super::sql_place::locate;
use super::target::{TargetDraft, unknown_column};
use super::yaml::{Node, Value};
use super::{ConnectionKind, Manifests, RouteSpec, SqlCheck, Target};
use crate::DocumentKind;
use crate::declare::{Declared, Reference};
use crate::suggest;

const EVENT_DATE: &str = "event_date";
const EVENT_HOUR: &str = "event_hour";

/// Checks the routes against the streams and against each other.
pub(crate) fn check(declared: Declared, sql: &dyn SqlCheck, report: &mut Report) -> Manifests {
    check_connections(&declared, report);
    let mut tables = BTreeMap::new();
    let mut routes = Vec::new();
    for route in &declared.routes {
        let Some(stream) = declared.streams.get(&route.from) else {
            if !declared.has(DocumentKind::Stream, route.from.as_str()) {
                let names = declared.names(DocumentKind::Stream);
                let hint = suggest::hint(route.from.as_str(), "streams", names);
                report.add(route.from_at, format!("unknown stream `{}`", route.from), hint);
            }
            continue;
        };
        let columns = check_sql(route, stream, sql, report);
        if let (Some(columns), Some(to)) = (columns, &route.to) {
            check_target(to, stream, &columns, report);
            if let TargetDraft::Table { table, table_at, partition_by } = to {
                let partitions = partition_by.iter().map(|(name, _)| name.clone()).collect();
                let writer = Writer { columns, partitions, at: *table_at };
                check_shared(table, writer, &mut tables, report);
            }
        }
        routes.extend(finish(route));
    }
    routes.sort_by(|a, b| a.name.cmp(&b.name));
    let (mut jobs, mut connections) = (declared.jobs, declared.connections);
    let mut namespaces = declared.namespaces;
    jobs.sort_by(|a, b| a.name.cmp(&b.name));
    connections.sort_by(|a, b| a.name.cmp(&b.name));
    namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    let (streams, stream_extras) = (declared.streams, declared.stream_extras);
    Manifests { streams, routes, jobs, connections, namespaces, stream_extras }
}

/// Every connection referred to exists and leads to the right kind of thing.
fn check_connections(declared: &Declared, report: &mut Report) {
    for Reference { name, at, kafka } in &declared.references {
        if !declared.has(DocumentKind::Connection, name.as_str()) {
            let names = declared.names(DocumentKind::Connection);
            let hint = suggest::hint(name.as_str(), "connections", names);
            report.add(*at, format!("unknown connection `{name}`"), hint);
            continue;
        }
        let Some(found) = declared.connections.iter().find(|c| c.name == *name) else { continue };
        let (wanted, leads) = if *kafka { ("Kafka", "HTTP") } else { ("HTTP", "Kafka") };
        if matches!(found.kind, ConnectionKind::Kafka { .. }) != *kafka {
            let message = format!("connection `{name}` leads to {leads}, not {wanted}");
            report.add(*at, message, format!("name a connection with `{}`", wanted.to_lowercase()));
        }
    }
}

fn text(node: &Node) -> &str {
    match &node.value {
        Value::Scalar(text, _) => text,
        _ => "",
    }
}

/// The route, if all of it could be read.
fn finish(route: &RouteDraft) -> Option<RouteSpec> {
    let to = match route.to.as_ref()? {
        TargetDraft::Table { table, partition_by, .. } => Target::Table {
            table: table.clone(),
            partition_by: partition_by.iter().map(|(name, _)| name.clone()).collect(),
        },
        TargetDraft::Kafka { topic, key, .. } => {
            Target::Kafka { topic: topic.clone(), key: key.as_ref().map(|(name, _)| name.clone()) }
        }
        TargetDraft::Http { url, allow_private, connection } => Target::Http {
            url: url.clone(),
            allow_private: *allow_private,
            connection: connection.as_ref().map(|(name, _)| name.clone()),
        },
    };
    let sql = |node: &Option<Node>| node.as_ref().map(|n| text(n).to_owned());
    Some(RouteSpec {
        name: route.name.clone()?,
        from: route.from.clone(),
        headers: route.headers.clone()?,
        filter: sql(route.filter.as_ref().ok()?),
        select: sql(route.select.as_ref().ok()?),
        to,
        roll: route.roll?,
    })
}

/// The route's columns, unless its select list is wrong.
fn check_sql(
    route: &RouteDraft,
    stream: &StreamSchema,
    sql: &dyn SqlCheck,
    report: &mut Report,
) -> Option<SchemaRef> {
    let mut run = |filter: Option<&Node>, select: Option<&Node>| {
        let result = sql.check_route(stream, filter.map(text), select.map(text));
        match (result, filter.or(select)) {
            (Ok(columns), _) => Some(columns),
            (Err(fault), Some(node)) => {
                let at = locate(node, fault.line, fault.column, report);
                report.add(at, fault.message, fault.hint);
                None
            }
            (Err(fault), None) => {
                report.add(route.from_at, fault.message, fault.hint);
                None
            }
        }
    };
    if let Ok(Some(filter)) = &route.filter {
        run(Some(filter), None);
    }
    run(None, route.select.as_ref().ok()?.as_ref())
}

fn check_target(to: &TargetDraft, stream: &StreamSchema, columns: &Schema, report: &mut Report) {
    match to {
        TargetDraft::Http { .. } => {}
        TargetDraft::Kafka { topic, topic_at, key } => {
            if *topic == stream.topic {
                let message = format!("the route would feed itself: `{topic}` is where it reads");
                report.add(*topic_at, message, "write to another topic");
            }
            if let Some((name, at)) = key
                && columns.index_of(name).is_err()
            {
                unknown_column("`key`", name, *at, columns, report);
            }
        }
        TargetDraft::Table { partition_by, table_at, .. } => {
            for (name, at) in partition_by {
                check_partition(name, *at, stream, columns, report);
            }
            let own = |name: &str| partition_by.iter().any(|(p, _)| p == name);
            if columns.fields().iter().all(|f| own(f.name())) {
                let message = "every column is a partition column, which leaves nothing to store";
                report.add(*table_at, message, "partition by fewer columns");
            }
        }
    }
}

fn check_partition(
    name: &str,
    at: Spot,
    stream: &StreamSchema,
    columns: &Schema,
    report: &mut Report,
) {
    let column = columns.field_with_name(name).ok();
    if !matches!(name, EVENT_DATE | EVENT_HOUR) {
        return match column {
            None => unknown_column("`partition_by`", name, at, columns, report),
            Some(field) if !can_partition(field.data_type()) => {
                let message = format!("`{name}` is {}, which cannot partition", field.data_type());
                let hint = "use text, a whole number, a Boolean, a date, event_date or event_hour";
                report.add(at, message, hint);
            }
            Some(_) => {}
        };
    }
    if column.is_some() {
        let message =
            format!("`{name}` would be computed, but the route has a column of that name");
        report.add(at, message, "rename the column with `select`");
        return;
    }
    let Some(event_time) = &stream.event_time else {
        let message = format!("`{name}` needs the event time, which `{}` has not", stream.name);
        report.add(at, message, "add `event_time: { column: … }` to the stream");
        return;
    };
    match columns.field_with_name(&event_time.column) {
        Ok(field) if matches!(field.data_type(), DataType::Timestamp(..)) => {}
        Ok(_) => {
            let message = format!("`{name}` needs `{}` as a timestamp", event_time.column);
            report.add(at, message, "select it unchanged");
        }
        Err(_) => {
            let message = format!("`{name}` needs `{}`, which is not selected", event_time.column);
            report.add(at, message, format!("add `{}` to `select`", event_time.column));
        }
    }
}

fn can_partition(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Utf8 | DataType::Boolean | DataType::Int32 | DataType::Int64 | DataType::Date32
    )
}

/// What a route wants of a table.
struct Writer {
    columns: SchemaRef,
    partitions: Vec<String>,
    at: Spot,
}

/// Several routes may write one table if they agree about it.
fn check_shared(
    table: &TableName,
    writer: Writer,
    tables: &mut BTreeMap<TableName, Writer>,
    report: &mut Report,
) {
    let Some(first) = tables.get(table) else {
        tables.insert(table.clone(), writer);
        return;
    };
    let place = report.describe(first.at);
    for field in writer.columns.fields() {
        let Ok(other) = first.columns.field_with_name(field.name()) else { continue };
        if other.data_type() != field.data_type() {
            let message = format!(
                "column `{}` of table `{table}` is {} here and {} in the route at {place}",
                field.name(),
                field.data_type(),
                other.data_type(),
            );
            report.add(writer.at, message, "cast it in `select`, or write to another table");
        }
    }
    if writer.partitions != first.partitions {
        let message = format!("table `{table}` is partitioned differently by the route at {place}");
        report.add(writer.at, message, "use one `partition_by` for both");
    }
}
