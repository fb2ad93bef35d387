//! From documents to drafts, each name once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millrace_events::{RouteName, StreamName, StreamSchema};

use super::fields::Fields;
use super::metadata;
use super::mistake::{Report, Spot};
use super::route::RouteDraft;
use super::target::TargetDraft;
use super::yaml::Node;
use super::{ConnectionSpec, DocumentKind, JobSpec, NamespaceSpec, StreamExtras};
use super::{connection, job_reader, route, stream};
use crate::suggest;

pub(crate) const DOCUMENT: [&str; 3] = ["kind", "metadata", "spec"];

/// How documents are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode<'a> {
    /// Namespace of documents that name none.
    pub(crate) namespace: &'a str,
    /// Whether names are people's own, so that they may not look like qualified ones.
    pub(crate) own_names: bool,
    /// Folder of the file, when other files beside it may be read.
    pub(crate) folder: Option<&'a Path>,
}

/// A connection that a stream or route names.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) name: RouteName,
    pub(crate) at: Spot,
    /// Whether it must lead to Kafka; else to HTTP.
    pub(crate) kafka: bool,
}

/// What the documents so far declared.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    /// Every name seen, also of things with mistakes in them.
    seen: BTreeMap<(DocumentKind, String), Spot>,
    /// Streams without mistakes.
    pub(crate) streams: BTreeMap<StreamName, Arc<StreamSchema>>,
    pub(crate) stream_extras: BTreeMap<StreamName, StreamExtras>,
    /// Routes that could be read.
    pub(crate) routes: Vec<RouteDraft>,
    pub(crate) jobs: Vec<JobSpec>,
    pub(crate) connections: Vec<ConnectionSpec>,
    pub(crate) namespaces: Vec<NamespaceSpec>,
    /// Connections referred to.
    pub(crate) references: Vec<Reference>,
}

impl Declared {
    /// Whether a document of that kind and name was seen.
    pub(crate) fn has(&self, kind: DocumentKind, name: &str) -> bool {
        self.seen.contains_key(&(kind, name.to_owned()))
    }

    /// The names seen of a kind.
    pub(crate) fn names(&self, kind: DocumentKind) -> impl Iterator<Item = &str> + Clone {
        self.seen.keys().filter(move |(k, _)| *k == kind).map(|(_, name)| name.as_str())
    }

    /// Remembers a name; false, and reported, if it was taken.
    fn take(&mut self, kind: DocumentKind, name: &str, at: Spot, report: &mut Report) -> bool {
        let what = kind.as_str().to_lowercase();
        if let Some(before) = self.seen.get(&(kind, name.to_owned())) {
            let place = report.describe(*before);
            let message = format!("{what} `{name}` is declared twice, first at {place}");
            report.add(at, message, "rename or remove one");
            return false;
        }
        self.seen.insert((kind, name.to_owned()), at);
        true
    }
}

/// The three parts of a document.
#[derive(Debug)]
pub(crate) struct Parts<'n> {
    pub(crate) kind: Option<DocumentKind>,
    pub(crate) metadata: Option<metadata::Metadata<'n>>,
    pub(crate) spec: Option<&'n Node>,
}

/// Takes a document apart.
pub(crate) fn parts<'n>(
    document: &'n Node,
    own_names: bool,
    report: &mut Report,
) -> Option<Parts<'n>> {
    let fields = Fields::open(document, "the document", &DOCUMENT, report)?;
    let kind = fields.need("kind", report).and_then(|node| read_kind(node, report));
    if kind == Some(DocumentKind::Connection) {
        report.hide(document.at);
    }
    let metadata = fields
        .need("metadata", report)
        .and_then(|node| metadata::read(node, kind, own_names, report));
    let spec = match kind {
        Some(DocumentKind::Namespace) => fields.get("spec"),
        _ => fields.need("spec", report),
    };
    Some(Parts { kind, metadata, spec })
}

fn read_kind(node: &Node, report: &mut Report) -> Option<DocumentKind> {
    let text = node.text(report)?;
    let kind = DocumentKind::ALL.into_iter().find(|kind| kind.as_str() == text);
    if kind.is_none() {
        let hint = suggest::hint(text, "kinds", DocumentKind::ALL.map(DocumentKind::as_str));
        report.add(node.at, format!("unknown kind `{text}`"), hint);
    }
    kind
}

/// Reads one document into `declared`.
pub(crate) fn declare(
    document: &Node,
    mode: Mode<'_>,
    declared: &mut Declared,
    report: &mut Report,
) {
    let Some(Parts { kind: Some(kind), metadata, spec }) = parts(document, mode.own_names, report)
    else {
        return;
    };
    let own = metadata.as_ref().and_then(|m| m.namespace.as_deref());
    let namespace = own.unwrap_or(mode.namespace);
    let node = metadata.as_ref().and_then(|m| m.name);
    let mut name = || {
        let node = node?;
        let name = metadata::name(kind, node, report)?;
        declared.take(kind, name.as_str(), node.at, report).then_some(name)
    };
    match kind {
        DocumentKind::Stream => declare_stream(namespace, node, spec, declared, report),
        DocumentKind::Route => {
            let name = name();
            declare_route(name, spec, declared, report);
        }
        DocumentKind::Namespace => {
            let name = name();
            declared.namespaces.extend(metadata::read_namespace(name, spec, report));
        }
        DocumentKind::Connection => {
            let name = name();
            let read = spec.and_then(|spec| connection::read(name, spec, report));
            declared.connections.extend(read);
        }
        DocumentKind::Job => {
            let name = name();
            let read = spec.and_then(|spec| job_reader::read(name, spec, mode.folder, report));
            declared.jobs.extend(read);
        }
    }
}

fn declare_stream(
    namespace: &str,
    name_node: Option<&Node>,
    spec: Option<&Node>,
    declared: &mut Declared,
    report: &mut Report,
) {
    let name = name_node.and_then(|node| node.parsed::<StreamName>(report));
    let draft = spec.and_then(|spec| stream::read(namespace, name.clone(), spec, report));
    let (Some(name), Some(node)) = (name, name_node) else { return };
    if !declared.take(DocumentKind::Stream, name.as_str(), node.at, report) {
        return;
    }
    let Some(draft) = draft else { return };
    let same = |other: &&Arc<StreamSchema>| {
        let extras = declared.stream_extras.get(&other.name);
        other.topic == draft.schema.topic
            && extras.and_then(|e| e.connection.as_ref()) == draft.extras.connection.as_ref()
    };
    if let Some(other) = declared.streams.values().find(same) {
        let message = format!("topic `{}` already belongs to stream `{}`", other.topic, other.name);
        report.add(draft.topic_at, message, "give each stream its own topic");
    }
    if let (Some(connection), Some(at)) = (&draft.extras.connection, draft.connection_at) {
        declared.references.push(Reference { name: connection.clone(), at, kafka: true });
    }
    if draft.extras != StreamExtras::default() {
        declared.stream_extras.insert(name.clone(), draft.extras);
    }
    declared.streams.insert(name, Arc::new(draft.schema));
}

fn declare_route(
    name: Option<RouteName>,
    spec: Option<&Node>,
    declared: &mut Declared,
    report: &mut Report,
) {
    let Some(draft) = spec.and_then(|spec| route::read(name, spec, report)) else { return };
    if let Some(TargetDraft::Http { connection: Some((name, at)), .. }) = &draft.to {
        declared.references.push(Reference { name: name.clone(), at: *at, kafka: false });
    }
    declared.routes.push(draft);
}
