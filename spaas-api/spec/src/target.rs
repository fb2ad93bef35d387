//! Reading where a route writes.

use std::net::IpAddr;

use url::{Host, Url};

use millrace_events::{RouteName, TableName};

use super::fields::Fields;
use super::metadata;
use super::mistake::{Report, Spot};
use super::stream::topic_name;
use super::yaml::Node;
use crate::DocumentKind;

pub(crate) const TO: [&str; 4] = ["table", "partition_by", "kafka", "http"];
pub(crate) const KAFKA: [&str; 2] = ["topic", "key"];
pub(crate) const HTTP: [&str; 3] = ["url", "allow_private", "connection"];

/// A destination as read, with the places of what is checked against the route's columns.
#[derive(Debug)]
pub(crate) enum TargetDraft {
    Table { table: TableName, table_at: Spot, partition_by: Vec<(String, Spot)> },
    Kafka { topic: String, topic_at: Spot, key: Option<(String, Spot)> },
    Http { url: Url, allow_private: bool, connection: Option<(RouteName, Spot)> },
}

/// Reads `to`.
pub(crate) fn read(node: &Node, report: &mut Report) -> Option<TargetDraft> {
    let fields = Fields::open(node, "`to`", &TO, report)?;
    let chosen: Vec<_> =
        ["table", "kafka", "http"].into_iter().filter(|name| fields.get(name).is_some()).collect();
    match chosen.as_slice() {
        ["table"] => read_table(&fields, report),
        [one] => {
            if let Some(node) = fields.get("partition_by") {
                report.add(node.at, "`partition_by` belongs to a table", "remove it");
            }
            let node = fields.get(one)?;
            if *one == "kafka" { read_kafka(node, report) } else { read_http(node, report) }
        }
        [] => {
            let hint = "write one of `table: NAME`, `kafka: { topic: NAME }`, `http: { url: URL }`";
            report.add(node.at, "`to` names no destination", hint);
            None
        }
        many => {
            let message = format!("`to` names {} destinations: {}", many.len(), many.join(", "));
            report.add(node.at, message, "keep one; write another route for the other");
            None
        }
    }
}

fn read_table(fields: &Fields<'_>, report: &mut Report) -> Option<TargetDraft> {
    let node = fields.need("table", report)?;
    let table = table_name(node, report);
    let mut partition_by: Vec<(String, Spot)> = Vec::new();
    let items = fields.get("partition_by").and_then(|n| n.list(report)).unwrap_or_default();
    if let Some(item) = items.get(MAX_PARTITION_COLUMNS) {
        let message = format!("partitioned by {} columns", items.len());
        report.add(item.at, message, format!("use at most {MAX_PARTITION_COLUMNS}"));
    }
    for item in items.iter().take(MAX_PARTITION_COLUMNS) {
        let Some(column) = item.text(report) else { continue };
        if partition_by.iter().any(|(name, _)| name == column) {
            report.add(item.at, format!("`{column}` is given twice"), "keep one of them");
        } else {
            partition_by.push((column.to_owned(), item.at));
        }
    }
    Some(TargetDraft::Table { table: table?, table_at: node.at, partition_by })
}

/// A table that is not one of the platform's own.
pub(crate) fn table_name(node: &Node, report: &mut Report) -> Option<TableName> {
    let table = node.parsed::<TableName>(report)?;
    if BUILT_IN.contains(&table.as_str()) {
        let message = format!("`{table}` is a table Millrace writes itself");
        report.add(node.at, message, "choose another name");
        return None;
    }
    if table.parts().0 == "information_schema" {
        report.add(node.at, "the schema `information_schema` is reserved", "choose another name");
        return None;
    }
    Some(table)
}

/// A file for every combination of their values: more would be dust.
const MAX_PARTITION_COLUMNS: usize = 16;

/// Tables of the platform, which nobody else may write.
const BUILT_IN: [&str; 4] = ["audit", "dead_letters", "public.audit", "public.dead_letters"];

fn read_kafka(node: &Node, report: &mut Report) -> Option<TargetDraft> {
    let fields = Fields::open(node, "`kafka`", &KAFKA, report)?;
    let topic_node = fields.need("topic", report);
    let topic = topic_node.and_then(|node| topic_name(node, report));
    let key = match fields.get("key") {
        None => Some(None),
        Some(node) => node.text(report).map(|key| Some((key.to_owned(), node.at))),
    };
    Some(TargetDraft::Kafka { topic: topic?, topic_at: topic_node?.at, key: key? })
}

fn read_http(node: &Node, report: &mut Report) -> Option<TargetDraft> {
    let fields = Fields::open(node, "`http`", &HTTP, report)?;
    let allow_private = match fields.get("allow_private") {
        None => Some(false),
        Some(node) => node.boolean(report),
    };
    let connection = match fields.get("connection") {
        None => Some(None),
        Some(node) => {
            metadata::name(DocumentKind::Connection, node, report).map(|c| Some((c, node.at)))
        }
    };
    let url = read_url(&fields, allow_private, report);
    Some(TargetDraft::Http { url: url?, allow_private: allow_private?, connection: connection? })
}

fn read_url(fields: &Fields<'_>, allow_private: Option<bool>, report: &mut Report) -> Option<Url> {
    let node = fields.need("url", report)?;
    let text = node.text(report)?;
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            report.add(node.at, format!("not a URL: {error}"), "write `https://host/path`");
            return None;
        }
    };
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("`{}` is not a scheme this sink speaks", url.scheme());
        report.add(node.at, message, "use http or https");
        return None;
    }
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "take user and password out of the manifest";
        report.add(node.at, "a URL with a password in it ends up in logs", hint);
        return None;
    }
    if allow_private == Some(false) && is_private(&url) {
        let hint = "add `allow_private: true` if the address is meant";
        report.add(node.at, "the address is private", hint);
        return None;
    }
    Some(url)
}

/// Whether the URL itself names this machine or a private network. Names are checked again when
/// they are resolved.
fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(v4)) => private_ip(IpAddr::V4(v4)),
        Some(Host::Ipv6(v6)) => private_ip(IpAddr::V6(v6)),
        None => false,
    }
}

fn private_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => private_ip(IpAddr::V4(v4)),
            None => {
                v6.is_loopback()
                    || v6.is_unspecified()
                    || v6.is_unique_local()
                    || v6.is_unicast_link_local()
            }
        },
    }
}

/// Reports a partition column or key that the route does not have.
pub(crate) fn unknown_column(
    what: &str,
    name: &str,
    at: Spot,
    columns: &arrow::datatypes::Schema,
    report: &mut Report,
) {
    let names = columns.fields().iter().map(|f| f.name().as_str());
    let hint = crate::suggest::hint(name, "columns of the route", names);
    report.add(at, format!("{what} names no column: `{name}`"), hint);
}
