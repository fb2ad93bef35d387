//! `sql_file` of a job: read beside its manifest, sent as `sql`.

use std::path::{Path, PathBuf};

use saphyr_parser::ScalarStyle;

use super::yaml::{Node, Spot, Value};

/// Most that a SQL file may have; the API takes no more at all.
const MAX_BYTES: u64 = 1 << 20;

/// A file with the SQL of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SqlFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is in it.
    pub(crate) text: String,
    /// What takes the place of the line that names it.
    pub(crate) line: (usize, String),
}

/// A mistake in a manifest, found before it is sent.
pub(crate) type Fault = (Spot, String, Option<String>);

/// Reads the file that a document's `spec.sql_file` names, if it names one. `lines` are those of
/// the manifest, `folder` is where it lies.
pub(crate) fn read(root: &Node, lines: &[&str], folder: &Path) -> Result<Option<SqlFile>, Fault> {
    let Some(spec) = root.get("spec") else { return Ok(None) };
    let Some((key, value)) = spec.member("sql_file") else { return Ok(None) };
    if spec.get("sql").is_some() {
        let hint = Some("remove one of the two".to_owned());
        return Err((key.at, "`sql` and `sql_file` exclude each other".to_owned(), hint));
    }
    let Value::Scalar(name, style) = &value.value else {
        return Err((value.at, "`sql_file` must be the path of a file".to_owned(), None));
    };
    let path = folder.join(name);
    let text = read_text(&path).map_err(|why| {
        let hint = "the path is relative to the manifest's folder".to_owned();
        (value.at, format!("`{name}` cannot be read: {why}"), Some(hint))
    })?;
    let source = lines.get(key.at.line - 1).copied().unwrap_or_default();
    let end = (value.at.line == key.at.line).then(|| end(source, value.at.column, name, *style));
    let Some(end) = end.flatten() else {
        let hint = "write `sql_file: jobs/plays.sql`".to_owned();
        return Err((value.at, "`sql_file` must be on one line".to_owned(), Some(hint)));
    };
    let before: String = source.chars().take(key.at.column - 1).collect();
    let after: String = source.chars().skip(end).collect();
    let sql = serde_json::Value::String(text.clone());
    let line = (key.at.line, format!("{before}\"sql\": {sql}{after}"));
    Ok(Some(SqlFile { path, text, line }))
}

fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, at most {MAX_BYTES} are taken"));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// How many characters of `line` come before the end of the scalar that begins at `column`; `None`
/// if it ends on another line.
fn end(line: &str, column: usize, text: &str, style: ScalarStyle) -> Option<usize> {
    let start = column - 1;
    let mut rest = line.chars().enumerate().skip(start);
    match style {
        ScalarStyle::Plain => {
            let found: String = line.chars().skip(start).take(text.chars().count()).collect();
            (found == text).then(|| start + text.chars().count())
        }
        ScalarStyle::SingleQuoted => {
            rest.next();
            while let Some((at, c)) = rest.next() {
                if c == '\'' && line.chars().nth(at + 1) == Some('\'') {
                    rest.next();
                } else if c == '\'' {
                    return Some(at + 1);
                }
            }
            None
        }
        ScalarStyle::DoubleQuoted => {
            rest.next();
            while let Some((at, c)) = rest.next() {
                match c {
                    '\\' => drop(rest.next()),
                    '"' => return Some(at + 1),
                    _ => {}
                }
            }
            None
        }
        _ => None,
    }
}
