//! Functions of texts in JSON.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::{Result, exec_datafusion_err};
use datafusion::logical_expr::ScalarUDF;

use super::json_path::Path;
use super::scalar::Kind::{Any, Bool, Text};
use super::scalar::{Args, Texts, bool_type, booleans, function, text_type, texts};

/// The functions of this file.
pub(super) fn functions() -> Vec<(&'static str, Arc<ScalarUDF>)> {
    vec![
        function("json_value", &[Text, Text, Text, Text], 2, text_type, value),
        function("json_query", &[Text, Text], 2, text_type, query),
        function("json_exists", &[Text, Text, Bool], 2, bool_type, exists),
        function("json_string", &[Any], 1, text_type, string),
    ]
}

/// The path of each row, read once when it is the same for all.
enum Paths {
    Constant(Option<Path>),
    Rows(Texts),
}

impl Paths {
    fn new(texts: Texts) -> Result<Self> {
        if texts.is_constant() {
            return texts.get(0).map(path).transpose().map(Self::Constant);
        }
        Ok(Self::Rows(texts))
    }

    fn with<R>(&self, row: usize, use_it: impl FnOnce(&Path) -> R) -> Result<Option<R>> {
        match self {
            Self::Constant(path) => Ok(path.as_ref().map(use_it)),
            Self::Rows(texts) => Ok(texts.get(row).map(path).transpose()?.as_ref().map(use_it)),
        }
    }
}

fn path(text: &str) -> Result<Path> {
    Path::parse(text).map_err(|message| exec_datafusion_err!("{message}"))
}

/// The scalar at a path as text, else what arguments 2 (nothing there) and 3 (no scalar, or no
/// JSON) say.
fn value(args: &Args) -> Result<ArrayRef> {
    let (json, paths) = (args.text(0)?, Paths::new(args.text(1)?)?);
    let (on_empty, on_error) = (args.text_or_none(2)?, args.text_or_none(3)?);
    texts(args.rows, |row, out| {
        let Some(json) = json.get(row) else { return Ok(None) };
        let instead = |other: &Option<Texts>, out: &mut String| {
            let other = other.as_ref().and_then(|texts| texts.get(row))?;
            out.push_str(other);
            Some(())
        };
        paths
            .with(row, |path| match path.find(json) {
                Ok(None) => instead(&on_empty, out),
                Ok(Some(found)) => match found.get().as_bytes() {
                    b"null" => instead(&on_empty, out),
                    [b'{' | b'[', ..] | [] => instead(&on_error, out),
                    [b'"', ..] => {
                        let text: String = serde_json::from_str(found.get()).unwrap_or_default();
                        out.push_str(&text);
                        Some(())
                    }
                    _ => {
                        out.push_str(found.get());
                        Some(())
                    }
                },
                Err(()) => instead(&on_error, out),
            })
            .map(Option::flatten)
    })
}

/// The object or array at a path, as text without blanks.
fn query(args: &Args) -> Result<ArrayRef> {
    let (json, paths) = (args.text(0)?, Paths::new(args.text(1)?)?);
    texts(args.rows, |row, out| {
        let Some(json) = json.get(row) else { return Ok(None) };
        paths
            .with(row, |path| {
                let found = path.find(json).ok().flatten()?.get();
                found.starts_with(['{', '[']).then(|| compact(found, out))
            })
            .map(Option::flatten)
    })
}

/// Copies JSON without the blanks between its tokens.
fn compact(json: &str, out: &mut String) {
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        if quoted || !c.is_ascii_whitespace() {
            out.push(c);
        }
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
}

fn exists(args: &Args) -> Result<ArrayRef> {
    let (json, paths) = (args.text(0)?, Paths::new(args.text(1)?)?);
    let on_error = if args.len() > 2 { Some(args.bool(2)?) } else { None };
    booleans(args.rows, |row| {
        let Some(json) = json.get(row) else { return Ok(None) };
        let found = paths.with(row, |path| path.find(json).map(|found| found.is_some()))?;
        Ok(match (found, &on_error) {
            (None, _) => None,
            (Some(Ok(found)), _) => Some(found),
            (Some(Err(())), None) => Some(false),
            (Some(Err(())), Some(values)) => values.is_valid(row).then(|| values.value(row)),
        })
    })
}

/// A value in JSON: texts in quotes, numbers and booleans as they are, NULL as NULL.
fn string(args: &Args) -> Result<ArrayRef> {
    use arrow::datatypes::DataType;

    let column = args.column(0)?;
    let bare = column.data_type().is_numeric() || *column.data_type() == DataType::Boolean;
    let written = arrow::compute::cast(&column, &DataType::Utf8)?;
    let written = written.as_string::<i32>();
    texts(args.rows, |row, out| {
        if written.is_null(row) {
            return Ok(None);
        }
        let text = written.value(row);
        if bare {
            out.push_str(text);
        } else {
            let quoted = serde_json::to_string(text);
            out.push_str(&quoted.map_err(|error| exec_datafusion_err!("{error}"))?);
        }
        Ok(Some(()))
    })
}
