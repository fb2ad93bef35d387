//! From a folder or texts to documents.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::check::check;
use super::declare::{Declared, Mode, declare};
use super::mistake::{NO_HINT, Report};
use super::{Manifests, Mistake, SqlCheck, json, yaml};

/// Most bytes of one text. Far above any manifest: a wrong file in a folder is named instead of
/// read.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
const DEFAULT_NAMESPACE: &str = "default";

/// Reads every `*.yaml`, `*.yml` and `*.json` below `dir` (or the one file `dir`) in the order of
/// their names.
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
        outside(dir, "there is no manifest (*.yaml, *.yml, *.json) here".to_owned(), &mut report);
    }
    let mode = Mode { namespace: DEFAULT_NAMESPACE, own_names: true, folder: Some(dir) };
    finish(&texts, mode, sql, report)
}

/// Reads one text as if it were the file `path`.
///
/// # Errors
/// Every mistake in it.
pub fn load_text(path: &Path, text: &str, sql: &dyn SqlCheck) -> Result<Manifests, Vec<Mistake>> {
    let mode = Mode { namespace: DEFAULT_NAMESPACE, own_names: true, folder: None };
    finish(&[(path.to_owned(), text.to_owned())], mode, sql, Report::default())
}

/// Reads texts that together declare a set of things: YAML or JSON, with the path that messages
/// name. Names may be qualified ones (see [`qualified`](crate::qualified)): in what people write,
/// [`documents`](crate::documents) refuses them. Two things of one kind and name are a mistake,
/// also when they are in different namespaces.
///
/// # Errors
/// Every mistake of every text.
pub fn load_texts(
    texts: &[(PathBuf, String)],
    sql: &dyn SqlCheck,
) -> Result<Manifests, Vec<Mistake>> {
    load_texts_in(DEFAULT_NAMESPACE, texts, sql)
}

/// As [`load_texts`], for documents that are in `namespace` unless they say otherwise; the topic of
/// a stream that names none depends on it.
///
/// # Errors
/// Every mistake of every text.
pub fn load_texts_in(
    namespace: &str,
    texts: &[(PathBuf, String)],
    sql: &dyn SqlCheck,
) -> Result<Manifests, Vec<Mistake>> {
    let mode = Mode { namespace, own_names: false, folder: None };
    finish(texts, mode, sql, Report::default())
}

fn finish(
    texts: &[(PathBuf, String)],
    mode: Mode<'_>,
    sql: &dyn SqlCheck,
    mut report: Report,
) -> Result<Manifests, Vec<Mistake>> {
    let mut declared = Declared::default();
    for (path, text) in texts {
        if let Some(why) = too_big(text.len()) {
            outside(path, why, &mut report);
            continue;
        }
        let folder = mode.folder.map(|_| path.parent().unwrap_or(Path::new("")));
        let (file, text) = add_text(path, text, &mut report);
        for root in yaml::documents(file, &text, &mut report) {
            declare(&root.node, Mode { folder, ..mode }, &mut declared, &mut report);
        }
    }
    let manifests = check(declared, sql, &mut report);
    let mistakes = report.into_mistakes();
    if mistakes.is_empty() { Ok(manifests) } else { Err(mistakes) }
}

/// Takes a text into the report, as the YAML reader understands it.
pub(crate) fn add_text<'t>(
    path: &Path,
    text: &'t str,
    report: &mut Report,
) -> (usize, Cow<'t, str>) {
    let text = json::as_yaml(text).map_or(Cow::Borrowed(text), Cow::Owned);
    (report.add_source(path, &text), text)
}

/// Why a text of so many bytes is not read.
pub(crate) fn too_big(bytes: usize) -> Option<String> {
    (bytes > MAX_TEXT_BYTES)
        .then(|| format!("too big for a manifest: {bytes} bytes, at most {MAX_TEXT_BYTES}"))
}

/// A mistake about a file or folder as a whole.
fn outside(path: &Path, message: String, report: &mut Report) {
    let at = report.top(path);
    report.add(at, message, NO_HINT);
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
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(path);
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    let size = std::fs::metadata(file).map_err(|e| format!("cannot be read: {e}"))?.len();
    if let Some(why) = too_big(usize::try_from(size).unwrap_or(usize::MAX)) {
        return Err(why);
    }
    std::fs::read_to_string(file).map_err(|e| format!("cannot be read: {e}"))
}
