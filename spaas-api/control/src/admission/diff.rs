//! What a change changes, line by line.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::model::{Kind, Resource};

/// Lines of context around a change.
const CONTEXT: usize = 3;

/// A unified diff of the canonical YAML; empty if nothing changes.
pub(crate) fn unified(
    before: Option<&Resource>,
    kind: Kind,
    name: &str,
    labels: &BTreeMap<String, String>,
    spec: &Value,
) -> String {
    let old = before.map_or_else(String::new, |r| yaml(r.kind, name, &r.metadata.labels, &r.spec));
    let new = yaml(kind, name, labels, spec);
    if old == new {
        return String::new();
    }
    let path = format!("{}/{name}", kind.plural());
    let from = if before.is_some() { path.as_str() } else { "/dev/null" };
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(from, &path)
        .to_string()
}

fn yaml(kind: Kind, name: &str, labels: &BTreeMap<String, String>, spec: &Value) -> String {
    let mut metadata = json!({"name": name});
    if !labels.is_empty() {
        metadata["labels"] = json!(labels);
    }
    let document = json!({"kind": kind.as_str(), "metadata": metadata, "spec": spec});
    serde_yaml_ng::to_string(&document).expect("JSON can be written as YAML")
}
