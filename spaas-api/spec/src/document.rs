//! One document of a text: what it declares, in canonical form, and its own words.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::canonical::{self, canonical, json_of};
use super::declare::{Parts, parts};
use super::load::{add_text, too_big};
use super::metadata::{self, refuse_qualified};
use super::mistake::{NO_HINT, Report, Spot};
use super::yaml::{self, Node, Root, Value};
use super::{Mistake, json, sql_place};

/// Kinds of documents, in the order in which they must be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// Owner of all others.
    Namespace,
    /// Where a broker or endpoint is.
    Connection,
    /// A schema on a topic.
    Stream,
    /// Stream → filter → projection → sink.
    Route,
    /// Streaming SQL.
    Job,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Namespace, Self::Connection, Self::Stream, Self::Route, Self::Job];

    /// As manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::Connection => "Connection",
            Self::Stream => "Stream",
            Self::Route => "Route",
            Self::Job => "Job",
        }
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One manifest. Its spec has not been checked against its kind: `load_texts` does that.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it declares.
    pub kind: DocumentKind,
    /// Its namespace, if it says one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its spec, canonical: keys sorted, as written, no defaults added, fields without a value left
    /// out. An empty mapping if there is none.
    pub spec: Json,
    /// Its own source text. JSON may have tabs and pairs of surrogates rewritten.
    pub text: String,
    /// Line of the file, from 1, with which `text` begins.
    pub line: usize,
    /// Column of that line, from 1, with which `text` begins; 1 except in a JSON list.
    pub column: usize,
}

impl Document {
    /// The whole manifest as a canonical value: `kind`, `metadata`, `spec`.
    pub fn manifest(&self) -> Json {
        let mut metadata = Map::new();
        if !self.labels.is_empty() {
            metadata.insert("labels".to_owned(), json!(self.labels));
        }
        metadata.insert("name".to_owned(), json!(self.name));
        if let Some(namespace) = &self.namespace {
            metadata.insert("namespace".to_owned(), json!(namespace));
        }
        canonical(&json!({ "kind": self.kind.as_str(), "metadata": metadata, "spec": self.spec }))
    }

    /// The manifest as canonical JSON text.
    pub fn to_json(&self) -> String {
        canonical::to_json(&self.manifest())
    }

    /// The manifest as canonical YAML text.
    pub fn to_yaml(&self) -> String {
        canonical::to_yaml(&self.manifest())
    }

    /// The file that a job's SQL is in, if it is not in the manifest itself.
    pub fn sql_file(&self) -> Option<&str> {
        self.spec.get("sql_file").and_then(Json::as_str).filter(|_| self.kind == DocumentKind::Job)
    }

    /// Puts SQL read from [`sql_file`](Self::sql_file) into the manifest. Its text is then the
    /// canonical one, and places are within it.
    pub fn inline_sql(&mut self, sql: &str) {
        if let Json::Object(fields) = &mut self.spec {
            fields.remove("sql_file");
            fields.insert("sql".to_owned(), json!(sql));
        }
        self.spec = canonical(&self.spec);
        self.text = self.to_yaml();
        (self.line, self.column) = (1, 1);
    }

    /// Where character `line`:`column` (from 1) of a job's `sql` stands in the file the document
    /// was read from; `None` if the document holds no SQL.
    pub fn locate_sql(&self, line: usize, column: usize) -> Option<(usize, usize)> {
        let mut report = Report::default();
        let (file, text) = add_text(Path::new(""), &self.text, &mut report);
        let roots = yaml::documents(file, &text, &mut report);
        let sql = field(field(&roots.first()?.node, "spec")?, "sql")?;
        let at = sql_place::locate(sql, line, column, &report);
        let before = if at.line == 1 { self.column - 1 } else { 0 };
        Some((at.line + self.line - 1, at.column + before))
    }
}

