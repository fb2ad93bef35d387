//! Reading a `Route`.

use std::collections::BTreeMap;

use millrace_events::{RouteName, StreamName};

use super::RollSpec;
use super::fields::Fields;
use super::mistake::{Report, Reported, Spot};
use super::target::{self, TargetDraft};
use super::yaml::{Node, Value};

pub(crate) const SPEC: [&str; 6] = ["from", "where", "select", "headers", "to", "roll"];
pub(crate) const ROLL: [&str; 3] = ["bytes", "every", "idle"];

/// A route as read: not yet known whether its stream exists and its SQL fits. What could not be
/// read is absent, so that the rest is checked all the same.
#[derive(Debug)]
pub(crate) struct RouteDraft {
    pub(crate) name: Option<RouteName>,
    pub(crate) from: StreamName,
    pub(crate) from_at: Spot,
    pub(crate) headers: Option<BTreeMap<String, Vec<String>>>,
    /// SQL, kept as a node so that a fault in it can be placed.
    pub(crate) filter: Result<Option<Node>, Reported>,
    /// As `filter`.
    pub(crate) select: Result<Option<Node>, Reported>,
    pub(crate) to: Option<TargetDraft>,
    pub(crate) roll: Option<RollSpec>,
}

/// Reads the `spec` of route `name`.
pub(crate) fn read(
    name: Option<RouteName>,
    spec: &Node,
    report: &mut Report,
) -> Option<RouteDraft> {
    let fields = Fields::open(spec, "the route's spec", &SPEC, report)?;
    let from_node = fields.need("from", report);
    let from = from_node.and_then(|node| node.parsed(report));
    let filter = sql("where", &fields, report);
    let select = sql("select", &fields, report);
    let headers = match fields.get("headers") {
        None => Some(BTreeMap::new()),
        Some(node) => read_headers(node, report),
    };
    let roll = match fields.get("roll") {
        None => Some(RollSpec::default()),
        Some(node) => read_roll(node, report),
    };
    let to = fields.need("to", report).and_then(|node| target::read(node, report));
    let (from, from_at) = (from?, from_node?.at);
    Some(RouteDraft { name, from, from_at, headers, filter, select, to, roll })
}

/// An optional SQL text.
fn sql(field: &str, fields: &Fields<'_>, report: &mut Report) -> Result<Option<Node>, Reported> {
    let Some(node) = fields.get(field) else { return Ok(None) };
    if let Value::List(_) = node.value {
        report.add(node.at, format!("`{field}` must be one text"), "write `select: a, b AS c`");
        return Err(Reported);
    }
    // A bare `true` is SQL too.
    if let Value::Scalar(text, _) = &node.value
        && !text.trim().is_empty()
    {
        return Ok(Some(node.clone()));
    }
    report.add(
        node.at,
        format!("`{field}` must be SQL text"),
        "leave the field out to take everything",
    );
    Err(Reported)
}

fn read_headers(node: &Node, report: &mut Report) -> Option<BTreeMap<String, Vec<String>>> {
    let Value::Map(pairs) = &node.value else {
        let message = format!("`headers` must be a mapping, not {}", node.kind());
        report.add(node.at, message, "write `headers: { name: value }`");
        return None;
    };
    let mut headers = BTreeMap::new();
    for (key, value) in pairs {
        let name = key.text(report)?;
        let values: Vec<String> = match &value.value {
            Value::List(items) => {
                items.iter().filter_map(|i| i.text(report)).map(ToOwned::to_owned).collect()
            }
            _ => value.text(report).map(ToOwned::to_owned).into_iter().collect(),
        };
        if matches!(&value.value, Value::List(items) if items.is_empty()) {
            let message = format!("header `{name}` allows no value, so nothing would pass");
            report.add(value.at, message, "list the wanted values");
        }
        if headers.insert(name.to_owned(), values).is_some() {
            report.add(key.at, format!("header `{name}` is given twice"), "write `name: [a, b]`");
        }
    }
    Some(headers)
}

fn read_roll(node: &Node, report: &mut Report) -> Option<RollSpec> {
    let fields = Fields::open(node, "`roll`", &ROLL, report)?;
    let default = RollSpec::default();
    let bytes = fields.get("bytes").map_or(Some(default.bytes), |n| n.size(report));
    let every = fields.get("every").map_or(Some(default.every), |n| n.duration(report));
    let idle = fields.get("idle").map_or(Some(default.idle), |n| n.duration(report));
    let roll = RollSpec { bytes: bytes?, every: every?, idle: idle? };
    if roll.bytes == 0 || roll.every.is_zero() || roll.idle.is_zero() {
        report.add(node.at, "`roll` would commit without end", "give values above zero");
        return None;
    }
    Some(roll)
}
