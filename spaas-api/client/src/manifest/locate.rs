//! Mistakes in a request back to the files it was made of, shown as `file:line:column`.

use std::fmt::Write;

use saphyr_parser::ScalarStyle;

use super::read::Document;
use super::request::Request;
use super::sql_file::SqlFile;
use super::yaml::{Node, Spot, Value};
use crate::error::ClientError;
use crate::problem::{Item, Problem};
use crate::table::harmless;

/// Longest line of a source that is shown.
const MAX_SOURCE: usize = 160;

/// A mistake at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) file: Option<String>,
    pub(crate) at: Option<Spot>,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The line it is in.
    pub(crate) source: Option<String>,
}

/// Turns an error about a request into one about the files it was made of.
pub(crate) fn explain(error: ClientError, request: &Request<'_>) -> ClientError {
    let ClientError::Problem(problem) = error else { return error };
    if problem.errors.is_empty() {
        return ClientError::Problem(problem);
    }
    let mistakes: Vec<Mistake> =
        problem.errors.iter().map(|item| locate(item, &problem, request)).collect();
    let mut text = listing(&mistakes);
    let whole = Problem { errors: Vec::new(), ..(*problem).clone() };
    // A detail that is the one mistake again would be said twice.
    let said = |m: &Mistake| Some(&m.message) == problem.detail.as_ref();
    if !mistakes.iter().any(said) {
        let _ = write!(text, "error: {}", whole.telling());
    } else if let Some(advice) = whole.advice() {
        let _ = write!(text, "  {advice}");
    }
    ClientError::Told { text: text.trim_end().to_owned(), exit: problem.exit() }
}

/// The mistakes as people read them.
pub(crate) fn listing(mistakes: &[Mistake]) -> String {
    let mut text = String::new();
    for mistake in mistakes {
        let Mistake { file, at, message, hint, source } = mistake;
        if let Some(file) = file {
            let _ = write!(text, "{file}:");
        }
        if let Some(Spot { line, column }) = at {
            let _ = write!(text, "{line}:{column}:");
        }
        let space = if file.is_some() || at.is_some() { " " } else { "" };
        let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let _ = writeln!(text, "{space}{message}{hint}");
        if let (Some(at), Some(source)) = (at, source) {
            text.push_str(&underlined(*at, source));
        }
    }
    harmless(&text)
}

/// The line of a mistake, with the word at its place underlined.
fn underlined(at: Spot, source: &str) -> String {
    let chars: Vec<char> = source.chars().take(MAX_SOURCE).collect();
    if at.column > chars.len() || chars.iter().all(|c| c.is_whitespace()) {
        return String::new();
    }
    let word = |c: &&char| c.is_alphanumeric() || **c == '_';
    let marks = chars[at.column - 1..].iter().take_while(word).count().max(1);
    let number = at.line.to_string();
    // A tab before the mark stays one, so that the mark stands below its word.
    let space = |c: &char| if *c == '\t' { '\t' } else { ' ' };
    let before: String = chars[..at.column - 1].iter().map(space).collect();
    let line: String = chars.iter().collect();
    let gutter = " ".repeat(number.len());
    format!("  {number} | {line}\n  {gutter} | {before}{}\n", "^".repeat(marks))
}

fn locate(item: &Item, problem: &Problem, request: &Request<'_>) -> Mistake {
    let index = item.index.unwrap_or(0);
    let document = request.document(index);
    let place = document.and_then(|(file, document)| {
        let path = &request.sources.files[file].path;
        in_document(item, problem, request, document, path)
    });
    let place = place.or_else(|| in_text(item.line, column(item), request)).or_else(|| {
        // The beginning of the document is better than nothing.
        let (file, document) = document.filter(|_| item.index.is_some())?;
        Some((request.sources.files[file].path.clone(), document.tree.root.at))
    });
    let (file, at) = place.unzip();
    let source = source_line(item, request, document, file.as_deref(), at);
    let message = item.message.clone();
    Mistake { file, at, message, hint: item.hint.clone(), source }
}

/// The column that the server says, from 1 whatever it says.
fn column(item: &Item) -> usize {
    item.column.unwrap_or(1).max(1)
}

