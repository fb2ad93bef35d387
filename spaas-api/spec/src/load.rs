//! From a folder to documents, and from documents to drafts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_events::{RouteName, StreamName};

use super::check::{Declared, check};
use super::fields::Fields;
use super::mistake::{NO_HINT, Report, Spot};
use super::yaml::{self, Node};
use super::{Manifests, Mistake, SqlCheck, route, stream};
use crate::suggest;

pub(crate) const DOCUMENT: [&str; 3] = ["kind", "metadata", "spec"];
pub(crate) const METADATA: [&str; 1] = ["name"];
const KINDS: [&str; 2] = ["Stream", "Route"];
/// Far above any manifest: a wrong file in the folder is named instead of read.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads every `*.yaml` and `*.yml` below `dir` (or the one file `dir`) in the order of their
/// names.
///
/// # Errors
/// Every mistake of every file.
pub fn load_dir(dir: &Path, sql: &dyn SqlCheck) -> Result<Manifests, Vec<Mistake>> {
    let mut report = Report::default();
    let mut files = Vec::new();
    if dir.is_file() {
        files.push(dir.to_owned());
    } else {
        collect(dir, &mut files, &mut report);
        files.sort();
    }
    let mut texts = Vec::new();
    for file in files {
        match read(&file) {
            Ok(text) => texts.push((file, text)),
            Err(why) => outside(&file, why, &mut report),
        }
    }
    if texts.is_empty() {
        outside(dir, "there is no manifest (*.yaml, *.yml) here".to_owned(), &mut report);
    }
    finish(&texts, sql, report)
}

/// Reads one text as if it were the file `path`.
///
/// # Errors
/// Every mistake in it.
pub fn load_text(path: &Path, text: &str, sql: &dyn SqlCheck) -> Result<Manifests, Vec<Mistake>> {
    finish(&[(path.to_owned(), text.to_owned())], sql, Report::default())
}

fn finish(
    texts: &[(PathBuf, String)],
    sql: &dyn SqlCheck,
    mut report: Report,
) -> Result<Manifests, Vec<Mistake>> {
    let mut declared = Declared::default();
    for (path, text) in texts {
        let file = report.add_source(path, text);
        for document in yaml::documents(file, text, &mut report) {
            if !document.is_null() {
                declare(&document, &mut declared, &mut report);
            }
        }
    }
    let manifests = check(declared, sql, &mut report);
    let mistakes = report.into_mistakes();
    if mistakes.is_empty() { Ok(manifests) } else { Err(mistakes) }
}

/// A mistake about a file or folder as a whole.
fn outside(path: &Path, message: String, report: &mut Report) {
    let file = report.add_source(path, "");
    report.add(Spot { file, line: 1, column: 1 }, message, NO_HINT);
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>, report: &mut Report) {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => return outside(dir, format!("cannot be read: {error}"), report),
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Folders behind links are left out: they may lead back up.
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            collect(&path, files, report);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|e| format!("cannot be read: {e}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("too big for a manifest: {size} bytes, at most {MAX_FILE_BYTES}"));
    }
    std::fs::read_to_string(file).map_err(|e| format!("cannot be read: {e}"))
}

fn declare(document: &Node, declared: &mut Declared, report: &mut Report) {
    let Some(fields) = Fields::open(document, "the document", &DOCUMENT, report) else { return };
    let kind = fields.need("kind", report);
    let metadata = fields.need("metadata", report);
    let name = metadata
        .and_then(|node| Fields::open(node, "`metadata`", &METADATA, report))
        .and_then(|fields| fields.need("name", report));
    let spec = fields.need("spec", report);
    let Some(kind) = kind else { return };
    match kind.text(report) {
        None => {}
        Some("Stream") => declare_stream(name, spec, declared, report),
        Some("Route") => declare_route(name, spec, declared, report),
        Some(other) => {
            let hint = suggest::hint(other, "kinds", KINDS);
            report.add(kind.at, format!("unknown kind `{other}`"), hint);
        }
    }
}

fn declare_stream(
    name_node: Option<&Node>,
    spec: Option<&Node>,
    declared: &mut Declared,
    report: &mut Report,
) {
    let name = name_node.and_then(|node| node.parsed::<StreamName>(report));
    let draft = spec.and_then(|spec| stream::read(name.clone(), spec, report));
    let (Some(name), Some(node)) = (name, name_node) else { return };
    if let Some(before) = declared.names.get(&name) {
        let message =
            format!("stream `{name}` is declared twice, first at {}", report.describe(*before));
        report.add(node.at, message, "rename or remove one");
        return;
    }
    declared.names.insert(name.clone(), node.at);
    let Some(draft) = draft else { return };
    if let Some(other) = declared.streams.values().find(|s| s.topic == draft.schema.topic) {
        let message = format!("topic `{}` already belongs to stream `{}`", other.topic, other.name);
        report.add(draft.topic_at, message, "give each stream its own topic");
    }
    declared.streams.insert(name, Arc::new(draft.schema));
}

fn declare_route(
    name_node: Option<&Node>,
    spec: Option<&Node>,
    declared: &mut Declared,
    report: &mut Report,
) {
    let name = name_node.and_then(|node| node.parsed::<RouteName>(report));
    if let (Some(name), Some(node)) = (&name, name_node) {
        match declared.route_names.get(name) {
            Some(before) => {
                let place = report.describe(*before);
                let message = format!("route `{name}` is declared twice, first at {place}");
                report.add(node.at, message, "rename or remove one");
            }
            None => {
                declared.route_names.insert(name.clone(), node.at);
            }
        }
    }
    declared.routes.extend(spec.and_then(|spec| route::read(name, spec, report)));
}
