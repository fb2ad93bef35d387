//! Reading `metadata`, names, and the specs of namespaces.

use std::collections::BTreeMap;

use millrace_events::RouteName;

use super::fields::Fields;
use super::mistake::{Report, Spot};
use super::yaml::{Node, Value};
use crate::{DocumentKind, NamespaceSpec};

pub(crate) const METADATA: [&str; 3] = ["name", "namespace", "labels"];
pub(crate) const NAMESPACE: [&str; 2] = ["owner", "description"];
const MAX_LABELS: usize = 32;
const MAX_LABEL_CHARS: usize = 63;
const MAX_PROSE_CHARS: usize = 2000;

/// What a document says about itself.
#[derive(Debug)]
pub(crate) struct Metadata<'n> {
    pub(crate) name: Option<&'n Node>,
    pub(crate) namespace: Option<String>,
    pub(crate) labels: BTreeMap<String, String>,
}

/// Reads `metadata`; with `own_names`, a name may not look like a qualified one.
pub(crate) fn read<'n>(
    node: &'n Node,
    kind: Option<DocumentKind>,
    own_names: bool,
    report: &mut Report,
) -> Option<Metadata<'n>> {
    let fields = Fields::open(node, "`metadata`", &METADATA, report)?;
    let name = fields.need("name", report);
    let namespace_node = fields.get("namespace");
    let namespace = namespace_node.and_then(|node| namespace_name(node, report));
    if let (Some(DocumentKind::Namespace), Some(node)) = (kind, namespace_node) {
        report.add(node.at, "a namespace is in no other", "remove `namespace`");
    }
    if let Some(node) = name.filter(|_| own_names) {
        refuse_qualified(node, report);
        check_length(namespace.as_deref(), node, report);
    }
    let labels = fields.get("labels").map(|node| read_labels(node, report));
    Some(Metadata { name, namespace, labels: labels.unwrap_or_default() })
}

fn namespace_name(node: &Node, report: &mut Report) -> Option<String> {
    refuse_qualified(node, report);
    name(DocumentKind::Namespace, node, report).map(|name| name.to_string())
}

/// Reports a name with `--` in it: that stands between namespace and name.
pub(crate) fn refuse_qualified(node: &Node, report: &mut Report) {
    if let Value::Scalar(text, _) = &node.value
        && text.contains("--")
    {
        let message = format!("`{text}` contains `--`, which stands between namespace and name");
        report.add(node.at, message, "use a single `-` or `_`");
    }
}

fn check_length(namespace: Option<&str>, node: &Node, report: &mut Report) {
    let (Some(namespace), Value::Scalar(name, _)) = (namespace, &node.value) else { return };
    let whole = crate::qualified(namespace, name);
    if name.parse::<RouteName>().is_ok() && whole.parse::<RouteName>().is_err() {
        let message =
            format!("`{whole}`, its name with the namespace, is longer than 100 characters");
        report.add(node.at, message, "choose a shorter name");
    }
}

/// The name of a thing of `kind`.
pub(crate) fn name(kind: DocumentKind, node: &Node, report: &mut Report) -> Option<RouteName> {
    let text = node.text(report)?;
    let what = kind.as_str().to_lowercase();
    match text.parse::<RouteName>() {
        Ok(name) => Some(name),
        Err(error) => {
            // The type is named after routes; the message is about what the name is of.
            let message = error.to_string().replacen(" route name", &format!(" {what} name"), 1);
            report.add(node.at, message, super::fields::rename(text));
            None
        }
    }
}

fn read_labels(node: &Node, report: &mut Report) -> BTreeMap<String, String> {
    let entries = node.entries("`labels`", report).unwrap_or_default();
    if entries.len() > MAX_LABELS {
        report.add(
            node.at,
            format!("more than {MAX_LABELS} labels"),
            "keep the ones you choose by",
        );
    }
    let mut labels = BTreeMap::new();
    for (name, at, value) in entries {
        if !is_label(name) {
            bad_label(name, at, report);
        }
        let Some(text) = value.text(report) else { continue };
        if !text.is_empty() && !is_label(text) {
            bad_label(text, value.at, report);
        }
        labels.insert(name.to_owned(), text.to_owned());
    }
    labels
}

fn bad_label(text: &str, at: Spot, report: &mut Report) {
    let hint = "letters, digits, `.`, `_`, `/`, `-`; at most 63; first and last a letter or digit";
    report.add(at, format!("`{text}` is not a valid label"), hint);
}

fn is_label(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= MAX_LABEL_CHARS
        && edge(text.chars().next())
        && edge(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._/-".contains(c))
}

/// Reads the `spec` of a namespace, which may be left out.
pub(crate) fn read_namespace(
    name: Option<RouteName>,
    spec: Option<&Node>,
    report: &mut Report,
) -> Option<NamespaceSpec> {
    let Some(spec) = spec else {
        return Some(NamespaceSpec { name: name?, owner: None, description: None });
    };
    let fields = Fields::open(spec, "the namespace's spec", &NAMESPACE, report)?;
    let owner = prose("owner", &fields, report);
    let description = prose("description", &fields, report);
    Some(NamespaceSpec { name: name?, owner, description })
}

fn prose(field: &str, fields: &Fields<'_>, report: &mut Report) -> Option<String> {
    let node = fields.get(field)?;
    let text = node.text(report)?;
    if text.chars().count() > MAX_PROSE_CHARS {
        let message = format!("`{field}` is longer than {MAX_PROSE_CHARS} characters");
        report.add(node.at, message, "keep it short");
    }
    Some(text.to_owned())
}