/// The place in the SQL, or of what the pointer leads to.
fn in_document(
    item: &Item,
    problem: &Problem,
    request: &Request<'_>,
    document: &Document,
    path: &str,
) -> Option<(String, Spot)> {
    let pointer = item.pointer.as_deref()?;
    // A question may have sent the SQL alone.
    let pointer = if pointer == "/sql" { "/spec/sql" } else { pointer };
    let of_sql = problem.word() == "sql-invalid" && item.line.is_some();
    let spot = Spot { line: item.line.unwrap_or(1).max(1), column: column(item) };
    match &document.sql {
        Some(sql) if pointer == "/spec/sql" => {
            let at = if of_sql { spot } else { in_inlined(item, request, sql) };
            return Some((sql.path.display().to_string(), at));
        }
        _ => {}
    }
    let node = document.tree.root.nearest(pointer);
    if let Some(place) = item.document.filter(|_| of_sql) {
        return in_text(Some(place.line), place.column, request);
    }
    if of_sql {
        let lines = &request.sources.files[request.document(item.index.unwrap_or(0))?.0].lines;
        return Some((path.to_owned(), within(node, spot, lines)));
    }
    // Lines of the text are more exact than what a pointer leads to.
    let exact = in_text(item.line, column(item), request);
    exact.is_none().then(|| (path.to_owned(), node.at))
}

/// The place in the files of a place in the request's text.
fn in_text(line: Option<usize>, column: usize, request: &Request<'_>) -> Option<(String, Spot)> {
    let (file, line) = request.origin(line?)?;
    let spot = Spot { line: line + 1, column: column.max(1) };
    Some((request.sources.files[file].path.clone(), spot))
}

/// The place in a SQL file of a column of the one line that was sent instead of it.
fn in_inlined(item: &Item, request: &Request<'_>, sql: &SqlFile) -> Spot {
    let start = Spot { line: 1, column: 1 };
    let on_line = item.line.and_then(|line| request.origin(line)).map(|(_, line)| line + 1);
    let (Some(line), Some(column)) = (on_line, item.column) else { return start };
    let quoted = serde_json::Value::String(sql.text.clone()).to_string();
    let at = sql.line.1.find(&quoted).map(|at| sql.line.1[..at].chars().count() + 1);
    let Some(begin) = at.filter(|_| line == sql.line.0) else { return start };
    let (mut spot, mut passed) = (start, begin + 1);
    for c in sql.text.chars() {
        if passed >= column {
            break;
        }
        passed += serde_json::Value::String(c.to_string()).to_string().chars().count() - 2;
        spot = if c == '\n' {
            Spot { line: spot.line + 1, column: 1 }
        } else {
            Spot { column: spot.column + 1, ..spot }
        };
    }
    spot
}

/// Where in the manifest a place within the text of `node` is.
fn within(node: &Node, spot: Spot, lines: &[String]) -> Spot {
    let Value::Scalar(text, style) = &node.value else { return node.at };
    match style {
        ScalarStyle::Literal => {
            // The parser says where the `|` is, or the first line with something in it.
            let mark = lines.get(node.at.line - 1).and_then(|l| l.chars().nth(node.at.column - 1));
            let empty = text.chars().take_while(|c| *c == '\n').count();
            let head = match mark {
                Some('|') => node.at.line,
                _ => (node.at.line - 1).saturating_sub(empty),
            };
            let first = lines.iter().skip(head).find(|line| !line.trim().is_empty());
            let indent = first.map_or(0, |line| line.chars().take_while(|c| *c == ' ').count());
            let line = head.saturating_add(spot.line);
            Spot { line, column: indent.saturating_add(spot.column) }
        }
        ScalarStyle::Plain if spot.line == 1 => {
            Spot { column: (node.at.column - 1).saturating_add(spot.column), ..node.at }
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted if spot.line == 1 => {
            Spot { column: node.at.column.saturating_add(spot.column), ..node.at }
        }
        _ => node.at,
    }
}

/// The line that a mistake is in.
fn source_line(
    item: &Item,
    request: &Request<'_>,
    document: Option<(usize, &Document)>,
    file: Option<&str>,
    at: Option<Spot>,
) -> Option<String> {
    let (file, at) = (file?, at?);
    let sql = document.and_then(|(_, document)| document.sql.as_ref());
    let sql = sql.filter(|sql| sql.path.display().to_string() == file);
    let line = |text: &str| text.lines().nth(at.line - 1).map(ToOwned::to_owned);
    if let Some(sql) = sql {
        return line(&sql.text);
    }
    let number = document.map(|(number, _)| number).filter(|_| item.index.is_some());
    let named = request.sources.files.iter().find(|f| f.path == file);
    let file = number.map(|n| &request.sources.files[n]).filter(|f| f.path == file).or(named)?;
    file.can_be_quoted().then(|| file.lines.get(at.line - 1).cloned())?
}