/// The value of a field, if the node is a mapping that has it.
fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(pairs) = &node.value else { return None };
    let named = |key: &Node| matches!(&key.value, Value::Scalar(text, _) if text == name);
    pairs.iter().find(|(key, _)| named(key)).map(|(_, value)| value)
}

/// Takes a text (YAML or JSON, one document or several, also a JSON list of them) apart. `path` is
/// for messages. Reads the form of each document and its metadata; what its spec says is for
/// [`load_texts`](crate::load_texts) to check.
///
/// # Errors
/// Every mistake in the form.
pub fn documents(path: &Path, text: &str) -> Result<Vec<Document>, Vec<Mistake>> {
    let mut report = Report::default();
    let mut documents = Vec::new();
    if let Some(why) = too_big(text.len()) {
        let at = report.top(path);
        report.add(at, why, NO_HINT);
    } else {
        let (file, yaml_text) = add_text(path, text, &mut report);
        let mut cursor = Cursor::new(&yaml_text);
        for root in yaml::documents(file, &yaml_text, &mut report) {
            documents.extend(read(&root, &mut cursor, &mut report));
        }
    }
    if documents.is_empty() && report.is_empty() {
        let at = report.top(path);
        report.add(at, "there is no manifest in it", "write `kind`, `metadata` and `spec`");
    }
    let mistakes = report.into_mistakes();
    if mistakes.is_empty() { Ok(documents) } else { Err(mistakes) }
}

fn read(root: &Root, cursor: &mut Cursor<'_>, report: &mut Report) -> Option<Document> {
    let Parts { kind, metadata, spec } = parts(&root.node, true, report)?;
    if let Some(spec) = spec {
        check_form(spec, report);
        if !matches!(spec.value, Value::Map(_)) {
            let message = format!("`spec` must be a mapping of fields, not {}", spec.kind());
            report.add(spec.at, message, "write `spec: { field: value }`");
        }
        refuse_qualified_references(spec, report);
    }
    let metadata = metadata?;
    let name = metadata::name(kind?, metadata.name?, report)?.to_string();
    let (text, line, column) = cursor.source(root);
    Some(Document {
        kind: kind?,
        namespace: metadata.namespace,
        name,
        labels: metadata.labels,
        spec: spec.map_or_else(|| json!({}), json_of),
        text,
        line,
        column,
    })
}

/// Reports keys that are no text and keys given twice, wherever they are: they would be lost.
fn check_form(node: &Node, report: &mut Report) {
    match &node.value {
        Value::Scalar(..) => {}
        Value::List(items) => items.iter().for_each(|item| check_form(item, report)),
        Value::Map(_) => {
            for (_, _, value) in node.entries("a mapping", report).unwrap_or_default() {
                check_form(value, report);
            }
        }
    }
}

fn refuse_qualified_references(spec: &Node, report: &mut Report) {
    let http = field(spec, "to").and_then(|to| field(to, "http"));
    let places =
        [field(spec, "from"), field(spec, "connection"), http.and_then(|h| field(h, "connection"))];
    for node in places.into_iter().flatten() {
        refuse_qualified(node, report);
    }
}

/// A text read once from front to end.
struct Cursor<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1, column: 1 }
    }

    /// Goes on to a place; returns what was passed over.
    fn pass_to(&mut self, line: usize, column: usize) -> &'a str {
        let mut passed = 0;
        let mut chars = self.rest.chars().peekable();
        while (self.line, self.column) < (line, column) {
            let Some(c) = chars.next() else { break };
            passed += c.len_utf8();
            if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        let (before, rest) = self.rest.split_at(passed);
        self.rest = rest;
        before
    }

    /// The source of a document, and the line and column with which it begins.
    fn source(&mut self, root: &Root) -> (String, usize, usize) {
        if root.listed {
            let Spot { line, column, .. } = root.node.at;
            self.pass_to(line, column);
            return (json::first_value(self.rest).to_owned(), line, column);
        }
        self.pass_to(root.first, 1);
        (self.pass_to(root.end, 1).to_owned(), root.first, 1)
    }
}
